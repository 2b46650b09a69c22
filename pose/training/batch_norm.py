"""Batch norm over the whole batch of several processes, on any device: what one process would compute."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import partial

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm

from ..ranks import Ranks


@contextlib.contextmanager
def synchronised(model: nn.Module, ranks: Ranks) -> Iterator[None]:
    """Inside, each batch norm of `model` in training mode has mean and variance of all ranks' samples together.

    One exchange forward and one backward for each; the modules and their state stay what they are. torch's own
    SyncBatchNorm does not run on a CPU.
    """
    norms = [module for module in model.modules() if isinstance(module, _BatchNorm)] if ranks.size > 1 else []
    for norm in norms:
        norm.forward = partial(_forward, norm, ranks)
    try:
        yield
    finally:
        for norm in norms:
            del norm.forward


def _forward(norm: _BatchNorm, ranks: Ranks, x: torch.Tensor) -> torch.Tensor:
    if not norm.training:
        return type(norm).forward(norm, x)
    y, mean, variance, count = _GlobalNorm.apply(x, norm.weight, norm.bias, norm.eps, ranks)
    if norm.track_running_stats:
        with torch.no_grad():
            norm.num_batches_tracked += 1
            weight = 1 / float(norm.num_batches_tracked) if norm.momentum is None else norm.momentum
            norm.running_mean.lerp_(mean.to(norm.running_mean.dtype), weight)
            unbiased = variance * (count / (count - 1).clamp(min=1))
            norm.running_var.lerp_(unbiased.to(norm.running_var.dtype), weight)
    return y


class _GlobalNorm(torch.autograd.Function):
    """(x - mean) / sqrt(var + eps) * weight + bias of x (B, C, ...), with mean and biased variance over all ranks.

    The ranks' statistics are merged as in Chan, Golub and LeVeque, 1983; a rank may have no samples. Its gradient is
    the one of Ioffe and Szegedy, 2015 (section 3), with the two sums over the batch taken over all ranks. Also
    returns mean, variance and the number of values in each channel.
    """

    @staticmethod
    def forward(ctx, x, weight, bias, eps, ranks):
        axes = [0, *range(2, x.dim())]
        shape = [1, -1] + [1] * (x.dim() - 2)
        values = x.float()
        here = values.new_tensor(x.numel() // x.shape[1], dtype=torch.float64)
        mean = values.sum(axes).double() / here.clamp(min=1)
        square = (values - mean.float().view(shape)).square().sum(axes).double()
        everyone = ranks.gather(torch.cat((here[None], mean, square)))
        counts, (means, squares) = everyone[:, :1], everyone[:, 1:].chunk(2, dim=1)
        count = counts.sum()
        mean = (counts * means).sum(0) / count
        variance = (squares + counts * (means - mean).square()).sum(0) / count
        scale = (variance + eps).rsqrt().float().view(shape)
        normal = (values - mean.float().view(shape)) * scale
        ctx.save_for_backward(normal, scale, weight, count)
        ctx.ranks, ctx.axes, ctx.like = ranks, axes, x.dtype
        ctx.mark_non_differentiable(mean, variance, count)
        y = normal if weight is None else normal * weight.view(shape) + bias.view(shape)
        return y.to(x.dtype), mean, variance, count

    @staticmethod
    def backward(ctx, gradient, *_):
        normal, scale, weight, count = ctx.saved_tensors
        gradient = gradient.float()
        of_bias, of_weight = gradient.sum(ctx.axes), (gradient * normal).sum(ctx.axes)
        sums = ctx.ranks.sum(torch.stack((of_bias, of_weight)).double()) / count
        along, across = (value.float().view(scale.shape) for value in sums)
        of_x = (gradient - along - normal * across) * scale
        if weight is None:
            return of_x.to(ctx.like), None, None, None, None
        return (of_x * weight.view(scale.shape)).to(ctx.like), of_weight, of_bias, None, None
