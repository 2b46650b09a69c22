"""How numbers and lists are written in sentences and tables."""

from __future__ import annotations

from collections.abc import Sequence

from ...pose.metrics import Metric


def percent(fraction: float) -> str:
    """A fraction as a percentage with one decimal: 42.1 %, its sign held by a no-break space."""
    return f"{round(100 * fraction, 1) + 0.0:.1f}\N{NO-BREAK SPACE}%"


def whole(fraction: float) -> str:
    """A fraction as a whole percentage: 87 %."""
    return f"{100 * fraction:.0f}\N{NO-BREAK SPACE}%"


def percent_range(low: float, high: float) -> str:
    """Two fractions as percentages: "12 to 15 %"; with a decimal where whole numbers would be equal or nought."""
    ends = [round(100 * end) for end in (low, high)]
    if ends[0] == ends[1] or 0 in ends:
        ends = [round(100 * end, 1) + 0.0 for end in (low, high)]
    first, last = (f"{end:g}" for end in ends)
    return f"{last if first == last else f'{first} to {last}'}\N{NO-BREAK SPACE}%"


def amount_text(value: float, metric: Metric) -> str:
    """A difference of accuracies, to two digits, with its metric: "0.01 AP", "1 point of PCKh@0.5"."""
    number = f"{value:.2g}"
    if not metric.is_percent:
        return f"{number} {metric.name}"
    return f"{number} point{'' if number == '1' else 's'} of {metric.name}"


def signed(value: float, digits: int) -> str:
    """A number with its sign; what rounds to zero is +0.000, never -0.000."""
    return f"{round(value, digits) + 0.0:+.{digits}f}"


def listed(parts: Sequence[str]) -> str:
    """ "a", "a and b", "a, b and c"."""
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"
