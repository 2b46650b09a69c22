"""The masks of a model side by side where each of them costs the same GFLOPsT, and who is ahead there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ...pose.metrics import AP, Metric
from .verdicts import ONE_TRAINING, is_significant
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
    """One mask at one GFLOPsT. `ratio` and `mean_ratio` (over blocks) are the interpolated mask ratios it takes.

    `from_controls`: its differences to the other masks that are controls, by name.
    """

    mask: str
    ratio: float
    mean_ratio: float | None
    accuracy: float
    interval: tuple[float, float] | None
    std: float | None
    seeds: int | None
    is_best: bool
    from_best: Difference | None
    from_controls: Mapping[str, Difference] = field(default_factory=dict)


@dataclass(frozen=True)
class IsoFlopsPoint:
    """All masks of a model at one GFLOPsT (1e9 MAC); `saving` is the fraction of the unmasked GFLOPsT saved.

    `controls`: the masks of the sweep that look at no content, which a mask that does must beat.
    """

    model: str
    saving: float
    gflops_t: float
    standings: Sequence[Standing]
    metric: Metric = AP
    controls: Sequence[str] = ()

    @property
    def best(self) -> Standing:
        """The mask of the highest accuracy."""
        return next(standing for standing in self.standings if standing.is_best)

    @property
    def control(self) -> Standing | None:
        """The strongest control here. Which one it is may be seen in the results: the intervals of all differences hold
        together."""
        found = [standing for standing in self.standings if standing.mask in self.controls]
        return max(found, key=lambda standing: standing.accuracy, default=None)


def iso_flops_sentence(point: IsoFlopsPoint) -> str:
    """Who has the highest accuracy, who is not told apart from it, and who is behind; to lead, all must be behind."""
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
    behind = [standing.mask for standing in judged if standing.from_best.is_significant]
    if not close:
        return (
            f"{start}{best.mask} leads with {metric.name} {accuracy}; told apart from it and behind: {listed(behind)}."
        )
    text = (
        f"{start}no mask is shown to lead: {best.mask} has the highest {metric.name}, {accuracy}, and {listed(close)}"
    )
    text += f" {'is' if len(close) == 1 else 'are'} not told apart from it"
    return f"{text}; behind it: {listed(behind)}." if behind else f"{text}."


def control_sentence(point: IsoFlopsPoint) -> str:
    """Whether what looks at the image beats what does not: the most accurate mask of content against the strongest
    control, with the paired interval, and then every other one. "" where the point has not both."""
    control, metric, digits = point.control, point.metric, point.metric.digits
    content = [standing for standing in point.standings if standing.mask not in point.controls]
    if control is None or not content:
        return ""
    start = f"At {saved_text(point)} less GFLOPsT, "
    others = [s for s in point.standings if s.mask in point.controls and s is not control]
    told = f"{control.mask} ({metric.text(control.accuracy)})"
    if others:
        rest = listed([f"{s.mask} ({metric.text(s.accuracy)})" for s in others])
        start += f"of the controls, which look at no content, {told} is the strongest, before {rest}: "
    else:
        start += f"the control, which looks at no content, is {told}: "
    compared = {s.mask: d for s in content if (d := s.from_controls.get(control.mask))}
    if not compared:
        return f"{start}no interval says whether content is worth looking at."
    best = max((s for s in content if s.mask in compared), key=lambda standing: standing.accuracy)
    first = compared.pop(best.mask)
    mean, low, high = (f"{value:+.{digits}f}" for value in (first.mean, first.low, first.high))
    verdict = {"ahead": "beats it", "level": "is not shown to beat it", "behind": "is beaten by it"}[_verdict(first)]
    text = f"{start}{best.mask}, the best that looks at content, {verdict} ({mean}, {low} to {high}"
    text += f"{' points' if metric.is_percent else ''})"
    words = {"ahead": "also beating it", "level": "not told apart from it", "behind": "beaten by it"}
    for verdict, word in words.items():
        masks = [mask for mask, difference in compared.items() if _verdict(difference) == verdict]
        text += f"; {word}: {listed(masks)}" if masks else ""
    return f"{text}; {ONE_TRAINING}." if best.seeds == 1 else f"{text}."


def _verdict(difference: Difference) -> str:
    if not difference.is_significant:
        return "level"
    return "ahead" if difference.low > 0 else "behind"


def saved_text(point: IsoFlopsPoint) -> str:
    """The saving as people say it: "20 %", its sign held by a no-break space; decimals only where there are some."""
    return f"{round(100 * point.saving, 1):g}\N{NO-BREAK SPACE}%"
