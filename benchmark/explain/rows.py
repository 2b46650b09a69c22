"""An explanation as rows and sums: what is counted as saved, what arrives of it, and what takes the rest."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .explain import Explained, Spent
from .kinds import BETWEEN, KINDS
from .parts import CHOOSING

ALL, TRANSFORMER = "all", "transformer"


def summary(one: Explained) -> dict[str, Any]:
    """What became of the saving, of the part behind the backbone where the runtime's operators can be placed (scope),
    else of the whole model.

    counted: share of the multiply-adds that are saved; arrives: share of the time. costs: what takes the difference, in
    shares of the unmasked time, adding up to counted - arrives: time after, less what was to be left of the time before
    (1 - counted of it). Choosing tokens and the gaps between operators are told apart from the kinds of operators.
    """
    scope, parts = _scope(one)
    before, after = one.total("before", parts), one.total("after", parts)
    counted = saved(before.macs, after.macs) or 0.0
    whole = one.total("before"), one.total("after")
    costs = {CHOOSING: _cost(one, (CHOOSING,), None, counted, before.ms)}
    rest = None if parts is None else [part for part in parts if part != CHOOSING]
    for kind in KINDS:
        costs[kind] = _cost(one, rest, kind, counted, before.ms)
    if parts is None:
        costs.pop(CHOOSING)
    return {
        **one.about,
        "scope": scope,
        "counted": counted,
        "arrives": saved(before.ms, after.ms),
        "costs": {name: cost for name, cost in costs.items() if cost},
        "ms_before": before.ms,
        "ms_after": after.ms,
        "counted_whole": saved(whole[0].macs, whole[1].macs),
        "arrives_whole": saved(whole[0].ms, whole[1].ms),
        "whole_ms_before": whole[0].ms,
        "whole_ms_after": whole[1].ms,
        "unstable": one.unstable,
        "profiler_x": one.profiler_x,
        "mapped": one.mapped,
        "ceiling_macs_per_s": one.ceilings.macs_per_s,
        "ceiling_bytes_per_s": one.ceilings.bytes_per_s,
        "notes": list(one.notes),
    }


def rows(one: Explained) -> list[dict[str, Any]]:
    """One row for the whole, one for the transformer, one for each part, and one for each kind of operator in each.

    part and operator are "all" for a sum; part is empty where the runtime cannot say. ms, macs and mb (1e6 bytes read
    and written by operators) before and after; saved_counted, saved_time: shares; gmacs_per_s and gb_per_s: achieved,
    of_peak and of_copy: as shares of the ceilings.
    """
    found = [_row(one, ALL, ALL, one.total("before"), one.total("after"))]
    kinds = [kind for kind in KINDS if _takes(one, None, kind)]
    found += [_row(one, ALL, kind, *_both(one, None, kind)) for kind in kinds]
    behind = one.behind_backbone
    if behind:
        found.append(_row(one, TRANSFORMER, ALL, *_both(one, behind, None)))
        found += [
            _row(one, TRANSFORMER, kind, *_both(one, behind, kind)) for kind in kinds if _takes(one, behind, kind)
        ]
    unplaced: list[str | None] = [None] if _takes(one, [None], None) else []
    for part in (*one.parts, *unplaced):
        inside = [kind for kind in kinds if _takes(one, [part], kind)]
        found.append(_row(one, part or "", ALL, *_both(one, [part], None)))
        found += [_row(one, part or "", kind, *_both(one, [part], kind)) for kind in inside]
    return found


def _scope(one: Explained) -> tuple[str, Sequence[str] | None]:
    return (TRANSFORMER, one.behind_backbone) if one.behind_backbone else (ALL, None)


def _both(one: Explained, parts: Sequence[str | None] | None, kind: str | None) -> tuple[Spent, Spent]:
    return one.total("before", parts, kind), one.total("after", parts, kind)


def _takes(one: Explained, parts: Sequence[str | None] | None, kind: str | None) -> bool:
    return any(spent.ms or spent.macs or spent.bytes for spent in _both(one, parts, kind))


def _cost(one: Explained, parts: Sequence[str | None] | None, kind: str | None, counted: float, ms: float) -> float:
    before, after = _both(one, parts, kind)
    return (after.ms - (1 - counted) * before.ms) / ms


def _row(one: Explained, part: str, kind: str, before: Spent, after: Spent) -> dict[str, Any]:
    row: dict[str, Any] = {**one.about, "part": part, "operator": kind}
    for name, spent in (("before", before), ("after", after)):
        seconds = spent.ms / 1e3
        rate = kind != BETWEEN and seconds > 0
        row |= {
            f"ms_{name}": spent.ms,
            f"macs_{name}": spent.macs,
            f"mb_{name}": spent.bytes / 1e6,
            f"gmacs_per_s_{name}": spent.macs / seconds / 1e9 if rate and spent.macs else None,
            f"gb_per_s_{name}": spent.bytes / seconds / 1e9 if rate and spent.bytes else None,
            f"of_peak_{name}": spent.macs / seconds / one.ceilings.macs_per_s if rate and spent.macs else None,
            f"of_copy_{name}": spent.bytes / seconds / one.ceilings.bytes_per_s if rate and spent.bytes else None,
        }
    return row | {"saved_counted": saved(before.macs, after.macs), "saved_time": saved(before.ms, after.ms)}


def saved(before: float, after: float) -> float | None:
    """The share that is gone; None of nothing."""
    return 1 - after / before if before else None
