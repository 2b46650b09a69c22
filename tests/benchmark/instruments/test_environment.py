"""Conditions: what is recorded with every number, and what must never be."""

import getpass
import os
import platform
import re
import socket
import subprocess
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest
import torch

import posebench
from posebench.benchmark.instruments import environment
from posebench.benchmark.instruments.environment import conditions
from posebench.pose.errors import InputError

NEWER = pytest.mark.skipif(not hasattr(torch.backends, "fp32_precision"), reason="this torch has no fp32_precision")


def test_versions_and_settings_are_those_of_this_process():
    found = conditions(device="cpu", dtype=torch.bfloat16, threads=3, batch_size=8)
    assert (found["device"], found["dtype"], found["threads"], found["batch_size"]) == ("cpu", "bfloat16", 3, 8)
    assert found["torch_version"] == torch.__version__
    assert found["python_version"] == platform.python_version()
    assert found["posebench_version"] == posebench.__version__
    assert found["device_name"] == found["processor"] != ""
    assert conditions()["threads"] == torch.get_num_threads()


def test_the_date_is_now_in_utc():
    text = conditions()["date_utc"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", text)
    then = datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=timezone.utc)
    assert abs(datetime.now(timezone.utc) - then) < timedelta(seconds=60)


def test_no_host_user_or_folder_is_told():
    text = repr({name: value for name, value in conditions().items() if name not in ("processor", "device_name")})
    assert not re.search(r"(?<![\w.])/\w+/", text)  # an absolute path
    assert str(Path.cwd()) not in text
    for private in {socket.gethostname(), platform.node(), getpass.getuser(), os.environ.get("HOSTNAME", "")}:
        if len(private) > 3:  # "vm" or "me" may stand in any word
            assert private not in text


@pytest.mark.parametrize(
    ("setting", "expected"),
    [
        ("", "convolutions only"),
        pytest.param("b.fp32_precision = 'tf32'", "on", marks=NEWER),
        pytest.param("b.cudnn.conv.fp32_precision = 'ieee'", "off", marks=NEWER),
        ("set_tf32(False)", "off"),
        ("set_tf32(True)", "on"),
    ],
)
def test_tf32_is_told_whichever_way_it_was_set(setting, expected):
    code = (
        "import torch; from posebench.benchmark.instruments.precision import set_tf32, tf32_text; "
        f"b = torch.backends; {setting}\nprint(tf32_text())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert done.stdout.strip() == expected, done.stderr


def git(folder: Path, *command: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b.c", "-c", "commit.gpgsign=false"]
    done = subprocess.run(["git", "-C", str(folder), *identity, *command], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_revision_is_that_of_the_checkout_and_changes_are_flagged(tmp_path, monkeypatch):
    git(tmp_path, "init", "-q")
    (tmp_path / "file").write_text("one")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-q", "-m", "one")
    monkeypatch.setenv("GIT_DIR", "/nowhere")  # as a git hook would set it for another repository
    revision, dirty = environment._git.__wrapped__(tmp_path)
    monkeypatch.delenv("GIT_DIR")
    assert git(tmp_path, "rev-parse", "HEAD").startswith(revision) and len(revision) == 12
    assert dirty is False
    (tmp_path / "untracked").write_text("does not change what runs")
    assert environment._git.__wrapped__(tmp_path) == (revision, False)
    (tmp_path / "file").write_text("two")
    assert environment._git.__wrapped__(tmp_path) == (revision, True)


def test_a_package_installed_inside_someone_elses_checkout_has_no_revision(tmp_path):
    git(tmp_path, "init", "-q")
    (tmp_path / "site-packages").mkdir()
    assert environment._git.__wrapped__(tmp_path / "site-packages") == ("", None)


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_conditions_of_a_device_that_is_not_there_are_one_clear_line():
    with pytest.raises(InputError, match="no CUDA device is usable here"):
        conditions("cuda")
