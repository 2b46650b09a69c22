import dataclasses
import subprocess
import sys
from pathlib import Path

import pytest
import tiny_run
from same_training import assert_equal, assert_same_run, comparable
from tiny_run import RECIPE, TinyModel, draw_people, run

from posebench.pose.errors import InputError
from posebench.pose.training.checkpoint import read_checkpoint


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("uninterrupted")
    return folder, run(folder)


@pytest.mark.parametrize("moment", ["epoch 3", "epoch 1", "save 1", "save 3", "save 4"])
def test_a_killed_run_resumes_to_the_very_weights_of_an_uninterrupted_one(moment, tmp_path, uninterrupted):
    script = Path(tiny_run.__file__)
    killed = subprocess.run([sys.executable, script, tmp_path, *moment.split()], capture_output=True)
    assert killed.returncode == -9, killed.stderr.decode()
    result = run(tmp_path, resume=True)
    assert_same_run(uninterrupted[0] / "run", tmp_path / "run")
    assert (result.loss_first, result.loss_last) == (uninterrupted[1].loss_first, uninterrupted[1].loss_last)
    assert sorted(p.name for p in (tmp_path / "run").iterdir()) == ["last.pt", "log.csv"], (
        "no half-written file is left"
    )


def test_resuming_with_another_number_of_loader_processes_changes_nothing(tmp_path, uninterrupted):
    def stop(done, total, **info):
        if done == 9:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, progress=stop)
    assert read_checkpoint(tmp_path / "run" / "last.pt")["epoch"] == 2
    more = dataclasses.replace(RECIPE, workers=1)
    run(tmp_path, resume=True, recipe=more)
    there, here = comparable(uninterrupted[0] / "run"), comparable(tmp_path / "run")
    assert_equal(there[0]["model"], here[0]["model"])
    assert there[1] == here[1]


def test_resuming_a_finished_run_does_nothing(uninterrupted):
    folder, result = uninterrupted
    before = (folder / "run" / "last.pt").read_bytes()
    again = run(folder, resume=True, progress=lambda *_, **__: pytest.fail("trained again"))
    assert again == dataclasses.replace(result, resumed_at=RECIPE.epochs)
    assert (folder / "run" / "last.pt").read_bytes() == before


def test_a_folder_that_holds_a_run_is_not_overwritten(uninterrupted):
    folder, _ = uninterrupted
    with pytest.raises(InputError, match=r"holds a training run already \(last.pt, log.csv\)"):
        run(folder)


@pytest.mark.parametrize(
    "change, told",
    [
        ({"recipe": dataclasses.replace(RECIPE, learning_rate=1e-4)}, "recipe.learning_rate is 0.003 there and 0.0001"),
        ({"recipe": dataclasses.replace(RECIPE, epochs=8)}, "recipe.epochs is 4 there and 8 here"),
        ({"recipe": dataclasses.replace(RECIPE, augment=None)}, "recipe.augment"),
        ({"model": TinyModel("other")}, "config.variant is 'plain' there and 'other' here"),
        ({"people": 12}, "data.people is 20 there and 12 here"),
    ],
    ids=["rate", "length of a cosine", "augmentation", "model", "data"],
)
def test_a_run_with_other_settings_is_not_resumed_and_the_difference_is_told(change, told, uninterrupted):
    folder, _ = uninterrupted
    before = (folder / "run" / "last.pt").read_bytes()
    with pytest.raises(InputError) as error:
        run(folder, resume=True, **change)
    assert told in str(error.value) and "\n" not in str(error.value)
    assert (folder / "run" / "last.pt").read_bytes() == before


def test_a_run_whose_rates_do_not_depend_on_its_length_can_be_made_longer(tmp_path):
    short = dataclasses.replace(RECIPE, schedule="steps", milestones=(3,), epochs=2)
    long = dataclasses.replace(short, epochs=4)
    run(tmp_path / "a", recipe=short)
    run(tmp_path / "a", recipe=long, resume=True)
    run(tmp_path / "b", recipe=long)
    assert_same_run(tmp_path / "a" / "run", tmp_path / "b" / "run")


@pytest.mark.parametrize("name", ["last.pt", "best.pt", "log.csv"])
def test_a_file_that_is_not_of_a_run_is_neither_resumed_nor_overwritten(name, tmp_path):
    draw_people(tmp_path / "pictures")
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / name).write_text("precious")
    for resume in (False, True):
        with pytest.raises(InputError, match=str(tmp_path / "run")):
            run(tmp_path, resume=resume)
    assert (tmp_path / "run" / name).read_text() == "precious"
    assert [p.name for p in (tmp_path / "run").iterdir()] == [name]


def test_parts_that_a_killed_run_left_are_removed_and_other_files_are_not(tmp_path):
    (tmp_path / "run").mkdir()
    for name in ("last.pt", "best.pt", "log.csv", "world.json", "thesis"):
        (tmp_path / "run" / f".{name}.a1b2.part").write_text("half")
    run(tmp_path, recipe=dataclasses.replace(RECIPE, epochs=1))
    assert {path.name for path in (tmp_path / "run").iterdir()} == {".thesis.a1b2.part", "last.pt", "log.csv"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "run").write_text("precious")
    with pytest.raises(InputError, match="is a file"):
        run(tmp_path)
