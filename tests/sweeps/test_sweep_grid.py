"""The grid holds every combination once and each baseline; a key changes with whatever changes the result."""

import dataclasses
import itertools
import json

from posebench.sweeps.grid import Cell, DataIdentity, Executed, ModelPlan, expand
from posebench.sweeps.spec import SweepSpec

DATA = DataIdentity("coco", "0123456789abcdef")
TINY = ModelPlan("tmpose_tiny", (96, 72), "finetune", 1, 2, recipe={"epochs": 2}, base_recipe={"epochs": 11})


def cells_of(spec=SweepSpec(), models=(TINY,), data=DATA):  # noqa: B008 - frozen
    return expand(spec, list(models), data)[0]


def keys_of(*args, **kwargs):
    return {cell.key for cell in cells_of(*args, **kwargs)}


def test_the_grid_is_every_mask_ratio_and_seed_and_one_baseline_per_seed():
    spec = SweepSpec(masks=("semantic", "random"), ratios=(0.2, 0.4, 0.6), seeds=(0, 1))
    found = {(c.config["mask"], c.config["mask_ratio"], c.config["seed"]) for c in cells_of(spec)}
    wanted = set(itertools.product(("semantic", "random"), (0.2, 0.4, 0.6), (0, 1)))
    assert found == wanted | {("none", 0.0, 0), ("none", 0.0, 1)}
    assert len(cells_of(spec)) == len(found)


def test_ratio_zero_of_any_mask_and_the_mask_none_are_the_one_baseline():
    spec = SweepSpec(masks=("semantic", "none", "random"), ratios=(0.0, 0.4))
    assert [(c.config["mask"], c.config["mask_ratio"]) for c in cells_of(spec)] == [
        ("none", 0.0),
        ("semantic", 0.4),
        ("random", 0.4),
    ]


def test_a_key_does_not_depend_on_the_order_or_on_the_rest_of_the_grid():
    small = keys_of(SweepSpec(masks=("random",), ratios=(0.4,)))
    large = keys_of(SweepSpec(masks=("semantic", "random"), ratios=(0.6, 0.4), seeds=(1, 0)))
    assert small < large


def test_a_key_changes_with_everything_that_changes_the_result():
    variants = [
        keys_of(),
        keys_of(data=dataclasses.replace(DATA, fingerprint="other")),
        keys_of(data=dataclasses.replace(DATA, boxes="a hash")),
        keys_of(SweepSpec(seeds=(1,))),
        keys_of(SweepSpec(flip_test=False)),
        keys_of(SweepSpec(as_published=True)),
        keys_of(SweepSpec(device="cuda")),
        keys_of(models=[dataclasses.replace(TINY, threads=2)]),
        keys_of(models=[dataclasses.replace(TINY, recipe={"epochs": 3})]),
        keys_of(models=[dataclasses.replace(TINY, base_recipe={"epochs": 12})]),
        keys_of(models=[dataclasses.replace(TINY, base_threads=1)]),
        keys_of(models=[dataclasses.replace(TINY, training="scratch")]),
        keys_of(models=[dataclasses.replace(TINY, weights="a hash")]),
        keys_of(models=[dataclasses.replace(TINY, input_size=(128, 96))]),
    ]
    for one, other in itertools.combinations(variants, 2):
        assert not one & other


def test_a_key_does_not_change_with_what_changes_no_result():
    assert keys_of() == keys_of(SweepSpec(jobs=3, workers=2, latency=False, batch_sizes=(1, 8), data="/elsewhere"))


def test_all_seeds_and_masks_of_a_model_start_from_one_base():
    cells, bases = expand(SweepSpec(masks=("semantic", "random"), seeds=(0, 1, 2)), [TINY], DATA)
    assert {cell.config["base"] for cell in cells} == set(bases)
    assert len(bases) == 1


def test_no_base_is_trained_for_given_weights_or_from_scratch():
    for model in (dataclasses.replace(TINY, training="scratch"), dataclasses.replace(TINY, weights="a hash")):
        cells, bases = expand(SweepSpec(), [model], DATA)
        assert not bases and all(cell.config["base"] is None for cell in cells)


def test_a_configuration_is_plain_json_and_its_key_survives_the_file():
    for cell in cells_of(SweepSpec(ratios=(0.1, 0.30000000000000004))):
        assert Cell(json.loads(json.dumps(cell.config))).key == cell.key


def timing_keys(*args, **kwargs):
    return {cell.timing_key for cell in cells_of(*args, **kwargs)}


def test_cells_that_execute_the_same_share_a_timing():
    once = timing_keys(SweepSpec(masks=("random",), ratios=(0.4,)))
    assert len(once) == 2  # the unmasked model's, too
    for same in (
        {"spec": SweepSpec(masks=("random",), ratios=(0.4,), seeds=(3, 4), flip_test=False)},
        {"data": dataclasses.replace(DATA, fingerprint="other", boxes="a hash")},
        {"models": [dataclasses.replace(TINY, recipe={"epochs": 9}, training="scratch")]},
    ):
        assert timing_keys(**{"spec": SweepSpec(masks=("random",), ratios=(0.4,))} | same) == once


def test_whatever_is_executed_otherwise_has_a_timing_of_its_own():
    ratio = 0.4
    near = ratio + 1e-9  # the same in six digits
    variants = [
        timing_keys(SweepSpec(masks=("random",), ratios=(ratio,))),
        timing_keys(SweepSpec(masks=("random",), ratios=(near,))) - timing_keys(),
        timing_keys(SweepSpec(masks=("norm",), ratios=(ratio,))) - timing_keys(),
        timing_keys(SweepSpec(masks=("random",), ratios=(ratio,), as_published=True)),
        timing_keys(SweepSpec(masks=("random",), ratios=(ratio,), device="cuda")),
        timing_keys(SweepSpec(masks=("random",), ratios=(ratio,)), data=dataclasses.replace(DATA, layout="mpii")),
        *(
            timing_keys(SweepSpec(masks=("random",), ratios=(ratio,)), models=[dataclasses.replace(TINY, **change)])
            for change in ({"threads": 2}, {"input_size": (128, 96)}, {"name": "tmpose_b"})
        ),
    ]
    for one, other in itertools.combinations(variants, 2):
        assert not one & other


def test_a_new_axis_of_a_model_or_of_its_run_changes_the_key_by_itself():
    executed = Executed.of(cells_of()[0].config)
    for name in ("model", "run"):
        record = getattr(executed, name)
        for axis in dataclasses.fields(record):
            changed = dataclasses.replace(record, **{axis.name: "another"})
            assert dataclasses.replace(executed, **{name: changed}).key != executed.key
        wider = dataclasses.make_dataclass("Wider", [("axis", int, 0)], bases=(type(record),), frozen=True)
        assert dataclasses.replace(executed, **{name: wider(**vars(record))}).key != executed.key
