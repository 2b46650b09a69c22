"""What a reader should take from a sweep, in a sentence: the deepest cut that costs next to nothing, and the clock."""

from __future__ import annotations

from .decision import Decision, Question, decide
from .evidence import EvidenceFiles
from .subject import Point, Subject, saving
from .verdicts import (
    ONE_TRAINING,
    allowed_words,
    loss_verdicts,
    measured_saving,
    process_words,
    saving_words,
    silence,
)
from .what_settles import name_of
from .wording import listed, percent, signed


def decisions(subject: Subject, evidence: EvidenceFiles | None = None) -> list[Decision]:
    """What to choose under the recorded margin: by time, at the smallest and the largest batch size that was timed, or
    by GFLOPsT where nothing was. The front's shares are drawn from the cells' `evidence`, a tenth of a second for each
    cell of 1000 people; without, from the intervals. Raises InputError naming a broken file of it."""
    evidence = evidence or EvidenceFiles([])
    sizes = sorted({size for point in subject.points for size, timing in point.timings.items() if timing.whole})
    told = dict.fromkeys((sizes[0], sizes[-1])) if sizes else [None]
    found = [decide(subject, Question(batch_size=size), evidence) for size in told]
    # Without an interval of any time, all are about the same counts.
    by = {(one.by, one.batch_size if one.by.timed else None): one for one in found if one}
    return list(by.values())


def takeaway(subject: Subject) -> str:
    """One sentence for a model with masked points and an unmasked one; "" for any other."""
    base = subject.baseline
    if base is None or not subject.points:
        return ""
    point, cost = _told_point(subject)
    saved = saving(point.gflops_t, base.gflops_t)
    if saved is not None:
        verb = "removes" if saved >= 0 else "adds"
        cost += f"; it {verb} {percent(abs(saved))} of GFLOPsT"
    clock = _clock(subject, point)
    return f"{cost}{f'; {clock}' if clock else ''}."


def _told_point(subject: Subject) -> tuple[Point, str]:
    """The deepest cut whose loss is negligible, else the mildest loss, and what is said of its loss."""
    differences = [point.difference for point in subject.points]
    verdicts = loss_verdicts(differences, subject.allowed_loss)
    judged = [(point, verdict) for point, verdict in zip(subject.points, verdicts, strict=True) if verdict]
    tested = len(judged)
    if not tested:
        point = max(subject.points, key=lambda point: _saved(subject, point))
        return point, f"The deepest cut is {name_of(point)}, and no loss of accuracy was measured with an interval"
    test = f"non-inferiority, 95 %, paired{f', of {tested} tested together' if tested > 1 else ''}"
    lost = f"shown to cost less than {allowed_words(subject)} ({test})"
    # What saves nothing is no cut, however little it loses; it is told where there is no other.
    cuts = [pair for pair in judged if _saved(subject, pair[0]) > 0.005] or judged
    small = [point for point, verdict in cuts if verdict == "negligible"]
    if small:
        point = max(small, key=lambda point: (_saved(subject, point), point.ratio))
        return point, f"The deepest cut {lost} is {name_of(point)}, with {_difference(subject, point)}"
    point = max((point for point, _ in cuts), key=lambda point: point.difference.value)
    return point, f"No cut is {lost}; the mildest, {name_of(point)}, has {_difference(subject, point)}"


def _saved(subject: Subject, point: Point) -> float:
    return saving(point.gflops_t, subject.baseline.gflops_t) or 0.0


def _difference(subject: Subject, point: Point) -> str:
    value, low, high = (signed(end, subject.metric.digits) for end in point.difference[:3])
    points = " points of" if subject.metric.is_percent else ""
    of_these = "" if point.seeds > 1 else f"; {ONE_TRAINING}"
    return f"{value}{points} {subject.metric.name} ({low} to {high}{of_these})"


def _clock(subject: Subject, point: Point) -> str:
    """What the whole model saves at the smallest and the largest batch size; "" where nothing was timed."""
    claims, timed = [], []
    sizes = sorted(size for size, timing in point.timings.items() if timing.whole)
    for size in dict.fromkeys((sizes[0], sizes[-1])) if sizes else ():
        timing = subject.baseline.timings.get(size)
        now, before = point.timings[size].whole, timing.whole if timing else None
        saved = measured_saving(now, before)
        words = saving_words(saved) if saved else f"no saving can be stated ({silence(now, before)})"
        claims.append(f"{words} at batch size {size}")
        timed += [part.processes for part in (now, before) if part]
    if not claims:
        return ""
    device = f" on {subject.keys['device']}" if subject.keys["device"] else ""
    return f"for the whole model{device}{process_words(min(timed))}: {listed(claims)}"
