"""The report's page: one HTML file that needs nothing else, no network and no script."""

from __future__ import annotations

import base64
import html
import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from .comparison import Subject
from .elastic import Matrix, elastic_sentences
from .equal import EqualPoint, equal_sentence
from .equal_table import NOTE, equal_table
from .execution import execution_sentences
from .headline import headline
from .page_tables import (
    all_rows_table,
    failed_table,
    legend_table,
    results_table,
    saving_table,
    training_table,
)
from .page_text import CONVENTION, byline, conditions, convention_findings, training_sentences, warnings
from .plot_style import LOOKS, dark_colors, themed
from .plots import KINDS, Drawing

_HERE = Path(__file__).parent
_PNG = b"\x89PNG\r\n\x1a\n"
_MASKS_MOST = 48
_WIDE_PX = 700
_TABLE_NOTE = (
    "Small signed percentages: change against the unmasked model. ± is the standard deviation over seeds. IQR:"
    " interquartile range of the single timings. A loss is negligible when the lower end of its paired 95 % interval"
    " is above minus the margin, real when the upper end is below it, undecided otherwise; with several seeds the"
    " widest interval decides."
)


@dataclass(frozen=True)
class MaskImage:
    """A picture for the section of masks: its data URI, its caption, its size in pixels."""

    source: str
    caption: str
    width: int
    height: int


def render_page(
    records: Sequence[Mapping[str, Any]],
    subjects: Sequence[Subject],
    drawings: Sequence[Drawing],
    mask_files: Sequence[Path] = (),
    *,
    title: str,
    notes: Sequence[str] = (),
    matrices: Sequence[Matrix] = (),
    equal: Sequence[EqualPoint] = (),
    problems: Sequence[str] = (),
) -> str:
    """The page as text; `problems` stand among its warnings.

    Every value is escaped; the only markup passed through is that of our own plots.
    """
    environment = Environment(loader=FileSystemLoader(_HERE), autoescape=True, trim_blocks=False)
    # Compute and latency of one subject stand side by side, so these two kinds share a list in drawing order.
    plots: dict[str, list[dict[str, Any]]] = {kind: [] for kind in (*KINDS, "accuracy")}
    for number, drawing in enumerate(drawings):
        section = "accuracy" if drawing.kind.startswith("accuracy_vs_") else drawing.kind
        plots[section].append({"svg": _inline(drawing, f"p{number}")})
    masks = [image for path in mask_files[:_MASKS_MOST] if (image := read_mask(path))]
    left_out = len(mask_files) - len(masks)
    headlines = [{"label": subject.label, "statements": headline(subject)} for subject in subjects]
    saving_tables = [saving_table(subject, size) for subject in subjects for size in subject.batch_sizes]
    findings = convention_findings(subjects)
    sentences = training_sentences(records)
    return environment.get_template("template.html").render(
        title=title,
        byline=byline(records),
        css=Markup(_css()),
        headlines=headlines,
        warnings=[*problems, *warnings(records, subjects)],
        notes=list(notes),
        plots=plots,
        equal=[_equal(equal, model) for model in dict.fromkeys(point.model for point in equal)],
        equal_note=NOTE,
        elastic=[_elastic(matrix, matrices) for matrix in matrices],
        execution=execution_sentences(subjects),
        saving_tables=[table for table in saving_tables if table],
        convention={"explanation": CONVENTION, "findings": findings} if findings else None,
        tables=[results_table(subject) for subject in subjects],
        table_note=_TABLE_NOTE if subjects else "",
        all_rows=all_rows_table(records),
        legend=legend_table(records),
        masks=masks,
        masks_wide=any(image.width > _WIDE_PX for image in masks),
        masks_left_out=f"{left_out} more in plots/masks." if left_out else "",
        training={"sentences": sentences, "table": training_table(records)} if sentences else None,
        conditions=conditions(records),
        failed=failed_table(records),
        footer="Numbers: results.csv. Plots: the folder plots, as PNG and SVG.",
    )


def read_mask(path: Path) -> MaskImage | None:
    """A PNG file as a data URI, captioned "semantic 0.6" if called semantic_0.6.png; None if it is no PNG."""
    content = path.read_bytes()
    if not content.startswith(_PNG) or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return MaskImage(source, " ".join(path.stem.rsplit("_", 1)), width, height)


def _css() -> str:
    """The style sheet with the series' colours, one set for light and one for dark screens."""
    light = "".join(f" --plot-{name}: {look.color};" for name, look in LOOKS.items())
    dark = "".join(f" --plot-{name}: {color};" for name, color in dark_colors().items())
    colors = f":root {{{light} }}\n@media (prefers-color-scheme: dark) {{ :root {{{dark} }} }}\n"
    return colors + (_HERE / "style.css").read_text(encoding="utf-8")


def _equal(points: Sequence[EqualPoint], model: str) -> dict[str, Any]:
    own = [point for point in points if point.model == model]
    return {"model": model, "sentences": [equal_sentence(point) for point in own], "table": equal_table(own)}


def _elastic(matrix: Matrix, matrices: Sequence[Matrix]) -> dict[str, Any]:
    several = len({other.label for other in matrices}) > 1
    title = f"{matrix.label}, {matrix.mask}" if several else matrix.mask
    return {"title": title[:1].upper() + title[1:], "sentences": elastic_sentences(matrix)}


def _inline(drawing: Drawing, prefix: str) -> Markup:
    svg = themed(drawing.svg, prefix)
    label = html.escape(f"{drawing.about}. {drawing.alt}", quote=True)
    return Markup(svg.replace("<svg", f'<svg role="img" aria-label="{label}"', 1))
