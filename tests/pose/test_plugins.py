"""Modules of users: what a broken, endless or hanging one costs."""

import signal
import sys

import pytest

from posebench.pose import plugins
from posebench.pose.errors import InputError
from posebench.pose.plugins import load_object

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
