"""`flops --check` as a gate: it passes on what is as saved alone, and speaks to people, programs and GitHub Actions."""

import json

import pytest
from typer.testing import CliRunner

from posebench.benchmark.counting.flops import flops_row
from posebench.cli import app
from posebench.pose.errors import InputError
from posebench.reports.analysis.flop_check import save_counts
from posebench.reports.github import error_line


@pytest.fixture(scope="module")
def rows():
    return [flops_row("tmpose_tiny", mask=mask, mask_ratio=ratio) for mask, ratio in (("none", 0.0), ("random", 0.5))]


@pytest.fixture
def baseline(rows, tmp_path):
    save_counts(tmp_path / "flops.json", rows)
    return tmp_path / "flops.json"


def change(baseline, edit):
    content = json.loads(baseline.read_text())
    edit(content)
    baseline.write_text(json.dumps(content))


def run(*arguments, **environment):
    return CliRunner().invoke(app, ["flops", *map(str, arguments)], env=environment)


def test_counts_as_saved_pass_and_a_moved_one_fails(baseline):
    assert run("--check", baseline).exit_code == 0
    change(baseline, lambda content: content["rows"][1].update(macs=1))
    found = run("--check", baseline)
    assert found.exit_code == 1 and "1 of the counts" in found.stdout
    assert "::error" not in found.output


@pytest.mark.parametrize(
    ("edit", "words"),
    [
        (lambda content: content.update(rows=[]), "holds no counts"),
        (lambda content: content.update(posebench_flops=True), "version True"),
        (lambda content: content.update(posebench_flops=9), "version 9"),
        (lambda content: content["rows"][0].update(model="tmpose_huge"), "unknown model 'tmpose_huge'"),
        (lambda content: content["rows"][0].update(mask_ratio=0.3), "contradicts"),
        (lambda content: content["rows"][1].update(mask_ratio=float("nan")), "must be a number"),
        (lambda content: content["rows"][0].update(input_size="wide"), "HEIGHTxWIDTH"),
        (lambda content: content["rows"][0].update(dataset="imagenet"), "imagenet"),
    ],
)
def test_a_baseline_that_says_nothing_certain_is_no_pass_and_no_failed_check(baseline, edit, words):
    change(baseline, edit)
    found = run("--check", baseline)
    assert isinstance(found.exception, InputError)  # the program's main turns it into one line and exit code 2
    assert words in str(found.exception) and str(baseline) in str(found.exception)


def test_model_limits_the_check_and_other_options_that_would_do_nothing_are_refused(baseline):
    change(baseline, lambda content: content["rows"].append({**content["rows"][0], "model": "tokenpose_t", "macs": 1}))
    assert run("--check", baseline, "--model", "tmpose_tiny").exit_code == 0
    assert run("--check", baseline, "--model", "tokenpose_t").exit_code == 1
    assert "holds no counts of tmpose_b" in str(run("--check", baseline, "--model", "tmpose_b").exception)
    assert "--ratios" in str(run("--check", baseline, "--ratios", "0.2").exception)
    assert "--dataset" in str(run("--check", baseline, "--dataset", "coco").exception)


def test_format_is_kept_for_programs(baseline):
    assert json.loads(run("--check", baseline, "--format", "json").stdout) == []
    change(baseline, lambda content: content["rows"][1].update(macs=1))
    found = run("--check", baseline, "--format", "json", GITHUB_ACTIONS="true")
    (moved,) = json.loads(found.stdout)
    assert found.exit_code == 1 and (moved["field"], moved["old"]) == ("macs", 1)
    assert "::error" in found.stderr


def test_github_gets_a_line_for_each_moved_count_and_a_summary(baseline, tmp_path):
    summary = tmp_path / "summary.md"
    summary.write_text("before\n")
    change(baseline, lambda content: content["rows"][1].update(macs=1, params=2))
    found = run("--check", baseline, GITHUB_ACTIONS="true", GITHUB_STEP_SUMMARY=str(summary))
    lines = [line for line in found.stdout.splitlines() if line.startswith("::error ")]
    assert len(lines) == 2 and f"file={baseline},title=FLOP count moved::" in lines[0]
    written = summary.read_text()
    assert written.startswith("before\n") and "2 of the counts" in written and "| tmpose_tiny |" in written


def test_a_summary_that_cannot_be_written_does_not_decide_the_check(baseline, tmp_path):
    found = run("--check", baseline, GITHUB_STEP_SUMMARY=str(tmp_path / "none" / "summary.md"))
    assert found.exit_code == 0 and "GITHUB_STEP_SUMMARY" in found.stderr


def test_an_annotation_is_one_line_whatever_it_says():
    line = error_line("100 %\nmore", "a,b:c.json", "one: two", {"GITHUB_ACTIONS": "true"})
    assert line == "::error file=a%2Cb%3Ac.json,title=one%3A two::100 %25%0Amore"
    assert error_line("moved", "a.json", "one", {}) == ""


def test_the_table_has_the_parts_that_the_help_promises(rows):
    found = run("--model", "tmpose_tiny", "--format", "markdown").stdout
    assert "GFLOPs backbone" in found and f"{rows[0]['gflops_backbone']:.4f}" in found
