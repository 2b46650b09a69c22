"""Runtimes side by side: each saving is of its own runtime, and milliseconds of two machines are in no table."""

from posebench.reports.analysis.comparison import compare
from posebench.reports.tables.runtime_table import runtime_tables

FAST = {"runtime": "onnxruntime", "latency_vs_unmasked": 0.8, "latency_vs_unmasked_low": 0.75,
        "latency_vs_unmasked_high": 0.88}  # fmt: skip


def rows(sweep_rows, **changes):
    found = [row | changes for row in sweep_rows(("random",), (0.4,), (0,), (1, 8))]
    for row in found:
        row["latency_ms_median"] = 10.0 * row["batch_size"] if row["mask"] == "none" else 8.0 * row["batch_size"]
    return found


def test_a_column_for_each_runtime_and_a_table_for_each_batch_size(sweep_rows):
    both = rows(sweep_rows, runtime="eager", latency_unstable=True) + rows(sweep_rows, **FAST)
    one, eight = runtime_tables(compare(both))
    assert [head.label for head in one.heads] == ["mask, ratio", "eager float32", "onnxruntime float32"]
    told = [[(cell.text, cell.aside.replace("\N{NO-BREAK SPACE}", " ")) for cell in row.cells] for row in one.rows]
    assert told == [
        [("unmasked", ""), ("10.00", "unstable"), ("10.00", "")],
        [("random 0.4", ""), ("8.00", "unstable timing"), ("8.00", "saves 12 to 25 %")],
    ]
    assert "batch size 8" in eight.caption and eight.rows[0].cells[1].text == "80.00"


def test_one_runtime_is_no_table_nor_are_two_machines(sweep_rows):
    assert runtime_tables(compare(rows(sweep_rows, runtime="eager"))) == []
    apart = rows(sweep_rows, runtime="eager", timed_on="a") + rows(sweep_rows, timed_on="b", **FAST)
    assert runtime_tables(compare(apart)) == []
    third = rows(sweep_rows, runtime="fused", timed_on="b")
    one, _ = runtime_tables(compare(apart + third))
    assert [head.label for head in one.heads[1:]] == ["onnxruntime float32", "fused float32"]
