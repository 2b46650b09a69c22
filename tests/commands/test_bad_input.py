"""Bad input gets one clear line on standard error and exit code 2, through the real command line."""

import json
import shutil
import subprocess
import sys

import pytest
import torch

from posebench import create_model
from posebench.pose.synth.write import write_synthetic


def posebench(*arguments, cwd=None):
    return subprocess.run(
        [sys.executable, "-m", "posebench", *map(str, arguments)], capture_output=True, text=True, cwd=cwd, timeout=300
    )


def refused(*arguments, saying):
    result = posebench(*arguments)
    assert result.returncode == 2, result.stdout + result.stderr
    last = result.stderr.strip().splitlines()[-1]
    assert last.startswith("posebench: error: ")
    assert "Traceback" not in result.stderr
    for text in saying:
        assert text in last
    return last


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data") / "people"
    write_synthetic(folder, train=8, val=6, jobs=1)
    return folder


@pytest.fixture
def broken(people, tmp_path):
    return shutil.copytree(people, tmp_path / "people")


@pytest.mark.parametrize("ratio", ["1.0", "abc", "-0.2"])
def test_a_ratio_that_is_none(ratio):
    refused("flops", "--model", "tmpose_tiny", f"--ratios={ratio}", saying=[ratio.lstrip("-")])


def test_an_unknown_model_or_mask_gets_the_near_miss():
    refused("flops", "--model", "tmpose_tinny", saying=["tmpose_tinny", "did you mean 'tmpose_tiny'"])
    refused("sweep", "--mask", "semantc", "--dry-run", saying=["semantc", "semantic"])


def test_a_data_folder_without_annotations(tmp_path):
    refused("eval", "--data", tmp_path, saying=[str(tmp_path)])


def test_an_annotation_file_cut_in_the_middle(broken):
    file = broken / "annotations" / "person_keypoints_val2017.json"
    file.write_text(file.read_text()[: file.stat().st_size // 2])
    refused("eval", "--data", broken, saying=["person_keypoints_val2017.json"])


@pytest.mark.parametrize("spoil", ["missing", "truncated"])
def test_an_image_that_is_missing_or_truncated(broken, spoil):
    image = sorted((broken / "images" / "val2017").iterdir())[0]
    if spoil == "missing":
        image.unlink()
    else:
        image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    refused("eval", "--data", broken, "--threads", 1, saying=[image.name])


def test_a_checkpoint_of_another_model(people, tmp_path):
    torch.save(create_model("tokenpose_t").state_dict(), tmp_path / "t.pth")
    options = ("--data", people, "--weights", tmp_path / "t.pth", "--model", "tmpose_tiny")
    refused("eval", *options, saying=["t.pth", "missing (", "tokenpose_t"])


def test_an_output_folder_that_holds_something_else(people, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.txt").write_text("chapter 1")
    refused("sweep", "--data", people, "--out", tmp_path / "out", saying=[str(tmp_path / "out")])
    assert (tmp_path / "out" / "thesis.txt").read_text() == "chapter 1"


def test_a_training_folder_that_holds_a_run(people, tmp_path):
    train = ["train", "--data", people, "--threads", 1, "--evaluate-every", 0, "--out", tmp_path / "run"]
    assert posebench(*train, "--epochs", 1).returncode == 0
    before = (tmp_path / "run" / "last.pt").read_bytes()
    refused(*train, "--epochs", 1, saying=[str(tmp_path / "run"), "resume"])
    refused(*train, "--epochs", 2, "--resume", saying=["epochs"])
    assert "finished earlier, after 1 epoch; nothing was left" in posebench(*train, "--epochs", 1, "--resume").stdout
    assert (tmp_path / "run" / "last.pt").read_bytes() == before


def test_a_flop_file_that_cannot_be_read(tmp_path):
    refused("flops", "--check", tmp_path / "none.json", saying=["none.json"])
    (tmp_path / "cut.json").write_text('{"posebench_flops": 1, "rows": [')
    refused("flops", "--check", tmp_path / "cut.json", saying=["cut.json"])


def test_a_flop_count_that_moved_is_exit_1_with_what_moved(tmp_path):
    file = tmp_path / "flops.json"
    assert posebench("flops", "--model", "tmpose_tiny", "--save", file).returncode == 0
    assert posebench("flops", "--check", file).returncode == 0
    content = json.loads(file.read_text())
    content["rows"][0]["macs"] += 1
    file.write_text(json.dumps(content))
    result = posebench("flops", "--check", file)
    assert result.returncode == 1
    assert "macs" in result.stdout
    refused("flops", "--model", "tmpose_tiny", "--save", file, saying=["flops.json", "--force"])


def test_help_does_not_wait_for_torch():
    code = (
        "import sys; from posebench.cli import app; assert 'torch' not in sys.modules and 'pandas' not in sys.modules"
    )
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0


def test_a_table_of_counts_does_not_wait_for_pandas():
    code = "import sys; from posebench.reports.tables import render_rows; render_rows([{'macs': 1, 'ap': None}], None);"
    code += "assert 'pandas' not in sys.modules"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
