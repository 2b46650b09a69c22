"""Writes a pack of a data folder (crops/pack.py): whole or not at all, going on where a killed run stopped."""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path

import cv2
import numpy as np

from ..crops.images import listening, read_image
from ..crops.pack import INDEX, JPEG, MANIFEST, RAW, Manifest, PackedSplit, index_file, is_pack, shard_file
from ..crops.person import DataSplit, Person
from ..crops.visible_region import MARGIN, crop_boxes, visible_region
from ..datasets.descriptor import SQUARE, Dataset
from ..datasets.registry import description_of
from ..errors import InputError
from ..files import write_atomic
from ..lock import file_lock
from .cache import content_digest, file_digest
from .folder import detect_dataset, load_people

Progress = Callable[..., None]
INPUT_SIZES = {SQUARE: (256, 256)}
INPUT_SIZE = (256, 192)
DETAIL = 2.0
JPEG_QUALITY = 95
SHARD = 1024  # people; what a killed run loses at most
WORTH_SHRINKING = 0.8  # a part that would lose less than this of its width stays as it is, and its pixels the same
SAMPLE = 96  # people from whom the size on disk is told beforehand


@dataclass(frozen=True)
class Stored:
    """One person's part of the image as it is written."""

    person_id: int
    image_wh: tuple[int, int]
    region: tuple[int, int, int, int]  # left, top, width, height
    stored_wh: tuple[int, int]
    data: bytes

    @property
    def shrunk(self) -> bool:
        return self.stored_wh != self.region[2:]


class Packer:
    """What one person's part of the image is, for a manifest's settings."""

    def __init__(self, manifest: Manifest, dataset: Dataset) -> None:
        self.manifest, self.skeleton = manifest, dataset.skeleton
        height, self.width = manifest.input_size
        self.aspect_ratio = self.width / height

    def store(self, person: Person, image: np.ndarray) -> Stored:
        how = self.manifest
        boxes = crop_boxes(person, how.augment, self.skeleton, self.aspect_ratio)
        factor = min(1.0, max(how.detail * self.width / max(box[2], 1.0) for box in boxes))
        factor = 1.0 if factor > WORTH_SHRINKING else factor
        image_wh = (image.shape[1], image.shape[0])
        left, top, width, height = visible_region(boxes, how.augment, MARGIN / factor, image_wh)
        pixels = image[top : top + height, left : left + width]
        stored_wh = (width, height)
        if factor < 1:
            stored_wh = (max(1, round(width * factor)), max(1, round(height * factor)))
            pixels = cv2.resize(pixels, stored_wh, interpolation=cv2.INTER_AREA)
        pixels = np.ascontiguousarray(pixels)
        if how.codec == JPEG:
            data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1].tobytes()
        else:
            data = pixels.tobytes()
        return Stored(person.person_id, image_wh, (left, top, width, height), stored_wh, data)

    def store_all(self, people: Sequence[Person], *, heard: bool = False) -> list[Stored]:
        """Those of one image. heard: see `read_image`."""
        image = read_image(people[0].image_path, heard=heard)
        return [self.store(person, image) for person in people]


@dataclass(frozen=True)
class PackResult:
    """What was written: where, the people and bytes of it, those stored smaller than in the image, and those of an
    earlier run that was interrupted."""

    folder: Path
    people: int
    bytes: int
    shrunk: int
    taken_over: int


def write_pack(
    root: str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    splits: Sequence[str] = ("train",),
    dataset: str | Dataset | None = None,
    input_size: tuple[int, int] | None = None,
    detail: float = DETAIL,
    codec: str = RAW,
    jobs: int | None = None,
    progress: Progress | None = None,
    told: Callable[[int, int], None] = lambda people, size: None,
) -> PackResult:
    """Put what training can see of every person of the data folder `root` into the new folder `out`.

    input_size: (H, W) of the largest crops (default: 256x192, of square crops 256x256); the ratio must be that of the
    model. The margins are for the data set's own augmentation or any weaker one. A part that is larger than `detail`
    times the crop is stored smaller. codec: "raw" or "jpeg" (smaller, slower, not the same pixels). `told(people,
    bytes)` is called with an estimate before anything is written.

    `out` appears whole at the end. A run that is killed leaves a hidden sibling `.<name>.part`, from which the next one
    with the same settings and annotations goes on, checked by its hashes. InputError: for bad settings, annotations or
    images, an `out` that is there, or too little room on the disk.
    """
    out = Path(os.path.abspath(Path(out).expanduser()))
    if is_pack(Path(root)):
        raise InputError(f"{root}: is a pack already; give the plain data folder")
    if out.exists():
        raise InputError(f"{out} exists, and nothing is overwritten; name a new folder, or remove this one first")
    if codec not in (RAW, JPEG):
        raise InputError(f"unknown codec {codec!r}; one of {RAW}, {JPEG}")
    if not 0.5 <= detail <= 100:
        raise InputError(f"detail is {detail:g}; give stored pixels per pixel of the crop, from 0.5 on")
    if not splits:
        raise InputError("no splits to pack: name one or more")
    known, source = detect_dataset(root, dataset)
    size = input_size or INPUT_SIZES.get(known.crop, INPUT_SIZE)
    manifest = Manifest(
        str(source), description_of(known) or known.name, size, known.augment, float(detail), codec, {}
    )
    data = {split: load_people(root, split, input_size=size, dataset=dataset) for split in splits}
    packer = Packer(manifest, known)
    people = sum(len(one.people) for one in data.values())
    estimate = int(people * _bytes_each(packer, [person for one in data.values() for person in _sample(one.people)]))
    told(people, estimate)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with file_lock(out.parent / f".{out.name}.lock", wait=False):
            part = out.parent / f".{out.name}.part"
            _begin(part, manifest, data)
            there = sum(file.stat().st_size for file in part.glob("*.bin"))
            free = shutil.disk_usage(part).free
            if estimate - there > free:
                raise InputError(
                    f"{out}: about {estimate / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; name a folder "
                    f"on another disk, lower --detail, or take --codec {JPEG}"
                )
            written, taken_over, done = {}, 0, 0
            with ThreadPoolExecutor(jobs or os.cpu_count()) as pool:  # OpenCV lets go of the interpreter's lock
                for split, one in data.items():
                    shards = []
                    for number, start in enumerate(range(0, len(one.people), SHARD)):
                        here = one.people[start : start + SHARD]
                        shard = _finished(part, split, number)
                        if shard is None:
                            shard = _write_shard(part, split, number, packer, here, pool)
                        else:
                            taken_over += len(here)
                        shards.append(shard)
                        done += len(here)
                        if progress:
                            progress(done, people)
                    written[split] = _write_index(part, split, shards, content_digest(one.annotation_file))
            write_atomic(part / MANIFEST, replace(manifest, splits=written).to_json())
            for file in (part / PLAN, *part.glob("*.done.npz")):
                file.unlink()
            part.rename(out)
    except BlockingIOError:
        raise InputError(f"{out}: another process is packing into it; wait for it or name another folder") from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written ({error.strerror or error})") from None
    packed = written.values()
    return PackResult(
        out, people, sum(split.bytes for split in packed), sum(split.shrunk for split in packed), taken_over
    )


PLAN = "plan.json"


def _begin(part: Path, manifest: Manifest, data: dict[str, DataSplit]) -> None:
    """The folder that is filled: as a killed run left it if that had the same in mind, else empty."""
    digests = {split: content_digest(one.annotation_file) for split, one in data.items()}
    plan = json.dumps(asdict(manifest) | {"annotations": digests, "shard": SHARD}, indent=1)
    if not (part / PLAN).is_file() or (part / PLAN).read_text() != plan:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        write_atomic(part / PLAN, plan)


def _write_shard(
    part: Path, split: str, number: int, packer: Packer, people: Sequence[Person], pool: ThreadPoolExecutor
) -> tuple[np.ndarray, str, int]:
    """Index rows, SHA-256 and size of a shard, which is written and then noted as done."""
    rows, digest, offset = np.zeros(len(people), INDEX), hashlib.sha256(), 0
    path = part / shard_file(split, number)
    images = [list(of) for _, of in itertools.groupby(people, key=lambda person: person.image_path)]
    with open(path, "wb") as file:
        for row, stored in enumerate(itertools.chain.from_iterable(_in_order(pool, packer, images))):
            sizes = (*stored.region, *stored.stored_wh)
            rows[row] = (stored.person_id, number, offset, len(stored.data), *stored.image_wh, *sizes)
            file.write(stored.data)
            digest.update(stored.data)
            offset += len(stored.data)
        file.flush()
        os.fsync(file.fileno())
    done = part / f"{path.stem}.done.npz"
    with open(done.with_suffix(".new"), "wb") as file:
        np.savez(file, rows=rows, digest=np.array(digest.hexdigest()))
    os.replace(done.with_suffix(".new"), done)
    return rows, digest.hexdigest(), offset


def _in_order(pool: ThreadPoolExecutor, packer: Packer, images: list[list[Person]]) -> Iterator[list[Stored]]:
    """As pool.map, but few at a time, lest a shard's pixels lie in memory."""
    for start in range(0, len(images), 64):
        batch = images[start : start + 64]
        with listening() as said:
            stored = list(pool.map(partial(packer.store_all, heard=True), batch))
        # by one of them: alone each is heard for itself
        yield from map(packer.store_all, batch) if said.text else stored


def _finished(part: Path, split: str, number: int) -> tuple[np.ndarray, str, int] | None:
    """What `_write_shard` gave in an earlier run, if its pixels still have the hash that was noted."""
    path = part / shard_file(split, number)
    with contextlib.suppress(Exception):  # whatever is wrong with it, it is written again
        with np.load(part / f"{path.stem}.done.npz", allow_pickle=False) as noted:
            rows, digest = noted["rows"], str(noted["digest"])
        if rows.dtype == INDEX and file_digest(path) == digest:
            return rows, digest, path.stat().st_size
    return None


def _write_index(part: Path, split: str, shards: list[tuple[np.ndarray, str, int]], annotations: str) -> PackedSplit:
    path = part / index_file(split)
    rows = np.concatenate([rows for rows, _, _ in shards])
    np.save(path, rows)
    shrunk = int(((rows["stored_width"] != rows["width"]) | (rows["stored_height"] != rows["height"])).sum())
    digests = tuple(digest for _, digest, _ in shards)
    size = sum(size for _, _, size in shards) + path.stat().st_size
    return PackedSplit(annotations, len(rows), shrunk, file_digest(path), digests, size)


def _sample(people: Sequence[Person]) -> list[Person]:
    return [people[int(row)] for row in np.unique(np.linspace(0, len(people) - 1, SAMPLE).astype(int))]


def _bytes_each(packer: Packer, people: list[Person]) -> float:
    return float(np.mean([len(packer.store(person, read_image(person.image_path)).data) for person in people]))
