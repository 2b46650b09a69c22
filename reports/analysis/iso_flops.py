"""The masks of a model side by side where each of them costs the same GFLOPsT, and who is ahead there."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...pose.metrics import AP, Metric
from .verdicts import is_significant
from .wording import listed


@dataclass(frozen=True)
class Difference:
    """A mask's accuracy minus another's, with the paired 95 % bootstrap interval."""

    mean: float
    low: float
    high: float

    @property
    def is_significant(self) -> bool:
        """Whether the interval leaves out 0."""
        return is_significant(self.low, self.high)


@dataclass(frozen=True)
class Standing:
    """One mask at one GFLOPsT. `ratio` and `mean_ratio` (over blocks) are the interpolated mask ratios it takes."""

    mask: str
    ratio: float
    mean_ratio: float | None
    accuracy: float
    interval: tuple[float, float] | None
    std: float | None
    seeds: int | None
    is_best: bool
    from_best: Difference | None
    from_control: Difference | None


@dataclass(frozen=True)
class IsoFlopsPoint:
    """All masks of a model at one GFLOPsT (1e9 MAC); `saving` is the fraction of the unmasked GFLOPsT saved.

    `control`: the mask that looks at no content, to which the standings' differences `from_control` are.
    """

    model: str
    saving: float
    gflops_t: float
    standings: Sequence[Standing]
    metric: Metric = AP
    control: str | None = None

    @property
    def best(self) -> Standing:
        """The mask of the highest accuracy."""
        return next(standing for standing in self.standings if standing.is_best)


def iso_flops_sentence(point: IsoFlopsPoint) -> str:
    """Who has the highest accuracy, who is not told apart from it, and who is behind; to lead, all must be behind.

    Of those behind, the control is told with its distance: a method that looks at the image must beat it.
    """
    best, metric, digits = point.best, point.metric, point.metric.digits
    interval = f" ({best.interval[0]:.{digits}f} to {best.interval[1]:.{digits}f})" if best.interval else ""
    accuracy = f"{metric.text(best.accuracy)}{interval}"
    start = f"At {saved_text(point)} less GFLOPsT than unmasked, "
    others = [standing for standing in point.standings if standing is not best]
    if not others:
        return f"{start}{best.mask} has {metric.name} {accuracy}; no other mask reaches this point."
    judged = [standing for standing in others if standing.from_best]
    if not judged:
        return f"{start}{best.mask} has the highest {metric.name}, {accuracy}; no interval says whether it leads."
    close = [f"{s.mask} ({metric.text(s.accuracy)})" for s in judged if not s.from_best.is_significant]
    behind = [_behind(standing, point) for standing in judged if standing.from_best.is_significant]
    if not close:
        return (
            f"{start}{best.mask} leads with {metric.name} {accuracy}; told apart from it and behind: {listed(behind)}."
        )
    text = (
        f"{start}no mask is shown to lead: {best.mask} has the highest {metric.name}, {accuracy}, and {listed(close)}"
    )
    text += f" {'is' if len(close) == 1 else 'are'} not told apart from it"
    return f"{text}; behind it: {listed(behind)}." if behind else f"{text}."


def _behind(standing: Standing, point: IsoFlopsPoint) -> str:
    if standing.mask != point.control:
        return standing.mask
    behind, metric = standing.from_best, point.metric
    mean, low, high = (f"{value:.{metric.digits}f}" for value in (-behind.mean, -behind.high, -behind.low))
    return f"{standing.mask}, by {mean} ({low} to {high}){' points' if metric.is_percent else ''}"


def saved_text(point: IsoFlopsPoint) -> str:
    """The saving as people say it: "20 %", its sign held by a no-break space; decimals only where there are some."""
    return f"{round(100 * point.saving, 1):g}\N{NO-BREAK SPACE}%"
