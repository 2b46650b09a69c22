"""The table of break-even: from which mask ratio on each reduction saves time, by runtime and batch size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..analysis.break_even import BreakEven, break_even_words
from ..analysis.wording import percent, percent_range
from .layout import Cell, Grid, Head, Line

NOTE = (
    "The smallest measured mask ratio from which on every deeper one saves time for sure: the paired 95 % interval of"
    " the ratio to the unmasked model's time in the same runtime lies below 1. Behind it the share saved at the deepest"
    " ratio, as its interval. Ratios are tested from the deepest on, in that order, so no correction is needed."
)


def break_even_table(found: Sequence[BreakEven]) -> Grid:
    """One line per mask of one model, a column per runtime and batch size."""
    columns = list(dict.fromkeys((one.runtime, size) for one in found for size in one.batch_sizes))
    runtimes = list(dict.fromkeys(runtime for runtime, _ in columns))
    columns.sort(key=lambda column: (runtimes.index(column[0]), column[1]))
    heads = [Head("mask", numeric=False), *(Head(f"batch {size}", "mask ratio", False) for _, size in columns)]
    groups = [("", 1), *((runtime, sum(name == runtime for name, _ in columns)) for runtime in runtimes)]
    by_place = {(one.mask, one.runtime): one for one in found}
    rows = []
    for mask in dict.fromkeys(one.mask for one in found):
        cells = [Cell(mask, kind="")]
        for runtime, size in columns:
            one = by_place.get((mask, runtime))
            cells.append(_cell(one, size) if one else Cell(""))
        rows.append(Line(cells))
    first = found[0].place
    part = "whole model" if found[0].part == "whole" else "transformer part"
    where = ", ".join(str(value) for value in (first["device"], _threads(first["threads"])) if value)
    return Grid(f"{first['model']}: from which mask ratio the {part} is faster ({where})", heads, rows, groups)


def _threads(threads: Any) -> str:
    return f"{threads} thread{'' if threads == 1 else 's'}" if threads else ""


def _cell(one: BreakEven, size: int) -> Cell:
    deepest = max((ratio for at, ratio in one.saved if at == size), default=None)
    if deepest is None:
        return Cell("")
    saved = one.saved[size, deepest]
    share = percent_range(*saved.interval) if saved.interval else f"{percent(saved.share)}, not for sure"
    return Cell(break_even_words(one, size), f"{share} at {deepest:g}", kind="")


def break_even_rows(found: Sequence[BreakEven]) -> list[dict[str, Any]]:
    """The same as flat rows: one per mask, runtime and batch size, with what is saved at each ratio, and the smallest
    batch size from which on that ratio saves."""
    rows = []
    for one in found:
        for size in one.batch_sizes:
            row: dict[str, Any] = {
                "model": one.place["model"], "mask": one.mask, "runtime": one.place["runtime"],
                "dtype": one.place["dtype"], "batch_size": size, "part": one.part,
                "saves": break_even_words(one, size), "from_ratio": one.smallest_ratio(size),
            }  # fmt: skip
            for ratio in one.ratios:
                saved = one.saved.get((size, ratio))
                low, high = (saved.interval or (None, None)) if saved else (None, None)
                row |= {f"saved_{ratio:g}": saved and round(saved.share, 4), f"saved_{ratio:g}_low": low,
                        f"saved_{ratio:g}_high": high, f"from_batch_{ratio:g}": one.smallest_batch(ratio)}  # fmt: skip
            rows.append(row)
    return rows
