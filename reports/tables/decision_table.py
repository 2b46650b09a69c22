"""The table behind the decision: every configuration, what it loses and saves, and whether it qualifies."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.decision import Candidate, Decision
from ..analysis.place import place_name
from ..analysis.quantities import QUANTITIES
from ..analysis.wording import amount_text, percent, percent_range, signed, whole
from .layout import Cell, Grid, Head, Line


def decision_table(decision: Decision, candidates: Sequence[Candidate] | None = None) -> Grid:
    """One line per masked configuration, or for some candidates, those that qualify first, then by what they save.
    Front: the share of draws in which it is on the Pareto front (see `pareto`).
    """
    metric = decision.subject.metric
    names = list(decision.min_savings)
    heads = [Head("mask, ratio", numeric=False), Head("difference", f"{metric.name}, 95 % interval, paired")]
    where = "" if decision.batch_size is None else f"batch size {decision.batch_size}"
    heads += [Head(f"{QUANTITIES[n].words} saved", where if QUANTITIES[n].timed else "counted") for n in names]
    is_drawn = decision.baseline_front is not None
    heads += [Head("front", "share of draws")] * is_drawn
    heads.append(Head("verdict", f"loss below {amount_text(decision.max_loss, metric)}", False))

    rows = []
    for candidate in sorted(decision.candidates if candidates is None else candidates, key=decision.rank):
        point, lost = candidate.point, candidate.point.difference
        cells = [Cell(f"{point.mask} {point.ratio:g}", kind="")]
        ends = f"{signed(lost.low, metric.digits)} to {signed(lost.high, metric.digits)}" if lost else ""
        cells.append(Cell(signed(lost.value, metric.digits), ends) if lost else Cell(""))
        for name in names:
            saved = candidate.savings[name]
            exact = saved is not None and saved.low == saved.high
            text = percent(saved.value) if saved else ""
            cells.append(Cell(text, "" if exact or not saved else percent_range(saved.low, saved.high)))
        if is_drawn:
            cells.append(Cell("" if candidate.front is None else whole(candidate.front)))
        word = "chosen" if candidate is decision.chosen else "qualifies" if candidate.qualifies else candidate.why_not
        cells.append(Cell(word, kind="wrap"))
        kind = "baseline" if candidate is decision.chosen else ""
        rows.append(Line(cells, kind, place_name(decision.subject, point)))
    return Grid(f"{decision.subject.label}: what each configuration loses and saves", heads, rows)
