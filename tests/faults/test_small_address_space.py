"""So little memory that not even the libraries can be loaded is a line, and no error of an import."""

import resource
import subprocess
import sys

import pytest


@pytest.mark.skipif(sys.platform != "linux", reason="libraries are mapped otherwise elsewhere")
@pytest.mark.parametrize("mebibytes", [100, 300])
def test_a_command_that_cannot_load_its_libraries_says_so(mebibytes):
    limit = mebibytes * 2**20
    done = subprocess.run(
        [sys.executable, "-m", "posebench", "eval", "--model", "tmpose_tiny", "--data", "nowhere"],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_AS, (limit, limit)),
        capture_output=True, text=True, env={"OPENBLAS_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 2, done.stderr
    (line,) = done.stderr.splitlines()
    assert line.startswith("posebench: error: not enough memory (") and "failed to map segment" in line
