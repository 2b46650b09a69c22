"""A table for a paper: LaTeX with booktabs, Markdown, CSV or HTML."""

from __future__ import annotations

import csv
import html
import io
from collections.abc import Sequence

from ...row import Column, describe
from ..analysis.paper import PaperRow, Value, conditions_text, paper_rows
from ..analysis.series import mask_name
from ..analysis.subject import Subject
from ..analysis.wording import signed
from .formats import escaped, is_numeric

FORMATS = ("latex", "markdown", "csv", "html")
BOLD_NOTE = "Bold: shown to be better than each other configuration of the same mask ratio"
#: what LaTeX takes for something else, or does not know
_LATEX = {
    "\\": r"\textbackslash{}", "&": r"\&", "%": r"\%", "$": r"\$", "#": r"\#", "_": r"\_", "{": r"\{", "}": r"\}",
    "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "<": r"\textless{}", ">": r"\textgreater{}",
    "|": r"\textbar{}", "±": r"$\pm$", "−": "$-$", "\N{NO-BREAK SPACE}": "~", "²": r"$^2$", "³": r"$^3$",
    "µ": r"$\mu$", "×": r"$\times$", '"': "''",
}  # fmt: skip


def paper_table(subjects: Sequence[Subject], columns: Sequence[str], format: str, size: int | None) -> str:
    """One table per subject in one of FORMATS. `columns`: names of row.py; `size`: the batch size of the rows."""
    parts = [(subject, paper_rows(subject, columns)) for subject in subjects]
    described = [describe(name) for name in columns]
    if format == "csv":
        return _csv(parts, columns)
    write = {"latex": _latex, "markdown": _markdown, "html": _html}[format]
    return "\n".join(write(subject, rows, described, size) for subject, rows in parts)


def latex_text(text: str) -> str:
    """A text that LaTeX sets as it stands; what its usual fonts lack is a question mark."""
    known = "".join(_LATEX.get(sign, sign) for sign in " ".join(text.split()))
    return "".join(sign if ord(sign) < 0x100 and sign.isprintable() else "?" for sign in known)


def _number(value: Value, column: Column, plus_minus: str) -> str:
    if value.mean is None:
        return ""
    digits = column.digits if column.kind == "number" else 0
    if column.name == "mask_ratio":
        return f"{value.mean:g}"
    if column.name.endswith("_diff"):
        ends = "" if value.interval is None else f" [{', '.join(signed(end, digits) for end in value.interval)}]"
        return signed(value.mean, digits) + ends
    std = "" if value.std is None else f"{plus_minus}{value.std:.{digits}f}"
    return f"{value.mean:.{digits}f}{std}"


def _note(subject: Subject, rows: Sequence[PaperRow], size: int | None) -> str:
    bold = f" {BOLD_NOTE}." if any(value.is_best for row in rows for value in row.values.values()) else ""
    several = any(value.std is not None for row in rows for value in row.values.values())
    std = " ±: standard deviation over seeds." if several else ""
    return f"{conditions_text(subject, size)}{std}{bold}"


def _latex(subject: Subject, rows: Sequence[PaperRow], columns: Sequence[Column], size: int | None) -> str:
    sides = "".join("r" if is_numeric(column) else "l" for column in columns)
    lines = [r"% needs \usepackage{booktabs}", r"\begin{table}", r"\centering"]
    lines += [rf"\caption{{{latex_text(_note(subject, rows, size))}}}", rf"\begin{{tabular}}{{{sides}}}", r"\toprule"]
    lines.append(" & ".join(latex_text(column.header) for column in columns) + r" \\")
    lines.append(r"\midrule")
    for number, row in enumerate(rows):
        if number and mask_name(row.point.mask) != mask_name(rows[number - 1].point.mask):
            lines.append(r"\midrule")
        lines.append(" & ".join(_latex_cell(row.values[column.name], column) for column in columns) + r" \\")
    return "\n".join([*lines, r"\bottomrule", r"\end{tabular}", r"\end{table}", ""])


def _latex_cell(value: Value, column: Column) -> str:
    if value.mean is None:
        return latex_text(value.text)
    text = _number(value, column, r" \pm ")
    math_text = f"${text}$"
    return rf"\boldmath{math_text}" if value.is_best else math_text


def _markdown(subject: Subject, rows: Sequence[PaperRow], columns: Sequence[Column], size: int | None) -> str:
    lines = [" | ".join(escaped(column.header) for column in columns)]
    lines.append(" | ".join("---:" if is_numeric(column) else "---" for column in columns))
    for row in rows:
        cells = []
        for column in columns:
            value = row.values[column.name]
            text = escaped(value.text or _number(value, column, " ± "))
            cells.append(f"**{text}**" if value.is_best else text)
        lines.append(" | ".join(cells))
    return "".join(f"| {line} |\n" for line in lines) + f"\n{escaped(_note(subject, rows, size))}\n"


def _html(subject: Subject, rows: Sequence[PaperRow], columns: Sequence[Column], size: int | None) -> str:
    def cell(value: Value, column: Column) -> str:
        text = html.escape(value.text or _number(value, column, " ± "))
        side = ' style="text-align:right"' if is_numeric(column) else ""
        return f"<td{side}>{f'<b>{text}</b>' if value.is_best else text}</td>"

    heads = "".join(f"<th>{html.escape(column.header)}</th>" for column in columns)
    body = "".join(f"<tr>{''.join(cell(row.values[c.name], c) for c in columns)}</tr>\n" for row in rows)
    caption = html.escape(_note(subject, rows, size))
    head = f"<caption>{caption}</caption>\n<thead><tr>{heads}</tr></thead>"
    return f"<table>\n{head}\n<tbody>\n{body}</tbody>\n</table>\n"


def _digits(value: float, column: Column) -> str:
    return str(int(value)) if column.kind == "integer" and value == int(value) else repr(value)


def _csv(parts: Sequence[tuple[Subject, Sequence[PaperRow]]], names: Sequence[str]) -> str:
    """Every digit; behind a number its standard deviation over seeds and the ends of its interval, where it has them.
    """
    every = [row for _, rows in parts for row in rows]
    kept = []
    for name in names:
        values = [row.values[name] for row in every]
        kept.append((name, any(v.std is not None for v in values), any(v.interval for v in values)))
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    head = ["subject"] if len(parts) > 1 else []
    for name, std, interval in kept:
        head += [name, *([f"{name}_std"] if std else []), *([f"{name}_low", f"{name}_high"] if interval else [])]
    writer.writerow(head)
    for subject, rows in parts:
        for row in rows:
            line = [subject.label] if len(parts) > 1 else []
            for name, std, interval in kept:
                value = row.values[name]
                line.append(value.text if value.mean is None else _digits(value.mean, describe(name)))
                line += ["" if value.std is None else repr(value.std)] if std else []
                line += [repr(end) for end in value.interval] if value.interval else [""] * (2 * interval)
            writer.writerow(line)
    return text.getvalue()
