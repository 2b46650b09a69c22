"""Weights laid out as oneDNN's kernels read them, once instead of at each call. For float32 on a CPU.

torch's own linear layers give plain weights to the BLAS that it was built with; these use the operators that
torch.compile uses. On an AMD processor with AVX-512 they are twice as fast, as MKL does not use it there.
"""

from __future__ import annotations

import torch
from torch import nn


def can_pack() -> bool:
    """Whether this torch has the operators."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


class PackedLinear(nn.Module):
    """A linear layer. tokens: about how many rows it will be given at a time; any other number is right, too."""

    def __init__(self, linear: nn.Linear, tokens: int):
        super().__init__()
        vars(self).update(_about(linear))
        self.packed = torch.ops.mkldnn._reorder_linear_weight(linear.weight.detach(), tokens)
        self.bias = linear.bias

    @property
    def weight(self) -> torch.Tensor:
        """(out, in), as it was."""
        return self.packed.to_dense()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, "none", [], "")


class PackedConvolution(nn.Module):
    """A convolution of images (B, C, H, W) of about the size of `example`."""

    def __init__(self, convolution: nn.Conv2d, example: torch.Size):
        super().__init__()
        vars(self).update(_about(convolution))
        self.how = (convolution.padding, convolution.stride, convolution.dilation, convolution.groups)
        weight = convolution.weight.detach()
        self.packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.how, list(example))
        self.bias = convolution.bias

    @property
    def weight(self) -> torch.Tensor:
        """(out, in / groups, height, width), as it was."""
        return self.packed.to_dense()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.ops.mkldnn._convolution_pointwise(x, self.packed, self.bias, *self.how, "none", [], "")


def _about(layer: nn.Module) -> dict[str, object]:
    """What a layer says of itself beside its weights, such as its sizes: networks ask for it."""
    return {name: value for name, value in vars(layer).items() if not name.startswith("_")}


@torch.no_grad()
def pack_weights(module: nn.Module, *inputs: object) -> nn.Module:
    """Change a module in evaluation mode: its linear layers and 2-D convolutions that the example `inputs` pass through
    are replaced by packed ones. Returns the module. Where torch cannot, nothing changes."""
    if not can_pack():
        return module
    shapes: dict[nn.Module, torch.Size] = {}
    layers = [m for m in module.modules() if _can_be_packed(m)]

    def see(layer: nn.Module, given: tuple[torch.Tensor, ...]) -> None:
        shapes[layer] = given[0].shape

    hooks = [layer.register_forward_pre_hook(see) for layer in layers]
    try:
        module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    packed: dict[nn.Module, nn.Module] = {}
    for layer, shape in shapes.items():
        if isinstance(layer, nn.Linear):
            packed[layer] = PackedLinear(layer, shape[:-1].numel())
        elif len(shape) == 4:  # the operator takes no single image
            packed[layer] = PackedConvolution(layer, shape)
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if child in packed:
                setattr(parent, name, packed[child])
    return module


def _can_be_packed(layer: nn.Module) -> bool:
    weight = getattr(layer, "weight", None)
    if not isinstance(weight, nn.Parameter) or weight.dtype != torch.float32 or weight.device.type != "cpu":
        return False
    if type(layer) is nn.Conv2d:
        return layer.padding_mode == "zeros" and not isinstance(layer.padding, str)
    return type(layer) is nn.Linear
