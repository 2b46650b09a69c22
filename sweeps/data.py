"""The data of a sweep: found or made, counted, and identified by the content of its annotations."""

from __future__ import annotations

import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from ..pose.data.folder import load_people
from ..pose.data.person import Person
from ..pose.errors import InputError
from .events import Event, Listener, ignore
from .grid import DataIdentity
from .spec import SweepSpec

EMBEDDED_TRAIN, EMBEDDED_VAL, EMBEDDED_SEED = 6000, 1000, 0


@dataclass(frozen=True)
class DataFacts:
    """A data folder as a sweep sees it. boxes: "gt" or the detection file; made: whether the folder is there yet."""

    root: Path
    layout: str
    boxes: str
    identity: DataIdentity
    train_people: int
    eval_people: int
    made: bool = True


def find_data(spec: SweepSpec, on_event: Listener = ignore, *, make: bool = True) -> DataFacts:
    """Read the annotations of the data that `spec` names, once; without --data make the embedded set if need be.

    With make=False a missing embedded set is described, not made. InputError for annotations that are absent or
    broken, for a split without people, and for an image that is not there.
    """
    root = Path(spec.data) if spec.data is not None else embedded_folder()
    if spec.data is None and not root.is_dir():
        if not make:
            identity = DataIdentity("coco", "embedded set, not made yet", spec.boxes)
            return DataFacts(root, "coco", spec.boxes, identity, EMBEDDED_TRAIN, EMBEDDED_VAL, made=False)
        make_embedded(root, on_event)
    trains = any(needs_training(spec, model) for model in spec.models)
    splits = [load_people(root, "val", boxes=spec.boxes)]
    if trains:
        splits.insert(0, load_people(root, "train"))
    for split in splits:
        check_images(split.people)
    val = splits[-1]
    boxes = "gt" if val.boxes == "gt" else _hash([Path(val.boxes)])
    identity = DataIdentity(val.layout, _hash([split.annotation_file for split in splits]), boxes)
    return DataFacts(
        root.resolve(),
        val.layout,
        val.boxes,
        identity,
        len(splits[0].people) if trains else 0,
        len(val.people),
    )


def needs_training(spec: SweepSpec, model: str) -> bool:
    """Whether a sweep trains `model`, or only evaluates weights that were given."""
    return spec.weights_of(model) is None or spec.training == "finetune"


def check_images(people: Iterable[Person]) -> None:
    """InputError naming the first image file that is not there, before hours are spent on the others."""
    seen: set[Path] = set()
    for person in people:
        if person.image_path not in seen and not person.image_path.is_file():
            raise InputError(f"{person.image_path}: no such image, though the annotations name it; run data check")
        seen.add(person.image_path)


def embedded_folder() -> Path:
    """Where the embedded set lies: below $POSEBENCH_CACHE, else in posebench/ of the user's cache folder."""
    cache = os.environ.get("POSEBENCH_CACHE")
    if cache is None:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "posebench"
    return Path(cache) / f"synth-{EMBEDDED_TRAIN}-{EMBEDDED_VAL}-seed{EMBEDDED_SEED}"


def make_embedded(root: Path, on_event: Listener = ignore) -> None:
    """Render the embedded set beside `root` and move it there when it is whole."""
    from ..pose.data.synth import write_synthetic

    def progress(done: int, total: int, **info: object) -> None:
        on_event(Event("progress", "data", "making the embedded set", done, total))

    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=root.parent, prefix=f".{root.name}."))
    except OSError as error:
        raise InputError(
            f"{root.parent}: cannot be written to ({error.strerror}); give --data, or set POSEBENCH_CACHE to a folder"
        ) from None
    try:
        out = temporary / "set"
        write_synthetic(
            out, train=EMBEDDED_TRAIN, val=EMBEDDED_VAL, seed=EMBEDDED_SEED, layout="coco", progress=progress
        )
        if not root.is_dir():  # another process may have been faster; theirs is byte for byte the same
            out.rename(root)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()[:16]
