"""A run's rows against a baseline's, by rules. What each kind of column allows to be said is decided here.

Counts are exact. Accuracies have the interval of their difference (see runs_compared.py). Times of two runs were
taken at two hours: on the same machine a rule on them can hold, but only `posebench gate`, which measures both in turn,
can call it broken; on another machine nothing is said of them, nor of memory.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...pose.metrics import METRICS
from ...row import describe
from .grouping import is_unmasked
from .intervals import Estimate, holm
from .results import is_failed, is_missing
from .rules import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Outcome, Rule, change_text, values_text
from .runs_compared import PAIRED, UNPAIRED, Change, Run, RunsCompared, compare_runs
from .timed import PLACE
from .verdicts import ONE_SIDED

#: the rows of two runs belong together where these agree
KEY = (
    "model", "dataset", "input_size", "mask", "mask_ratio", "train_ratio", "positions", "as_published", "decoder",
    "execution", "runtime", "dtype", "batch_size",
)  # fmt: skip
_NAMED = ("model", "dataset", "mask", "mask_ratio", "train_ratio", "execution", "runtime", "dtype", "batch_size")
_USUAL = ("eager", "float32")
#: how the scope of a column begins that is the same at every batch size
_OF_ANY_BATCH = ("one image", "whole model", "evaluated people", "images of crowd", "training split")
#: accuracies are compared where these agree
PEOPLE = ("eval_people", "boxes", "flip_test")
CLOCK_CONDITIONS = ("device", *PLACE, "threads", "runtime_version", "precision")
MEMORY_CONDITIONS = ("device", "memory_method", "torch_version", "runtime_version")
_MEMORY = ("peak_memory_mib", "peak_rss_mib")
_BASES = {PAIRED: "over the same people", UNPAIRED: "as if of other people: no evidence is kept"}
_SCORES = {metric.column for metric in METRICS}

Rows = Sequence[Mapping[str, Any]]


def check_runs(rules: Sequence[Rule], before: Run, now: Run) -> list[Outcome]:
    """One outcome of each rule for each configuration (its seeds together) of either run, and for each of its batch
    sizes where the column is of one.

    The chance that any of one rule's rows is called broken though all hold is at most 2.5 % (Holm).
    """
    compared = compare_runs(before, now) if any(rule.column in _SCORES and rule.is_change for rule in rules) else None
    outcomes = []
    for rule in rules:
        old, new = (_grouped(rule, run.rows) for run in (before, now))
        told = [
            _outcome(rule, _row_name(key), old.get(key), new.get(key), compared) for key in dict.fromkeys([*old, *new])
        ]
        outcomes += _corrected(told)
    return outcomes


def _corrected(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Those of one rule, of which a failure that does not stand among so many is undecided."""
    uncertain = [outcome for outcome in outcomes if outcome.doubt is not None]
    stands = dict(zip(map(id, uncertain), holm([one.doubt or 0.0 for one in uncertain], ONE_SIDED), strict=True))
    return [
        replace(outcome, status=UNDECIDED, reason=f"{outcome.reason}; not beyond doubt among {len(uncertain)} rows")
        if outcome.status == FAILED and not stands.get(id(outcome), True)
        else outcome
        for outcome in outcomes
    ]


def _grouped(rule: Rule, rows: Rows) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    shared = ("batch_size",) if describe(rule.column).scope.startswith(_OF_ANY_BATCH) else ()
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = tuple(None if name in shared or is_missing(row.get(name)) else row[name] for name in KEY)
        groups.setdefault(tuple(round(part, 9) if isinstance(part, float) else part for part in key), []).append(row)
    return groups


def _row_name(key: Sequence[Any]) -> str:
    values = dict(zip(KEY, key, strict=True))
    named = {name: values[name] for name in _NAMED if values[name] not in (None, *_USUAL)}
    ratio = named.pop("mask_ratio", None)
    words = [f"batch {value}" if name == "batch_size" else str(value) for name, value in named.items()]
    return " ".join(words if not ratio else [*words[:3], f"{ratio:g}", *words[3:]])


def _outcome(rule: Rule, name: str, before: Rows | None, now: Rows | None, compared: RunsCompared | None) -> Outcome:
    def outcome(status: str, reason: str, old: float | None = None, new: float | None = None) -> Outcome:
        return Outcome(rule, name, status, old, new, reason)

    if not now:
        return outcome(FAILED, "the run has no such row")
    broken = [row for row in now if is_failed(row)]
    if broken:
        return outcome(FAILED, f"its cell failed: {' '.join(str(broken[0].get('error') or 'no reason').split())}")
    new = _mean(now, rule.column)
    if rule.kind in ("least", "most"):
        if new is None:
            return outcome(NOT_JUDGED, "not measured in this run")
        return outcome(rule.judge_values(new, new), f"{new:.{describe(rule.column).digits}f} now", None, new)
    before = [row for row in before or () if not is_failed(row)]
    old = _mean(before, rule.column)
    if not before or (old is None and new is None):
        return outcome(NOT_JUDGED, "no such row in the baseline" if not before else "measured in neither run", old, new)
    if old is None:
        return outcome(NOT_JUDGED, "not measured in the baseline", old, new)
    if new is None:
        return outcome(FAILED, "measured in the baseline, and not in this run", old, new)
    differing = _differing(before, now, _conditions(rule))
    if differing:
        where = "other machine" if rule.is_clock or rule.column in _MEMORY else "other people"
        return outcome(NOT_JUDGED, f"{where} or settings: {differing}; {values_text(rule, old, new)}", old, new)
    return _compared(rule, outcome(PASSED, values_text(rule, old, new), old, new), before, now, compared)


def _compared(rule: Rule, told: Outcome, before: Rows, now: Rows, compared: RunsCompared | None) -> Outcome:
    old, new = told.before or 0.0, told.after or 0.0
    if rule.kind == "equal":
        return replace(told, status=_equal(rule.column, before, now))
    change: Estimate | None = None
    basis = ""
    if rule.is_clock:
        change, basis = _clock_change(rule, before[0], now[0]), "taken at two times"
    elif rule.column in _SCORES and _by_seed(before, rule.column) != _by_seed(now, rule.column):
        found = _score_change(rule.column, now[0], compared)
        if found is None:
            return replace(told, status=NOT_JUDGED, reason=f"no seed in common; {told.reason}")
        change, basis = found.difference, _BASES.get(found.basis, "")
    if change is None:
        return replace(told, status=rule.judge_values(old, new))
    scaled = Estimate(*(rule.change(old, old + end) for end in change[:3]), change.df)
    status, reason = rule.judge_change(scaled), f"{change_text(rule, scaled)}, {told.reason}, {basis}"
    if rule.is_clock:
        if status == FAILED:
            status, reason = UNDECIDED, f"{reason}: posebench gate measures both in turn"
        return replace(told, status=status, reason=reason)
    doubt = scaled.doubt_below(-rule.amount) if rule.kind == "drop" else scaled.doubt_above(rule.amount)
    return replace(told, status=status, reason=reason, doubt=doubt)


def _equal(column: str, before: Rows, now: Rows) -> str:
    """Of every seed that both have; of all where they have none in common."""
    old, new = _by_seed(before, column), _by_seed(now, column)
    seeds = old.keys() & new.keys()
    same = all(old[seed] == new[seed] for seed in seeds) if seeds else set(old.values()) == set(new.values())
    return PASSED if same else FAILED


def _by_seed(rows: Rows, column: str) -> dict[Any, Any]:
    return {row.get("seed"): row.get(column) for row in rows}


def _score_change(column: str, row: Mapping[str, Any], compared: RunsCompared | None) -> Change | None:
    """What the comparison of the runs says of the score of `row`'s configuration."""
    for match in compared.matches if compared else ():
        if all(row.get(name) == value or (value is None and is_unmasked(row)) for name, value in match.key.items()):
            return next((change for change in match.changes if change.column == column), None)
    return None


def _clock_change(rule: Rule, before: Mapping[str, Any], now: Mapping[str, Any]) -> Estimate | None:
    """From the ends of the two medians' intervals, which is wider than 95 %."""
    names = [f"{rule.column}{end}" for end in ("", "_low", "_high")]
    if any(is_missing(row.get(name)) for row in (before, now) for name in names):
        return None
    (old, old_low, old_high), (new, new_low, new_high) = ([row[name] for name in names] for row in (before, now))
    return Estimate(new - old, new_low - old_high, new_high - old_low)


def _conditions(rule: Rule) -> tuple[str, ...]:
    if rule.is_clock:
        return CLOCK_CONDITIONS
    if rule.column in _MEMORY:
        return MEMORY_CONDITIONS
    return PEOPLE if describe(rule.column).scope.startswith(("evaluated people", "images of crowd")) else ()


def _differing(before: Rows, now: Rows, names: Sequence[str]) -> str:
    """The first of these that is not the same in both: "torch_version 2.5 before, 2.6 now"."""
    for name in names:
        old, new = ({row.get(name) for row in rows if not is_missing(row.get(name))} for rows in (before, now))
        if old and new and old != new:
            return f"{name} {'/'.join(map(str, old))} before, {'/'.join(map(str, new))} now"
    return ""


def _mean(rows: Rows, column: str) -> float | None:
    values = [row[column] for row in rows if not is_missing(row.get(column))]
    # Not a mean of equal values, which rounding could move.
    return (values[0] if len(set(values)) == 1 else statistics.fmean(values)) if values else None
