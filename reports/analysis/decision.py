"""Which configuration saves most under a stated loss of accuracy, how sure that is, and what would settle it.

A configuration qualifies as `verdicts` has it: its loss is shown to be below the stated one, and its saving to be the
stated one or, without, any at all. Of those the one with the largest saving is chosen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from .evidence import EvidenceFiles
from .intervals import Estimate
from .margin import allowed_loss
from .pareto import front_shares
from .quantities import GFLOPS_T, QUANTITIES, TIME, Quantity, silent_about
from .subject import Point, Subject, mean_of
from .verdicts import loss_verdicts, qualifying, told_apart
from .what_settles import loss_shown, name_of, settled_by
from .wording import amount_text

EXACTLY_NONE = Estimate(0.0, 0.0, 0.0)


@dataclass(frozen=True)
class Question:
    """by: what is to be saved (quantities.py); None: time where it was measured with an interval, else GFLOPsT.
    max_loss: in the metric's unit; None: the margin of the rows. min_savings: quantity -> least fraction. batch_size:
    None: the smallest that was timed."""

    by: str | None = None
    max_loss: float | None = None
    min_savings: Mapping[str, float] = field(default_factory=dict)
    batch_size: int | None = None


@dataclass(frozen=True)
class Candidate:
    """A configuration that may be chosen. loss: unmasked minus masked accuracy; savings: fractions by quantity, of what
    the question is about. front: share of the draws in which it is on the Pareto front (None: not drawn). why_not: what
    keeps it from qualifying; "" of one that qualifies."""

    point: Point
    loss: Estimate | None
    savings: Mapping[str, Estimate | None]
    qualifies: bool
    front: float | None
    why_not: str = ""


@dataclass(frozen=True)
class Decision:
    """The answer for one subject. candidates: every masked point; tested: how many were judged together. alike:
    qualifying ones whose saving is not told apart from the chosen one's. baseline_front: share of the draws in which
    the unmasked model is on the front. paired: the front's draws are of the same people for all. settle: sentences on
    what would make more qualify, where nothing does."""

    subject: Subject
    by: Quantity
    max_loss: float
    min_savings: Mapping[str, float]
    batch_size: int | None
    candidates: Sequence[Candidate]
    tested: int
    chosen: Candidate | None
    alike: Sequence[Candidate] = ()
    baseline_front: float | None = None
    paired: bool = False
    settle: Sequence[str] = ()

    def rank(self, candidate: Candidate) -> tuple[bool, bool, float]:
        """Sorts the chosen one first, then those that qualify, each by what they save."""
        saved = candidate.savings[self.by.name]
        return candidate is not self.chosen, not candidate.qualifies, -(saved.value if saved else -1.0)


def decide(subject: Subject, question: Question, evidence: EvidenceFiles) -> Decision | None:
    """The answer for a model with masked points and an accuracy of its unmasked one; None for any other."""
    unmasked = mean_of(subject.baseline.accuracy) if subject.baseline else None
    if not subject.points or not unmasked:
        return None
    size = question.batch_size
    if size is None:
        size = min(subject.batch_sizes, default=None)
    by = QUANTITIES[question.by] if question.by else _usual(subject, size)
    max_loss = question.max_loss
    if max_loss is None:
        max_loss = allowed_loss(subject.margin, unmasked, subject.metric.full_scale)
    least = {by.name: 0.0} | dict(question.min_savings)
    savings = [{name: QUANTITIES[name].of(subject, point, size) for name in least} for point in subject.points]
    losses = [_loss(point) for point in subject.points]
    reasons = [
        _untestable(subject, point, loss, saved, least, size)
        for point, loss, saved in zip(subject.points, losses, savings, strict=True)
    ]
    testable = [number for number, reason in enumerate(reasons) if not reason]
    doubts = [_doubt(losses[number], savings[number], least, max_loss) for number in testable]
    passed = dict(zip(testable, qualifying(doubts), strict=True))
    words = dict(zip(testable, loss_verdicts([subject.points[n].difference for n in testable], max_loss), strict=True))
    fronts, baseline_front, paired = _fronts(subject, [saved[by.name] for saved in savings], evidence)
    candidates = []
    for number, point in enumerate(subject.points):
        qualifies = passed.get(number, False)
        why = reasons[number]
        if not why and not qualifies:
            why = _why_not(losses[number], words[number], savings[number], least, max_loss)
        candidates.append(Candidate(point, losses[number], savings[number], qualifies, fronts.get(number), why))
    chosen = max((c for c in candidates if c.qualifies), key=lambda c: c.savings[by.name].value, default=None)
    alike = [
        c for c in candidates
        if c.qualifies and c is not chosen and not told_apart(c.savings[by.name], chosen.savings[by.name])
    ]  # fmt: skip
    settle = [] if chosen else _settle(subject, [candidates[n] for n in testable], least, max_loss)
    return Decision(
        subject, by, max_loss, least, size, candidates, len(testable), chosen, alike, baseline_front, paired, settle
    )


def _usual(subject: Subject, size: int | None) -> Quantity:
    timed = any(QUANTITIES[TIME].of(subject, point, size) for point in subject.points)
    return QUANTITIES[TIME if timed else GFLOPS_T]


def _loss(point: Point) -> Estimate | None:
    if point.difference is None:
        return None
    value, low, high, df = point.difference
    return Estimate(-value, -high, -low, df)


def _is_exact(saved: Estimate) -> bool:
    return saved.low == saved.high


def _untestable(
    subject: Subject,
    point: Point,
    loss: Estimate | None,
    savings: Mapping[str, Estimate | None],
    least: Mapping[str, float],
    size: int | None,
) -> str:
    """Why a configuration is none of those that are tested; "" of one that is. Counts are known before any test."""
    if loss is None:
        return "its loss has no interval"
    for name, saved in savings.items():
        words = QUANTITIES[name].words
        if saved is None:
            return f"{words}: {silent_about(QUANTITIES[name], subject, point, size)}"
        if _is_exact(saved) and not _meets(saved, least[name]):
            return f"saves too little of {words}" if least[name] else f"saves none of {words}"
    return ""


def _meets(saved: Estimate, least: float) -> bool:
    return saved.value >= least if least > 0 else saved.value > 0


def _doubt(loss: Estimate, savings: Mapping[str, Estimate], least: Mapping[str, float], max_loss: float) -> float:
    """The greatest of the p values: all must hold."""
    uncertain = [saved.doubt_above(least[name]) for name, saved in savings.items() if not _is_exact(saved)]
    return max(loss.doubt_below(max_loss), *uncertain, 0.0)


def _why_not(
    loss: Estimate, verdict: str | None, savings: Mapping[str, Estimate], least: Mapping[str, float], max_loss: float
) -> str:
    """Of a configuration that was tested and does not qualify: what is most in doubt."""
    doubts = {name: saved.doubt_above(least[name]) for name, saved in savings.items() if not _is_exact(saved)}
    name = max(doubts, key=doubts.__getitem__, default="")
    if name and doubts[name] > loss.doubt_below(max_loss):
        words = QUANTITIES[name].words
        too_little = f"measured to save too little of {words}"
        return f"saving of {words} undecided" if _meets(savings[name], least[name]) else too_little
    if verdict == "real":
        return "loses more"
    return "measured to lose more" if loss.value >= max_loss else "loss undecided"


def _fronts(
    subject: Subject, savings: Sequence[Estimate | None], evidence: EvidenceFiles
) -> tuple[dict[int, float], float | None, bool]:
    """The share of draws on the front by number of the point, the unmasked model's, and whether they are paired."""
    numbers = [n for n, point in enumerate(subject.points) if point.difference and savings[n] is not None]
    if not numbers:
        return {}, None, False
    points = [subject.baseline, *(subject.points[n] for n in numbers)]
    shares, paired = front_shares(subject, points, [EXACTLY_NONE, *(savings[n] for n in numbers)], evidence)
    return dict(zip(numbers, shares[1:], strict=True)), shares[0], paired


def _settle(subject: Subject, tested: Sequence[Candidate], least: Mapping[str, float], max_loss: float) -> list[str]:
    """What would make something qualify: of the three largest measured savings that would, and else what loss would."""
    saving = [c for c in tested if all(_meets(c.savings[name], least[name]) for name in least)]
    hopeful = [c for c in saving if c.loss.value < max_loss]
    hopeful.sort(key=lambda c: -next(iter(c.savings.values())).value)
    sentences = [settled_by(c.point, c.loss, c.savings, least, max_loss, len(tested)) for c in hopeful[:3]]
    bounds = [(c.point, loss_shown(c.loss, len(tested))) for c in saving]
    if not hopeful and tested:
        sentences.append("No measured loss is below it, so that neither more seeds nor more people are likely to help.")
    if bounds:
        point, bound = min(bounds, key=lambda pair: pair[1])
        words = amount_text(bound, subject.metric)
        sentences.append(f"The least loss that the data at hand show is below {words}: {name_of(point)}.")
    return sentences
