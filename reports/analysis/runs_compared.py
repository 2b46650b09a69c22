"""Two sweeps side by side: what moved from one to the other, by how much, and whether that is beyond noise.

Configurations are matched by what identifies them (`_ALWAYS`), and by whatever else varies within a run; a setting that
each run has once and otherwise is told as a difference of the runs. Counts are exact: equal or not. An accuracy's
change is over the seeds that both runs have, paired over people where both kept their evidence of the same images,
otherwise from the intervals in the rows, as if other people had been drawn. Of times, the share of the unmasked model's
time is judged, which each run measured interleaved, and only on one machine under one software; absolute times are
shown, for another hour of the same machine moves all of them alike.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ...pose.evaluation.bootstrap import Evidence, paired_bootstrap
from ...pose.metrics import METRICS, Metric
from ...row import Score, part_of
from .evidence import EvidenceFiles, same_people
from .grouping import is_unmasked
from .intervals import NORMAL, ONE_SEED, Estimate, SeedSpread, combined, over_seeds
from .results import is_failed, is_missing, once_per_cell, read_results, records_of
from .timed import PLACE as TIMED_PLACE
from .verdicts import exact_verdict, move_verdicts

#: what a change rests on
EXACT, PAIRED, UNPAIRED, RATIO, SHOWN = "exact", "paired", "unpaired", "ratio", "shown"

_ALWAYS = ("model", "dataset", "mask", "mask_ratio", "train_ratio", "training", "runtime", "dtype")
#: settings of a run or, where they vary within one, of its configurations
_SETTINGS = (
    "input_size", "as_published", "positions", "decoder", "execution", "epochs", "train_people", "eval_people", "boxes",
    "flip_test", "amp", "threads", "device",
)  # fmt: skip
#: clock times and memory are comparable only where these agree
PLACE = (*TIMED_PLACE, "device", "cores", "threads", "allocator", "platform", "runtime_version", "precision")
_COUNTS = ("params", "macs", "macs_transformer", "gflops", "gflops_t")
_TIMES = ("latency_ms_median", "latency_transformer_ms_median")
_REMAINS = ("latency_vs_unmasked", "latency_transformer_vs_unmasked")


@dataclass(frozen=True)
class Run:
    """A sweep's folder, or a stored results.csv: its rows, and the evidence of its cells where it was kept."""

    name: str
    rows: Sequence[Mapping[str, Any]]
    evidence: EvidenceFiles


@dataclass(frozen=True)
class Change:
    """One quantity of a configuration in both runs, as means over the seeds.

    column: of the results (row.py). difference: after - before with its 95 % interval; of RATIO the quotient of the
    shares of the unmasked model's time, which has its line at 1. None without an interval, and of exact counts.
    basis: EXACT, PAIRED, UNPAIRED, RATIO or SHOWN (not judged). verdict: as `verdicts` has it; None: not judged.
    unstable: a timing that is marked so, on either side.
    """

    column: str
    before: float
    after: float
    basis: str
    seeds: int
    difference: Estimate | None = None
    batch_size: int | None = None
    verdict: str | None = None
    unstable: bool = False

    @property
    def relative(self) -> float | None:
        """after / before - 1; None of a quantity that was 0."""
        return self.after / self.before - 1 if self.before else None


@dataclass(frozen=True)
class Match:
    """A configuration that both runs have."""

    key: Mapping[str, Any]
    label: str
    changes: Sequence[Change]


@dataclass(frozen=True)
class RunsCompared:
    """only_before, only_after: configurations of one run. failed: that ran before and fail after. settings, places:
    column -> (before, after) of what differs between the runs, `places` of what clock times depend on. compared: how
    many intervals were judged together."""

    before: str
    after: str
    matches: Sequence[Match]
    only_before: Sequence[str]
    only_after: Sequence[str]
    failed: Sequence[str]
    settings: Mapping[str, tuple[str, str]]
    places: Mapping[str, tuple[str, str]]
    compared: int
    notes: Sequence[str] = field(default=())

    @property
    def same_place(self) -> bool:
        """Whether both ran on one machine under one software, as far as the rows tell."""
        return not self.places


def read_run(path: Path) -> Run:
    """A sweep's folder or a results.csv. InputError as `read_results` has it."""
    file = path / "results.csv" if path.is_dir() else path
    return Run(str(path), records_of(read_results(file)), EvidenceFiles([file.parent]))


def compare_runs(before: Run, after: Run) -> RunsCompared:
    """What moved from one run to the other; rows that failed are no part of it but as `failed`."""
    names = _identity(before.rows, after.rows)
    sides = [_configurations(run.rows, names) for run in (before, after)]
    keys = [key for key in sides[0] if key in sides[1]]
    places = _differing(before.rows, after.rows, PLACE)
    changes: dict[tuple, list[Change]] = {key: _counts(sides[0][key], sides[1][key]) for key in keys}
    notes: dict[str, None] = {}
    for metric in METRICS:
        for key, change in _accuracies(metric, keys, sides, before, after, notes).items():
            changes[key].append(change)
    for key in keys:
        changes[key] += _times(sides[0][key], sides[1][key], judged=not places)
    matches = _judged([Match(dict(zip(names, key, strict=True)), _label(names, key), changes[key]) for key in keys])
    ran = [{key for key, rows in side.items() if not all(map(is_failed, rows))} for side in sides]
    return RunsCompared(
        before=before.name,
        after=after.name,
        matches=matches,
        only_before=[_label(names, key) for key in sides[0] if key not in sides[1]],
        only_after=[_label(names, key) for key in sides[1] if key not in sides[0]],
        failed=[_label(names, key) for key in keys if key in ran[0] and key not in ran[1]],
        settings=_differing(before.rows, after.rows, [name for name in _SETTINGS if name not in PLACE]),
        places=places,
        compared=sum(change.difference is not None and change.basis != SHOWN for m in matches for change in m.changes),
        notes=tuple(notes),
    )


def _identity(*runs: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns that configurations are matched by: what both runs know, and for a setting, what varies in one."""
    names = []
    for name in (*_ALWAYS, *_SETTINGS):
        values = [{row[name] for row in rows if not is_missing(row.get(name))} for rows in runs]
        known = all(values) or name == "train_ratio"
        if known and (name in _ALWAYS or any(len(own) > 1 for own in values)):
            names.append(name)
    return names


def _configurations(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> dict[tuple, list[Mapping[str, Any]]]:
    found: dict[tuple, list[Mapping[str, Any]]] = {}
    for row in rows:
        values = dict(row)
        if is_unmasked(row) and is_missing(row.get("train_ratio")):
            # what only a masked model has does not tell unmasked ones apart
            values |= {"mask": "none", "mask_ratio": 0.0, "positions": None, "execution": None}
        found.setdefault(tuple(values.get(name) for name in names), []).append(row)
    return found


def _label(names: Sequence[str], key: tuple) -> str:
    """The model, the mask and its ratio, then whatever else tells it apart and is not the usual."""
    values = dict(zip(names, key, strict=True))
    mask, ratio = values.pop("mask", None), values.pop("mask_ratio", None)
    parts = [f"{values.pop('model', '')} {'unmasked' if mask == 'none' and not ratio else f'{mask} {ratio or 0:g}'}"]
    if trained := values.pop("train_ratio", None):
        parts[0] += f" trained at {trained}"
    hidden = {"dataset", "training", *(("dtype",) if values.get("dtype") == "float32" else ())}
    hidden |= {"runtime"} if values.get("runtime") == "eager" else set()
    words = [f"{name} {value}" for name, value in values.items() if name not in hidden and not is_missing(value)]
    return ", ".join([*parts, *words])


def _differing(
    before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], names: Sequence[str]
) -> dict[str, tuple[str, str]]:
    """Of each of `names` that both runs know and that has other values in one than in the other: these, as text."""
    found = {}
    for name in names:
        sides = [sorted({str(row[name]) for row in rows if not is_missing(row.get(name))}) for rows in (before, after)]
        if all(sides) and sides[0] != sides[1]:
            found[name] = (", ".join(sides[0]), ", ".join(sides[1]))
    return found


def _counts(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]) -> list[Change]:
    changes = []
    for name in _COUNTS:
        values = [next((row[name] for row in rows if not is_missing(row.get(name))), None) for rows in (before, after)]
        if None not in values:
            changes.append(Change(name, *values, EXACT, 0))
    return changes


def _by_seed(rows: Sequence[Mapping[str, Any]]) -> dict[Any, Mapping[str, Any]]:
    return {row["seed"]: row for row in reversed(once_per_cell([dict(row) for row in rows if not is_failed(row)]))}


def _accuracies(
    metric: Metric,
    keys: Sequence[tuple],
    sides: Sequence[Mapping[tuple, Sequence[Mapping[str, Any]]]],
    before: Run,
    after: Run,
    notes: dict[str, None],
) -> dict[tuple, Change]:
    """The changes of one metric by configuration. The spread over seeds is pooled over the configurations of a model
    and of the same number of seeds."""
    pairs: dict[tuple, list[tuple[Mapping[str, Any], Mapping[str, Any]]]] = {}
    for key in keys:
        one, other = _by_seed(sides[0][key]), _by_seed(sides[1][key])
        scored = [(one[seed], other[seed]) for seed in one if seed in other]
        scored = [pair for pair in scored if not any(is_missing(row.get(metric.column)) for row in pair)]
        if scored:
            pairs[key] = scored
        elif any(not is_missing(row.get(metric.column)) for row in one.values()) and one and other:
            notes["Configurations without a seed in common have no change of accuracy."] = None
    models = {key: pairs[key][0][0]["model"] for key in pairs}
    spreads = {
        model: SeedSpread.pooled(
            [float(b[metric.column]) - float(a[metric.column]) for a, b in pairs[key]]
            for key in pairs
            if models[key] == model
        )
        for model in set(models.values())
    }
    changes = {}
    for key, scored in pairs.items():
        spread = spreads[models[key]]
        paired = all(same_people(before.evidence.of(a), after.evidence.of(b)) for a, b in scored)
        if paired:
            ends = [_paired(before.evidence.of(a), after.evidence.of(b)) for a, b in scored]
            difference = over_seeds(ends, spread)
        else:
            difference = _unpaired(metric, scored, spread)
        means = [math.fsum(float(pair[side][metric.column]) for pair in scored) / len(scored) for side in (0, 1)]
        basis = PAIRED if paired else UNPAIRED if difference else SHOWN
        changes[key] = Change(metric.column, *means, basis, len(scored), difference)
    return changes


def _paired(before: Evidence, after: Evidence) -> tuple[float, float, float]:
    if all(np.array_equal(before[name], after[name]) for name in before):
        return 0.0, 0.0, 0.0
    return paired_bootstrap(after, before)


def _unpaired(
    metric: Metric, scored: Sequence[tuple[Mapping[str, Any], Mapping[str, Any]]], spread: SeedSpread
) -> Estimate | None:
    """From the intervals of both sides, as of different people: too wide where they are the same."""
    variance, differences = 0.0, []
    scores = [(part_of(a, metric.column), part_of(b, metric.column)) for a, b in scored]
    for side in (0, 1):
        widths = [_width(pair[side]) for pair in scores]
        if None in widths:
            return None
        variance += (math.fsum(widths) / (2 * NORMAL * len(widths))) ** 2
    differences = [b.value - a.value for a, b in scores]
    mean = math.fsum(differences) / len(differences)
    spread = spread if len(differences) > 1 else ONE_SEED
    return combined(mean, math.sqrt(variance), spread, len(differences))


def _width(score: Score) -> float | None:
    return None if is_missing(score.ci_low) or is_missing(score.ci_high) else score.ci_high - score.ci_low


def _times(before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]], *, judged: bool) -> list[Change]:
    """Times and memory at each batch size that both have; timings are shared by the seeds of a configuration."""
    changes = []
    for size in dict.fromkeys(row.get("batch_size") for row in before):
        rows = [
            [row for row in side if row.get("batch_size") == size and not is_failed(row)] for side in (before, after)
        ]
        if is_missing(size) or not all(rows):
            continue
        for name in (*_TIMES, "peak_memory_mib"):
            values = [_mean(side, name) for side in rows]
            if None not in values:
                exact = name == "peak_memory_mib" and judged
                unstable = any(row.get(name.replace("ms_median", "unstable")) is True for side in rows for row in side)
                changes.append(Change(name, *values, EXACT if exact else SHOWN, 0, None, int(size), None, unstable))
        for name in _REMAINS:
            changes += _remains(name, rows, int(size), judged)
    return changes


def _remains(name: str, rows: Sequence[Sequence[Mapping[str, Any]]], size: int, judged: bool) -> list[Change]:
    """The change of the share of the unmasked model's time, as a quotient with an interval of logarithms."""
    values = [_mean(side, name) for side in rows]
    if None in values or min(values) <= 0:
        return []
    ends = [(_mean(side, f"{name}_low"), _mean(side, f"{name}_high")) for side in rows]
    unstable = any(row.get(name.replace("vs_unmasked", "unstable")) is True for side in rows for row in side)
    quotient = None
    if all(low and high and 0 < low <= high for low, high in ends):
        half = math.hypot(*(math.log(high / low) / 2 for low, high in ends))
        middle = values[1] / values[0]
        quotient = Estimate(middle, middle * math.exp(-half), middle * math.exp(half))
    basis = RATIO if judged and quotient and not unstable else SHOWN
    return [Change(name, *values, basis, 0, quotient, size, None, unstable)]


def _mean(rows: Sequence[Mapping[str, Any]], name: str) -> float | None:
    present = [float(row[name]) for row in rows if not is_missing(row.get(name))]
    return math.fsum(present) / len(present) if present else None


def _judged(matches: Sequence[Match]) -> list[Match]:
    """With a verdict in every change that has one; those of intervals are corrected together."""
    uncertain = [c for match in matches for c in match.changes if c.difference and c.basis not in (EXACT, SHOWN)]
    lines = [1.0 if change.basis == RATIO else 0.0 for change in uncertain]
    words = dict(zip(map(id, uncertain), move_verdicts([c.difference for c in uncertain], lines), strict=True))

    def verdict(change: Change) -> str | None:
        if change.basis == EXACT:
            return exact_verdict(change.before, change.after)
        return words.get(id(change))

    return [
        replace(match, changes=[replace(change, verdict=verdict(change)) for change in match.changes])
        for match in matches
    ]
