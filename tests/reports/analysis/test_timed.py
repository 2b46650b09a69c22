"""Clock times of different machines are never averaged and never compared; accuracies are."""

from posebench.reports.analysis.comparison import compare
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
        "tmpose_tiny: times are those of fast; those of 4 rows that were timed elsewhere (slow) are in the table of"
        " every row, and are compared with nothing."
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
