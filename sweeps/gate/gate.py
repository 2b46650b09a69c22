"""Whether the head keeps the rules that a gate is given, measured beside the base.

A process is one observation, however many calls were timed in it, as a seed is one of trainings: what it has by chance
shifts all of its times (benchmark/instruments/processes.py). So a change is the median over pairs of processes, with
the interval of order statistics, which holds for any distribution and of 12 pairs ignores two on either side.

Pairs are run until every rule on time is decided, at least `pairs` and at most `most`. What then fails is measured once
more from the start, by new processes, and fails only if it does so again. A look has the error of a 95 % interval, and
looks add up, but both runs must err alike: a rule that just holds is called broken in less than 1 of 100 gates.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import replace

from ...benchmark.instruments.processes import over_processes
from ...reports.analysis.intervals import Estimate
from ...reports.analysis.rules import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Outcome, Rule, change_text, values_text
from .pair import PairResult

#: six have a 95 % interval; of twenty, five outliers on either side do no harm
PAIRS, MOST_PAIRS = 6, 20
#: below this many turns an outcome says that they are few
MANY_TURNS = 30
TIMED = {"latency_ms_median": "latency", "latency_transformer_ms_median": "latency_transformer"}
COUNTED = ("gflops", "gflops_t", "params")

#: runs one pair; the argument is its number
Measure = Callable[[int], PairResult]


def run_gate(
    measure: Measure,
    rules: Sequence[Rule],
    *,
    pairs: int = PAIRS,
    most: int = MOST_PAIRS,
    progress: Callable[[int, int], object] = lambda done, total: None,
) -> list[Outcome]:
    """One outcome of each rule for each model (or each name that a command times)."""
    if not any(rule.is_clock for rule in rules):
        pairs = most = 1
    first = _series(measure, rules, pairs, most, progress)
    outcomes = _judge(rules, first)
    if not any(outcome.status == FAILED and outcome.rule.is_clock for outcome in outcomes):
        return outcomes
    broken = [outcome.rule for outcome in outcomes if outcome.status == FAILED and outcome.rule.is_clock]
    second = _series(measure, list(dict.fromkeys(broken)), pairs, most, progress)
    again = {(outcome.rule, outcome.row): outcome for outcome in _judge(broken, second)}
    return [
        _confirmed(outcome, again[outcome.rule, outcome.row])
        if outcome.status == FAILED and outcome.rule.is_clock
        else outcome
        for outcome in outcomes
    ]


def _series(
    measure: Measure, rules: Sequence[Rule], fewest: int, most: int, progress: Callable[[int, int], object]
) -> list[PairResult]:
    results: list[PairResult] = []
    most = max(most, fewest)
    while len(results) < most:
        results.append(measure(len(results)))
        progress(len(results), most)
        if len(results) >= fewest and all(outcome.status != UNDECIDED for outcome in _judge(rules, results)):
            break
    return results


def _confirmed(first: Outcome, second: Outcome) -> Outcome:
    if second.status == FAILED:
        return replace(first, reason=f"{first.reason}; confirmed by a second run: {second.reason}")
    word = "contradicted" if second.status == PASSED else "not confirmed"
    return replace(first, status=UNDECIDED, reason=f"{first.reason}; {word} by a second run: {second.reason}")


def _judge(rules: Sequence[Rule], results: Sequence[PairResult]) -> list[Outcome]:
    return [outcome for rule in rules for outcome in _outcomes(rule, results)]


def _outcomes(rule: Rule, results: Sequence[PairResult]) -> list[Outcome]:
    if rule.column in TIMED:
        part = f"{TIMED[rule.column]} "
        return [_timed(rule, name, results) for name in results[0].ratios if name.startswith(part)] or [
            _not_judged(rule, "the command times nothing of that name")
        ]
    if rule.column in COUNTED and results[0].counts:
        return [_counted(rule, name, *counts) for name, counts in results[0].counts.items()]
    return [_not_judged(rule, "a gate judges time, GFLOPs and parameters; posebench check judges the rest")]


def slowdown(ratios: Sequence[float]) -> Estimate:
    """head / base - 1, the median over pairs of processes, with its 95 % interval; unbounded below three pairs."""
    value, low, high = over_processes(ratios)
    return Estimate(value - 1, (low or 0.0) - 1, (high or math.inf) - 1)


def _timed(rule: Rule, name: str, results: Sequence[PairResult]) -> Outcome:
    before, after = (statistics.median(result.times[name][side] for result in results) for side in (0, 1))
    ratio = slowdown([result.ratios[name] for result in results])
    change = ratio if rule.relative else Estimate(*(before * end for end in ratio[:3]), ratio.df)
    status = rule.judge_change(change) if rule.is_change else rule.judge_values(before, after)
    told = f"{change_text(replace(rule, relative=True), ratio)}, {values_text(rule, before, after)} (ms)"
    return Outcome(rule, name.partition(" ")[2], status, before, after, f"{told}, {_effort(results)}")


def _effort(results: Sequence[PairResult]) -> str:
    turns = min(result.turns for result in results)
    few = f" (of {turns} turns, which are few)" if 1 < turns < MANY_TURNS else ""
    return f"{len(results)} pairs of processes{few}"


def _counted(rule: Rule, model: str, base: dict, head: dict) -> Outcome:
    before, after = base[rule.column], head[rule.column]
    if before is None or after is None:
        return replace(_not_judged(rule, "it is not counted for this model"), row=model)
    return Outcome(rule, model, rule.judge_values(before, after), before, after, values_text(rule, before, after))


def _not_judged(rule: Rule, reason: str) -> Outcome:
    return Outcome(rule, "all", NOT_JUDGED, None, None, reason)
