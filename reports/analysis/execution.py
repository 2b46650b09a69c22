"""Models that cut attention connections: what a dense kernel executes, and whether leaving the cut ones out paid."""

from __future__ import annotations

from collections.abc import Sequence

from .series import without_execution
from .subject import PartLatency, Point, Subject
from .verdicts import it_paid, measured_saving, silence
from .wording import percent_range

DENSE_KERNEL = (
    "Executed, needed: a dense kernel computes the products of a cut connection all the same and masks the result, so"
    " what such a model needs is not what it saves; published GFLOPsT follow a third rule."
)


def execution_sentences(subjects: Sequence[Subject]) -> list[str]:
    """What executed and needed mean, where any model cuts connections; whether leaving cut connections out paid.

    The latter for each subject that was timed in two executions.
    """
    every = [point for subject in subjects for point in (subject.baseline, *subject.points) if point]
    sentences = [DENSE_KERNEL] if any(point.gflops_t_needed is not None for point in every) else []
    for subject in subjects:
        for more, less in _pairs(subject):
            told = [_compared(more, less, subject.baseline, size) for size in subject.batch_sizes]
            told = [clause for clause in told if clause]
            if told:
                who = f"{subject.label}, {without_execution(less)} at ratio {less.ratio:g}"
                what = f"Leaving cut connections out ({less.execution}) instead of masking them"
                sentences.append(f"{what}, {who}: {'; '.join(told)}.")
    return sentences


def _pairs(subject: Subject) -> list[tuple[Point, Point]]:
    """Per mask the deepest ratio that was timed in two executions: (the one that executes more, the one with less)."""
    groups: dict[tuple[str, float], list[Point]] = {}
    for point in subject.points:
        if point.execution and point.gflops_t is not None:
            groups.setdefault((without_execution(point), point.ratio), []).append(point)
    deepest: dict[str, tuple[Point, Point]] = {}
    for (mask, _), points in sorted(groups.items(), key=lambda item: item[0][1]):
        points.sort(key=lambda point: point.gflops_t)
        less, more = points[0], points[-1]
        if more.execution != less.execution and set(more.timings) & set(less.timings):
            deepest[mask] = more, less
    return list(deepest.values())


def _compared(more: Point, less: Point, unmasked: Point | None, size: int) -> str | None:
    timings = [point.timings.get(size) if point else None for point in (more, less, unmasked)]
    for part, name in (("transformer", "the transformer"), ("whole", "the whole model")):
        before, now, base = (getattr(timing, part) if timing else None for timing in timings)
        if before and now:
            return f"at batch size {size} {name} {_verdict(before, now, base)}"
    return None


def _verdict(before: PartLatency, now: PartLatency, unmasked: PartLatency | None) -> str:
    """Both are judged by what they save of the unmasked model's time, their intervals against each other."""
    saved, saved_before = measured_saving(now, unmasked), measured_saving(before, unmasked)
    if saved is None or saved_before is None:
        why = silence(*((now, unmasked) if saved is None else (before, unmasked)))
        return f"gives no verdict ({why})"
    took = f"takes {now.median.mean:.2f} ms against {before.median.mean:.2f} ms"
    took += f", and saves {percent_range(*saved)} of the unmasked time against {percent_range(*saved_before)}"
    paid = {True: "it paid", False: "it did not pay", None: "the intervals meet, so it is not shown to pay"}
    return f"{took}: {paid[it_paid(saved, saved_before)]}"
