"""Which of torch's kernels computes fused attention: a mask rules some out, and with them a saving."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch.nn import functional as F
from torch.nn.attention import SDPBackend
from torch.overrides import TorchFunctionMode


def attention_kernels(call: Callable[[], object]) -> str | None:
    """ "flash 9, efficient 3": the kernels that torch chose for scaled_dot_product_attention during one call of
    `call`; None where it was not called. Flash takes no mask at all, neither of booleans nor of numbers to add."""
    with torch.inference_mode(), _Choices() as choices:
        call()
    counts = choices.counts.most_common()
    return ", ".join(f"{name} {count}" for name, count in counts) or None


class _Choices(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        if func is F.scaled_dot_product_attention:
            choice = SDPBackend(torch._fused_sdp_choice(*args, **(kwargs or {})))
            self.counts[choice.name.lower().removesuffix("_attention")] += 1
        return func(*args, **(kwargs or {}))
