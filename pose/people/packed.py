"""People whose pixels are read from a pack, in place of the images of the folder that it was made of."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from ..crops.pack import Pack, index_file, read_manifest, shard_file
from ..crops.people import People
from ..crops.person import DataSplit
from ..errors import InputError
from .cache import content_digest, file_digest


def with_pack(data: DataSplit, folder: Path) -> People:
    """The people of `data` with the pixels of the pack `folder`; those of a split that is not packed as they are.

    InputError where the annotations, or what is read of them, are not those that were packed.
    """
    manifest, people = read_manifest(folder), People.of(data.people)
    split = manifest.splits.get(data.split)
    if split is None or data.boxes != "gt":
        return people
    if content_digest(data.annotation_file) != split.annotations:
        raise InputError(f"{folder}: {data.annotation_file} has changed since it was packed; pack it anew")
    pack = Pack(folder, data.split, manifest)
    if not np.array_equal(pack.index["person_id"], people.arrays["person_id"]):
        raise InputError(f"{folder}: holds other people than {data.annotation_file} as it is read now; pack it anew")
    return People(people.arrays, people.images_at, pack)


def pack_faults(folder: Path) -> list[str]:
    """What is wrong with the files of a pack, each compared with its hash; nothing if the list is empty."""
    faults = []
    for name, split in read_manifest(folder).splits.items():
        files = {index_file(name): split.index} | {shard_file(name, i): d for i, d in enumerate(split.shards)}
        for file, digest in files.items():
            if not os.path.isfile(folder / file):
                faults.append(f"{folder / file}: missing")
            elif file_digest(folder / file) != digest:
                faults.append(f"{folder / file}: not what was written (its hash differs)")
    return faults
