"""How a model is made to compute in a number format."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def tf32_of(backend: Any) -> bool:
    """Whether float32 products of torch.backends.cuda.matmul or torch.backends.cudnn.conv are TF32's. `allow_tf32`, the
    older name, cannot be read any more once `fp32_precision` was set."""
    precision = getattr(backend, "fp32_precision", None)
    return bool(backend.allow_tf32) if precision is None else precision == "tf32"


def float32_backends() -> tuple[Any, Any]:
    """torch's matrix products and its convolutions on CUDA."""
    return torch.backends.cuda.matmul, getattr(torch.backends.cudnn, "conv", torch.backends.cudnn)


def set_tf32(on: bool) -> None:
    """What float32 is on CUDA for the rest of the process, in the backbone and the transformer alike: TF32 (10 bits of
    mantissa) or float32 itself. torch's defaults are TF32 for convolutions and float32 for products, which makes the
    unmasked part of a model cheaper and a saving in the transformer look larger."""
    for backend in float32_backends():
        if hasattr(backend, "fp32_precision"):
            backend.fp32_precision = "tf32" if on else "ieee"
        else:
            backend.allow_tf32 = on


def tf32_text() -> str:
    """For the record: "on", "off", or "convolutions only" as torch begins."""
    products, convolutions = map(tf32_of, float32_backends())
    if products == convolutions:
        return "on" if products else "off"
    return "convolutions only" if convolutions else "products only"


@dataclass(frozen=True)
class Precision:
    """How a model is run in a number format: its weights cast (CUDA), or under autocast (CPU), or as it is."""

    dtype: torch.dtype
    device: torch.device

    @property
    def autocast(self) -> bool:
        return self.device.type == "cpu" and self.dtype != torch.float32

    @property
    def text(self) -> str:
        """For the record: "float32", "autocast to bfloat16" or "weights cast to float16"."""
        name = str(self.dtype).removeprefix("torch.")
        return name if self.dtype == torch.float32 else f"{'autocast' if self.autocast else 'weights cast'} to {name}"

    def place(self, module: Module) -> Module:
        """The module in evaluation mode on the device, its weights in the format unless autocast is to do that."""
        return module.eval().to(self.device, None if self.autocast else self.dtype)

    def place_tensor(self, tensor: torch.Tensor) -> torch.Tensor:
        """A floating tensor on the device and in the format that the placed module takes; others are only moved."""
        cast = tensor.is_floating_point() and not self.autocast
        return tensor.to(self.device, self.dtype if cast else None)

    def context(self) -> contextlib.AbstractContextManager[object]:
        """What a forward pass must run in."""
        return torch.autocast("cpu", self.dtype) if self.autocast else contextlib.nullcontext()

    def bind(self, function: Callable[..., object], *arguments: object) -> Callable[[], object]:
        """The call of `function` on the arguments, in this precision, to be made later."""

        def call() -> object:
            with self.context():
                return function(*arguments)

        return call
