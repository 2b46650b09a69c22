"""A row of results: the one place that says which columns there are, in which order, and what each number means.

The fields of `Row` are the columns. A field that is a record itself (`Score`, `PartTiming`) stands for several, which
are named after both: the field `p95` of `latency` is the column latency_p95. What is measured and is no column is an
error; only raw values (a list, a dict) are no columns: they stay in the sweep's folder.
"""
# ruff: noqa: RUF009 - the functions called in the records make a dataclasses.field each

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from .pose.errors import InputError
from .pose.metrics import AP, PCKH, Metric

SCHEMA_VERSION = 1

#: values of the column `status`; any other value is shown as it stands
STATUS_OK = "ok"
STATUS_FAILED = "failed"

#: processes that time a comparison, of which there is an interval
FEWEST_PROCESSES = 3

Text = str | None
Integer = int | None
Number = float | None
Flag = bool | None
Raw = list[Any] | dict[str, Any] | None
_KINDS: dict[Any, str] = {Text: "text", Integer: "integer", Number: "number", Flag: "flag", Raw: "raw"}


@dataclass(frozen=True)
class Column:
    """One column of the results.

    `kind` is "text", "integer", "number", "flag" (true/false) or "raw" (not in the file). `scope` says what the number
    is taken over. `digits` is the number of decimals shown to people; files keep every digit.
    """

    name: str
    kind: str
    label: str
    description: str
    unit: str = ""
    scope: str = ""
    digits: int = 3
    is_condition: bool = False

    @property
    def header(self) -> str:
        """The label with its unit: "GFLOPsT (1e9 MAC)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


def _column(label: str, description: str, unit: str = "", scope: str = "cell", digits: int = 3) -> Any:
    return field(default=None, metadata=dict(vars(), is_condition=False))


def _condition(label: str, description: str, scope: str = "process") -> Any:
    return field(default=None, metadata=dict(vars(), unit="", digits=3, is_condition=True))


def _part(kind: type, label: str, description: str, **given: Any) -> Any:
    """A record of columns. `{part}` in their texts is `description`; `given` goes over their unit, scope and digits."""
    return field(default_factory=kind, metadata={"label": label, "description": description, "given": given})


def _score(metric: Metric) -> Any:
    given = {"unit": metric.unit, "scope": "evaluated people", "digits": metric.digits}
    return _part(Score, metric.name, metric.description, **given)


@dataclass(frozen=True)
class Score:
    """The accuracy that stands for a data set, and how sure it and its difference to the unmasked model are."""

    value: Number = _column("", "{part}")
    ci_low: Number = _column("low", "lower end of its 95 % bootstrap interval")
    ci_high: Number = _column("high", "upper end of its 95 % bootstrap interval")
    diff: Number = _column("difference", "the score minus the unmasked model's on the same people")
    diff_low: Number = _column("diff. low", "lower end of the difference's 95 % paired bootstrap interval")
    diff_high: Number = _column("diff. high", "upper end of the difference's 95 % paired bootstrap interval")


@dataclass(frozen=True)
class PartTiming:
    """How long one forward pass takes, of the whole model or of its transformer part."""

    ms_median: Number = _column("latency", "median time", "ms")
    ms_median_low: Number = _column("median low", "lower end of the median's 95 % interval", "ms")
    ms_median_high: Number = _column("median high", "upper end of the median's 95 % interval", "ms")
    ms_iqr: Number = _column("latency IQR", "interquartile range of the time", "ms")
    ms_p90: Number = _column("latency p90", "90th percentile; absent below 64 samples", "ms")
    ms_p95: Number = _column("latency p95", "95th percentile; absent below 130 samples", "ms")
    ms_p99: Number = _column("latency p99", "99th percentile; absent below 662 samples", "ms")
    samples: Integer = _column("samples", "timed forward passes")
    unstable: Flag = _column("unstable", "IQR above a tenth of the median, another job disturbed, or still warming up")
    contended: Flag = _column("contended", "another job disturbed the measurement")
    vs_unmasked: Number = _column(
        "time that remains", "median over the unmasked model's, measured interleaved; 1 is no gain"
    )
    vs_unmasked_low: Number = _column("remains, low", "lower end of its 95 % paired bootstrap interval")
    vs_unmasked_high: Number = _column("remains, high", "upper end of its 95 % paired bootstrap interval")
    x_eager: Number = _column(
        "x eager", "how many times faster than the same model in eager float32, measured interleaved", digits=2
    )
    graph_ms_median: Number = _column(
        "as a graph", "median time of eager's kernels launched as one CUDA graph, measured interleaved", "ms"
    )
    launch_bound: Flag = _column(
        "launch bound", "eager takes more than 1.1 times as long as its kernels as one CUDA graph: launches are counted"
    )
    warm_ms_median: Number = _column("L2 warm", "median time right after the same call, on CUDA", "ms")
    cold_ms_median: Number = _column("L2 cold", "median time after the L2 cache was written over, on CUDA", "ms")
    ms_samples: Raw = _column("raw times", "every timed pass, in order of measurement", "ms")


@dataclass(frozen=True)
class ImageSpread:
    """What differs between images, over images or batches of them."""

    mean: Number = _column("", "mean of {part}")
    p5: Number = _column("p5", "5th percentile of {part}")
    p50: Number = _column("p50", "median of {part}")
    p95: Number = _column("p95", "95th percentile of {part}")


@dataclass(frozen=True)
class ImageTimes:
    """The same of what is timed, at the images or batches of that percentile of the count."""

    p5: Number = _column("p5", "5th percentile of {part}")
    p50: Number = _column("p50", "median of {part}")
    p95: Number = _column("p95", "95th percentile of {part}")
    unstable: Flag = _column("unstable", "one of these was unstable: {part}")


_MAC = "1e9 MAC"
_IMAGE = "one image, batch 1"
_WHOLE = f"{_IMAGE}, whole model"
_TRANSFORMER = "one image, everything behind the backbone's feature map"
_PEOPLE = "evaluated people"
_CALL = "one forward pass of the {} at the row's batch size"
_NEEDED = "of non-zero connections only"
_OWN = "an image's own tokens after the last block, of a mask that keeps as many as it needs"
_PADDED = "that, each image filled up to the longest of its batch"
_OWN_COUNT = "GFLOPsT of single images at their own numbers of tokens"
_PADDED_COUNT = "GFLOPsT per image, filled up to the longest of its batch"
_PADDED_TIME = "time of the transformer, run with no more tokens than the image, or longest of the batch, has"
_BATCHES = "batches at the row's batch size"
_PUBLISHED = "counter of the HRNet code base, for comparison with published tables only"


@dataclass(frozen=True, kw_only=True)
class Row:
    """One cell at one batch size. None: not measured, or not applicable."""

    schema_version: Integer = _column("schema", "version of this row's layout", scope="row")
    cell: Text = _column("cell", "key of the configuration: a hash of everything that decides the result")
    status: Text = _column("status", f"{STATUS_OK}, or {STATUS_FAILED} with the reason in the column error")
    model: Text = _column("model", "name of the model")
    dataset: Text = _column("dataset", "data set: its keypoints and its metric")
    data_dir: Text = _column("data", "data folder that was trained and evaluated on")
    input_size: Text = _column("input", "crop that the model sees, height x width in pixels")
    mask: Text = _column("mask", "how the visual tokens to drop are chosen; none is the unmasked model")
    mask_ratio: Number = _column(
        "mask ratio",
        "fraction of the visual tokens (of their connections, where these are cut) that is gone after the last block",
        digits=2,
    )
    mask_ratio_mean: Number = _column(
        "mean ratio",
        "fraction of the visual tokens (of their connections, where these are cut) that is gone, mean over the blocks",
    )
    train_ratio: Text = _column(
        "trained at", "mask ratio in training where it was not the row's own; several: one per step"
    )
    loss_margin: Number = _column(
        "margin",
        "loss that counts as negligible, fraction of the full scale; less where the unmasked model is below half",
    )
    tokens_total: Integer = _column("tokens", "visual tokens before masking", scope="one image")
    tokens_kept: Integer = _column("kept", "visual tokens after the last transformer block", scope="one image")
    seed: Integer = _column("seed", "seed of initialisation, data order and random masks")
    as_published: Flag = _column("as published", "the reference code's own behaviours are switched on")
    positions: Text = _column(
        "positions", "position embedding of a kept token: its own (gather) or of the first K (prefix)"
    )
    decoder: Text = _column("decoder", "of a model without keypoint tokens: classic (deconvolutions) or simple")
    execution: Text = _column("execution", "cut connections are computed and masked (dense), or left out (gather)")
    training: Text = _column("training", "none, weights (given), scratch, or finetune (from one shared unmasked model)")
    epochs: Integer = _column("epochs", "epochs trained for this cell")
    train_people: Integer = _column("train people", "people in the training split")
    eval_people: Integer = _column("eval people", "people that were evaluated")
    eval_batch: Integer = _column("eval batch", "people per batch in evaluation; half the usual where memory was short")
    boxes: Text = _column("boxes", "person boxes at evaluation: gt, or the detection file")
    flip_test: Flag = _column("flip test", "heatmaps are averaged with those of the mirrored image")

    params: Integer = _column("params", "trainable and fixed parameters", scope="whole model")
    gflops: Number = _column("GFLOPs", "exact count of multiply-adds", _MAC, _WHOLE, 4)
    gflops_t: Number = _column(
        "GFLOPsT", "exact count of multiply-adds, choice of tokens included", _MAC, _TRANSFORMER, 4
    )
    macs: Integer = _column("MACs", "exact count of multiply-adds", "MAC", _WHOLE)
    macs_transformer: Integer = _column("MACs, transformer", "exact count of multiply-adds", "MAC", _TRANSFORMER)
    gflops_backbone: Number = _column("GFLOPs backbone", "exact count", _MAC, f"{_IMAGE}, convolutional backbone", 4)
    gflops_patch_embedding: Number = _column("GFLOPs patches", "exact count", _MAC, f"{_IMAGE}, patch embedding", 4)
    gflops_mask_scoring: Number = _column("GFLOPs scoring", "exact count", _MAC, f"{_IMAGE}, choosing the tokens", 4)
    gflops_blocks: Number = _column("GFLOPs blocks", "exact count", _MAC, f"{_IMAGE}, transformer blocks", 4)
    gflops_joint_blocks: Number = _column(
        "GFLOPs joints", "exact count", _MAC, f"{_IMAGE}, blocks on keypoint tokens", 4
    )
    gflops_decoder: Number = _column("GFLOPs decoder", "exact count", _MAC, f"{_IMAGE}, dense features to heatmaps", 4)
    gflops_head: Number = _column("GFLOPs head", "exact count", _MAC, f"{_IMAGE}, heatmap head", 4)
    parts: Raw = _column("MACs by part", "exact count of multiply-adds", "MAC", _IMAGE)
    macs_needed: Integer = _column("MACs needed", _NEEDED, "MAC", _WHOLE)
    gflops_needed: Number = _column("GFLOPs needed", _NEEDED, _MAC, _WHOLE, 4)
    gflops_t_needed: Number = _column("GFLOPsT needed", _NEEDED, _MAC, _TRANSFORMER, 4)
    image_tokens: ImageSpread = _part(ImageSpread, "image's tokens", _OWN, scope=_PEOPLE, digits=1)
    image_gflops_t: ImageSpread = _part(
        ImageSpread, "image's GFLOPsT", _OWN_COUNT, unit=_MAC, scope=_PEOPLE, digits=4
    )
    padded_tokens: ImageSpread = _part(ImageSpread, "padded tokens", _PADDED, scope=_BATCHES, digits=1)
    padded_gflops_t: ImageSpread = _part(
        ImageSpread, "padded GFLOPsT", _PADDED_COUNT, unit=_MAC, scope=_BATCHES, digits=4
    )
    padded_ms: ImageTimes = _part(ImageTimes, "padded ms, T", _PADDED_TIME, unit="ms", scope=_BATCHES)
    published_gflops: Number = _column("published GFLOPs", _PUBLISHED, "published convention", _WHOLE, 4)
    published_gflops_t: Number = _column("published GFLOPsT", _PUBLISHED, "published convention", _TRANSFORMER, 4)

    ap: Score = _score(AP)
    ap50: Number = _column("AP50", "average precision at OKS 0.50", "0 to 1", _PEOPLE)
    ap75: Number = _column("AP75", "average precision at OKS 0.75", "0 to 1", _PEOPLE)
    ap_m: Number = _column("AP(M)", "average precision", "0 to 1", "evaluated people of 32^2 to 96^2 px")
    ap_l: Number = _column("AP(L)", "average precision", "0 to 1", "evaluated people above 96^2 px")
    ar: Number = _column("AR", "average recall, mean over OKS 0.50 to 0.95", "0 to 1", _PEOPLE)
    ar50: Number = _column("AR50", "average recall at OKS 0.50", "0 to 1", _PEOPLE)
    ar75: Number = _column("AR75", "average recall at OKS 0.75", "0 to 1", _PEOPLE)
    ar_m: Number = _column("AR(M)", "average recall", "0 to 1", "evaluated people of 32^2 to 96^2 px")
    ar_l: Number = _column("AR(L)", "average recall", "0 to 1", "evaluated people above 96^2 px")
    ap_easy: Number = _column("AP easy", "average precision", "0 to 1", "images of crowdIndex below 0.1")
    ap_medium: Number = _column("AP medium", "average precision", "0 to 1", "images of crowdIndex from 0.1 to 0.8")
    ap_hard: Number = _column("AP hard", "average precision", "0 to 1", "images of crowdIndex 0.8 and above")
    pckh: Score = _score(PCKH)
    pckh_01: Number = _column("PCKh@0.1", "keypoints within pckh_01_threshold head sizes", "%", _PEOPLE, 2)
    pckh_01_threshold: Number = _column(
        "PCKh@0.1 at", "threshold of pckh_01: 0.1, or as published 0.11", "head sizes", digits=2
    )
    pckh_head: Number = _column("PCKh head", "PCKh@0.5 of the top of the head", "%", _PEOPLE, 2)
    pckh_shoulder: Number = _column("PCKh shoulder", "PCKh@0.5, mean of left and right", "%", _PEOPLE, 2)
    pckh_elbow: Number = _column("PCKh elbow", "PCKh@0.5, mean of left and right", "%", _PEOPLE, 2)
    pckh_wrist: Number = _column("PCKh wrist", "PCKh@0.5, mean of left and right", "%", _PEOPLE, 2)
    pckh_hip: Number = _column("PCKh hip", "PCKh@0.5, mean of left and right", "%", _PEOPLE, 2)
    pckh_knee: Number = _column("PCKh knee", "PCKh@0.5, mean of left and right", "%", _PEOPLE, 2)
    pckh_ankle: Number = _column("PCKh ankle", "PCKh@0.5, mean of left and right", "%", _PEOPLE, 2)
    loss: Number = _column("loss", "half the mean squared error of the heatmaps, as in training", "", _PEOPLE, 6)
    loss_final: Number = _column("final loss", "training loss, mean of the last epoch", "", "training split", 5)

    latency: PartTiming = _part(PartTiming, "", "", scope=_CALL.format("whole model"))
    latency_transformer: PartTiming = _part(PartTiming, "transformer", "", scope=_CALL.format("transformer part"))
    throughput_images_per_s: Number = _column(
        "throughput", "images per second at the row's batch size", "images/s", digits=1
    )
    latency_processes: Integer = _column(
        "processes",
        f"that each timed the comparison; from {FEWEST_PROCESSES} on intervals hold what one has by chance",
        scope="timing",
    )
    latency_attempts: Integer = _column("attempts", "how often the timing was made, the best kept", scope="timing")
    latency_warmup_calls: Integer = _column("warm-up", "untimed forward passes before", scope="timing")
    foreign_cpu_share: Number = _column("foreign CPU", "CPU time that other programs took", "0 to 1", "timing")
    waiting_cpu_share: Number = _column("waiting", "time spent ready to run but waiting for a CPU", "0 to 1", "timing")
    gpu_clock_mhz: Number = _column("GPU clock", "of the multiprocessors, median over the samples", "MHz", "timing", 0)
    gpu_throttled: Text = _column("throttled by", "why the clock was lowered in samples that were kept", scope="timing")
    gpu_discarded: Integer = _column("discarded", "rounds thrown away because the clock was lowered", scope="timing")
    gpu_others: Integer = _column("others on GPU", "other processes that computed there, the most seen", scope="timing")
    joules_per_image: Number = _column("energy", "energy of one image, median of the windows", "J/image", "energy", 4)
    joules_per_image_low: Number = _column("energy, low", "of the window with the least", "J/image", "energy", 4)
    joules_per_image_high: Number = _column("energy, high", "of the window with the most", "J/image", "energy", 4)
    joules_vs_unmasked: Number = _column(
        "energy that remains", "over the unmasked model's, measured in turns; 1 is no gain", scope="energy"
    )
    joules_vs_unmasked_low: Number = _column("energy remains, low", "lower end of its 95 % interval", scope="energy")
    joules_vs_unmasked_high: Number = _column("energy remains, high", "upper end of its 95 % interval", scope="energy")
    watts: Number = _column("power", "mean over the windows", "W", "energy", 1)
    watts_idle: Number = _column("power at rest", "before the windows", "W", "energy", 1)
    drift_heatmap: Number = _column(
        "drift", "largest difference of a heatmap value (or any module's) to eager float32's", "", "compared images", 6
    )
    drift_px_median: Number = _column(
        "drift of points", "distance of a decoded keypoint to eager float32's, median", "crop px", "compared images", 2
    )
    drift_px_max: Number = _column("drift of points, max", "the same, largest", "crop px", "compared images", 2)
    drift_images: Text = _column("compared images", "how many, and what, the drift was taken on")
    peak_memory_mib: Number = _column(
        "peak memory", "peak of live tensors above the weights", "MiB", _CALL.format("whole model"), 1
    )
    weights_mib: Number = _column("weights", "parameters and buffers, shared ones once", "MiB", "whole model", 1)
    reserved_memory_mib: Number = _column(
        "reserved", "what torch's CUDA allocator held at the peak, the weights too", "MiB", "process", 1
    )
    cuda_context_mib: Number = _column(
        "CUDA context", "what the process took of the GPU beside torch's allocator, as NVML says", "MiB", "process", 1
    )
    peak_rss_mib: Number = _column(
        "peak RSS", "peak resident memory; a process forked for a cell maps less of the libraries", "MiB", "process", 1
    )
    train_seconds: Number = _column("training time", "wall time of training", "s", digits=1)
    eval_seconds: Number = _column("evaluation time", "wall time of evaluation", "s", digits=1)

    device: Text = _condition("device", "cpu or cuda")
    device_name: Text = _condition("device name", "the accelerator's or processor's name")
    runtime: Text = _condition("runtime", "what executed the timed model")
    runtime_version: Text = _condition("runtime version", "its package and version")
    runtime_provider: Text = _condition("provider", "what really executed the nodes of its graph")
    runtime_options: Text = _condition("runtime options", "how its graph was made")
    dtype: Text = _condition("dtype", "number format of the timed model")
    tf32: Text = _condition("TF32", "what float32 products and convolutions are on CUDA")
    deterministic: Flag = _condition("deterministic", "torch's deterministic algorithms alone (--deterministic)")
    attention_kernels: Text = _condition("attention by", "torch's kernels for fused attention in one pass")
    energy_method: Text = _condition("energy by", "the counter, and the windows", "energy")
    precision: Text = _condition("precision", "number format, and how it is brought about")
    batch_size: Integer = _condition("batch", "images per timed forward pass", "latency and memory")
    threads: Integer = _condition("threads", "CPU threads that torch may use")
    cores: Integer = _condition("cores", "CPUs that the process may run on")
    amp: Flag = _condition("AMP", "mixed precision in training")
    memory_method: Text = _condition("memory by", "how the peak of memory was found")
    allocator: Text = _condition("allocator", "memory allocator of the C library, and its settings")
    torch_version: Text = _condition("torch", "version of torch")
    torch_build: Text = _condition("torch build", "libraries and instruction set that torch computes with")
    python_version: Text = _condition("python", "version of Python")
    posebench_version: Text = _condition("posebench", "version of posebench")
    git_revision: Text = _condition("revision", "git commit of posebench")
    git_dirty: Flag = _condition("uncommitted changes", "the working tree differed from the commit")
    processor: Text = _condition("processor", "name of the CPU")
    platform: Text = _condition("platform", "operating system")
    machine: Text = _condition("machine", "machine that the cell ran on; in merged sweeps", "row")
    timed_on: Text = _condition("timed on", "machine that the latency was measured on; in merged sweeps", "row")
    sweep_dir: Text = _condition("sweep folder", "sweep that the row was merged from", "row")
    date_utc: Text = _condition("date", "when the cell ended, UTC", "row")
    error: Text = _column("error", "why the cell failed; empty otherwise", scope="row")

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> "Row":
        """The row of values by column. InputError naming a column that there is not."""
        check_columns(values)
        records: dict[str, Any] = {f.name: values.get(f.name) for f in _FIELDS if f.name not in _PARTS}
        return cls(**records, **{name: part_of(values, name) for name in _PARTS})

    def columns(self) -> dict[str, Any]:
        """Values by column, those of the file, in its order."""
        values: dict[str, Any] = {}
        for f in _FIELDS:
            value = getattr(self, f.name)
            values |= flat(f.name, value) if f.name in _PARTS else {f.name: value}
        return {name: values[name] for name in NAMES}


_FIELDS = dataclasses.fields(Row)
_PARTS: dict[str, Any] = {f.name: f.type for f in _FIELDS if dataclasses.is_dataclass(f.type)}


def _name(part: str, member: str) -> str:
    return part if member == "value" else f"{part}_{member}"


def flat(part: str, record: Score | PartTiming) -> dict[str, Any]:
    """The columns of the row's field `part`: flat("latency", timing)["latency_ms_p95"] is timing.ms_p95."""
    return {_name(part, member): value for member, value in vars(record).items()}


def part_of(values: Mapping[str, Any], part: str) -> Any:
    """The record of the row's field `part`, from values by column; what is absent is None."""
    kind = _PARTS[part]
    return kind(**{f.name: values.get(_name(part, f.name)) for f in dataclasses.fields(kind)})


def _columns() -> Iterator[Column]:
    for f in _FIELDS:
        if f.name not in _PARTS:
            yield Column(f.name, _KINDS[f.type], **f.metadata)
            continue
        about = f.metadata
        for member in dataclasses.fields(_PARTS[f.name]):
            texts = dict(member.metadata) | about["given"]
            texts["label"] = f"{about['label']} {texts['label']}".strip()
            texts["description"] = texts["description"].format(part=about["description"])
            yield Column(_name(f.name, member.name), _KINDS[member.type], **texts)


#: every name that a row may have, raw values included
BY_NAME: dict[str, Column] = {column.name: column for column in _columns()}
#: the columns of the file, in order
COLUMNS: tuple[Column, ...] = tuple(column for column in BY_NAME.values() if column.kind != "raw")
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
#: what says under which conditions a number was taken
CONDITIONS: tuple[str, ...] = tuple(column.name for column in COLUMNS if column.is_condition)


def check_columns(names: Iterable[str]) -> None:
    """InputError naming the first of `names` that is no column of a row."""
    for name in names:
        if name not in BY_NAME:
            near = difflib.get_close_matches(str(name), BY_NAME, 1)
            meant = f"; did you mean {near[0]!r}?" if near else "; the columns are the fields of posebench.row.Row"
            raise InputError(f"unknown column {str(name)!r}{meant}")


def describe(name: str) -> Column:
    """The column called `name`; for a name of other tables a text column that says no more than its name."""
    return BY_NAME.get(name) or Column(name, "text", name.replace("_", " "), "")
