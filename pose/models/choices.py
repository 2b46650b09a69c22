"""Which models are asked for: every name x mask x ratio, once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from typing import Any

from ..errors import InputError
from ..reductions import UNMASKED, ReductionConfig, check_ratio, reduction_config
from .config import ModelConfig
from .zoo import default_mask, resolve_name

_FIELDS = {field.name for field in fields(ModelConfig)}


def asked_model(name: str, mask: str | ReductionConfig, mask_ratio: float | None = None, **given: Any) -> ModelConfig:
    """The configuration of `create_model`'s arguments; what is None stays as the name has it."""
    given = {key: value for key, value in given.items() if value is not None}
    params = {key: given.pop(key) for key in list(given) if key not in _FIELDS}
    if "input_size" in given:
        given["input_size"] = tuple(given["input_size"])
    reduction = reduction_config(mask, mask_ratio, params)
    return ModelConfig(name=name, reduction=reduction if mask_ratio or not reduction.is_none else UNMASKED, **given)


def choose_models(
    names: Sequence[str],
    masks: Sequence[str] = (),
    ratios: Sequence[float] = (),
    *,
    baseline: bool = False,
    **fixed: Any,
) -> list[ModelConfig]:
    """Every name x mask x ratio, without repetition; ratio 0, or the mask "none", is the unmasked model, which
    `baseline` adds in any case. A mask whose parameters say how much it leaves takes no ratio. fixed: arguments of
    create_model for all.

    Empty masks or ratios leave that choice to the model's name. InputError for an unknown model or mask, a ratio
    outside [0, 1), a ratio without a mask or a mask without a ratio.
    """
    chosen = []
    for name in map(resolve_name, names):
        reductions = [UNMASKED] if baseline else []
        reductions += [_reduction(name, mask, ratio) for mask in masks or (None,) for ratio in ratios or (None,)]
        chosen += [asked_model(name, reduction, **fixed) for reduction in reductions]
    return list(dict.fromkeys(chosen))


def _reduction(name: str, mask: str | None, ratio: float | None) -> ReductionConfig:
    own_mask, own_ratio = default_mask(name)
    asked = reduction_config(own_mask if mask is None else mask)
    if asked.is_fixed:
        return asked
    gone = own_ratio if ratio is None else check_ratio(ratio)
    if asked.is_none and mask is None and gone > 0:
        raise InputError(f"mask ratio {gone:g} for {name}, which has no mask of its own: name one, such as semantic")
    if not asked.is_none and ratio is None and gone == 0:
        raise InputError(f"mask {asked.text!r} for {name}, which has no mask ratio of its own: give one, such as 0.4")
    return UNMASKED if asked.is_none or gone == 0 else reduction_config(asked, gone)
