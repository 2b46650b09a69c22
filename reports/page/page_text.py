"""The sentences and facts of the report's page around its headline: conditions, warnings, training, conventions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ...pose.metrics import METRICS
from ...row import CONDITIONS, describe
from ..analysis.headline import lead_point
from ..analysis.results import is_failed, is_missing, once_per_cell
from ..analysis.subject import Subject, saving
from ..analysis.timed import times_sentence
from ..analysis.wording import percent

_SHOWN = 4
#: in the section of conditions: what was run, then on what
_FACTS = ("data_dir", "boxes", "flip_test", "eval_people", "positions", "as_published", *CONDITIONS)
_TIMING = (
    "latency_unstable", "latency_transformer_unstable", "latency_ms_median", "latency_transformer_ms_median", "model",
    "input_size", "mask", "mask_ratio", "batch_size", "device",
)  # fmt: skip
_TRAINING = {
    "finetune": "Each cell, the unmasked one included, was fine-tuned from one shared unmasked model with the same"
    " budget, so that rows differ in the mask alone.",
    "scratch": "Each cell was trained from scratch with its own mask.",
    "weights": "Given weights were evaluated; nothing was trained.",
    "none": "Nothing was trained: accuracies are those of untrained weights.",
}
CONVENTION = (
    "Published tables of these models come from a counter that takes the number of tokens for the number of input"
    " channels of a linear layer, leaves out the attention products and divides by 1024³; so its cost of a transformer"
    " falls with the square of the token count. An exact count of multiply-adds falls nearly in proportion: for"
    " TMPose-L/D24 at a mask ratio of 0.4 the published convention gives a saving of 60.9 % of GFLOPsT (61.1 % from"
    " figures rounded first, as the paper's abstract has it), the exact"
    " count 42.1 %."
)


def byline(records: Sequence[Mapping[str, Any]]) -> str:
    """Who ran what, where and when, in one line."""
    parts = [f"posebench {_listed(records, 'posebench_version')}".strip()]
    parts += [_listed(records, name) for name in ("model", "dataset", "device", "device_name")]
    if threads := _listed(records, "threads"):
        parts.append(f"{threads} thread{'' if threads == '1' else 's'}")
    parts.append(_dates(records, days_only=True))
    return " · ".join(part for part in parts if part)


def conditions(records: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Label and text of every condition on record; several values are listed."""
    facts = []
    for name in _FACTS:
        text = _dates(records) if name == "date_utc" else _listed(records, name)
        if text:
            facts.append((describe(name).label, text))
    return facts


def warnings(records: Sequence[Mapping[str, Any]], subjects: Sequence[Subject]) -> list[str]:
    """What a reader must know before believing a number; empty when there is nothing."""
    sentences = []
    failed = once_per_cell(dict(row) for row in records if is_failed(row))
    if failed:
        total = len(once_per_cell(dict(row) for row in records))
        sentences.append(f"{len(failed)} of {total} cells failed; they are listed at the end.")
    # Seeds may share one timing, which is then counted once.
    timings = {tuple(row.get(name) for name in _TIMING) for row in records if row.get("latency_ms_median") is not None}
    timed, shaky = len(timings), sum(any(timing[:2]) for timing in timings)
    if shaky:
        sentences.append(
            f"{shaky} of {timed} timings are unstable (interquartile range above a tenth of the median, or"
            " another job on the machine): hollow in the plots, and no saving is claimed from them."
        )
    sentences += filter(None, (times_sentence(subject.label, subject.times) for subject in subjects))
    unpaired = [subject.label for subject in subjects if subject.series and subject.baseline is None]
    if unpaired:
        sentences.append(f"No unmasked row to compare with: {', '.join(unpaired)}.")
    untrained = [row for row in records if row.get("training") == "none"]
    if any(not is_missing(row.get(metric.column)) for row in untrained for metric in METRICS):
        sentences.append("Some accuracies are those of untrained weights.")
    differing = [name for name in ("device", "device_name", "dtype", "threads", "torch_version", "git_revision",
                                   "machine")
                 if len({row.get(name) for row in records if not is_missing(row.get(name))}) > 1]  # fmt: skip
    if differing:
        labels = ", ".join(describe(name).label for name in differing)
        sentences.append(f"The rows come from different conditions ({labels}).")
    if any(row.get("git_dirty") for row in records):
        sentences.append("posebench's own working tree had uncommitted changes.")
    return sentences


def training_sentences(records: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the weights came about, one sentence for each way that occurs; empty if none is on record."""
    ways = dict.fromkeys(row.get("training") for row in records)
    return [_TRAINING[way] for way in ways if way in _TRAINING]


def count_sentences(subjects: Sequence[Subject]) -> list[str]:
    """What each convention says about each subject's ratios, for the mask of the headline."""
    sentences = []
    for subject in subjects:
        base = subject.baseline
        if base is None or not subject.series:
            continue
        mask = lead_point(subject).mask
        pairs = []
        for point in subject.series[mask]:
            exact = saving(point.gflops_t, base.gflops_t)
            published = saving(point.published_gflops_t, base.published_gflops_t)
            if exact is not None and published is not None:
                pairs.append(f"at ratio {point.ratio:g} published {percent(published)}, exact {percent(exact)}")
        if pairs:
            sentences.append(f"Saving of GFLOPsT here, {subject.label} with the {mask} mask: {'; '.join(pairs)}.")
    return sentences


def _listed(records: Sequence[Mapping[str, Any]], name: str) -> str:
    values = list(dict.fromkeys(row.get(name) for row in records if not is_missing(row.get(name))))
    texts = [{True: "yes", False: "no"}[value] if isinstance(value, bool) else str(value) for value in values]
    more = f" and {len(texts) - _SHOWN} more" if len(texts) > _SHOWN else ""
    return ", ".join(texts[:_SHOWN]) + more


def _dates(records: Sequence[Mapping[str, Any]], days_only: bool = False) -> str:
    dates = sorted(str(row["date_utc"]) for row in records if not is_missing(row.get("date_utc")))
    if not dates:
        return ""
    first, last = (date[:10] if days_only else date for date in (dates[0], dates[-1]))
    return first if first == last else f"{first} to {last}"
