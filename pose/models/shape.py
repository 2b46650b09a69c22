"""The sizes of a pose transformer."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class TransformerShape:
    """Sizes of a pose transformer; (height, width) pairs throughout.

    grid: token grid; patch: feature cells per token; stacks x depth blocks; heatmap: size of one output map.
    attention_scale: "dim" or "head_dim", what the dot products are divided by the root of.
    head_hidden: width of the head's hidden layer, used where dim * stacks is at most half of it.
    joint_blocks: further blocks on the keypoint tokens alone (Improved TokenPose with Sparsity).
    qkv_bias: whether queries, keys and values have one; norm_eps: of every LayerNorm in the blocks.
    """

    grid: tuple[int, int]
    patch: tuple[int, int]
    channels: int
    keypoints: int
    heatmap: tuple[int, int]
    dim: int = 192
    stacks: int = 1
    depth: int = 12
    heads: int = 8
    mlp_ratio: int = 3
    attention_scale: str = "head_dim"
    head_hidden: int = 384
    position_type: str = "sine-full"
    small_head: bool = False
    joint_blocks: int = 0
    qkv_bias: bool = False
    norm_eps: float = 1e-5

    @property
    def blocks(self) -> int:
        return self.stacks * self.depth

    @property
    def tokens(self) -> int:
        return self.grid[0] * self.grid[1]
