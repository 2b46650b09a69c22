"""Accuracy at equal GFLOPsT: interpolated between measured ratios in every draw of images, compared on equal draws."""

import csv
import statistics
from dataclasses import replace

import numpy as np
import pytest
from scipy.interpolate import pchip_interpolate
from small_sweeps import from_scratch

from posebench.pose.evaluation.bootstrap import bootstrap_ap, draw_images, score, scores
from posebench.reports.analysis.intervals import SeedSpread, combined
from posebench.sweeps.cell_result import CellResult, write_cell_result
from posebench.sweeps.equal import can_compare, round_savings, write_equal
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.store import SweepStore

COCO, MPII = "coco", "mpii"
IMAGES, DETECTIONS = 40, 90
RATIOS = (0.2, 0.4, 0.6)
#: (mask, ratio) -> GFLOPsT
COSTS = {
    ("none", 0.0): 2.0,
    ("random", 0.2): 1.6, ("random", 0.4): 1.2, ("random", 0.6): 0.8,
    ("semantic", 0.2): 1.8, ("semantic", 0.4): 1.5, ("semantic", 0.6): 0.7,
    ("sparse", 0.2): 2.0, ("sparse", 0.4): 2.0, ("sparse", 0.6): 2.0,
}  # fmt: skip


PLACES = [place for place in COSTS if place[0] != "sparse"]


def evidence(seed):
    """What an evaluation might leave whose results are as good as the seed has it."""
    rng = np.random.default_rng(seed)
    quality = rng.uniform(0.3, 0.9)
    oks = rng.beta(1 + 6 * quality, 2, DETECTIONS)
    thresholds = np.arange(0.5, 1, 0.05)[:, None]
    return {
        "images": np.arange(IMAGES),
        "positives": np.full(IMAGES, 3),
        "image": rng.integers(0, IMAGES, DETECTIONS),
        "score": rng.random(DETECTIONS),
        "matched": oks > thresholds,
        "ignored": np.zeros((10, DETECTIONS), bool),
    }


def make(folder, spec, data=COCO, evidence_of=None, costs=COSTS):
    """A finished sweep's store and cells, with evidence made up for each (mask, ratio, seed)."""
    store, cells = SweepStore(folder), from_scratch(spec, data)
    found = {}
    for number, cell in enumerate(cells):
        mask, ratio, seed = cell.model.mask, cell.ratio, cell.seed
        place = (mask, ratio) if ratio else ("none", 0.0)
        counts = {"mask": mask, "mask_ratio": ratio, "mask_ratio_mean": ratio / 2, "gflops_t": costs[place]}
        write_cell_result(store.cell_dir(cell.key), CellResult(counts=counts))
        arrays = evidence(number) if evidence_of is None else evidence_of(mask, ratio, seed)
        np.savez(store.cell_dir(cell.key) / "evidence.npz", **arrays)
        if not cell.is_elastic:
            found[mask, ratio, seed] = arrays
    return store, cells, found


def rows_of(store, cells):
    write_equal(store, cells)
    with open(store.equal_file, newline="") as file:
        return list(csv.DictReader(file))


def number(text):
    return float(text) if text else None


def interpolated(found, mask, gflops_t, seeds=(0,)):
    """AP of each seed, and of each draw the mean over seeds, one curve after the other."""
    ratios = (0.0, *RATIOS)
    costs = [COSTS[(mask, ratio) if ratio else ("none", 0.0)] for ratio in ratios]
    counts = draw_images(IMAGES, 1000, 0)
    aps, draws = [], []
    for seed in seeds:
        cells = [found[(mask, ratio, seed) if ratio else ("none", 0.0, seed)] for ratio in ratios]
        aps.append(pchip_interpolate(costs[::-1], [score(cell) for cell in cells][::-1], gflops_t))
        table = np.array([scores(cell, counts) for cell in cells][::-1])
        draws.append(pchip_interpolate(costs[::-1], table, gflops_t))
    return np.array(aps), np.mean(draws, axis=0)


def test_at_a_measured_point_it_is_that_cells_ap_and_interval(tmp_path):
    store, cells, found = make(tmp_path, SweepRequest(masks=("random", "semantic")))
    rows = {(row["mask"], row["saving"]): row for row in rows_of(store, cells)}
    assert [saving for mask, saving in rows if mask == "random"] == ["0.2", "0.4", "0.6"]
    for saving, ratio in (("0.2", 0.2), ("0.4", 0.4), ("0.6", 0.6)):
        row = rows["random", saving]
        cell = found["random", ratio, 0]
        assert float(row["mask_ratio"]) == ratio and float(row["mask_ratio_mean"]) == ratio / 2
        assert float(row["ap"]) == pytest.approx(score(cell), abs=1e-12)
        assert (float(row["ap_low"]), float(row["ap_high"])) == pytest.approx(bootstrap_ap(cell), abs=1e-12)
        assert row["ap_std"] == "" and row["seeds"] == "1"


def test_between_measured_ratios_every_number_is_interpolated_in_gflopst(tmp_path):
    seeds = (0, 1, 2)
    store, cells, found = make(tmp_path, SweepRequest(masks=("random", "semantic"), seeds=seeds))
    rows = rows_of(store, cells)
    assert len(rows) == 6
    for row in rows:
        gflops_t = 2.0 * (1 - float(row["saving"]))
        assert float(row["gflops_t"]) == pytest.approx(gflops_t)
        aps, draws = interpolated(found, row["mask"], gflops_t, seeds)
        assert float(row["ap"]) == pytest.approx(aps.mean())
        assert float(row["ap_std"]) == pytest.approx(statistics.stdev(aps))
        spread = SeedSpread.pooled([[score(found[place, ratio, seed]) for seed in seeds] for place, ratio in PLACES])
        whole = combined(aps.mean(), np.std(draws), spread, len(seeds))
        assert (float(row["ap_low"]), float(row["ap_high"])) == pytest.approx(whole[1:3])
        costs = [COSTS[row["mask"], ratio] for ratio in RATIOS]
        ratio = np.interp(gflops_t, [*costs[::-1], 2.0], [0.6, 0.4, 0.2, 0.0])
        assert (float(row["mask_ratio"]), float(row["mask_ratio_mean"])) == pytest.approx((ratio, ratio / 2))


def test_differences_are_paired_and_to_the_best_and_to_random(tmp_path):
    store, cells, found = make(tmp_path, SweepRequest(masks=("random", "semantic")))
    rows = rows_of(store, cells)
    for saving in ("0.2", "0.4", "0.6"):
        point = [row for row in rows if row["saving"] == saving]
        best = max(point, key=lambda row: float(row["ap"]))
        assert [row["best"] == "true" for row in point] == [row is best for row in point]
        own = {row["mask"]: interpolated(found, row["mask"], 2.0 * (1 - float(saving))) for row in point}
        for row in point:
            for name, other in (("from_best", best["mask"]), ("from_random", "random")):
                written = [number(row[column]) for column in (name, f"{name}_low", f"{name}_high")]
                if other == row["mask"]:
                    assert written == [None] * 3
                    continue
                ((ap,), draws), ((ap_other,), draws_other) = own[row["mask"]], own[other]
                off = np.abs(draws - draws_other - (ap - ap_other))
                half = np.percentile(off, 95)  # two masks have one difference: nothing to correct
                assert written == pytest.approx([ap - ap_other, ap - ap_other - half, ap - ap_other + half])


def test_masks_that_leave_the_same_evidence_differ_by_nothing_for_certain(tmp_path):
    same = {ratio: evidence(int(10 * ratio)) for ratio in (0.0, *RATIOS)}
    costs = COSTS | {("norm", ratio): COSTS["random", ratio] for ratio in RATIOS}
    spec = SweepRequest(masks=("random", "norm"))
    store, cells, _ = make(tmp_path, spec, evidence_of=lambda mask, ratio, seed: same[ratio], costs=costs)
    rows = rows_of(store, cells)
    assert len(rows) == 6 and [row["best"] for row in rows] == ["true", "false"] * 3
    for row in rows[1::2]:
        for name in ("from_best", "from_random"):
            assert [float(row[name + end]) for end in ("", "_low", "_high")] == [0, 0, 0]


def test_without_a_control_nothing_is_compared_with_one(tmp_path):
    costs = COSTS | {("norm", ratio): COSTS["random", ratio] for ratio in RATIOS}
    store, cells, _ = make(tmp_path, SweepRequest(masks=("semantic", "norm")), costs=costs)
    for row in rows_of(store, cells):
        assert {name for name in row if name.startswith("from_")} == {"from_best", "from_best_low", "from_best_high"}
        assert (row["from_best"] == "") == (row["best"] == "true")


def test_every_mask_that_looks_at_nothing_is_a_control_with_columns_of_its_own(tmp_path):
    costs = COSTS | {(name, ratio): COSTS["random", ratio] for ratio in RATIOS for name in ("uniform", "prior")}
    store, cells, _ = make(tmp_path, SweepRequest(masks=("semantic", "uniform", "prior")), costs=costs)
    for row in rows_of(store, cells):
        assert "from_random" not in row
        for name in ("uniform", "prior"):
            assert (row[f"from_{name}"] == "") == (row["mask"] == name)


def test_a_mask_that_saves_nothing_is_left_out(tmp_path):
    store, cells, _ = make(tmp_path, SweepRequest(masks=("random", "sparse", "semantic")))
    rows = rows_of(store, cells)
    assert {row["mask"] for row in rows} == {"random", "semantic"} and len(rows) == 6


@pytest.mark.parametrize(
    ("spec", "data"),
    [
        (SweepRequest(masks=("random",)), COCO),
        (SweepRequest(masks=("random", "sparse")), COCO),
        (SweepRequest(masks=("random", "semantic")), MPII),
    ],
    ids=["one mask", "one that saves", "nothing was scored"],
)
def test_where_nothing_can_be_compared_there_is_no_file(spec, data, tmp_path):
    store, cells, _ = make(tmp_path, spec, data, evidence_of=(lambda *_: {}) if data is MPII else None)
    store.equal_file.write_text("of a sweep that had more")
    write_equal(store, cells)
    assert not store.equal_file.exists()
    assert can_compare(cells) == (len(spec.masks) == 2)


def test_mpii_is_compared_in_pckh(tmp_path):
    """Joints found per image; at a measured point the comparison is the difference of two bootstraps on equal draws."""

    def joints(mask, ratio, seed):
        rng = np.random.default_rng([len(mask), int(10 * ratio), seed])
        return {"images": np.arange(IMAGES), "found": rng.integers(0, 15, IMAGES), "annotated": np.full(IMAGES, 14)}

    store, cells, found = make(tmp_path, SweepRequest(masks=("random", "semantic")), MPII, joints)
    rows = {(row["mask"], row["saving"]): row for row in rows_of(store, cells)}
    assert len(rows) == 6
    own = found["random", 0.6, 0]
    row = rows["random", "0.6"]
    assert float(row["pckh"]) == pytest.approx(100 * own["found"].sum() / own["annotated"].sum())
    assert (float(row["pckh_low"]), float(row["pckh_high"])) == pytest.approx(bootstrap_ap(own))
    counts = draw_images(IMAGES, 1000, 0)
    pckh = {name: 100 * (counts @ cell["found"]) / (14 * IMAGES) for name, cell in (("own", own),)}
    # semantic has no point of 0.8 GFLOPsT: between its own
    places = [("semantic", 0.6, 0), ("semantic", 0.4, 0), ("semantic", 0.2, 0), ("none", 0.0, 0)]
    curve = [100 * (counts @ found[place]["found"]) / (14 * IMAGES) for place in places]
    between = pchip_interpolate([COSTS[place[:2]] for place in places], np.array(curve), 0.8)
    worse = rows["semantic" if row["best"] == "true" else "random", "0.6"]
    mean = float(worse["from_best"])
    assert abs(mean) == pytest.approx(abs(float(row["pckh"]) - float(rows["semantic", "0.6"]["pckh"])))
    off = pckh["own"] - between - (float(row["pckh"]) - float(rows["semantic", "0.6"]["pckh"]))
    half = np.percentile(np.abs(off), 95)
    assert [float(worse["from_best_low"]), float(worse["from_best_high"])] == pytest.approx([mean - half, mean + half])


def test_elastic_cells_change_nothing_and_the_same_cells_give_the_same_bytes(tmp_path):
    spec = SweepRequest(masks=("random", "semantic"))
    plain, cells, found = make(tmp_path / "plain", spec)
    write_equal(plain, cells)

    def evidence_of(mask, ratio, seed):
        return found.get((mask, ratio, seed), evidence(99))

    elastic, more, _ = make(tmp_path / "elastic", replace(spec, elastic=True), evidence_of=evidence_of)
    for cell in more:  # other models' evidence at the very same masks and ratios
        if cell.is_elastic:
            np.savez(elastic.cell_dir(cell.key) / "evidence.npz", **evidence(99))
    assert any(cell.is_elastic for cell in more)
    write_equal(elastic, more)
    first = elastic.equal_file.read_bytes()
    write_equal(elastic, more)
    assert plain.equal_file.read_bytes() == first == elastic.equal_file.read_bytes()


def test_a_ratio_that_failed_for_one_seed_is_passed_over_for_its_mask_alone(tmp_path):
    seeds = (0, 1)
    store, cells, found = make(tmp_path, SweepRequest(masks=("random", "semantic"), seeds=seeds))
    wanted = {(row["mask"], row["saving"]): row for row in rows_of(store, cells)}
    failed = next(cell for cell in cells if (cell.model.mask, cell.ratio, cell.seed) == ("random", 0.4, 1))
    write_cell_result(store.cell_dir(failed.key), CellResult(error="why"))
    rows = {(row["mask"], row["saving"]): row for row in rows_of(store, cells)}
    assert rows.keys() == wanted.keys()
    for saving in ("0.2", "0.4", "0.6"):
        assert rows["semantic", saving]["ap"] == wanted["semantic", saving]["ap"]
    places = [("random", 0.6), ("random", 0.2), ("none", 0.0)]
    curves = np.array([[score(found[(*place, seed)]) for seed in seeds] for place in places])
    row = rows["random", "0.4"]
    between = pchip_interpolate([0.8, 1.6, 2.0], curves, 1.2)  # of each seed
    assert float(row["ap"]) == pytest.approx(between.mean()) and row["seeds"] == "2"


def test_at_budgets_measured_cells_are_compared_and_nothing_is_interpolated(tmp_path):
    store, cells, found = make(tmp_path, SweepRequest(masks=("random", "semantic")))
    write_equal(store, cells, budgets=(0.9, 1.5))
    with open(store.equal_file, newline="") as file:
        rows = {(row["gflops_t"], row["mask"]): row for row in csv.DictReader(file)}
    wanted = {("1.5", "random"): 0.4, ("1.5", "semantic"): 0.4, ("0.9", "random"): 0.6, ("0.9", "semantic"): 0.6}
    assert {place: float(row["mask_ratio"]) for place, row in rows.items()} == wanted
    for (_, mask), row in rows.items():
        assert float(row["ap"]) == score(found[mask, float(row["mask_ratio"]), 0])


@pytest.mark.parametrize(
    ("reached", "savings"),
    [
        ([0.6, 0.42], [0.14, 0.28, 0.42]),
        ([0.4199], [0.14, 0.27, 0.41]),
        ([0.6, 0.1 + 0.2], [0.1, 0.2, 0.3]),
        ([0.024], [0.01, 0.02]),
        ([0.009, 0.5], []),
    ],
)
def test_savings_are_whole_percent_and_within_what_every_mask_reaches(reached, savings):
    assert round_savings(reached) == savings
