"""Tables, for terminals, programs and pages; the formats of the commands are found here."""

from .formats import (
    FLOPS_COLUMNS,
    FORMATS,
    MODELS_COLUMNS,
    PROFILE_COLUMNS,
    cell_text,
    fit,
    fit_rows,
    plain,
    render_rows,
    text_table,
)

__all__ = [
    "FLOPS_COLUMNS", "FORMATS", "MODELS_COLUMNS", "PROFILE_COLUMNS", "cell_text", "fit", "fit_rows", "plain",
    "render_rows", "text_table",
]  # fmt: skip
