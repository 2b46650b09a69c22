"""What a sweep says when it has ended: the sentence first, a table that fits, a plot only where there is room."""

import json
import math
from types import SimpleNamespace

import pytest
from invented_rows import ACCURACY, sweep_rows
from rich.console import Console

from posebench.commands.options import print_json
from posebench.commands.sweep_display import SweepDisplay
from posebench.commands.sweep_story import plot_lines, tell
from posebench.commands.sweep_tables import outcome_record, show_outcome, subjects_told
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.takeaway import takeaway
from posebench.reports.analysis.verdicts import loss_verdicts


def said(rows, width=80, terminal=False):
    console = Console(width=width, force_terminal=terminal, color_system="truecolor" if terminal else None)
    with console.capture() as capture:
        tell(subjects_told(rows), console)
    return capture.get()


def small_loss(row, half=0.002):
    if row["mask_ratio"] == 0.2:
        row |= {"ap_diff": -0.003, "ap_diff_low": -0.003 - half, "ap_diff_high": -0.003 + half}
    return row


def test_the_first_sentence_is_the_deepest_negligible_cut_and_the_clock():
    rows = [small_loss(row) for row in sweep_rows(batch_sizes=(1, 32))]
    text = " ".join(said(rows).split("\n")[0].split())
    assert text.startswith("The deepest cut shown to cost less than 0.01 AP")
    assert "semantic at ratio 0.2, with -0.003 AP" in text and "it removes 14.8 % of GFLOPsT" in text
    clock = "saves 7 to 11 % at batch size 1 and saves 9 to 13 % at batch size 32."
    assert text.endswith(f"for the whole model on cpu in one process: {clock}")


def test_where_no_loss_is_negligible_it_says_so_and_an_unstable_time_is_no_saving():
    rows = sweep_rows()
    for row in rows:
        row["latency_unstable"] = True
    (subject,) = compare(rows)
    assert takeaway(subject).startswith("No cut is shown to cost less than 0.01 AP")
    assert "no saving can be stated (unstable timing) at batch size 1" in takeaway(subject)


def test_times_that_are_not_compared_are_told():
    elsewhere = [row | {"timed_on": "b"} for row in sweep_rows(("random",)) if row["mask"] != "none"]
    text = said(sweep_rows(timed_on="a") + elsewhere)
    assert "9 rows that were timed elsewhere (b) are compared with nothing" in text
    assert "elsewhere" not in said(sweep_rows(timed_on="a"))


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_fits_and_has_arrows_and_the_largest_batch_first(width):
    text = said([small_loss(row) for row in sweep_rows(batch_sizes=(1, 32))], width)
    _, table = text.split("\n\n")[:2]
    assert max(map(len, table.splitlines())) <= width
    assert "≈ -0.003 ± 0.0" in table and "▼ -0.066 ± 0.0" in table and "\x1b" not in text
    assert "AP" in table.splitlines()[1].split(), "what was asked for is never what finds no room"
    if width >= 80:
        assert "ms, batch 32" in table and "▼ 9 to 13" in table


def test_of_forty_eight_configurations_those_are_listed_that_may_be_worth_it():
    rows = [small_loss(row) for row in sweep_rows(tuple(ACCURACY), seeds=(0,))]
    text = said(rows, 120, terminal=False)
    (subject,) = compare(rows)
    words = loss_verdicts([point.difference for point in subject.points], subject.allowed_loss)
    listed = {" ".join(line.split()[:2]) for line in text.splitlines() if "±" in line and " 0." in line[:20]}
    assert len(subject.points) == 48 and words.count("real") > 24
    assert {f"{p.mask} {p.ratio:g}" for p, word in zip(subject.points, words, strict=True) if word != "real"} <= listed
    assert f"{48 - len(listed)} more lose more than 0.01 AP, and are beaten at their cost: report.html has them" in text
    hidden = [p for p in subject.points if f"{p.mask} {p.ratio:g}" not in listed]
    for point in hidden:
        assert any(p.gflops_t <= point.gflops_t and p.accuracy.mean > point.accuracy.mean for p in subject.points)
    assert " more lose more" not in said(sweep_rows(("semantic", "random")), 120)


def test_a_plot_is_drawn_in_a_wide_terminal_alone():
    rows = sweep_rows(("semantic", "random"))
    assert "a semantic, b random, * unmasked" in said(rows, 120, terminal=True)
    assert "* unmasked" not in said(rows, 90, terminal=True) + said(rows, 120)
    lines = plot_lines(compare(rows)[0])
    assert "".join(lines[1:]).count("b") == 3 and lines[1].rstrip().endswith("*")


def test_a_failed_cell_or_no_unmasked_row_leaves_the_plain_table():
    rows = sweep_rows()
    assert subjects_told([{**rows[0], "status": "failed", "error": "no"}, *rows[1:]]) == []
    assert subjects_told([row for row in rows if row["mask"] != "none"]) == []


def test_it_ends_with_two_commands_and_json_has_all_of_it(tmp_path, capsys):
    outcome = SimpleNamespace(rows=sweep_rows(ap_l=math.nan), failed={}, root=tmp_path)
    console = Console(width=80)
    with SweepDisplay(Console(quiet=True)) as display:
        show_outcome(outcome, display, console)
    *_, one, other = capsys.readouterr().out.rstrip().splitlines()
    assert one.strip() == f"posebench choose {tmp_path} --max-loss 0.02"
    assert other.strip() == f"posebench plot {tmp_path}"
    print_json(outcome_record(outcome))
    record = json.loads(capsys.readouterr().out, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert record["rows"][0]["ap_l"] is None, "there are no large people"
    assert record["next"] == [one.strip(), other.strip()] and len(record["rows"]) == len(outcome.rows)
    assert record["story"][0]["takeaway"] == takeaway(compare(outcome.rows)[0])
