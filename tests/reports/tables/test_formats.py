"""Rows as tables: units for people, every digit for programs, and no string that turns into markup."""

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from posebench.pose.errors import InputError
from posebench.reports.tables import FLOPS_COLUMNS, fit_rows, render_rows
from posebench.row import BY_NAME

ROW = {"model": "a|b [red]x[/red] <b>", "mask": "random", "mask_ratio": 0.4, "params": 27_531_552,
       "gflops_t": 1.8288123456789, "macs": 10_861_000_001, "ap": None, "as_published": True,
       "parts": {"blocks": np.int64(7)}}  # fmt: skip


def shown(rows, columns):
    console = Console(width=200, file=io.StringIO(), color_system=None)
    console.print(render_rows(rows, columns, "table"))
    return console.file.getvalue()


def test_a_terminal_table_has_units_rounded_numbers_and_literal_brackets():
    text = shown([ROW], ["model", "params", "gflops_t", "ap", "as_published"])
    assert "GFLOPsT (1e9 MAC)" in text and "1.8288" in text and "1.82881" not in text
    assert "27,531,552" in text and "[red]x[/red]" in text and "yes" in text
    assert "AP" not in text, "a column without any value is left out"


def test_markdown_stays_one_cell_and_no_html():
    text = render_rows([ROW], ["model", "gflops_t"], "markdown")
    head, rule, row = text.splitlines()
    assert head == "| model | GFLOPsT (1e9 MAC) |" and rule == "| --- | ---: |"
    assert row == r"| a\|b [red]x[/red] &lt;b&gt; | 1.8288 |"


def test_json_is_a_list_of_objects_with_every_digit():
    (row,) = json.loads(render_rows([ROW], None, "json"))
    assert row["macs"] == 10_861_000_001 and row["gflops_t"] == 1.8288123456789 and row["ap"] is None
    assert row["parts"] == {"blocks": 7} and row["as_published"] is True


def test_csv_is_named_by_columns_and_reads_back():
    head, row = csv.reader(io.StringIO(render_rows([ROW], ["model", "macs", "ap", "parts"], "csv")))
    assert head == ["model", "macs", "ap", "parts"]
    assert row == [ROW["model"], "10861000001", "", '{"blocks": 7}']


def test_no_rows_are_no_error():
    assert json.loads(render_rows([], FLOPS_COLUMNS, "json")) == []
    assert render_rows([], FLOPS_COLUMNS, "csv").startswith("model,dataset")
    assert shown([], FLOPS_COLUMNS).strip() == ""


def test_an_unknown_format_names_the_known_ones():
    with pytest.raises(InputError, match="table, json, csv, markdown"):
        render_rows([ROW], None, "xml")


def widest(table):
    console = Console(width=1000, file=io.StringIO(), color_system=None)
    console.print(table)
    return console.file.getvalue()


@pytest.mark.parametrize("width", [40, 80, 120, 300])
def test_a_table_fits_the_width_with_whole_values_and_names_what_it_leaves_out(width):
    models = ("tmpose_tiny", "sparse_tokenpose_tiny")
    counts = [name for name in FLOPS_COLUMNS if "gflops" in name]
    rows = [
        {name: f"{place}{name[:4]}" for name in FLOPS_COLUMNS}
        | {"model": model, "dataset": "coco", "mask_ratio": 0.2 * place, "params": 27_531_552 + place}
        | {name: 10 * number + place for number, name in enumerate(counts)}
        for place, model in enumerate(models)
    ]
    common, table, left_out = fit_rows(rows, FLOPS_COLUMNS, width)
    text = widest(table)
    assert max(map(len, text.splitlines())) <= width
    assert common == "dataset coco", "said once"
    for model in models:
        assert model in text
    values = {name: f"{10 * number + 1}.0000" for number, name in enumerate(counts)}
    for name, value in (values | {"params": "27,531,553", "execution": "1exec"}).items():
        assert (BY_NAME[name].label in left_out) != (f" {value} " in text), name
    assert bool(left_out) == (width < 300)
    # the least important goes first: never a main number before a detail
    assert "GFLOPsT" not in left_out or "params" in left_out


def test_a_single_row_is_a_list_that_leaves_nothing_out():
    common, table, left_out = fit_rows([ROW], None, 40)
    assert (common, left_out) == ("", [])
    text = widest(table)
    assert all(header in text for header in ("GFLOPsT (1e9 MAC)", "params", "as published")) and "1.8288" in text


@pytest.mark.parametrize(("value", "text"), [(0.07371412217637025, "0.07371"), (0.000123456, "0.0001235"), (3, "3")])
def test_a_number_without_a_column_of_its_own_is_rounded_for_people(value, text):
    assert shown([{"wall_clock": value}], None).split()[-1] == text
