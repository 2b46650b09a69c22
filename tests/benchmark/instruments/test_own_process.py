"""A function in a fresh process: its result, its errors, its death."""

import math
import os
import pickle
import signal

import pytest

import posebench
from posebench.benchmark.instruments.device import check_device
from posebench.benchmark.instruments.own_process import in_own_process
from posebench.pose.errors import InputError


def test_the_result_comes_from_another_process():
    assert in_own_process(os.getpid) != os.getpid()


def test_arguments_go_there_and_the_result_comes_back():
    assert in_own_process(divmod, 17, 5) == (3, 2)


def test_what_another_process_cannot_import_is_said_so(monkeypatch):
    only_here = type("OnlyHere", (), {"__module__": "posebench"})
    monkeypatch.setattr(posebench, "OnlyHere", only_here, raising=False)
    with pytest.raises(pickle.UnpicklingError, match="cannot be read in another process"):
        in_own_process(str, only_here())


def test_a_wrong_input_in_the_child_is_the_same_input_error_here():
    with pytest.raises(InputError, match=r"^device 'tpu': give cpu, cuda or cuda:N$"):
        in_own_process(check_device, "tpu")


def test_any_other_error_in_the_child_names_the_function_and_the_message():
    with pytest.raises(RuntimeError, match=r"^sqrt, in a process of its own: ValueError: "):
        in_own_process(math.sqrt, -1)


def test_a_killed_child_is_a_clear_error():
    with pytest.raises(RuntimeError, match="killed by SIGKILL; out of memory is the usual cause"):
        in_own_process(signal.raise_signal, signal.SIGKILL)


def test_a_child_that_ends_without_a_result_is_a_clear_error():
    with pytest.raises(RuntimeError, match="ended with code 3 and no result"):
        in_own_process(os._exit, 3)


def test_a_function_of_the_started_script_is_refused():
    def function() -> None: ...

    function.__module__ = "__main__"
    with pytest.raises(ValueError, match="move it to a module"):
        in_own_process(function)
