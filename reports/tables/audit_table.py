"""The audit of papers' figures as a table, for a terminal or for programs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import groupby
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from ..analysis.results import is_missing
from .formats import render_rows

AUDIT_COLUMNS = (
    "id", "paper", "statement", "source", "quantity", "model", "dataset", "input_size", "mask", "mask_ratio",
    "baseline", "unit", "counter", "published", "reproduced", "exact", "status", "explained_by", "latency_ratio",
    "latency_ratio_low", "latency_ratio_high", "latency_unstable", "latency_transformer_ratio",
    "latency_transformer_ratio_low", "latency_transformer_ratio_high", "latency_transformer_unstable",
    "latency_samples", "device", "device_name", "dtype", "batch_size", "threads", "torch_version", "posebench_version",
    "git_revision", "processor", "platform", "date_utc",
)  # fmt: skip

#: what a reader needs who has never heard of the counter
EXPLANATION = (
    "TMPose, TokenPose and PPT count with HRNet's model summary. For a linear layer, that counter multiplies the"
    " size of the output by the number of tokens, where the number of input channels belongs; it leaves out the"
    " attention products, and its G is 1024³. So its cost of a transformer goes with the square of the token count.",
    "That is why 61 % and 42 % are the same masking of the same model: of 256 visual and 17 keypoint tokens, 153 and 17"
    " are kept, 170 of 273. The square of that is 39 %, which the counter reports as a saving of 61 %; the"
    " multiply-adds that are really executed fall nearly in proportion, to 58 %, a saving of 42 %. Of the whole model"
    " either saves less, as the backbone in front is not masked.",
    "Other papers count with other tools, and each leaves out or counts twice something else (docs/references.md lists"
    " their rules). ViTPose's figures are mmcv's, without the attention products; those of PPT and TokenPose in GTPT's"
    " tables are thop's; those of ToMe and EViT are exact.",
)
COLUMNS_MEAN = (
    "Source's rule: the same figure by the source's own counter, run here. Exact: GFLOPs are 1e9 multiply-adds at batch"
    " 1, GFLOPsT those behind the backbone, M a million parameters, all of them. Time: median of the masked model over"
    " that of the baseline, at batch 1, with its 95 % interval; 1 is no gain. Behind a result: the counters by whose"
    " rules the figure comes out to its last digit."
)
HEADS = ("claim", "published", "source's rule", "exact", "time, whole", "time, transformer", "result", "source")
NUMERIC = HEADS[1:4]
_UNITS = {"G": " G", "T": " T", "M": " M", "%": " %", "x": " x"}


def render_audit(rows: Sequence[Mapping[str, Any]], format: str = "table") -> str | Group:
    """The rows of an audit: for "table" something that rich prints, else text.

    csv and json have every digit, markdown is rounded as the table is. Raises InputError for an
    unknown format.
    """
    if format == "table":
        return _table(rows)
    if format != "markdown":
        return render_rows(rows, AUDIT_COLUMNS, format)
    lines = [dict(zip(HEADS, cells_of(row), strict=True)) for row in rows]
    return render_rows([{"paper": row["paper"], **line} for row, line in zip(rows, lines, strict=True)], None, format)


def conditions_line(rows: Sequence[Mapping[str, Any]]) -> str:
    """What the times were measured on, in one line; says so where nothing was timed."""
    row = next((row for row in rows if not is_missing(row.get("latency_ratio"))), None)
    if row is None:
        return "Nothing was timed."
    return (
        f"Timed on {row['device_name']}, {row['dtype']}, batch {row['batch_size']}, {row['threads']}"
        f" thread{'' if row['threads'] == 1 else 's'}, torch {row['torch_version']}, {row['date_utc']}."
    )


def summary(rows: Sequence[Mapping[str, Any]]) -> str:
    """How many of the figures reproduce, in one sentence."""
    printed = [row for row in rows if row["status"] in ("reproduced", "differs")]
    right = sum(row["status"] == "reproduced" for row in printed)
    unchecked = sum(str(row["status"]).startswith("not checked") for row in rows)
    text = f"{right} of {len(printed)} figures reproduce to the printed digit under the source's own counting rule"
    return f"{text}; {unchecked} of {len(rows)} claims {'is' if unchecked == 1 else 'are'} not checked."


def by_paper(rows: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, list[Mapping[str, Any]]]]:
    """The rows of each paper, papers in order of appearance."""
    order = {name: place for place, name in enumerate(dict.fromkeys(row["paper"] for row in rows))}
    together = sorted(rows, key=lambda row: order[row["paper"]])
    return ((name, list(group)) for name, group in groupby(together, key=lambda row: row["paper"]))


def _table(rows: Sequence[Mapping[str, Any]]) -> Group:
    """The table, with the papers' short names as headings and numbers for the sources, which stand in full below."""
    table = Table(show_edge=False, pad_edge=False, header_style="bold", collapse_padding=True)
    timed = any(not is_missing(row.get("latency_ratio")) for row in rows)
    heads = [head for head in HEADS if timed or not head.startswith("time")]
    for head in heads:
        number = head in NUMERIC
        table.add_column(head, justify="right" if number else "left", no_wrap=number)
    lines = []
    numbers: dict[tuple[str, str], int] = {}
    for paper, of in by_paper(rows):
        # Text, not str: a name with square brackets is no markup.
        table.add_row(Text(paper.partition(" (")[0], style="bold"))
        lines.append(Text(f"\n{paper}"))
        for row in of:
            *cells, source = cells_of(row)
            if (paper, source) not in numbers:
                numbers[paper, source] = len(numbers) + 1
                lines.append(Text(f"  [{numbers[paper, source]}] {source}"))
            texts = dict(zip(HEADS, (*cells, f"[{numbers[paper, source]}]"), strict=True))
            table.add_row(*(Text(texts[head]) for head in heads))
        table.add_section()
    return Group(table, *lines)


def cells_of(row: Mapping[str, Any]) -> tuple[str, ...]:
    """The texts below HEADS."""
    published = row["published"]
    decimals = 2 if is_missing(published) else len(str(published).partition(".")[2]) + 1
    unit = _UNITS[row["unit"]]
    return (
        row["statement"],
        "" if is_missing(published) else f"{published}{unit}",
        _number(row["reproduced"], decimals, unit),
        _number(row["exact"], decimals, unit),
        _ratio(row, "latency"),
        _ratio(row, "latency_transformer"),
        f"{row['status']}: {row['explained_by']}" if row.get("explained_by") else row["status"],
        row["source"],
    )


def _number(value: Any, decimals: int, unit: str) -> str:
    return "" if is_missing(value) else f"{value:.{decimals}f}{unit}"


def _ratio(row: Mapping[str, Any], prefix: str) -> str:
    ratio, low, high = (row.get(f"{prefix}_ratio{end}") for end in ("", "_low", "_high"))
    if is_missing(ratio):
        return ""
    return f"{ratio:.2f} ({low:.2f}-{high:.2f}){' unstable' if row[f'{prefix}_unstable'] else ''}"
