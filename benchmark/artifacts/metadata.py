"""What a file says of itself: written beside the network, and read back, from files that anybody may have made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import nn

from ...pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD
from ...pose.datasets.described import from_description
from ...pose.datasets.registry import find_dataset
from ...pose.errors import InputError
from ...pose.evaluation.decode import METHODS
from ...pose.keypoints import Skeleton
from ...pose.models.model import PoseModel
from ...pose.reductions import CUT, MERGE, find_reduction
from ...pose.schema import check_version
from ..counting.flops import flops_row
from ..instruments.environment import conditions

DECODING = (
    "heatmaps[b, j] is the map of keypoint j. The highest value is its score; its pixel (x, y), centres at whole "
    "numbers, refined by DARK's Taylor step on the smoothed logarithm (or a quarter pixel towards the larger "
    "neighbour), times input_size / heatmap_size, is its place in the crop."
)
PROVENANCE = ("posebench_version", "git_revision", "git_dirty", "torch_version", "date_utc")
RAW, NORMALISED = "RGB uint8, 0 to 255", "RGB, (value / 255 - mean) / std"
#: how tokens are dropped and merged in a file: nothing scatters, which other runtimes get wrong
DROPPING = "gather of rows"
MERGING = "one-hot product of the tokens that merge"
TIES = "as the runtime's TopK has them; eager takes the lower index"
#: of the metadata; files of version 1 do not say it
VERSION = 1
LARGEST_SIDE = 4096  # of an image or a map, px


@dataclass(frozen=True, kw_only=True)
class FileSpec:
    """What a file must say so that it can be run alone; the names are those of a model's spec. Sizes (height, width).

    decode: a method of evaluation/decode.py, and the convention of its crops. raw: it takes uint8 and normalises it
    itself; mean, std: what it was normalised with, or wants. batch: 1, or None for any. layers: call of a module ->
    name of its value (see layers.py). weights: digest of them; others: all that it says beyond.
    """

    name: str
    dataset: str
    mask: str
    mask_ratio: float
    input_size: tuple[int, int]
    heatmap_size: tuple[int, int]
    sigma: float
    skeleton: Skeleton
    decode: str
    raw: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]
    batch: int | None
    layers: Mapping[str, str]
    weights: str | None
    others: Mapping[str, Any]
    as_published: bool = False

    @property
    def num_keypoints(self) -> int:
        return self.skeleton.num_keypoints

    @property
    def convention(self) -> str:
        return self.decode

    @property
    def tokens_total(self) -> int | None:
        return self.others.get("tokens_total")


def metadata(model: PoseModel, *, dynamic_batch: bool, normalise: bool) -> dict[str, Any]:
    """What is written into the file beside the network."""
    spec, counts, made = model.spec, flops_row(model), conditions()
    described = json.loads(find_dataset(spec.described or spec.dataset).description())
    reduction = find_reduction(spec.reduction.name)
    return {
        "schema_version": VERSION,
        "model": spec.name,
        "dataset": spec.dataset,
        "mask": spec.mask,
        "mask_ratio": spec.mask_ratio,
        "seed": spec.seed,
        "as_published": spec.as_published,
        **{name: getattr(spec, name) for name in _OPTIONAL if getattr(spec, name) is not None},
        "input_size": list(spec.input_size),
        "heatmap_size": list(spec.heatmap_size),
        "batch": "any" if dynamic_batch else 1,
        "input": RAW if normalise else NORMALISED,
        "mean": IMAGENET_MEAN.tolist(),
        "std": IMAGENET_STD.tolist(),
        **{name: described[name] for name in ("keypoints", "flip_pairs", "limbs", "upper_body", "sigmas", "crop")},
        "decode": DECODING,
        "decode_method": spec.convention,
        "sigma": spec.sigma,
        "precision": "float32",
        "dropping": "none" if reduction.kind == CUT or spec.reduction.is_none else DROPPING,
        "merging": MERGING if reduction.kind == MERGE else "none",
        "ties": TIES,
        "params": counts["params"],
        "macs": counts["macs"],
        "macs_transformer": counts["macs_transformer"],
        "tokens_total": counts["tokens_total"],
        "tokens_kept": counts["tokens_kept"],
        "weights_sha256": weights_digest(model),
        **{name: made[name] for name in PROVENANCE},
    }


def as_text(values: Mapping[str, Any]) -> dict[str, str]:
    """Metadata as files keep it: text, JSON where it is no text."""
    return {name: value if isinstance(value, str) else json.dumps(value) for name, value in values.items()}


def weights_digest(model: nn.Module) -> str:
    """SHA-256 of all weights and buffers, by name."""
    digest = hashlib.sha256()
    for name, value in sorted(model.state_dict().items()):
        digest.update(name.encode() + b"\0" + np.ascontiguousarray(value.cpu().numpy()).tobytes())
    return digest.hexdigest()


def read_spec(file: str, known: Mapping[str, str]) -> FileSpec:
    """The metadata of `file`, checked. InputError where there is none of ours, or it contradicts itself."""
    if "keypoints" not in known or "input_size" not in known:
        raise InputError(f"{file}: holds no metadata of posebench (keypoints, input size, ...): see posebench export")
    version = _value("schema_version", known.get("schema_version", "1"))
    check_version(file, "exported model", version, VERSION, then="export it anew")
    try:
        values = {name: _value(name, text) for name, text in known.items()}
        names = ("keypoints", "flip_pairs", "limbs", "upper_body", "sigmas", "crop")
        described = {name: values[name] for name in names if values.get(name) is not None}
        dataset = from_description(json.dumps({"name": str(values["dataset"]), **described}))
        mean, std = _numbers(values, "mean"), _numbers(values, "std")
        decode = values.get("decode_method", "dark")
        if min(std) <= 0 or decode not in METHODS:
            raise ValueError(f"std {std}, decode_method {decode!r}")
        ratio, sigma = float(values["mask_ratio"]), float(values.get("sigma", 2.0))
        seed = 0 if values.get("seed") is None else values["seed"]
        if not 0 <= ratio < 1 or not 0 < sigma < LARGEST_SIDE or type(seed) is not int or not 0 <= seed < 2**63:
            raise ValueError(f"mask_ratio {ratio}, sigma {sigma}, seed {str(seed)[:40]}")
        if values["input"] not in (RAW, NORMALISED) or values["batch"] not in (1, "any"):
            raise ValueError(f"input {values['input']!r}, batch {values['batch']!r}")
        layers = values.get("layers") or {}
        if not all(isinstance(name, str) for name in layers.values()):
            raise ValueError("layers")
        return FileSpec(
            name=str(values["model"]),
            dataset=str(values["dataset"]),
            mask=str(values["mask"]),
            mask_ratio=ratio,
            as_published=bool(values.get("as_published", False)),
            input_size=_size(values, "input_size"),
            heatmap_size=_size(values, "heatmap_size"),
            sigma=sigma,
            skeleton=dataset.skeleton,
            decode=decode,
            raw=values["input"] == RAW,
            mean=mean,
            std=std,
            batch=None if values["batch"] == "any" else 1,
            layers=layers,
            weights=values.get("weights_sha256"),
            others=values,
        )
    except InputError as error:
        raise InputError(f"{file}: its metadata are damaged: {error}") from None
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        said = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
        raise InputError(f"{file}: its metadata are damaged ({said})") from None


#: metadata that are text as they stand
_OPTIONAL = ("position_type", "joint_mask", "decoder")
_TEXTS = (
    "model", "dataset", "mask", *_OPTIONAL, "input", "decode", "decode_method", "crop", "precision", "dropping",
    "merging", "ties", "runtime", "weights_sha256", *PROVENANCE,
)  # fmt: skip


def _value(name: str, text: str) -> Any:
    if name in _TEXTS:
        return text
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # no JSON; endless digits; absurd nesting
        return text


def _size(values: Mapping[str, Any], name: str) -> tuple[int, int]:
    height, width = values[name]
    if not all(type(side) is int and 0 < side <= LARGEST_SIDE for side in (height, width)):
        raise ValueError(f"{name} {values[name]}")
    return height, width


def _numbers(values: Mapping[str, Any], name: str) -> tuple[float, ...]:
    found = tuple(float(value) for value in values[name])
    if len(found) != 3 or not np.isfinite(found).all():
        raise ValueError(f"{name} {values[name]}")
    return found
