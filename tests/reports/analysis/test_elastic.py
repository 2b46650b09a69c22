"""Rows of models evaluated at other ratios than trained at: a matrix of their own, and no part of any series."""

import xml.etree.ElementTree as ElementTree

import matplotlib
import pytest
from matplotlib.colors import to_rgb

from posebench.pose.errors import InputError
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.elastic import elastic_matrices, elastic_sentences
from posebench.reports.analysis.findings import Findings, find
from posebench.reports.analysis.headline import headline
from posebench.reports.plots.drawing import draw_all, save_all
from posebench.reports.plots.heat_map import COLORS, heat_map
from posebench.reports.plots.matrix import readable_on
from posebench.reports.plots.style import style
from posebench.reports.tables.row_tables import all_rows_table, failed_table, training_table
from posebench.reports.tables.subject_tables import results_table

UNMASKED_AT = {0.2: 0.60, 0.4: 0.50, 0.6: 0.30}
DRAWN = "0,0.2,0.4,0.6"


def elastic_row(one_row, trained, tested, ap, seed=0, **changes):
    nothing = dict.fromkeys(("latency_ms_median", "latency_transformer_ms_median", "peak_memory_mib", "ap_diff"))
    row = one_row("semantic" if tested else "none", tested, seed)
    own = dict(mask="semantic", ap=ap, train_ratio=trained, cell=f"{trained} {tested} {seed}")
    return {**row, **nothing, **own, **changes}


@pytest.fixture
def elastic_rows(one_row):
    """Of seed 0: the unmasked model at three ratios, and one drawn per step at four."""
    rows = [elastic_row(one_row, "0", ratio, ap) for ratio, ap in UNMASKED_AT.items()]
    return rows + [elastic_row(one_row, DRAWN, ratio, 0.6 - ratio / 10) for ratio in (0.0, 0.2, 0.4, 0.6)]


def luminance(color):
    """Relative luminance of an sRGB colour, after WCAG 2."""
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_elastic_rows_change_no_point_no_label_and_no_headline(sweep_rows, elastic_rows):
    rows = sweep_rows(seeds=(0,))
    (plain,), (mixed,) = compare(rows), compare(rows + elastic_rows)
    assert mixed.label == plain.label and headline(mixed) == headline(plain)
    assert mixed.baseline == plain.baseline and mixed.series == plain.series
    assert results_table(mixed) == results_table(plain)
    assert compare(elastic_rows) == []


def test_elastic_rows_are_among_all_rows_but_are_no_trainings(sweep_rows, elastic_rows):
    rows = sweep_rows(seeds=(0,))
    assert training_table(rows + elastic_rows) == training_table(rows)
    table = all_rows_table(rows + elastic_rows)
    place = [head.label for head in table.heads].index("train_ratio")
    shown = [row.cells[place].text for row in table.rows]
    assert shown == [""] * len(rows) + ["0"] * 3 + [DRAWN] * 4


def test_a_failed_elastic_cell_says_what_it_was_trained_at(one_row):
    failed = elastic_row(one_row, "0.4", 0.6, None, status="failed", error="killed")
    table = failed_table([failed])
    place = [head.label for head in table.heads].index("trained at")
    assert table.rows[0].cells[place].text == "0.4"
    assert "trained at" not in {head.label for head in failed_table([{**failed, "train_ratio": None}]).heads}


def test_the_matrix_has_each_row_where_it_was_trained_and_evaluated(sweep_rows, elastic_rows):
    rows = sweep_rows(seeds=(0,))
    (matrix,) = elastic_matrices(rows + elastic_rows)
    drawn = (0.0, 0.2, 0.4, 0.6)
    assert (matrix.label, matrix.mask) == ("tmpose_tiny", "semantic")
    assert list(matrix.trained) == [(0.0,), (0.2,), (0.4,), (0.6,), drawn], "drawn per step comes last"
    assert list(matrix.tested) == [0.0, 0.2, 0.4, 0.6]
    means = {place: cell.mean for place, cell in matrix.cells.items()}
    own = {((row["mask_ratio"],), row["mask_ratio"]): row["ap"] for row in rows}
    unmasked = {((0.0,), ratio): ap for ratio, ap in UNMASKED_AT.items()}
    assert means == {**own, **unmasked, **{(drawn, ratio): 0.6 - ratio / 10 for ratio in drawn}}


def test_cells_are_means_over_seeds_and_each_mask_has_its_own_matrix(one_row):
    rows = [elastic_row(one_row, "0", 0.4, ap, seed) for seed, ap in enumerate((0.4, 0.5, 0.6))]
    rows.append(elastic_row(one_row, "0", 0.4, 0.1, mask="tome", cell="t"))
    semantic, tome = elastic_matrices(rows)
    (cell,) = semantic.cells.values()
    assert (cell.mean, cell.std, cell.n) == (pytest.approx(0.5), pytest.approx(0.1), 3)
    assert tome.mask == "tome" and tome.cells[(0.0,), 0.4].mean == 0.1


def test_the_same_ratio_under_another_condition_is_another_matrix(sweep_rows, elastic_rows):
    other = [{**row, "model": "tmpose_b", "cell": f"b{row['cell']}"} for row in elastic_rows]
    first, second = elastic_matrices(sweep_rows(seeds=(0,)) + elastic_rows + other)
    assert ((0.4,), 0.4) in first.cells and ((0.4,), 0.4) not in second.cells


@pytest.mark.parametrize("text", ["deep", "0.2;0.4", "1.4", ","])
def test_a_train_ratio_that_is_none_is_named_in_one_line(one_row, text):
    with pytest.raises(InputError, match=r"results\.csv, column train_ratio: ") as caught:
        elastic_matrices([elastic_row(one_row, text, 0.4, 0.5)])
    assert repr(text) in str(caught.value) and "\n" not in str(caught.value)


def test_without_elastic_rows_there_is_no_matrix(sweep_rows):
    assert elastic_matrices(sweep_rows()) == []


def matrix_of(one_row, drawn, specialised=(0.62, 0.64), unprepared=(0.49, 0.51)):
    """Two seeds at ratio 0.4: trained there, trained unmasked, and drawn per step."""
    rows = []
    for seed in range(len(drawn)):
        rows.append(one_row("semantic", 0.4, seed, ap=specialised[seed]))
        rows.append(elastic_row(one_row, "0", 0.4, unprepared[seed], seed))
        rows.append(elastic_row(one_row, "0,0.4", 0.4, drawn[seed], seed))
    return elastic_matrices(rows)[0]


def test_the_loss_of_a_model_not_trained_for_it_is_stated_as_computed_by_hand(one_row):
    text = " ".join(elastic_sentences(matrix_of(one_row, (0.6, 0.6))))
    assert "Masked at 0.4, the model trained unmasked has AP 0.500: 0.130 below the one trained at 0.4 (0.630)." in text
    better = matrix_of(one_row, (0.6, 0.6), unprepared=(0.63, 0.65))
    assert "0.010 above the one trained at 0.4" in " ".join(elastic_sentences(better))


def test_a_masked_model_used_unmasked_is_judged_by_the_unmasked_one(one_row):
    rows = [one_row(ap=0.68), elastic_row(one_row, "0.4", 0.0, 0.60)]
    assert elastic_sentences(*elastic_matrices(rows)) == [
        "Evaluated unmasked, the model trained at 0.4 has AP 0.600: 0.080 below the one trained unmasked."
    ]


@pytest.mark.parametrize(
    ("drawn", "words"),
    [
        ((0.61, 0.63), "0.010 below the one trained at 0.4. That is within the seeds' spread everywhere"),
        ((0.58, 0.60), "0.040 below the one trained at 0.4. That is outside the seeds' spread"),
        ((0.63,), "One seed gives no spread to judge these differences by."),
    ],
)
def test_the_drawn_ratio_is_judged_by_the_seeds_spread(one_row, drawn, words):
    # the specialised model: 0.63, std 0.0141; the drawn one has the same std
    assert words in " ".join(elastic_sentences(matrix_of(one_row, drawn)))


def test_a_ratio_at_which_the_drawn_model_falls_behind_is_named(sweep_rows, one_row):
    rows = sweep_rows(seeds=(0, 1), ratios=(0.2, 0.6))
    for row in sweep_rows(seeds=(0, 1), ratios=(0.2, 0.6)):
        behind = 0.1 if row["mask_ratio"] == 0.6 else 0.0
        rows.append(elastic_row(one_row, "0,0.2,0.6", row["mask_ratio"], row["ap"] - behind, row["seed"]))
    text = elastic_sentences(*elastic_matrices(rows))[-1]
    assert "level with the one trained at 0.2 and 0.100 below the one trained at 0.6" in text
    assert text.endswith("within the seeds' spread (mean ± std of the two overlap) except at 0.6.")


def test_mpii_is_told_in_pckh_points(one_row):
    pckh = dict(dataset="mpii", ap=None)
    rows = [
        one_row("semantic", 0.4, pckh=85.5, **pckh),
        elastic_row(one_row, "0", 0.4, None, dataset="mpii", pckh=80.25),
    ]
    (sentence,) = elastic_sentences(*elastic_matrices(rows))
    assert "has PCKh@0.5 80.25 %: 5.25 points below the one trained at 0.4 (85.50 %)" in sentence


@pytest.fixture
def drawn_map(sweep_rows, elastic_rows):
    (matrix,) = elastic_matrices(sweep_rows(seeds=(0, 1)) + elastic_rows)
    with style():
        figure, alt = heat_map(matrix)
        yield matrix, figure, alt


def test_each_cell_shows_its_value_and_a_missing_one_is_hatched(drawn_map):
    matrix, figure, alt = drawn_map
    axes, bar = figure.axes
    shown = {text.get_position(): text.get_text() for text in axes.texts}
    expected = {}
    for y, trained in enumerate(matrix.trained):
        for x, tested in enumerate(matrix.tested):
            if accuracy := matrix.cells.get((trained, tested)):
                std = f"\n± {accuracy.std:.3f}" if accuracy.std is not None else ""
                expected[x, y] = f"{accuracy.mean:.3f}{std}"
    assert shown == expected and len(expected) == 4 + 3 + 4
    assert sum(bool(patch.get_hatch()) for patch in axes.patches) == 5 * 4 - len(expected)
    rows = [label.get_text() for label in axes.get_yticklabels()]
    assert rows == ["unmasked", "0.2", "0.4", "0.6", "drawn\nper step"]
    assert bar.get_ylabel() == "AP (0 to 1)"
    assert "trained unmasked: 0.677 at 0, 0.600 at 0.2" in alt and "trained drawn per step: 0.600 at 0" in alt


def test_every_text_stays_in_its_cell_and_in_the_picture(drawn_map):
    _, figure, _ = drawn_map
    renderer = figure.canvas.get_renderer()
    axes, bar = figure.axes
    to_pixels = axes.transData.transform
    for text in axes.texts:
        x, y = text.get_position()
        (x0, y1), (x1, y0) = to_pixels([(x - 0.5, y - 0.5), (x + 0.5, y + 0.5)])
        box = text.get_window_extent(renderer)
        assert x0 < box.x0 and box.x1 < x1 and y0 < box.y0 and box.y1 < y1
    labels = [*axes.get_xticklabels(), *axes.get_yticklabels(), axes.xaxis.label, axes.yaxis.label, bar.yaxis.label]
    for artist in [*figure.texts, *labels]:
        box = artist.get_window_extent(renderer)
        assert figure.bbox.x0 <= box.x0 and box.x1 <= figure.bbox.x1
        assert figure.bbox.y0 <= box.y0 and box.y1 <= figure.bbox.y1


def test_text_can_be_read_on_every_colour_of_the_map():
    for step in range(101):
        color = COLORS(step / 100)
        one, other = sorted((luminance(color[:3]), luminance(readable_on(color))))
        assert (other + 0.05) / (one + 0.05) >= 4.5


def test_the_map_grows_brighter_with_the_value_for_every_eye():
    steps = [luminance(COLORS(step / 20)[:3]) for step in range(21)]
    assert steps == sorted(steps)


def test_the_map_is_saved_under_its_masks_name_and_without_pictures_inside(tmp_path, sweep_rows, elastic_rows):
    rows = sweep_rows(seeds=(0,)) + elastic_rows
    with matplotlib.rc_context():
        drawings = draw_all(find(rows))
    save_all(drawings, tmp_path)
    assert (tmp_path / "elastic_semantic.png").read_bytes().startswith(b"\x89PNG")
    root = ElementTree.parse(tmp_path / "elastic_semantic.svg").getroot()
    assert not [element for element in root.iter() if element.tag.endswith("}image")]


def test_maps_of_several_models_do_not_overwrite_each_other(sweep_rows, elastic_rows):
    other = [{**row, "model": "tmpose_b", "cell": f"b{row['cell']}"} for row in elastic_rows]
    names = [drawing.name for drawing in draw_all(Findings([], [], elastic_matrices(elastic_rows + other)))]
    assert names == ["elastic_semantic-tmpose_tiny", "elastic_semantic-tmpose_b"]
