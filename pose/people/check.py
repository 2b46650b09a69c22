"""What is missing or broken in a data folder, all of it at once, and what the folder holds.

The readers stop at the first fault; here every entry is tried by the same parsers and every image is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np

from ..crops.images import decode_image, decode_unheard, listening, read_image_bytes, structure_fault
from ..datasets.descriptor import Dataset
from ..datasets.registry import find_dataset
from ..errors import InputError
from .folder import detect_dataset
from .problem import Entry, FolderCheck, SplitSummary, error, warning

Progress = Callable[[int, int], None]
TOGETHER = 32  # images decoded at the same time, at most


def inspect_folder(
    root: str | os.PathLike[str], *, dataset: str | Dataset | None = None, progress: Progress | None = None
) -> FolderCheck:
    """Problems and contents of a data folder. Reads every image; writes nothing; raises nothing for what the folder
    holds, and InputError only where there is no folder, or no data set of that name."""
    root = Path(os.path.abspath(os.path.expanduser(root)))
    try:
        known, folder = detect_dataset(root, dataset and find_dataset(dataset))
    except InputError as problem:
        if not root.is_dir():
            raise
        file, _, what = str(problem).partition(": ")
        return FolderCheck(None, root, [error(Path(file), what)])
    result = FolderCheck(known.name, folder)
    entries = known.work("check")(folder, known, result) if known.check else _check_readable(folder, known, result)
    _check_images(entries, result, progress)
    return result


def _check_readable(folder: Path, dataset: Dataset, result: FolderCheck) -> list[Entry]:
    """What the reader alone says of a data set without a check of its own; scores need "val"."""
    entries = []
    for split in dataset.splits:
        try:
            data = dataset.work("read")(folder, split, dataset, boxes="gt", aspect_ratio=1.0, convention="dark")
        except InputError as fault:
            needed = error if split == "val" else warning
            result.problems.append(needed(folder, f"{split}: {str(fault).removeprefix(f'{folder}: ')}"))
            continue
        file = data.annotation_file
        here = [Entry(p.image_path, file, f"person {p.person_id}", points=p.labelled) for p in data.people]
        keypoints = sum(len(entry.points) for entry in here if entry.points is not None)
        images = len({entry.image_path for entry in here})
        result.splits.append(SplitSummary(split, file, images, len(here), keypoints))
        entries += here
    return entries


def _check_images(entries: Iterable[Entry], result: FolderCheck, progress: Progress | None) -> None:
    """Decode each image once; compare its size with what the annotations say and where they point."""
    by_path: dict[Path, list[Entry]] = {}
    for entry in entries:
        by_path.setdefault(entry.image_path, []).append(entry)
    by_folder: dict[Path, list[Path]] = {}
    for path in by_path:
        by_folder.setdefault(path.parent, []).append(path)
    for images_at, paths in sorted(by_folder.items()):
        if not os.path.isdir(images_at):  # also of a name longer than there may be
            result.problems.append(error(images_at, f"the image folder is missing (for {len(paths)} images)"))
            for path in paths:
                del by_path[path]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # OpenCV lets go of the interpreter's lock
        paths = list(by_path)
        for start in range(0, len(paths), TOGETHER):
            batch = paths[start : start + TOGETHER]
            with listening() as heard:
                sizes = list(pool.map(_image_size, batch))
            if heard.text:  # by one of them: alone each is heard for itself
                sizes = [_image_size(path, decode_image) for path in batch]
            for done, (path, size_or_fault) in enumerate(zip(batch, sizes, strict=True), start + 1):
                if isinstance(size_or_fault, str):
                    result.problems.append(error(path, size_or_fault))
                else:
                    for entry in by_path[path]:
                        result.problems += entry.compare(size_or_fault)
                if progress:
                    progress(done, len(by_path))


def _image_size(path: Path, decode: Callable[[bytes, Path], np.ndarray] = decode_unheard) -> tuple[int, int] | str:
    """(width, height) in px, or what is wrong with the file."""
    try:
        data = read_image_bytes(path)
        fault = structure_fault(data)
        if fault:
            return fault
        height, width = decode(data, path).shape[:2]
    except InputError as problem:
        return str(problem).removeprefix(f"{path}: ")
    return width, height
