"""Sweeps of several machines joined in one folder: their cells once, their people alone, their clocks apart."""

import csv
import json
from dataclasses import replace

import numpy as np
import pytest
from finished_sweeps import write_sweep
from small_sweeps import base, grid, unmasked

from posebench.pose.errors import InputError
from posebench.pose.records import to_plain
from posebench.reports.analysis.parts import read_by_joint
from posebench.reports.analysis.results import SCHEMA_VERSION
from posebench.sweeps.cell_result import CellResult, read_cell_result, write_cell_result
from posebench.sweeps.merge import merge_sweeps
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.store import SweepStore, make_manifest, open_store


def rows_of(folder):
    with open(folder / "results.csv", newline="") as file:
        return {(row["mask"], int(row["seed"])): row for row in csv.DictReader(file)}


def test_the_cells_of_two_machines_are_one_table_with_machine_revision_and_folder(tmp_path, posebench):
    write_sweep(tmp_path / "a", "one", masks=("random",), milliseconds=10.0)
    write_sweep(tmp_path / "b", "two", masks=("semantic",), milliseconds=70.0)
    code, said, _ = posebench("merge", "a", "b", "--out", "both")
    assert code == 0 and said.startswith("3 cells in both: 2 from a, 1 from b; 1 in several folders")
    rows = rows_of(tmp_path / "both")
    told = [
        (r["machine"], r["timed_on"], r["git_revision"], r["sweep_dir"], r["latency_ms_median"]) for r in rows.values()
    ]
    one, two = str(tmp_path / "a"), str(tmp_path / "b")
    assert told == [("one", "one", "rev-one", one, "10.0")] * 2 + [("two", "two", "rev-two", two, "70.0")]
    assert rows["semantic", 0]["ap_diff"], "paired with the unmasked cell, which is the other machine's"
    page = (tmp_path / "both" / "report.html").read_text()
    assert "those of 1 row that were timed elsewhere (two, CPU of two)" in page
    assert (tmp_path / "both" / "equal_gflopst.csv").is_file(), "masks that no machine had side by side"


def test_the_accuracy_by_size_and_joint_and_the_people_lost_come_with_the_cells(tmp_path):
    for name, mask, score in (("a", "random", 0.25), ("b", "semantic", 0.75)):
        folder = write_sweep(tmp_path / name, name, masks=(mask,))
        lines = [f"{cell.name},small,10,20,4,{score}" for cell in (folder / "cells").iterdir()]
        (folder / "by_size.csv").write_text("\n".join(["cell,size,from_px,to_px,images,score", *lines]))
        for cell in (folder / "cells").iterdir():
            joints = {"joint_people": np.full((4, 17), 2), "joint_similarity": np.full((4, 17), 2 * score)}
            np.savez(cell / "evidence.npz", **np.load(cell / "evidence.npz"), **joints)
        (folder / "plots" / "people").mkdir(parents=True)
        (folder / "plots" / "people" / f"{mask}_0.4.png").write_bytes(b"a picture")
    merge_sweeps([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    with open(tmp_path / "both" / "by_size.csv", newline="") as file:
        found = {row["cell"]: float(row["score"]) for row in csv.DictReader(file)}
    keys = {mask: row["cell"] for (mask, _), row in rows_of(tmp_path / "both").items()}
    assert found == {keys["none"]: 0.25, keys["random"]: 0.25, keys["semantic"]: 0.75}
    assert read_by_joint(tmp_path / "both" / "by_joint.csv").scores[keys["semantic"]]["knee"] == 0.75
    assert {file.name for file in (tmp_path / "both/plots/people").iterdir()} == {"random_0.4.png", "semantic_0.4.png"}


def test_seeds_of_two_machines_keep_their_own_times_though_they_timed_the_same_models(tmp_path):
    write_sweep(tmp_path / "a", "one", seeds=(0,), milliseconds=10.0)
    write_sweep(tmp_path / "b", "two", seeds=(1,), milliseconds=70.0)
    merge_sweeps([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    rows = rows_of(tmp_path / "both")
    assert {seed: {row["latency_ms_median"] for (_, s), row in rows.items() if s == seed} for seed in (0, 1)} == {
        0: {"10.0"},
        1: {"70.0"},
    }
    assert {row["data_dir"] for row in rows.values()} == {"/one/coco"}, "the same people, by their annotations"


def test_the_times_of_a_runtime_that_the_second_machine_alone_has_are_taken(tmp_path):
    write_sweep(tmp_path / "a", "one", seeds=(0,))
    write_sweep(tmp_path / "b", "two", seeds=(1,), runtimes=("eager", "fused"), milliseconds=70.0)
    merge_sweeps([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    with open(tmp_path / "both" / "results.csv", newline="") as file:
        found = {(row["runtime"], row["seed"], row["latency_ms_median"]) for row in csv.DictReader(file)}
    assert found == {("eager", "0", "10.0"), ("fused", "0", ""), ("eager", "1", "70.0"), ("fused", "1", "70.0")}


def test_what_was_merged_is_a_sweep_that_goes_on_and_that_can_be_merged_again(tmp_path):
    for seed in range(3):
        write_sweep(tmp_path / str(seed), f"host-{seed}", seeds=(seed,))
    merge_sweeps([tmp_path / "0", tmp_path / "1"], tmp_path / "two")
    merge_sweeps([tmp_path / "two", tmp_path / "2"], tmp_path / "three")
    rows = rows_of(tmp_path / "three")
    assert {seed: row["timed_on"] for (_, seed), row in rows.items()} == {n: f"host-{n}" for n in range(3)}
    assert rows["semantic", 0]["sweep_dir"] == str(tmp_path / "0")
    asked = SweepRequest(ratios=(0.4,), seeds=(0, 1, 2))
    cells, bases = grid(asked, [(unmasked("finetune"), base())])
    with open_store(tmp_path / "three", make_manifest(to_plain(asked), cells, bases.values())) as store:
        assert all(store.is_done(cell.key) for cell in cells)


def test_one_cell_with_two_results_is_refused_and_nothing_is_written(tmp_path):
    a, b = write_sweep(tmp_path / "a", "one"), write_sweep(tmp_path / "b", "two", loss=0.26)
    with pytest.raises(
        InputError, match=r"tmpose_tiny unmasked seed 0 has two results: loss is 0\.25 and 0\.26 in .*a/cells"
    ):
        merge_sweeps([a, b], tmp_path / "both")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_cell_that_failed_somewhere_is_taken_from_where_it_did_not(tmp_path):
    a, b = write_sweep(tmp_path / "a", "one"), write_sweep(tmp_path / "b", "two")
    cell = grid(SweepRequest(ratios=(0.4,)))[0][1]
    write_cell_result(SweepStore(a).cell_dir(cell.key), CellResult(error="out of memory"))
    merge_sweeps([a, b], tmp_path / "in" / "another" / "both")
    row = rows_of(tmp_path / "in" / "another" / "both")["semantic", 0]
    assert (row["status"], row["machine"]) == ("ok", "two")


def test_a_base_model_that_failed_somewhere_is_taken_from_where_it_did_not(tmp_path):
    a, b = write_sweep(tmp_path / "a", "one"), write_sweep(tmp_path / "b", "two")
    ((key, _),) = grid(SweepRequest(ratios=(0.4,)))[1].items()
    write_cell_result(SweepStore(a).base_dir(key), CellResult(error="out of memory"))
    (SweepStore(a).base_dir(key) / "log.txt").write_text("out of memory")
    write_cell_result(SweepStore(b).base_dir(key), CellResult(accuracy={"ap": 0.5}))
    c = write_sweep(tmp_path / "c", "three")
    write_cell_result(SweepStore(c).base_dir(key), CellResult(accuracy={"ap": 0.6}))
    merge_sweeps([a, b, c], tmp_path / "both")
    merged = SweepStore(tmp_path / "both").base_dir(key)
    assert read_cell_result(merged).accuracy == {"ap": 0.5}
    assert [file.name for file in merged.iterdir()] == ["result.json"]


def test_cells_of_a_mask_of_ones_own_whose_file_was_edited_between_are_refused(tmp_path, monkeypatch):
    file = tmp_path / "own_merge_mask.py"
    monkeypatch.syspath_prepend(tmp_path)
    for name in ("a", "b"):
        file.write_text(f"def mask(tokens, context, left):\n    return tokens, None  # {name}\n")
        write_sweep(tmp_path / name, name, masks=("own_merge_mask:mask",))
    said = r"b: its cells tmpose_tiny own_merge_mask:mask 0\.4 seed 0 cannot .* model\.reduction\.source is"
    with pytest.raises(InputError, match=said):
        merge_sweeps([tmp_path / "a", tmp_path / "b"], tmp_path / "both")
    assert not (tmp_path / "both").exists()


def test_half_written_files_and_links_are_not_merged(tmp_path):
    a, b = write_sweep(tmp_path / "a", "one"), write_sweep(tmp_path / "b", "two", seeds=(1,))
    (tmp_path / "secret").write_text("secret")
    cell = SweepStore(a).cell_dir(grid(SweepRequest(ratios=(0.4,)))[0][0].key)
    (cell / ".result.json.part").write_text("{")
    (cell / "link").symlink_to(tmp_path / "secret")
    merge_sweeps([a, b], tmp_path / "both")
    copied = {file.name for file in (tmp_path / "both" / "cells" / cell.name).iterdir()}
    assert copied == {file.name for file in cell.iterdir()} - {".result.json.part", "link"}


def test_a_folder_that_holds_something_is_not_merged_into(tmp_path):
    a, b = write_sweep(tmp_path / "a", "one"), write_sweep(tmp_path / "b", "two")
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "mine").write_text("mine")
    with pytest.raises(InputError, match="exists already; give --out a new or empty folder"):
        merge_sweeps([a, b], tmp_path / "both")
    assert [file.name for file in (tmp_path / "both").iterdir()] == ["mine"]
    with pytest.raises(InputError, match="exists already; give --out a new or empty folder"):
        merge_sweeps([a, b], tmp_path / "both" / "mine")
    with pytest.raises(InputError, match="give the folders of two or more sweeps"):
        merge_sweeps([a, f"{a}/"], tmp_path / "twice")
    (tmp_path / "empty").mkdir()
    assert merge_sweeps([a, b], tmp_path / "empty").same == 2


def test_sweeps_that_have_just_begun_are_merged_from_the_first_cell_on(tmp_path):
    folders = [write_sweep(tmp_path / name, name) for name in ("one", "two")]
    first, second = (cell.key for cell in grid(SweepRequest(ratios=(0.4,)))[0])
    for folder, keys in zip(folders, ([second], [first, second]), strict=True):
        for key in keys:
            (SweepStore(folder).cell_dir(key) / "result.json").unlink()
    merged = merge_sweeps(folders, tmp_path / "both")
    assert list(rows_of(tmp_path / "both")) == [("none", 0)] and merged.unfinished == 1


def test_sweeps_of_other_settings_people_or_versions_are_refused(tmp_path):
    a = write_sweep(tmp_path / "a", "one")

    def refused(folder, match):
        with pytest.raises(InputError, match=match):
            merge_sweeps([a, folder], tmp_path / "both")
        assert not (tmp_path / "both").exists()

    longer = [(unmasked("finetune", epochs=9), base())]
    refused(write_sweep(tmp_path / "b", "two", longer, seeds=(1,)), r"train.recipe.epochs is 2 there and 9 here")
    every = replace(longer[0][0].train.recipe, batch_size=3, learning_rate=0.5, weight_decay=0.5)
    other = [(replace(unmasked("finetune"), train=replace(longer[0][0].train, recipe=every)), base())]
    refused(
        write_sweep(tmp_path / "f", "two", other, seeds=(1,)),
        r"train.recipe.batch_size is .*, train.recipe.epochs is .*, train.recipe.learning_rate is [^,]* here; merge",
    )
    alone = write_sweep(tmp_path / "g", "two", longer, masks=())
    refused(alone, r"train.recipe.epochs is 2 there and 9 here")  # of the unmasked cells, which both have
    taught = [(unmasked("finetune"), base(epochs=12))]
    refused(
        write_sweep(tmp_path / "c", "two", taught, seeds=(1,)), r"base model: train.recipe.epochs is 11 there and 12"
    )
    cell = unmasked("finetune")
    others = [
        (replace(cell, eval=replace(cell.eval, data="other"), model=replace(cell.model, name="tokenpose_tiny")), None)
    ]
    refused(
        write_sweep(tmp_path / "d", "two", others), r"its people cannot be joined .* eval.data is val there and other"
    )
    older = write_sweep(tmp_path / "e", "two", seeds=(1,))
    manifest = json.loads((older / "sweep.json").read_text())
    without = {name: value for name, value in manifest["asked"].items() if name != "train_people"}
    (older / "sweep.json").write_text(json.dumps(manifest | {"asked": without}))
    with pytest.raises(InputError, match=r"sweep\.json: StoredData.train_people is missing"):
        merge_sweeps([older, a], tmp_path / "both")
    (older / "sweep.json").write_text(json.dumps(manifest | {"version": 1}))
    refused(older, "sweep folder of version 1, this posebench reads version 2")
    (older / "sweep.json").write_text(json.dumps(manifest))
    (older / "results.csv").write_text(
        f"schema_version,cell,status,model,dataset,mask,mask_ratio,seed\n{SCHEMA_VERSION + 1},x,ok,m,coco,none,0,0\n"
    )
    refused(older, f"results of version {SCHEMA_VERSION + 1}, written by a newer posebench")
