"""The layout of timm's `VisionTransformer`: `blocks` of norm1, attn (one qkv), ls1, norm2, mlp, ls2."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .layouts import Layout, Sites
from .patched_block import PatchedBlock, has, part_of

_PARTS = ("norm1", "attn.qkv", "attn.proj", "attn.num_heads", "norm2", "mlp")


class TimmBlock(PatchedBlock):
    """timm's `Block`; what a version or a model leaves out (q_norm, ls1, drop_path1) is passed by."""

    def __init__(self, module: nn.Module):
        self.module = module
        self.width, self.heads = module.attn.qkv.in_features, module.attn.num_heads
        self.scale = getattr(module.attn, "scale", (module.attn.qkv.out_features // 3 // self.heads) ** -0.5)

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        return self.module.norm1(x)

    def project(self, x: torch.Tensor, wanted: str = "qkv") -> list[torch.Tensor]:
        attn = self.module.attn
        if wanted == "qkv":
            parts = attn.qkv(x).chunk(3, dim=2)
        else:
            parts = [part_of(attn.qkv, x, "qkv".index(part)) for part in wanted]
        norms = {"q": "q_norm", "k": "k_norm", "v": ""}
        return [_through(attn, norms[kind], self.split(part)) for kind, part in zip(wanted, parts, strict=True)]

    def leave(self, mixed: torch.Tensor) -> torch.Tensor:
        attn = self.module.attn
        out = _through(attn, "proj_drop", attn.proj(_through(attn, "norm", mixed)))
        return self._path(_through(self.module, "ls1", out), 1)

    def mlp(self, x: torch.Tensor, given: Mapping[str, Any]) -> torch.Tensor:
        return self._path(_through(self.module, "ls2", self.module.mlp(self.module.norm2(x))), 2)

    @property
    def dropout(self) -> float:
        drop = getattr(self.module.attn, "attn_drop", None)
        return drop.p if drop is not None and drop.training else 0.0

    def _path(self, x: torch.Tensor, number: int) -> torch.Tensor:
        # Before version 0.6 both residuals had one.
        return _through(self.module, f"drop_path{number}" if has(self.module, f"drop_path{number}") else "drop_path", x)


def _through(module: nn.Module, name: str, x: torch.Tensor) -> torch.Tensor:
    """x after a child that not every version has."""
    part = getattr(module, name, None)
    return x if part is None else part(x)


def find(module: nn.Module) -> Sites | None:
    """Where a reduction goes in a `VisionTransformer`; None for any other module."""
    blocks = getattr(module, "blocks", None)
    if not isinstance(blocks, (nn.Sequential, nn.ModuleList)) or not has(module, "patch_embed"):
        return None
    if not len(blocks) or not all(has(block, *_PARTS) for block in blocks):
        return None
    embedding = module.patch_embed
    tokens = (getattr(module, name, None) for name in ("cls_token", "dist_token", "reg_token"))
    prefix = sum(token.shape[1] for token in tokens if token is not None)
    cell = getattr(embedding, "patch_size", (1, 1))
    return Sites(
        tuple(TimmBlock(block) for block in blocks),
        getattr(module, "num_prefix_tokens", prefix),
        getattr(embedding, "grid_size", None),
        (cell, cell) if isinstance(cell, int) else tuple(cell),
        embedding,
    )


LAYOUT = Layout("timm", "a patch_embed beside blocks with norm1, attn.qkv, attn.proj, norm2, mlp", find)
