"""The report's first paragraph: what the numbers say, in words, and nothing that they do not say."""

from __future__ import annotations

from collections.abc import Sequence

from .series import kind_words
from .subject import Point, Subject, mean_of, saving
from .verdicts import ONE_TRAINING, few_samples, measured_saving, process_words, silence, time_claim
from .wording import percent, signed

#: masks at one ratio whose GFLOPsT differ by more than this fraction are not ranked without saying so
_SAME_COST = 0.05
#: other masks that are named at the headline's ratio
_RANKED = 6


def headline(subject: Subject) -> list[str]:
    """Statements on one subject: the trade at its deepest ratio, the ranking, the clock, the convention. Which loss is
    negligible, `takeaway` tells."""
    if not subject.series:
        return [_only_baseline(subject)]
    if subject.baseline is None:
        return [f"{subject.label} has no unmasked row, so no saving and no loss can be stated."]
    lead = lead_point(subject)
    statements = [_trade(subject, lead), _ranking(subject, lead)]
    statements += [_latency(subject, lead, size) for size in _told_sizes(subject)]
    statements.append(_convention(subject, lead))
    return [statement for statement in statements if statement]


def lead_point(subject: Subject) -> Point:
    """The point that the headline tells: of the largest ratio that most masks share, the most accurate mask's.

    Points that keep every token are told only if there is no other: a ratio of connections is none of tokens.
    """
    points = [point for point in subject.points if not point.keeps_all_tokens] or subject.points
    counts: dict[float, int] = {}
    for point in points:
        counts[point.ratio] = counts.get(point.ratio, 0) + 1
    ratio = max(counts, key=lambda ratio: (counts[ratio], ratio))
    candidates = [point for point in points if point.ratio == ratio]
    return max(candidates, key=lambda point: (point.accuracy is not None, mean_of(point.accuracy) or 0.0))


def _trade(subject: Subject, point: Point) -> str:
    parts = [f"{_named(subject, point)} {_counts(subject, point)}"]
    base = subject.baseline.accuracy
    metric = subject.metric
    if point.accuracy and base:
        difference = point.accuracy.mean - base.mean
        interval = ""
        if point.difference:
            difference, low, high, _ = point.difference
            ends = f"{signed(low, metric.digits)} to {signed(high, metric.digits)}"
            over = " and over trainings" if point.seeds > 1 else f", {ONE_TRAINING}"
            interval = f", 95 % interval {ends} over the same people{over}"
        unit = " points" if metric.is_percent else ""
        parts.append(
            f"{metric.name} {metric.text(point.accuracy.mean)} against"
            f" {metric.text(base.mean)} unmasked ({signed(difference, metric.digits)}{unit}{interval})"
        )
    return "; ".join(parts) + "."


def _counts(subject: Subject, point: Point) -> str:
    transformer = saving(point.gflops_t, subject.baseline.gflops_t)
    whole = saving(point.gflops, subject.baseline.gflops)
    if transformer is None:
        return "has no count to compare"
    verb = "removes" if transformer >= 0 else "adds"
    text = f"{verb} {percent(abs(transformer))} of GFLOPsT"
    if images := point.image_gflops_t:
        ends = [percent(saving(end, subject.baseline.gflops_t) or 0.0) for end in (images.high, images.low)]
        text += f" at least ({ends[0]} to {ends[1]} for single images, 5th to 95th percentile)"
    return text if whole is None else f"{text} ({percent(whole)} of the whole model's GFLOPs)"


def _ranking(subject: Subject, lead: Point) -> str | None:
    rest = [point for point in subject.points if point.ratio == lead.ratio and point is not lead and point.accuracy]
    if not rest or not lead.accuracy:
        return None
    rest.sort(key=lambda point: -point.accuracy.mean)
    told = rest if len(rest) <= _RANKED else rest[: _RANKED - 1]
    others = ", ".join(
        f"{point.mask} {subject.metric.text(point.accuracy.mean)}{_other_cost(point, lead)}" for point in told
    )
    last = rest[-1]
    more = f" and {len(rest) - len(told)} more, down to {last.mask} {subject.metric.text(last.accuracy.mean)}"
    return f"The other masks at that ratio: {others}{more if len(told) < len(rest) else ''}."


def _other_cost(point: Point, lead: Point) -> str:
    """Behind a mask of the same ratio that costs clearly more or less GFLOPsT than the lead: by how much."""
    less = saving(point.gflops_t, lead.gflops_t)
    if less is None or abs(less) <= _SAME_COST:
        return ""
    return f" (with {percent(abs(less))} {'less' if less > 0 else 'more'} GFLOPsT)"


def _told_sizes(subject: Subject) -> Sequence[int]:
    """The smallest and the largest timed batch size."""
    sizes = subject.batch_sizes
    return sizes if len(sizes) < 3 else (sizes[0], sizes[-1])


def _latency(subject: Subject, point: Point, size: int) -> str | None:
    """What the clock shows of the counted saving at one batch size; a claim only where there is an interval for it."""
    now, base = point.timings.get(size), subject.baseline.timings.get(size)
    if not now or not base:
        return None
    where = f"At batch size {size}" + (f" on {subject.keys['device']}" if subject.keys["device"] else "")
    counts = (
        ("transformer", "the transformer", saving(point.gflops_t, subject.baseline.gflops_t)),
        ("whole", "the whole model", saving(point.gflops, subject.baseline.gflops)),
    )
    claims, silent, over = [], {}, ""
    for part, name, counted in counts:
        timed, before = getattr(now, part), getattr(base, part)
        if not timed or not before:
            continue
        saved = measured_saving(timed, before)
        if saved is None:
            silent.setdefault(silence(timed, before), []).append(name)
        else:
            claims.append(time_claim(name, saved, counted) + few_samples(timed, before))
            over = process_words(min(timed.processes, before.processes))
    claims += [f"no saving of {' or '.join(names)} can be stated ({why})" for why, names in silent.items()]
    return f"{where}{over}, {'; '.join(claims)}." if claims else None


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
        parts.append(f"{subject.metric.name} {subject.metric.text(point.accuracy.mean)}")
    if point and point.gflops_t is not None:
        parts.append(f"{point.gflops_t:.4f} GFLOPsT")
    return ": ".join([parts[0], ", ".join(parts[1:])]) + "." if len(parts) > 1 else parts[0] + "."


def _named(subject: Subject, point: Point) -> str:
    words = kind_words(point.mask)
    what = f"{words} ({point.mask}) in" if words else f"{point.mask} masking of"
    return f"{what[:1].upper()}{what[1:]} {subject.label} at ratio {point.ratio:g}"
