"""Many people as few arrays, which loader processes share instead of copying."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, overload

import numpy as np

from .pack import Pack, PackedCrop
from .person import Person

#: name -> (type, shape behind the first axis; None: any length, the same for both that have it)
FIELDS: dict[str, tuple[type, tuple[int | None, ...]]] = {
    "picture": (np.int64, ()),  # whose name it is
    "image_id": (np.int64, ()),
    "person_id": (np.int64, ()),
    "center": (np.float64, (2,)),
    "scale": (np.float64, (2,)),
    "annotated": (np.bool_, ()),
    "keypoints": (np.float64, (None, 2)),
    "visible": (np.float64, (None,)),
    "box_score": (np.float64, ()),
    "area": (np.float64, ()),  # NaN where unknown
}
#: the pictures' names, UTF-8 one behind the other, and where each ends
NAMES = {"names": np.uint8, "name_ends": np.int64}


class People(Sequence[Person]):
    """Records of people, made when they are asked for; what they hold lies in one array per field.

    A process that is forked reads the same memory; one that is started afresh is given the arrays in shared memory
    (torch's), whatever their number. The arrays cannot be written to. `images_at` is the folder that the pictures'
    names start from; `pack` where the people's pixels have been put, if they have (see pack.py).
    """

    def __init__(self, arrays: Mapping[str, np.ndarray], images_at: Path, pack: Pack | None = None) -> None:
        """ValueError where the arrays are not those that `People.of` makes."""
        self.arrays, self.images_at, self.pack = checked(arrays), images_at, pack
        self._freeze()

    @classmethod
    def of(cls, people: Iterable[Person], images_at: Path = Path()) -> People:
        """The same people in arrays; the folder `images_at` is left out of the names of its pictures."""
        if isinstance(people, cls):
            return people
        people = list(people)
        number: dict[Path, int] = {}
        picture = [number.setdefault(person.image_path, len(number)) for person in people]
        base = str(images_at) + os.sep
        names = [os.fsencode(str(path).removeprefix(base)) for path in number]
        joints = next((len(person.keypoints) for person in people if person.keypoints is not None), 0)
        keypoints, visible = np.zeros((len(people), joints, 2)), np.zeros((len(people), joints))
        for row, person in enumerate(people):
            if person.keypoints is not None and person.visible is not None:
                keypoints[row], visible[row] = person.keypoints, person.visible
        values: dict[str, Any] = {
            "picture": picture,
            "image_id": [person.image_id for person in people],
            "person_id": [person.person_id for person in people],
            "center": np.array([person.center for person in people], np.float64).reshape(-1, 2),
            "scale": np.array([person.scale for person in people], np.float64).reshape(-1, 2),
            "annotated": [person.keypoints is not None and person.visible is not None for person in people],
            "keypoints": keypoints,
            "visible": visible,
            "box_score": [person.box_score for person in people],
            "area": [np.nan if person.area is None else person.area for person in people],
            "names": np.frombuffer(b"".join(names), np.uint8),
            "name_ends": np.cumsum([len(name) for name in names]),
        }
        types = {name: kind for name, (kind, _) in FIELDS.items()} | NAMES
        return cls({name: np.asarray(values[name], dtype=kind) for name, kind in types.items()}, images_at)

    def __len__(self) -> int:
        return len(self.arrays["picture"])

    @overload
    def __getitem__(self, index: int) -> Person: ...
    @overload
    def __getitem__(self, index: slice) -> list[Person]: ...
    def __getitem__(self, index: int | slice) -> Person | list[Person]:
        if isinstance(index, slice):
            return [self[row] for row in range(len(self))[index]]
        index = range(len(self))[index]
        of = {name: self.arrays[name][index] for name in FIELDS}
        area = float(of["area"])
        return Person(
            image_path=self._path(int(of["picture"])),
            image_id=int(of["image_id"]),
            person_id=int(of["person_id"]),
            center=of["center"],
            scale=of["scale"],
            keypoints=of["keypoints"] if of["annotated"] else None,
            visible=of["visible"] if of["annotated"] else None,
            box_score=float(of["box_score"]),
            area=None if area != area else area,
            packed=self.pack and PackedCrop(self.pack, index),
        )

    def parts(self) -> set[str]:
        """The folders below `images_at` that the pictures' names begin with."""
        if not (self.arrays["names"] == ord("/")).any():
            return set()
        return {os.path.dirname(self._name(picture)) for picture in range(len(self.arrays["name_ends"]))} - {""}

    def _path(self, picture: int) -> Path:
        return self.images_at / self._name(picture)

    def _name(self, picture: int) -> str:
        ends = self.arrays["name_ends"]
        name = self.arrays["names"][ends[picture - 1] if picture else 0 : ends[picture]]
        return os.fsdecode(name.tobytes())

    def _freeze(self) -> None:
        for array in self.arrays.values():
            array.flags.writeable = False

    def __getstate__(self) -> dict[str, Any]:
        """For another process. Its copy of the arrays is torch's, which hands on where they lie in shared memory."""
        import torch

        if not hasattr(self, "_shared"):
            self._shared = {name: torch.from_numpy(array.copy()) for name, array in self.arrays.items()}
            for tensor in self._shared.values():
                tensor.share_memory_()
            self.arrays = {name: tensor.numpy() for name, tensor in self._shared.items()}
            self._freeze()
        return {"_shared": self._shared, "images_at": self.images_at, "pack": self.pack}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__ |= state
        self.arrays = {name: tensor.numpy() for name, tensor in self._shared.items()}
        self._freeze()


def pack_of(people: Sequence[Person]) -> Pack | None:
    """The pack that the people's pixels are read from, None where they come from the pictures."""
    return people.pack if isinstance(people, People) else None


def checked(arrays: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The arrays of `People`; ValueError where they are not, or contradict each other."""
    count, joints = len(arrays["picture"]), arrays["keypoints"].shape[1]
    for name, (kind, shape) in FIELDS.items():
        wanted = (count, *(joints if length is None else length for length in shape))
        if arrays[name].dtype != kind or arrays[name].shape != wanted:
            raise ValueError(f"{name}: {arrays[name].dtype} {arrays[name].shape}, not {np.dtype(kind)} {wanted}")
    names, ends = arrays["names"], arrays["name_ends"]
    if names.dtype != np.uint8 or ends.dtype != np.int64 or names.ndim != 1 or ends.ndim != 1:
        raise ValueError("names: of another type")
    if (np.diff(ends, prepend=0) < 0).any() or (ends[-1] if len(ends) else 0) != len(names):
        raise ValueError("names: their ends contradict their length")
    picture = arrays["picture"]
    if count and not 0 <= picture.min() <= picture.max() < len(ends):
        raise ValueError("picture: none of that number")
    return {name: arrays[name] for name in (*FIELDS, *NAMES)}
