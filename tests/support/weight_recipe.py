"""Made-up weights that depend on each entry's reference name alone, and the input that goes with them."""

import zlib

import numpy as np
import torch

from posebench.pose.models.weights import reference_name


def draw(name, shape):
    """The recipe of the reference measurements: float32 array for a floating state-dict entry."""
    v = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape, dtype=np.float32).astype(np.float64)
    if name.endswith("running_var"):
        v = 1 + 0.1 * np.abs(v)
    elif name.endswith("running_mean"):
        v = 0.1 * v
    elif v.ndim == 1 and name.endswith(".weight"):
        v = 1 + 0.1 * v
    elif name.endswith(".bias"):
        v = 0.02 * v
    elif v.ndim == 4:
        v = (v - v.mean(axis=(1, 2, 3), keepdims=True)) * np.sqrt(1 / np.prod(shape[1:]))
    elif v.ndim == 2:
        gain = 2 if name.endswith("to_qkv.weight") else 4 if name.endswith("patch_to_embedding.weight") else 1
        v = gain * v / np.sqrt(shape[1])
    else:
        v = 0.02 * v
    return torch.from_numpy(v.astype(np.float32))


def reference_state_dict(model):
    """A whole state dict under the references' names."""
    learnable = model.spec.position_type == "learnable"
    state = {}
    for ours, tensor in model.state_dict().items():
        name = reference_name(ours, model)
        if not tensor.is_floating_point():
            state[name] = torch.zeros_like(tensor)
        elif name.endswith("pos_embedding") and not learnable:
            state[name] = tensor.clone()
        else:
            state[name] = draw(name, tuple(tensor.shape))
    return state


def made_up_images(seed, height, width):
    return torch.from_numpy(np.random.default_rng(seed).standard_normal((2, 3, height, width), dtype=np.float32))
