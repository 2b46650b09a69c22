"""The contract of a results row: which columns, in which order, and what each number means.

One table serves the CSV's header, the tables' headers and the report's legend, so that they cannot disagree.
"""

from __future__ import annotations

from dataclasses import dataclass

SCHEMA_VERSION = 1

#: values of the column `status`; any other value is shown as it stands
STATUS_OK = "ok"
STATUS_FAILED = "failed"


@dataclass(frozen=True)
class Column:
    """One column of the results.

    `kind` is "text", "integer", "number" or "flag" (true/false). `scope` says what the number is taken over.
    `digits` is the number of decimals shown to people; files keep every digit.
    """

    name: str
    kind: str
    label: str
    description: str
    unit: str = ""
    scope: str = ""
    digits: int = 3

    @property
    def header(self) -> str:
        """The label with its unit: "GFLOPsT (1e9 MAC)"."""
        return f"{self.label} ({self.unit})" if self.unit else self.label


def _text(name: str, label: str, description: str, scope: str = "cell") -> Column:
    return Column(name, "text", label, description, scope=scope)


def _integer(name: str, label: str, description: str, unit: str = "", scope: str = "cell") -> Column:
    return Column(name, "integer", label, description, unit, scope, 0)


def _number(name: str, label: str, description: str, unit: str = "", scope: str = "cell", digits: int = 3) -> Column:
    return Column(name, "number", label, description, unit, scope, digits)


def _flag(name: str, label: str, description: str, scope: str = "cell") -> Column:
    return Column(name, "flag", label, description, scope=scope)


_MAC = "1e9 MAC"
_IMAGE = "one image, batch 1"
_TRANSFORMER = "one image, everything behind the backbone's feature map"
_PEOPLE = "evaluated people"
_WHOLE_CALL = "one forward pass of the whole model at the row's batch size"
_TRANSFORMER_CALL = "one forward pass of the transformer part at the row's batch size"
_RUN = "process"

COLUMNS: tuple[Column, ...] = (
    _integer("schema_version", "schema", "version of this row's layout", scope="row"),
    _text("cell", "cell", "key of the configuration: a hash of everything that decides the result"),
    _text("status", "status", f"{STATUS_OK}, or {STATUS_FAILED} with the reason in the column error"),
    _text("model", "model", "name of the model"),
    _text("dataset", "dataset", "skeleton and metric: coco (17 keypoints, AP) or mpii (16 keypoints, PCKh)"),
    _text("data_dir", "data", "data folder that was trained and evaluated on"),
    _text("input_size", "input", "crop that the model sees, height x width in pixels"),
    _text("mask", "mask", "how the visual tokens to drop are chosen; none is the unmasked model"),
    _number(
        "mask_ratio",
        "mask ratio",
        "fraction of the visual tokens that is gone after the last block (sparse: of their connections)",
        digits=2,
    ),
    _integer("tokens_total", "tokens", "visual tokens before masking", scope="one image"),
    _integer("tokens_kept", "kept", "visual tokens after the last transformer block", scope="one image"),
    _integer("seed", "seed", "seed of initialisation, data order and random masks"),
    _flag("as_published", "as published", "the reference code's own behaviours are switched on"),
    _text("positions", "positions", "position embedding of a kept token: its own (gather) or of the first K (prefix)"),
    _text("training", "training", "none, weights (given), scratch, or finetune (from one shared unmasked model)"),
    _integer("epochs", "epochs", "epochs trained for this cell"),
    _integer("train_people", "train people", "people in the training split"),
    _integer("eval_people", "eval people", "people that were evaluated"),
    _text("boxes", "boxes", "person boxes at evaluation: gt, or the detection file"),
    _flag("flip_test", "flip test", "heatmaps are averaged with those of the mirrored image"),
    _integer("params", "params", "trainable and fixed parameters", scope="whole model"),
    _number("gflops", "GFLOPs", "exact count of multiply-adds", _MAC, f"{_IMAGE}, whole model", 4),
    _number("gflops_t", "GFLOPsT", "exact count of multiply-adds, choice of tokens included", _MAC, _TRANSFORMER, 4),
    _integer("macs", "MACs", "exact count of multiply-adds", "MAC", f"{_IMAGE}, whole model"),
    _integer("macs_transformer", "MACs, transformer", "exact count of multiply-adds", "MAC", _TRANSFORMER),
    _number("gflops_backbone", "GFLOPs backbone", "exact count", _MAC, f"{_IMAGE}, convolutional backbone", 4),
    _number("gflops_patch_embedding", "GFLOPs patches", "exact count", _MAC, f"{_IMAGE}, patch embedding", 4),
    _number("gflops_mask_scoring", "GFLOPs scoring", "exact count", _MAC, f"{_IMAGE}, choosing the tokens", 4),
    _number("gflops_blocks", "GFLOPs blocks", "exact count", _MAC, f"{_IMAGE}, transformer blocks", 4),
    _number("gflops_head", "GFLOPs head", "exact count", _MAC, f"{_IMAGE}, heatmap head", 4),
    _number(
        "published_gflops",
        "published GFLOPs",
        "counter of the HRNet code base, for comparison with published tables only",
        "published convention",
        f"{_IMAGE}, whole model",
        4,
    ),
    _number(
        "published_gflops_t",
        "published GFLOPsT",
        "counter of the HRNet code base, for comparison with published tables only",
        "published convention",
        _TRANSFORMER,
        4,
    ),
    _number("ap", "AP", "COCO keypoint average precision, mean over OKS 0.50 to 0.95", "0 to 1", _PEOPLE),
    _number("ap_ci_low", "AP low", "lower end of the 95 % bootstrap interval of AP", "0 to 1", _PEOPLE),
    _number("ap_ci_high", "AP high", "upper end of the 95 % bootstrap interval of AP", "0 to 1", _PEOPLE),
    _number("ap50", "AP50", "average precision at OKS 0.50", "0 to 1", _PEOPLE),
    _number("ap75", "AP75", "average precision at OKS 0.75", "0 to 1", _PEOPLE),
    _number("ap_m", "AP(M)", "average precision", "0 to 1", "evaluated people of 32^2 to 96^2 px"),
    _number("ap_l", "AP(L)", "average precision", "0 to 1", "evaluated people above 96^2 px"),
    _number("ar", "AR", "average recall, mean over OKS 0.50 to 0.95", "0 to 1", _PEOPLE),
    _number("pckh", "PCKh@0.5", "keypoints within 0.5 head sizes of the truth", "%", _PEOPLE, 2),
    _number("pckh_01", "PCKh@0.1", "keypoints within 0.1 head sizes of the truth", "%", _PEOPLE, 2),
    _number("loss_final", "final loss", "training loss, mean of the last epoch", "recipe's own", "training split", 5),
    _number("latency_ms_median", "latency", "median time", "ms", _WHOLE_CALL),
    _number("latency_ms_iqr", "latency IQR", "interquartile range of the time", "ms", _WHOLE_CALL),
    _number("latency_ms_p90", "latency p90", "90th percentile; absent below 64 samples", "ms", _WHOLE_CALL),
    _integer("latency_samples", "samples", "timed forward passes", scope="whole model"),
    _flag("latency_unstable", "unstable", "IQR above a tenth of the median, or another job disturbed", "whole model"),
    _number("latency_transformer_ms_median", "transformer latency", "median time", "ms", _TRANSFORMER_CALL),
    _number("latency_transformer_ms_iqr", "transformer IQR", "interquartile range", "ms", _TRANSFORMER_CALL),
    _flag(
        "latency_transformer_unstable",
        "transformer unstable",
        "IQR above a tenth of the median, or another job disturbed",
        "transformer part",
    ),
    _number("throughput_images_per_s", "throughput", "images per second at the row's batch size", "images/s", digits=1),
    _number("peak_memory_mib", "peak memory", "peak of live tensors above the weights", "MiB", _WHOLE_CALL, 1),
    _number("peak_rss_mib", "peak RSS", "peak resident memory", "MiB", _RUN, 1),
    _number("train_seconds", "training time", "wall time of training", "s", digits=1),
    _number("eval_seconds", "evaluation time", "wall time of evaluation", "s", digits=1),
    _text("device", "device", "cpu or cuda", _RUN),
    _text("device_name", "device name", "the accelerator's or processor's name", _RUN),
    _text("dtype", "dtype", "number format of the timed model", _RUN),
    _integer("batch_size", "batch", "images per timed forward pass", scope="latency and memory"),
    _integer("threads", "threads", "CPU threads that torch may use", scope=_RUN),
    _flag("amp", "AMP", "mixed precision in training", _RUN),
    _text("torch_version", "torch", "version of torch", _RUN),
    _text("python_version", "python", "version of Python", _RUN),
    _text("posebench_version", "posebench", "version of posebench", _RUN),
    _text("git_revision", "revision", "git commit of posebench", _RUN),
    _flag("git_dirty", "uncommitted changes", "the working tree differed from the commit", _RUN),
    _text("processor", "processor", "name of the CPU", _RUN),
    _text("platform", "platform", "operating system", _RUN),
    _text("date_utc", "date", "when the cell ended, UTC", "row"),
    _text("error", "error", "why the cell failed; empty otherwise", "row"),
)

#: columns that a sweep may add; they follow the fixed ones in the file when any row has them
OPTIONAL_COLUMNS: tuple[Column, ...] = (
    _number(
        "mask_ratio_mean",
        "mean ratio",
        "fraction of the visual tokens that is gone (sparse: of their connections), mean over the transformer blocks",
        digits=3,
    ),
    _text("train_ratio", "trained at", "mask ratio in training where it was not the row's own; several: one per step"),
    _text("execution", "execution", "cut connections are computed and masked (dense), or left out (gather)"),
    _integer("macs_needed", "MACs needed", "of non-zero connections only", "MAC", f"{_IMAGE}, whole model"),
    _number("gflops_needed", "GFLOPs needed", "of non-zero connections only", _MAC, f"{_IMAGE}, whole model", 4),
    _number("gflops_t_needed", "GFLOPsT needed", "of non-zero connections only", _MAC, _TRANSFORMER, 4),
    _text("decoder", "decoder", "of a model without keypoint tokens: classic (deconvolutions) or simple"),
    _number("gflops_decoder", "GFLOPs decoder", "exact count", _MAC, f"{_IMAGE}, from dense features to heatmaps", 4),
    _number("gflops_joint_blocks", "GFLOPs joints", "exact count", _MAC, f"{_IMAGE}, blocks on keypoint tokens", 4),
    _number("ap_diff", "AP difference", "AP minus the unmasked model's, same people", "0 to 1", _PEOPLE),
    _number("ap_diff_low", "AP diff. low", "lower end of its 95 % paired bootstrap interval", "0 to 1", _PEOPLE),
    _number("ap_diff_high", "AP diff. high", "upper end of its 95 % paired bootstrap interval", "0 to 1", _PEOPLE),
)

BY_NAME: dict[str, Column] = {column.name: column for column in COLUMNS + OPTIONAL_COLUMNS}
NAMES: tuple[str, ...] = tuple(column.name for column in COLUMNS)
#: what says under which conditions a number was taken
CONDITIONS: tuple[str, ...] = (
    "device",
    "device_name",
    "processor",
    "dtype",
    "threads",
    "batch_size",
    "amp",
    "torch_version",
    "python_version",
    "posebench_version",
    "git_revision",
    "git_dirty",
    "platform",
    "date_utc",
)


def describe(name: str) -> Column:
    """The column called `name`; for a name outside the contract a text column that says no more than its name."""
    return BY_NAME.get(name) or Column(name, "text", name.replace("_", " "), "")
