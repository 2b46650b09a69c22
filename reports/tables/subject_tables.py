"""The tables of one subject on the report's page: accuracy and counts, latency and memory, savings."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.place import place_name
from ..analysis.subject import Over, PartLatency, Point, Subject, mean_of, saving
from ..analysis.verdicts import against_count, few_samples, loss_verdicts, measured_saving, saving_words, silence
from ..analysis.wording import amount_text, percent, percent_range, signed
from .layout import Cell, Grid, Head, Line, spread_cell


def results_table(subject: Subject) -> Grid:
    """Accuracy and counts, one line per mask and ratio, the unmasked model first; empty columns are left out."""
    metric = subject.metric
    base = subject.baseline
    points = [*([base] if base else []), *subject.points]
    head = [Head("mask, ratio", numeric=False), Head("kept", _kept_unit(points))]
    columns = [[_name_cell(p) for p in points]]
    columns.append([_kept_cell(p) for p in points])
    if any(map(_is_inside, points)):
        head.append(Head("mean ratio", "over blocks"))
        columns.append([Cell("" if p.mean_ratio is None else f"{p.mean_ratio:.2f}") for p in points])

    def add(label: str, unit: str, cells: list[Cell]) -> None:
        if any(cell.text for cell in cells):
            head.append(Head(label, unit))
            columns.append(cells)

    scale = ("%" if metric.is_percent else "0 to 1") + (", mean ± std" if _is_over_seeds(points) else "")
    add(metric.name, scale, [spread_cell(p.accuracy, metric.digits) for p in points])
    over = "people and trainings" if _is_over_seeds(points) else "people"
    add("95 % interval", over, [_interval_cell(p.ci, metric.digits) for p in points])
    add("difference", "95 % interval, paired", [_difference_cell(p, metric.digits) for p in points])
    if subject.allowed_loss is not None:
        verdicts = loss_verdicts([p.difference for p in points], subject.allowed_loss)
        margin = f"margin {amount_text(subject.allowed_loss, metric)}"
        add("loss", margin, [Cell(verdict or "", kind="") for verdict in verdicts])
    for values, bases, label, unit in _counted(points, base):
        digits = _digits(values)
        cells = [_saved_cell(value, before, digits) for value, before in zip(values, bases, strict=True)]
        if label.endswith("GFLOPsT") and not label.startswith("published"):
            cells = [_of_images(cell, point, digits) for cell, point in zip(cells, points, strict=True)]
        add(label, unit, cells)
    return Grid(subject.label, head, _lines(subject, points, columns))


def latency_table(subject: Subject) -> Grid | None:
    """Latency of both parts and peak memory, batch size by batch size; None where nothing was measured."""
    points = [*([subject.baseline] if subject.baseline else []), *subject.points]
    heads, groups, columns = [Head("mask, ratio", numeric=False)], [("", 1)], [[_name_cell(p) for p in points]]
    for size in subject.batch_sizes:
        timings = [p.timings.get(size) for p in points]
        memory = [mean_of(t.memory) if t else None for t in timings]
        own = (
            ("transformer", "ms", [_time_cell(t.transformer if t else None) for t in timings]),
            ("whole model", "ms", [_time_cell(t.whole if t else None) for t in timings]),
            ("peak memory", "MiB", [Cell("" if m is None else f"{m:.1f}") for m in memory]),
        )
        own = [(Head(label, unit), cells) for label, unit, cells in own if any(cell.text for cell in cells)]
        heads += [head for head, _ in own]
        columns += [cells for _, cells in own]
        groups.append((f"batch size {size}", len(own)))
    if len(columns) == 1:
        return None
    device = f", {subject.keys['device']}" if subject.keys["device"] else ""
    what = "peak memory" if {head.label for head in heads[1:]} == {"peak memory"} else "median latency and peak memory"
    caption = f"{subject.label}: {what}{device}"
    return Grid(caption, heads, _lines(subject, points, columns), groups)


def _lines(subject: Subject, points: Sequence[Point], columns: Sequence[Sequence[Cell]]) -> list[Line]:
    rows = []
    for number, point in enumerate(points):
        is_first = number > 0 and point.mask != points[number - 1].mask
        kind = "baseline" if point is subject.baseline else "first" if is_first else ""
        rows.append(Line([column[number] for column in columns], kind, place_name(subject, point)))
    return rows


def _counted(points: Sequence[Point], base: Point | None):
    """Values, their unmasked values, label and unit of each count; what is executed and what is needed side by side.

    A model without a count of what is needed needs all that it executes.
    """

    def of(name: str) -> tuple[list[float | None], list[float | None]]:
        return [getattr(p, name) for p in points], [getattr(base, name) if base else None] * len(points)

    published = (*of("published_gflops_t"), "published GFLOPsT", "published convention")
    whole = (*of("gflops"), "GFLOPs", "1e9 MAC")
    if all(p.gflops_t_needed is None for p in points):
        return [(*of("gflops_t"), "GFLOPsT", "1e9 MAC"), whole, published]
    needed = [p.gflops_t if p.gflops_t_needed is None else p.gflops_t_needed for p in points]
    unmasked = needed[0] if base else None
    return [
        (*of("gflops_t"), "executed GFLOPsT", "1e9 MAC"),
        (needed, [unmasked] * len(points), "needed GFLOPsT", "1e9 MAC"),
        published,
        whole,
    ]


def _is_inside(point: Point) -> bool:
    """Whether tokens (or connections) go inside the network: the mean over blocks is over a token off the ratio."""
    if point.mean_ratio is None:
        return False
    return abs(point.mean_ratio - point.ratio) > 1.0 / (point.tokens_total or 100)


def saving_table(subject: Subject, size: int) -> Grid | None:
    """Counted and measured saving at one batch size; None where nothing was timed on both sides."""
    base = subject.baseline
    before = base.timings.get(size) if base else None
    rows = []
    for points in subject.series.values():
        for number, point in enumerate(points):
            now = point.timings.get(size)
            if not now or not before:
                continue
            parts = ((point.gflops_t, base.gflops_t, "transformer"), (point.gflops, base.gflops, "whole"))
            cells = [_name_cell(point)]
            for count, unmasked, part in parts:
                counted = saving(count, unmasked)
                cells.append(Cell("" if counted is None else percent(counted)))
                cells.append(_claim_cell(getattr(now, part), getattr(before, part), counted))
            if any(cell.text for cell in (cells[2], cells[4])):
                rows.append(Line(cells, "first" if number == 0 and rows else ""))
    if not rows:
        return None
    heads = [Head("mask, ratio", numeric=False), Head("GFLOPsT", "counted"), Head("transformer", "measured", False)]
    heads += [Head("GFLOPs", "counted"), Head("whole model", "measured", False)]
    device = f", {subject.keys['device']}" if subject.keys["device"] else ""
    return Grid(f"Saving against the unmasked {subject.label}, batch size {size}{device}", heads, rows)


def _claim_cell(now: PartLatency | None, before: PartLatency | None, counted: float | None) -> Cell:
    if not now or not before:
        return Cell("", kind="")
    saved = measured_saving(now, before)
    if saved is None:
        return Cell(silence(now, before), kind="")
    aside = ""
    if saved[0] <= 0 <= saved[1]:
        aside = percent_range(*saved)
    elif saved[0] > 0 and counted is not None and counted > 0:
        aside = against_count(saved, counted)
    return Cell(saving_words(saved), f"{aside}{few_samples(now, before)}".strip(), kind="")


def _name_cell(point: Point) -> Cell:
    return Cell("unmasked" if point.ratio == 0 else f"{point.mask} {point.ratio:g}", kind="")


def _interval_cell(interval: tuple[float, float] | None, digits: int) -> Cell:
    return Cell("" if interval is None else f"{interval[0]:.{digits}f} to {interval[1]:.{digits}f}")


def _difference_cell(point: Point, digits: int) -> Cell:
    if point.difference is None:
        return Cell("")
    mean, low, high = (signed(value, digits) for value in point.difference[:3])
    return Cell(mean, f"{low} to {high}")


def _saved_cell(value: float | None, base: float | None, digits: int) -> Cell:
    if value is None:
        return Cell("")
    change = round(-100 * (saving(value, base) or 0.0), 1)
    return Cell(f"{value:.{digits}f}", f"{signed(change, 1)} %" if change else "")


def _of_images(cell: Cell, point: Point, digits: int) -> Cell:
    """Of a mask whose images cost differently: what the most can cost, and below it the 5th and 95th percentile."""
    if point.image_gflops_t is None:
        return cell
    return Cell(f"≤ {cell.text}", f"{cell.aside}\n{over_text(point.image_gflops_t, digits)} of an image")


def _digits(values: Sequence[float | None]) -> int:
    """Four digits, one more for numbers as small as the embedded model's."""
    largest = max((value for value in values if value is not None), default=1.0)
    return 4 if largest >= 0.1 else 5


def _time_cell(timing: PartLatency | None) -> Cell:
    if timing is None:
        return Cell("")
    asides = [f"IQR {timing.iqr:.2f}" if timing.iqr is not None else "", "unstable" if timing.unstable else ""]
    return Cell(f"{timing.median.mean:.2f}", "\n".join(aside for aside in asides if aside))


def _kept_unit(points: Sequence[Point]) -> str:
    total = {point.tokens_total for point in points} - {None}
    return f"of {total.pop()} tokens" if len(total) == 1 else "tokens"


def _kept_cell(point: Point) -> Cell:
    """The tokens left; of a mask of connections all are, and its ratio is said to be of something else."""
    text = "" if point.tokens_kept is None else str(point.tokens_kept)
    if point.image_tokens:
        return Cell(f"≤ {text}", f"{over_text(point.image_tokens, 0)} of an image")
    return Cell(text, "cuts connections" if point.keeps_all_tokens else "")


def over_text(over: Over, digits: int) -> str:
    """The 5th and the 95th percentile."""
    return f"{over.low:.{digits}f} to {over.high:.{digits}f}"


def _is_over_seeds(points: Sequence[Point]) -> bool:
    return any(point.accuracy and point.accuracy.std is not None for point in points)
