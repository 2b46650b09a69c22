"""Two runs side by side: what is equal is equal, noise is seldom more, and pairing sees what intervals do not."""

import math

import numpy as np
import pytest

from posebench.reports.analysis.evidence import EvidenceFiles
from posebench.reports.analysis.results import write_results
from posebench.reports.analysis.runs_compared import Run, compare_runs, read_run
from posebench.reports.analysis.runs_compared_words import sentences


def as_run(rows, name="run", folder=None):
    return Run(name, rows, EvidenceFiles([folder] if folder else []))


def changes(found, column):
    return {match.label: change for match in found.matches for change in match.changes if change.column == column}


def test_a_run_beside_itself_has_moved_nowhere(sweep_rows):
    run = as_run(sweep_rows(("semantic", "norm"), seeds=(0, 1)))
    found = compare_runs(run, run)
    assert len(found.matches) == 7 and found.same_place and not found.settings
    assert {change.verdict for match in found.matches for change in match.changes} <= {"equal", "within noise", None}
    told = sentences(found)
    assert told[0].startswith("Of 7 accuracies (AP), none moved beyond noise (from the intervals in the rows, unpaired")
    assert "Holm's correction over all" in told[0] and "All counts of 7 configurations are equal." in told


def test_each_configuration_is_named_once_with_what_moved_in_it(sweep_rows, one_row):
    before = sweep_rows(("semantic",), ratios=(0.2, 0.4))
    after = [dict(row) for row in before if row["mask_ratio"] != 0.4] + [one_row("norm", 0.2)]
    for row in after:
        if row["mask"] == "semantic":
            row.update(gflops_t=row["gflops_t"] * 1.1, macs=row["macs"] + 1)
            row.update({name: row[name] - 0.1 for name in ("ap", "ap_ci_low", "ap_ci_high")})
    found = compare_runs(as_run(before, "before"), as_run(after, "after"))
    fell = changes(found, "ap")["tmpose_tiny semantic 0.2"]
    assert fell.verdict == "fell" and fell.seeds == 3 and fell.difference.value == pytest.approx(-0.1)
    # each seed's half width is 0.02, the same people judge all: hypot(0.02, 0.02) remains
    assert fell.difference.high - fell.difference.value == pytest.approx(math.hypot(0.02, 0.02))
    assert changes(found, "gflops_t")["tmpose_tiny semantic 0.2"].verdict == "rose"
    assert found.only_before == ["tmpose_tiny semantic 0.4"] and found.only_after == ["tmpose_tiny norm 0.2"]
    told = " ".join(sentences(found))
    assert "tmpose_tiny semantic 0.2 fell, -0.100 (-0.128 to -0.072); the others not beyond noise" in told
    assert "Counts moved for 1 of 2 configurations" in told and "Only in before: tmpose_tiny semantic 0.4." in told


def test_any_false_move_among_all_is_as_rare_as_one(one_row):
    """Two runs of 8 masks with nothing changed, 3 seeds and other people each: 5 %, seen in 300 pairs of runs."""
    rng, training, people = np.random.default_rng(2), 0.004, 0.006
    names = ("model", "dataset", "mask", "mask_ratio", "seed", "training", "status", "batch_size", "cell")
    plain = {name: one_row("semantic", 0.2)[name] for name in names}

    def run():
        judged = rng.normal(0, people, 8)
        rows = []
        for number in range(8):
            for seed in range(3):
                ap = 0.6 + judged[number] + rng.normal(0, training)
                ends = {"ap_ci_low": ap - 1.96 * people, "ap_ci_high": ap + 1.96 * people}
                rows.append(plain | {"mask": f"m{number}", "seed": seed, "cell": f"{number}{seed}", "ap": ap} | ends)
        return as_run(rows)

    false = sum(any(c.verdict != "within noise" for c in changes(compare_runs(run(), run()), "ap").values())
                for _ in range(300))  # fmt: skip
    assert false / 300 <= 0.085, "0.05 and what chance adds"
    assert false, "and not for want of power"


@pytest.fixture
def stored(tmp_path, one_row):
    """A sweep of one cell with evidence: of 500 images a share of the joints is found, the same images in all."""

    def make(name, gain, images=500):
        rng = np.random.default_rng(3)
        found = np.clip(rng.normal(60, 25, images) + gain + np.arange(images) % 2, 0, 100)
        folder = tmp_path / name / "cells" / "abc1"
        folder.mkdir(parents=True)
        np.savez(folder / "evidence.npz", images=np.arange(images), found=found, annotated=np.full(images, 100))
        pckh = float(found.mean())
        ends = {"pckh_ci_low": pckh - 2.2, "pckh_ci_high": pckh + 2.2}
        scored = dict.fromkeys(("ap", "ap_ci_low", "ap_ci_high", "ap50", "ap75", "ar")) | {"pckh": pckh} | ends
        write_results(tmp_path / name / "results.csv", [one_row(cell="abc1", dataset="mpii", **scored)])
        return tmp_path / name

    return make


def test_the_same_people_show_what_two_intervals_cannot(stored, tmp_path):
    before, after = stored("before", 0.0), stored("after", 1.0)
    (paired,) = changes(compare_runs(read_run(before), read_run(after)), "pckh").values()
    assert paired.basis == "paired" and paired.verdict == "rose" and paired.difference.low > 0.8
    baseline = tmp_path / "baseline.csv"
    baseline.write_bytes((before / "results.csv").read_bytes())
    found = compare_runs(read_run(baseline), read_run(after))
    (alone,) = changes(found, "pckh").values()
    assert alone.basis == "unpaired" and alone.verdict == "within noise"
    assert "unpaired, as evidence of the same people is not in both" in sentences(found)[0]
    (other,) = changes(compare_runs(read_run(before), read_run(stored("fewer", 1.0, 400))), "pckh").values()
    assert other.basis == "unpaired", "other people"
    (same,) = changes(compare_runs(read_run(before), read_run(before)), "pckh").values()
    assert same.verdict == "equal"


def test_clock_times_are_judged_on_one_machine_only_and_as_shares_of_the_unmasked_models(sweep_rows):
    before = sweep_rows(("semantic",), ratios=(0.4,))
    after = [dict(row) for row in before]
    for row in after:
        row["latency_ms_median"] *= 2
        if row["mask"] != "none":
            for end in ("", "_low", "_high"):
                row[f"latency_vs_unmasked{end}"] *= 1.3
    found = compare_runs(as_run(before), as_run(after))
    assert changes(found, "latency_vs_unmasked")["tmpose_tiny semantic 0.4"].verdict == "rose"
    assert {change.verdict for change in changes(found, "latency_ms_median").values()} == {None}
    merged = [[row | {"timed_on": name} for row in rows] for name, rows in (("a", before), ("b", after))]
    elsewhere = [row | {"processor": "another"} for row in after]
    for pair in (merged, (before, elsewhere)):
        found = compare_runs(*map(as_run, pair))
        assert {change.verdict for change in changes(found, "latency_vs_unmasked").values()} == {None}
    assert {change.verdict for change in changes(found, "gflops_t").values()} == {"equal"}
    assert any("shown and not judged" in told and "processor" in told for told in sentences(found))


def test_an_interval_that_no_measurement_has_is_no_ground_for_a_verdict(sweep_rows):
    rows = sweep_rows(("semantic",), ratios=(0.4,))
    for low, high in ((0.5, -0.5), (0.5, 0.4), (-0.1, 0.5)):
        odd = [row | {"latency_vs_unmasked_low": low, "latency_vs_unmasked_high": high} for row in rows]
        (change, *_) = changes(compare_runs(as_run(rows), as_run(odd)), "latency_vs_unmasked").values()
        assert change.verdict is None and change.difference is None


def test_a_setting_that_each_run_has_once_is_told_and_one_that_varies_tells_apart(sweep_rows):
    short, long = sweep_rows(seeds=(0,)), sweep_rows(seeds=(0,), epochs=9)
    found = compare_runs(as_run(short), as_run(long))
    assert found.settings == {"epochs": ("2", "9")} and len(found.matches) == 4
    both = compare_runs(as_run(short + long), as_run(long))
    assert len(both.matches) == 4 and len(both.only_before) == 4 and "epochs 2" in both.only_before[0]
