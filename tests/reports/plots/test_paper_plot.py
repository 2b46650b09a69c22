"""A paper's plot: as wide as asked for, every line named, no name over another, its conditions in the caption."""

import re
import struct
from xml.etree import ElementTree

import pytest
from invented_rows import ACCURACY

from posebench.reports.analysis.paper import subjects_at
from posebench.reports.plots.paper import paper_plot


def drawn(rows, x="gflops_t", y="ap", **more):
    subjects, size = subjects_at(rows, None)
    return paper_plot(subjects[0], x, y, size=size, **more)


def test_it_comes_in_three_formats_a_column_wide(sweep_rows):
    plot = drawn(sweep_rows(("semantic", "random")))
    width, _ = struct.unpack(">II", plot.files["png"][16:24])
    assert width == round(3.3 * 300)
    root = ElementTree.fromstring(plot.files["svg"])
    assert float(root.get("width").removesuffix("pt")) == pytest.approx(3.3 * 72, abs=0.1)
    box = re.search(rb"/MediaBox \[ ?([\d.]+) ([\d.]+) ([\d.]+)", plot.files["pdf"])
    assert float(box[3]) == pytest.approx(3.3 * 72, abs=0.1)


def test_lines_are_named_where_they_end_and_there_is_no_legend(sweep_rows):
    svg = drawn(sweep_rows(("semantic", "random"))).files["svg"].decode()
    words = re.findall("<!-- (.*?) -->", svg)
    assert {"semantic 0.6", "random 0.6", "unmasked"} <= set(words) and 'id="legend_1"' not in svg


def test_names_that_find_no_room_stand_in_a_legend_below_the_axes(sweep_rows):
    plot = drawn(sweep_rows(tuple(ACCURACY)))
    svg = plot.files["svg"].decode()
    words = re.findall("<!-- (.*?) -->", svg)
    assert 'id="legend_1"' in svg and words.count("8 others") == 1
    assert "in colour: masks on the measured front first" in plot.caption
    width, height = (float(n) for n in re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups())

    def texts_behind(name):
        found = re.findall(r"translate\([\d.]+ ([\d.]+)\) scale", svg[svg.index(f'id="{name}"') :])
        return [float(y) for y in found]

    places, (ticks, *_) = texts_behind("legend_1"), texts_behind("matplotlib.axis_1")
    assert width == pytest.approx(3.3 * 72, abs=0.1) and max(places) < height
    assert len(places) >= 9 and min(places) > ticks, "below the ticks of the horizontal axis"


def test_the_same_rows_give_the_same_bytes(sweep_rows):
    rows = sweep_rows(("semantic",))
    assert drawn(rows).files == drawn(rows).files


def test_the_caption_has_seeds_people_interval_and_conditions(sweep_rows):
    caption = drawn(sweep_rows(("semantic", "random")), x="latency_ms_median").caption
    for words in ("n = 1000 people, 3 seeds", "95 % interval", "batch size 1, Xeon, float32, 1 thread", "0a1b2c3"):
        assert words in caption, words
    one = drawn(sweep_rows(("semantic",), seeds=(0,))).caption
    assert "1 seed" in one and "another training may differ" in one


def test_without_the_column_there_is_no_plot(sweep_rows):
    assert drawn(sweep_rows(("semantic",)), y="pckh") is None


def test_bars_of_seeds_are_explained_where_there_is_no_other_bar(sweep_rows):
    caption = drawn(sweep_rows(("semantic",)), y="latency_ms_median").caption
    assert "thick bar: standard deviation over seeds" in caption and "thin bar" not in caption
    assert "bar:" not in drawn(sweep_rows(("semantic",), seeds=(0,)), y="latency_ms_median").caption


def test_an_unmasked_model_alone_is_drawn_where_its_name_finds_no_room(sweep_rows):
    assert drawn(sweep_rows((), seeds=(0,)), width=1).files.keys() == {"svg", "pdf", "png"}
