"""The table of `posebench explain`: parts and kinds of operators, before and after a mask."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

NOTE = (
    "ms: medians of a pass without a mask and with it, shared out by the runtime's profiler. MMAC: 1e6 multiply-adds; "
    "MB: 1e6 bytes that operators read and write, by their shapes. Rates are with the mask, in brackets as % of "
    "this machine's ceilings on as many threads"
)


def explain_table(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The lines for people: the parts, each with its sum, then the kinds of operators behind the backbone."""
    scope = "transformer" if any(row["part"] == "transformer" for row in rows) else "all"
    return [_line(row) for row in rows if row["operator"] == "all" or row["part"] == scope]


def _line(row: Mapping[str, Any]) -> dict[str, Any]:
    name = row["part"] or "(in no part)"
    return {
        "what": name if row["operator"] == "all" else f"  {row['operator']}",
        "ms": f"{row['ms_before']:.2f} → {row['ms_after']:.2f}",
        "saved %": _share(row["saved_time"]),
        "MMAC": f"{row['macs_before'] / 1e6:.1f} → {row['macs_after'] / 1e6:.1f}" if _any(row, "macs") else "",
        "counted %": _share(row["saved_counted"]),
        "MB": f"{row['mb_before']:.2f} → {row['mb_after']:.2f}" if _any(row, "mb") else "",
        "GMAC/s": _rate(row["gmacs_per_s_after"], row["of_peak_after"]),
        "GB/s": _rate(row["gb_per_s_after"], row["of_copy_after"]),
    }


def ceilings_text(summary: Mapping[str, Any]) -> str:
    """The machine's measured ceilings, for a caption."""
    macs, moved = summary["ceiling_macs_per_s"], summary["ceiling_bytes_per_s"]
    return f"{macs / 1e9:.1f} GMAC/s (a matrix product) and {moved / 1e9:.1f} GB/s (a copy)"


def _any(row: Mapping[str, Any], what: str) -> bool:
    return bool(row[f"{what}_before"] or row[f"{what}_after"])


def _share(value: float | None) -> str:
    return "" if value is None else f"{100 * value:.1f}"


def _rate(value: float | None, of: float | None) -> str:
    return "" if value is None or of is None else f"{value:.1f} ({100 * of:.0f})"
