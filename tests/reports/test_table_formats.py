"""Rows as tables: units for people, every digit for programs, and no string that turns into markup."""

import csv
import io
import json

import numpy as np
import pytest
from rich.console import Console

from posebench.pose.errors import InputError
from posebench.reports.tables import FLOPS_COLUMNS, render_rows

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
