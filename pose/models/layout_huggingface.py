"""The layouts of Hugging Face's vision transformers: `ViTModel` and its kin, `VitPoseBackbone`, DINOv2.

From one release of transformers to the next the same modules have other names; each is known by all that it had.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from .layouts import Layout, Sites
from .patched_block import PatchedBlock, has

_QKV = (
    ("attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.o_proj"),
    ("attention.attention.query", "attention.attention.key", "attention.attention.value", "attention.output.dense"),
)
_NORMS = (("layernorm_before", "layernorm_after"), ("norm1", "norm2"))


class HuggingFaceBlock(PatchedBlock):
    """A layer of an encoder. Its MLP is `mlp`, or `intermediate` and an `output` that adds the residual itself."""

    def __init__(self, module: nn.Module):
        self.module = module
        self.projections, self.norms = _names(module)
        inner = getattr(module.attention, "attention", None)
        self.attention = module.attention if inner is None else inner
        self.heads = self.attention.num_attention_heads
        query = module.get_submodule(self.projections[0])
        self.width = query.in_features
        self.scale = getattr(self.attention, "scaling", (query.out_features // self.heads) ** -0.5)

    def norm(self, x: torch.Tensor) -> torch.Tensor:
        return self.module.get_submodule(self.norms[0])(x)

    def project(self, x: torch.Tensor, wanted: str = "qkv") -> list[torch.Tensor]:
        return [self.split(self.module.get_submodule(self.projections["qkv".index(part)])(x)) for part in wanted]

    def leave(self, mixed: torch.Tensor) -> torch.Tensor:
        out = self.module.get_submodule(self.projections[3])(mixed)
        drop = "attention.output.dropout" if has(self.module, "attention.output.dropout") else "dropout"
        return self._through(out, drop, "layer_scale1", "drop_path")

    def mlp(self, x: torch.Tensor, given: Mapping[str, Any]) -> torch.Tensor:
        normed = self.module.get_submodule(self.norms[1])(x)
        if has(self.module, "mlp"):
            return self._through(self.module.mlp(normed, **given), "dropout", "layer_scale2", "drop_path")
        return self._through(self.module.output.dense(self.module.intermediate(normed)), "output.dropout")

    @property
    def dropout(self) -> float:
        rate = getattr(self.attention, "attention_dropout", getattr(self.attention, "dropout_prob", 0.0))
        return float(rate) if self.attention.training else 0.0

    @property
    def _experts(self) -> bool:
        """Whether the MLP has several (ViTPose+), and each call says which one is meant."""
        return getattr(self.module, "num_experts", 1) > 1

    def example(self) -> dict[str, Any]:
        return {"dataset_index": torch.tensor([0])} if self._experts else {}

    def arguments(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> dict[str, Any]:
        if not self._experts:
            return super().arguments(args, kwargs)
        return {"indices": args[0] if args else kwargs["dataset_index"]}

    def _through(self, x: torch.Tensor, *paths: str) -> torch.Tensor:
        """x after those of its modules that this layer has."""
        for path in paths:
            if has(self.module, path):
                x = self.module.get_submodule(path)(x)
        return x


def _names(layer: nn.Module) -> tuple[tuple[str, ...], tuple[str, str]] | None:
    """The paths of queries, keys, values and output, and of the two norms; None where it is no such layer."""
    projections = next((paths for paths in _QKV if has(layer, *paths)), None)
    norms = next((paths for paths in _NORMS if has(layer, *paths)), None)
    heads = has(layer, "attention.num_attention_heads") or has(layer, "attention.attention.num_attention_heads")
    whole = has(layer, "mlp") or has(layer, "intermediate", "output.dense")
    return (projections, norms) if projections and norms and heads and whole else None


def find(module: nn.Module) -> Sites | None:
    """Where a reduction goes in a model with `embeddings` beside its layers; None for any other module."""
    if not has(module, "embeddings.patch_embeddings"):
        return None
    paths = ("layers", "layer", "encoder.layer", "encoder.layers")
    layers = next((module.get_submodule(path) for path in paths if has(module, path)), ())
    if not len(layers) or not all(_names(layer) for layer in layers):
        return None
    embeddings, patches = module.embeddings, module.embeddings.patch_embeddings
    tokens = (getattr(embeddings, name, None) for name in ("cls_token", "distillation_token", "register_tokens"))
    size, cell = (_pair(getattr(patches, name, None)) for name in ("image_size", "patch_size"))
    return Sites(
        tuple(HuggingFaceBlock(layer) for layer in layers),
        sum(token.shape[1] for token in tokens if token is not None),
        (size[0] // cell[0], size[1] // cell[1]) if size and cell else None,
        cell or (1, 1),
        patches,
    )


def _pair(size: Any) -> tuple[int, int] | None:
    if size is None or isinstance(size, int):
        return size and (size, size)
    return tuple(size)


LAYOUT = Layout(
    "huggingface",
    "embeddings.patch_embeddings beside layers with layernorm_before, attention.q_proj or attention.attention.query, "
    "layernorm_after, and mlp or intermediate",
    find,
)
