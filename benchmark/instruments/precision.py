"""How a model is made to compute in a number format."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


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
