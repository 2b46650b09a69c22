"""The margin: the loss of accuracy that counts as negligible."""

from __future__ import annotations

import math

from ...pose.errors import InputError

#: a loss that is still negligible, as a fraction of the metric's full scale: 0.01 AP, 1 point of PCKh
MARGIN = 0.01
#: below this fraction of the full scale the margin shrinks in proportion to the unmasked model's accuracy
FULL_MARGIN_FROM = 0.5


def check_margin(value: object, where: str = "--margin") -> float:
    """A margin as a number; InputError, naming `where`, unless it lies between 0 and 1."""
    try:
        margin = math.nan if isinstance(value, bool) else float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError):
        margin = math.nan
    if not 0 < margin < 1:
        raise InputError(f"{where}: {value!r} is no margin; give a fraction of the metric's full scale, such as 0.01")
    return margin


def allowed_loss(margin: float, unmasked: float, full_scale: float) -> float:
    """The loss that still counts as negligible, in the metric's unit: `margin` of its full scale.

    An unmasked model below half of the full scale is allowed the same share of its own accuracy as one at half: with
    0.01 that is 2 %, so 0.01 AP from an AP of 0.5 on, 0.002 AP at 0.1.
    """
    return margin * full_scale * min(1.0, max(unmasked, 0.0) / (FULL_MARGIN_FROM * full_scale))
