"""Run one function in a fresh Python process, so that nothing that ran before shows in what it measures."""

from __future__ import annotations

import contextlib
import ctypes
import os
import pickle
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from ...pose.errors import InputError

Result = TypeVar("Result")
PR_SET_PDEATHSIG = 1

# Not multiprocessing's spawn: that imports the caller's script again, which fails in a script without a main guard,
# and it is forbidden inside a daemonic worker.
_CHILD = (
    f"import sys,pickle;sys.path[:]=pickle.load(sys.stdin.buffer);from {__name__} import _child;_child(sys.argv[1])"
)


def in_own_process(function: Callable[..., Result], *args: Any) -> Result:
    """`function(*args)`, run in a new Python process that ends after; function, arguments and result are pickled.

    The function must be importable (defined at the top level of a module, not in the script that was started).
    What the child prints is dropped. Raises InputError with the child's message when the child raised InputError;
    RuntimeError with its message when it raised anything else, was killed (out of memory, say) or died;
    pickle.UnpicklingError when the child cannot import what the order is made of, a class of the started script, say.
    """
    name = getattr(function, "__qualname__", repr(function))
    if getattr(function, "__module__", None) == "__main__":
        raise ValueError(f"{name} is defined in the script that was started; move it to a module that can be imported")
    order = pickle.dumps(sys.path) + pickle.dumps((function, args))
    with tempfile.TemporaryDirectory(prefix="posebench-") as folder:
        answer = Path(folder) / "answer"
        done = subprocess.run([sys.executable, "-c", _CHILD, str(answer)], input=order, capture_output=True)
        if done.returncode == 0 and answer.is_file():
            kind, value = pickle.loads(answer.read_bytes())
            if kind == "result":
                return value
            if kind == "unreadable":
                raise pickle.UnpicklingError(f"{name} and its arguments cannot be read in another process: {value}")
            raise InputError(value) if kind == "input" else RuntimeError(f"{name}, in a process of its own: {value}")
    raise RuntimeError(f"{name}, in a process of its own: {_cause(done.returncode, done.stderr)}")


def _cause(code: int, stderr: bytes) -> str:
    if code < 0:
        with contextlib.suppress(ValueError):
            killer = signal.Signals(-code)
            hint = "; out of memory is the usual cause" if killer.name == "SIGKILL" else ""
            return f"killed by {killer.name}{hint}"
    lines = stderr.decode(errors="replace").strip().splitlines()
    return f"ended with code {code} and no result" + (f": {lines[-1].strip()}" if lines else "")


def die_with_parent() -> None:
    """Have the kernel kill this process when the one that started it ends, however it ends (Linux)."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def _child(answer: str) -> None:
    """The child's part: read the order from standard input, write (kind, value) to `answer`."""
    die_with_parent()
    function = None
    try:
        function, args = pickle.load(sys.stdin.buffer)
        content = pickle.dumps(("result", function(*args)))
    except InputError as error:
        content = pickle.dumps(("input", str(error)))
    except Exception as error:
        content = pickle.dumps(("unreadable" if function is None else "error", f"{type(error).__name__}: {error}"))
    Path(answer).write_bytes(content)
    sys.stdout.flush()
    # A result is there: do not let the teardown of some library's threads turn it into a failure.
    os._exit(0)
