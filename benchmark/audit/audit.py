"""Check papers' figures: counted by the source's own rule, counted exactly, and timed on this machine."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import nn

from ...pose.errors import InputError
from ...pose.models.choices import asked_model
from ...pose.models.config import ModelConfig
from ...pose.models.zoo import create_model, resolve_name
from ...pose.reductions import NONE, reduction_config
from ...pose.reductions import UNMASKED as UNMASKED_MODEL
from ...row import STATUS_FAILED
from ..counting.conventions import CONVENTIONS, count_both
from ..counting.flops import FlopCount, count_flops, example_inputs, flop_count, untrained_model
from ..instruments.allocator import keep_freed_memory
from ..instruments.device import check_count, use_device
from ..instruments.environment import conditions
from ..instruments.statistics import ratio_of_medians
from ..instruments.timing import Row
from ..profiling.models import time_models
from .claims import REDUCTION, UNMASKED, Claim
from .plain_vit import PlainVit, read_plain_vit

PUBLISHED, NEEDED = "published_", "_needed"
NOT_AVAILABLE = "not checked: model not available"
NOT_TIMED = "not checked: not timed"
REPRODUCED, DIFFERS = "reproduced", "differs"
NO_FIGURE = "no figure printed"
MEASURED = "measured"

#: what a claim is about, and what it compares that with, if anything
Pair = tuple[ModelConfig | PlainVit, ModelConfig | None]
#: what no counter comes to
NO_COUNTER = "no counter"

_RETRIES = 1
_WARM_UP_SHARE = 0.5  # measure_latency may spend this share of its time limit before it samples


@dataclass(frozen=True)
class Count:
    """The counts of a model at batch size 1: params and published_params in numbers, conventions in 1e9 (published:
    1024^3) multiply-adds, the rest in FlopCount's units."""

    flops: FlopCount
    published_params: int
    conventions: Mapping[str, float]

    def value(self, quantity: str) -> float:
        """A quantity of a claim in the claim's unit (G or M)."""
        if quantity == "published_params":
            return self.published_params / 1e6
        return self.flops.params / 1e6 if quantity == "params" else getattr(self.flops, quantity)


def audit(
    claims: Sequence[Claim],
    *,
    latency: bool = True,
    device: str | torch.device = "cpu",
    threads: int | None = None,
    seconds: float = 24.0,
    progress: Callable[..., object] | None = None,
) -> list[Row]:
    """One row per claim, in their order.

    Every row has the claim's keys; published (as printed); reproduced, the value under the source's own counting
    rule, and exact, both in the claim's unit (None where not checked); status; and, for printed GFLOPs of a whole
    model, explained_by: the conventions that round to the figure. With `latency` and a baseline also
    latency_ratio and latency_transformer_ratio, the time that remains of the baseline's (ratio of medians at batch
    size 1, float32, measured interleaved), each with _low and _high (95 % interval) and _unstable, latency_samples,
    and the conditions. For a speed-up, reproduced is what was measured and exact what the exact count promises.

    seconds: time limit of all timing together (10 samples of each are taken nevertheless).
    progress(done, total, stage=...): stage "count" counts models, "latency" groups of models.

    Raises InputError naming file and row where posebench cannot build what a claim describes; a model that it has not
    is only listed as such.
    """
    found, threads = use_device(device), check_count("threads", threads)
    pairs = {claim.id: _subjects(claim) for claim in claims}
    counts = _count_all(claims, pairs, progress)
    timings: dict[Pair, Row] = {}
    if latency:
        compared = dict.fromkeys(pair for pair in pairs.values() if pair is not None and pair[1] is not None)
        timings = _time_all(list(compared), found, threads, seconds, progress)
    return [_row(claim, pairs[claim.id], counts, timings, latency) for claim in claims]


def published_params(model: nn.Module) -> int:
    """The parameter total that HRNet's model summary prints: of convolutions, batch norms and linear layers only, so
    without layer norms, keypoint tokens and position tables."""
    counted = (nn.Linear, nn.modules.conv._ConvNd, nn.modules.batchnorm._BatchNorm)
    return sum(
        parameter.numel()
        for module in model.modules()
        if isinstance(module, counted)
        for parameter in module.parameters(recurse=False)
    )


def _subjects(claim: Claim) -> Pair | None:
    """What a claim is about and what it compares that with; None where posebench has no such model."""
    mask = reduction_config(claim.mask, claim.mask_ratio or None)
    try:
        plain = read_plain_vit(claim.model, claim.input_size, mask if claim.mask != NONE else UNMASKED_MODEL)
    except InputError as error:
        raise InputError(f"{claim.where}: {error}") from None
    if plain is not None:
        if claim.baseline is not None or claim.quantity.removesuffix(NEEDED).endswith("_t"):
            raise InputError(f"{claim.where}: {claim.model!r} is only counted, as a whole: no baseline, no gflops_t")
        return plain, None
    try:
        name = resolve_name(claim.model)
        other = claim.baseline and (name if claim.baseline == UNMASKED else resolve_name(claim.baseline))
    except InputError:
        return None
    size: Row = {"dataset": claim.dataset, "input_size": claim.input_size}
    subject = asked_model(name, claim.mask, claim.mask_ratio or None, **size)
    return subject, asked_model(other, NONE, **size) if other else None


def _count_all(
    claims: Sequence[Claim],
    pairs: dict[str, Pair | None],
    progress: Callable[..., object] | None,
) -> dict[ModelConfig | PlainVit, Count]:
    """The counts of every model that the claims need, each once."""
    printed = {(pairs[claim.id] or (None,))[0] for claim in claims if _has_counters(claim)}
    first = {subject: claim for claim in reversed(claims) for subject in pairs[claim.id] or () if subject is not None}
    counts = {}
    for done, (subject, claim) in enumerate(first.items(), start=1):
        try:
            model = subject.make() if isinstance(subject, PlainVit) else untrained_model(subject)
        except InputError as error:
            raise InputError(f"{claim.where}: {error}") from None
        counts[subject] = _count(model, subject, with_conventions=subject in printed)
        if progress is not None:
            progress(done, len(first), stage="count")
    return counts


def _has_counters(claim: Claim) -> bool:
    """Whether other counters may come to its figure: printed GFLOPs of a whole model."""
    return claim.published is not None and claim.quantity in ("gflops", "published_gflops")


def _count(model: nn.Module, subject: ModelConfig | PlainVit, *, with_conventions: bool) -> Count:
    if isinstance(subject, PlainVit):
        inputs = (torch.empty(1, 3, *subject.input_size, device="meta"),)
    else:
        inputs = example_inputs(model)
    if not with_conventions:
        return Count(count_flops(model, inputs), published_params(model), {})
    conventions, exact = count_both(model, inputs, bare=True)
    params = sum(parameter.numel() for parameter in model.parameters())
    return Count(
        flop_count(model, exact, (tuple(inputs[0].shape),), params),
        published_params(model),
        {name: macs / CONVENTIONS[name].unit for name, macs in conventions.items()},
    )


def _time_all(
    pairs: Sequence[Pair],
    device: torch.device,
    threads: int | None,
    seconds: float,
    progress: Callable[..., object] | None,
) -> dict[Pair, Row]:
    """The latency columns of each pair. Models that share a baseline are measured interleaved with it."""
    groups: dict[ModelConfig, list[ModelConfig]] = {}
    for subject, baseline in pairs:
        if baseline is not None and isinstance(subject, ModelConfig):
            groups.setdefault(baseline, []).append(subject)
    if not groups:
        return {}
    keep_freed_memory()
    limit = seconds / len(groups) / (_RETRIES + 1) / (1 + _WARM_UP_SHARE)
    timings: dict[Pair, Row] = {}
    for done, (baseline, others) in enumerate(groups.items(), start=1):
        models = {subject: create_model(subject).eval() for subject in (baseline, *others)}
        timed = time_models(
            models, 1, device=device, threads=threads, max_samples=130, max_seconds=limit, retries=_RETRIES
        )
        rows = {subject: row for (subject, _), row in timed.items()}
        now = conditions(device, torch.float32, threads, 1)
        for other in others:
            if STATUS_FAILED in (rows[other].get("status"), rows[baseline].get("status")):
                continue  # too little memory, say: the others stand
            columns = dict(_ratios(rows[other], rows[baseline]))
            timings[other, baseline] = columns | {name: now[name] for name in CONDITIONS}
        if progress is not None:
            progress(done, len(groups), stage="latency")
    return timings


CONDITIONS = (
    "device", "device_name", "dtype", "batch_size", "threads", "torch_version", "posebench_version", "git_revision",
    "processor", "platform", "date_utc",
)  # fmt: skip


def _ratios(row: Row, baseline: Row) -> Iterator[tuple[str, object]]:
    for prefix in ("latency", "latency_transformer"):
        ratio, low, high = ratio_of_medians(row[f"{prefix}_ms_samples"], baseline[f"{prefix}_ms_samples"])
        yield from ((f"{prefix}_ratio", ratio), (f"{prefix}_ratio_low", low), (f"{prefix}_ratio_high", high))
        yield f"{prefix}_unstable", bool(row[f"{prefix}_unstable"] or baseline[f"{prefix}_unstable"])
    yield "latency_samples", row["latency_samples"]


def _row(
    claim: Claim,
    pair: Pair | None,
    counts: dict[ModelConfig | PlainVit, Count],
    timings: dict[Pair, Row],
    latency: bool,
) -> Row:
    size = claim.input_size
    row: Row = {
        "id": claim.id, "paper": claim.paper, "statement": claim.statement, "source": claim.source,
        "quantity": claim.quantity, "model": claim.model, "dataset": claim.dataset,
        "input_size": f"{size[0]}x{size[1]}" if size else None, "mask": claim.mask, "mask_ratio": claim.mask_ratio,
        "baseline": claim.baseline,
        "unit": claim.unit, "counter": claim.counter, "published": claim.published, "reproduced": None,
        "exact": None, "status": NOT_AVAILABLE, "explained_by": None,
    }  # fmt: skip
    if pair is None:
        return row
    subject, baseline = pair
    timing = timings.get((subject, baseline), {}) if baseline else {}
    if claim.is_speed:
        part = "latency_transformer_ratio" if claim.quantity.endswith("transformer") else "latency_ratio"
        row["exact"] = 1 / _remains("gflops_t" if claim.quantity.endswith("transformer") else "gflops", pair, counts)
        row["reproduced"] = 1 / timing[part] if timing else None
        row["status"] = MEASURED if timing else NOT_TIMED
    else:
        row["reproduced"], row["exact"] = values(claim, counts[subject], counts.get(baseline) if baseline else None)
        row["status"] = verdict(claim, row["reproduced"])
        if _has_counters(claim):
            row["explained_by"] = explained_by(claim, counts[subject])
    return row | timing


def values(claim: Claim, count: Count, baseline: Count | None) -> tuple[float, float]:
    """(under the source's counting rule, exact) of a claim that can be counted, in the claim's unit."""
    quantity = claim.quantity.removeprefix(REDUCTION)
    exact = quantity.removeprefix(PUBLISHED).removesuffix(NEEDED)  # what is executed
    if claim.counter is not None:
        return count.conventions[claim.counter] / claim.scale, count.value(exact) / claim.scale
    if quantity == claim.quantity or baseline is None:
        return count.value(quantity) / claim.scale, count.value(exact) / claim.scale
    before, after = (_rounded(which.value(quantity), claim.figure_digits) for which in (baseline, count))
    if not before:
        raise InputError(f"{claim.where}: figure_digits {claim.figure_digits}: the baseline's {quantity} is 0 then")
    return 100 * (1 - after / before), 100 * (1 - count.value(exact) / baseline.value(exact))


def explained_by(claim: Claim, count: Count) -> str:
    """The conventions under which the whole model comes to the printed figure, the source's own first."""
    own = claim.counter or ("published" if claim.quantity.startswith(PUBLISHED) else "exact")
    found = [
        name
        for name, value in count.conventions.items()
        if name != "torch" and verdict(claim, value / claim.scale) == REPRODUCED  # torch's is the exact count
    ]
    return ", ".join(sorted(found, key=lambda name: name != own)) or NO_COUNTER


def verdict(claim: Claim, value: float) -> str:
    """Whether `value` rounds to the printed figure."""
    if claim.published is None or claim.decimals is None:
        return NO_FIGURE
    # Half a unit of the last digit printed, and a hair for binary fractions.
    close = abs(value - float(claim.published)) <= 0.5 * 10**-claim.decimals + 1e-9
    return REPRODUCED if close else DIFFERS


def _remains(quantity: str, pair: Pair, counts: Mapping[ModelConfig | PlainVit, Count]) -> float:
    subject, baseline = pair
    assert baseline is not None  # a speed-up without one is refused when it is read
    return counts[subject].value(quantity) / counts[baseline].value(quantity)


def _rounded(value: float, digits: int | None) -> float:
    return value if digits is None else round(value, digits)
