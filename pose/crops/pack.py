"""A pack: the part of each image that training can see of a person, laid one behind the other.

A folder with `pack.json` (what it was made of and how), for each split `<split>.index.npy` (where each person lies,
in the order of the annotations) and shards `<split>-00000.bin` of pixels.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from dataclasses import asdict, astuple, dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from ..datasets.augmentation import Augmentation
from ..errors import InputError
from ..files import read_text
from ..schema import check_version
from .images import MOST_PIXELS, decode_image

MANIFEST = "pack.json"
VERSION = 1
RAW, JPEG = "raw", "jpeg"

#: Where a person's part of the image begins (px of the image), how large it is there, and how large as stored.
INDEX = np.dtype([
    ("person_id", "<i8"), ("shard", "<i4"), ("offset", "<i8"), ("bytes", "<i4"),
    ("image_width", "<i4"), ("image_height", "<i4"),
    ("left", "<i4"), ("top", "<i4"), ("width", "<i4"), ("height", "<i4"),
    ("stored_width", "<i4"), ("stored_height", "<i4"),
])  # fmt: skip


@dataclass(frozen=True)
class PackedSplit:
    """One split of a pack. annotations: SHA-256 of the file that its people come from; index, shards: of its own files,
    in order. shrunk: people who are stored smaller than they are in the image."""

    annotations: str
    people: int
    shrunk: int
    index: str
    shards: tuple[str, ...]
    bytes: int


@dataclass(frozen=True)
class Manifest:
    """What a pack was made of and how. source: the plain data folder; dataset: its name, and what describes it where
    that is not enough; input_size (H, W): of the largest crops it is good for; augment: the strongest variation;
    detail: stored pixels per pixel of the largest crop; codec: RAW or JPEG."""

    source: str
    dataset: str
    input_size: tuple[int, int]
    augment: Augmentation
    detail: float
    codec: str
    splits: dict[str, PackedSplit]
    version: int = VERSION

    def to_json(self) -> str:
        return json.dumps(asdict(self), indent=1) + "\n"

    def is_sound(self) -> bool:
        """Whether each field holds what it is said to, which JSON does not tell."""
        texts, numbers = [self.source, self.dataset], [*self.input_size, *astuple(self.augment), self.detail]
        for split in self.splits.values():
            texts += [split.annotations, split.index, *split.shards]
            numbers += [split.people, split.shrunk, split.bytes]
        typed = all(type(text) is str for text in texts) and all(type(number) in (int, float) for number in numbers)
        return typed and min(self.input_size) > 0 and min(numbers) >= 0 and self.codec in (RAW, JPEG)


def is_pack(folder: Path) -> bool:
    return (folder / MANIFEST).is_file()


def read_manifest(folder: Path) -> Manifest:
    """What `folder`/pack.json says. InputError where it is damaged or of another version."""
    path = folder / MANIFEST
    try:
        values: dict[str, Any] = json.loads(read_text(path))
        check_version(path, "pack", values["version"], VERSION, then="pack anew")
        height, width = map(int, values["input_size"])
        splits = {
            name: PackedSplit(**split | {"shards": tuple(split["shards"])}) for name, split in values["splits"].items()
        }
        values |= {"input_size": (height, width), "augment": Augmentation(**values["augment"]), "splits": splits}
        manifest = Manifest(**values)
        if not manifest.is_sound():
            raise ValueError("a field holds what cannot be there")
        return manifest
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror})") from None
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError) as error:
        raise InputError(f"{path}: damaged ({' '.join(str(error).split())}); pack anew") from None


def shard_file(split: str, number: int) -> str:
    return f"{split}-{number:05d}.bin"


def index_file(split: str) -> str:
    return f"{split}.index.npy"


class Pack:
    """The stored people of a split, in the order of its records. Every process opens the files for itself."""

    def __init__(self, folder: Path, split: str, manifest: Manifest) -> None:
        self.folder, self.split, self.manifest = folder, split, manifest
        self._files: dict[int, BinaryIO] = {}
        self._canvas = np.empty(0, np.uint8)

    @functools.cached_property
    def index(self) -> np.ndarray:
        """(n,) of INDEX. InputError where the file is gone or damaged."""
        path = self.folder / index_file(self.split)
        try:
            index = np.load(path, allow_pickle=False)  # mapped, a file that is cut meanwhile would end the process
        except (OSError, ValueError, EOFError, MemoryError) as error:  # the last: it states any number of people
            raise InputError(f"{path}: cannot be read ({error}); pack anew") from None
        if index.dtype != INDEX or index.shape != (self.manifest.splits[self.split].people,) or not self._holds(index):
            raise InputError(f"{path}: damaged; pack anew")
        return index

    def _holds(self, index: np.ndarray) -> bool:
        """Whether each part lies in its image, and is stored as large as it is said to be."""
        at = {name: index[name].astype(np.int64) for name in INDEX.names}  # sums and products need more bits
        stored = at["stored_width"] * at["stored_height"] * 3
        facts = (
            (at["left"] >= 0) & (at["left"] + at["width"] <= at["image_width"]),
            (at["top"] >= 0) & (at["top"] + at["height"] <= at["image_height"]),
            (at["stored_width"] > 0) & (at["stored_width"] <= at["width"]),
            (at["stored_height"] > 0) & (at["stored_height"] <= at["height"]),
            at["image_width"] * at["image_height"] <= MOST_PIXELS,
            (at["shard"] >= 0) & (at["offset"] >= 0),
            at["bytes"] == stored if self.manifest.codec == RAW else at["bytes"] > 0,
        )
        return all(fact.all() for fact in facts)

    def check(self, augment: Augmentation | None, input_size: tuple[int, int]) -> None:
        """InputError where samples of this size (H, W), varied so, may show more than is stored."""
        height, width = self.manifest.input_size
        wanted = f"{input_size[0]}x{input_size[1]}"
        if input_size[1] * height != width * input_size[0]:
            raise InputError(
                f"{self.folder}: packed for crops of {height}x{width}, whose ratio is not that of {wanted}; pack anew "
                f"with --input-size {wanted}"
            )
        if self.manifest.splits[self.split].shrunk and input_size[0] > height:
            raise InputError(
                f"{self.folder}: packed for crops of at most {height}x{width}; pack anew with --input-size {wanted}"
            )
        if augment is None:
            return
        most = self.manifest.augment
        for name in ("scale", "rotation"):
            if getattr(augment, name) > getattr(most, name):
                raise InputError(
                    f"{self.folder}: its margins are for a {name} of {getattr(most, name):g}, the recipe varies by "
                    f"{getattr(augment, name):g}; train from the plain folder {self.manifest.source}"
                )
        halves = most.half_body > 0 and augment.half_body_min >= most.half_body_min
        if augment.half_body > 0 and not halves:
            raise InputError(
                f"{self.folder}: packed without the half bodies that the recipe takes; train from the plain folder "
                f"{self.manifest.source}"
            )

    @property
    def digest(self) -> str:
        """Of all that is stored, 16 hex digits."""
        split = self.manifest.splits[self.split]
        return hashlib.sha256("".join((split.index, *split.shards)).encode()).hexdigest()[:16]

    def read(self, shard: int, offset: int, length: int) -> bytes:
        """Bytes of a shard. InputError where the file is gone or cut."""
        path = self.folder / shard_file(self.split, shard)
        try:
            if shard not in self._files:
                self._files[shard] = open(path, "rb", buffering=0)  # noqa: SIM115 - stays open for the next sample
            data = os.pread(self._files[shard].fileno(), length, offset)  # forked processes share the file's position
        except OSError as error:
            raise InputError(f"{path}: cannot be read ({error.strerror}); pack anew") from None
        if len(data) != length:
            raise InputError(f"{path}: cut off at byte {offset + len(data)}; pack anew")
        return data

    def canvas(self, height: int, width: int) -> np.ndarray:
        """Room for a picture (height, width, 3), with anything in it; good until the next call."""
        if self._canvas.size < height * width * 3:  # the same memory each time: fresh pages cost more than the pixels
            self._canvas = np.zeros(height * width * 3, np.uint8)
        return self._canvas[: height * width * 3].reshape(height, width, 3)

    def __getstate__(self) -> dict[str, Any]:
        made_here = {"_files": {}, "_canvas": np.empty(0, np.uint8)}
        return {"folder": self.folder, "split": self.split, "manifest": self.manifest} | made_here


@dataclass(frozen=True)
class PackedCrop:
    """A person's part of the image, where it lies."""

    pack: Pack
    row: int

    @functools.cached_property
    def _at(self) -> dict[str, int]:
        return dict(zip(INDEX.names, self.pack.index[self.row].tolist(), strict=True))

    @property
    def image_width(self) -> int:
        return self._at["image_width"]

    @property
    def shrunk(self) -> bool:
        at = self._at
        return at["stored_width"] != at["width"] or at["stored_height"] != at["height"]

    def read(self) -> np.ndarray:
        """The stored pixels (h, w, 3), BGR. If they are as large as in the image they lie where they lie there, so that
        a crop is the image's to the last bit (around them is anything: no crop shows it); else they are alone.

        Good until the next call. InputError where the file is gone or cut.
        """
        at = self._at
        data = self.pack.read(at["shard"], at["offset"], at["bytes"])
        if self.pack.manifest.codec == JPEG:
            shard = self.pack.folder / shard_file(self.pack.split, at["shard"])
            pixels = decode_image(data, shard)
            if pixels.shape[:2] != (at["stored_height"], at["stored_width"]):
                raise InputError(f"{shard}: damaged at byte {at['offset']}; pack anew")
        else:
            pixels = np.frombuffer(data, np.uint8).reshape(at["stored_height"], at["stored_width"], 3)
        if self.shrunk:
            return pixels
        image = self.pack.canvas(at["image_height"], at["image_width"])
        left, top = at["left"], at["top"]
        image[top : top + len(pixels), left : left + pixels.shape[1]] = pixels
        return image

    def placed(self, matrix: np.ndarray) -> np.ndarray:
        """`matrix` (2, 3) from px of the whole image, as one from px of what `read` gives."""
        if not self.shrunk:
            return matrix
        at = self._at
        factor = np.array([at["stored_width"] / at["width"], at["stored_height"] / at["height"]])
        begin = np.array([at["left"], at["top"]]) + 0.5 / factor - 0.5  # where the stored pixel 0 has its centre
        return np.column_stack([matrix[:, :2] / factor, matrix[:, 2] + matrix[:, :2] @ begin])
