"""What `compare` says of two runs, in sentences."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from ...pose.metrics import METRICS
from ...row import describe
from .runs_compared import EXACT, PAIRED, RATIO, SHOWN, UNPAIRED, Change, Match, RunsCompared
from .wording import listed, percent, signed

#: named in a sentence; the others are in the table
MOST_NAMED = 5


def sentences(found: RunsCompared) -> list[str]:
    """Accuracy, counts, times, what is not in both, and under which conditions."""
    if not found.matches:
        return [f"No configuration of {found.before} is in {found.after}: nothing can be compared."]
    told = [*_accuracies(found), _counts(found), _memory(found), _times(found), *found.notes, *_unmatched(found)]
    if found.settings:
        told.append(f"Settings that differ between the runs: {_listed_pairs(found.settings)}.")
    return [sentence for sentence in told if sentence]


def change_text(change: Change) -> str:
    """The difference with its interval as it is shown: "+0.012 (+0.004 to +0.020)", "+3.1 % (+0.5 % to +6.0 %)"."""
    column = describe(change.column)
    if change.basis in (PAIRED, UNPAIRED) and change.difference:
        value, low, high = (signed(end, column.digits) for end in change.difference[:3])
        return f"{value} ({low} to {high})"
    if change.basis in (RATIO, SHOWN) and change.difference:
        value, low, high = (_signed_percent(end - 1) for end in change.difference[:3])
        return f"{value} ({low} to {high})"
    if change.before == change.after:
        return "equal"
    if change.relative is None:
        return signed(change.after - change.before, column.digits)
    return _signed_percent(change.relative)


def _accuracies(found: RunsCompared) -> list[str]:
    told = []
    for metric in METRICS:
        changes = list(_of(found, lambda change, name=metric.column: change.column == name))
        judged = [(match, change) for match, change in changes if change.verdict]
        if not judged:
            if changes:
                told.append(f"{metric.name} is shown and not judged: the rows hold no intervals.")
            continue
        moved = [
            f"{match.label} {change.verdict}, {change_text(change)}"
            for match, change in judged
            if change.verdict in ("rose", "fell")
        ]
        what = f"Of {len(judged)} {'accuracy' if len(judged) == 1 else 'accuracies'} ({metric.name})"
        if all(change.verdict == "equal" for _, change in judged):
            told.append(f"{what}, all are equal, person by person.")
            continue
        beyond = f"{_some(moved)}; the others not beyond noise" if moved else "none moved beyond noise"
        if moved and len(moved) == len(judged):
            beyond = _some(moved)
        told.append(f"{what}, {beyond} ({_basis([change for _, change in judged])}; {_corrected(found)}).")
        if any(change.seeds == 1 for _, change in judged):
            told.append("With one seed a change is one of these trained models; another training may differ.")
    return told


def _basis(changes: Sequence[Change]) -> str:
    paired = sum(change.basis == PAIRED for change in changes)
    if paired == len(changes):
        return "paired over the same people"
    why = "from the intervals in the rows, unpaired, as evidence of the same people is not in both"
    return why if not paired else f"{paired} paired over the same people, the others {why}"


def _corrected(found: RunsCompared) -> str:
    return f"95 %, Holm's correction over all {found.compared} compared" if found.compared > 1 else "95 %"


def _counts(found: RunsCompared) -> str:
    exact = list(_of(found, lambda change: change.basis == EXACT and change.column != "peak_memory_mib"))
    if not exact:
        return ""
    moved: dict[str, Change] = {}
    for match, change in exact:
        if change.verdict != "equal":
            moved[match.label] = change  # of several counts the last, GFLOPsT, is told
    if not moved:
        return f"All counts of {_configurations(len(found.matches))} are equal."
    parts = [
        f"{label} ({describe(change.column).label} {change.before:.6g} to {change.after:.6g})"
        for label, change in moved.items()
    ]
    return f"Counts moved for {len(moved)} of {_configurations(len(found.matches))}: {_some(parts)}."


def _memory(found: RunsCompared) -> str:
    peaks = list(_of(found, lambda change: change.basis == EXACT and change.column == "peak_memory_mib"))
    moved = [
        f"{match.label} at batch size {change.batch_size} ({change_text(change)})"
        for match, change in peaks
        if change.verdict != "equal"
    ]
    if not peaks:
        return ""
    return f"Peak memory moved for {_some(moved)}." if moved else "Peak memory is equal wherever both have it."


def _times(found: RunsCompared) -> str:
    if not list(_of(found, lambda change: change.batch_size is not None)):
        return ""
    if not found.same_place:
        return (
            f"Times and memory are shown and not judged, as the machine or its software is not the same:"
            f" {_listed_pairs(found.places)}."
        )
    shares = list(_of(found, lambda change: change.basis == RATIO))
    if not list(_of(found, lambda change: change.column.startswith("latency"))):
        return ""
    apart = "Absolute times are shown and not judged: another hour of one machine moves all alike."
    if not shares:
        return apart
    moved = [
        f"{match.label}{', transformer' if 'transformer' in change.column else ''} at batch size {change.batch_size}"
        f" {change.verdict}, {change_text(change)}"
        for match, change in shares
        if change.verdict in ("rose", "fell")
    ]
    told = _some(moved) if moved else "none moved beyond noise"
    return f"Of {len(shares)} shares of the unmasked model's time, {told} ({_corrected(found)}). {apart}"


def _unmatched(found: RunsCompared) -> list[str]:
    told = []
    for labels, what in (
        (found.failed, f"Ran in {found.before} and failed in {found.after}"),
        (found.only_before, f"Only in {found.before}"),
        (found.only_after, f"Only in {found.after}"),
    ):
        if labels:
            told.append(f"{what}: {_some(labels)}.")
    return told


def _of(found: RunsCompared, wanted: Callable[[Change], bool]) -> Iterable[tuple[Match, Change]]:
    return ((match, change) for match in found.matches for change in match.changes if wanted(change))


def _some(parts: Sequence[str]) -> str:
    """All of them, or the first few and how many more."""
    more = len(parts) - MOST_NAMED
    return listed([*parts[:MOST_NAMED], f"{more} more"]) if more > 0 else listed(list(parts))


def _configurations(count: int) -> str:
    return "1 configuration" if count == 1 else f"{count} configurations"


def _listed_pairs(pairs: Mapping[str, tuple[str, str]]) -> str:
    return "; ".join(f"{describe(name).label}: {before} and {after}" for name, (before, after) in pairs.items())


def _signed_percent(fraction: float) -> str:
    text = percent(fraction)
    return text if text.startswith("-") else f"+{text}"
