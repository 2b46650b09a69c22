"""A rule file is read strictly, and each kind of rule says what it should of hand-made rows."""

import json
from xml.etree import ElementTree

import pytest

from posebench.pose.errors import InputError
from posebench.reports.analysis.check import check_runs
from posebench.reports.analysis.evidence import EvidenceFiles
from posebench.reports.analysis.intervals import Estimate
from posebench.reports.analysis.rules import Outcome, parse_rules
from posebench.reports.analysis.runs_compared import Run
from posebench.reports.github import LARGEST_SUMMARY, add_to_summary, annotations
from posebench.reports.tables.outcomes import render_outcomes, verdict


def rule(text, key="ap"):
    (parsed,) = parse_rules({key: text}, "rules.yaml")
    return parsed


def check(rules, before, now):
    runs = [Run("a run", rows, EvidenceFiles([])) for rows in (before, now)]
    return check_runs(parse_rules(rules, "rules.yaml"), *runs)


def changed(rows, **values):
    return [row | values for row in rows]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "holds no rule"),
        ({"app": "equal"}, "did you mean 'ap'"),
        ({"model": "equal"}, "unknown key"),
        ({"ap": 0.5}, "is no rule"),
        ({"ap": "drop < 0.005"}, "is no rule"),
        ({"ap": "drop <= -0.1"}, "is no amount"),
        ({"ap": "drop <= nan"}, "is no amount"),
        ({"ap": ["equal", {"drop": 1}]}, "is no rule"),
        ({"ap": "slower <= 10 %"}, "only a time is slower"),
        ({"latency": "equal"}, "no two measurements of time are equal"),
        ({"memory": "rise <= 5 GB"}, "'GB' is not its unit; give % or MiB"),
        ({"ap": "equal" * 1000}, "is no rule"),
    ],
)
def test_what_is_no_rule_is_refused_in_one_line_that_says_where(content, words):
    with pytest.raises(InputError) as error:
        parse_rules(content, "rules.yaml")
    assert words in str(error.value) and str(error.value).startswith("rules.yaml")
    assert len(str(error.value)) < 400 and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("text", "low", "high", "word"),
    [
        ("drop <= 0.005", -0.004, 0.01, "passed"),
        ("drop <= 0.005", -0.02, -0.006, "failed"),
        ("drop <= 0.005", -0.02, -0.004, "undecided"),
        ("drop <= 0.005", -0.005, 0.0, "passed"),
        ("rise <= 0.005", -0.02, -0.01, "passed"),
        ("rise <= 0.005", 0.006, 0.02, "failed"),
        ("drop <= 1 %", -0.02, -0.011, "failed"),
    ],
)
def test_all_of_the_interval_decides(text, low, high, word):
    assert rule(text).judge_change(Estimate((low + high) / 2, low, high)) == word


def test_slower_is_more_time_and_less_throughput_and_per_cent_of_a_percentage_are_points():
    assert (rule("slower <= 10 %", "latency").kind, rule("slower <= 10 %", "throughput").kind) == ("rise", "drop")
    assert rule("slower <= 10%", "latency").amount == 0.1
    assert not rule("drop <= 0.5 %", "pckh").relative and rule("drop <= 0.5 %", "pckh").amount == 0.5
    assert rule("rise <= 3 MiB", "memory").amount == 3


def test_a_run_against_itself_passes_everything_without_evidence(sweep_rows):
    rows = sweep_rows()
    outcomes = check({"gflops_t": "equal", "ap": "drop <= 0.001", "latency": "slower <= 50 %"}, rows, rows)
    assert len(outcomes) == 3 * 4 and {outcome.status for outcome in outcomes} == {"passed"}


def test_a_count_that_moved_by_one_is_broken(one_row):
    before = [one_row(), one_row("semantic", 0.4)]
    now = [before[0], before[1] | {"macs": before[1]["macs"] + 1}]
    statuses = [outcome.status for outcome in check({"macs": "equal"}, before, now)]
    assert statuses == ["passed", "failed"]


def test_a_loss_beyond_the_rule_fails_only_where_its_interval_is_beyond(sweep_rows):
    before = sweep_rows()
    lost = [row if row["mask"] == "none" else row | {
        name: row[name] - 0.2 for name in ("ap", "ap_ci_low", "ap_ci_high")} for row in before]  # fmt: skip
    slightly = changed(before, ap=before[0]["ap"] - 0.006)
    assert [o.status for o in check({"ap": "drop <= 0.005"}, before, lost)] == ["passed", *["failed"] * 3]
    assert check({"ap": "drop <= 0.005"}, before[:3], slightly[:3])[0].status == "undecided"


def test_an_accuracy_or_a_count_is_judged_once_however_many_batch_sizes_were_timed(sweep_rows):
    def falls(sizes):
        before = sweep_rows((), seeds=(0,), batch_sizes=sizes)
        for row in before:
            row |= {"ap_ci_low": row["ap"] - 0.02, "ap_ci_high": row["ap"] + 0.02}
        # The half of the difference's interval is 0.0283: its doubt is 0.019, and of two rows 0.0125 would be asked.
        now = [row | {name: row[name] - 0.03 for name in ("ap", "ap_ci_low", "ap_ci_high")} for row in before]
        outcomes = check({"ap": "drop <= 0", "gflops": "equal", "latency": "slower <= 10 %"}, before, now)
        return [(outcome.row.removeprefix("tmpose_tiny coco none"), outcome.status) for outcome in outcomes]

    assert falls((1,)) == [("", "failed"), ("", "passed"), (" batch 1", "passed")]
    assert falls((1, 8)) == [*falls((1,)), (" batch 8", "passed")]


def test_another_machine_is_judged_by_its_counts_and_accuracy_and_not_by_its_clock(one_row):
    before = [one_row()]
    now = changed(before, device_name="another", latency_ms_median=1e6)
    clock, accuracy = check({"latency": "slower <= 10 %", "ap": "drop <= 0"}, before, now)
    assert (clock.status, accuracy.status) == ("not judged", "passed") and "other machine" in clock.reason


def test_a_stored_time_alone_never_breaks_a_rule(one_row):
    before = [one_row()]
    times = {name: 100 * before[0][name] for name in ("latency_ms_median",)}
    times |= {"latency_ms_median_low": 99 * before[0]["latency_ms_median"], "latency_ms_median_high": 1e6}
    before = changed(before, latency_ms_median_low=0.1, latency_ms_median_high=before[0]["latency_ms_median"])
    (outcome,) = check({"latency": "slower <= 10 %"}, before, changed(before, **times))
    assert outcome.status == "undecided" and "posebench gate" in outcome.reason


def test_what_is_gone_or_failed_is_broken_and_what_is_new_is_not_judged(one_row):
    plain, masked = one_row(), one_row("semantic", 0.4)
    gone, kept = check({"gflops": "equal"}, [masked, plain], [plain])
    assert (gone.status, kept.status) == ("failed", "passed") and "no such row" in gone.reason
    (new,) = check({"gflops": "equal"}, [masked], [masked, plain])[1:]
    assert new.status == "not judged"
    (failed,) = check({"gflops": "equal"}, [plain], [plain | {"status": "failed", "error": "out of\nmemory"}])
    assert failed.status == "failed" and "out of memory" in failed.reason
    (bound,) = check({"ap": "at least 0.99"}, [], [plain])
    assert bound.status == "failed", "an absolute rule needs no baseline"


OUTCOMES = [
    Outcome(rule("equal"), "a | <b>", status, 1.0, 2.0, f"why\x00 & {status}")
    for status in ("passed", "failed", "undecided", "not judged")
]


def test_junit_is_xml_that_counts_what_it_holds():
    root = ElementTree.fromstring(render_outcomes(OUTCOMES, "junit", "posebench check").encode())
    (suite,) = root
    assert (root.tag, suite.tag, suite.get("name")) == ("testsuites", "testsuite", "posebench check")
    counts = {name: int(suite.get(name)) for name in ("tests", "failures", "errors", "skipped")}
    assert counts == {"tests": 4, "failures": 1, "errors": 0, "skipped": 2}
    assert counts["tests"] == len(suite.findall("testcase"))
    assert counts["failures"] == len(suite.findall("testcase/failure"))
    assert counts["skipped"] == len(suite.findall("testcase/skipped"))
    assert all(case.get("name") and case.get("classname") for case in suite)
    assert suite.find("testcase/failure").get("message") == "why\ufffd & failed"


def test_markdown_is_one_line_per_outcome_and_escapes_and_json_is_for_programs():
    text = render_outcomes(OUTCOMES, "markdown", "posebench check")
    assert "1 failed, 1 undecided, 1 not judged, 1 passed" in text
    rows = [line for line in text.splitlines() if line.startswith("|")][2:]
    assert len(rows) == 4 and all(r"a \| &lt;b&gt;" in row for row in rows)
    assert json.loads(render_outcomes(OUTCOMES, "json", ""))[0]["status"] == "failed", "worst first"
    assert verdict(OUTCOMES[:1]) == "1 passed"


def test_github_gets_no_more_than_it_shows(tmp_path):
    lines = annotations("error", [f"row {number}\nbroken" for number in range(25)], "rules.yaml", "check")
    assert len(lines) == 10 and lines[-1].endswith("::and 16 more: see the step's log")
    assert all("\n" not in line and line.startswith("::error file=rules.yaml,title=check::") for line in lines)
    summary = tmp_path / "summary.md"
    for _ in range(3):
        add_to_summary("| a line of it |\n" * 40_000, {"GITHUB_STEP_SUMMARY": str(summary)})
    text = summary.read_text()
    assert LARGEST_SUMMARY - 100 < len(text) <= LARGEST_SUMMARY
    assert text.rstrip().endswith("1 MiB.") and set(text.splitlines()[:-3]) == {"| a line of it |"}
