"""The grid holds every combination once and each baseline; a key changes with whatever changes the result."""

import itertools
import json
from dataclasses import fields, make_dataclass, replace

import torch
from small_sweeps import EVAL, MODEL, RUN, base, from_scratch, grid, unmasked

from posebench.pose.datasets.described import describe
from posebench.pose.metrics import AP, PCKH
from posebench.pose.models.config import ModelConfig
from posebench.pose.records import from_plain, to_plain
from posebench.sweeps.config import CellConfig, Start, TrainConfig, timing_key
from posebench.sweeps.executors import Resources, Task
from posebench.sweeps.executors.leases import Leases
from posebench.sweeps.request import SweepRequest, parse
from posebench.sweeps.store import SweepStore, write_json
from posebench.sweeps.timing import timing_folders, timing_groups


def keys_of(request=SweepRequest(), models=None):  # noqa: B008 - frozen
    return {cell.key for cell in grid(request, models)[0]}


def test_the_grid_is_every_mask_ratio_and_seed_and_one_baseline_per_seed():
    request = SweepRequest(masks=("semantic", "random"), ratios=(0.2, 0.4, 0.6), seeds=(0, 1))
    cells, _ = grid(request)
    found = {(cell.model.mask, cell.ratio, cell.seed) for cell in cells}
    wanted = set(itertools.product(("semantic", "random"), (0.2, 0.4, 0.6), (0, 1)))
    assert found == wanted | {("none", 0.0, 0), ("none", 0.0, 1)}
    assert len(cells) == len(found)


def test_ratio_zero_of_any_mask_and_the_mask_none_are_the_one_baseline():
    cells, _ = grid(SweepRequest(masks=("semantic", "none", "random"), ratios=(0.0, 0.4)))
    assert [(cell.model.mask, cell.ratio) for cell in cells] == [("none", 0.0), ("semantic", 0.4), ("random", 0.4)]


def test_a_mask_with_options_is_an_axis_of_its_own_and_takes_no_ratio_where_they_say_it():
    masks = ("prune", "prune(layers=1|2)", "prune(keep_ratio=0.5)")
    cells = from_scratch(SweepRequest(masks=masks, ratios=(0.2, 0.4)))
    assert [cell.model.mask for cell in cells] == ["none", *["prune"] * 2, *["prune(layers=1|2)"] * 2, masks[2]]
    assert len({cell.key for cell in cells}) == len({cell.timing_key for cell in cells}) == 6


def test_a_key_does_not_depend_on_the_order_or_on_the_rest_of_the_grid():
    small = keys_of(SweepRequest(masks=("random",), ratios=(0.4,)))
    large = keys_of(SweepRequest(masks=("semantic", "random"), ratios=(0.6, 0.4), seeds=(1, 0)))
    assert small < large


def test_people_that_a_folder_calls_mpii_are_scored_by_ap_and_those_of_mpii_by_pckh():
    own = describe("mpii", ["left_end", "right_end"]).description()
    for described, metric in ((own, AP), (None, PCKH)):
        assert replace(unmasked(), model=replace(MODEL, dataset="mpii", described=described)).metric == metric


def test_a_key_changes_with_everything_that_changes_the_result():
    cell, shared = unmasked("finetune"), base()
    given = replace(cell.train, start=Start(weights="a hash"))
    pairs = [
        (cell, shared),
        (cell.of_seed(1), shared),
        (replace(cell, train=replace(cell.train, data="other")), shared),
        (replace(cell, eval=replace(EVAL, data="other")), shared),
        (replace(cell, eval=replace(EVAL, boxes="a hash")), shared),
        (replace(cell, eval=replace(EVAL, flip_test=False)), shared),
        (replace(cell, run=replace(RUN, device="cuda")), shared),
        (replace(cell, run=replace(RUN, threads=2)), shared),
        (unmasked("finetune", epochs=3), shared),
        (unmasked("finetune", model=replace(MODEL, as_published=True)), shared),
        (unmasked("finetune", model=replace(MODEL, input_size=(128, 96))), shared),
        (cell, base(epochs=12)),
        (cell, base(threads=1)),
        (unmasked("scratch"), None),
        (replace(cell, train=given), None),
    ]
    keys = [keys_of(SweepRequest(seeds=(cell.seed,)), [(cell, shared)]) for cell, shared in pairs]
    for one, other in itertools.combinations(keys, 2):
        assert not one & other


def test_every_field_of_every_record_is_in_the_key_also_one_that_is_added():
    cell = grid()[0][1]
    for name in ("model", "train", "run", "eval"):
        record = getattr(cell, name)
        for field in fields(record):
            changed = replace(record, **{field.name: "another"})
            assert replace(cell, **{name: changed}).key != cell.key
        wider = make_dataclass("Wider", [("axis", int, 0)], bases=(type(record),), frozen=True, kw_only=True)
        assert replace(cell, **{name: wider(**vars(record))}).key != cell.key


def test_all_seeds_and_masks_of_a_model_start_from_one_base():
    cells, bases = grid(SweepRequest(masks=("semantic", "random"), seeds=(0, 1, 2)))
    assert {cell.train.start.base for cell in cells} == set(bases)
    assert len(bases) == 1


def test_a_seed_is_that_of_the_weights_the_masks_and_the_order_of_the_data():
    for cell in grid(SweepRequest(seeds=(3, 5)))[0]:
        assert cell.seed == cell.model.seed == cell.train.recipe.seed
    assert {cell.seed for cell in grid(SweepRequest(seeds=(3, 5)))[0]} == {3, 5}


def test_a_configuration_is_plain_json_and_comes_back_from_the_file():
    masks = ("semantic", "prune(layers=1|2)", "sparse(execution=gather)")
    request = SweepRequest(masks=masks, ratios=(0.1, 0.30000000000000004), elastic=True, seeds=(7,))
    fixed = replace(request, masks=("prune(keep_ratio=0.7|0.5, layers=1|2)",), elastic=False)
    for cell in [*grid(request)[0], *grid(fixed)[0]]:
        read = from_plain(CellConfig, json.loads(json.dumps(to_plain(cell))), "file")
        assert read == cell and read.key == cell.key and read.timing_key == cell.timing_key


def timing_keys(request, models=None):
    return {cell.timing_key for cell in grid(request, models)[0]}


def test_cells_that_execute_the_same_share_a_timing():
    request = SweepRequest(masks=("random",), ratios=(0.4,))
    once = timing_keys(request)
    assert len(once) == 2  # the unmasked model's, too
    assert timing_keys(replace(request, seeds=(3, 4))) == once
    other = CellConfig(MODEL, TrainConfig("weights", None, Start(weights="a hash")), RUN, replace(EVAL, boxes="a hash"))
    assert timing_keys(request, [(other, None)]) == once


def test_whatever_is_executed_otherwise_has_a_timing_of_its_own():
    request = SweepRequest(masks=("random",), ratios=(0.4,))
    near = replace(request, ratios=(0.4 + 1e-9,))  # the same in six digits
    unreduced = timing_keys(SweepRequest(masks=("none",)))
    variants = [timing_keys(request), timing_keys(near) - unreduced]
    variants += [timing_keys(replace(request, masks=("norm",))) - unreduced]
    for field, value in (("as_published", True), ("dataset", "mpii"), ("input_size", (128, 96)), ("name", "tmpose_b")):
        variants.append(timing_keys(request, [(unmasked(model=replace(MODEL, **{field: value})), None)]))
    for run in (replace(RUN, device="cuda"), replace(RUN, threads=2)):
        variants.append(timing_keys(request, [(unmasked(run=run), None)]))
    for one, other in itertools.combinations(variants, 2):
        assert not one & other


def test_a_new_axis_of_a_model_or_of_its_run_changes_the_timing_key_by_itself():
    for record in (MODEL, RUN):
        known = {type(MODEL): MODEL, type(RUN): RUN}
        for field in fields(record):
            changed = known | {type(record): replace(record, **{field.name: "another"})}
            assert timing_key(*changed.values()) != timing_key(MODEL, RUN)
    wider = make_dataclass("Wider", [("axis", int, 0)], bases=(ModelConfig,), frozen=True, kw_only=True)
    assert timing_key(wider(**vars(MODEL)), RUN) != timing_key(MODEL, RUN)


def test_the_gpu_of_a_timing_is_the_one_that_is_leased_to_it(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 3)
    monkeypatch.setattr(torch.cuda, "get_device_name", ("A100", "H100", "H200").__getitem__)
    cells, task = [replace(unmasked(), run=replace(RUN, device="cuda"))], Task("", "", None, cuda=True)
    for asked, number in (({}, 0), ({"device": "cuda:1"}, 1), ({"devices": "2,1"}, 1), ({"devices": "all"}, 0)):
        request = parse({"device": "cuda"} | asked)
        leases = Leases.of_machine([task], Resources(None, devices=request.device_numbers))
        assert leases.take(task).devices == (number,)
        (job,) = timing_groups(cells, request).values()
        assert job.gpu == torch.cuda.get_device_name(number)
    (job,) = timing_groups(cells, parse({"devices": "3"})).values()
    assert job.gpu == "", "of another machine, whose folder is read here"


def test_another_gpus_times_are_not_taken_and_a_machine_without_one_reads_those_that_are_there(tmp_path, monkeypatch):
    cells, request = [replace(unmasked(), run=replace(RUN, device="cuda"))], SweepRequest(device="cuda")
    store = SweepStore(tmp_path)

    def keys(gpu):
        monkeypatch.setattr(torch.cuda, "device_count", lambda: int(gpu is not None))
        monkeypatch.setattr(torch.cuda, "get_device_name", lambda device: gpu)
        return set(timing_folders(store, cells, request))

    (on_h100,) = keys("H100")
    assert not {on_h100} & keys("A100")
    assert keys(None) != {on_h100}  # there is nothing to read yet
    store.timing_dir(on_h100).mkdir(parents=True)
    write_json(store.timing_dir(on_h100) / "result.json", {"status": "ok", "conditions": {"device_name": "H100"}})
    assert keys(None) == {on_h100} and not {on_h100} & keys("A100")
