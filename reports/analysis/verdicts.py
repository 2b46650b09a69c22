"""The words that the report claims something with, and the rule behind each. Nothing else in the report judges.

A claim is a 95 % interval against a line drawn beforehand; without an interval there is no claim. Intervals of
accuracies hold people and trainings (`intervals`); of one seed they are of these trained models alone.

- **negligible, real, undecided**: a loss of accuracy. Interval: masked minus unmasked, paired over people. Line: minus
  `Subject.allowed_loss`. All of the interval above it: negligible (a test of non-inferiority); all below: real. Of
  several masked models of one subject the intervals are widened until any false word among them all has the chance of
  one (Holm), for a reader picks the deepest.
- **loses more**: of `choose`; a loss that is *real* against the stated one. "Measured to" claims nothing, and
  "undecided" leaves it open.
- **qualifies**: of `choose`. Its loss is below the stated one and its saving above the stated one (or above none), each
  with its interval; the greater of the two doubts counts (an intersection-union test: R. L. Berger, 1982), and of all
  configurations that may be chosen together any false word has the chance of one (Holm).
- **best in bold**: of a paper's table. What is better than each other configuration of its mask ratio, with the
  intervals as if they were independent, and Bonferroni's correction for all pairs, as the best was picked by looking.
- **saves most, not told apart**: of those that qualify; the intervals of two savings, as if they were independent.
- **saves, slower, no saving shown**: time. Interval: ratio of the median times, masked over unmasked, bootstrap over
  rounds in which both were timed. Line: equal times. The ends count as they are shown, rounded to 0.1 %. Where three
  or more processes timed both, the interval is over processes; of one process it holds the rounds of that process
  alone, which is said. Below 30 samples it is said that they are few. Energy: the interval over rounds of windows.
- **from 0.4, never up to 0.8**: break-even. From there on every measured ratio saves time, as above; not even the
  deepest is shown to. Tested from the deepest on, each only if the one before saves, so no correction is needed.
- **as counted, less, more than counted**: the same interval; line: the saving of the exact count.
- **unstable**: a timing marked so, on either side, is no ground for a claim, and its saving is not told at all.
- **leads, not told apart**: at equal compute. Interval: paired bootstrap of the difference to the mask of the highest
  accuracy. Line: 0. It leads only where all others are told apart from it.
- **it paid**: of two executions; the intervals of their ratios to the unmasked model do not meet.
- **rose, fell, within noise**: from one run to another. Interval: after minus before, over people and trainings; of the
  share of the unmasked model's time the quotient. Line: 0, of a quotient 1. Of all that are compared in two runs the
  intervals are widened until any false word among them has the chance of one (Holm). A count has no noise: it is equal,
  or it rose or fell.
- **passed, failed, undecided**: of a gate (`rules`): all of the interval of the change within the rule, beyond it, or
  neither; of the rows of one rule any false "failed" has the chance of one (Holm).
- **within the seeds' spread**: mean ± standard deviation of two models overlap; a description, no test.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from ...pose.metrics import AP
from .intervals import Estimate, holm
from .margin import FULL_MARGIN_FROM
from .results import Spread
from .subject import PartLatency, Subject
from .wording import amount_text, percent, percent_range

Interval = tuple[float, float]
#: people below which the plain bootstrap of AP is 2 to 4 points short of its 95 %, that of paired differences is not
MANY_PEOPLE = 300
#: timed passes below which a page says that they are few
MANY_SAMPLES = 30
#: of a 95 % interval
ONE_SIDED = 0.025
#: said of each interval of an accuracy that rests on one seed
ONE_TRAINING = "of these trained models, another training may differ"


def loss_verdicts(differences: Sequence[Estimate | None], allowed: float | None) -> list[str | None]:
    """ "negligible", "real" or "undecided" of each difference, corrected for their number; None without an interval
    or a baseline."""
    told = [difference for difference in differences if difference is not None]
    if allowed is None or not told:
        return [None] * len(differences)
    negligible = holm([one.doubt_above(-allowed) for one in told], ONE_SIDED)
    real = holm([one.doubt_below(-allowed) for one in told], ONE_SIDED)
    words = iter(
        "negligible" if small else "real" if large else "undecided"
        for small, large in zip(negligible, real, strict=True)
    )
    return [None if difference is None else next(words) for difference in differences]


def qualifying(doubts: Sequence[float]) -> list[bool]:
    """Which of several configurations qualify; doubts: the greater of each one's p values of loss and of saving."""
    return holm(doubts, ONE_SIDED)


def told_apart(one: Estimate, other: Estimate) -> bool:
    """Whether two independent estimates differ: their difference is beyond the 95 % interval that theirs come to."""
    low, high = (one, other) if one.value < other.value else (other, one)
    return high.value - low.value > math.hypot(high.value - high.low, low.high - low.value)


def clear_best(estimates: Sequence[Estimate | None]) -> int | None:
    """The number of the highest of several estimates, if it is shown to be higher than each other one; None if it is
    not, if there is no other, or if one of them has no interval."""
    from scipy import stats

    if len(estimates) < 2 or any(one is None for one in estimates):
        return None
    best = max(range(len(estimates)), key=lambda number: estimates[number].value)
    pairs = len(estimates) * (len(estimates) - 1) / 2
    top = estimates[best]
    for number, other in enumerate(estimates):
        if number == best:
            continue
        half = math.hypot(top.value - top.low, other.high - other.value)
        distance, df = top.value - other.value, min(top.df, other.df)
        if half == 0:
            if distance <= 0:
                return None
            continue
        if 2 * stats.t.sf(distance / half * stats.t.ppf(0.975, df), df) > 2 * ONE_SIDED / pairs:
            return None
    return best


def move_verdicts(differences: Sequence[Estimate], lines: Sequence[float]) -> list[str]:
    """ "rose", "fell" or "within noise" of each change against its line, corrected for their number; "equal" where not
    even an interval has a width."""
    pairs = list(zip(differences, lines, strict=True))
    doubts = [2 * min(one.doubt_above(line), one.doubt_below(line)) for one, line in pairs]
    moved = holm(doubts, 2 * ONE_SIDED)
    return [
        exact_verdict(line, one.value) if beyond or one.low == one.high == line else "within noise"
        for (one, line), beyond in zip(pairs, moved, strict=True)
    ]


def exact_verdict(before: float, after: float) -> str:
    """ "equal", "rose" or "fell" of what has no noise."""
    return "equal" if after == before else "rose" if after > before else "fell"


def allowed_words(subject: Subject) -> str:
    """The margin as a sentence tells it: "0.01 AP", or "0.0006 AP, 2 % of the unmasked model's" where it shrinks."""
    words = amount_text(subject.allowed_loss, subject.metric)
    if subject.allowed_loss >= subject.margin * subject.metric.full_scale:
        return words
    return f"{words}, {_relative(subject.margin)} of the unmasked model's"


def time_saved(now: PartLatency | None, unmasked: PartLatency | None) -> Estimate | None:
    """The fraction of time saved with its interval; None where nothing may be claimed."""
    if not now or not unmasked or now.ratio is None or now.unstable or unmasked.unstable:
        return None
    value, low, high, df = now.ratio
    return Estimate(1 - value, 1 - high, 1 - low, df)


def measured_saving(now: PartLatency | None, unmasked: PartLatency | None) -> Interval | None:
    """The interval of the fraction of time saved, its ends rounded as shown; None where nothing may be claimed."""
    saved = time_saved(now, unmasked)
    return None if saved is None else (round(saved.low, 3), round(saved.high, 3))


def is_saving(saved: Interval | None) -> bool:
    """Whether time is shown to be saved."""
    return saved is not None and saved[0] > 0


def silence(now: PartLatency | None, unmasked: PartLatency | None) -> str:
    """Why nothing is claimed of a timing: "unstable timing" or "no interval"."""
    shaky = any(timing is not None and timing.unstable for timing in (now, unmasked))
    return "unstable timing" if shaky else "no interval"


def few_samples(*timings: PartLatency | None) -> str:
    """ " (28 samples are few)" where a median that a claim rests on has so few, else "": its interval takes samples for
    independent, and of few some luck is never noticed."""
    samples = [timing.samples for timing in timings if timing is not None and timing.samples is not None]
    if not samples or min(samples) >= MANY_SAMPLES:
        return ""
    return f" ({min(samples)} sample{'s are' if min(samples) > 1 else ' is'} few)"


def process_words(processes: int) -> str:
    """ " in one process", or " over 3 processes", whose intervals hold what a process has by chance."""
    return " in one process" if processes == 1 else f" over {processes} processes"


def saving_words(saved: Interval) -> str:
    """ "saves 12 to 15 %", "12 to 15 % slower" or "no saving shown"."""
    low, high = saved
    if is_saving(saved):
        return f"saves {percent_range(low, high)}"
    if high < 0:
        return f"{percent_range(-high, -low)} slower"
    return "no saving shown"


def against_count(saved: Interval, counted: float) -> str:
    """How the measured saving stands to the counted one: "as counted", "less than counted", "more than counted"."""
    counted = round(counted, 3)
    if saved[1] < counted:
        return "less than counted"
    return "more than counted" if saved[0] > counted else "as counted"


def time_claim(name: str, saved: Interval, counted: float | None) -> str:
    """A clause about `name`: "the transformer saves 12 to 15 %, less than counted (42.1 %)"."""
    words = saving_words(saved)
    if saved[0] > 0:
        claim = f"{name} {words}"
        if counted is not None and counted > 0:
            return f"{claim}, {against_count(saved, counted)} ({percent(counted)})"
    else:
        claim = f"{name} is {words}" if saved[1] < 0 else f"{words} for {name} ({percent_range(*saved)})"
    if counted is None:
        return claim
    falls, moves = round(counted, 3) > 0, round(counted, 3) != 0
    count = f"{'falls' if falls else 'rises'} by {percent(abs(counted))}" if moves else "does not fall"
    return f"{claim}{' although' if falls or saved[0] > 0 else ', and'} its count {count}"


def is_significant(low: float, high: float) -> bool:
    """Whether the interval of a difference leaves out 0."""
    return low > 0 or high < 0


def it_paid(now: Interval, before: Interval) -> bool | None:
    """Whether `now` saves more than `before`: True, False if it saves less, None if the two intervals meet."""
    if now[0] > before[1]:
        return True
    return False if now[1] < before[0] else None


def outside_spread(one: Spread, other: Spread) -> bool | None:
    """Whether mean ± standard deviation over seeds of the two do not overlap; None where one seed gives no spread."""
    if one.std is None or other.std is None:
        return None
    return abs(one.mean - other.mean) > one.std + other.std


def page_note(margin: float) -> str:
    """The rules as the page tells them, below its tables."""
    return (
        "A loss of accuracy is negligible when all of its paired 95 % interval is above minus the margin, real when all"
        " of it is below, undecided otherwise; of several masked models together, any such word is wrong with the"
        f" chance of one (Holm's correction). The margin is {margin:g} of the metric's full scale, or"
        f" {_relative(margin)} of the unmasked model's accuracy where that is below half of the full scale. A saving of"
        " time is claimed when all of the 95 % interval of the ratio to the unmasked model's time is on one side of 1,"
        " and only of stable timings. Intervals of accuracies over several seeds hold both, other people and other"
        " trainings (pooled over the model's cells); with one seed they are of these trained models, and another"
        " training may differ. All seeds start from one base model where they are fine-tuned."
    )


def short_intervals(subjects: Sequence[Subject]) -> str:
    """That the plain intervals of AP are too narrow, where one on the page is of fewer than MANY_PEOPLE; else ""."""
    people = [
        point.people
        for subject in subjects
        if subject.metric is AP
        for point in (subject.baseline, *subject.points)
        if point and point.ci and point.people and point.people < MANY_PEOPLE
    ]
    if not people:
        return ""
    return (
        f"Of {min(people)} people the 95\N{NO-BREAK SPACE}% interval of an AP by itself is too narrow: below"
        f" {MANY_PEOPLE} people it holds the true AP in 91 to 93\N{NO-BREAK SPACE}% of simulated runs. Paired"
        " differences are not concerned."
    )


def _relative(margin: float) -> str:
    return percent_range(margin / FULL_MARGIN_FROM, margin / FULL_MARGIN_FROM)
