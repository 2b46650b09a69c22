"""From a sweep's results to its report: plots and one page."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from ..pose.errors import InputError
from ..pose.files import check_replaceable, write_atomic
from .analysis.agreement_file import read_agreements
from .analysis.decision import Decision
from .analysis.evidence import EvidenceFiles
from .analysis.findings import find
from .analysis.iso_flops_file import FILE_NAME, read_iso_flops
from .analysis.margin import check_margin
from .analysis.parts import BY_JOINT, BY_SIZE, read_by_joint, read_by_size
from .analysis.results import read_results, to_frame, write_results
from .analysis.takeaway import decisions
from .analysis.training_logs import read_training_logs
from .page.page import render_page
from .page.section import Material
from .plots.drawing import draw_all, save_all


def write_report(
    directory: str | Path,
    rows: pd.DataFrame | Sequence[Mapping[str, Any]] | None = None,
    *,
    title: str | None = None,
    notes: Sequence[str] | None = None,
    margin: float | str | None = None,
) -> Path:
    """Write plots/*.png, plots/*.svg and report.html into `directory` and return the page's path.

    Reads directory/results.csv, or takes `rows` and writes that file first, and equal_gflopst.csv, agreement.csv,
    by_size.csv and by_joint.csv beside it where they are there; if one is broken, the page says so. Pictures found as
    plots/masks/*.png, plots/people/*.png and plots/differ/*.png are shown on the page; `notes` are paragraphs below its
    headline. `margin`: the loss of accuracy that counts as negligible, as a fraction of the metric's full scale (None:
    as recorded in the rows; see analysis/verdicts.py).
    Raises InputError if there are no results.
    """
    directory = Path(directory)
    margin = None if margin is None else check_margin(margin)
    check_replaceable(directory / "report.html")
    if rows is not None:
        frame = to_frame(rows)
        write_results(directory / "results.csv", frame)
    else:
        frame = read_results(directory / "results.csv")
    if frame.empty:
        raise InputError(f"{directory / 'results.csv'}: no rows, nothing to report")
    problems: list[str] = []

    def derived(what: str, read: Callable[[Path], Any], path: Path) -> Any:
        """What is derived from the rows or the cells: the page can do without it, and says so; None if broken."""
        try:
            return read(path)
        except InputError as error:
            problems.append(f"{what} is left out. {error}")
            return None

    points = derived("The comparison at equal GFLOPsT", read_iso_flops, directory / FILE_NAME) or ()
    agreements = derived("The comparison of kept tokens", read_agreements, directory) or ()
    by_size = derived("The accuracy by size of people", read_by_size, directory / BY_SIZE)
    by_joint = derived("The accuracy by joint", read_by_joint, directory / BY_JOINT)
    findings = find(frame, margin, points, read_training_logs(directory), by_size, by_joint, agreements)
    drawings = draw_all(findings)
    save_all(drawings, directory / "plots")
    masks, people, differ = (
        sorted((directory / "plots" / name).glob("*.png")) for name in ("masks", "people", "differ")
    )

    def chosen(evidence: EvidenceFiles | None = None) -> list[Decision]:
        return [decision for subject in findings.subjects for decision in decisions(subject, evidence)]

    try:
        choice = chosen(EvidenceFiles([directory]))
    except InputError as error:
        problems.append(f"The Pareto front is drawn from intervals alone. {error}")
        choice = chosen()
    material = Material(findings, drawings, masks, people, choice, differ)
    page = render_page(material, title=title or _title(findings.records), notes=notes or (), problems=problems)
    path = directory / "report.html"
    write_atomic(path, page.encode("utf-8", "backslashreplace"))
    return path


def _title(records: Sequence[Mapping[str, Any]]) -> str:
    models = list(dict.fromkeys(str(row["model"]) for row in records if row["model"]))
    if not models:
        return "Masked pose transformers"
    return f"Masking tokens of {', '.join(models[:3])}{' and others' if len(models) > 3 else ''}"
