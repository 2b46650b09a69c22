"""The models by name: a table of sizes to compare with the papers, and `create_model`."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn

from ..errors import InputError
from ..keypoints import SKELETONS
from ..masks import check_mask, check_ratio, kept_tokens
from .hrnet import BACKBONES
from .transformer import POSITION_TYPES, PoseTransformer, TransformerShape


@dataclass(frozen=True)
class Architecture:
    """One model of the papers, independent of the data set.

    patch: feature cells per token at the COCO and the MPII input size; depth: blocks per stack, one number or one
    per data set; published_mask: the mask and ratio that the name stands for.
    """

    backbone: str
    patch: dict[str, tuple[int, int]]
    depth: int | dict[str, int] = 12
    stacks: int = 1
    heads: int = 8
    dim: int = 192
    mlp_ratio: int = 3
    attention_scale: str = "head_dim"
    position_type: str = "sine-full"
    input_size: dict[str, tuple[int, int]] | None = None
    sigma: float = 2.0
    small_head: bool = False
    published_mask: tuple[str, float] = ("none", 0.0)


INPUT_SIZE = {"coco": (256, 192), "mpii": (256, 256)}
PATCH_4 = {"coco": (4, 3), "mpii": (4, 4)}
PUBLISHED_MASK = ("random", 0.4)


def _base(**changes) -> Architecture:
    return Architecture("hrnet_w32", PATCH_4, **changes)


def _large(depth: int | dict[str, int], heads: int, **changes) -> Architecture:
    return Architecture("hrnet_w48", PATCH_4, depth=depth, stacks=3, heads=heads, **changes)


MODELS: dict[str, Architecture] = {
    "tokenpose_t": Architecture("none", {"coco": (16, 12), "mpii": (16, 16)}, heads=16),
    "tokenpose_s_v1": Architecture("stem", PATCH_4, attention_scale="dim"),
    "tokenpose_s_v2": Architecture("stem", {"coco": (2, 2), "mpii": (2, 2)}, attention_scale="dim"),
    "tokenpose_b": _base(),
    "tokenpose_l_d6": _large(2, 8),
    "tokenpose_l_d24": _large(8, 12),
    "tmpose_b": _base(published_mask=PUBLISHED_MASK),
    # TMPose's COCO configuration named D6 sets depth 6 for each of the three stacks; its MPII one sets 2.
    "tmpose_l_d6": _large({"coco": 6, "mpii": 2}, 8, published_mask=PUBLISHED_MASK),
    "tmpose_l": _large(8, 12, published_mask=PUBLISHED_MASK),
    "tmpose_tiny": Architecture(
        "tiny",
        {"coco": (3, 3), "mpii": (3, 3)},
        depth=4,
        heads=3,
        dim=96,
        mlp_ratio=2,
        position_type="low-frequency",
        input_size={"coco": (96, 72), "mpii": (96, 96)},
        sigma=1.25,
        small_head=True,
        published_mask=PUBLISHED_MASK,
    ),
}
ALIASES = {"tmpose_l_d24": "tmpose_l"}

# TokenPose-L/D24 at 384x288 changes the patch and sigma (its configuration "patch64").
LARGE_INPUT = {(384, 288): ((6, 4), 3.0)}


@dataclass(frozen=True)
class ModelSpec:
    """What a created model is: everything that `create_model` was asked for, resolved, plus derived sizes."""

    name: str
    dataset: str
    input_size: tuple[int, int]
    mask: str
    mask_ratio: float
    positions: str
    position_type: str
    draw: str
    seed: int
    as_published: bool
    heatmap_size: tuple[int, int]
    sigma: float
    num_keypoints: int
    grid: tuple[int, int]

    @property
    def tokens_total(self) -> int:
        return self.grid[0] * self.grid[1]

    @property
    def tokens_kept(self) -> int:
        return kept_tokens(self.tokens_total, self.mask_ratio)

    def create_arguments(self) -> dict:
        """Keyword arguments that make this model again with `create_model`, plain types only."""
        return {
            "name": self.name,
            "dataset": self.dataset,
            "input_size": list(self.input_size),
            "mask": self.mask,
            "mask_ratio": self.mask_ratio,
            "positions": self.positions,
            "position_type": self.position_type,
            "draw": self.draw,
            "seed": self.seed,
            "as_published": self.as_published,
        }


class PoseModel(nn.Module):
    """A backbone and a pose transformer: images (B, 3, H, W) -> heatmaps (B, J, h, w).

    `parts` names the modules whose compute is reported apart; `transformer` is the scope of GFLOPsT.
    """

    parts: ClassVar[dict[str, str]] = {
        "backbone": "backbone",
        "patch_embedding": "transformer.patch_embedding",
        "mask_scoring": "transformer.mask",
        "blocks": "transformer.stacks",
        "head": "transformer.head",
    }

    def __init__(self, spec: ModelSpec, backbone: nn.Module, transformer: PoseTransformer):
        super().__init__()
        self.spec = spec
        self.backbone = backbone
        self.transformer = transformer

    def forward(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        return self.transformer(self.backbone(images), sample_ids)

    @torch.no_grad()
    def kept_indices(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Which visual tokens stay, (B, K) indices into the row-major grid `spec.grid`."""
        return self.transformer.kept_indices(self.backbone(images), sample_ids)


def list_models() -> list[str]:
    """Names that `create_model` takes."""
    return sorted([*MODELS, *ALIASES])


def resolve_name(name: str) -> str:
    """The table's name of a model; InputError with the nearest name if there is none."""
    name = ALIASES.get(name, name)
    if name in MODELS:
        return name
    near = difflib.get_close_matches(str(name), list_models(), n=1)
    hint = f"did you mean {near[0]!r}? " if near else ""
    raise InputError(f"unknown model {name!r}: {hint}`posebench models` lists them")


def default_mask(name: str) -> tuple[str, float]:
    """The mask and ratio that a model's name stands for: TMPose's published (random, 0.4), else none."""
    return MODELS[resolve_name(name)].published_mask


def create_model(
    name: str,
    *,
    dataset: str = "coco",
    input_size: tuple[int, int] | None = None,
    mask: str | None = None,
    mask_ratio: float | None = None,
    positions: str = "gather",
    position_type: str | None = None,
    draw: str = "sample",
    seed: int = 0,
    as_published: bool = False,
) -> PoseModel:
    """Make a model with fresh weights, in training mode.

    Args:
        name: one of `list_models()`.
        dataset: "coco" (17 keypoints) or "mpii" (16).
        input_size: (height, width) in pixels; by default 256x192 for COCO and 256x256 for MPII.
        mask: one of `pose.masks.MASKS`. By default the one that the name stands for: random for TMPose, else none.
        mask_ratio: fraction of visual tokens dropped, in [0, 1); by default 0.4 for TMPose names. 0 means no mask.
        positions: "gather" (a kept token keeps its own position) or "prefix" (TMPose's code: the first K cells').
        position_type: "sine-full" (added again before each block), "sine", "learnable" or "low-frequency".
        draw: "sample" or "batch": random masks drawn per sample, or once for a batch (TMPose's code).
        seed: of the random masks at evaluation.
        as_published: TMPose's code in all three: positions "prefix", draw "batch", and block = the first K tokens.

    Raises:
        InputError: unknown name or value, or an input size that the token grid does not divide.
    """
    name = resolve_name(name)
    architecture = MODELS[name]
    if dataset not in SKELETONS:
        raise InputError(f"unknown dataset {dataset!r}: give 'coco' or 'mpii'")
    mask, mask_ratio = _resolve_mask(architecture, mask, mask_ratio)
    if as_published:
        positions, draw = "prefix", "batch"
        mask = "first" if mask == "block" else mask
    position_type = position_type or architecture.position_type
    _one_of("positions", positions, ("gather", "prefix"))
    _one_of("draw", draw, ("sample", "batch"))
    _one_of("position_type", position_type, POSITION_TYPES)

    backbone = BACKBONES[architecture.backbone]()
    shape, size, sigma = _shape(name, architecture, backbone, dataset, input_size, position_type)
    spec = ModelSpec(
        name=name, dataset=dataset, input_size=size, mask=mask, mask_ratio=mask_ratio, positions=positions,
        position_type=position_type, draw=draw, seed=seed, as_published=as_published, heatmap_size=shape.heatmap,
        sigma=sigma, num_keypoints=shape.keypoints, grid=shape.grid,
    )  # fmt: skip
    transformer = PoseTransformer(shape, mask=mask, mask_ratio=mask_ratio, positions=positions, draw=draw, seed=seed)
    return PoseModel(spec, backbone, transformer)


def _resolve_mask(architecture: Architecture, mask: str | None, ratio: float | None) -> tuple[str, float]:
    published_mask, published_ratio = architecture.published_mask
    if mask is None:
        mask = published_mask
        if mask == "none" and ratio:
            raise InputError(f"mask ratio {ratio} without a mask: name one, such as mask='semantic'")
    check_mask(mask)
    if mask == "none":
        if ratio:
            raise InputError(f"mask 'none' keeps every token: a mask ratio of {ratio} contradicts it")
        return "none", 0.0
    ratio = check_ratio(published_ratio if ratio is None else ratio)
    return (mask, ratio) if ratio > 0 else ("none", 0.0)


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{what} {value!r}: give one of {', '.join(allowed)}")


def _shape(
    name: str,
    architecture: Architecture,
    backbone: nn.Module,
    dataset: str,
    input_size: tuple[int, int] | None,
    position_type: str,
) -> tuple[TransformerShape, tuple[int, int], float]:
    size = tuple(input_size) if input_size else (architecture.input_size or INPUT_SIZE)[dataset]
    patch, sigma = architecture.patch[dataset], architecture.sigma
    if size in LARGE_INPUT and architecture.backbone == "hrnet_w48":
        patch, sigma = LARGE_INPUT[size]
    cell = (patch[0] * backbone.stride, patch[1] * backbone.stride)
    if len(size) != 2 or any(s < c or s % c for s, c in zip(size, cell, strict=False)):
        raise InputError(
            f"input size {'x'.join(map(str, size))} for {name}: give a height that is a multiple of {cell[0]} and a "
            f"width that is a multiple of {cell[1]} (one token covers {cell[0]}x{cell[1]} pixels)"
        )
    depth = architecture.depth
    shape = TransformerShape(
        grid=(size[0] // cell[0], size[1] // cell[1]),
        patch=patch,
        channels=backbone.channels,
        keypoints=SKELETONS[dataset].num_keypoints,
        heatmap=(size[0] // 4, size[1] // 4),
        dim=architecture.dim,
        stacks=architecture.stacks,
        depth=depth if isinstance(depth, int) else depth[dataset],
        heads=architecture.heads,
        mlp_ratio=architecture.mlp_ratio,
        attention_scale=architecture.attention_scale,
        position_type=position_type,
        small_head=architecture.small_head,
    )
    return shape, size, sigma
