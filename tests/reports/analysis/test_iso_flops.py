"""Masks at equal GFLOPsT: the file is read or refused in one line, and the words, the table and the plot follow it."""

import csv
from dataclasses import replace

import pytest

from posebench.pose.errors import InputError
from posebench.pose.metrics import AP, PCKH
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.iso_flops import (
    Difference,
    IsoFlopsPoint,
    Standing,
    control_sentence,
    iso_flops_sentence,
)
from posebench.reports.analysis.iso_flops_file import read_iso_flops, write_iso_flops
from posebench.reports.plots.accuracy_at_iso_flops import accuracy_at_iso_flops
from posebench.reports.plots.style import style
from posebench.reports.report import write_report
from posebench.reports.tables.iso_flops_table import iso_flops_table

#: the columns of a file that an earlier posebench wrote
AGREED = """
    model saving gflops_t mask mask_ratio mask_ratio_mean ap ap_low ap_high ap_std seeds best from_best from_best_low
    from_best_high from_random from_random_low from_random_high
""".split()


def of_metric(metric):
    """The same columns where the accuracy is another."""
    return [metric.column + name.removeprefix("ap") if name.startswith("ap") else name for name in AGREED]


def entry(mask, ap, from_best=None, from_random=None, saving=0.2, **changes):
    """One row; a difference is (mean, low, high)."""
    row = dict(model="tmpose_tiny", saving=saving, gflops_t=0.0251 * (1 - saving), mask=mask, mask_ratio=0.27,
               mask_ratio_mean=0.25, ap=ap, ap_low=ap - 0.015, ap_high=ap + 0.015, ap_std=0.004, seeds=3,
               best="true" if from_best is None else "false")  # fmt: skip
    for name, ends in (("from_best", from_best), ("from_random", from_random)):
        row |= dict(zip((name, f"{name}_low", f"{name}_high"), ends or ("", "", ""), strict=True))
    return {**row, **changes}


def point_rows(saving=0.2, **changes):
    """Semantic best, prune close behind, random far."""
    return [
        entry("semantic", 0.605, None, (0.041, 0.03, 0.05), saving, **changes),
        entry("prune", 0.6, (-0.005, -0.012, 0.002), (0.036, 0.025, 0.046), saving, **changes),
        entry("random", 0.564, (-0.041, -0.05, -0.03), None, saving, **changes),
    ]


def write(path, rows, header=AGREED):
    with open(path, "w", newline="") as file:
        writer = csv.DictWriter(file, header, extrasaction="ignore", lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def read(tmp_path, rows):
    return read_iso_flops(write(tmp_path / "equal_gflopst.csv", rows))


def said(point):
    return iso_flops_sentence(point).replace("\N{NO-BREAK SPACE}", " ")


def test_points_come_back_from_a_file_as_they_were_written(tmp_path):
    for metric, scale in ((AP, 1.0), (PCKH, 100.0)):
        first = Standing("semantic", 0.27, 0.25, 0.605 * scale, (0.59 * scale, 0.1 + 0.2), 0.004, 3, True, None,
                         {"random": Difference(0.041, 0.03, 0.05)})  # fmt: skip
        second = Standing("random", 0.2, None, 0.5, None, None, None, False, Difference(-0.1, -0.2, 1e-17))
        both = [first, second]
        points = [IsoFlopsPoint("tmpose_tiny", saving, 0.02, both, metric, ("random",)) for saving in (0.2, 0.41)]
        write_iso_flops(tmp_path / "equal_gflopst.csv", points)
        assert read_iso_flops(tmp_path / "equal_gflopst.csv") == points
        assert (tmp_path / "equal_gflopst.csv").read_text().splitlines()[0].split(",") == of_metric(metric)


def test_the_control_is_the_one_that_the_columns_name(tmp_path, sweep_rows):
    header = [name.replace("from_random", "from_uniform") for name in AGREED]
    rows = [dict(zip(header, (row[name] for name in AGREED), strict=True)) for row in point_rows()]
    rows[2]["mask"] = "uniform"
    (point,) = read_iso_flops(write(tmp_path / "equal_gflopst.csv", rows, header))
    assert point.controls == ("uniform",) and point.control.mask == "uniform"
    assert iso_flops_table([point]).heads[-1].label == "to uniform"


def test_a_comparison_of_mpii_is_told_in_points_of_pckh(tmp_path, sweep_rows):
    rows = [dict(zip(of_metric(PCKH), (row[name] for name in AGREED), strict=True)) for row in point_rows()]
    for row in rows:
        row.update((name, 100 * row[name]) for name in ("pckh", "pckh_low", "pckh_high"))
    (point,) = points = read_iso_flops(write(tmp_path / "equal_gflopst.csv", rows, of_metric(PCKH)))
    assert "semantic has the highest PCKh@0.5, 60.50 % (59.00 to 62.00), and prune (60.00 %) is not told" in said(point)
    heads = [(head.label, head.unit) for head in iso_flops_table(points).heads]
    assert heads[4:7] == [("PCKh@0.5", "%"), ("95 % interval", ""), ("to the highest", "PCKh@0.5")]
    own = sweep_rows(masks=("semantic", "random"), seeds=(0,))
    assert accuracy_at_iso_flops(compare(own), points) is None, "AP is another axis"
    mpii = [{**row, "dataset": "mpii", "ap": None, "pckh": 100 * row["ap"]} for row in own]
    with style():
        figure, alt = accuracy_at_iso_flops(compare(mpii), points)
    assert figure.axes[0].get_ylabel() == "PCKh@0.5 (%)" and alt.startswith("PCKh@0.5 against")


def test_no_file_and_a_file_without_rows_are_no_points(tmp_path):
    assert read_iso_flops(tmp_path / "equal_gflopst.csv") == []
    assert read(tmp_path, []) == []


def test_points_come_by_model_and_rising_saving(tmp_path):
    rows = point_rows(0.4) + point_rows(0.2) + point_rows(0.3, model="tmpose_b")
    points = read(tmp_path, rows)
    assert [(point.model, point.saving) for point in points] == [
        ("tmpose_tiny", 0.2),
        ("tmpose_tiny", 0.4),
        ("tmpose_b", 0.3),
    ]
    first = points[0]
    assert first.gflops_t == rows[3]["gflops_t"] and first.best.mask == "semantic"
    prune = first.standings[1]
    assert (prune.accuracy, prune.interval, prune.ratio, prune.seeds) == (0.6, (0.585, 0.615), 0.27, 3)
    assert (prune.from_best.mean, prune.from_best.low, prune.from_best.high) == (-0.005, -0.012, 0.002)
    assert first.best.from_best is None and first.standings[2].from_controls == {}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (dict(ap="high"), "row 2, column ap: 'high' is not a number"),
        (dict(ap="nan"), "row 2, column ap: 'nan' is not a number"),
        (dict(ap="1e308"), "row 2, column ap: '1e308' is not a number"),
        (dict(ap=""), "row 2, column ap: empty; a number is right"),
        (dict(mask=""), "row 2, column mask: empty; a name is right"),
        (dict(best="yes"), "row 2, column best: 'yes' is not true or false"),
        (dict(best="true"), "has 2 rows marked best; exactly one is right"),
        (dict(mask="semantic"), "has a mask twice"),
    ],
)
def test_a_broken_value_is_named_in_one_line(tmp_path, change, words):
    rows = point_rows()
    rows[1].update(change)
    with pytest.raises(InputError) as caught:
        read(tmp_path, rows)
    assert words in str(caught.value) and str(tmp_path / "equal_gflopst.csv") in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "column model, saving, gflops_t and 12 more missing"),
        (b"\x89PNG\xff\xfe\x00", "not a readable CSV file"),
        (",".join(AGREED).encode() + b"\na,0.2\n", "row 1 has 2 values, the first line names 18"),
        (",".join(AGREED[:-1]).encode() + b"\n", "column from_random_high missing"),
    ],
)
def test_a_file_of_another_kind_is_named_in_one_line(tmp_path, content, words):
    path = tmp_path / "equal_gflopst.csv"
    path.write_bytes(content)
    with pytest.raises(InputError) as caught:
        read_iso_flops(path)
    assert words in str(caught.value) and str(path) in str(caught.value)


START = "At 20 % less GFLOPsT than unmasked, "
NO_LEAD = "no mask is shown to lead: semantic has the highest AP, 0.605 (0.590 to 0.620), and "


def test_who_is_not_told_apart_from_the_highest_takes_the_lead_from_it(tmp_path):
    (point,) = read(tmp_path, point_rows())
    assert said(point) == (
        f"{START}{NO_LEAD}prune (0.600) is not told apart from it; behind it: random."
    )
    rows = point_rows()
    rows[2].update(from_best_high=0.01)
    everyone = "prune (0.600) and random (0.564) are not told apart from it."
    assert said(*read(tmp_path, rows)) == f"{START}{NO_LEAD}{everyone}"


def test_every_control_is_named_and_every_method_is_held_against_the_strongest():
    """Prior is the strongest: what merely beats random has shown nothing."""

    def standing(mask, ap, low=None, high=None):
        to_prior = {"prior": Difference(ap - 0.58, low, high)} if low is not None else {}
        differences = {"random": Difference(ap - 0.5, ap - 0.51, ap - 0.49)} | to_prior
        return Standing(mask, 0.4, None, ap, None, None, 2, mask == "prune", None, differences)

    content = [("prune", 0.62, 0.02, 0.06), ("tome", 0.61, 0.01, 0.05), ("norm", 0.57, -0.03, 0.01)]
    content += [("ats", 0.52, -0.08, -0.04), ("random", 0.5, -0.09, -0.07), ("prior", 0.58)]
    masks = [standing(*given) for given in content]
    point = IsoFlopsPoint("tmpose_tiny", 0.4, 0.015, masks, AP, ("random", "prior"))
    assert control_sentence(point).replace("\N{NO-BREAK SPACE}", " ") == (
        "At 40 % less GFLOPsT, of the controls, which look at no content, prior (0.580) is the strongest, before"
        " random (0.500): prune, the best that looks at content, beats it (+0.040, +0.020 to +0.060);"
        " also beating it: tome; not told apart from it: norm; beaten by it: ats."
    )
    table = iso_flops_table([point])
    assert table.heads[-1].label == "to prior" and table.rows[3].cells[-1].text == "-0.060"
    assert control_sentence(IsoFlopsPoint("m", 0.4, 0.015, masks[:3], AP, ())) == ""
    alone = control_sentence(IsoFlopsPoint("m", 0.4, 0.015, [masks[2], masks[5]], AP, ("prior",)))
    assert "the control, which looks at no content, is prior (0.580): norm, the best" in alone
    assert "is not shown to beat it" in alone and "another training" not in alone
    single = [replace(masks[2], seeds=1), masks[5]]
    assert "another training may differ" in control_sentence(IsoFlopsPoint("m", 0.4, 0.015, single, AP, ("prior",)))


def test_a_mask_leads_where_all_others_are_told_apart_from_it(tmp_path):
    rows = point_rows()
    rows[1].update(from_best_high=-0.001)
    assert said(*read(tmp_path, rows)) == (
        f"{START}semantic leads with AP 0.605 (0.590 to 0.620); told apart from it and behind:"
        " prune and random."
    )
    assert said(*read(tmp_path, rows[:1])).endswith("has AP 0.605 (0.590 to 0.620); no other mask reaches this point.")


def test_without_intervals_nobody_leads(tmp_path):
    nothing = dict(ap_low="", ap_high="", ap_std="")
    rows = [entry("semantic", 0.6, **nothing), entry("prune", 0.59, ("", "", ""), best="false", **nothing)]
    assert (
        said(*read(tmp_path, rows)) == f"{START}semantic has the highest AP, 0.600; no interval says whether it leads."
    )
    heads = [head.label for head in iso_flops_table(read(tmp_path, rows)).heads]
    assert heads == ["saving", "GFLOPsT", "mask", "mask ratio", "AP", "95 % interval", "to the highest"]


def test_the_table_marks_the_best_and_what_is_not_told_apart(tmp_path):
    later = [row for row in point_rows(0.4) if row["mask"] != "prune"]
    table = iso_flops_table(read(tmp_path, point_rows() + later))
    lines = [[(cell.text.replace("\N{NO-BREAK SPACE}", " "), cell.aside) for cell in row.cells] for row in table.rows]
    place = [("20 % less", ""), ("0.02008", "")]
    assert lines[0][:4] == [*place, ("semantic", ""), ("0.27", "")]
    assert lines[0][4:] == [("0.605", ""), ("0.590 to 0.620", ""), ("highest", ""), ("+0.041", "+0.030 to +0.050")]
    assert [number for number, cell in enumerate(table.rows[0].cells) if cell.kind == "n best"] == [4, 6]
    assert lines[1][2] == ("prune", "") and lines[1][6] == ("-0.005", "-0.012 to +0.002\nnot told apart")
    assert lines[2][6] == ("-0.041", "-0.050 to -0.030") and lines[2][7] == ("", "")
    assert [line[:3:2] for line in lines[3:]] == [[("40 % less", ""), (mask, "")] for mask in ("semantic", "random")]
    assert [row.kind for row in table.rows] == ["", "", "", "first", ""]


def test_the_plot_has_a_line_and_a_ring_at_each_point(tmp_path, sweep_rows):
    points = read(tmp_path, point_rows() + point_rows(0.4))
    subjects = compare(sweep_rows(masks=("semantic", "random"), seeds=(0,)))
    with style():
        figure, alt = accuracy_at_iso_flops(subjects, points)
        axes = figure.axes[0]
        lines = [line for line in axes.get_lines() if len(line.get_xdata()) == 2 and len(set(line.get_xdata())) == 1]
        assert {point.gflops_t for point in points} <= {line.get_xdata()[0] for line in lines}
        rings = [line for line in axes.get_lines() if line.get_marker() == "o" and line.get_markersize() == 10]
        assert {(line.get_xdata()[0], line.get_ydata()[0]) for line in rings} == {(p.gflops_t, 0.605) for p in points}
    assert "20\N{NO-BREAK SPACE}% less, semantic highest" in alt
    assert accuracy_at_iso_flops(subjects, read(tmp_path, point_rows(model="another"))) is None


def test_titles_of_near_points_do_not_overlap(tmp_path, sweep_rows):
    points = read(tmp_path, [row for saving in (0.24, 0.25, 0.26) for row in point_rows(saving)])
    with style():
        figure, _ = accuracy_at_iso_flops(compare(sweep_rows(masks=("semantic", "random"), seeds=(0,))), points)
        renderer = figure.canvas.get_renderer()
        (top,) = figure.axes[0].child_axes
        boxes = []
        for label in top.get_xticklabels():
            # The lines below a raised title are empty: only its first holds text.
            box = label.get_window_extent(renderer)
            boxes.append((box.x0, box.x1, box.y1))
        apart = [a[1] <= b[0] or a[2] != b[2] for n, a in enumerate(boxes) for b in boxes[n + 1 :]]
        assert len(boxes) == 3 and all(apart)
        assert all(box[2] <= figure.bbox.y1 for box in boxes)


def test_the_page_has_the_section_only_with_the_file(tmp_path, sweep_rows):
    rows = sweep_rows(masks=("semantic", "random"), seeds=(0,))
    heading = "<h2>At equal GFLOPsT</h2>"
    assert heading not in write_report(tmp_path, rows).read_text()
    assert not (tmp_path / "plots" / "accuracy_at_equal_gflopst.png").exists()
    write(tmp_path / "equal_gflopst.csv", point_rows())
    page = write_report(tmp_path).read_text()
    assert heading in page and "prune (0.600) is not told apart from it;" in page
    assert (tmp_path / "plots" / "accuracy_at_equal_gflopst.svg").exists()


def test_a_broken_file_is_one_line_on_a_page_that_is_written_all_the_same(tmp_path, sweep_rows):
    rows = sweep_rows(masks=("semantic", "random"), seeds=(0,))
    (tmp_path / "equal_gflopst.csv").write_text("not,this\n")
    page = write_report(tmp_path, rows).read_text()
    assert page.count("equal_gflopst.csv") == 1 and "column model, saving, gflops_t and 12 more missing" in page
    (tmp_path / "by_size.csv").write_text("cell,size,from_px,to_px,images,score\na,small,0,9,3,much\n")
    assert "The accuracy by size of people is left out." in write_report(tmp_path).read_text()
    assert "<h2>At equal GFLOPsT</h2>" not in page and "<h2>Results</h2>" in page
