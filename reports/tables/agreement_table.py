"""The table of what each mask keeps."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.agreement import Agreement, Kept
from ..analysis.wording import percent
from .layout import Cell, Grid, Head, Line


def kept_table(agreements: Sequence[Agreement]) -> Grid:
    """One line per mask of one model, by rising ratio: the share of joints whose cell is kept, and alone."""
    masks = dict.fromkeys(kept.mask for one in agreements for kept in one.masks)
    heads, groups = [Head("mask", numeric=False)], [("", 1)]
    for one in agreements:
        heads += [Head("tokens", "mean"), Head("joints kept", "of those in the crop"), Head("alone", "not merged")]
        groups.append((f"ratio {one.ratio:g}", 3))
    lines = []
    for mask in masks:
        own = [next((kept for kept in one.masks if kept.mask == mask), None) for one in agreements]
        lines.append(Line([Cell(mask, kind=""), *(cell for kept in own for cell in _cells(kept))]))
    people = max(one.people for one in agreements)
    return Grid(f"{agreements[0].model}: joints whose cell is kept, {people} people", heads, lines, groups)


def _cells(kept: Kept | None) -> list[Cell]:
    if kept is None:
        return [Cell("")] * 3
    shares = [Cell("" if share is None else percent(share)) for share in (kept.joints, kept.joints_alone)]
    spread = "" if kept.tokens_p5 == kept.tokens_p95 else f"{kept.tokens_p5:.3g} to {kept.tokens_p95:.3g}"
    return [Cell(f"{kept.tokens:.3g}", spread), *shares]
