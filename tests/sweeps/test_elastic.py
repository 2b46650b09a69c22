"""--elastic: every trained model at every ratio, one trained with a drawn ratio, and nothing else changed."""

import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
import small_sweeps
from small_sweeps import base, unmasked

from posebench import create_model
from posebench.pose.errors import InputError
from posebench.pose.evaluation.evaluate import evaluate
from posebench.pose.models.weights import load_weights
from posebench.pose.people.folder import load_people
from posebench.pose.records import from_plain, to_plain
from posebench.pose.training.checkpoint import read_checkpoint
from posebench.sweeps.config import CellConfig, ratios_text
from posebench.sweeps.data import find_data
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import SweepRequest, parse
from posebench.sweeps.runner import execute, run_sweep
from posebench.sweeps.timing import timing_groups

OPTIONS = {"masks": "random", "ratios": "0.5", "epochs": 1, "base_epochs": 1, "threads": 1, "latency": False}


def grid(request, elastic, models=None):
    return small_sweeps.grid(dataclasses.replace(request, elastic=elastic), models)


def pairs(cells):
    """(mask, train ratio, test ratio, seed)"""
    return [(cell.model.mask, ratios_text(cell.trained_at), cell.ratio, cell.seed) for cell in cells]


def test_the_ordinary_cells_and_bases_are_the_same_with_and_without():
    spec = SweepRequest(masks=("semantic", "tome"), seeds=(0, 1))
    (plain, bases), (cells, more) = grid(spec, False), grid(spec, True)
    ordinary = [cell for cell in cells if not cell.is_elastic]
    assert [(c.key, c.label, c) for c in ordinary] == [(c.key, c.label, c) for c in plain]
    assert bases == more and len(cells) > len(plain)


def test_every_training_ratio_meets_every_test_ratio_once():
    spec = SweepRequest(masks=("semantic", "random"), ratios=(0.4, 0.2), seeds=(0, 1))
    cells, _ = grid(spec, True)
    wanted = set()
    for mask in ("semantic", "random"):
        for seed in (0, 1):
            for train in ("0", "0.2", "0.4", "0,0.2,0.4"):
                wanted |= {(mask, train, test, seed) for test in (0.0, 0.2, 0.4) if train != f"{test:g}"}
    found = [pair for pair, cell in zip(pairs(cells), cells, strict=True) if cell.is_elastic]
    assert sorted(found) == sorted(wanted)
    assert len({cell.key for cell in cells}) == len({cell.label for cell in cells}) == len(cells)


def test_one_model_is_trained_for_each_mask_and_seed_and_all_others_are_evaluated_only():
    cells, _ = grid(SweepRequest(masks=("semantic", "random"), seeds=(0, 1)), True)
    by_key = {cell.key: cell for cell in cells}
    drawn = [cell for cell in cells if cell.is_elastic and cell.trains]
    assert len(drawn) == 4
    for cell in drawn:
        assert (cell.train.epochs, cell.train.recipe.mask_ratios) == (2, (0.0, 0.2, 0.4, 0.6))
        ordinary = next(c for c in cells if c.group == cell.group and not c.is_elastic and c.ratio == 0.6)
        assert cell.train.start == ordinary.train.start
    for cell in cells:
        if cell.trained:
            model = by_key[cell.trained.cell]
            assert model.trains and model.group == cell.group and not cell.trains
            assert model.is_baseline or model.model.mask == cell.model.mask


def test_an_unmasked_model_has_no_scorer_and_is_not_evaluated_with_one():
    cells, _ = grid(SweepRequest(masks=("scorer", "random"), ratios=(0.4,)), True)
    found = pairs(cells)
    assert ("random", "0", 0.4, 0) in found and ("scorer", "0", 0.4, 0) not in found
    assert ("scorer", "0.4", 0.0, 0) in found and ("scorer", "0,0.4", 0.4, 0) in found


def test_an_elastic_key_depends_on_what_was_trained_and_not_on_the_rest_of_the_grid():
    spec = SweepRequest(masks=("random",), ratios=(0.2, 0.4))
    keys = {cell.key for cell in grid(spec, True)[0]}
    assert keys == {cell.key for cell in grid(dataclasses.replace(spec, ratios=(0.4, 0.2)), True)[0]}
    assert keys < {
        cell.key for cell in grid(dataclasses.replace(spec, masks=("norm", "random"), seeds=(1, 0)), True)[0]
    }
    for other in ((unmasked("finetune", epochs=3), base()), (unmasked("finetune"), base(epochs=12))):
        assert not keys & {cell.key for cell in grid(spec, True, [other])[0]}


def test_a_ratio_with_many_digits_keeps_them():
    cells, _ = grid(SweepRequest(masks=("random",), ratios=(0.1 + 0.2,)), True)
    found = {ratios_text(cell.trained_at) for cell in cells if cell.is_elastic}
    assert found == {"0", "0.30000000000000004", "0,0.30000000000000004"}
    for cell in cells:
        assert from_plain(CellConfig, json.loads(json.dumps(to_plain(cell))), "file") == cell


def test_elastic_cells_are_not_timed():
    spec = SweepRequest(masks=("random",), ratios=(0.4,))
    assert timing_groups(grid(spec, True)[0], spec) == timing_groups(grid(spec, False)[0], spec)


@pytest.mark.parametrize(
    ("values", "part"),
    [
        ({"weights": ["w.pt"]}, "--weights"),
        ({"weights": ["tmpose_tiny=w.pt"], "training": "weights"}, "--weights"),
        ({"weights": ["tmpose_b=w.pt"], "models": "tmpose_tiny,tmpose_b"}, "tmpose_b"),
        ({"masks": "none"}, "--mask"),
        ({"ratios": "0"}, "--ratios"),
        ({"masks": "random,prune(keep_ratio=0.7)"}, "prune(keep_ratio=0.7)"),
    ],
)
def test_what_contradicts_elastic_is_told(values, part):
    with pytest.raises(InputError) as error:
        parse(values | {"elastic": True})
    assert "--elastic" in str(error.value) and part in str(error.value) and "\n" not in str(error.value)


def test_given_weights_that_are_trained_on_may_be_elastic():
    assert parse({"weights": ["w.pt"], "training": "finetune", "elastic": True}).elastic


def test_a_ratio_that_a_model_cannot_take_is_told_before_anything_runs(people, tmp_path):
    values = {"masks": "random,tome", "ratios": "0.5,0.99", "data": people}
    with pytest.raises(InputError) as error:
        run_sweep(parse(values), out=tmp_path / "out")
    assert all(part in str(error.value) for part in ["--mask tome", "0.99", "up to 0.9375"])
    assert "\n" not in str(error.value)
    assert not (tmp_path / "out").exists()


def rows_of(folder):
    with open(folder / "results.csv", newline="") as file:
        return {(r["mask"], r["train_ratio"], float(r["mask_ratio"])): r for r in csv.DictReader(file)}


def identities(folder):
    files = sorted(folder.glob("*/*/result.json"))
    return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.fixture(scope="module")
def folder(people, tmp_path_factory):
    """A sweep, first without --elastic and then, in the same folder, with it; and the first one's finished results."""
    out = tmp_path_factory.mktemp("elastic") / "sweep"
    run_sweep(parse(OPTIONS | {"data": people}), out=out)
    before = identities(out)
    outcome = execute(parse(OPTIONS | {"data": people, "elastic": True, "out": out}))
    assert not outcome.failed
    return out, before


@pytest.fixture
def out(folder, tmp_path):
    """The finished sweep again, for tests that damage it."""
    return shutil.copytree(folder[0], tmp_path / "copy")


def test_a_finished_sweep_is_extended_and_none_of_it_is_done_again(folder):
    out, before = folder
    assert len(before) == 3 and before.items() <= identities(out).items()
    assert len(identities(out)) == 3 + 4


def test_each_evaluation_is_a_row_with_accuracy_and_counts_only(folder):
    rows = {key: row for key, row in rows_of(folder[0]).items() if key[1]}
    assert set(rows) == {
        ("random", "0", 0.5),
        ("random", "0.5", 0.0),
        ("random", "0,0.5", 0.0),
        ("random", "0,0.5", 0.5),
    }
    for (_, _, ratio), row in rows.items():
        assert row["status"] == "ok" and row["training"] == "finetune" and row["epochs"] == "1"
        assert row["tokens_kept"] == ("24" if ratio else "48") and float(row["gflops_t"]) > 0
        assert all(row[name] for name in ("ap", "ap_ci_low", "ap_ci_high", "ap_diff", "ap_diff_low", "ap_diff_high"))
        measured = [name for name in row if name.startswith(("latency", "throughput", "peak"))]
        assert measured and not any(row[name] for name in [*measured, "batch_size", "train_seconds", "loss_final"])


def test_an_evaluation_is_that_of_the_trained_weights_at_the_other_ratio(folder, people):
    out, _ = folder
    plan = make_plan(parse(OPTIONS | {"data": people, "elastic": True}), find_data(parse({"data": people})))
    evaluations = [cell for cell in plan.cells if cell.trained]
    assert len(evaluations) == 3
    split = load_people(people, "val", input_size=(96, 72))
    for cell in evaluations:
        model = create_model("tmpose_tiny", mask="random", mask_ratio=cell.ratio, seed=0)
        load_weights(model, out / "cells" / cell.trained.cell / "last.pt")
        found = evaluate(model, split, resamples=0)
        with np.load(out / "cells" / cell.key / "evidence.npz") as stored:
            assert stored["score"] == pytest.approx(found.evidence["score"], rel=1e-4)
        result = json.loads((out / "cells" / cell.key / "result.json").read_text())
        assert result["accuracy"]["loss"] == pytest.approx(found.metrics["loss"], rel=1e-4)


def test_the_drawn_model_is_trained_with_all_ratios_and_unlike_the_others(folder):
    out, _ = folder
    saved = {path.parent.name: read_checkpoint(path) for path in out.glob("cells/*/last.pt")}
    assert sorted(str(one["recipe"].get("mask_ratios")) for one in saved.values()) == ["None", "None", "[0.0, 0.5]"]
    weights = [one["model"]["transformer.head.layers.1.weight"] for one in saved.values()]
    assert not any(np.array_equal(a, b) for n, a in enumerate(weights) for b in weights[:n])


def test_run_again_only_what_is_missing_is_evaluated_and_comes_to_the_same(out, people):
    key = rows_of(out)["random", "0.5", 0.0]["cell"]
    before, metrics = identities(out), json.loads((out / "cells" / key / "result.json").read_text())["accuracy"]
    (out / "cells" / key / "result.json").unlink()
    events = []
    run_sweep(parse(OPTIONS | {"data": people, "elastic": True}), out=out, on_event=events.append)
    after = identities(out)
    assert {path for path in after if after[path] != before[path]} == {str(out / "cells" / key / "result.json")}
    result = json.loads((out / "cells" / key / "result.json").read_text())["accuracy"]
    assert result == {**metrics, "eval_seconds": result["eval_seconds"]}
    assert [event.kind for event in events].count("skipped") == 2 + 3


def test_it_is_a_sweep_of_its_own_once_it_was_elastic(folder, people):
    with pytest.raises(InputError, match="trained at 0"):
        run_sweep(parse(OPTIONS | {"data": people}), out=folder[0])


def test_an_evaluation_whose_model_is_gone_fails_alone(out, people):
    rows = rows_of(out)
    trained, evaluated = rows["random", "", 0.5]["cell"], rows["random", "0.5", 0.0]["cell"]
    (out / "cells" / trained / "last.pt").unlink()
    (out / "cells" / evaluated / "result.json").unlink()
    outcome = execute(parse(OPTIONS | {"data": people, "elastic": True, "out": out}))
    assert "no such weights file" in outcome.failed[evaluated]
    found = rows_of(out)
    assert [key for key, row in found.items() if row["status"] == "failed"] == [("random", "0.5", 0.0)]
    assert found["random", "", 0.5] == rows["random", "", 0.5]


def test_where_a_model_fails_its_evaluations_say_so(out, people):
    rows = rows_of(out)
    trained, evaluated = rows["random", "", 0.5]["cell"], rows["random", "0.5", 0.0]["cell"]
    for key in (trained, evaluated):
        (out / "cells" / key / "result.json").unlink()
    (out / "cells" / trained / "last.pt").write_text("damaged")
    outcome = execute(parse(OPTIONS | {"data": people, "elastic": True, "out": out}))
    assert "last.pt" in outcome.failed[trained]
    assert outcome.failed[evaluated] == f"its model failed: {outcome.failed[trained]}"
    assert {row["status"] for key, row in rows_of(out).items() if key[1] == "0,0.5"} == {"ok"}
