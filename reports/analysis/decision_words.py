"""The answer of `choose` in one sentence, and how sure its Pareto front is."""

from __future__ import annotations

from .decision import Candidate, Decision
from .evidence import DRAWS
from .intervals import Estimate
from .quantities import QUANTITIES, behind
from .subject import mean_of
from .verdicts import ONE_TRAINING
from .what_settles import name_of
from .wording import amount_text, listed, percent, percent_range, signed, whole


def answer(decision: Decision) -> str:
    """One sentence: what saves most under the stated loss, with its intervals, or that nothing qualifies."""
    subject, chosen = decision.subject, decision.chosen
    tests = f"{decision.tested} tested together, Holm" if decision.tested > 1 else "1 tested"
    lost = f"shown to lose less than {amount_text(decision.max_loss, subject.metric)}{_asked(decision)}"
    if not decision.tested:
        return f"Nothing qualifies: no configuration of {subject.label} could be tested{_reasons(decision)}."
    if chosen is None:
        return f"Nothing qualifies: no configuration of {subject.label} is {lost} (95 %; {tests})."
    where = f" at batch size {decision.batch_size}" if decision.by.timed else ""
    alike = ""
    if decision.alike:
        verb = "is" if len(decision.alike) == 1 else "are"
        alike = f"; {listed([name_of(c.point) for c in decision.alike])} {verb} not told apart from it in that"
    of_these = "" if chosen.point.seeds > 1 else f"; {ONE_TRAINING}"
    return (
        f"Of the configurations of {subject.label} that are {lost}, {name_of(chosen.point)} saves the most"
        f" {decision.by.words}{where}: {_savings(decision, chosen)}, with {loss_words(decision, chosen)}"
        f" (95 %; {tests}){alike}{of_these}."
    )


def loss_words(decision: Decision, candidate: Candidate) -> str:
    """Such as "AP 0.649 against 0.654 unmasked, -0.004 (-0.007 to -0.001)"."""
    subject, metric = decision.subject, decision.subject.metric
    now, before = (metric.text(mean_of(point.accuracy)) for point in (candidate.point, subject.baseline))
    points = " points" if metric.is_percent else ""
    return f"{metric.name} {now} against {before} unmasked, {difference_text(decision, candidate)}{points}"


def difference_text(decision: Decision, candidate: Candidate) -> str:
    """Masked minus unmasked: "-0.004 (-0.007 to -0.001)"; "" without an interval."""
    digits = decision.subject.metric.digits
    if candidate.point.difference is None:
        return ""
    value, low, high = (signed(end, digits) for end in candidate.point.difference[:3])
    return f"{value} ({low} to {high})"


def saving_text(saved: Estimate) -> str:
    """ "12.8 %" of a count, or "14.0 % (12 to 15 %)"."""
    if saved.low == saved.high:
        return percent(saved.value)
    return f"{percent(saved.value)} ({percent_range(saved.low, saved.high)})"


def front_note(decision: Decision) -> str:
    """What the shares of the front are; "" where none was drawn."""
    if decision.baseline_front is None:
        return ""
    how = "of people, the same for all" if decision.paired else "of each interval by itself, as no evidence is kept"
    return (
        f"Front: the share of {DRAWS} draws, {how}, in which no other configuration has more"
        f" {decision.subject.metric.name} for at most the same {decision.by.words} (the Pareto front); other trainings"
        f" are drawn too where several seeds tell their spread. The unmasked model: {whole(decision.baseline_front)}."
    )


def _savings(decision: Decision, chosen: Candidate) -> str:
    """The saving asked for, then the others that had to be met."""
    names = [decision.by.name, *(name for name in chosen.savings if name != decision.by.name)]
    parts = []
    for name in names:
        quantity = QUANTITIES[name]
        what = "" if name == decision.by.name else f" of its {quantity.words}"
        measured = behind(quantity, decision.subject, chosen.point, decision.batch_size)
        parts.append(f"{saving_text(chosen.savings[name])}{what}{measured}")
    return listed(parts)


def _asked(decision: Decision) -> str:
    """Behind the loss: what else was asked for; that a count falls at all goes without saying."""
    parts = []
    for name, least in decision.min_savings.items():
        quantity = QUANTITIES[name]
        where = f" at batch size {decision.batch_size}" if quantity.timed else ""
        if least:
            parts.append(f"at least {percent(least)} of its {quantity.words}{where}")
        elif quantity.timed:
            parts.append(f"any {quantity.words}{where}")
    return f" and to save {listed(parts)}" if parts else ""


def _reasons(decision: Decision) -> str:
    reasons = list(dict.fromkeys(candidate.why_not for candidate in decision.candidates))
    return f" ({listed(reasons[:3])})"
