"""The audit of papers' figures as a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader
from markupsafe import Markup

from ..tables.audit_table import (
    COLUMNS_MEAN,
    EXPLANATION,
    HEADS,
    NUMERIC,
    by_paper,
    cells_of,
    conditions_line,
    summary,
)


def audit_page(rows: Sequence[Mapping[str, Any]]) -> str:
    """The audit as one HTML page that needs nothing else. Every value is escaped."""
    here = Path(__file__).parent
    environment = Environment(loader=FileSystemLoader(here), autoescape=True)
    papers = [{"name": name, "rows": [{"cells": cells_of(row)} for row in of]} for name, of in by_paper(rows)]
    return environment.get_template("audit.html").render(
        css=Markup((here / "style.css").read_text(encoding="utf-8")),
        heads=HEADS,
        numeric=NUMERIC,
        papers=papers,
        explanation=EXPLANATION,
        columns_mean=COLUMNS_MEAN,
        summary=summary(rows),
        conditions=conditions_line(rows),
    )
