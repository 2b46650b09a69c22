"""ViTPose's reference measurements: made-up weights by original name, their Hugging Face names, subsampled numbers."""

import json
import zlib
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import save_file

from posebench.pose.models.vitpose_weights import original_name

DATA = Path(__file__).resolve().parents[1] / "data" / "reference_vitpose.npz"


def draw(name, shape):
    """The reference's recipe: a float32 tensor for an entry under its original name."""
    v = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32).astype(np.float64)
    if name.endswith("running_var"):
        v = 1 + 0.1 * np.abs(v)
    elif name.endswith("running_mean"):
        v = 0.1 * v
    elif v.ndim == 1 and name.endswith(".weight"):
        v = 1 + 0.1 * v
    elif name.endswith(".bias"):
        v = 0.02 * v
    elif v.ndim == 4 and ".deconv_layers." in name:
        v = (v - v.mean(axis=(0, 2, 3), keepdims=True)) * np.sqrt(2 / (4 * shape[0]))
    elif v.ndim == 4:
        gain = 1 if "patch_embed" in name else 1.5 if shape[2] == 1 else 2.25
        v = (v - v.mean(axis=(1, 2, 3), keepdims=True)) * gain * np.sqrt(1 / np.prod(shape[1:]))
    elif v.ndim == 2:
        v = (1.5 if name.endswith("attn.qkv.weight") else 1) * v / np.sqrt(shape[1])
    else:
        v = 0.02 * v
    return torch.from_numpy(v.astype(np.float32))


def made_up_weights(model):
    """A whole state dict under the original names."""
    entries = {original_name(name): tensor for name, tensor in model.state_dict().items()}
    return {n: draw(n, tuple(t.shape)) if t.is_floating_point() else torch.zeros_like(t) for n, t in entries.items()}


_HEAD = {
    "deconv_layers.0": "deconv1", "deconv_layers.1": "batchnorm1", "deconv_layers.3": "deconv2",
    "deconv_layers.4": "batchnorm2", "final_layer": "conv",
}  # fmt: skip
_BLOCK = {
    "norm1": "layernorm_before", "norm2": "layernorm_after", "attn.proj": "attention.output.dense",
    "mlp.fc1": "mlp.fc1", "mlp.fc2": "mlp.fc2",
}  # fmt: skip


def hugging_face(original):
    """The same entries as `VitPoseForPoseEstimation` names and splits them."""
    named = {}
    for name, tensor in original.items():
        stem, kind = name.rsplit(".", 1)
        if stem.startswith("keypoint_head."):
            named[f"head.{_HEAD[stem.removeprefix('keypoint_head.')]}.{kind}"] = tensor
        elif stem.startswith("backbone.blocks."):
            _, _, block, part = stem.split(".", 3)
            layer = f"backbone.encoder.layer.{block}"
            if part == "attn.qkv":
                for which, rows in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                    named[f"{layer}.attention.attention.{which}.{kind}"] = rows.clone()
            else:
                named[f"{layer}.{_BLOCK[part]}.{kind}"] = tensor
        elif name == "backbone.pos_embed":
            named["backbone.embeddings.position_embeddings"] = tensor
        else:
            other = {"backbone.patch_embed.proj": "embeddings.patch_embeddings.projection"}.get(stem, "layernorm")
            named[f"backbone.{other}.{kind}"] = tensor
    return named


def write_folder(folder, original, **config):
    """A Hugging Face folder of entries under their original names."""
    folder.mkdir()
    save_file({n: t.contiguous() for n, t in hugging_face(original).items()}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps(config))
    return folder
