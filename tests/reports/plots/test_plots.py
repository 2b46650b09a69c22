"""Plots: both formats, the same bytes for the same rows, no label over another."""

import itertools
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import matplotlib
import pytest
from invented_rows import ACCURACY
from matplotlib.figure import Figure

from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.findings import find
from posebench.reports.analysis.place import place_name
from posebench.reports.analysis.told import MOST, told_masks
from posebench.reports.page import sections
from posebench.reports.page.page import render_page
from posebench.reports.page.section import Material
from posebench.reports.plots.accuracy_vs_gflops_t import accuracy_vs_gflops_t
from posebench.reports.plots.accuracy_vs_latency import accuracy_vs_latency
from posebench.reports.plots.catalogue import PLOTS
from posebench.reports.plots.drawing import draw_all, save_all
from posebench.reports.plots.plot import Plot, each_subject
from posebench.reports.plots.savings import savings
from posebench.reports.plots.style import MUTED, style
from posebench.reports.plots.two_counts import exact_vs_published

SINGLE = {
    "accuracy_vs_gflops_t",
    "accuracy_vs_latency",
    "theoretical_vs_realised_saving",
    "exact_vs_published_count",
}
MASKS = ("semantic", "scorer", "norm", "uniform", "random", "block")


def test_each_plot_is_saved_as_png_and_svg(tmp_path, sweep_rows):
    drawings = draw_all(find(sweep_rows()))
    save_all(drawings, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.{end}" for name in SINGLE for end in ("png", "svg")}
    for name in SINGLE:
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")
        assert ElementTree.parse(tmp_path / f"{name}.svg").getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_same_rows_give_the_same_bytes_whatever_the_users_settings(sweep_rows):
    rows = sweep_rows(seeds=(0,))
    first = draw_all(find(rows))
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "mine", "axes.facecolor": "red"}):
        second = draw_all(find(rows))
        assert matplotlib.rcParams["font.size"] == 30, "the user's settings are left as they were"
    assert [drawing.svg for drawing in first] == [drawing.svg for drawing in second]
    assert [drawing.png for drawing in first] == [drawing.png for drawing in second]


def test_several_models_and_batch_sizes_get_plots_of_their_own_and_one_together(sweep_rows):
    rows = sweep_rows(seeds=(0,), ratios=(0.4,), batch_sizes=(1, 16))
    rows += sweep_rows(seeds=(0,), ratios=(0.4,), model="tmpose/l $x_1$ <b>")
    names = [drawing.name for drawing in draw_all(find(rows))]
    assert len(names) == len(set(names)) == 1 + 2 + 2 + 3 + 3 + 1
    assert "accuracy_vs_gflops_t" in names and "accuracy_vs_gflops_t-tmpose_l_x_1_b" in names
    assert "accuracy_vs_latency-tmpose_tiny_batch_size_16" in names
    assert all("/" not in name for name in names)


def test_the_title_of_a_plot_of_one_batch_size_names_it_unbroken(sweep_rows):
    (subject,) = compare(
        sweep_rows(seeds=(0,), ratios=(0.4,), batch_sizes=(1, 16), model="a_model_of_quite_a_long_name")
    )
    with style():
        for draw in (accuracy_vs_latency, savings):
            titles = [draw(subject, size)[0].texts[0].get_text() for size in (1, 16)]
            assert [title.splitlines()[-1][-8:].split()[-1] for title in titles] == ["1", "16"]
            assert all("batch\N{NO-BREAK SPACE}" in title for title in titles)


def test_the_bar_of_a_saving_is_its_paired_interval(sweep_rows):
    rows = sweep_rows(seeds=(0,), ratios=(0.4,))
    with style():
        figure, _ = savings(compare(rows)[0], 1)
    spans = [tuple(line.get_ydata()) for line in figure.axes[0].get_lines() if len(line.get_ydata()) == 2]
    low, high = (rows[1][f"latency_transformer_vs_unmasked_{end}"] for end in ("low", "high"))
    assert (1 - high, 1 - low) in spans


def test_rows_lacking_accuracy_or_latency_give_the_plots_that_remain(one_row, sweep_rows):
    def names(**gone):
        return {drawing.name for drawing in draw_all(find(sweep_rows(seeds=(0,), **gone)))}

    assert names(ap=None) == SINGLE - {"accuracy_vs_gflops_t", "accuracy_vs_latency"}
    no_latency = names(latency_ms_median=None, latency_transformer_ms_median=None)
    assert no_latency == {"accuracy_vs_gflops_t", "exact_vs_published_count"}
    assert draw_all(find([])) == []
    alone = {drawing.name for drawing in draw_all(find([one_row()]))}
    assert alone == {"accuracy_vs_gflops_t", "accuracy_vs_latency"}


@pytest.mark.parametrize(
    ("masks", "ratios"),
    [
        (("semantic",), (0.2, 0.4, 0.6)),
        (("semantic", "random"), (0.2, 0.4, 0.6)),
        (MASKS, (0.2, 0.4, 0.6, 0.8)),
        (tuple(ACCURACY), (0.2, 0.4, 0.6)),
    ],
)
def test_no_label_covers_another_or_leaves_its_plot(sweep_rows, masks, ratios):
    (subject,) = compare(sweep_rows(masks=masks, ratios=ratios))
    with style():
        drawn = [accuracy_vs_gflops_t(subject), accuracy_vs_latency(subject, 1), savings(subject, 1)]
        for figure, _ in [*drawn, exact_vs_published(subject)]:
            renderer = figure.canvas.get_renderer()
            for axes in figure.axes:
                boxes = [text.get_window_extent(renderer) for text in axes.texts]
                assert len(boxes) >= len(ratios)
                assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
                frame = axes.get_window_extent(renderer)
                assert all(frame.y0 <= box.y0 and box.y1 <= frame.y1 and frame.x0 <= box.x0 for box in boxes)


def test_of_sixteen_masks_eight_are_told_in_colour_and_the_others_named_in_grey(sweep_rows):
    (subject,) = compare(sweep_rows(masks=tuple(ACCURACY)))
    told = told_masks(subject)
    assert len(ACCURACY) == 16 and len(told) == MOST
    base = subject.baseline.gflops_t
    for mask in set(subject.series) - told:  # each is beaten at its cost, by a mask that is told
        for point in subject.series[mask]:
            better = (p for p in subject.points if p.gflops_t <= point.gflops_t < base and p.mask in told)
            assert max(p.accuracy.mean for p in better) > point.accuracy.mean
    with style():
        figure, alt = accuracy_vs_gflops_t(subject)
    (axes,) = figure.axes
    named = {entry.get_text() for entry in figure.legends[0].texts}
    assert named == told | {"8 others"} and all(mask in alt for mask in ACCURACY)
    grey = [text.get_text() for text in axes.texts if text.get_text() in set(subject.series) - told]
    assert len(grey) >= 6 and {text.get_color() for text in axes.texts if text.get_text() in grey} == {MUTED}
    ids = {line.get_gid().partition("-")[2] for line in axes.lines if line.get_gid()}
    assert {place_name(subject, point) for point in subject.points} <= ids, "the mouse finds every one"
    rows = sweep_rows(masks=tuple(ACCURACY), seeds=(0,))
    for row in rows:
        row["gflops_t"] *= 0.8 if row["mask"] == "block" else 1
    assert "block" not in told and "block" in told_masks(compare(rows)[0]), "the least accurate, and cheaper than all"
    few = compare(sweep_rows(masks=MASKS))[0]
    assert told_masks(few) == set(MASKS)


def test_title_small_print_and_legend_stay_inside_the_picture(sweep_rows):
    rows = sweep_rows(masks=MASKS, latency_unstable=True, model="improved_sparse_tokenpose_with_a_long_name")
    (subject,) = compare(rows)
    with style():
        for figure, _ in (accuracy_vs_latency(subject, 1), savings(subject, 1), exact_vs_published(subject)):
            renderer = figure.canvas.get_renderer()
            whole = figure.bbox
            for artist in [*figure.texts, *figure.legends, *(axes.xaxis.label for axes in figure.axes)]:
                box = artist.get_window_extent(renderer)
                assert whole.x0 <= box.x0 and box.x1 <= whole.x1 and whole.y0 <= box.y0 and box.y1 <= whole.y1


def test_an_axis_that_names_masks_stays_inside_the_picture(sweep_rows):
    rows = sweep_rows()
    for row in rows[3:]:
        row.update(mask="my_own_package.reductions:my_own_way_to_cut(layers=3|6)", tokens_kept=row["tokens_total"])
    with style():
        figure, _ = exact_vs_published(compare(rows)[0])
    label = figure.axes[0].xaxis.label
    box, whole = label.get_window_extent(figure.canvas.get_renderer()), figure.bbox
    assert whole.x0 <= box.x0 and box.x1 <= whole.x1
    assert label.get_text().replace("\n", " ").endswith("my_own_package.reductions:my_own_way_to_cut: of connections)")


def test_an_unstable_latency_is_drawn_hollow_and_only_that(sweep_rows):
    rows = sweep_rows(seeds=(0,))
    rows[2]["latency_unstable"] = True
    with style():
        figure, _ = accuracy_vs_latency(compare(rows)[0], 1)
    markers = [line for line in figure.axes[0].get_lines() if line.get_marker() not in ("None", None, "")]
    hollow = [line for line in markers if line.get_markerfacecolor() != line.get_color()]
    assert len(markers) == 4 and len(hollow) == 1
    assert hollow[0].get_xdata()[0] == pytest.approx(rows[2]["latency_ms_median"])


def test_a_point_lies_where_its_row_says_and_its_bars_span_seeds_and_interval(sweep_rows):
    rows = sweep_rows(ratios=(0.6,))
    with style():
        figure, _ = accuracy_vs_gflops_t(compare(rows)[0])
    spans = {tuple(line.get_ydata()) for line in figure.axes[0].get_lines() if len(line.get_ydata()) == 2}
    masked = [row for row in rows if row["mask"] == "semantic"]
    aps = [row["ap"] for row in masked]
    assert (min(aps), max(aps)) in spans
    assert compare(rows)[0].series["semantic"][0].ci in spans
    points = {(line.get_xdata()[0], round(line.get_ydata()[0], 9)) for line in figure.axes[0].get_lines()
              if len(line.get_xdata()) == 1}  # fmt: skip
    assert (masked[0]["gflops_t"], round(sum(aps) / 3, 9)) in points


def test_reports_need_neither_torch_nor_pyplot():
    code = (
        "import sys; from posebench.reports import analysis, page, report, tables;"
        "import posebench.reports.analysis.flop_check, posebench.reports.page.audit_page;"
        "bad = {'torch', 'matplotlib.pyplot'} & set(sys.modules); print(*bad)"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == ""


def test_a_plot_is_a_record_in_the_list_and_is_then_saved_and_on_the_page(tmp_path, sweep_rows):
    def two_points(subject):
        figure = Figure()
        figure.add_subplot().plot([0, 1], [0, 1])
        return figure, "A line that rises."

    mine = Plot("my_plot", "A line", each_subject, two_points)
    findings = find(sweep_rows(seeds=(0,)))
    drawings = draw_all(findings, (*PLOTS, mine))
    save_all(drawings, tmp_path)
    assert (tmp_path / "my_plot.png").exists() and (tmp_path / "my_plot.svg").exists()
    page = render_page(Material(findings, drawings), title="t")
    assert "<h2>More plots</h2>" in page and 'aria-label="A line, tmpose_tiny. A line that rises."' in page
    assert "<h2>More plots</h2>" not in render_page(Material(findings, draw_all(findings)), title="t")


def test_every_plot_of_the_list_is_shown_in_some_section(sweep_rows):
    """What a plot's section is called is known to the page."""
    source = (Path(sections.__file__)).read_text()
    assert all(re.search(rf'figures\("{plot.section}"[,)]', source) for plot in PLOTS)
    assert len({plot.name for plot in PLOTS}) == len(PLOTS)
