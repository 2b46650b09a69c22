"""What became of a counted saving, in one sentence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .wording import listed, percent

#: shares of the unmasked time that are too small to be named one by one
SMALL = 0.005
_NAMED = 4
_SCOPES = {"transformer": "behind the backbone", "all": "of the whole model"}


def explained_sentence(summary: Mapping[str, Any]) -> str:
    """ "small mine 0.4, eager float32, batch 1: of the 42.1 % counted behind the backbone, 31.0 % arrive: ..." """
    label = (
        f"{summary['model']} {summary['mask']} {summary['mask_ratio']:g}, {summary['runtime']} {summary['dtype']}, "
        f"batch {summary['batch_size']}"
    )
    counted, arrives = summary["counted"], summary["arrives"]
    where = _SCOPES.get(summary["scope"], summary["scope"])
    costs = sorted(summary["costs"].items(), key=lambda item: -abs(item[1]))
    named = [item for item in costs if abs(item[1]) >= SMALL][:_NAMED]
    rest = counted - arrives - sum(cost for _, cost in named)
    if abs(rest) >= SMALL:
        named.append(("the rest", rest))
    lost = [f"{name} {percent(cost)}" for name, cost in named if cost > 0]
    won = [f"{name} {percent(-cost)}" for name, cost in named if cost < 0]
    words = [f"{what} {listed(parts)}" for what, parts in (("lost to", lost), ("won by", won)) if parts]
    arriving = f"{percent(arrives)} arrive" if arrives >= 0 else f"none arrives, it takes {percent(-arrives)} longer"
    whole = f" (whole model: {percent(summary['counted_whole'])} and {percent(summary['arrives_whole'])})"
    tail = f": {'; '.join(words)}" if words else ""
    unstable = "; the clock was unstable" if summary["unstable"] else ""
    behind = "" if summary["scope"] == "all" else whole
    return f"{label}: of the {percent(counted)} counted {where}, {arriving}{behind}{tail}{unstable}."
