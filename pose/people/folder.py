"""A data folder of any data set, and its splits as lists of people."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from ..crops.boxes import check_convention
from ..crops.pack import is_pack, read_manifest
from ..crops.people import People
from ..crops.person import DataSplit, Person
from ..datasets.descriptor import Dataset
from ..datasets.registry import dataset_names, find_dataset
from ..errors import InputError
from ..plugins import is_reference
from .fields import shown
from .packed import with_pack


def detect_dataset(root: str | os.PathLike[str], dataset: str | Dataset | None = None) -> tuple[Dataset, Path]:
    """The data set of a folder and the folder that holds its annotations: `root` itself, or one in it that is called
    by a data set's name, such as coco/ or mpii/. Of a pack: those of the folder that it was made of.

    dataset: which one it is, where that is known; else the folder's files tell, those of the deepest mark.
    Raises InputError when there are no annotations, or those of several data sets.
    """
    root = Path(os.path.abspath(os.path.expanduser(root)))
    if not os.path.isdir(root):
        raise InputError(f"{root}: {'not a folder' if os.path.exists(root) else 'no such data folder'}")
    if is_pack(root):  # its annotations are those of the folder that it was made of
        manifest = read_manifest(root)
        if not os.path.isdir(manifest.source):
            source = shown(manifest.source, 300)
            raise InputError(f"{root}: packed from {source}, which is not there; its annotations are needed")
        named = None if manifest.dataset.startswith("{") else manifest.dataset
        if named and is_reference(named) and not dataset:
            raise InputError(
                f"{root}: packed of people of {shown(named)}, which is code and not in the folder: name it, too "
                "(--dataset), to have it imported"
            )
        root, dataset = Path(manifest.source), dataset or named
    known = [find_dataset(dataset)] if dataset else [find_dataset(name) for name in dataset_names()]
    for candidates in ([(one, root) for one in known], [(one, root / one.name) for one in known]):
        found = _deepest([(one, folder, mark) for one, folder in candidates for mark in _marks(one, folder)])
        if len(found) == 1:
            one, folder, _ = found[0]
            return (one.work("adapt")(one, folder) if one.adapt else one), folder
        if found:
            places = " and ".join(str(folder / mark) for _, folder, mark in found)
            titles = " and ".join(one.title for one, _, _ in found)
            both = "both " if len(found) == 2 else ""
            raise InputError(f"{root}: holds {both}{titles} data ({places}); name the folder of one of them")
    if dataset:
        return known[0], root
    examples = [f"{one.example} ({one.title})" for one in known if one.example]
    folders = " or ".join(f"{one.name}/" for one in known)
    expected = " or ".join(examples)
    raise InputError(f"{root}: no annotations here; expected {expected}, in this folder or in its {folders}")


def load_people(
    root: str | os.PathLike[str],
    split: str,
    *,
    boxes: str | os.PathLike[str] = "gt",
    input_size: tuple[int, int] = (256, 192),
    convention: str = "dark",
    dataset: str | Dataset | None = None,
) -> DataSplit:
    """The people of a split ("train" or "val"; some data sets have also "trainval" and "test") of a data folder.

    `boxes` is "gt" or a file of person detections (not of MPII); `input_size` (H, W) gives the crop's aspect ratio;
    `convention` is the crops' (crops/boxes.py); `dataset` says what the folder holds, where its files do not. Images
    are not touched. Raises InputError in one line for whatever is wrong with the folder or its files.
    """
    check_convention(convention)
    found, folder = detect_dataset(root, dataset)
    aspect_ratio = input_size[1] / input_size[0]
    data = found.work("read")(
        folder, split, found, boxes=os.fspath(boxes), aspect_ratio=aspect_ratio, convention=convention
    )
    root = Path(os.path.abspath(os.path.expanduser(root)))
    if is_pack(root):
        return replace(data, people=with_pack(data, root))
    return replace(data, people=_in_arrays(data.people))


def _in_arrays(people: Sequence[Person]) -> Sequence[Person]:
    """The same people in arrays; as they are where a reader of one's own gave what arrays do not hold."""
    try:
        plain = isinstance(people, People) or all(type(person) is Person for person in people)
        return People.of(people) if plain else people
    except (TypeError, ValueError, OverflowError):
        return people


def _marks(dataset: Dataset, folder: Path) -> list[Path]:
    """The first match of a data set's marks, relative to the folder, if there is one."""
    matches = (match for mark in dataset.marks for match in sorted(folder.glob(mark)))
    return [match.relative_to(folder) for match in islice(matches, 1)]


def _deepest(found: list[tuple[Dataset, Path, Path]]) -> list[tuple[Dataset, Path, Path]]:
    """Without those whose mark is a folder in which another's lies: that one knows the folder better."""
    inner = [folder / mark for _, folder, mark in found]
    return [one for one in found if not any(one[1] / one[2] in path.parents for path in inner)]
