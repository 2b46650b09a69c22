"""Models that cut attention connections: what a dense kernel executes, and whether leaving the cut ones out paid."""

from __future__ import annotations

from collections.abc import Sequence

from .comparison import Point, Subject, Timing
from .headline import percent

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
            told = [_compared(dense, gather, size) for size in subject.batch_sizes]
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


def _compared(dense: Point, gather: Point, size: int) -> str | None:
    before, now = dense.timings.get(size), gather.timings.get(size)
    if not before or not now:
        return None
    for part, iqr, shaky, name in (
        ("transformer", "transformer_iqr", "transformer_unstable", "the transformer"),
        ("latency", "iqr", "unstable", "the whole model"),
    ):
        if getattr(before, part) and getattr(now, part):
            return f"at batch size {size} {name} {_verdict(before, now, part, iqr, shaky)}"
    return None


def _verdict(before: Timing, now: Timing, part: str, iqr: str, shaky: str) -> str:
    old, new = getattr(before, part).mean, getattr(now, part).mean
    took = f"takes {new:.2f} ms against {old:.2f} ms"
    if getattr(before, shaky) or getattr(now, shaky):
        return f"{took} (unstable measurement: no verdict)"
    noise = max(getattr(before, iqr) or 0.0, getattr(now, iqr) or 0.0)
    if abs(new - old) <= noise:
        return f"{took}, no difference beyond the timings' interquartile range: it did not pay"
    change = percent(abs(new - old) / old)
    return f"{took}, {change} less: it paid" if new < old else f"{took}, {change} more: it did not pay"
