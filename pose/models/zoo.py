"""Models by name: `create_model`, and how its arguments are read."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass, replace

from torch import nn

from ..errors import InputError
from ..joint_mask import joint_mask as make_joint_mask
from ..keypoints import SKELETONS
from ..masks import MASKS, check_ratio
from ..reductions import REDUCTIONS, check_mask
from ..reductions.schedule import check_locations
from .architectures import ALIASES, INPUT_SIZE, LARGE_INPUT, MODELS, Architecture
from .hrnet import BACKBONES
from .model import ModelSpec, PoseModel
from .selection import TokenMask, TokenReduction
from .shape import TransformerShape
from .transformer import POSITION_TYPES, PoseTransformer
from .vitpose import DECODERS, Decoder, VisionTransformer, ViTPose

EXECUTIONS = ("dense", "gather")


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
    locations: Sequence[int] | None = None,
    keep: float | Sequence[float] | None = None,
    merge: int | Sequence[int] | None = None,
    execution: str = "dense",
    joint_mask: str | None = None,
    decoder: str | None = None,
) -> PoseModel:
    """Make a model with fresh weights, in training mode.

    Args:
        name: one of `list_models()`.
        dataset: "coco" (17 keypoints) or "mpii" (16).
        input_size: (height, width) in pixels; by default 256x192 for COCO and 256x256 for MPII.
        mask: a mask before the first block (`pose.masks.MASKS`) or a reduction between the blocks
            (`pose.reductions.REDUCTIONS`). By default the one that the name stands for: random for TMPose, sparse for
            sparse TokenPose, prune for PPT, else none.
        mask_ratio: fraction of the visual tokens that is gone after the last block, in [0, 1) (sparse: of each visual
            token's connections to visual tokens); by default the published one of the name. 0 means no mask.
        positions: "gather" (a kept token keeps its own position) or "prefix" (TMPose's code: the first K cells').
        position_type: "sine-full" (added again before each block), "sine", "learnable" or "low-frequency".
        draw: "sample" or "batch": random masks drawn per sample, or once for a batch (TMPose's code).
        seed: of the random masks at evaluation.
        as_published: the reference code's behaviour. TMPose: positions "prefix", draw "batch", block = the first K
            tokens. Sparse TokenPose: neither mask has an effect, positions are added once.
        locations: blocks, from 0 over all stacks, in which a reduction acts; by default its own.
        keep: share kept at each location (prune: of the tokens left; sparse: of all connections); one for all, or one
            per location. Says the same as mask_ratio, in more detail.
        merge: tokens that tome merges at each location; one for all, or one per location.
        execution: "dense" (sparse: cut connections are computed and masked) or "gather" (only the others are computed).
        joint_mask: which keypoint tokens see each other in the joint blocks of sparse TokenPose: "skeleton" (itself,
            adjacent, mirror joint), "full", or "published" (the matrix in the paper's checkpoints, loaded with them).
        decoder: of ViTPose, "classic" (two deconvolutions, the usual one) or "simple" (one convolution).

    Raises:
        InputError: unknown name or value, or an input size that the token grid does not divide.
    """
    name = resolve_name(name)
    architecture = MODELS[name]
    if dataset not in SKELETONS:
        raise InputError(f"unknown dataset {dataset!r}: give 'coco' or 'mpii'")
    asked = _resolve_mask(architecture, mask, mask_ratio, keep, merge, locations)
    position_type = position_type or architecture.position_type
    _one_of("positions", positions, ("gather", "prefix"))
    _one_of("draw", draw, ("sample", "batch"))
    _one_of("position_type", position_type, POSITION_TYPES)
    _one_of("execution", execution, EXECUTIONS)
    _check_belongs(name, asked, architecture, positions, locations, execution, joint_mask, as_published)
    _check_decoder(name, architecture, decoder, position_type, positions, as_published and asked.name != "none")
    if architecture.joint_blocks:
        joint_mask = joint_mask or "skeleton"
    if as_published and asked.name in MASKS and asked.name != "none":
        positions, draw = "prefix", "batch"
        asked = replace(asked, name="first" if asked.name == "block" else asked.name)
    if as_published and architecture.joint_blocks:
        joint_mask = "full"
        position_type = {"sine-full": "sine"}.get(position_type, position_type)
        asked = _NO_MASK if asked.name == "sparse" else asked

    backbone = BACKBONES[architecture.backbone]()
    shape, size, sigma = _shape(name, architecture, backbone, dataset, input_size, position_type)
    asked, selection = _make_selection(asked, architecture, shape, locations, execution, draw, seed)
    execution = execution if asked.name == "sparse" else "dense"
    matrix = make_joint_mask(joint_mask, SKELETONS[dataset]) if joint_mask else None
    if architecture.decoder:
        transformer = VisionTransformer(shape, mask=selection)
    else:
        transformer = PoseTransformer(shape, mask=selection, positions=positions, joint_mask=matrix)
    reduction = selection if isinstance(selection, TokenReduction) else None
    spec = ModelSpec(
        name=name, dataset=dataset, input_size=size, mask=asked.name, mask_ratio=asked.ratio, positions=positions,
        position_type=position_type, draw=draw, seed=seed, as_published=as_published,
        locations=reduction.locations if reduction else None, amounts=reduction.amounts if reduction else None,
        execution=execution, joint_mask=joint_mask, heatmap_size=shape.heatmap, sigma=sigma,
        num_keypoints=shape.keypoints, grid=shape.grid, schedule=transformer.schedule,
        decoder=decoder or architecture.decoder, udp=architecture.udp,
    )  # fmt: skip
    if architecture.decoder:
        return ViTPose(
            spec, transformer, Decoder(spec.decoder, shape.dim, shape.keypoints, architecture.decoder_channels)
        )
    return PoseModel(spec, backbone, transformer)


@dataclass(frozen=True)
class _Mask:
    """A mask or reduction as asked for; amounts as given: one number, one per location, or None."""

    name: str
    ratio: float | None
    amounts: float | tuple[float, ...] | None = None


_NO_MASK = _Mask("none", 0.0)


def _resolve_mask(
    architecture: Architecture,
    name: str | None,
    ratio: float | None,
    keep: float | Sequence[float] | None,
    merge: int | Sequence[int] | None,
    locations: Sequence[int] | None,
) -> _Mask:
    """What is asked for, with the name's own mask where nothing else is said."""
    published, published_ratio = architecture.published_mask
    if name is None:
        name = published
        if name == "none" and ratio:
            raise InputError(f"mask ratio {ratio} without a mask: name one, such as mask='semantic'")
    check_mask(name)
    if keep is not None and name not in ("prune", "sparse"):
        raise InputError(f"keep with mask {name!r}: it belongs to 'prune' and 'sparse'; give mask_ratio instead")
    if merge is not None and name != "tome":
        raise InputError(f"merge with mask {name!r}: it belongs to 'tome'; give mask_ratio instead")
    if name == "none":
        if ratio:
            raise InputError(f"mask 'none' keeps every token: a mask ratio of {ratio} contradicts it")
        return _NO_MASK
    own_ratio = ratio is None or ratio == published_ratio
    if keep is None and name == published and own_ratio and locations is None:
        keep = architecture.keep
    amounts = keep if merge is None else merge
    if amounts is not None:
        return _Mask(name, None if ratio is None else check_ratio(ratio), _numbers(amounts))
    ratio = check_ratio(published_ratio if ratio is None else ratio)
    return _Mask(name, ratio) if ratio > 0 else _NO_MASK


def _numbers(amounts: float | Sequence[float]) -> float | tuple[float, ...]:
    """One number, or a tuple of them."""
    try:
        several = not isinstance(amounts, str) and hasattr(amounts, "__iter__")
        found = tuple(float(amount) for amount in amounts) if several else float(amounts)
    except (TypeError, ValueError):
        raise InputError(f"amounts {amounts!r}: give a number, or one for each location") from None
    if found == ():
        raise InputError("amounts are empty: give a number, or one for each location")
    return found


def _check_belongs(
    name: str,
    asked: _Mask,
    architecture: Architecture,
    positions: str,
    locations: Sequence[int] | None,
    execution: str,
    joint_mask: str | None,
    as_published: bool,
) -> None:
    """InputError for an argument that would have no effect on what is asked for."""
    if joint_mask is not None and not architecture.joint_blocks:
        raise InputError(f"joint_mask {joint_mask!r} for {name}, which has no joint blocks: leave it out")
    if joint_mask not in (None, "full") and as_published:
        raise InputError(f"joint_mask {joint_mask!r} as published, where no joint mask has an effect: leave it out")
    if locations is not None and asked.name in MASKS:
        raise InputError(f"locations with mask {asked.name!r}, which acts before the first block: leave them out")
    if execution != "dense" and asked.name != "sparse":
        raise InputError(f"execution {execution!r} with mask {asked.name!r}: it belongs to 'sparse'")
    if positions != "gather" and asked.name in REDUCTIONS:
        raise InputError(f"positions {positions!r} with mask {asked.name!r}: only for masks before the first block")


def _make_selection(
    asked: _Mask,
    architecture: Architecture,
    shape: TransformerShape,
    locations: Sequence[int] | None,
    execution: str,
    draw: str,
    seed: int,
) -> tuple[_Mask, TokenMask | TokenReduction | None]:
    """The module that chooses tokens, and its mask with the ratio that explicit amounts come to."""
    if asked.name not in REDUCTIONS:
        return asked, TokenMask(asked.name, asked.ratio, shape, draw=draw, seed=seed) if asked.ratio else None
    if locations is None and asked.name != "tome":
        locations = architecture.reduce_at
    given = REDUCTIONS[asked.name].locations(shape.blocks) if locations is None else locations
    found = check_locations(given, shape.blocks)
    ratio, amounts = asked.ratio, None
    if asked.amounts is not None:
        amounts = asked.amounts if isinstance(asked.amounts, tuple) else (asked.amounts,) * len(found)
        if len(amounts) != len(found):
            raise InputError(f"{len(amounts)} amounts for {len(found)} locations ({', '.join(map(str, found))})")
        amounts = tuple(amount for _, amount in sorted(zip(given, amounts, strict=True)))
        ratio = REDUCTIONS[asked.name].ratio_of(amounts, shape.tokens)
        if asked.ratio is not None and abs(asked.ratio - ratio) > 1e-6:
            raise InputError(f"mask ratio {asked.ratio:g} contradicts the amounts given, which come to {ratio:g}")
    module = TokenReduction(asked.name, ratio, shape, locations=found, amounts=amounts, execution=execution)
    return (replace(asked, ratio=ratio), module) if module.schedule.reduces else (_NO_MASK, None)


def _check_decoder(
    name: str, architecture: Architecture, decoder: str | None, position_type: str, positions: str, as_published: bool
) -> None:
    """InputError for what ViTPose does not have, and for a decoder where there is none."""
    if architecture.decoder is None:
        if decoder is not None:
            raise InputError(f"decoder {decoder!r} for {name}, whose head reads keypoint tokens: leave it out")
        return
    _one_of("decoder", decoder or architecture.decoder, DECODERS)
    if position_type != architecture.position_type:
        raise InputError(f"position_type {position_type!r} for {name}, whose positions are learned: leave it out")
    if positions != "gather":
        raise InputError(f"positions {positions!r} for {name}, where each token keeps its own: leave it out")
    if as_published:
        raise InputError(f"a mask as published for {name}, which was published without one: leave as_published out")


def _one_of(what: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise InputError(f"{what} {value!r}: give one of {', '.join(allowed)}")


def _heatmap(architecture: Architecture, size: tuple[int, int], cell: tuple[int, int]) -> tuple[int, int]:
    """Four times the token grid from a decoder, else a quarter of the input."""
    part = cell if architecture.decoder else (16, 16)
    return 4 * size[0] // part[0], 4 * size[1] // part[1]


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
        heatmap=_heatmap(architecture, size, cell),
        dim=architecture.dim,
        stacks=architecture.stacks,
        depth=depth if isinstance(depth, int) else depth[dataset],
        heads=architecture.heads,
        mlp_ratio=architecture.mlp_ratio,
        attention_scale=architecture.attention_scale,
        position_type=position_type,
        small_head=architecture.small_head,
        head_hidden=architecture.head_hidden,
        joint_blocks=architecture.joint_blocks,
        qkv_bias=architecture.decoder is not None,
        norm_eps=1e-6 if architecture.decoder else 1e-5,
    )
    return shape, size, sigma
