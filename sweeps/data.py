"""The data of a sweep: found or made, counted, and identified by the content of its annotations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..pose.data.folder import load_people
from ..pose.data.person import Person
from ..pose.data.synth.cache import TRAIN, VAL, default_set_path, ensure_default_set
from ..pose.datasets.registry import DEFAULT, plain, source_of
from ..pose.errors import InputError
from .events import Event, Listener, ignore
from .grid import DataIdentity
from .spec import SweepSpec


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

    @property
    def dataset(self) -> str | dict[str, Any]:
        """What `find_dataset` and `create_model` know the data set by."""
        return self.identity.described or self.layout


def find_data(spec: SweepSpec, on_event: Listener = ignore, *, make: bool = True) -> DataFacts:
    """Read the annotations of the data that `spec` names, once; without --data make the embedded set if need be.

    With make=False a missing embedded set is described, not made. InputError for annotations that are absent or
    broken, for a split without people, and for an image that is not there.
    """
    if spec.data is not None:
        root = Path(spec.data)
    elif make:
        root = ensure_default_set(_progress(on_event))
    else:
        root = default_set_path()
        if not root.is_dir():
            identity = DataIdentity(DEFAULT, "embedded set, not made yet", spec.boxes)
            return DataFacts(root, DEFAULT, spec.boxes, identity, TRAIN, VAL, made=False)
    trains = any(needs_training(spec, model) for model in spec.models)
    splits = [load_people(root, "val", boxes=spec.boxes)]
    if trains:
        splits.insert(0, load_people(root, "train"))
    for split in splits:
        check_images(split.people)
    val = splits[-1]
    boxes = "gt" if val.boxes == "gt" else _hash([Path(val.boxes)])
    known = plain(val.dataset)
    fingerprint = _hash([split.annotation_file for split in splits]) + source_of(val.dataset)
    identity = DataIdentity(val.layout, fingerprint, boxes, None if isinstance(known, str) else known)
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


def _progress(on_event: Listener) -> Callable[..., None]:
    def progress(done: int, total: int, **info: object) -> None:
        on_event(Event("progress", "data", "rendering", done, total))
        if done >= total:
            on_event(Event("done", "data"))

    return progress


def _hash(files: list[Path]) -> str:
    digest = hashlib.sha256()
    for file in files:
        content = file.read_bytes()
        digest.update(f"{len(content)} ".encode() + content)
    return digest.hexdigest()[:16]
