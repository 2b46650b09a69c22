"""A paper's table: what is bold, what LaTeX makes of it, and that every format has the same numbers."""

import csv
import io
import math
import re
import shutil
import subprocess

import pytest

from posebench.pose.errors import InputError
from posebench.reports.analysis.intervals import Estimate
from posebench.reports.analysis.paper import check_shown, paper_rows, subjects_at, usual_columns
from posebench.reports.analysis.verdicts import clear_best
from posebench.reports.tables.paper_table import FORMATS, paper_table

HOSTILE = r"a_b%$#&{~^\x|<é→²>"


def table(rows, format, columns=None, size=None):
    subjects, size = subjects_at(rows, size)
    return paper_table(subjects, columns or usual_columns(subjects[0]), format, size)


def two_masks(sweep_rows, half):
    """semantic 0.607 and random 0.427 at ratio 0.6, their paired differences known to within `half`."""
    rows = sweep_rows(("semantic", "random"), (0.6,), (0,))
    for row in rows[1:]:
        row |= {"ap_diff_low": row["ap_diff"] - half, "ap_diff_high": row["ap_diff"] + half}
    return rows


def test_the_best_is_bold_only_where_it_is_shown_to_be(sweep_rows):
    for half, bold in ((0.02, True), (0.2, False)):
        text = table(two_masks(sweep_rows, half), "markdown", ["mask", "ap"])
        assert ("**0.607**" in text) is bold and ("Bold: shown to be better" in text) is bold
        assert "**0.427" not in text


def test_a_best_among_many_needs_more_than_a_best_among_two():
    # 1.96 standard errors of a difference are 0.0277 here: two are just told apart, three are not.
    half = 0.0196
    pair = [Estimate(value, value - half, value + half) for value in (0.03, 0.0)]
    assert clear_best(pair) == 0
    assert clear_best([*pair, Estimate(0.0, -half, half)]) is None
    assert clear_best([Estimate(2.0, 2.0, 2.0), Estimate(1.0, 1.0, 1.0)]) == 0, "counts have no noise"
    assert clear_best([Estimate(1.0, 1.0, 1.0)] * 2) is None and clear_best([pair[0], None]) is None


def test_an_unstable_time_is_never_the_best(sweep_rows):
    rows = sweep_rows(("semantic", "random"), (0.6,), (0,))
    for row in rows:
        if row["mask"] == "random":
            row |= {"latency_vs_unmasked": 0.3, "latency_vs_unmasked_low": 0.29, "latency_vs_unmasked_high": 0.31}

    def best():
        found = paper_rows(subjects_at(rows, None)[0][0], ["latency_ms_median"])
        return [row.values["latency_ms_median"].is_best for row in found]

    assert best() == [False, False, True]
    rows[-1]["latency_unstable"] = True
    assert best() == [False, False, False]


def test_csv_has_every_digit_with_deviation_and_interval(sweep_rows):
    rows = sweep_rows(ratios=(0.4,))
    read = list(csv.DictReader(io.StringIO(table(rows, "csv", ["mask", "mask_ratio", "tokens_kept", "ap", "ap_diff"]))))
    own = [row["ap"] for row in rows if row["mask"] == "semantic"]
    mean = sum(own) / 3
    assert (read[1]["mask"], read[1]["tokens_kept"]) == ("semantic", "28")
    assert float(read[1]["ap"]) == pytest.approx(mean, rel=1e-15)
    assert float(read[1]["ap_std"]) == pytest.approx(math.sqrt(sum((value - mean) ** 2 for value in own) / 2))
    assert float(read[1]["ap_diff_low"]) < float(read[1]["ap_diff"]) < float(read[1]["ap_diff_high"])


def test_times_are_those_of_one_batch_size(sweep_rows):
    rows = sweep_rows(batch_sizes=(1, 32), seeds=(0,), ratios=(0.4,))
    for size in (1, 32):
        lines = list(csv.DictReader(io.StringIO(table(rows, "csv", ["mask", "latency_ms_median"], size))))
        expected = [row["latency_ms_median"] for row in rows if row["batch_size"] == size]
        assert [float(line["latency_ms_median"]) for line in lines] == expected
        assert f"batch size {size}" in table(rows, "markdown", None, size)
    with pytest.raises(InputError, match="measured were 1, 32"):
        subjects_at(rows, 8)


def test_hostile_names_are_text_in_html_and_markdown(sweep_rows):
    rows = sweep_rows(("semantic",), (0.6,), (0,), model="<script>alert(1)</script>|`x`")
    assert "<script>" not in table(rows, "html") + table(rows, "markdown")


def test_a_column_of_words_is_no_axis():
    with pytest.raises(InputError, match="--x mask: is no column of numbers"):
        check_shown(["mask"], "--x", numeric=True)
    with pytest.raises(InputError, match="did you mean 'gflops_t'"):
        check_shown(["gflops_tt"], "--x", numeric=True)


def test_latex_escapes_what_it_would_take_for_commands(sweep_rows):
    text = table(sweep_rows(("semantic",), (0.6,), (0,), model=HOSTILE), "latex")
    caption = re.search(r"\\caption\{(.*)\}\n", text)[1]
    assert r"a\_b\%\$\#\&\{\textasciitilde{}\textasciicircum{}\textbackslash{}x\textbar{}\textless{}é?$^2$" in caption
    body = text[text.index(r"\toprule") : text.index(r"\bottomrule")]
    rows = [line for line in body.splitlines() if line.endswith(r"\\")]
    assert len({line.count("&") for line in rows}) == 1 and len(rows) == 3


@pytest.mark.slow
def test_the_table_compiles_with_booktabs_alone(tmp_path, sweep_rows):
    if shutil.which("pdflatex") is None:
        pytest.skip("no pdflatex here (Debian: texlive-latex-base)")
    if not subprocess.run(["kpsewhich", "booktabs.sty"], capture_output=True).stdout:
        pytest.skip("no booktabs here (Debian: texlive-latex-recommended)")
    own = sweep_rows(("semantic", "random"), (0.4, 0.6), model=HOSTILE)
    tables = table(own, "latex") + table(two_masks(sweep_rows, 0.02), "latex", ["mask", "positions", "ap", "ap_diff"])
    assert r"\boldmath" in tables
    document = r"\documentclass{article}\usepackage{booktabs}\begin{document}" + tables + r"\end{document}"
    (tmp_path / "paper.tex").write_text(document, encoding="utf-8")
    line = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "paper.tex"]
    done = subprocess.run(line, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]
    assert (tmp_path / "paper.pdf").read_bytes().startswith(b"%PDF") and "Missing character" not in done.stdout


def test_every_format_is_a_format_of_the_command():
    from posebench.commands import paper
    from posebench.reports.plots import paper as plots

    assert paper.FORMATS == FORMATS and (paper.STYLES, paper.PICTURES) == (plots.STYLES, plots.FORMATS)
