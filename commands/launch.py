"""Several processes of one command on this machine, one for each device: started, watched and ended together."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import time
from collections.abc import Sequence

import typer

from ..sweeps.executors.processes import GRACE_SECONDS

LOOKS_APART = 0.1  # s
LAUNCHED = "POSEBENCH_LAUNCHED"  # set in the environment of the processes


def launch(arguments: Sequence[str], count: int) -> int:
    """Run `posebench <arguments>` in `count` processes, told who they are as torchrun does. Returns the exit code.

    The first that fails ends all: the others get GRACE_SECONDS to end by themselves. A process that was killed without
    a word is told of in one line.
    """
    from datetime import timedelta

    from torch.distributed import TCPStore

    from ..pose.ranks import LOST, errors_told

    # here and not in one of them, so that it outlives whichever ends
    store = TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False, timeout=timedelta(minutes=10))
    threads = str(max((os.cpu_count() or 1) // count, 1))
    environment = {"OMP_NUM_THREADS": threads} | os.environ
    environment |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(store.port), "TORCHELASTIC_USE_AGENT_STORE": "True"}
    environment |= {"WORLD_SIZE": str(count), "LOCAL_WORLD_SIZE": str(count), LAUNCHED: "1"}
    processes = []
    try:
        for rank in range(count):
            own = environment | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
            command = [sys.executable, "-m", "posebench", *arguments]
            processes.append(subprocess.Popen(command, env=own, stdin=subprocess.PIPE))
        while all(process.poll() in (None, 0) for process in processes):
            if all(process.poll() == 0 for process in processes):
                return 0
            time.sleep(LOOKS_APART)
        _wait(processes)
    except KeyboardInterrupt:  # in a terminal they got it, too
        for process in processes:
            process.terminate()
        _wait(processes)
        if not errors_told(store, 0):
            typer.echo("Interrupted.", err=True)
        return 130
    finally:
        for process in processes:
            process.kill()
            process.wait()
    if not errors_told(store, 0) and all(process.returncode <= 0 for process in processes):
        typer.echo(f"posebench: error: {LOST}", err=True)  # they were killed, all of them
    return max(1, *(process.returncode for process in processes))


def _wait(processes: Sequence[subprocess.Popen]) -> None:
    end = time.monotonic() + GRACE_SECONDS
    for process in processes:
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(max(end - time.monotonic(), 0))
