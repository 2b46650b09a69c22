"""The section behind the page's first sentence: what was chosen from, and what would settle what is open."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.decision import Decision
from ..analysis.decision_words import answer, front_note
from ..analysis.verdicts import loss_verdicts
from ..analysis.what_settles import settled_by
from ..tables.decision_table import decision_table
from .section import LONG, Block, Material, Paragraph, Table

#: configurations in the short table: those that qualify, then those that are on the front in this share of the draws
_SHOWN, _ON_FRONT = 12, 0.05
#: of the sentences on what is undecided, for each subject
_TOLD = 4


def decision(material: Material) -> list[Block]:
    """A table per subject, and how many seeds or people would decide what the intervals leave open."""
    blocks: list[Block] = []
    for found in material.decisions:
        blocks.append(Paragraph(answer(found)))
        blocks += _tables(found)
        blocks += [Paragraph(note, "note")] if (note := front_note(found)) else []
        blocks += map(Paragraph, open_questions(found))
    if blocks:
        blocks.append(
            Paragraph(
                "Another loss or another quantity to save: posebench choose, with this folder.",
                "note",
            )
        )
    return blocks


def _tables(found: Decision) -> list[Block]:
    """All configurations; of many those to choose from, and the whole table folded up."""
    if len(found.candidates) <= LONG:
        return [Table(decision_table(found))]
    telling = [one for one in found.candidates if one.qualifies or (one.front or 0) >= _ON_FRONT]
    telling.sort(key=lambda one: (one is not found.chosen, not one.qualifies, -(one.front or 0)))
    short = [Table(decision_table(found, telling[:_SHOWN]))] if telling else []
    return [*short, Table(decision_table(found), summary=f"All {len(found.candidates)} configurations")]


def open_questions(found: Decision) -> Sequence[str]:
    """What would settle each loss that is undecided, of what is measured to save and does not qualify already."""
    if found.settle:
        return found.settle
    allowed = found.subject.allowed_loss
    losses = [candidate.loss for candidate in found.candidates]
    verdicts = loss_verdicts([candidate.point.difference for candidate in found.candidates], allowed)
    tested = sum(verdict is not None for verdict in verdicts)
    sentences, too_far = [], []
    for candidate, loss, verdict in zip(found.candidates, losses, verdicts, strict=True):
        saved = candidate.savings[found.by.name]
        if verdict != "undecided" or candidate.qualifies or saved is None or saved.value <= 0:
            continue
        if loss.value < allowed:
            sentences.append(
                settled_by(candidate.point, loss, candidate.savings, found.min_savings, allowed, tested)
            )
        else:
            too_far.append(f"{candidate.point.mask} at {candidate.point.ratio:g}")
    if too_far:
        sentences.append(
            f"Undecided, and measured to lose more than is allowed: {', '.join(too_far)}; more seeds or people are more"
            " likely to show a loss than none."
        )
    return sentences[:_TOLD]
