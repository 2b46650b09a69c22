"""agreement.csv and agreement.npz: which tokens the masks of a sweep keep in common, written by it, read by its report.

In the CSV a row is a pair of masks of one model at one ratio; the row of a mask with itself holds, across seeds, how
alike these are, and what the mask keeps. The arrays are the maps: models, masks and ratios by number, map_0, map_1, ...
how often each cell is kept, joints_0, ... the share of the joints in it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...pose.errors import InputError
from ...pose.files import atomic_path, write_atomic
from .agreement import FREQUENCY, SCORES, Agreement, Kept, Pair
from .results import LARGEST

#: the files' names in a sweep's folder
TABLE, MAPS = "agreement.csv", "agreement.npz"
REMEDY = "write it anew with posebench agree"
COLUMNS = (
    "model", "mask_ratio", "people", "seeds", "mask", "other", "iou", "iou_by_chance", "rank_correlation", "rank_of",
    "tokens", "tokens_p5", "tokens_p95", "joints_kept", "joints_kept_alone",
)  # fmt: skip


def write_agreements(folder: Path, agreements: Sequence[Agreement]) -> None:
    """Write both files, each whole or not at all; `read_agreements` gives them back."""
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(COLUMNS)
    maps: dict[str, list[Any]] = {"models": [], "masks": [], "ratios": []}
    arrays: dict[str, np.ndarray] = {}
    for one in agreements:
        where = [one.model, one.ratio, one.people, one.seeds]
        for kept in one.masks:
            number = len(maps["models"])
            for name, value in zip(maps, (one.model, kept.mask, one.ratio), strict=True):
                maps[name].append(value)
            arrays |= {f"map_{number}": kept.map.astype(np.float32), f"joints_{number}": one.joints.astype(np.float32)}
            own = one.pairs.get((kept.mask, kept.mask))
            row = [*where, kept.mask, kept.mask, *_values(own), *_own(kept)]
            writer.writerow(map(_text, row))
        for pair in one.between:
            writer.writerow(map(_text, [*where, pair.one, pair.other, *_values(pair), *[None] * 5]))
    write_atomic(folder / TABLE, text.getvalue())
    with atomic_path(folder / MAPS) as temporary, open(temporary, "wb") as file:
        np.savez_compressed(file, **{name: np.array(values) for name, values in maps.items()}, **arrays)


def _own(kept: Kept) -> tuple[Any, ...]:
    return kept.tokens, kept.tokens_p5, kept.tokens_p95, kept.joints, kept.joints_alone


def _values(pair: Pair | None) -> tuple[Any, ...]:
    return (pair.iou, pair.chance, pair.rank, pair.by) if pair else (None,) * 4


def _text(value: Any) -> str:
    return "" if value is None else repr(float(value)) if isinstance(value, float) else str(value)


def read_agreements(folder: Path) -> list[Agreement]:
    """What a sweep's folder holds, in the order of the file; none without the files. InputError for broken ones."""
    path = Path(folder) / TABLE
    try:
        with open(path, encoding="utf-8", newline="") as file:
            reader = csv.DictReader(file, strict=True)
            rows = list(reader)
            missing = [name for name in COLUMNS if name not in (reader.fieldnames or ())]
    except FileNotFoundError:
        return []
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: not a readable CSV file ({error}); {REMEDY}") from None
    if missing:
        raise InputError(f"{path}: column {missing[0]} is missing; {REMEDY}")
    maps = _maps(Path(folder) / MAPS)
    groups: dict[tuple[str, float], list[dict[str, str]]] = {}
    try:
        for row in rows:
            groups.setdefault((row["model"], float(row["mask_ratio"])), []).append(row)
        return [_agreement(place, members, maps) for place, members in groups.items()]
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{path}: does not hold what a sweep writes ({error}); {REMEDY}") from None


def _agreement(
    place: tuple[str, float], rows: Sequence[dict[str, str]], maps: Mapping[tuple[str, str, float], Any]
) -> Agreement:
    masks, pairs, joints = [], {}, None
    for row in rows:
        one, other = row["mask"], row["other"]
        if row["rank_of"] not in (SCORES, FREQUENCY, ""):
            raise ValueError(f"rank_of {row['rank_of']!r}")
        if row["iou"]:
            pair = Pair(one, other, _number(row["iou"]), _number(row["iou_by_chance"]), _maybe(row["rank_correlation"]),
                        row["rank_of"])  # fmt: skip
            pairs |= {(one, other): pair, (other, one): pair}
        if one == other:
            drawn, joints = maps[place[0], one, place[1]]
            found = map(_maybe, (row["joints_kept"], row["joints_kept_alone"]))
            tokens = (_number(row[name]) for name in ("tokens", "tokens_p5", "tokens_p95"))
            masks.append(Kept(one, *tokens, *found, drawn))
    if joints is None:
        raise ValueError(f"no mask of {place[0]} at {place[1]:g}")
    return Agreement(*place, int(rows[0]["people"]), int(rows[0]["seeds"]), masks, pairs, joints)


def _number(text: str) -> float:
    number = float(text)
    if not abs(number) <= LARGEST:
        raise ValueError(f"{text!r} is no number")
    return number


def _maybe(text: str) -> float | None:
    return _number(text) if text else None


def _maps(path: Path) -> dict[tuple[str, str, float], tuple[np.ndarray, np.ndarray]]:
    """(model, mask, ratio) -> (how often each cell is kept, share of the joints)."""
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = dict(file)
        names = zip(arrays["models"], arrays["masks"], arrays["ratios"], strict=True)
        maps = {
            (str(model), str(mask), float(ratio)): (arrays[f"map_{number}"], arrays[f"joints_{number}"])
            for number, (model, mask, ratio) in enumerate(names)
        }
        if any(a.ndim != 2 or a.shape != b.shape or not np.isfinite(a + b).all() for a, b in maps.values()):
            raise ValueError("a map is no table of numbers")
    except Exception as error:  # numpy and zipfile raise many kinds for a broken file
        raise InputError(f"{path}: cannot be read ({error}); {REMEDY}") from None
    return maps
