"""Which models to count or profile: every model x mask x ratio that was asked for, once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import nn

from ..pose.errors import InputError
from ..pose.masks import check_ratio
from ..pose.models.zoo import EXECUTIONS, create_model, default_mask, resolve_name
from ..pose.reductions import REDUCTIONS, check_mask

#: arguments of create_model that only a model with a reduction between its blocks takes
OF_REDUCTIONS = ("locations", "keep", "merge", "execution")


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
        given = (self.arguments.get(name) for name in ("mask", "mask_ratio", *OF_REDUCTIONS))
        return " ".join([self.name, *(str(value) for value in given if value is not None)])


def configurations(
    models: Sequence[str],
    masks: Sequence[str] = (),
    ratios: Sequence[float] = (),
    executions: Sequence[str] = (),
    *,
    baseline: bool = False,
    **fixed: Any,
) -> list[Configuration]:
    """Every model x mask x ratio (sparse masks: x execution), without repetition; ratio 0, or the mask "none", is the
    unmasked model, which `baseline` adds in any case.

    Empty masks or ratios leave that choice to the model's name. InputError for an unknown model or mask, a ratio
    outside [0, 1), a ratio without a mask or a mask without a ratio.
    """
    for execution in executions:
        if execution not in EXECUTIONS:
            raise InputError(f"execution {execution!r}: give one of {', '.join(EXECUTIONS)}")
    amounts = any(fixed.get(name) is not None for name in ("keep", "merge"))
    chosen = []
    for name in models:
        found = [(_resolve(name, mask, ratio, amounts)) for mask in masks or (None,) for ratio in ratios or (None,)]
        for mask, ratio in [*([("none", 0.0)] if baseline else []), *found]:
            for execution in executions if mask == "sparse" and executions else (None,):
                chosen.append((resolve_name(name), mask, ratio, execution))
    if set(executions) - {"dense"} and all(mask != "sparse" for _, mask, *_ in chosen):
        raise InputError(f"execution {executions[0]!r}: it belongs to the mask 'sparse', which is not asked for")
    found = []
    for name, mask, ratio, execution in dict.fromkeys(chosen):
        arguments = {**fixed, "mask": mask, "mask_ratio": ratio}
        arguments |= {"execution": execution} if execution else {}
        # Beside others the unmasked model is their baseline; alone, options that it has no use for are refused.
        if mask == "none" and len(chosen) > len(models):
            arguments = {key: value for key, value in arguments.items() if key not in OF_REDUCTIONS}
        found.append(Configuration(name, arguments))
    return found


def _resolve(name: str, mask: str | None, ratio: float | None, amounts: bool) -> tuple[str, float | None]:
    own_mask, own_ratio = default_mask(name)
    chosen = own_mask if mask is None else check_mask(mask)
    if amounts and ratio is None and chosen in REDUCTIONS:
        return chosen, None  # the amounts say it
    kept = own_ratio if ratio is None else check_ratio(ratio)
    if chosen == "none" and mask is None and kept > 0:
        raise InputError(f"mask ratio {kept:g} for {name}, which has no mask of its own: name one, such as semantic")
    if chosen != "none" and ratio is None and kept == 0:
        raise InputError(f"mask {chosen!r} for {name}, which has no mask ratio of its own: give one, such as 0.4")
    return ("none", 0.0) if chosen == "none" or kept == 0 else (chosen, kept)
