"""Batch norms as a part of the convolution before them, in any module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights
from torch.overrides import TorchFunctionMode

_PRODUCTS = {
    torch.conv1d, torch.conv2d, torch.conv3d, F.linear,
    torch.conv_transpose1d, torch.conv_transpose2d, torch.conv_transpose3d,
}  # fmt: skip
_KINDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_QUESTIONS = (int, torch.Size, torch.dtype, torch.device)  # what a tensor is, not what is in it
_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)


class _Uses(TorchFunctionMode):
    """Which tensors are made by which weight, and what reads them, during a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.made: dict[int, torch.nn.Parameter] = {}  # output -> the weight that made it
        self.norms: dict[int, torch.Tensor] = {}  # input of a batch norm -> its running mean
        self.reads: Counter[int] = Counter()
        self.alive: list[Any] = []  # so that no two tensors share an id

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        if isinstance(output, _QUESTIONS):
            return output
        self.reads.update(id(tensor) for tensor in _tensors((args, kwargs)))
        self.alive += [args, kwargs, output]
        if function in _PRODUCTS and len(args) > 1 and isinstance(args[1], nn.Parameter):
            if output.dim() == args[1].dim():  # else a norm, over dimension 1, is not over what it makes
                self.made[id(output)] = args[1]
        elif function is F.batch_norm and isinstance(args[1], torch.Tensor):
            self.norms[id(args[0])] = args[1]
        return output

    def read_once(self, *tensors: torch.Tensor | None) -> bool:
        """Whether nothing was done with any of them but the one thing that was seen."""
        return all(self.reads[id(tensor)] == 1 for tensor in tensors if tensor is not None)


def _tensors(value: Any) -> Iterable[torch.Tensor]:
    if isinstance(value, torch.Tensor):
        yield value
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _tensors(item)
    elif isinstance(value, dict):
        yield from _tensors(tuple(value.values()))


@torch.no_grad()
def fold_batch_norms(module: nn.Module, *inputs: Any) -> int:
    """Change a module in evaluation mode: each batch norm that alone reads what one convolution or linear layer makes
    goes into its weights, and an identity stands in its place. Returns how many did.

    Which these are is seen in a pass over the example `inputs`, not read from names: a norm whose layer is run twice,
    or whose input something else reads too, stays; and so it does where something else reads a weight of either.
    """
    uses = _Uses()
    with uses:
        module(*inputs)
    layers = {id(m.weight): m for m in module.modules() if type(m) in _KINDS}
    norms = [m for m in module.modules() if isinstance(m, nn.modules.batchnorm._BatchNorm)]
    of_mean = {id(norm.running_mean): norm for norm in norms if norm.running_mean is not None}
    folded = {}
    for output, weight in uses.made.items():
        mean = uses.norms.get(output)
        layer, norm = layers.get(id(weight)), of_mean.get(id(mean))
        if layer is None or norm is None or norm.training or _is_watched(layer, norm):
            continue
        parameters = weight, layer.bias, mean, norm.running_var, norm.weight, norm.bias
        if uses.reads[output] != 1 or not uses.read_once(*parameters):
            continue
        if type(layer) in _TRANSPOSED and layer.groups > 1:
            continue
        _fold(layer, norm)
        folded[norm] = nn.Identity()
    for parent in list(module.modules()):
        for name, child in parent.named_children():
            if child in folded:
                setattr(parent, name, folded[child])
    return len(folded)


def _is_watched(*modules: nn.Module) -> bool:
    """Whether somebody has hooked a module, and so may change or want what it makes."""
    return any(module._forward_hooks or module._forward_pre_hooks for module in modules)


def _fold(layer: nn.Module, norm: nn.modules.batchnorm._BatchNorm) -> None:
    mean, variance = norm.running_mean, norm.running_var
    weight = torch.ones_like(variance) if norm.weight is None else norm.weight
    statistics = mean, variance, norm.eps, weight, torch.zeros_like(mean) if norm.bias is None else norm.bias
    if isinstance(layer, nn.Linear):
        layer.weight, layer.bias = fuse_linear_bn_weights(layer.weight, layer.bias, *statistics)
    else:
        transposed = type(layer) in _TRANSPOSED
        layer.weight, layer.bias = fuse_conv_bn_weights(layer.weight, layer.bias, *statistics, transposed)
