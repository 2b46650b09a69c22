"""The default set: where it lies, made once."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from posebench.pose.errors import InputError
from posebench.pose.synth import cache


def test_own_variable_comes_before_xdg_and_xdg_before_home(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "own"))
    assert cache.default_cache_dir() == tmp_path / "own"
    monkeypatch.setenv("POSEBENCH_CACHE", "")
    assert cache.default_cache_dir() == tmp_path / "xdg" / "posebench"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache.default_cache_dir() == tmp_path / "home" / ".cache" / "posebench"


def test_home_is_understood_in_the_own_variable(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("POSEBENCH_CACHE", "~/data")
    assert cache.default_cache_dir() == tmp_path / "data"


def test_the_set_is_rendered_once_and_then_found(monkeypatch, tmp_path):
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "deep" / "cache"))
    monkeypatch.setattr(cache, "TRAIN", 4)
    monkeypatch.setattr(cache, "VAL", 2)
    calls = []
    path = cache.ensure_default_set(lambda done, total: calls.append(done))
    assert path.parent == tmp_path / "deep" / "cache" and calls[-1] == 6
    assert cache.ensure_default_set(lambda done, total: pytest.fail("rendered again")) == path
    assert [entry.name for entry in path.parent.iterdir()] == [path.name], "no lock and no part is left"


def test_another_version_of_the_renderer_has_another_folder(monkeypatch):
    before = cache.default_set_path()
    monkeypatch.setattr(cache, "RENDERER_VERSION", cache.RENDERER_VERSION + 1)
    assert cache.default_set_path() != before


def test_two_processes_at_once_render_it_once(tmp_path):
    code = (
        "from posebench.pose.synth import cache\n"
        "cache.TRAIN, cache.VAL = 60, 20\n"
        "calls = []\n"
        "path = cache.ensure_default_set(lambda *counts: calls.append(counts))\n"
        "print(bool(calls), len(list((path / 'annotations').iterdir())))"
    )
    environment = os.environ | {"POSEBENCH_CACHE": str(tmp_path)}
    command = [sys.executable, "-c", code]
    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    said = [run.communicate(timeout=120)[0].split() for run in runs]
    assert sorted(said) == [["False", "2"], ["False", "2"], ["True", "2"]]


def test_a_cache_that_cannot_be_written_is_named_with_the_remedy(monkeypatch, tmp_path):
    Path(tmp_path / "file").write_text("x")
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.raises(InputError, match=r"file/cache.*POSEBENCH_CACHE"):
        cache.ensure_default_set()
