"""A checkpoint brings what it was trained with to every command that takes --weights; a contradiction is named."""

import json
import shutil
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO as CocoIndex

from posebench import create_model
from posebench.cli import main
from posebench.pose.errors import InputError
from posebench.pose.models.as_trained import load_model
from posebench.pose.models.weights_file import read_weights
from posebench.pose.synth.write import write_synthetic
from posebench.pose.training.checkpoint import read_checkpoint, save_checkpoint
from posebench.sweeps.data import find_data
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import parse


@pytest.fixture
def posebench(monkeypatch, capfd):
    """Run a command line; gives (exit code, standard output, standard error)."""

    def run(*arguments):
        capfd.readouterr()
        monkeypatch.setattr(sys, "argv", ["posebench", *map(str, arguments)])
        try:
            main()
            code = 0
        except SystemExit as end:
            code = end.code or 0
        finally:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        return code, *capfd.readouterr()

    return run


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "people"
    write_synthetic(folder, train=8, val=6, jobs=1)
    return folder


@pytest.fixture(scope="module")
def trained(people, tmp_path_factory):
    """A checkpoint of a run with another mask than the random 0.4 that the model's name stands for."""
    out = tmp_path_factory.mktemp("run") / "run"
    command = [sys.executable, "-m", "posebench", "train", "--model", "tmpose_tiny", "--mask", "semantic"]
    command += ["--ratio", "0.75", "--epochs", "1", "--evaluate-every", "0", "--threads", "1", "--seed", "5"]
    subprocess.run([*command, "--data", str(people), "--out", str(out)], check=True, capture_output=True, timeout=300)
    return out / "last.pt"


def saved(folder, *, recipe=None, data=None, **arguments):
    """A checkpoint as a run leaves it, of an untrained model."""
    model = create_model(**{"name": "tmpose_tiny", **arguments})
    config = {"config": model.spec.create_arguments(), "recipe": recipe or {}, "data": data or {"split": "train"}}
    save_checkpoint(folder / "last.pt", {"model": model.state_dict(), "epoch": 1, **config})
    return folder / "last.pt"


def row_of(result):
    code, out, err = result
    assert code == 0, err
    (row,) = json.loads(out)
    return row


def test_eval_takes_model_mask_and_ratio_from_the_checkpoint(posebench, people, trained):
    code, out, err = posebench("eval", "--weights", trained, "--data", people, "--format", "json")
    row = row_of((code, out, err))
    assert (row["model"], row["mask"], row["mask_ratio"]) == ("tmpose_tiny", "semantic", 0.75)
    assert "trained with" not in err
    named = ("--model", "tmpose_tiny", "--mask", "semantic", "--ratio", 0.75)
    again = row_of(posebench("eval", "--weights", trained, "--data", people, "--format", "json", *named))
    assert again == row


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--mask", "random"), "evaluated with random 0.75"),
        (("--ratio", "0.5"), "evaluated with semantic 0.5"),
        (("--mask", "none"), "evaluated with no mask"),
        (("--mask", "prune(keep_ratio=0.5,layers=0|1)"), "evaluated with prune(keep_ratio=0.5, layers=0|1) 0.75"),
    ],
)
def test_another_mask_is_applied_and_told(posebench, people, trained, options, said):
    code, out, err = posebench("eval", "--weights", trained, "--data", people, "--format", "json", *options)
    row = row_of((code, out, err))
    mask = "none" if "no mask" in said else said.removeprefix("evaluated with ").rpartition(" ")[0]
    assert row["mask"] == mask
    assert f"{trained}: trained with semantic 0.75, {said}" in err


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        (("--model", "tokenpose_t"), "model tmpose_tiny, which tokenpose_t contradicts"),
        (("--input-size", "192x144"), "input size 96x72, which 192x144 contradicts"),
        (("--position-type", "sine"), "position type low-frequency, which sine contradicts"),
        (("--as-published",), "as_published False, which True contradicts"),
    ],
)
@pytest.mark.parametrize("command", ["eval", "predict"])
def test_what_contradicts_the_checkpoint_is_refused(posebench, people, trained, command, options, saying):
    what = ("--data", people) if command == "eval" else (next((people / "images" / "val2017").iterdir()),)
    code, _, err = posebench(command, "--weights", trained, *what, *options)
    last = err.strip().splitlines()[-1]
    assert code == 2 and str(trained) in last and saying in last


def test_a_file_of_others_needs_its_models_name_and_tells_the_mask(posebench, people, tmp_path):
    torch.save(create_model("tmpose_tiny").state_dict(), tmp_path / "w.pth")
    evaluate = ("eval", "--weights", tmp_path / "w.pth", "--data", people, "--format", "json")
    code, _, err = posebench(*evaluate)
    assert code == 2 and "does not say which model it is of" in err and "would fit tmpose_tiny (coco)" in err
    code, out, err = posebench(*evaluate, "--model", "tmpose_tiny")
    assert row_of((code, out, err))["mask"] == "random"
    assert "w.pth does not say how it was trained: evaluated with random 0.4" in err


def test_a_converted_checkpoint_goes_on_saying_what_it_was_trained_with(posebench, trained, tmp_path):
    assert posebench("weights", "convert", trained, "--out", tmp_path / "small.pt")[0] == 0
    assert (tmp_path / "small.pt").stat().st_size < trained.stat().st_size / 2  # without the optimizer's state
    small, large = read_weights(tmp_path / "small.pt"), read_weights(trained)
    assert small.config == large.config
    assert all(torch.equal(tensor, large.tensors[name]) for name, tensor in small.tensors.items())
    code, out, _ = posebench("weights", "inspect", tmp_path / "small.pt")
    assert code == 0 and "trained with semantic 0.75, as tmpose_tiny (coco)" in out


def test_a_profile_measures_the_checkpoints_model_under_its_mask(posebench, trained):
    quick = ("--samples", 2, "--seconds", 0.1, "--no-memory", "--threads", 1, "--format", "json")
    code, out, err = posebench("profile", "--weights", trained, *quick)
    assert code == 0, err
    rows = json.loads(out)
    assert [(row["model"], row["mask"], row["mask_ratio"]) for row in rows] == [
        ("tmpose_tiny", "none", 0), ("tmpose_tiny", "semantic", 0.75)
    ]  # fmt: skip
    code, _, err = posebench("profile", "--weights", trained, "--model", "tmpose_tiny", "--dataset", "mpii", *quick)
    assert code == 2 and "data set coco, which mpii contradicts" in err


def test_predictions_are_those_of_an_evaluation_and_pycocotools_reads_them(posebench, people, trained, tmp_path):
    gt = people / "annotations" / "person_keypoints_val2017.json"
    found = [
        {"image_id": one["image_id"], "category_id": 1, "bbox": one["bbox"], "score": 0.5 + index / 100}
        for index, one in enumerate(json.loads(gt.read_text())["annotations"])
        if one["num_keypoints"]
    ]
    (tmp_path / "boxes.json").write_text(json.dumps(found))
    boxes = ("--weights", trained, "--boxes", tmp_path / "boxes.json")
    pictures = sorted((people / "images" / "val2017").iterdir())
    files = ("--json", tmp_path / "poses.json", "--out", tmp_path / "drawn", "--min-score", 0, "--show-mask")
    assert posebench("predict", *pictures, *boxes, *files)[0] == 0
    assert posebench("eval", *boxes, "--data", people, "--save-results", tmp_path / "results.json")[0] == 0
    poses, results = (json.loads((tmp_path / name).read_text()) for name in ("poses.json", "results.json"))
    assert len(poses) == len(found) and results
    for result in results:  # duplicates are dropped there
        of_picture = [pose for pose in poses if pose["image_id"] == result["image_id"]]
        same = [pose for pose in of_picture if np.allclose(pose["keypoints"], result["keypoints"], atol=1e-3)]
        assert len(same) == 1 and same[0]["score"] == pytest.approx(result["score"])
    assert [pose["bbox"] for pose in poses] == [
        one["bbox"] for path in pictures for one in found if one["image_id"] == int(path.stem)
    ]
    assert len(CocoIndex(str(gt)).loadRes(str(tmp_path / "poses.json")).anns) == len(poses)
    assert sorted(file.stem for file in (tmp_path / "drawn").iterdir()) == sorted(path.stem for path in pictures)
    code, _, err = posebench("predict", *pictures, *boxes, "--json", tmp_path / "poses.json", "--out", tmp_path / "new")
    assert code == 2 and "poses.json: exists already" in err and not (tmp_path / "new").exists()


def test_people_that_a_model_is_not_sure_of_are_left_out_and_told(posebench, people, trained, tmp_path):
    picture = next((people / "images" / "val2017").iterdir())
    files = ("--json", tmp_path / "poses.json", "--out", tmp_path / "drawn")
    code, _, err = posebench("predict", picture, "--weights", trained, *files, "--min-score", 0.99)
    assert code == 0 and f"{picture}: 1 of 1 left out: score below 0.99" in err
    assert json.loads((tmp_path / "poses.json").read_text()) == []


def test_a_sweep_takes_the_model_from_the_checkpoint_and_refuses_another(people, tmp_path):
    weights = saved(tmp_path, name="sparse_tokenpose_tiny", mask="semantic", mask_ratio=0.5)
    asked = {"weights": str(weights), "data": str(people), "ratios": "0.4"}
    spec = parse(asked)
    assert spec.models == ("sparse_tokenpose_tiny",)
    plan = make_plan(spec, find_data(spec))
    assert {cell.train.mode for cell in plan.cells} == {"weights"}
    assert plan.notes == (f"{weights}: trained with semantic 0.5",)
    other = parse(asked | {"models": "tmpose_tiny"})
    with pytest.raises(InputError, match="model sparse_tokenpose_tiny, which tmpose_tiny contradicts"):
        make_plan(other, find_data(other))
    published = parse({**asked, "weights": str(saved(tmp_path / "p", as_published=True)), "models": "tmpose_tiny"})
    with pytest.raises(InputError, match="as_published True, which False contradicts"):
        make_plan(published, find_data(published))


def test_a_reductions_amounts_and_places_come_along_until_others_are_asked_for(tmp_path):
    file = saved(tmp_path, mask="prune(keep_ratio=0.8|0.6, layers=0|1)")
    model, said = load_model(file)
    assert (model.spec.mask, said) == ("prune(keep_ratio=0.8|0.6, layers=0|1)", "")
    model, said = load_model(file, mask="prune")
    assert (model.spec.mask, said) == ("prune(keep_ratio=0.8|0.6, layers=0|1)", "")
    model, said = load_model(file, mask_ratio=0.75)
    assert (model.spec.mask, model.spec.mask_ratio) == ("prune(layers=0|1)", 0.75)
    model, said = load_model(file, mask="prune(layers=1|2)")
    assert (model.spec.mask, model.spec.mask_ratio) == ("prune(layers=1|2)", 0.52)
    assert said.endswith(
        "trained with prune(keep_ratio=0.8|0.6, layers=0|1) 0.52, evaluated with prune(layers=1|2) 0.52"
    )


def test_a_checkpoint_of_an_earlier_version_brings_its_amounts_and_places(tmp_path):
    file = saved(tmp_path, mask="prune(keep_ratio=0.8|0.6, layers=0|1)")
    old = torch.load(file, weights_only=True)
    old["config"] |= {"mask": "prune", "keep": [0.8, 0.6], "locations": [0, 1]}
    torch.save(old, file)
    model, said = load_model(file)
    assert (model.spec.mask, model.spec.mask_ratio, said) == ("prune(keep_ratio=0.8|0.6, layers=0|1)", 0.52, "")


def test_published_behaviours_and_seed_come_along(tmp_path):
    file = saved(tmp_path, mask="block", mask_ratio=0.5, as_published=True, seed=11)
    spec = load_model(file)[0].spec
    assert (spec.mask, spec.positions, spec.draw, spec.as_published, spec.seed) == (
        "first",
        "prefix",
        "batch",
        True,
        11,
    )
    assert load_model(file, mask="tome")[0].spec.mask == "tome"


def test_a_ratio_that_training_drew_needs_no_word(tmp_path):
    file = saved(tmp_path, mask="semantic", mask_ratio=0.5, recipe={"mask_ratios": [0.0, 0.25, 0.5]})
    assert load_model(file, mask_ratio=0.25)[1] == load_model(file, mask="none")[1] == ""
    assert (
        "trained with semantic drawn from 0, 0.25, 0.5, evaluated with semantic 0.75"
        in load_model(file, mask_ratio=0.75)[1]
    )


@pytest.mark.parametrize("config", [None, {"name": "tmpose_tiny"}, {"name": []}, {"mask": 3}, {"unknown": 1}])
def test_a_checkpoint_whose_settings_are_broken_is_one_line(tmp_path, config):
    file = saved(tmp_path)
    contents = read_checkpoint(file)
    broken = (
        config if config is None or (len(config.keys() & {"name"}) and config["name"]) else contents["config"] | config
    )
    torch.save(contents | {"config": broken}, file)
    with pytest.raises(InputError, match=r"last\.pt|unknown mask 3"):
        load_model(file)


def test_a_folder_without_training_people_is_not_trained_on(posebench, people, tmp_path):
    only_val = shutil.copytree(people, tmp_path / "val")
    (only_val / "annotations" / "person_keypoints_train2017.json").unlink()
    train = ("train", "--data", only_val, "--epochs", 1, "--threads", 1, "--out", tmp_path / "run")
    code, _, err = posebench(*train)
    assert code == 2 and "person_keypoints_train2017.json" in err and "--train-split" in err
    assert not (tmp_path / "run").exists()
    code, _, err = posebench(*train, "--train-split", "val")
    assert code == 0 and "trained on the people that it is evaluated on" in err
    assert read_checkpoint(tmp_path / "run" / "best.pt")["data"]["split"] == "val"
    code, _, err = posebench("eval", "--weights", tmp_path / "run" / "best.pt", "--data", only_val, "--format", "json")
    assert code == 0 and "trained on the people that it is evaluated on" in err


def test_training_annotations_cut_in_the_middle_are_not_replaced_by_others(posebench, people, tmp_path):
    cut = shutil.copytree(people, tmp_path / "cut")
    file = cut / "annotations" / "person_keypoints_train2017.json"
    file.write_text(file.read_text()[: file.stat().st_size // 2])
    code, _, err = posebench("train", "--data", cut, "--epochs", 1, "--threads", 1, "--out", tmp_path / "run")
    assert code == 2 and str(file) in err.strip().splitlines()[-1]
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_training_tells_how_to_go_on(people, tmp_path, number):
    command = [sys.executable, "-m", "posebench", "train", "--data", str(people), "--epochs", "100000", "--threads", "1"]
    command += ["--evaluate-every", "0", "--out", str(tmp_path / "run")]
    training = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 120
    while not (tmp_path / "run" / "last.pt").exists() and training.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    training.send_signal(number)
    err = training.communicate(timeout=120)[1]
    assert training.returncode == 130, err
    assert "--resume" in err and "Traceback" not in err
