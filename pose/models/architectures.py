"""The models by name: a table of sizes to compare with the papers."""

from __future__ import annotations

from dataclasses import dataclass

from ..datasets.descriptor import SQUARE, TALL


@dataclass(frozen=True)
class Architecture:
    """One model of the papers, independent of the data set; what depends on it goes by the shape of its crops.

    patch: feature cells per token in tall crops (COCO's) and square ones (MPII's); depth: blocks per stack, one number
    or one per shape; published_mask: the mask and ratio that the name stands for; published_keep_ratio: share kept at
    each layer of that, where its ratio alone does not say; reduce_at: blocks where reductions act, by default theirs.
    A reduction that acts in every block does so here, too. tiny: made for the embedded set, trainable on a CPU within
    minutes. decoder: the usual one of a model without keypoint tokens, and its channels; udp: unbiased coordinates.
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
    head_hidden: int = 384
    joint_blocks: int = 0
    reduce_at: tuple[int, ...] | None = None
    published_keep_ratio: tuple[float, ...] | None = None
    published_mask: tuple[str, float] = ("none", 0.0)
    decoder: str | None = None
    decoder_channels: int = 256
    udp: bool = False
    tiny: bool = False


INPUT_SIZE = {TALL: (256, 192), SQUARE: (256, 256)}
PATCH_4 = {TALL: (4, 3), SQUARE: (4, 4)}
PATCH_16 = {TALL: (16, 16), SQUARE: (16, 16)}
PUBLISHED_MASK = ("random", 0.4)
PUBLISHED_SPARSITY = ("sparse", 0.3)


def _base(**changes) -> Architecture:
    return Architecture("hrnet_w32", PATCH_4, **changes)


def _large(depth: int | dict[str, int], heads: int, **changes) -> Architecture:
    return Architecture("hrnet_w48", PATCH_4, depth=depth, stacks=3, heads=heads, **changes)


def _vit(dim: int, depth: int, heads: int, patch: dict[str, tuple[int, int]] = PATCH_16, **changes) -> Architecture:
    """ViTPose (its table 1): a patch is a patch of the image."""
    more = {"mlp_ratio": 4, "position_type": "learnable", "decoder": "classic", "udp": True, **changes}
    return Architecture("none", patch, depth=depth, heads=heads, dim=dim, **more)


def _tiny(**changes) -> Architecture:
    return Architecture(
        "tiny",
        {TALL: (3, 3), SQUARE: (3, 3)},
        depth=4,
        heads=3,
        dim=96,
        mlp_ratio=2,
        position_type="low-frequency",
        input_size={TALL: (96, 72), SQUARE: (96, 96)},
        sigma=1.25,
        small_head=True,
        # With four blocks only: what acts in the last one has nothing left to save.
        reduce_at=(0, 1, 2),
        tiny=True,
        **changes,
    )


MODELS: dict[str, Architecture] = {
    "tokenpose_t": Architecture("none", {TALL: (16, 12), SQUARE: (16, 16)}, heads=16),
    "tokenpose_s_v1": Architecture("stem", PATCH_4, attention_scale="dim"),
    "tokenpose_s_v2": Architecture("stem", {TALL: (2, 2), SQUARE: (2, 2)}, attention_scale="dim"),
    "tokenpose_b": _base(),
    "tokenpose_l_d6": _large(2, 8),
    "tokenpose_l_d24": _large(8, 12),
    "tmpose_b": _base(published_mask=PUBLISHED_MASK),
    # TMPose's COCO configuration named D6 sets depth 6 for each of the three stacks; its MPII one sets 2.
    "tmpose_l_d6": _large({TALL: 6, SQUARE: 2}, 8, published_mask=PUBLISHED_MASK),
    "tmpose_l": _large(8, 12, published_mask=PUBLISHED_MASK),
    "tmpose_tiny": _tiny(published_mask=PUBLISHED_MASK),
    # The reference's S; the paper names B and L too, whose code does not run: here TokenPose's own, made sparse alike.
    "sparse_tokenpose_s": Architecture(
        "stem",
        PATCH_4,
        attention_scale="dim",
        dim=256,
        head_hidden=512,
        joint_blocks=3,
        published_mask=PUBLISHED_SPARSITY,
    ),
    "sparse_tokenpose_b": _base(joint_blocks=3, published_mask=PUBLISHED_SPARSITY),
    "sparse_tokenpose_l": _large(8, 12, joint_blocks=3, published_mask=PUBLISHED_SPARSITY),
    "sparse_tokenpose_tiny": _tiny(joint_blocks=3, published_mask=PUBLISHED_SPARSITY),
    # PPT keeps 70 % at each of three blocks: 0.343 in all. Its L/D6 is one stack of six blocks and prunes once.
    "ppt_s": Architecture(
        "stem", PATCH_4, attention_scale="dim", published_keep_ratio=(0.7, 0.7, 0.7), published_mask=("prune", 0.657)
    ),
    "ppt_b": _base(published_keep_ratio=(0.7, 0.7, 0.7), published_mask=("prune", 0.657)),
    "ppt_l_d6": Architecture(
        "hrnet_w48", PATCH_4, depth=6, reduce_at=(3,), published_keep_ratio=(0.7,), published_mask=("prune", 0.3)
    ),
    "vitpose_s": _vit(384, 12, 12),
    "vitpose_b": _vit(768, 12, 12),
    "vitpose_l": _vit(1024, 24, 16),
    "vitpose_h": _vit(1280, 32, 16),
    # Ours, for the embedded data; a step of training takes as long as tmpose_tiny's.
    "vitpose_tiny": _vit(
        72,
        4,
        3,
        {TALL: (8, 8), SQUARE: (8, 8)},
        mlp_ratio=2,
        input_size={TALL: (96, 72), SQUARE: (96, 96)},
        decoder_channels=24,
        tiny=True,
        reduce_at=(0, 1, 2),
    ),
}
ALIASES = {"tmpose_l_d24": "tmpose_l"}

# TokenPose-L/D24 at 384x288 changes the patch and sigma (its configuration "patch64").
LARGE_INPUT = {(384, 288): ((6, 4), 3.0)}


def published_sizes(name: str, crop: str) -> tuple[tuple[int, int] | None, ...]:
    """Input sizes that the papers report a model at for crops of this shape; None for the usual one."""
    larger = MODELS[name].backbone == "hrnet_w48" and crop == TALL
    return (None, *LARGE_INPUT) if larger else (None,)
