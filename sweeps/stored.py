"""A sweep read back from its folder, with no data and no weights at hand."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

from ..pose.errors import InputError
from ..pose.records import from_plain, to_plain
from .config import CellConfig
from .request import SweepRequest
from .store import SweepStore


@dataclass(frozen=True)
class StoredData:
    """What sweep.json says of the data, beside the request."""

    data_dir: str
    train_people: int
    eval_people: int


@dataclass(frozen=True)
class StoredSweep:
    """asked: as it stands in sweep.json, request: the same as a record. cells, bases: by key."""

    store: SweepStore
    asked: dict[str, Any]
    request: SweepRequest
    cells: dict[str, CellConfig]
    bases: dict[str, CellConfig]

    @property
    def data(self) -> StoredData:
        """InputError where it is not said."""
        said = {field.name: self.asked[field.name] for field in fields(StoredData) if field.name in self.asked}
        data: StoredData = from_plain(StoredData, said, str(self.store.manifest_file))
        return data

    @property
    def done(self) -> list[CellConfig]:
        """The cells that have a result."""
        return [cell for key, cell in self.cells.items() if self.store.is_done(key)]


def read_stored(store: SweepStore) -> StoredSweep:
    """The sweep of a folder. InputError where there is none, or another version of posebench wrote it. What an older
    one does not say of the request is as it is by default."""
    manifest, where = store.manifest(), str(store.manifest_file)
    listed = {cell["key"]: cell["config"] for cell in manifest["cells"]}
    cells, bases = (
        {key: from_plain(CellConfig, plain, where) for key, plain in found.items()}
        for found in (listed, manifest["bases"])
    )
    if any(key != _key(config) for key, config in (cells | bases).items()):
        raise InputError(f"{where}: written by another version of posebench, which names its cells in another way")
    known = {field.name: field.default for field in fields(SweepRequest)}
    given = {name: value for name, value in manifest["asked"].items() if name in known}
    request = from_plain(SweepRequest, to_plain(known | given), where)
    return StoredSweep(store, manifest["asked"], request, cells, bases)


def _key(config: CellConfig) -> str | None:
    try:
        return config.key
    except ValueError:  # a number that is none, such as NaN
        return None
