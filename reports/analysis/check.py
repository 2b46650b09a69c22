"""A run's rows against a baseline's, by rules. What each kind of column allows to be said is decided here.

Counts are exact. Accuracies have the interval of their difference, over people and trainings. Times of two runs were
taken at two hours: on the same machine a rule on them can hold, but only `posebench gate`, which measures both in turn,
can call it broken; on another machine nothing is said of them, nor of memory.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ...pose.metrics import METRICS
from ...row import describe
from .intervals import NORMAL, Estimate, SeedSpread, combined
from .results import is_failed, is_missing
from .rules import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Outcome, Rule, change_text, values_text

#: the rows of two runs belong together where these agree
KEY = (
    "model", "dataset", "input_size", "mask", "mask_ratio", "train_ratio", "positions", "as_published", "decoder",
    "execution", "batch_size",
)  # fmt: skip
_NAMED = ("model", "dataset", "mask", "mask_ratio", "train_ratio", "execution", "batch_size")
#: accuracies are compared where these agree
PEOPLE = ("eval_people", "boxes", "flip_test")
CLOCK_CONDITIONS = ("device", "device_name", "processor", "dtype", "threads", "torch_version")
MEMORY_CONDITIONS = ("device", "dtype", "memory_method", "torch_version")
_MEMORY = ("peak_memory_mib", "peak_rss_mib")
_SCORES = {metric.column for metric in METRICS}

Rows = Sequence[Mapping[str, Any]]
#: the difference of a score, now - before, from evidence of the same people; None where that is not kept
PairedDifference = Callable[[str, Rows, Rows], Estimate | None]


def check_rows(rules: Sequence[Rule], before: Rows, now: Rows, paired: PairedDifference | None = None) -> list[Outcome]:
    """One outcome of each rule for each configuration (its seeds together) of either run."""
    old, new = _grouped(before), _grouped(now)
    spreads = {
        column: SeedSpread.pooled(_values(rows, column) for rows in [*old.values(), *new.values()])
        for column in {rule.column for rule in rules} & _SCORES
    }
    return [
        _outcome(rule, _row_name(key), old.get(key), new.get(key), spreads.get(rule.column), paired)
        for rule in rules
        for key in dict.fromkeys([*old, *new])
    ]


def _grouped(rows: Rows) -> dict[tuple[Any, ...], list[Mapping[str, Any]]]:
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for row in rows:
        key = tuple(None if is_missing(row.get(name)) else row[name] for name in KEY)
        groups.setdefault(tuple(round(part, 9) if isinstance(part, float) else part for part in key), []).append(row)
    return groups


def _row_name(key: Sequence[Any]) -> str:
    values = dict(zip(KEY, key, strict=True))
    named = {name: values[name] for name in _NAMED if values[name] is not None}
    ratio = named.pop("mask_ratio", None)
    words = [f"batch {value}" if name == "batch_size" else str(value) for name, value in named.items()]
    return " ".join(words if not ratio else [*words[:3], f"{ratio:g}", *words[3:]])


def _outcome(
    rule: Rule, name: str, before: Rows | None, now: Rows | None, spread: SeedSpread | None,
    paired: PairedDifference | None,
) -> Outcome:  # fmt: skip
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
    return _compared(rule, outcome(PASSED, values_text(rule, old, new), old, new), before, now, spread, paired)


def _compared(
    rule: Rule, told: Outcome, before: Rows, now: Rows, spread: SeedSpread | None, paired: PairedDifference | None
) -> Outcome:
    old, new = told.before or 0.0, told.after or 0.0
    if rule.kind == "equal":
        return replace(told, status=_equal(rule.column, before, now))
    change: Estimate | None = None
    if rule.is_clock:
        change = _clock_change(rule, before[0], now[0])
    elif rule.column in _SCORES:
        change = _score_change(rule.column, before, now, spread, paired)
    if change is None:
        return replace(told, status=rule.judge_values(old, new))
    scaled = Estimate(*(rule.change(old, old + end) for end in change[:3]), change.df)
    status, reason = rule.judge_change(scaled), f"{change_text(rule, scaled)}, {told.reason}"
    if status == FAILED and rule.is_clock:
        status, reason = UNDECIDED, f"{reason}; taken at two times: posebench gate measures both in turn"
    return replace(told, status=status, reason=reason)


def _equal(column: str, before: Rows, now: Rows) -> str:
    """Of every seed that both have; of all where they have none in common."""
    old, new = ({row.get("seed"): row.get(column) for row in rows} for rows in (before, now))
    seeds = old.keys() & new.keys()
    same = all(old[seed] == new[seed] for seed in seeds) if seeds else set(old.values()) == set(new.values())
    return PASSED if same else FAILED


def _score_change(
    column: str, before: Rows, now: Rows, spread: SeedSpread | None, paired: PairedDifference | None
) -> Estimate | None:
    """now - before with its interval: nought where the same trainings score the same to the last digit; from the
    evidence where that is kept; else as of two samples of people, which is too wide for the same ones."""
    old, new = ({row.get("seed"): row[column] for row in rows} for rows in (before, now))
    if old == new:
        return Estimate(0.0, 0.0, 0.0)
    found = paired(column, before, now) if paired else None
    if found is not None:
        return found
    errors = [_people_error(rows, column) for rows in (before, now)]
    if None in errors:
        return None
    change = statistics.fmean(new.values()) - statistics.fmean(old.values())
    people = math.hypot(*(error or 0.0 for error in errors))
    if spread is None or not spread.df:
        return Estimate(change, change - NORMAL * people, change + NORMAL * people)
    # Two means over k trainings each: s^2 / k of either.
    both = SeedSpread(spread.variance * (1 / len(old) + 1 / len(new)), spread.df)
    return combined(change, people, both, 1)


def _people_error(rows: Rows, column: str) -> float | None:
    ends = [(row.get(f"{column}_ci_low"), row.get(f"{column}_ci_high")) for row in rows]
    if any(is_missing(end) for pair in ends for end in pair):
        return None
    return statistics.fmean(high - low for low, high in ends) / (2 * NORMAL)


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


def _values(rows: Rows, column: str) -> list[float]:
    return [row[column] for row in rows if not is_missing(row.get(column))]


def _mean(rows: Rows, column: str) -> float | None:
    values = _values(rows, column)
    # Not a mean of equal values, which rounding could move.
    return (values[0] if len(set(values)) == 1 else statistics.fmean(values)) if values else None
