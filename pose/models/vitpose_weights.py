"""ViTPose's public weights: the original checkpoints', Hugging Face's and ViTPose+'s names, translated to ours."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from math import isqrt, prod
from pathlib import Path
from typing import Any

import torch
from torch.nn import functional as F

from ..datasets.descriptor import TALL
from ..errors import InputError
from ..files import read_text
from .architectures import MODELS, Architecture
from .model import PoseModel

#: a data set's place among the six that ViTPose+ was trained on (arXiv 2212.04246)
EXPERTS = {"coco": 0, "mpii": 2}

_FROM_HUGGING_FACE = (
    (r"backbone\.embeddings\.position_embeddings", r"backbone.pos_embed"),
    (r"backbone\.embeddings\.patch_embeddings\.projection\.(.*)", r"backbone.patch_embed.proj.\1"),
    (
        r"backbone\.encoder\.layer\.(\d+)\.attention\.attention\.(query|key|value)\.(.*)",
        r"backbone.blocks.\1.attn.\2.\3",
    ),
    (r"backbone\.encoder\.layer\.(\d+)\.attention\.output\.dense\.(.*)", r"backbone.blocks.\1.attn.proj.\2"),
    (r"backbone\.encoder\.layer\.(\d+)\.layernorm_before\.(.*)", r"backbone.blocks.\1.norm1.\2"),
    (r"backbone\.encoder\.layer\.(\d+)\.layernorm_after\.(.*)", r"backbone.blocks.\1.norm2.\2"),
    (r"backbone\.encoder\.layer\.(\d+)\.mlp\.experts\.(?:experts\.)?(.*)", r"backbone.blocks.\1.mlp.experts.\2"),
    (r"backbone\.encoder\.layer\.(\d+)\.mlp\.(.*)", r"backbone.blocks.\1.mlp.\2"),
    (r"backbone\.layernorm\.(.*)", r"backbone.last_norm.\1"),
    (r"head\.deconv1\.(.*)", r"keypoint_head.deconv_layers.0.\1"),
    (r"head\.batchnorm1\.(.*)", r"keypoint_head.deconv_layers.1.\1"),
    (r"head\.deconv2\.(.*)", r"keypoint_head.deconv_layers.3.\1"),
    (r"head\.batchnorm2\.(.*)", r"keypoint_head.deconv_layers.4.\1"),
    (r"head\.conv\.(.*)", r"keypoint_head.final_layer.\1"),
)
_TO_ORIGINAL = (
    (r"transformer\.position_table", r"backbone.pos_embed"),
    (r"transformer\.patch_embedding\.projection\.(.*)", r"backbone.patch_embed.proj.\1"),
    (r"transformer\.blocks\.(\d+)\.attention_norm\.(.*)", r"backbone.blocks.\1.norm1.\2"),
    (r"transformer\.blocks\.(\d+)\.attention\.to_qkv\.(.*)", r"backbone.blocks.\1.attn.qkv.\2"),
    (r"transformer\.blocks\.(\d+)\.attention\.to_out\.(.*)", r"backbone.blocks.\1.attn.proj.\2"),
    (r"transformer\.blocks\.(\d+)\.mlp_norm\.(.*)", r"backbone.blocks.\1.norm2.\2"),
    (r"transformer\.blocks\.(\d+)\.mlp\.0\.(.*)", r"backbone.blocks.\1.mlp.fc1.\2"),
    (r"transformer\.blocks\.(\d+)\.mlp\.2\.(.*)", r"backbone.blocks.\1.mlp.fc2.\2"),
    (r"transformer\.norm\.(.*)", r"backbone.last_norm.\1"),
    (r"decoder\.upsampling\.(.*)", r"keypoint_head.deconv_layers.\1"),
    (r"decoder\.final\.(.*)", r"keypoint_head.final_layer.\1"),
)
_EXPERT = re.compile(r"(backbone\.blocks\.\d+\.mlp)\.experts\.(\d+)\.(.*)")
_OTHER_HEAD = re.compile(r"associate_keypoint_heads\.(\d+)\.(.*)")


def original_name(name: str) -> str:
    """The name that ViTPose's own code gives to our state-dict entry `name`."""
    return _renamed(name, _TO_ORIGINAL)


def is_vitpose(given: Mapping[str, torch.Tensor]) -> bool:
    """Whether these are ViTPose's weights, under whichever names."""
    return any(
        name.startswith(("backbone.patch_embed.", "backbone.embeddings.", "transformer.blocks.")) for name in given
    )


def to_original(given: Mapping[str, torch.Tensor], expert: int = 0) -> dict[str, torch.Tensor]:
    """Entries under the original names, whatever names they come with; what is not known keeps its name.

    Queries, keys and values are joined; of several experts `expert` is taken, with its head where the file has one; the
    class token, which nothing reads, is left out.

    Raises:
        InputError: there is no such expert.
    """
    renamed = {original_name(_renamed(name, _FROM_HUGGING_FACE)): tensor for name, tensor in given.items()}
    renamed.pop("backbone.cls_token", None)
    _join_qkv(renamed)
    _choose_expert(renamed, expert)
    heads = {match[0]: match for name in renamed if (match := _OTHER_HEAD.fullmatch(name))}
    own = {f"keypoint_head.{match[2]}": renamed[name] for name, match in heads.items() if int(match[1]) == expert - 1}
    return {name: tensor for name, tensor in renamed.items() if name not in heads} | own


def _renamed(name: str, rules: tuple[tuple[str, str], ...]) -> str:
    for pattern, replacement in rules:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement)
    return name


def _join_qkv(entries: dict[str, torch.Tensor]) -> None:
    for name in [name for name in entries if ".attn.query." in name]:
        parts = [name.replace(".query.", f".{part}.") for part in ("query", "key", "value")]
        if all(part in entries for part in parts):
            entries[name.replace(".query.", ".qkv.")] = torch.cat([entries.pop(part) for part in parts])


def _choose_expert(entries: dict[str, torch.Tensor], expert: int) -> None:
    """The last channels of each MLP come from an expert: its rows are put below the shared ones (section 3.3)."""
    matches = [match for name in entries if (match := _EXPERT.fullmatch(name))]
    if not matches:
        return
    numbers = sorted({int(match[2]) for match in matches})
    if expert not in numbers:
        raise InputError(f"expert {expert}: the weights hold those from {numbers[0]} to {numbers[-1]}")
    for match in matches:
        part = entries.pop(match[0])
        shared = f"{match[1]}.fc2.{match[3]}"
        if int(match[2]) == expert and shared in entries:
            entries[shared] = torch.cat((entries[shared], part))


@dataclass(frozen=True)
class WeightsConfig:
    """What weights say of their model. grid: rows and columns of the position table, None where it does not tell."""

    name: str
    decoder: str
    keypoints: int
    grid: tuple[int, int] | None
    patch: tuple[int, int]

    def __str__(self) -> str:
        size = "" if self.input_size is None else ", {}x{}".format(*self.input_size)
        return f"{self.name} ({self.decoder} decoder, {self.keypoints} keypoints{size})"

    @property
    def input_size(self) -> tuple[int, int] | None:
        """(height, width) px, where the grid is known."""
        return self.grid and (self.grid[0] * self.patch[0], self.grid[1] * self.patch[1])


def read_config(original: Mapping[str, torch.Tensor]) -> WeightsConfig | None:
    """The configuration, from the shapes of entries under the original names; None where no known size has them."""
    try:
        dim, _, *patch = original["backbone.patch_embed.proj.weight"].shape
        rows = original["backbone.pos_embed"].shape[1] - 1
        final = original["keypoint_head.final_layer.weight"]
        hidden = original["backbone.blocks.0.mlp.fc1.weight"].shape[0]
    except (KeyError, ValueError, IndexError):
        return None
    depth = len({name.split(".")[2] for name in original if name.startswith("backbone.blocks.")})
    decoder = "classic" if any(name.startswith("keypoint_head.deconv_layers.") for name in original) else "simple"
    sizes = (dim, depth, hidden, tuple(patch))
    names = [name for name, a in MODELS.items() if a.decoder and sizes == _sizes(a)]
    return WeightsConfig(names[0], decoder, final.shape[0], _grid(rows), tuple(patch)) if names else None


def _sizes(architecture: Architecture) -> tuple[Any, ...]:
    hidden = architecture.dim * architecture.mlp_ratio
    return architecture.dim, architecture.depth, hidden, architecture.patch[TALL]


def _grid(tokens: int) -> tuple[int, int] | None:
    """The grid of so many tokens: square, or three quarters as wide as high, the shapes that ViTPose comes in."""
    side = isqrt(tokens)
    unit = isqrt(tokens // 12)
    if side * side == tokens:
        return side, side
    return (4 * unit, 3 * unit) if 12 * unit * unit == tokens else None


def check_config_file(folder: Path, name: str) -> tuple[int, int] | None:
    """Hold a Hugging Face config.json beside the weights against a model; returns the grid that it states, if any.

    What shapes cannot tell is compared: heads, activation, the decoder's factor. Raises InputError where it differs, or
    where the file is no such configuration. (Its norms' epsilon of 1e-12 is not: the weights were trained with 1e-6.)
    """
    file = folder / "config.json"
    if not file.is_file():
        return None
    try:
        config = json.loads(read_text(file))
        backbone = config.get("backbone_config") or {}
        size, patch = backbone.get("image_size"), backbone.get("patch_size", [16, 16])
        grid = None if size is None else tuple(int(s) // int(p) for s, p in zip(size, patch, strict=True))
    except (OSError, ValueError, AttributeError, TypeError, ArithmeticError, RecursionError) as error:
        raise InputError(f"{file}: not the configuration of a ViTPose model ({type(error).__name__})") from None
    # What is left out there means the default of Hugging Face's class.
    stated = {
        "num_attention_heads": (backbone.get("num_attention_heads", 12), MODELS[name].heads),
        "hidden_act": (backbone.get("hidden_act", "gelu"), "gelu"),
        "scale_factor": (config.get("scale_factor", 4), 4),
    }
    for key, (value, wanted) in stated.items():
        if value != wanted:
            raise InputError(f"{file}: {key} is {value!r}, and {name} has {wanted!r}")
    return grid


def to_ours(
    given: Mapping[str, torch.Tensor],
    model: PoseModel,
    *,
    expert: int | None = None,
    grid: tuple[int, int] | None = None,
) -> dict[str, torch.Tensor]:
    """Entries under the names of `model`, the position table interpolated where it is of another grid.

    expert: of ViTPose+, by default the one of the model's data set. grid: that the table is for, by default told from
    its length: square or 4 x 3, as ViTPose's are. Raises InputError for an expert that is not there.
    """
    original = to_original(given, EXPERTS.get(model.spec.dataset, 0) if expert is None else expert)
    table = original.get("backbone.pos_embed")
    if table is not None and table.dim() == 3 and table.shape[1] > 1:
        of_model = model.spec.grid
        own = "transformer.position_table" in given and table.shape[1] - 1 == prod(of_model)
        grid = of_model if own else grid or _grid(table.shape[1] - 1)
        if grid not in (None, of_model) and prod(grid) == table.shape[1] - 1:
            original["backbone.pos_embed"] = resize_positions(table, grid, of_model)
    names = {original_name(name): name for name in model.state_dict()}
    return {names.get(name, name): tensor for name, tensor in original.items()}


def resize_positions(table: torch.Tensor, source: tuple[int, int], target: tuple[int, int]) -> torch.Tensor:
    """A position table (1, 1 + N, d) for another grid, bicubic as in the original code; the first row stays."""
    first, rest = table[:, :1], table[:, 1:]
    picture = rest.transpose(1, 2).unflatten(2, source).float()
    picture = F.interpolate(picture, size=target, mode="bicubic", align_corners=False)
    return torch.cat((first, picture.flatten(2).transpose(1, 2).to(first.dtype)), dim=1)
