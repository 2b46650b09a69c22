"""Modules of users: what a broken, endless or hanging one costs."""

import hashlib
import signal
import sys

import pytest

from posebench.pose import plugins
from posebench.pose.errors import InputError
from posebench.pose.plugins import load_object, source_digest

DEAF = """\
while True:
    try:
        sum(range(1000))
    except Exception:
        pass
"""


@pytest.mark.parametrize("body", ["import time\ntime.sleep(600)\n", DEAF])
def test_a_module_that_never_comes_back_is_one_line_with_the_place(tmp_path, monkeypatch, body):
    (tmp_path / "endless.py").write_text("import math\n" + body)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(plugins, "LONGEST_IMPORT", 0.3)
    with pytest.raises(InputError, match=r"importing endless took longer than 0\.3 s, in .*endless\.py:[3-6]$"):
        load_object("endless:mask")
    assert signal.getsignal(signal.SIGALRM) is signal.SIG_DFL and "endless" not in sys.modules
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


def test_a_module_that_is_imported_in_time_is_never_interrupted(tmp_path, monkeypatch):
    (tmp_path / "in_time.py").write_text("mask = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert load_object("in_time:mask") == 1
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)


@pytest.mark.parametrize("made", ["work", "partial(work, 3)", "partial(partial(work, 3), 4)", "Work()", "Work().run"])
def test_the_source_of_what_is_made_of_a_users_function_is_the_users_file(made, tmp_path, monkeypatch):
    monkeypatch.syspath_prepend(tmp_path)
    digests = []
    for change in ("", "# edited\n"):
        name = f"made_{len(digests)}_{abs(hash(made))}"
        (tmp_path / f"{name}.py").write_text(
            "from functools import partial\n\n\ndef work(*given):\n    return given\n\n\n"
            f"class Work:\n    def run(self):\n        pass\n\n\nMINE = {made}\n{change}"
        )
        content = (tmp_path / f"{name}.py").read_bytes()
        digests.append(source_digest(load_object(f"{name}:MINE")))
        assert digests[-1] == hashlib.sha256(content).hexdigest()[:16]
    assert digests[0] != digests[1]


def test_an_alarm_of_somebody_elses_stays_theirs(tmp_path, monkeypatch):
    (tmp_path / "beside_an_alarm.py").write_text("mask = 2\n")
    monkeypatch.syspath_prepend(tmp_path)

    def theirs(number, frame):
        pass

    before = signal.signal(signal.SIGALRM, theirs)
    try:
        assert load_object("beside_an_alarm:mask") == 2
        assert signal.getsignal(signal.SIGALRM) is theirs
    finally:
        signal.signal(signal.SIGALRM, before)
