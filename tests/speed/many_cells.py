"""What a sweep of many small cells costs beside the cells themselves: `python tests/speed/many_cells.py 1000 FOLDER`.

Prints, when so many cells are done: seconds, CPU seconds of this process and of its workers, its resident memory. CPU
seconds, since they say the same on a machine that has other work, too.
"""

import os
import sys
import time

import psutil

from posebench.sweeps.request import parse
from posebench.sweeps.runner import execute

MARKS = (100, 300, 1000)
SPEC = {"masks": "semantic,random,block,norm", "ratios": [round(0.02 * step, 2) for step in range(1, 26)]}


def main(cells, folder):
    begun = time.perf_counter()
    done = 0

    def say(what):
        own = time.process_time()
        workers = sum(sum(worker.cpu_times()[:4]) for worker in psutil.Process().children())
        used = os.times()
        workers += used.children_user + used.children_system
        memory = psutil.Process().memory_info().rss / 2**20
        seconds = time.perf_counter() - begun
        share = f"{100 * own / workers:5.1f} %" if workers else ""
        print(f"{what:>20} {seconds:8.1f} s {own:8.2f} s {workers:8.2f} s {share} {memory:8.0f} MiB", flush=True)

    def listen(event):
        nonlocal done
        if event.kind == "plan":
            say("planned")
        if event.kind == "failed":
            raise SystemExit(f"{event.name}: {event.info}")
        if event.kind == "done" and event.name not in ("pictures", "equal_gflopst", "report"):
            done += 1
            if done in MARKS:
                say(f"{done} cells")

    seeds = list(range(max(1, cells // 100)))
    options = {"seeds": seeds, "profile_only": True, "latency": False, "out": folder}
    execute(parse(SPEC | options), listen)
    say("all and the report")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2])
