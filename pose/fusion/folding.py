"""Batch norms as a part of the convolution before them, in any module."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights
from torch.overrides import TorchFunctionMode

_TRANSPOSED = (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d)
_KINDS = (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.Linear, *_TRANSPOSED)
_QUESTIONS = (int, torch.Size, torch.dtype, torch.device)  # what a tensor is, not what is in it


class _Reads(TorchFunctionMode):
    """How often each tensor is read during a forward pass."""

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[int] = Counter()
        self.alive: list[Any] = []  # so that no two tensors share an id

    def __torch_function__(
        self, function: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: Any = None
    ) -> Any:
        kwargs = kwargs or {}
        output = function(*args, **kwargs)
        if not isinstance(output, _QUESTIONS):
            self.counts.update(id(tensor) for tensor in _tensors((args, kwargs)))
            self.alive += [args, kwargs, output]
        return output


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
    goes into its weights, and becomes an identity. Returns how many did.

    Which these are is seen in a pass over the example `inputs`, not read from names: a norm whose layer is run twice,
    or whose input something else reads too, stays; and so it does where something else reads a weight of either.
    """
    made: dict[int, nn.Module] = {}  # output -> the layer that made it
    taken: dict[int, _BatchNorm] = {}  # input -> the norm that was given it
    reads, hooks = _Reads(), []

    def note_output(layer: nn.Module, given: Any, output: torch.Tensor) -> None:
        if output.dim() == layer.weight.dim():  # else a norm, over dimension 1, is not over what it makes
            made[id(output)] = layer

    def note_input(norm: _BatchNorm, given: tuple[torch.Tensor, ...]) -> None:
        taken.update((id(tensor), norm) for tensor in given)

    for part in module.modules():
        if part._forward_hooks or part._forward_pre_hooks:
            continue  # somebody may change or want what it makes
        if type(part) in _KINDS and not (isinstance(part, _TRANSPOSED) and part.groups > 1):
            hooks.append(part.register_forward_hook(note_output))
        elif isinstance(part, _BatchNorm) and part.running_mean is not None and not part.training:
            hooks.append(part.register_forward_pre_hook(note_input))
    try:
        with reads:
            result = module(*inputs)
    finally:
        for hook in hooks:
            hook.remove()
    reads.counts.update(id(tensor) for tensor in _tensors(result))
    folded = 0
    for output in made.keys() & taken.keys():
        layer, norm = made[output], taken[output]
        used = (*layer.parameters(), *norm.parameters(), norm.running_mean, norm.running_var)
        if reads.counts[output] == 1 and all(reads.counts[id(tensor)] == 1 for tensor in used):
            _fold(layer, norm)
            folded += 1
    return folded


def _fold(layer: nn.Module, norm: _BatchNorm) -> None:
    mean, variance = norm.running_mean, norm.running_var
    weight = torch.ones_like(variance) if norm.weight is None else norm.weight
    statistics = mean, variance, norm.eps, weight, torch.zeros_like(mean) if norm.bias is None else norm.bias
    if isinstance(layer, nn.Linear):
        layer.weight, layer.bias = fuse_linear_bn_weights(layer.weight, layer.bias, *statistics)
    else:
        transposed = isinstance(layer, _TRANSPOSED)
        layer.weight, layer.bias = fuse_conv_bn_weights(layer.weight, layer.bias, *statistics, transposed)
    # where it is, as others than its parent may hold it
    norm._parameters.clear()
    norm._buffers.clear()
    norm.__class__ = nn.Identity
