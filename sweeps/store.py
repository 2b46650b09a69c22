"""A sweep's folder: what lies where, who may write to it, and whether it belongs to the sweep at hand.

sweep.json            the specification and the configurations of all cells and base models
base/<key>/           a shared base model: checkpoint and log
cells/<key>/          a cell: evidence.npz, memory_<batch size>.json, and what training left; eval_<run>.json and
                      evidence_<run>.npz: in another runtime and precision
timing/<key>/         latency of all configurations, raw samples included
results.csv, equal_gflopst.csv, by_size.csv, by_joint.csv, report.html, plots/

Each of the folders named by a key belongs to one worker process: config.json is its task, log.txt what it printed, and
result.json, written last, says that it is done or why it failed.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from ..benchmark.profiling.config import RunConfig
from ..pose.errors import InputError
from ..pose.files import read_text, write_atomic
from ..pose.records import to_plain
from ..pose.schema import check_version
from ..row import STATUS_FAILED, STATUS_OK
from .config import CellConfig, run_name
from .executors.presence import RUN, read_owner

FORMAT = "posebench-sweep"
VERSION = 2
LOCK = ".lock"
REMEDY = "give another --out, or repeat that sweep's own settings"


@dataclass(frozen=True)
class SweepStore:
    """Paths and records below one sweep folder. Readers need no lock; writers go through `open_store`."""

    root: Path

    @property
    def manifest_file(self) -> Path:
        return self.root / "sweep.json"

    @property
    def results_file(self) -> Path:
        return self.root / "results.csv"

    @property
    def equal_file(self) -> Path:
        return self.root / "equal_gflopst.csv"

    def cell_dir(self, key: str) -> Path:
        return self.root / "cells" / key

    def base_dir(self, key: str) -> Path:
        return self.root / "base" / key

    def timing_dir(self, key: str) -> Path:
        return self.root / "timing" / key

    def manifest(self) -> dict[str, Any]:
        """The content of sweep.json; InputError where it is absent, broken or not a sweep's."""
        if not self.manifest_file.is_file():
            raise InputError(f"{self.root}: not a sweep's folder (it has no sweep.json)")
        content = read_json(self.manifest_file, "this folder cannot be continued; give another --out")
        if content.get("format") != FORMAT or not isinstance(content.get("cells"), list):
            raise InputError(f"{self.manifest_file}: not written by a sweep; give another --out")
        check_version(self.manifest_file, "sweep folder", content.get("version"), VERSION, then="give another --out")
        both = all(isinstance(content.get(name), dict) for name in ("bases", "asked"))
        bases = content["bases"].values() if both else ()
        whole = both and all(isinstance(base, dict) for base in bases) and all(map(_is_cell, content["cells"]))
        if not whole:
            raise InputError(f"{self.manifest_file}: damaged: a cell without key, label or config; give another --out")
        return content

    def is_done(self, key: str) -> bool:
        """Whether the cell has a result; a failed one is tried again and so is not done."""
        return is_ok(self.cell_dir(key))

    def memory(self, key: str, batch_size: int) -> dict[str, Any] | None:
        """Peak memory of a cell at one batch size; None where it is not measured."""
        file = memory_file(self.cell_dir(key), batch_size)
        return read_json(file, "delete it, and it is measured again") if file.is_file() else None

    def evaluated(self, key: str, run: RunConfig) -> dict[str, Any]:
        """The columns of a cell in another precision; none where it is not evaluated in it."""
        file = run_file(self.cell_dir(key), run)
        return read_json(file, "delete it, and it is evaluated again") if file.is_file() else {}


def _is_cell(entry: Any) -> bool:
    """Whether an entry of a manifest is a cell's: {"key": text, "label": text, "config": mapping}."""
    if not isinstance(entry, dict):
        return False
    return all(isinstance(entry.get(name), kind) for name, kind in (("key", str), ("label", str), ("config", dict)))


def read_result(folder: Path) -> dict[str, Any] | None:
    """What the worker of a folder left behind (status "ok" or "failed"); None where it has not ended."""
    file = folder / "result.json"
    if not file.is_file():
        return None
    result = read_json(file, "delete it, and it is done again")
    if result.get("status") not in (STATUS_OK, STATUS_FAILED):
        raise InputError(f"{file}: has no status; delete it, and it is done again")
    return result


def is_ok(folder: Path) -> bool:
    """Whether the work of a folder is done; a failure counts as not done."""
    result = read_result(folder)
    return result is not None and result["status"] == STATUS_OK


def run_file(cell_dir: Path, run: RunConfig) -> Path:
    """What evaluating a cell in another runtime or precision came to."""
    return cell_dir / f"eval_{run_name(run)}.json"


def memory_file(cell_dir: Path, batch_size: int) -> Path:
    return cell_dir / f"memory_{batch_size}.json"


def write_json(path: Path, content: Any) -> None:
    """Write plain types as JSON, whole or not at all."""
    write_atomic(path, json.dumps(content, indent=1, sort_keys=True) + "\n")


def read_json(path: Path, remedy: str) -> dict[str, Any]:
    """The object in a JSON file; InputError naming the file and the remedy where it is broken."""
    try:
        content = json.loads(read_text(path))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(f"{path}: cannot be read ({error}); {remedy}") from None
    if not isinstance(content, dict):
        raise InputError(f"{path}: holds a {type(content).__name__} where an object belongs; {remedy}")
    return content


@contextlib.contextmanager
def open_store(root: str | Path, manifest: dict[str, Any]) -> Iterator[SweepStore]:
    """Take a folder for the sweep that `manifest` describes (see `make_manifest`) and hold its lock meanwhile.

    A new or empty folder is taken; one that holds this sweep, or a part of it, is continued. InputError, and nothing
    is touched, where it holds anything else, or where another process works in it.
    """
    store = SweepStore(Path(root))
    check_contents(store, manifest)
    lock = FileLock(store.root / LOCK, timeout=0)
    try:
        store.root.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        owner = read_owner(store.root / RUN)
        who = f", process {owner.pid} on {owner.host}" if owner and owner.ended is None else ""
        where = f"{store.root}: another sweep is running in this folder{who}"
        raise InputError(f"{where}; wait, or give another --out") from None
    except OSError as error:
        raise InputError(f"{store.root}: cannot be written to ({error.strerror}); give another --out") from None
    try:
        check_contents(store, manifest)  # it may have changed before the lock was ours
        _remove_parts(store.root)
        write_json(store.manifest_file, manifest)
        yield store
    finally:
        lock.release()


def make_manifest(asked: dict[str, Any], cells: Iterable[CellConfig], bases: Iterable[CellConfig]) -> dict[str, Any]:
    """sweep.json: what was asked for; cells are {"key", "label", "config"} in running order; bases map key to
    configuration."""
    listed = [{"key": cell.key, "label": cell.label, "config": to_plain(cell)} for cell in cells]
    by_key = {base.key: to_plain(base) for base in bases}
    return {"format": FORMAT, "version": VERSION, "asked": asked, "cells": listed, "bases": by_key}


def check_contents(store: SweepStore, manifest: dict[str, Any]) -> None:
    """InputError unless the folder is new, empty, or holds this sweep or a part of it."""
    root = store.root
    if root.exists() and not root.is_dir():
        raise InputError(f"{root}: is a file; --out needs a folder")
    if not root.exists():
        return
    if not store.manifest_file.exists():
        foreign = sorted(entry.name for entry in root.iterdir() if not entry.name.startswith("."))
        if foreign:
            shown = ", ".join(foreign[:3]) + (", ..." if len(foreign) > 3 else "")
            raise InputError(f"{root}: holds other files ({shown}); give an empty or new folder as --out")
        return
    stored = store.manifest()
    difference = _difference(stored, manifest)
    if difference:
        raise InputError(f"{root}: holds another sweep's results: {difference}; {REMEDY}")
    for cell in manifest["cells"]:
        read_result(store.cell_dir(cell["key"]))  # a broken one is named before anything runs


def _difference(stored: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """What the stored sweep has that the wanted one has not, in words; None when it is a part of the wanted one, or
    would be but for edits in the files of a user's own reduction or model, whose cells are made again."""
    keys = {cell["key"] for cell in wanted["cells"]}
    extra = [cell for cell in stored["cells"] if cell["key"] not in keys]
    if not extra:
        return None
    by_label = {cell["label"]: cell for cell in wanted["cells"]}
    for cell in extra:
        if cell["label"] in by_label:
            difference = _config_difference(cell["config"], by_label[cell["label"]]["config"], stored, wanted)
            if difference:
                return difference
    extra = [cell for cell in extra if cell["label"] not in by_label]
    if not extra:
        return None
    labels = ", ".join(cell["label"] for cell in extra[:3]) + (", ..." if len(extra) > 3 else "")
    return f"it has {labels}, which this command does not ask for"


BASE = "train.start.base"
#: digests of files that their user may edit, and what differs only where another cell does
_EDITABLE = {"model.source", "model.reduction.source", "trained.cell"}


def _config_difference(old: dict, new: dict, stored: dict[str, Any], wanted: dict[str, Any]) -> str | None:
    """In words; None where nothing differs but what may."""
    old, new = flatten(old), flatten(new)
    names = sorted(name for name in (old.keys() | new.keys()) - _EDITABLE if old.get(name) != new.get(name))
    if not names:
        return None
    if names == [BASE]:
        bases = [sweep["bases"].get(str(config.get(BASE))) for sweep, config in ((stored, old), (wanted, new))]
        if all(bases):
            difference = _config_difference(*bases, stored, wanted)
            return difference and f"base model: {difference}"
    plain = [name for name in names if name != BASE] or names
    if any(name.endswith(".data") for name in plain):
        return "its data has other annotations than the data given now"
    parts = [f"{name} is {old.get(name)} there and {new.get(name)} here" for name in plain]
    return ", ".join(parts[:3]) + (", ..." if len(parts) > 3 else "")


def flatten(config: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """{"recipe": {"epochs": 3}} -> {"recipe.epochs": 3}."""
    flat: dict[str, Any] = {}
    for name, value in config.items():
        if isinstance(value, dict):
            flat |= flatten(value, f"{prefix}{name}.")
        else:
            flat[prefix + name] = value
    return flat


def _remove_parts(root: Path) -> None:
    """Delete the unfinished files of a killed run (see pose/files.py); no live process can own them under the lock."""
    for folder, _, names in os.walk(root):
        for name in names:
            if name.startswith(".") and name.endswith(".part"):
                Path(folder, name).unlink(missing_ok=True)
