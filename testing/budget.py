"""A budget of compute, kept by a test. pytest finds the fixture by itself once posebench is installed.

    def test_budget(flop_budget):
        flop_budget(MyModel(), torch.zeros(1, 3, 256, 192), macs=1_250_000_000)

pytest loads this file whatever it tests, so it imports nothing heavy before a budget is checked.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from torch import nn

    from ..benchmark.counting.flops import FlopCount

_SHOWN = 8  # layer types


@pytest.fixture
def flop_budget(request: pytest.FixtureRequest) -> Callable[..., FlopCount]:
    """`flop_budget(model, inputs, macs=..., rel=0)`: fails unless one forward pass keeps within the budget.

    model, inputs and rules: as for `posebench.count_flops`, so any nn.Module or a name of the zoo. macs: multiply-adds
    (one fused multiply-add counts once) that are allowed, whole, or by the name of a layer's class ({"Linear": ...}).
    rel: what may be added to them, as a fraction of them. Returns the count. The failure says by which type of layer
    the counts come and, once the test has held, which of them have changed since (kept in pytest's cache).
    """

    cache = getattr(request.config, "cache", None)  # absent with -p no:cacheprovider
    key = f"posebench/flop_budget/{request.node.nodeid}"

    def check(
        model: nn.Module | str, inputs: Any = None, *, macs: int | Mapping[str, int], rel: float = 0.0, **options: Any
    ) -> FlopCount:
        __tracebackhide__ = True
        count, types, over = compare(model, inputs, macs, rel, options)
        if over:
            pytest.fail(message(over, types, cache.get(key, None) if cache else None), pytrace=False)
        if cache:
            cache.set(key, types)
        return count

    return check


def compare(
    model: nn.Module | str, inputs: Any, macs: int | Mapping[str, int], rel: float, options: Mapping[str, Any]
) -> tuple[FlopCount, dict[str, int], list[str]]:
    """The count, its multiply-adds by type of layer, and a sentence for each part of the budget that is exceeded.

    ValueError for a budget or fraction below 0.
    """
    from .. import count_flops, create_model

    numbers = list(macs.values()) if isinstance(macs, Mapping) else [macs]
    if not numbers or not all(number >= 0 for number in numbers) or not rel >= 0:
        raise ValueError(f"flop_budget: macs={macs!r}, rel={rel!r}: give multiply-adds and a fraction, from 0 on")
    rules = {"rules": options["rules"]} if "rules" in options else {}
    if isinstance(model, str):
        model, options = create_model(model, **{k: v for k, v in options.items() if k != "rules"}), rules
    count = count_flops(model, inputs, **options)
    types = macs_by_type(model, count.modules)
    return count, types, _over(macs, rel, count.macs, types)


def macs_by_type(model: nn.Module, modules: Mapping[str, int]) -> dict[str, int]:
    """Multiply-adds by the class of the module that does them itself, most first; `modules` holds them by name, those
    of children included."""
    names = dict(model.named_modules())
    own = dict(modules)
    for name, macs in modules.items():
        parent = next((above for above in _above(name) if above in own), None)
        if parent is not None:
            own[parent] -= macs
    types: dict[str, int] = {}
    for name, macs in own.items():
        kind = type(names[name]).__name__ if name in names else name
        types[kind] = types.get(kind, 0) + macs
    return dict(sorted(((kind, macs) for kind, macs in types.items() if macs), key=lambda item: -item[1]))


def _above(name: str) -> list[str]:
    """The names of what a module is inside, nearest first."""
    parts = name.split(".") if name else []
    return [".".join(parts[:length]) for length in range(len(parts) - 1, -1, -1)]


def _over(macs: int | Mapping[str, int], rel: float, whole: int, types: Mapping[str, int]) -> list[str]:
    parts = [(kind, types.get(kind, 0), most) for kind, most in macs.items()] if isinstance(macs, Mapping) else []
    parts = parts or [("", whole, macs)]
    return [
        f"{f'{kind}: ' if kind else ''}{counted:,} multiply-adds, budget {most:,}"
        f"{f' and {100 * rel:g} % more' if rel else ''}: {counted - most:,} too many"
        f"{f' ({100 * (counted - most) / most:+.2g} %)' if most else ''}"
        for kind, counted, most in parts
        if counted > most * (1 + rel)
    ]


def message(over: list[str], types: Mapping[str, int], held: Mapping[str, int] | None) -> str:
    """What a broken budget says; held: the counts by type when the test last held."""
    shown = list(types.items())[:_SHOWN]
    rest = len(types) - len(shown)
    by_type = ", ".join(f"{kind} {macs:,}" for kind, macs in shown) + (f" and {rest} more" if rest > 0 else "")
    lines = [f"flop_budget: {'; '.join(over)}", f"by type of layer: {by_type}"]
    if held:
        moved = {kind: types.get(kind, 0) - held.get(kind, 0) for kind in [*types, *(held.keys() - types.keys())]}
        changes = ", ".join(f"{kind} {by:+,}" for kind, by in moved.items() if by)
        lines.append(f"since this test last held: {changes or 'nothing has changed but the budget'}")
    return "\n".join(lines)
