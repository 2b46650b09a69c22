"""A plain vision transformer of any size, for claims about networks that posebench does not have; only counted."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F

from ...pose.errors import InputError
from ...pose.models.patch import patch
from ...pose.reductions import ReductionConfig
from ...pose.reductions.params import parse_reduction
from ..counting.meta import empty_parameters

NAME = "plain_vit"
DEEPEST = 1000  # blocks


@dataclass(frozen=True)
class PlainVit:
    """Sizes: `depth` blocks of `dim` channels and `heads` heads on patches of `patch` px; class_token: how many stand
    in front; classes: outputs of a linear layer on the first of them, 0 for none. reduction: put in by
    `posebench.patch`. drop_before: blocks before which tokens are dropped by the model itself, left: to how many, the
    class token among them. fused: whether the attention is torch's fused one, or its products are made with @.
    """

    dim: int
    depth: int
    heads: int
    input_size: tuple[int, int]
    reduction: ReductionConfig
    patch: int = 16
    mlp_ratio: int = 4
    class_token: int = 0
    classes: int = 0
    fused: int = 0
    drop_before: tuple[int, ...] = ()
    left: tuple[int, ...] = ()

    def make(self) -> nn.Module:
        """The network, without values."""
        with empty_parameters():
            model = _Vit(self).eval()
            patch(model, self.reduction, restore=False)
        return model


def read_plain_vit(text: str, input_size: tuple[int, int] | None, reduction: ReductionConfig) -> PlainVit | None:
    """The network of "plain_vit(dim=384, depth=12, heads=6)"; None for any other name. InputError for other keys."""
    name, given = parse_reduction(text)
    if name != NAME:
        return None
    known = {item.name for item in fields(PlainVit)} - {"input_size", "reduction"}
    if given.keys() - known or {"dim", "depth", "heads"} - given.keys() or input_size is None:
        wants = "an input_size" if input_size is None else f"give dim, depth, heads, and of {', '.join(sorted(known))}"
        raise InputError(f"{text!r}: {wants}")
    sizes = {name: _whole_numbers(f"{text!r}: {name}", value) for name, value in given.items()}
    several: dict[str, Any] = {name: sizes.pop(name) for name in ("drop_before", "left") if name in sizes}
    if more := [name for name, value in sizes.items() if len(value) > 1]:
        raise InputError(f"{text!r}: {more[0]} is one number")
    single: dict[str, Any] = {name: value[0] for name, value in sizes.items()}
    if len({len(value) for value in several.values()}) > 1 or single["dim"] % single["heads"]:
        raise InputError(f"{text!r}: drop_before and left go together, and heads divide dim")
    if single["depth"] > DEEPEST or max(several.get("drop_before", (0,))) >= single["depth"]:
        raise InputError(f"{text!r}: depth is at most {DEEPEST}, and drop_before below it")
    if single.get("patch", PlainVit.patch) > min(input_size):
        raise InputError(f"{text!r}: its patches are larger than the images, {input_size[0]}x{input_size[1]}")
    return PlainVit(**single, **several, input_size=input_size, reduction=reduction)


def _whole_numbers(where: str, text: str) -> tuple[int, ...]:
    parts = text.split("|")
    if not all(part.isdecimal() and int(part) > 0 and len(part) < 6 for part in parts):
        raise InputError(f"{where} {text!r}: give whole numbers from 1 on")
    return tuple(map(int, parts))


class _Vit(nn.Module):
    """Under the names that timm gives, so that reductions can be put in."""

    def __init__(self, size: PlainVit):
        super().__init__()
        self.patch_embed = _Patches(size)
        tokens = self.patch_embed.grid_size[0] * self.patch_embed.grid_size[1] + size.class_token
        self.num_prefix_tokens = size.class_token
        self.left = dict(zip(size.drop_before, size.left, strict=True))
        self.cls_token = nn.Parameter(torch.empty(1, size.class_token, size.dim))
        self.pos_embed = nn.Parameter(torch.empty(1, tokens, size.dim))
        self.blocks = nn.Sequential(*(_Block(size) for _ in range(size.depth)))
        self.norm = nn.LayerNorm(size.dim)
        self.head = nn.Linear(size.dim, size.classes) if size.classes else nn.Identity()

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        x = self.patch_embed(images)
        x = torch.cat((self.cls_token.expand(len(x), -1, -1), x), dim=1) + self.pos_embed
        for number, block in enumerate(self.blocks):
            x = block(x[:, : self.left.get(number)])
        x = self.norm(x)
        return self.head(x[:, 0] if self.num_prefix_tokens else x)


class _Patches(nn.Module):
    def __init__(self, size: PlainVit):
        super().__init__()
        self.patch_size = (size.patch, size.patch)
        self.grid_size = (size.input_size[0] // size.patch, size.input_size[1] // size.patch)
        self.proj = nn.Conv2d(3, size.dim, size.patch, size.patch)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.proj(images).flatten(2).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, size: PlainVit):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(size.dim), nn.LayerNorm(size.dim)
        self.attn = _Attention(size)
        hidden = size.mlp_ratio * size.dim
        self.mlp = nn.Sequential(nn.Linear(size.dim, hidden), nn.GELU(), nn.Linear(hidden, size.dim))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = x + self.attn(self.norm1(x))
        return x + self.mlp(self.norm2(x))


class _Attention(nn.Module):
    def __init__(self, size: PlainVit):
        super().__init__()
        self.num_heads, self.scale, self.fused = size.heads, (size.dim // size.heads) ** -0.5, size.fused
        self.qkv, self.proj = nn.Linear(size.dim, 3 * size.dim), nn.Linear(size.dim, size.dim)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = (part.unflatten(2, (self.num_heads, -1)).transpose(1, 2) for part in self.qkv(x).chunk(3, dim=2))
        if self.fused:
            mixed = F.scaled_dot_product_attention(q, k, v)
        else:
            mixed = (q * self.scale @ k.transpose(2, 3)).softmax(dim=3) @ v
        return self.proj(mixed.transpose(1, 2).flatten(2))
