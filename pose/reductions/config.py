"""A reduction as it is configured: which one, how much, with which options."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import InputError
from ..plugins import source_digest
from .params import check_params, param_text, parse_reduction
from .registry import find_reduction, is_built_in


@dataclass(frozen=True)
class ReductionConfig:
    """name: of a known reduction, or "package.module:name". ratio: fraction of the visual tokens (CUT: of their
    connections) that is gone after the last block, in [0, 1); None where the parameters say it. params: sorted by name,
    those that are not the default. source: digest of the file of a reduction that is not posebench's own.
    """

    name: str = "none"
    ratio: float | None = 0.0
    params: tuple[tuple[str, Any], ...] = ()
    source: str | None = None

    @property
    def text(self) -> str:
        """As it is written on the command line, ratio apart: "prune(layers=3|6|9)"."""
        inside = ", ".join(f"{name}={param_text(value)}" for name, value in self.params)
        return f"{self.name}({inside})" if inside else self.name

    @property
    def is_none(self) -> bool:
        return self.name == NONE

    @property
    def is_fixed(self) -> bool:
        """Whether its parameters say how much it leaves, so that it takes no ratio."""
        amounts = find_reduction(self.name).amounts
        return amounts is not None and self.get(amounts) is not None

    def get(self, name: str, default: Any = None) -> Any:
        """The value of a parameter: as configured, else the descriptor's default."""
        given = dict(self.params)
        if name in given:
            return given[name]
        param = find_reduction(self.name).param(name)
        return default if param is None or param.default is None else param.default


NONE = "none"
UNMASKED = ReductionConfig()


def check_ratio(ratio: Any) -> float:
    """Return the mask ratio as a float; InputError unless it is a number in [0, 1)."""
    try:
        value = float(ratio)
    except (TypeError, ValueError):
        value = float("nan")
    if not 0 <= value < 1:
        raise InputError(f"mask ratio {ratio!r}: give a number from 0 (keep all) to below 1, such as 0.4")
    return value


def reduction_config(
    mask: str | ReductionConfig, ratio: float | None = None, params: Mapping[str, Any] | None = None
) -> ReductionConfig:
    """The configuration of what is asked for by name, or by text with parameters in parentheses.

    InputError for an unknown name or parameter, a value that a parameter does not take, or a ratio outside [0, 1).
    """
    if isinstance(mask, ReductionConfig):
        given = dict(mask.params) | dict(params or {})
        return reduction_config(mask.name, mask.ratio if ratio is None else ratio, given)
    name, written = parse_reduction(str(mask))
    descriptor = find_reduction(name)
    values = check_params(name, descriptor.params, {**written, **(params or {})})
    return ReductionConfig(
        name=name,
        ratio=None if ratio is None else check_ratio(ratio),
        params=tuple(values.items()),
        source=None if is_built_in(name) else source_digest(descriptor.function()),
    )
