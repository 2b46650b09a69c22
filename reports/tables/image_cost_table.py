"""The table of what single images cost, where they keep different numbers of tokens."""

from __future__ import annotations

from ..analysis.subject import Over, Point, Subject
from .layout import Cell, Grid, Head, Line
from .subject_tables import over_text


def image_cost_table(subject: Subject) -> Grid | None:
    """One line per mask and ratio: at most, alone, and at each batch size filled up; None without such a mask."""
    points = [point for point in subject.points if point.image_gflops_t]
    if not points:
        return None
    sizes = sorted({size for point in points for size, timing in point.timings.items() if timing.padded_gflops_t})
    digits = 4 if max(point.image_gflops_t.high for point in points) >= 0.1 else 5
    heads = [Head("mask, ratio", numeric=False), Head("tokens", "at most"), Head("GFLOPsT", "at most")]
    heads += [Head("tokens", "of an image"), Head("GFLOPsT", "of an image")]
    groups = [("", 3), ("alone", 2)]
    timed = {size: any(bool(_timing(point, size, "padded_ms")) for point in points) for size in sizes}
    for size in sizes:
        own = [Head("tokens", "padded"), Head("GFLOPsT", "per image")] if size > 1 else []
        own += [Head("transformer", "ms")] * timed[size]
        heads += own
        groups += [(f"batch size {size}", len(own))] if own else []
    lines = []
    for point in points:
        most = [Cell(str(point.tokens_kept)), Cell(f"{point.gflops_t:.{digits}f}")]
        cells = [Cell(f"{point.mask} {point.ratio:g}", kind=""), *most]
        cells += [_cell(point.image_tokens, 0), _cell(point.image_gflops_t, digits)]
        for size in sizes:
            if size > 1:
                cells.append(_cell(_timing(point, size, "padded_tokens"), 0))
                cells.append(_cell(_timing(point, size, "padded_gflops_t"), digits))
            timing = point.timings.get(size)
            shaky = "\nunstable" if timing and timing.padded_unstable else ""
            cells += [_cell(_timing(point, size, "padded_ms"), 2, shaky)] * timed[size]
        lines.append(Line(cells))
    return Grid(f"{subject.label}: what single images cost, median and 5th to 95th percentile", heads, lines, groups)


def _timing(point: Point, size: int, name: str) -> Over | None:
    timing = point.timings.get(size)
    return getattr(timing, name) if timing else None


def _cell(over: Over | None, digits: int, behind: str = "") -> Cell:
    return Cell("") if over is None else Cell(f"{over.middle:.{digits}f}", over_text(over, digits) + behind)
