"""A sweep's folder is taken when new, continued when it is this sweep's, and refused, untouched, otherwise."""

import json
import os
import subprocess
import sys
from dataclasses import replace

import pytest
from small_sweeps import MODEL, base, grid, unmasked

from posebench.benchmark.profiling.config import RunConfig
from posebench.pose.errors import InputError
from posebench.sweeps.cell_result import CellResult, read_cell_result, write_cell_result
from posebench.sweeps.config import EvalConfig
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.store import SweepStore, make_manifest, open_store, write_json


def manifest(ratios=(0.2, 0.4), *, epochs=2, base_epochs=11, data="d", seeds=(0,)):
    pair = (unmasked("finetune", epochs, eval=EvalConfig(data)), base(base_epochs))
    cells, bases = grid(SweepRequest(ratios=ratios, seeds=seeds), [pair])
    return make_manifest({}, cells, bases.values())


def of_own_model(source, epochs=2):
    """A sweep of a network whose file has this digest, elastic, so that a cell evaluates the model of another."""
    model = replace(MODEL, name="own:build", source=source)
    pair = (unmasked("finetune", epochs, model), base(model=model))
    cells, bases = grid(SweepRequest(ratios=(0.2, 0.4), elastic=True), [pair])
    return make_manifest({}, cells, bases.values())


def finish(store, content):
    for cell in content["cells"]:
        write_cell_result(store.cell_dir(cell["key"]), CellResult())


def snapshot(folder):
    return {p: (p.stat().st_mtime_ns, p.read_bytes()) for p in sorted(folder.rglob("*")) if p.is_file()}


@pytest.fixture
def finished(tmp_path):
    """The folder of a sweep over 0.2 and 0.4 whose cells are done."""
    with open_store(tmp_path / "sweep", manifest()) as store:
        finish(store, manifest())
    return tmp_path / "sweep"


def refused(folder, content):
    before = snapshot(folder) if folder.is_dir() else None
    with pytest.raises(InputError) as error, open_store(folder, content):
        pass
    assert before is None or snapshot(folder) == before, "a refused folder must not be touched"
    assert "\n" not in str(error.value) and str(folder) in str(error.value)
    return str(error.value)


def test_a_new_and_an_empty_folder_are_taken(tmp_path):
    (tmp_path / "empty").mkdir()
    for name in ("empty", "new/deeper"):
        with open_store(tmp_path / name, manifest()) as store:
            assert store.manifest()["cells"] == manifest()["cells"]


def test_the_same_sweep_is_continued(finished):
    with open_store(finished, manifest()) as store:
        assert all(store.is_done(cell["key"]) for cell in manifest()["cells"])


def test_more_ratios_and_seeds_extend_a_sweep(finished):
    extended = manifest((0.2, 0.4, 0.6), seeds=(0, 1))
    with open_store(finished, extended) as store:
        done = [cell["label"] for cell in extended["cells"] if store.is_done(cell["key"])]
    assert len(done) == 3 and len(extended["cells"]) == 8


def test_an_edited_model_is_no_other_sweep_but_none_of_its_cells_is_done(tmp_path):
    with open_store(tmp_path / "own", of_own_model("a")) as store:
        finish(store, of_own_model("a"))
    assert "recipe.epochs is 2 there and 5 here" in refused(tmp_path / "own", of_own_model("b", epochs=5))
    with open_store(tmp_path / "own", of_own_model("b")) as store:
        assert not any(store.is_done(cell["key"]) for cell in of_own_model("b")["cells"])
        assert all(store.is_done(cell["key"]) for cell in of_own_model("a")["cells"])


def test_a_folder_with_other_files_is_refused_and_they_are_named(tmp_path):
    for names, said in (("cab", "(a, b, c)"), ("d", "(a, b, c, ...)")):
        for name in names:
            (tmp_path / name).write_text("mine")
        assert f"holds other files {said};" in refused(tmp_path, manifest())


def test_a_file_in_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "file").write_text("mine")
    assert "folder" in refused(tmp_path / "file", manifest())
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    ("other", "reason"),
    [
        (manifest(epochs=5), "recipe.epochs is 2 there and 5 here"),
        (manifest(base_epochs=3), "base model: train.recipe.epochs is 11 there and 3 here"),
        (manifest(data="e"), "other annotations"),
        (manifest((0.2,)), "semantic 0.4 seed 0"),
        (manifest(seeds=(1,)), "unmasked seed 0"),
    ],
)
def test_another_sweeps_folder_is_refused_and_the_difference_is_named(finished, other, reason):
    assert reason in refused(finished, other)


@pytest.mark.parametrize("text", ["", '{"format": "posebench-sweep"', "[]", '{"cells": []}', "null", "\x00\x01"])
def test_a_broken_sweep_file_is_named(finished, text):
    (finished / "sweep.json").write_text(text)
    assert "sweep.json" in refused(finished, manifest())


@pytest.mark.parametrize(
    ("part", "said"),
    [
        ({"format": "another's"}, "not written by a sweep"),
        ({"cells": {}}, "not written by a sweep"),
        ({"bases": []}, "damaged: a cell without key, label or config"),
        ({"bases": {"b": 1}}, "damaged: a cell without key, label or config"),
        ({"asked": []}, "damaged: a cell without key, label or config"),
        ({"cells": ["k"]}, "damaged: a cell without key, label or config"),
        ({"cells": [{"key": "k", "label": "l", "config": "c"}]}, "damaged: a cell without key, label or config"),
    ],
)
def test_a_sweep_file_of_which_one_part_is_not_a_sweeps_is_refused(finished, part, said):
    write_json(finished / "sweep.json", manifest() | part)
    assert said in refused(finished, manifest())


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"a": 1, "b": {"c": 2}, "d": 3}, "a is 1 there and None here, b.c is 2 there and None here, d is 3"),
        ({"a": 1, "b": {"c": 2}, "d": 3, "e": 4}, "d is 3 there and None here, ..."),
    ],
)
def test_of_settings_that_one_sweep_alone_has_three_are_named(finished, settings, said):
    content = manifest()
    content["cells"][1]["key"] = "other"
    content["cells"][1]["config"] |= settings
    write_json(finished / "sweep.json", content)
    message = refused(finished, manifest())
    assert said in message and "e is 4" not in message and ("..." in message) is ("e" in settings)


@pytest.mark.parametrize("base", [[1], None, "b"])
def test_a_base_model_that_is_none_is_a_difference_like_any_other(finished, base):
    content = manifest()
    content["cells"][0]["key"] = "other"
    content["cells"][0]["config"]["train"]["start"]["base"] = base
    write_json(finished / "sweep.json", content)
    assert f"train.start.base is {base} there and" in refused(finished, manifest())


def test_of_cells_that_are_not_asked_for_three_are_named(tmp_path):
    for ratios, end in (((0.2, 0.4), ", which"), ((0.2, 0.4, 0.6), ", ..., which")):
        with open_store(tmp_path / str(len(ratios)), manifest(ratios)):
            pass
        assert f"semantic 0.4 seed 0{end}" in refused(tmp_path / str(len(ratios)), manifest(seeds=(1,)))


@pytest.mark.parametrize("text", ["", '{"status": "o', "3", "{}"])
def test_a_broken_result_is_named_with_the_remedy(finished, text):
    file = finished / "cells" / manifest()["cells"][1]["key"] / "result.json"
    file.write_text(text)
    message = refused(finished, manifest())
    assert str(file) in message and "delete it" in message


def test_a_result_that_is_absent_or_failed_is_not_done(finished):
    keys = [cell["key"] for cell in manifest()["cells"]]
    (finished / "cells" / keys[0] / "result.json").unlink()
    write_cell_result(finished / "cells" / keys[1], CellResult(error="why"))
    with open_store(finished, manifest()) as store:
        assert [store.is_done(key) for key in keys] == [False, False, True]
        assert read_cell_result(store.cell_dir(keys[1])).error == "why"


@pytest.mark.parametrize(
    ("version", "said"),
    [(1, "sweep folder of version 1, this posebench reads version 2; give another"), (99, "by a newer posebench")],
)
def test_another_layout_is_refused_by_its_version(finished, version, said):
    content = json.loads((finished / "sweep.json").read_text())
    write_json(finished / "sweep.json", content | {"version": version})
    assert said in refused(finished, manifest())


def test_unfinished_files_of_a_killed_run_are_cleared_away(finished):
    left = finished / "cells" / manifest()["cells"][0]["key"] / ".result.json.x1.part"
    left.write_text("{")
    others = [left.with_name(name) for name in (".mine", "mine.part")]
    for file in others:
        file.write_text("mine")
    with open_store(finished, manifest()):
        assert not left.exists() and all(file.exists() for file in others)


def test_what_was_measured_of_a_cell_lies_beside_its_result(tmp_path):
    store, run = SweepStore(tmp_path), RunConfig(dtype="bfloat16")
    assert store.memory("k", 4) is None and store.evaluated("k", run) == {}
    write_json(tmp_path / "cells" / "k" / "memory_4.json", {"mib": 5})
    write_json(tmp_path / "cells" / "k" / "eval_eager_bfloat16.json", {"ap": 0.5})
    assert store.memory("k", 4) == {"mib": 5} and store.memory("k", 1) is None
    assert store.evaluated("k", run) == {"ap": 0.5} and store.evaluated("k", RunConfig()) == {}


def test_the_same_content_is_the_same_bytes(tmp_path):
    write_json(tmp_path / "one", {"a": 1, "b": 2})
    write_json(tmp_path / "two", {"b": 2, "a": 1})
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


HOLD = """
import sys
from pathlib import Path
from posebench.sweeps.executors.presence import RUN, Presence
from posebench.sweeps.store import open_store, make_manifest
with open_store(sys.argv[1], make_manifest({}, [], [])), Presence(Path(sys.argv[1], RUN)):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_two_sweeps_do_not_share_a_folder_and_a_dead_one_holds_nothing(tmp_path):
    folder = tmp_path / "sweep"
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        assert holder.stdout.readline() == "held\n"
        named = rf"another sweep is running in this folder, process {holder.pid} on "
        with pytest.raises(InputError, match=named), open_store(folder, manifest()):
            pass
        os.kill(holder.pid, 9)
        holder.wait()
        with open_store(folder, manifest()) as store:
            assert store.manifest_file.is_file()
    finally:
        holder.kill()
        holder.communicate()


def test_a_result_of_before_a_field_was_there_is_still_one(tmp_path):
    write_cell_result(tmp_path, CellResult(counts={"gflops": 1.0}))
    file = tmp_path / "result.json"
    content = json.loads(file.read_text())
    del content["shortage"]
    file.write_text(json.dumps(content))
    assert read_cell_result(tmp_path).counts == {"gflops": 1.0}
    file.write_text(json.dumps({**content, "guesses": 1}))
    with pytest.raises(InputError, match="guesses is unknown"):
        read_cell_result(tmp_path)
