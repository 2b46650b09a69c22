"""What a finished sweep says in a terminal: the sentence to take away, one line per configuration, a small plot where
there is room, and what to try next."""

from __future__ import annotations

import string
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:
    from ..reports.analysis.subject import PartLatency, Point, Subject

#: columns of a terminal from which on there is a plot; its size in characters
PLOT_FROM, PLOT_SIZE = 100, (64, 12)
#: configurations of a model, beyond which only those are listed that may be worth it
LONG = 24
LEGEND = (
    "▼ falls, ▲ rises, ≈ neither is shown. ± half of the paired 95 % interval. GFLOPsT: exact 1e9"
    " multiply-adds behind the backbone. ms: median of the whole model, and what of the unmasked model's time is saved,"
    " as its interval."
)


def tell(subjects: Sequence[Subject], console: Console) -> None:
    """The story of each model that has masked and unmasked rows."""
    from ..reports.analysis.takeaway import takeaway
    from ..reports.analysis.timed import times_sentence

    for subject in subjects:
        console.print(Text(takeaway(subject), "bold"), soft_wrap=True)
        console.print()
        _table(subject, console)
        if console.is_terminal and console.width >= PLOT_FROM and (lines := plot_lines(subject)):
            console.print("\n".join(lines), highlight=False, markup=False)
        if elsewhere := times_sentence(subject.label, subject.times):
            console.print(Text(elsewhere), soft_wrap=True)
        console.print()
    console.print(Text(LEGEND, "dim"))


def next_commands(root: Path, subjects: Sequence[Subject]) -> list[str]:
    """Two that make something of the results."""
    percent = any(subject.metric.is_percent for subject in subjects)
    loss = 2 if percent else 0.02
    return [f"posebench choose {root} --max-loss {loss:g}", f"posebench plot {root}"]


def story_record(subjects: Sequence[Subject]) -> list[dict[str, Any]]:
    """The sentences, for programs."""
    from ..reports.analysis.decision_words import answer
    from ..reports.analysis.takeaway import decisions, takeaway

    return [
        {"subject": one.label, "takeaway": takeaway(one), "decisions": [answer(found) for found in decisions(one)]}
        for one in subjects
    ]


def _table(subject: Subject, console: Console) -> None:
    from ..reports.analysis.told import measured_front
    from ..reports.analysis.verdicts import allowed_words, loss_verdicts
    from ..reports.analysis.wording import percent
    from ..reports.tables import fit, text_table

    metric, base = subject.metric, subject.baseline
    words = loss_verdicts([point.difference for point in subject.points], subject.allowed_loss)
    judged = list(zip(subject.points, words, strict=True))
    if len(judged) > LONG:
        front = [id(point) for point in measured_front(subject)]
        judged = [(point, word) for point, word in judged if word != "real" or id(point) in front]
    points, verdicts = [base, *(point for point, _ in judged)], ["", *(word or "" for _, word in judged)]
    digits = metric.digits

    def accuracy(point: Point) -> str:
        if not point.accuracy:
            return ""
        return f"{point.accuracy.mean:.{digits}f}"

    def difference(point: Point) -> str:
        if not point.difference:
            return ""
        value, low, high, _ = point.difference
        arrow = "▼" if high < 0 else "▲" if low > 0 else "≈"
        return f"{arrow} {value:+.{digits}f} ± {(high - low) / 2:.{digits}f}"

    def count(point: Point) -> str:
        if point.gflops_t is None:
            return ""
        share = point.gflops_t / base.gflops_t - 1 if point is not base and base.gflops_t else 0.0
        arrow = "" if not round(share, 3) else f" {'▼' if share < 0 else '▲'} {percent(abs(share))}"
        return f"{point.gflops_t:.4f}{arrow}"

    columns = [
        ("mask", ["unmasked" if point is base else f"{point.mask} {point.ratio:g}" for point in points]),
        ("GFLOPsT", [count(point) for point in points]),
        (metric.name, [accuracy(point) for point in points]),
        ("- unmasked", [difference(point) for point in points]),
        ("loss", verdicts),
    ]
    for size in subject.batch_sizes:
        columns.append((f"ms, batch {size}", [_time(point, base, size) for point in points]))
    seeds = max(point.seeds for point in points)
    columns.append(("seeds", [str(point.seeds) for point in points] if seeds > 1 else [""] * len(points)))
    columns = [(head, cells) for head, cells in columns if any(cells)]
    # On a narrow terminal what was asked comes first; the largest batch, at which a saving shows if at all, before the
    # smallest.
    times = [head for head, _ in columns if head.startswith("ms")][::-1]
    order = ["mask", metric.name, "- unmasked", *times[:1], "GFLOPsT", *times[1:], "loss", "seeds"]
    widths = fit(columns, [order.index(head) for head, _ in columns], console.width)
    chosen = [columns[number] for number in widths]
    rows = list(zip(*(cells for _, cells in chosen), strict=True))
    numeric = [head not in ("mask", "loss") for head, _ in chosen]
    console.print(Text(subject.label, "bold"))
    console.print(text_table([head for head, _ in chosen], rows, numeric, list(widths.values())))
    if more := len(subject.points) - len(judged):
        lose = f"{more} more lose more than {allowed_words(subject)}, and are beaten at their cost"
        console.print(Text(f"{lose}: report.html has them.", "dim"))
    left_out = [head for number, (head, _) in enumerate(columns) if number not in widths]
    if left_out:
        console.print(Text(f"No room for {', '.join(left_out)}: results.csv has all.", "dim"))


def _time(point: Point, base: Point, size: int) -> str:
    from ..reports.analysis.verdicts import measured_saving
    from ..reports.analysis.wording import percent_range

    now, before = _whole(point, size), _whole(base, size)
    if now is None:
        return ""
    text = f"{'~' if now.unstable else ''}{now.median.mean:.2f}"
    saved = None if point is base else measured_saving(now, before)
    if saved is None:
        return text
    low, high = saved
    if low > 0:
        return f"{text} ▼ {percent_range(low, high)}"
    return f"{text} ▲ {percent_range(-high, -low)}" if high < 0 else f"{text} ≈"


def _whole(point: Point, size: int) -> PartLatency | None:
    timing = point.timings.get(size)
    return timing.whole if timing else None


def plot_lines(subject: Subject) -> list[str]:
    """Accuracy over GFLOPsT in characters, a letter per mask, * the unmasked model; empty with nothing to plot."""
    marks = [("*", subject.baseline)]
    letters = dict(zip(subject.series, string.ascii_lowercase, strict=False))
    marks += [(letter, point) for mask, letter in letters.items() for point in subject.series[mask]]
    placed = [(sign, point.gflops_t, point.accuracy.mean) for sign, point in marks if point.accuracy and point.gflops_t]
    if len(placed) < 3:
        return []
    (left, right), (low, high) = ((min(v), max(v)) for v in list(zip(*placed, strict=True))[1:])
    if left == right or low == high:
        return []
    width, height = PLOT_SIZE
    grid = [[" "] * width for _ in range(height)]
    for sign, x, y in reversed(placed):
        row = round((high - y) / (high - low) * (height - 1))
        grid[row][round((x - left) / (right - left) * (width - 1))] = sign
    digits = subject.metric.digits
    names = {0: f"{high:.{digits}f}", height - 1: f"{low:.{digits}f}"}
    margin = max(map(len, names.values()))
    signs = ", ".join(f"{letter}\N{NO-BREAK SPACE}{mask}" for mask, letter in letters.items())
    signs = textwrap.wrap(f"{subject.metric.axis}; {signs}, *\N{NO-BREAK SPACE}unmasked", PLOT_FROM - 2)
    lines = [line.replace("\N{NO-BREAK SPACE}", " ") for line in signs]
    lines += [f"{names.get(number, ''):>{margin}} │{''.join(row).rstrip()}" for number, row in enumerate(grid)]
    lines.append(" " * margin + " └" + "─" * width)
    ends = f"{left:.4f}", f"{right:.4f} GFLOPsT"
    lines.append(" " * (margin + 2) + ends[0] + ends[1].rjust(width - len(ends[0])))
    return lines
