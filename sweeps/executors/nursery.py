"""A process that imports what many tasks need once, and forks for each of them.

`python -m posebench.sweeps.executors.nursery MODULE PRELOAD...`. Each line on standard input, {"folder", "log"}, is a
task: what `python -m MODULE FOLDER --child` would do, done in a process of its own that starts in milliseconds and not
in the seconds that torch takes to be imported. When it has ended, the line {"exit": code} is written.

Linux only; CUDA cannot be used after a fork, so that nothing here may touch it.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import sys
import traceback

from ...benchmark.instruments.own_process import die_with_parent


def main(module: str, preload: list[str]) -> None:
    die_with_parent()
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    for name in preload:
        importlib.import_module(name)
    gc.freeze()  # a collection in a forked process would copy every page that it looks at
    for line in sys.stdin:
        task = json.loads(line)
        alive, watched = os.pipe()  # its end tells the task that this process is gone
        parent = os.getpid()
        pid = os.fork()
        if pid == 0:
            os.close(watched)
            _become(module, task["folder"], task["log"], alive, parent)
        os.close(alive)
        _, status = os.waitpid(pid, 0)
        os.close(watched)
        print(json.dumps({"exit": os.waitstatus_to_exitcode(status)}), flush=True)


def _become(module: str, folder: str, log: str, alive: int, parent: int) -> None:
    """Run a task in this new process; does not return."""
    code = 1
    try:
        die_with_parent()
        if os.getppid() != parent:
            os._exit(1)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        os.dup2(alive, 0)
        os.close(alive)
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
        os.dup2(file, 2)
        os.close(file)
        sys.argv = [module, folder, "--child"]
        runpy.run_module(module, run_name="__main__", alter_sys=True)
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
