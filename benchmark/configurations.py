"""Which models to count or profile: every model x mask x ratio that was asked for, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..pose.errors import InputError
from ..pose.models.zoo import create_model, default_mask, resolve_name
from ..pose.reductions import NONE, check_ratio, find_reduction, reduction_config


@dataclass(frozen=True)
class Configuration:
    """One model to profile: its name and the arguments of create_model."""

    name: str
    arguments: Mapping[str, Any] = field(default_factory=dict)

    def build(self) -> nn.Module:
        return create_model(self.name, **self.arguments)

    @property
    def label(self) -> str:
        """Unique among the configurations of one profile."""
        given = (self.arguments.get(name) for name in ("mask", "mask_ratio"))
        return " ".join([self.name, *(str(value) for value in given if value is not None)])


def configurations(
    models: Sequence[str],
    masks: Sequence[str] = (),
    ratios: Sequence[float] = (),
    *,
    baseline: bool = False,
    **fixed: Any,
) -> list[Configuration]:
    """Every model x mask x ratio, without repetition; ratio 0, or the mask "none", is the unmasked model, which
    `baseline` adds in any case. A mask whose parameters say how much it leaves takes no ratio.

    Empty masks or ratios leave that choice to the model's name. InputError for an unknown model or mask, a ratio
    outside [0, 1), a ratio without a mask or a mask without a ratio.
    """
    chosen = []
    for name in models:
        if baseline:
            chosen.append((resolve_name(name), NONE, 0.0))
        for mask in masks or (None,):
            chosen += [(resolve_name(name), *_resolve(name, mask, ratio)) for ratio in ratios or (None,)]
    return [
        Configuration(name, {**fixed, "mask": mask, "mask_ratio": ratio})
        for name, mask, ratio in dict.fromkeys(chosen)
    ]


def _resolve(name: str, mask: str | None, ratio: float | None) -> tuple[str, float | None]:
    own_mask, own_ratio = default_mask(name)
    asked = reduction_config(own_mask if mask is None else mask)
    amounts = find_reduction(asked.name).amounts
    if amounts and asked.get(amounts) is not None:
        return asked.text, None  # the parameters say it
    kept = own_ratio if ratio is None else check_ratio(ratio)
    if asked.is_none and mask is None and kept > 0:
        raise InputError(f"mask ratio {kept:g} for {name}, which has no mask of its own: name one, such as semantic")
    if not asked.is_none and ratio is None and kept == 0:
        raise InputError(f"mask {asked.text!r} for {name}, which has no mask ratio of its own: give one, such as 0.4")
    return (NONE, 0.0) if asked.is_none or kept == 0 else (asked.text, kept)
