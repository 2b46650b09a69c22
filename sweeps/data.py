"""The data of a sweep: found or made, counted, and identified by the content of its annotations."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

from ..pose.crops.people import pack_of
from ..pose.crops.person import DataSplit, Person
from ..pose.datasets.registry import DEFAULT, description_of, source_of
from ..pose.errors import InputError
from ..pose.models.config import ModelSpec
from ..pose.people.folder import load_people
from ..pose.reductions import find_reduction, reduction_config
from ..pose.synth.cache import TRAIN, VAL, default_set_path, ensure_default_set
from .config import FINETUNE
from .events import Event, Listener, ignore
from .request import SweepRequest

_AGAIN = "put the old one back and run the same command again, or give another --out"


@dataclass(frozen=True)
class DataFacts:
    """A data folder as a sweep sees it. boxes: "gt" or the detection file; boxes_hash: "gt" or that of its content.
    train_hash, eval_hash: of the annotations of each split. made: whether the folder is there yet.
    described: of the data set, where its name alone is not enough to make a model for it."""

    root: Path
    layout: str
    boxes: str
    boxes_hash: str
    train_hash: str | None
    eval_hash: str
    train_people: int
    eval_people: int
    made: bool = True
    described: str | None = None

    @property
    def dataset(self) -> str:
        """What `find_dataset` and `create_model` know the data set by."""
        return self.described or self.layout


def find_data(request: SweepRequest, on_event: Listener = ignore, *, make: bool = True) -> DataFacts:
    """Read the annotations of the data that `request` names, once; without --data make the embedded set if need be.

    With make=False a missing embedded set is described, not made. InputError for annotations that are absent or
    broken, for a split without people, and for an image that is not there.
    """
    if request.profile_only and request.data is None:
        return DataFacts(Path(), request.dataset or DEFAULT, request.boxes, request.boxes, None, "", 0, 0)
    if request.data is not None:
        root = Path(request.data)
    elif make:
        root = ensure_default_set(_progress(on_event))
    else:
        root = default_set_path()
        if not root.is_dir():
            unknown = "embedded set, not made yet"
            return DataFacts(root, DEFAULT, request.boxes, request.boxes, unknown, unknown, TRAIN, VAL, made=False)
    val = load_people(root, "val", boxes=request.boxes, dataset=request.dataset)
    trains = any(needs_training(request, model) for model in request.models)
    train = load_people(root, "train", dataset=request.dataset) if trains else _training_people(root, request)
    for split in (split for split in (train, val) if split and not pack_of(split.people)):
        check_images(split.people)
    return DataFacts(
        root=root.resolve(),
        layout=val.layout,
        boxes=val.boxes,
        boxes_hash=_boxes_digest(val),
        train_hash=digest(train) if train else None,
        eval_hash=digest(val),
        train_people=len(train.people) if train else 0,
        eval_people=len(val.people),
        described=description_of(val.dataset),
    )


def load_split(root: str | Path, split: str, model: ModelSpec, boxes: str = "gt") -> DataSplit:
    """The people of a split of a sweep's data, cropped as a model of its takes them."""
    known = None if model.described else model.dataset
    crops = {"input_size": model.input_size, "convention": model.convention}
    return load_people(root, split, boxes=boxes, dataset=known, **crops)


def load_judged(data: DataFacts, model: ModelSpec) -> DataSplit:
    """The people that the cells of a sweep were judged by; InputError where they are others by now."""
    split = load_split(data.root, "val", model, data.boxes)
    check_unchanged(split, data.eval_hash, data.boxes_hash)
    return split


def check_unchanged(data: DataSplit, annotations: str | None, boxes: str = "gt") -> None:
    """InputError where the annotations or detections are others than those that the sweep began with."""
    if digest(data) != annotations:
        raise InputError(f"{data.annotation_file}: has changed since the sweep began; {_AGAIN}")
    if _boxes_digest(data) != boxes:
        raise InputError(f"{data.boxes}: has changed since the sweep began; {_AGAIN}")


def needs_training(request: SweepRequest, model: str) -> bool:
    """Whether a sweep trains `model`, or only evaluates weights that were given."""
    return not request.profile_only and (request.weights_of(model) is None or request.training == FINETUNE)


def _training_people(root: Path, request: SweepRequest) -> DataSplit | None:
    """What a mask may look at that is filled from training people without training; None where there are none."""
    masks = [find_reduction(reduction_config(mask).name) for mask in request.masks]
    if request.profile_only or not any(mask.gather for mask in masks):
        return None
    try:
        return load_people(root, "train", dataset=request.dataset)
    except InputError:  # the plan says so, if the weights do not hold what the mask needs
        return None


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


def digest(data: DataSplit) -> str:
    """Of the annotations, and of what reads them where that is not ours."""
    return _hash(data.annotation_file) + _pack(data) + source_of(data.dataset)


def _boxes_digest(data: DataSplit) -> str:
    return "gt" if data.boxes == "gt" else _hash(Path(data.boxes))


def _pack(data: DataSplit) -> str:
    """"" for people in their pictures, else what is stored of them."""
    pack = pack_of(data.people)
    return f"+{pack.digest}" if pack else ""


def _hash(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()[:16]
