"""Models by name: `create_model`, and how its arguments are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from torch import nn

from ..datasets.descriptor import Dataset
from ..datasets.registry import DEFAULT, description_of, find_dataset
from ..errors import InputError
from ..joint_mask import joint_mask as make_joint_mask
from ..reductions.config import NONE, UNMASKED, ReductionConfig, check_ratio, reduction_config
from ..reductions.registry import find_reduction
from ..reductions.schedule import every_block
from .architectures import INPUT_SIZE, LARGE_INPUT, MODELS, Architecture
from .config import ModelConfig, ModelSpec
from .hrnet import BACKBONES
from .model import PoseModel
from .own import make_own
from .reducer import make_reducer
from .registry import find_model, model_names
from .shape import TransformerShape
from .transformer import POSITION_TYPES, PoseTransformer
from .vitpose import DECODERS, Decoder, VisionTransformer, ViTPose


def list_models() -> list[str]:
    """Names that `create_model` takes, a user's own by "package.module:name" apart."""
    return model_names()


def resolve_name(name: str) -> str:
    """The table's name of a model; InputError with the nearest name if there is none."""
    return find_model(name).name


def default_mask(name: str) -> tuple[str, float]:
    """The mask and ratio that a model's name stands for: TMPose's published (random, 0.4), else none."""
    return find_model(name).published_mask


def is_tiny(name: str) -> bool:
    """Whether a model was made for the embedded set: trainable on a CPU within minutes."""
    return find_model(name).tiny


def has_joint_blocks(name: str) -> bool:
    """Whether a model has blocks on its keypoint tokens alone, as sparse TokenPose."""
    return find_model(name).joint_blocks


def usual_decoder(name: str) -> str | None:
    """The decoder that a model has where none is named; None for one that has no choice of it."""
    return MODELS[name].decoder if name in MODELS else None


def create_model(
    name: str | ModelConfig,
    *,
    dataset: str | Dataset = DEFAULT,
    input_size: tuple[int, int] | None = None,
    mask: str | ReductionConfig | None = None,
    mask_ratio: float | None = None,
    positions: str = "gather",
    position_type: str | None = None,
    draw: str = "sample",
    seed: int = 0,
    as_published: bool = False,
    joint_mask: str | None = None,
    decoder: str | None = None,
    **params: Any,
) -> PoseModel:
    """Make a model with fresh weights, in training mode.

    Args:
        name: one of `list_models()`, "package.module:name" of your own (see own.py), or a whole configuration (then
            nothing else is given).
        dataset: whose keypoints: a name (`posebench.pose.datasets`), a descriptor, or its `description`.
        input_size: (height, width) in pixels; by default 256x192, or 256x256 for data sets of square crops.
        mask: a reduction (`posebench.pose.reductions`) by name, with parameters as in "prune(layers=3|6|9)", or
            "package.module:name" of your own. By default the one that the name stands for: random for TMPose, sparse
            for sparse TokenPose, prune for PPT, else none.
        mask_ratio: fraction of the visual tokens that is gone after the last block, in [0, 1) (sparse: of each visual
            token's connections to visual tokens); by default the published one of the name. 0 means no mask.
        positions: "gather" (a kept token keeps its own position) or "prefix" (TMPose's code: the first K cells').
        position_type: "sine-full" (added again before each block), "sine", "learnable" or "low-frequency".
        draw: "sample" or "batch": random masks drawn per sample, or once for a batch (TMPose's code).
        seed: of the random masks at evaluation.
        as_published: the reference code's behaviour. TMPose: positions "prefix", draw "batch", block = the first K
            tokens. Sparse TokenPose: neither mask has an effect, positions are added once.
        joint_mask: which keypoint tokens see each other in the joint blocks of sparse TokenPose: "skeleton" (itself,
            adjacent, mirror joint), "full", or "published" (the matrix in the paper's checkpoints, loaded with them).
        decoder: of ViTPose, "classic" (two deconvolutions, the usual one) or "simple" (one convolution).
        params: parameters of the mask, such as layers, keep_ratio or r; the same as in parentheses behind its name.

    Raises:
        InputError: unknown name or value, or an input size that the token grid does not divide.
    """
    if isinstance(name, ModelConfig):
        config = {field.name: getattr(name, field.name) for field in fields(ModelConfig) if field.name != "source"}
        reduction = config.pop("reduction")
        config["dataset"] = config.pop("described") or config["dataset"]
        # What as_published changes is in the configuration already.
        return create_model(mask=reduction, mask_ratio=reduction.ratio, **config)
    model = find_model(name)
    name, data = model.name, find_dataset(dataset)
    reduction = _resolve_reduction(model.published_mask, mask, mask_ratio, params)
    _one_of("positions", positions, ("gather", "prefix"))
    _one_of("draw", draw, ("sample", "batch"))
    if type(seed) is not int or not 0 <= seed < 2**63:
        raise InputError(f"seed {seed!r}: give a whole number from 0 to below 2^63")
    if model.build is not None:
        return make_own(
            model, dataset=data, input_size=input_size, reduction=reduction, draw=draw, seed=seed,
            position_type=position_type, joint_mask=joint_mask, decoder=decoder, as_published=as_published,
            positions=None if positions == "gather" else positions,
        )  # fmt: skip
    architecture = MODELS[name]
    position_type = position_type or architecture.position_type
    _one_of("position_type", position_type, POSITION_TYPES)
    _check_belongs(name, reduction, architecture, positions, joint_mask, as_published)
    _check_decoder(name, architecture, decoder, position_type, positions, as_published and not reduction.is_none)
    if architecture.joint_blocks:
        joint_mask = joint_mask or "skeleton"
    if as_published and not reduction.is_none:
        descriptor = find_reduction(reduction.name)
        if descriptor.layers is None:
            positions, draw = "prefix", "batch"
        if descriptor.published_as == NONE and architecture.joint_blocks:
            reduction = UNMASKED
        elif descriptor.published_as not in (None, NONE):
            reduction = replace(reduction, name=descriptor.published_as)
    if as_published and architecture.joint_blocks:
        joint_mask = "full"
        position_type = {"sine-full": "sine"}.get(position_type, position_type)

    backbone = BACKBONES[architecture.backbone]()
    shape, size, sigma = _shape(name, architecture, backbone, data, input_size, position_type)
    layers, amounts = _places(architecture, reduction)
    reducer = make_reducer(reduction, shape, layers=layers, amounts=amounts, draw=draw, seed=seed)
    matrix = make_joint_mask(joint_mask, data.skeleton) if joint_mask else None
    if architecture.decoder:
        transformer = VisionTransformer(shape, mask=reducer)
    else:
        transformer = PoseTransformer(shape, mask=reducer, positions=positions, joint_mask=matrix)
    spec = ModelSpec(
        name=name, dataset=data.name, described=description_of(data), input_size=size,
        reduction=reducer.config if reducer else UNMASKED,
        positions=positions, position_type=position_type, draw=draw, seed=seed, as_published=as_published,
        joint_mask=joint_mask, heatmap_size=shape.heatmap, sigma=sigma, num_keypoints=shape.keypoints, grid=shape.grid,
        schedule=transformer.schedule, decoder=decoder or architecture.decoder, udp=architecture.udp,
    )  # fmt: skip
    if architecture.decoder:
        head = Decoder(spec.decoder, shape.dim, shape.keypoints, architecture.decoder_channels)
        return ViTPose(spec, transformer, head)
    return PoseModel(spec, backbone, transformer)


def _resolve_reduction(
    own: tuple[str, float],
    mask: str | ReductionConfig | None,
    ratio: float | None,
    params: Mapping[str, Any],
) -> ReductionConfig:
    """What is asked for, with the name's own mask where nothing else is said."""
    published, published_ratio = own
    if mask is None:
        mask = published
        if mask == NONE and ratio:
            raise InputError(f"mask ratio {ratio} without a mask: name one, such as mask='semantic'")
    asked = reduction_config(mask, ratio, params)
    if asked.is_none:
        if ratio:
            raise InputError(f"mask 'none' keeps every token: a mask ratio of {ratio} contradicts it")
        return UNMASKED
    amounts = find_reduction(asked.name).amounts
    if amounts is not None and asked.get(amounts) is not None:
        return asked
    if asked.ratio is None:
        asked = replace(asked, ratio=check_ratio(published_ratio))
    return asked if asked.ratio > 0 else UNMASKED


def _check_belongs(
    name: str,
    reduction: ReductionConfig,
    architecture: Architecture,
    positions: str,
    joint_mask: str | None,
    as_published: bool,
) -> None:
    """InputError for an argument that would have no effect on what is asked for."""
    if joint_mask is not None and not architecture.joint_blocks:
        raise InputError(f"joint_mask {joint_mask!r} for {name}, which has no joint blocks: leave it out")
    if joint_mask not in (None, "full") and as_published:
        raise InputError(f"joint_mask {joint_mask!r} as published, where no joint mask has an effect: leave it out")
    if positions != "gather" and not reduction.is_none and find_reduction(reduction.name).layers is not None:
        raise InputError(f"positions {positions!r} with mask {reduction.name!r}: only for masks before the first block")


def _places(
    architecture: Architecture, reduction: ReductionConfig
) -> tuple[tuple[int, ...] | None, tuple[float, ...] | None]:
    """Where a reduction between the blocks acts in this model, and how much it leaves there, if nobody says; None
    leaves it to the reduction and the ratio."""
    default = find_reduction(reduction.name).layers
    layers = architecture.reduce_at if default not in (None, every_block) else None
    own = architecture.published_mask == (reduction.name, reduction.ratio) and not reduction.params
    return layers, architecture.published_keep_ratio if own else None


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
    dataset: Dataset,
    input_size: tuple[int, int] | None,
    position_type: str,
) -> tuple[TransformerShape, tuple[int, int], float]:
    size = tuple(input_size) if input_size else (architecture.input_size or INPUT_SIZE)[dataset.crop]
    patch, sigma = architecture.patch[dataset.crop], architecture.sigma
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
        keypoints=dataset.skeleton.num_keypoints,
        heatmap=_heatmap(architecture, size, cell),
        dim=architecture.dim,
        stacks=architecture.stacks,
        depth=depth if isinstance(depth, int) else depth[dataset.crop],
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
