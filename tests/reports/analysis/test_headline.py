"""The report's sentences follow the numbers, in both directions."""

import pytest

from posebench.pose.errors import InputError
from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.headline import headline
from posebench.reports.analysis.margin import allowed_loss
from posebench.reports.analysis.takeaway import takeaway
from posebench.reports.analysis.verdicts import allowed_words, loss_verdicts
from posebench.reports.tables.subject_tables import results_table


def said(rows):
    (subject,) = compare(rows)
    return " ".join(headline(subject)).replace("\N{NO-BREAK SPACE}", " ")


def taken(rows):
    (subject,) = compare(rows)
    return takeaway(subject).replace("\N{NO-BREAK SPACE}", " ")


def pair(one_row, masked=None, base=None):
    """Unmasked: 2 GFLOPsT of 4. Masked: half of GFLOPsT and 45 to 55 % less time, three quarters of GFLOPs and 20 to
    30 % less time."""
    counts = dict(gflops_t=2.0, gflops=4.0, published_gflops_t=2.0, ap=0.7, **(base or {}))
    fewer = dict(gflops_t=1.0, gflops=3.0, published_gflops_t=0.5, ap=0.6, ap_diff=-0.1, ap_diff_low=-0.12,
                 ap_diff_high=-0.08, **ratio(0.45, 0.55), **ratio(0.7, 0.8, "latency"))  # fmt: skip
    return [one_row(**counts), one_row("random", 0.4, **{**fewer, **(masked or {})})]


def ratio(low, high, part="latency_transformer"):
    """Columns of a masked row: time over the unmasked model's, with its interval."""
    values = ((low + high) / 2, low, high)
    return dict(zip((f"{part}_vs_unmasked{end}" for end in ("", "_low", "_high")), values, strict=True))


def test_savings_and_loss_are_stated_as_computed_by_hand(one_row):
    text = said(pair(one_row))
    assert "Random masking of tmpose_tiny at ratio 0.4 removes 50.0 % of GFLOPsT (25.0 % of the whole" in text
    assert "AP 0.600 against 0.700 unmasked (-0.100, 95 % interval -0.120 to -0.080" in text
    assert (
        "At batch size 1 on cpu in one process, the transformer saves 45 to 55 %, as counted (50.0 %);"
        " the whole model saves 20 to 30 %, as counted (25.0 %)."
    ) in text
    over = said(pair(one_row, {"latency_processes": 3}))
    assert "on cpu in one process, the" in over, "one of the two sides is of one process"
    assert "would call the same cut 75.0 %; counted exactly it is 50.0 %" in text
    assert taken(pair(one_row)).startswith(
        "No cut is shown to cost less than 0.01 AP (non-inferiority, 95 %, paired); the mildest, random at ratio 0.4,"
        " has -0.100 AP (-0.120 to -0.080;"
    )


@pytest.mark.parametrize(
    ("interval", "words"),
    [
        ((0.51, 0.6), "the transformer saves 40 to 49 %, less than counted (50.0 %)"),
        ((0.3, 0.49), "the transformer saves 51 to 70 %, more than counted (50.0 %)"),
        ((0.981, 0.998), "the transformer saves 0.2 to 1.9 %, less than counted (50.0 %)"),
        ((0.98, 1.03), "no saving shown for the transformer (-3 to 2 %) although its count falls by 50.0 %"),
        ((0.97, 1.0), "no saving shown for the transformer (0 to 3 %) although its count falls by 50.0 %"),
        ((0.9, 0.9997), "no saving shown for the transformer (0 to 10 %) although its count falls by 50.0 %"),
        ((1.3, 1.4), "the transformer is 30 to 40 % slower although its count falls by 50.0 %"),
    ],
)
def test_a_saving_is_claimed_by_its_interval_alone(one_row, interval, words):
    assert f"{words};" in said(pair(one_row, ratio(*interval)))


@pytest.mark.parametrize(("samples", "few"), [(28, " (28 samples are few)"), (30, "")])
def test_few_samples_are_said_to_be_few(one_row, samples, few):
    timed = {**ratio(0.51, 0.6), "latency_transformer_samples": samples}
    assert f"the transformer saves 40 to 49 %, less than counted (50.0 %){few};" in said(pair(one_row, timed))


def test_what_saves_no_multiply_adds_and_is_slower_is_called_slower(one_row):
    masked = {**ratio(1.3, 1.4), "gflops_t": 2.0, "gflops": 4.04, **ratio(1.01, 1.05, "latency")}
    assert (
        "the transformer is 30 to 40 % slower, and its count does not fall;"
        " the whole model is 1 to 5 % slower, and its count rises by 1.0 %."
    ) in said(pair(one_row, masked))


def test_an_unstable_timing_is_told_without_a_number(one_row):
    for side in (0, 1):
        rows = pair(one_row)
        rows[side].update(latency_transformer_unstable=True)
        text = said(rows)
        assert "no saving of the transformer can be stated (unstable timing)" in text
        assert "45 to 55" not in text and "the whole model saves 20 to 30 %" in text


def test_without_an_interval_nothing_is_said_about_the_clock(one_row):
    nothing = {name: None for part in ("latency_transformer", "latency") for name in ratio(1, 1, part)}
    assert (
        "At batch size 1 on cpu, no saving of the transformer or the whole model can be stated (no interval)."
        in said(pair(one_row, nothing))
    )
    untimed = dict(latency_ms_median=None, latency_transformer_ms_median=None)
    assert "At batch size" not in said(pair(one_row, nothing | untimed, untimed))


def test_the_widest_interval_of_several_timings_decides_and_each_needs_one(one_row):
    base, first = pair(one_row)
    second = {**first, "seed": 1, "cell": "b", **ratio(0.5, 1.01)}
    assert "no saving shown for the transformer (-1 to 55 %)" in said([base, first, second])
    second.update(latency_transformer_vs_unmasked_low=None)
    assert "no saving of the transformer can be stated (no interval)" in said([base, first, second])


def test_a_negligible_loss_is_a_test_that_can_come_out_either_way(one_row):
    better = dict(ap=0.698, ap_diff=-0.002, ap_diff_low=-0.009, ap_diff_high=0.005)
    text = taken(pair(one_row, better))
    assert text.startswith("The deepest cut shown to cost less than 0.01 AP (non-inferiority")
    assert "is random at ratio 0.4, with -0.002 AP" in text and "it removes 50.0 % of GFLOPsT" in text
    wide = dict(ap=0.698, ap_diff=-0.002, ap_diff_low=-0.02, ap_diff_high=0.016)
    assert taken(pair(one_row, wide)).startswith("No cut is shown to cost less than 0.01 AP")
    nothing = dict(ap_diff=None, ap_diff_low=None, ap_diff_high=None)
    assert "no loss of accuracy was measured with an interval" in taken(pair(one_row, nothing))
    assert "shown" not in taken(pair(one_row, nothing)) and "interval" not in said(pair(one_row, nothing))


def test_one_seed_with_a_real_loss_forbids_the_word_negligible(one_row):
    fine = dict(ap_diff=-0.001, ap_diff_low=-0.005, ap_diff_high=0.003)
    bad = dict(ap_diff=-0.05, ap_diff_low=-0.06, ap_diff_high=-0.04)
    rows = [one_row(), one_row("random", 0.4, 0, **fine), one_row("random", 0.4, 1, **bad)]
    (subject,) = compare(rows)
    assert loss_verdicts([subject.points[0].difference], subject.allowed_loss) == ["undecided"]
    value, low, high, _ = subject.points[0].difference
    assert value == pytest.approx(-0.0255) and low < -0.06 and high > 0.003
    rows[2].update(ap_diff_low=None, ap_diff_high=None)
    assert compare(rows)[0].points[0].difference is None, "an interval for some seeds only is no interval"


@pytest.mark.parametrize(
    ("margin", "unmasked", "full_scale", "allowed"),
    [(0.01, 0.7, 1.0, 0.01), (0.01, 0.5, 1.0, 0.01), (0.01, 0.1, 1.0, 0.002), (0.02, 0.25, 1.0, 0.01),
     (0.01, 88.0, 100.0, 1.0), (0.01, 25.0, 100.0, 0.5)],
)  # fmt: skip
def test_the_margin_is_of_the_full_scale_and_relative_at_low_accuracies(margin, unmasked, full_scale, allowed):
    assert allowed_loss(margin, unmasked, full_scale) == pytest.approx(allowed)


def test_the_margin_can_be_chosen_and_is_else_the_recorded_one(one_row):
    rows = pair(one_row, dict(ap_diff=-0.02, ap_diff_low=-0.03, ap_diff_high=-0.015))
    assert "No cut is shown to cost less than 0.01 AP" in taken(rows)
    assert "deepest cut shown to cost less than 0.04 AP" in taken([{**row, "loss_margin": 0.04} for row in rows])
    (subject,) = compare([{**row, "loss_margin": 0.04} for row in rows], 0.02)
    assert loss_verdicts([subject.points[0].difference], subject.allowed_loss) == ["undecided"]
    with pytest.raises(InputError, match=r"loss_margin: 3\.0 is no margin"):
        compare([{**row, "loss_margin": 3} for row in rows])


def test_a_loss_of_a_third_of_a_low_accuracy_is_not_negligible(one_row):
    rows = pair(one_row, dict(ap=0.019, ap_diff=-0.009, ap_diff_low=-0.0095, ap_diff_high=-0.0085), {})
    rows[0]["ap"] = 0.028
    assert "No cut is shown to cost less than 0.00056 AP, 2 % of the unmasked model's (" in taken(rows)


def test_the_lead_is_the_best_mask_at_the_deepest_ratio_that_most_masks_share(sweep_rows):
    rows = sweep_rows(masks=("semantic", "random", "scorer"))
    rows += sweep_rows(masks=("semantic",), ratios=(0.8,))[3:]
    text = said(rows)
    assert text.startswith("Scorer masking of tmpose_tiny at ratio 0.6")
    assert "The other masks at that ratio: semantic 0.610, random 0.430." in text


def test_mpii_is_told_in_pckh(one_row):
    rows = [one_row(dataset="mpii", ap=None, pckh=88.5), one_row("random", 0.4, dataset="mpii", ap=None, pckh=87.25)]
    assert "PCKh@0.5 87.25 % against 88.50 % unmasked (-1.25 points)" in said(rows)


def test_where_the_unmasked_model_finds_nothing_no_loss_is_judged(one_row):
    rows = pair(one_row, dict(ap=0.0, ap_diff=0.0, ap_diff_low=0.0, ap_diff_high=0.0))
    rows[0]["ap"] = 0.0
    assert "shown" not in taken(rows) and "neglig" not in said(rows)


def test_the_margin_of_pckh_is_told_in_points(one_row):
    rows = [one_row(dataset="mpii", ap=None, pckh=88.5), one_row("random", 0.4, dataset="mpii", ap=None, pckh=87.25)]
    (subject,) = compare(rows)
    assert allowed_words(subject) == "1 point of PCKh@0.5"
    rows[0]["pckh"] = 20.0
    assert allowed_words(compare(rows)[0]).replace("\N{NO-BREAK SPACE}", " ") == (
        "0.4 points of PCKh@0.5, 2 % of the unmasked model's"
    )
def test_the_loss_of_mpii_is_judged_by_its_paired_interval_in_points(one_row):
    own = dict(dataset="mpii", ap=None, ap_diff=None)
    masked = dict(own, pckh=87.25, pckh_diff=-0.5, pckh_diff_low=-0.9, pckh_diff_high=-0.1)
    rows = [one_row(**own, pckh=88.5, pckh_ci_low=87.0, pckh_ci_high=90.0), one_row("random", 0.4, **masked)]
    assert "(-0.50 points, 95 % interval -0.90 to -0.10 over the same people, of these trained models" in said(rows)
    assert "deepest cut shown to cost less than 1 point of PCKh@0.5" in taken(rows)
    rows[1].update(pckh_diff_low=-1.1)
    assert "No cut is shown to cost less than 1 point of PCKh@0.5" in taken(rows)
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
    assert cpu.label == "tmpose_tiny, cpu, 1 thread" and cuda.label == "tmpose_tiny, cuda, 8 threads"
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
    assert subject.points[0].accuracy.n == 3 and subject.points[0].timings[1].whole.median.n == 2
    two = rows + sweep_rows(boxes="dets.json") + [rows[4] | {"boxes": None}]
    assert len(compare(two)) == 3, "where two would fit, it is guessed for neither"
