"""The report's sentences follow the numbers, in both directions."""

import pytest

from posebench.reports.comparison import compare
from posebench.reports.headline import headline, loss_verdict, realised_verdict
from posebench.reports.page_tables import results_table


def said(rows):
    (subject,) = compare(rows)
    return " ".join(headline(subject)).replace("\N{NO-BREAK SPACE}", " ")


def pair(one_row, masked=None, base=None):
    """Unmasked: 2 GFLOPsT of 4, 10 ms of 20 ms. Masked: half of GFLOPsT, three quarters of GFLOPs."""
    counts = dict(gflops_t=2.0, gflops=4.0, published_gflops_t=2.0, latency_transformer_ms_median=10.0,
                  latency_ms_median=20.0, ap=0.7, **(base or {}))  # fmt: skip
    fewer = dict(gflops_t=1.0, gflops=3.0, published_gflops_t=0.5, latency_transformer_ms_median=5.0,
                 latency_ms_median=15.0, ap=0.6, ap_diff=-0.1, ap_diff_low=-0.12, ap_diff_high=-0.08)  # fmt: skip
    return [one_row(**counts), one_row("random", 0.4, **{**fewer, **(masked or {})})]


def test_savings_and_loss_are_stated_as_computed_by_hand(one_row):
    text = said(pair(one_row))
    assert "Random masking of tmpose_tiny at ratio 0.4 removes 50.0 % of GFLOPsT (25.0 % of the whole" in text
    assert "AP 0.600 against 0.700 unmasked (-0.100, 95 % interval -0.120 to -0.080" in text
    assert "transformer falls by 50.0 %: the counted saving of 50.0 % is realised" in text
    assert "whole model falls by 25.0 %: the counted saving of 25.0 % is realised" in text
    assert "would call the same cut 75.0 %; counted exactly it is 50.0 %" in text
    assert "loses more than 0.01 AP: not negligible" in text


def test_a_saving_that_the_clock_does_not_show_is_called_so(one_row):
    text = said(pair(one_row, dict(latency_transformer_ms_median=10.5, latency_ms_median=19.0)))
    assert "transformer rises by 5.0 %: the counted saving of 50.0 % is not realised" in text
    assert "whole model falls by 5.0 %: the counted saving of 25.0 % is mostly not realised" in text


def test_an_unstable_timing_gets_no_verdict(one_row):
    text = said(pair(one_row, dict(latency_transformer_unstable=True)))
    assert "transformer falls by 50.0 % (unstable measurement: no verdict)" in text
    assert "whole model falls by 25.0 %: the counted saving of 25.0 % is realised" in text


def test_a_negligible_loss_is_a_test_that_can_come_out_either_way(one_row):
    better = dict(ap=0.698, ap_diff=-0.002, ap_diff_low=-0.009, ap_diff_high=0.005)
    assert "whose loss is negligible (non-inferiority" in said(pair(one_row, better))
    assert "random at 0.4, which removes 50.0 % of GFLOPsT" in said(pair(one_row, better))
    wide = dict(ap=0.698, ap_diff=-0.002, ap_diff_low=-0.02, ap_diff_high=0.016)
    text = said(pair(one_row, wide))
    assert "negligible" not in text and "No masked model is shown to lose less than 0.01 AP" in text
    nothing = dict(ap_diff=None, ap_diff_low=None, ap_diff_high=None)
    assert "neglig" not in said(pair(one_row, nothing)) and "interval" not in said(pair(one_row, nothing))


def test_one_seed_with_a_real_loss_forbids_the_word_negligible(one_row):
    fine = dict(ap_diff=-0.001, ap_diff_low=-0.005, ap_diff_high=0.003)
    bad = dict(ap_diff=-0.05, ap_diff_low=-0.06, ap_diff_high=-0.04)
    rows = [one_row(), one_row("random", 0.4, 0, **fine), one_row("random", 0.4, 1, **bad)]
    (subject,) = compare(rows)
    assert loss_verdict(subject.points[0]) == "undecided"
    assert subject.points[0].difference == (pytest.approx(-0.0255), -0.06, 0.003)
    rows[2].update(ap_diff_low=None, ap_diff_high=None)
    assert compare(rows)[0].points[0].difference is None, "an interval for some seeds only is no interval"


@pytest.mark.parametrize(
    ("measured", "counted", "words"),
    [
        (0.45, 0.5, "realised"),
        (0.44, 0.5, "only partly realised"),
        (0.24, 0.5, "mostly not realised"),
        (0.02, 0.5, "not realised"),
        (-0.3, 0.5, "not realised"),
        (0.1, 0.0, "there was nothing to realise"),
    ],
)
def test_how_far_a_saving_is_realised(measured, counted, words):
    assert realised_verdict(measured, counted) == words


def test_the_lead_is_the_best_mask_at_the_deepest_ratio_that_most_masks_share(sweep_rows):
    rows = sweep_rows(masks=("semantic", "random", "scorer"))
    rows += sweep_rows(masks=("semantic",), ratios=(0.8,))[3:]
    text = said(rows)
    assert text.startswith("Scorer masking of tmpose_tiny at ratio 0.6")
    assert "The other masks at that ratio: semantic 0.610, random 0.430." in text


def test_mpii_is_told_in_pckh(one_row):
    rows = [one_row(dataset="mpii", ap=None, pckh=88.5), one_row("random", 0.4, dataset="mpii", ap=None, pckh=87.25)]
    assert "PCKh@0.5 87.25 % against 88.50 % unmasked (-1.25 points)" in said(rows)


def test_the_loss_of_mpii_is_judged_by_its_paired_interval_in_points(one_row):
    own = dict(dataset="mpii", ap=None, ap_diff=None)
    masked = dict(own, pckh=87.25, pckh_diff=-0.5, pckh_diff_low=-0.9, pckh_diff_high=-0.1)
    rows = [one_row(**own, pckh=88.5, pckh_ci_low=87.0, pckh_ci_high=90.0), one_row("random", 0.4, **masked)]
    assert "(-0.50 points, 95 % interval -0.90 to -0.10 over the same people)" in said(rows)
    assert "whose loss is negligible (non-inferiority at a margin of 1 point of PCKh@0.5" in said(rows)
    rows[1].update(pckh_diff_low=-1.1)
    assert "No masked model is shown to lose less than 1 point of PCKh@0.5" in said(rows)
    (subject,) = compare(rows)
    assert subject.baseline.ci == (87.0, 90.0) and subject.points[0].ci is None
    table = results_table(subject)
    shown = {head.label: cell for head, cell in zip(table.heads, table.rows[1].cells, strict=True)}
    assert shown["PCKh@0.5"].text == "87.25" and shown["loss"].text == "undecided"
    assert (shown["difference"].text, shown["difference"].aside) == ("-0.50", "-1.10 to -0.10")


def test_without_a_baseline_no_saving_is_claimed(one_row):
    text = said([one_row("random", 0.4)])
    assert text == "tmpose_tiny has no unmasked row, so no saving and no loss can be stated."


def test_a_lone_baseline_claims_nothing(one_row):
    assert said([one_row(ap=0.6543, gflops_t=1.5)]) == "tmpose_tiny was run unmasked only: AP 0.654, 1.5000 GFLOPsT."


def test_rows_under_different_conditions_are_never_compared(sweep_rows):
    rows = sweep_rows() + sweep_rows(masks=("random",), device="cuda", device_name="H200", threads=8)
    cpu, cuda = compare(rows)
    assert set(cpu.series) == {"semantic"} and set(cuda.series) == {"random"}
    assert cpu.label == "tmpose_tiny, cpu, Xeon, 1 thread" and cuda.label == "tmpose_tiny, cuda, H200, 8 threads"
    assert cuda.baseline.seeds == 3


def test_the_published_positions_are_a_series_of_their_own_against_the_same_baseline(one_row):
    rows = [one_row(), one_row("random", 0.4), one_row("random", 0.4, positions="prefix", cell="p", ap=0.5)]
    (subject,) = compare(rows)
    assert [point.accuracy.n for point in subject.points] == [1, 1]
    assert list(subject.series) == ["random, gather", "random, prefix"]


def test_a_failed_cell_keeps_what_was_measured_and_drops_mere_counts(one_row):
    rows = [one_row(), one_row("random", 0.4, status="failed", error="killed", latency_ms_median=None,
                               latency_transformer_ms_median=None)]  # fmt: skip
    assert compare(rows)[0].points[0].accuracy.mean == rows[1]["ap"]
    rows[1]["ap"] = None
    assert compare(rows)[0].points == []


def test_a_row_without_timing_stays_with_its_model(sweep_rows):
    rows = sweep_rows()
    rows[4].update(device_name=None, dtype=None, latency_ms_median=None, latency_transformer_ms_median=None)
    (subject,) = compare(rows)
    assert subject.points[0].accuracy.n == 3 and subject.points[0].timings[1].latency.n == 2
    two = rows + sweep_rows(device_name="Epyc")
    assert len(compare(two)) == 3, "where two machines would fit, it is guessed for neither"
