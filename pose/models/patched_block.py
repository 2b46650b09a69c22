"""One block of another library's transformer, in the words that a reduction asks in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ..reductions.context import Attended
from ..reductions.wide import as_given, wide
from .blocks import attend


class PatchedBlock(ABC):
    """A pre-norm block of self-attention and MLP around the library's own modules, cut open between the two.

    module: the library's block; width: channels of its tokens; heads: of its attention; scale: what products of queries
    and keys are multiplied by.
    """

    module: nn.Module
    width: int
    heads: int
    scale: float

    @abstractmethod
    def norm(self, x: torch.Tensor) -> torch.Tensor:
        """The norm before the attention."""

    @abstractmethod
    def project(self, x: torch.Tensor, wanted: str = "qkv") -> list[torch.Tensor]:
        """Of normed tokens (B, n, dim) those of queries, keys and values that are `wanted`, (B, heads, n, d) each."""

    @abstractmethod
    def leave(self, mixed: torch.Tensor) -> torch.Tensor:
        """What mixed values (B, n, dim) add to the tokens."""

    @abstractmethod
    def mlp(self, x: torch.Tensor, given: Mapping[str, Any]) -> torch.Tensor:
        """What the norm before the MLP and the MLP add to tokens; given: further arguments of the block's call."""

    @property
    def dropout(self) -> float:
        """The rate at which attention weights are dropped now."""
        return 0.0

    def example(self) -> dict[str, Any]:
        """Arguments that the block needs beside its tokens, for a trial."""
        return {}

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        """What a call gives to the block beside its tokens, and `mlp` uses; ValueError for what it cannot heed."""
        asked = [*map(str, range(1, 1 + len(args))), *kwargs]
        values = [*args, *kwargs.values()]
        heeded = [name for name, value in zip(asked, values, strict=True) if isinstance(value, torch.Tensor)]
        if heeded:
            raise ValueError(f"argument {', '.join(heeded)} of a block that a reduction acts in: leave it out")
        return {}

    def attend(
        self, x: torch.Tensor, mask: torch.Tensor | None, *, need_weights: bool = False
    ) -> tuple[torch.Tensor, Attended]:
        """What the attention adds to tokens (B, n, dim), and its inside; mask as in our own `Attention`."""
        q, k, v = self.project(self.norm(x))
        dropout = self.dropout
        mixed, attn = attend(q, k, v, mask, scale=self.scale, need_weights=need_weights, dropout=dropout)
        return self.leave(mixed.transpose(1, 2).flatten(2)), attn

    @torch.no_grad()
    def look(self, queries: torch.Tensor, keys: torch.Tensor) -> torch.Tensor:
        """Attention of tokens (B, m, dim) over tokens (B, n, dim), mean over the heads: (B, m, n)."""
        dtype = next(self.module.parameters()).dtype
        with as_given(queries.device):
            (q,) = self.project(self.norm(queries.to(dtype)), "q")
            (k,) = self.project(self.norm(keys.to(dtype)), "k")
            return ((wide(q) * self.scale) @ wide(k).transpose(2, 3)).softmax(dim=3).mean(dim=1)

    def split(self, x: torch.Tensor) -> torch.Tensor:
        """(B, n, dim) -> (B, heads, n, dim / heads)"""
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


def part_of(linear: nn.Linear, x: torch.Tensor, part: int, parts: int = 3) -> torch.Tensor:
    """One of the equal parts of a linear layer's output, the others not computed."""
    bias = None if linear.bias is None else linear.bias.chunk(parts)[part]
    return F.linear(x, linear.weight.chunk(parts)[part], bias)


def has(module: object, *paths: str) -> bool:
    """Whether a module has all of these attributes, "attn.qkv" among them, none of them None."""
    for path in paths:
        found: object = module
        for name in path.split("."):
            found = getattr(found, name, None)
        if found is None:
            return False
    return True
