"""Models that cut attention connections: what a dense kernel executes, and whether leaving the cut ones out paid."""

from __future__ import annotations

from collections.abc import Sequence

from .comparison import Clock, Point, Subject
from .verdicts import it_paid, measured_saving, silence
from .wording import percent_range

DENSE_KERNEL = (
    "Executed, needed: a dense kernel computes the products of a cut connection all the same and masks the result, so"
    " what such a model needs is not what it saves; published GFLOPsT follow a third rule."
)
_DENSE, _GATHER = "dense", "gather"


def execution_sentences(subjects: Sequence[Subject]) -> list[str]:
    """What executed and needed mean, where any model cuts connections; whether leaving cut connections out paid.

    The latter for each subject that was timed in both executions, "dense" and "gather"."""
    every = [point for subject in subjects for point in (subject.baseline, *subject.points) if point]
    sentences = [DENSE_KERNEL] if any(point.gflops_t_needed is not None for point in every) else []
    for subject in subjects:
        for dense, gather in _pairs(subject):
            told = [_compared(dense, gather, subject.baseline, size) for size in subject.batch_sizes]
            told = [clause for clause in told if clause]
            if told:
                who = f"{subject.label}, {_base(gather)} at ratio {gather.ratio:g}"
                what = "Leaving cut connections out (gather) instead of masking them"
                sentences.append(f"{what}, {who}: {'; '.join(told)}.")
    return sentences


def _pairs(subject: Subject) -> list[tuple[Point, Point]]:
    """Per mask the deepest ratio that was timed in both executions: (dense, gather)."""
    found: dict[str, tuple[Point, Point]] = {}
    for gather in (point for point in subject.points if point.execution == _GATHER):
        for dense in (point for point in subject.points if point.execution == _DENSE):
            if (
                _base(dense) == _base(gather)
                and dense.ratio == gather.ratio
                and set(dense.timings) & set(gather.timings)
            ):
                best = found.get(_base(gather))
                if best is None or gather.ratio > best[1].ratio:
                    found[_base(gather)] = (dense, gather)
    return list(found.values())


def _base(point: Point) -> str:
    """The series' name without its execution."""
    return point.mask.removesuffix(f", {point.execution}")


def _compared(dense: Point, gather: Point, unmasked: Point | None, size: int) -> str | None:
    timings = [point.timings.get(size) if point else None for point in (dense, gather, unmasked)]
    for part, name in (("transformer", "the transformer"), ("whole", "the whole model")):
        before, now, base = (getattr(timing, part) if timing else None for timing in timings)
        if before and now:
            return f"at batch size {size} {name} {_verdict(before, now, base)}"
    return None


def _verdict(before: Clock, now: Clock, unmasked: Clock | None) -> str:
    """Both are judged by what they save of the unmasked model's time, their intervals against each other."""
    saved, saved_before = measured_saving(now, unmasked), measured_saving(before, unmasked)
    if saved is None or saved_before is None:
        why = silence(*((now, unmasked) if saved is None else (before, unmasked)))
        return f"gives no verdict ({why})"
    took = f"takes {now.latency.mean:.2f} ms against {before.latency.mean:.2f} ms"
    took += f", and saves {percent_range(*saved)} of the unmasked time against {percent_range(*saved_before)}"
    paid = {True: "it paid", False: "it did not pay", None: "the intervals meet, so it is not shown to pay"}
    return f"{took}: {paid[it_paid(saved, saved_before)]}"
