"""Break-even is claimed by intervals alone, from the deepest ratio on."""

import pytest

from posebench.reports.analysis.break_even import break_even_words, break_evens, by_model
from posebench.reports.analysis.findings import find
from posebench.reports.plots.break_even import PLOT
from posebench.reports.plots.style import style
from posebench.reports.tables.break_even_table import break_even_rows, break_even_table

#: ratio -> (low, high) of the time left
LEFT = {0.2: (0.98, 1.02), 0.4: (0.9, 0.97), 0.6: (0.7, 0.8)}


def rows(one_row, left=LEFT, batch_size=1, **changes):
    changes = {"runtime": "eager", "batch_size": batch_size, **changes}
    found = [one_row(**changes)]
    for ratio, (low, high) in left.items():
        names = (f"latency_vs_unmasked{end}" for end in ("", "_low", "_high"))
        ends = dict(zip(names, ((low + high) / 2, low, high), strict=True))
        found.append(one_row("random", ratio, **ends, **changes))
    return found


def said(found, size=1):
    (one,) = break_evens(found)
    return break_even_words(one, size)


def test_from_the_smallest_ratio_whose_interval_and_all_deeper_ones_save(one_row):
    assert said(rows(one_row)) == "from 0.4"
    assert said(rows(one_row, LEFT | {0.2: (0.9, 0.99)})) == "from 0.2"
    assert said(rows(one_row, LEFT | {0.4: (0.9, 1.0)})) == "from 0.6", "its end is at no saving"
    assert said(rows(one_row, LEFT | {0.6: (0.9, 1.01)})) == "never up to 0.6", "the deepest must save"


def test_a_mask_without_a_ratio_is_at_0_as_in_every_comparison(one_row):
    (one,) = break_evens([row | {"mask_ratio": row["mask_ratio"] or None} for row in rows(one_row, {0.4: (0.8, 0.9)})]
                         + rows(one_row, {0.4: (0.8, 0.9)}, mask_ratio=None)[1:])  # fmt: skip
    assert one.ratios == [0.0, 0.4]


def test_what_is_unstable_decides_nothing(one_row):
    assert said(rows(one_row, latency_unstable=True)) == "undecided (unstable)"


def test_the_smallest_batch_is_found_the_same_way(one_row):
    slow = {ratio: (1.1, 1.2) for ratio in LEFT}
    (one,) = break_evens([*rows(one_row, slow, 1), *rows(one_row, LEFT, 8), *rows(one_row, LEFT, 16)])
    assert one.batch_sizes == [1, 8, 16]
    flat = break_even_rows([one])
    assert [(row["from_batch_0.6"], row["from_batch_0.2"]) for row in flat] == [(8, None)] * 3
    assert [break_even_words(one, size) for size in one.batch_sizes] == ["never up to 0.6", "from 0.4", "from 0.4"]


def test_each_runtime_is_compared_with_itself_and_stands_in_its_own_column(one_row):
    both = [*rows(one_row), *rows(one_row, {0.6: (1.2, 1.3)}, runtime="onnxruntime")]
    found = break_evens(both)
    assert [one.runtime for one in found] == ["eager", "onnxruntime"] and list(by_model(found)) == ["tmpose_tiny"]
    grid = break_even_table(found)
    assert grid.groups == [("", 1), ("eager", 1), ("onnxruntime", 1)]
    assert [cell.text for cell in grid.rows[0].cells] == ["random", "from 0.4", "never up to 0.6"]
    flat = break_even_rows(found)
    assert flat[0]["from_ratio"] == 0.4 and flat[1]["from_ratio"] is None
    assert flat[0]["saved_0.6"] == pytest.approx(0.25)


def test_the_map_is_drawn_where_there_are_several_columns(one_row):
    assert not list(PLOT.needs(find(rows(one_row))))
    (case,) = PLOT.needs(find([*rows(one_row), *rows(one_row, LEFT, 8)]))
    with style():
        figure, alt = PLOT.draw(*case.given)
    texts = {text.get_text() for text in figure.axes[0].texts}
    assert {"+25", "+6", "(+0)"} <= texts | {"(-0)"} and "random 0.6 in eager at batch 8: +25 %" in alt
