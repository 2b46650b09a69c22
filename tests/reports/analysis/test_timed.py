"""Clock times of different machines are never averaged and never compared; accuracies are."""

import random

import pytest

from posebench.reports.analysis.break_even import break_evens
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.paper import conditions_text, subjects_at, value_of
from posebench.reports.analysis.timed import times_sentence


def test_seeds_of_two_machines_share_an_accuracy_and_no_time(sweep_rows):
    slow = {"timed_on": "slow", "latency_ms_median": 1000.0}
    rows = sweep_rows(seeds=(0, 1), timed_on="fast") + sweep_rows(seeds=(2,), **slow)
    (subject,) = compare(rows)
    for point in (subject.baseline, *subject.points):
        assert point.accuracy.n == 3 and point.timings[1].whole.median.n == 2
        assert point.timings[1].whole.median.high < 1000
        assert point.timings[1].memory.n == 3, "which is counted, not clocked"
    assert times_sentence(subject.label, subject.times) == (
        "tmpose_tiny: times are those of fast; those of 4 rows that were timed elsewhere (slow) are compared with"
        " nothing."
    )


def test_a_mask_that_was_timed_elsewhere_has_no_time_beside_the_others(sweep_rows):
    """The unmasked model was timed on a; more rows on b."""
    rows = sweep_rows(masks=("random",), ratios=(0.4,), seeds=(0,), timed_on="a")
    rows += [row | {"timed_on": "b"} for row in sweep_rows(seeds=(0,)) if row["mask"] != "none"]
    (subject,) = compare(rows)
    assert subject.series["random"][0].timings[1].whole is not None
    assert [point.timings[1].whole for point in subject.series["semantic"]] == [None] * 3
    assert [point.accuracy.n for point in subject.series["semantic"]] == [1] * 3


def test_another_torch_on_the_same_machine_is_another_place(sweep_rows):
    rows = sweep_rows(seeds=(0, 1)) + sweep_rows(seeds=(2,), torch_version="3.0.0")
    (subject,) = compare(rows)
    assert subject.baseline.timings[1].whole.median.n == 2 and subject.times.elsewhere == ("3.0.0",)


def test_a_papers_numbers_are_of_the_times_that_are_compared_and_its_caption_names_their_machine(sweep_rows):
    fast = sweep_rows(seeds=(0, 1), timed_on="fast")
    slow = {"timed_on": "slow", "device_name": "Pentium", "latency_ms_median": 1000.0, "latency_unstable": True}
    (subject,), size = subjects_at(sweep_rows(seeds=(2,), **slow) + fast, None)
    for point in (subject.baseline, *subject.points):
        own = [row["latency_ms_median"] for row in fast if row["mask_ratio"] == point.ratio]
        assert value_of(subject, point, "latency_ms_median").mean == pytest.approx(sum(own) / 2)
        assert value_of(subject, point, "latency_unstable").text == "False"
        assert value_of(subject, point, "ap").std and len(point.cells) == 3, "accuracies are of all"
    caption = conditions_text(subject, size)
    assert "batch size 1, Xeon, float32, 1 thread (4 rows timed elsewhere left out)" in caption


def test_a_break_even_is_of_one_machine(one_row):
    """On a, all ratios save; on b, where fewer rows were timed, the deepest costs time."""

    def timed_on(machine, left):
        rows = [one_row(timed_on=machine, runtime="eager")]
        for ratio, share in left.items():
            times = {"latency_vs_unmasked": share, "latency_vs_unmasked_low": share, "latency_vs_unmasked_high": share}
            rows.append(one_row("random", ratio, timed_on=machine, runtime="eager", **times))
        return rows

    rows = timed_on("a", {0.2: 0.9, 0.4: 0.8, 0.6: 0.7}) + timed_on("b", {0.4: 1.1, 0.6: 1.2})
    for seed in range(3):
        random.Random(seed).shuffle(rows)
        (one,) = break_evens(rows)
        shares = {ratio: round(saved.share, 6) for (_, ratio), saved in one.saved.items()}
        assert shares == {0.2: 0.1, 0.4: 0.2, 0.6: 0.3}
