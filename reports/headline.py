"""The report's first paragraph: what the numbers say, in words, and nothing that they do not say."""

from __future__ import annotations

from collections.abc import Sequence

from ..pose.metrics import Metric
from .comparison import Point, Subject, mean_of, saving

#: a loss that counts as negligible, as a fraction of the metric's full scale; the test is one of non-inferiority
MARGIN = 0.01
#: measured saving over counted saving: from here on "realised", below the second "mostly not"
REALISED, HALF = 0.9, 0.5
#: masks at one ratio whose GFLOPsT differ by more than this fraction are not ranked without saying so
_SAME_COST = 0.05
#: what goes inside the network is no mask of the input; the word behind is what --mask takes
_INSIDE = {"prune": "token pruning (prune)", "tome": "token merging (tome)", "sparse": "cutting connections (sparse)"}


def headline(subject: Subject) -> list[str]:
    """Statements on one subject: the trade at its deepest ratio, the ranking, the loss, the clock, the convention."""
    if not subject.series:
        return [_only_baseline(subject)]
    if subject.baseline is None:
        return [f"{subject.label} has no unmasked row, so no saving and no loss can be stated."]
    lead = lead_point(subject)
    statements = [_trade(subject, lead), _ranking(subject, lead), *_loss(subject)]
    statements += [_realised(subject, lead, size) for size in _told_sizes(subject)]
    statements.append(_convention(subject, lead))
    return [statement for statement in statements if statement]


def lead_point(subject: Subject) -> Point:
    """The point that the headline tells: of the largest ratio that most masks share, the most accurate mask's.

    Points that keep every token are told only if there is no other: a ratio of connections is none of tokens.
    """
    points = [point for point in subject.points if not _keeps_all(point)] or subject.points
    counts: dict[float, int] = {}
    for point in points:
        counts[point.ratio] = counts.get(point.ratio, 0) + 1
    ratio = max(counts, key=lambda ratio: (counts[ratio], ratio))
    candidates = [point for point in points if point.ratio == ratio]
    return max(candidates, key=lambda point: (point.accuracy is not None, mean_of(point.accuracy) or 0.0))


def _keeps_all(point: Point) -> bool:
    return point.tokens_kept is not None and point.tokens_kept == point.tokens_total


def loss_verdict(point: Point, margin: float = MARGIN) -> str | None:
    """What the paired interval says about the loss of accuracy; None without an interval.

    "negligible": even the interval's lower end is above -margin (non-inferiority test). "real": its upper end is
    below -margin. "undecided": it holds -margin.
    """
    if point.difference is None:
        return None
    _, low, high = point.difference
    if low >= -margin:
        return "negligible"
    return "real" if high < -margin else "undecided"


def realised_verdict(measured: float, counted: float) -> str:
    """How much of a counted saving the clock shows: in words, by the ratio of the two fractions."""
    if counted <= 0:
        return "there was nothing to realise"
    if measured <= 0.02:
        return "not realised"
    if measured < HALF * counted:
        return "mostly not realised"
    return "realised" if measured >= REALISED * counted else "only partly realised"


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal: 42.1 %, its sign held by a no-break space."""
    return f"{round(100 * fraction, 1) + 0.0:.1f}\N{NO-BREAK SPACE}%"


def accuracy_text(value: float, metric: Metric) -> str:
    """An accuracy in its metric's unit: 0.604, or 88.12 %."""
    return metric.text(value)


def signed(value: float, digits: int) -> str:
    """A number with its sign; what rounds to zero is +0.000, never -0.000."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _trade(subject: Subject, point: Point) -> str:
    parts = [f"{_named(subject, point)} {_counts(subject, point)}"]
    base = subject.baseline.accuracy
    metric = subject.metric
    if point.accuracy and base:
        difference = point.accuracy.mean - base.mean
        interval = ""
        if point.difference:
            mean, low, high = point.difference
            difference = mean
            widest = ", widest over the seeds" if point.seeds > 1 else ""
            ends = f"{signed(low, metric.digits)} to {signed(high, metric.digits)}"
            interval = f", 95 % interval {ends} over the same people{widest}"
        unit = " points" if metric.is_percent else ""
        parts.append(
            f"{metric.name} {accuracy_text(point.accuracy.mean, metric)} against"
            f" {accuracy_text(base.mean, metric)} unmasked ({signed(difference, metric.digits)}{unit}{interval})"
        )
    return "; ".join(parts) + "."


def _counts(subject: Subject, point: Point) -> str:
    transformer = saving(point.gflops_t, subject.baseline.gflops_t)
    whole = saving(point.gflops, subject.baseline.gflops)
    if transformer is None:
        return "has no count to compare"
    verb = "removes" if transformer >= 0 else "adds"
    text = f"{verb} {percent(abs(transformer))} of GFLOPsT"
    return text if whole is None else f"{text} ({percent(whole)} of the whole model's GFLOPs)"


def _ranking(subject: Subject, lead: Point) -> str | None:
    rest = [point for point in subject.points if point.ratio == lead.ratio and point is not lead and point.accuracy]
    if not rest or not lead.accuracy:
        return None
    rest.sort(key=lambda point: -point.accuracy.mean)
    found = ", ".join(
        f"{point.mask} {accuracy_text(point.accuracy.mean, subject.metric)}{_other_cost(point, lead)}" for point in rest
    )
    return f"The other masks at that ratio: {found}."


def _other_cost(point: Point, lead: Point) -> str:
    """Behind a mask of the same ratio that costs clearly more or less GFLOPsT than the lead: by how much."""
    less = saving(point.gflops_t, lead.gflops_t)
    if less is None or abs(less) <= _SAME_COST:
        return ""
    return f" (with {percent(abs(less))} {'less' if less > 0 else 'more'} GFLOPsT)"


def _loss(subject: Subject) -> list[str]:
    """Whether any mask's loss is negligible, as a test against the margin; nothing where no interval was computed."""
    metric = subject.metric
    allowed = MARGIN * metric.full_scale
    margin = f"{allowed:g} {'point of ' if metric.is_percent else ''}{metric.name}"
    every = [(point, verdict) for point in subject.points if (verdict := loss_verdict(point, allowed))]
    # What keeps every token and saves nothing is no cut, however little it loses.
    judged = [pair for pair in every if not _keeps_all(pair[0]) or _saves(pair[0], subject)] or every
    if not judged:
        return []
    negligible = [point for point, verdict in judged if verdict == "negligible"]
    undecided = sum(verdict == "undecided" for _, verdict in judged)
    test = f"non-inferiority at a margin of {margin}, 95 % paired bootstrap"
    if negligible:
        best = max(negligible, key=lambda point: (saving(point.gflops_t, subject.baseline.gflops_t) or 0, point.ratio))
        saved = saving(best.gflops_t, subject.baseline.gflops_t)
        what = f", which removes {percent(saved)} of GFLOPsT" if saved is not None else ""
        return [f"The deepest cut whose loss is negligible ({test}) is {best.mask} at {best.ratio:g}{what}."]
    all_ = len(judged) == 1
    if undecided:
        doubt = "" if undecided == len(judged) else f" for {undecided} of {len(judged)}"
        return [f"No masked model is shown to lose less than {margin} ({test}); the data leave it open{doubt}."]
    return [f"{'The' if all_ else 'Every'} masked model loses more than {margin}: not negligible ({test})."]


def _saves(point: Point, subject: Subject) -> bool:
    """Whether the count falls by more than the half percent that no one would use a mask for."""
    return (saving(point.gflops_t, subject.baseline.gflops_t) or 0.0) > 0.005


def _told_sizes(subject: Subject) -> Sequence[int]:
    """The smallest and the largest timed batch size."""
    sizes = subject.batch_sizes
    return sizes if len(sizes) < 3 else (sizes[0], sizes[-1])


def _realised(subject: Subject, point: Point, size: int) -> str | None:
    now, base = point.timings.get(size), subject.baseline.timings.get(size)
    if not now or not base:
        return None
    where = f"At batch size {size}" + (f" on {subject.keys['device']}" if subject.keys["device"] else "")
    clauses = []
    for name, latency, before, counted, doubtful in (
        (
            "the transformer",
            now.transformer,
            base.transformer,
            saving(point.gflops_t, subject.baseline.gflops_t),
            now.transformer_unstable or base.transformer_unstable,
        ),
        (
            "the whole model",
            now.latency,
            base.latency,
            saving(point.gflops, subject.baseline.gflops),
            now.unstable or base.unstable,
        ),
    ):
        measured = saving(mean_of(latency), mean_of(before))
        if measured is None:
            continue
        moves = "falls" if measured >= 0 else "rises"
        clause = f"measured latency of {name} {moves} by {percent(abs(measured))}"
        if doubtful:
            clause += " (unstable measurement: no verdict)"
        elif counted is not None:
            clause += f": the counted saving of {percent(counted)} is {realised_verdict(measured, counted)}"
        clauses.append(clause)
    return f"{where}, {'; '.join(clauses)}." if clauses else None


def _convention(subject: Subject, point: Point) -> str | None:
    exact = saving(point.gflops_t, subject.baseline.gflops_t)
    published = saving(point.published_gflops_t, subject.baseline.published_gflops_t)
    if exact is None or published is None:
        return None
    return (
        f"The counting convention of the published tables would call the same cut {percent(published)};"
        f" counted exactly it is {percent(exact)}."
    )


def _only_baseline(subject: Subject) -> str:
    point = subject.baseline
    parts = [f"{subject.label} was run unmasked only"]
    if point and point.accuracy:
        parts.append(f"{subject.metric.name} {accuracy_text(point.accuracy.mean, subject.metric)}")
    if point and point.gflops_t is not None:
        parts.append(f"{point.gflops_t:.4f} GFLOPsT")
    return ": ".join([parts[0], ", ".join(parts[1:])]) + "." if len(parts) > 1 else parts[0] + "."


def _named(subject: Subject, point: Point) -> str:
    name, *variant = point.mask.split(", ", 1)
    what = f"{', '.join([_INSIDE[name], *variant])} in" if name in _INSIDE else f"{point.mask} masking of"
    return f"{what[:1].upper()}{what[1:]} {subject.label} at ratio {point.ratio:g}"
