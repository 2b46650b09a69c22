"""What is missing or broken in a data folder, all of it at once, and what the folder holds.

The readers stop at the first fault; here every entry is tried by the same parsers and every image is decoded.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import InputError
from .check_coco import check_coco_detections, check_coco_split
from .check_mpii import check_ground_truth, check_mpii_split
from .coco import DETECTION_FOLDER, CocoFile
from .coco import annotation_file as coco_annotation_file
from .folder import detect_layout
from .images import decode_image, read_image_bytes, structure_fault
from .mpii import annotation_file as mpii_annotation_file
from .problem import Entry, Problem, SplitSummary, error, warning

Progress = Callable[[int, int], None]


@dataclass
class FolderCheck:
    """`problems` in the order of the files; `splits` counts what can be used; `layout` is None if unrecognisable."""

    layout: str | None
    folder: Path
    problems: list[Problem] = field(default_factory=list)
    splits: list[SplitSummary] = field(default_factory=list)

    @property
    def ok(self) -> bool:
        """No errors; there may be warnings."""
        return not any(problem.severity == "error" for problem in self.problems)


def inspect_folder(root: str | os.PathLike[str], *, progress: Progress | None = None) -> FolderCheck:
    """Problems and contents of a data folder of either layout. Reads every image; writes nothing; raises nothing for
    what the folder holds, and InputError only where there is no folder."""
    root = Path(os.path.abspath(os.path.expanduser(root)))
    try:
        layout, folder = detect_layout(root)
    except InputError as problem:
        if not root.is_dir():
            raise
        return FolderCheck(None, root, [error(root, str(problem).removeprefix(f"{root}: "))])
    result = FolderCheck(layout, folder)
    entries = _check_coco(folder, result) if layout == "coco" else _check_mpii(folder, result)
    _check_images(entries, result, progress)
    return result


def _check_coco(folder: Path, result: FolderCheck) -> list[Entry]:
    entries: list[Entry] = []
    files: list[CocoFile] = []
    _missing_splits(result, [coco_annotation_file(folder, split) for split in ("train", "val")])
    for split in ("train", "val"):
        if coco_annotation_file(folder, split).is_file():
            file, summary = check_coco_split(folder, split, result.problems)
            if file and summary:
                files.append(file)
                result.splits.append(summary)
                entries += [
                    Entry(image.path, file.path, "", (image.width, image.height)) for image in file.images.values()
                ]
    for path in sorted((folder / DETECTION_FOLDER).glob("*.json")):
        if files and "test" not in path.name:  # the test images have no annotations to check against
            check_coco_detections(path, files, result.problems)
    return entries


def _check_mpii(folder: Path, result: FolderCheck) -> list[Entry]:
    entries: list[Entry] = []
    _missing_splits(result, [mpii_annotation_file(folder, split) for split in ("train", "valid")])
    for split in ("train", "valid", "trainval", "test"):
        path = mpii_annotation_file(folder, split)
        if path.is_file():
            summary, split_entries = check_mpii_split(folder, split, result.problems)
            if summary:
                result.splits.append(summary)
            entries += split_entries
            if split == "valid":
                check_ground_truth(folder, path, result.problems)
    return entries


def _missing_splits(result: FolderCheck, paths: list[Path]) -> None:
    missing = [path for path in paths if not path.is_file()]
    for path in missing:
        if len(missing) == len(paths):
            result.problems.append(error(path, "the annotation file is missing"))
        else:
            result.problems.append(warning(path, "the annotation file is missing; this split cannot be used"))


def _check_images(entries: Iterable[Entry], result: FolderCheck, progress: Progress | None) -> None:
    """Decode each image once; compare its size with what the annotations say and where they point."""
    by_path: dict[Path, list[Entry]] = {}
    for entry in entries:
        by_path.setdefault(entry.image_path, []).append(entry)
    for images_at in sorted({path.parent for path in by_path}):
        if not images_at.is_dir():
            gone = [path for path in by_path if path.parent == images_at]
            result.problems.append(error(images_at, f"the image folder is missing (for {len(gone)} images)"))
            for path in gone:
                del by_path[path]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:  # OpenCV lets go of the interpreter's lock
        for done, (path, size_or_fault) in enumerate(zip(by_path, pool.map(_image_size, by_path), strict=True), 1):
            if isinstance(size_or_fault, str):
                result.problems.append(error(path, size_or_fault))
            else:
                for entry in by_path[path]:
                    result.problems += entry.compare(size_or_fault)
            if progress:
                progress(done, len(by_path))


def _image_size(path: Path) -> tuple[int, int] | str:
    """(width, height) in px, or what is wrong with the file."""
    try:
        data = read_image_bytes(path)
        fault = structure_fault(data)
        if fault:
            return fault
        height, width = decode_image(data, path).shape[:2]
    except InputError as problem:
        return str(problem).removeprefix(f"{path}: ")
    return width, height
