"""Finished sweeps as a machine leaves them, of results that are made up."""

import numpy as np
from small_sweeps import base, grid, unmasked

from posebench.pose.records import to_plain
from posebench.sweeps.cell_result import CellResult, write_cell_result
from posebench.sweeps.config import timing_key
from posebench.sweeps.executors.presence import WORKER, Owner
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.store import SweepStore, make_manifest, write_json
from posebench.sweeps.timing import timing_groups

PEOPLE = 30


def evidence(seed):
    random = np.random.default_rng(seed)
    return {
        "images": np.arange(PEOPLE),
        "positives": np.ones(PEOPLE, int),
        "image": np.arange(PEOPLE),
        "score": random.random(PEOPLE),
        "matched": random.random(PEOPLE) > np.arange(0.5, 1, 0.05)[:, None],
        "ignored": np.zeros((10, PEOPLE), bool),
    }


def write_sweep(folder, host, models=None, loss=0.25, milliseconds=10.0, **request):
    """A finished sweep as a machine leaves it, of results that are made up from each cell's label."""
    asked = SweepRequest(ratios=(0.4,), **request)
    cells, bases = grid(asked, models or [(unmasked("finetune"), base())])
    store = SweepStore(folder)
    data = {"data_dir": f"/{host}/coco", "train_people": 48, "eval_people": PEOPLE}
    write_json(store.manifest_file, make_manifest(to_plain(asked) | data, cells, bases.values()))
    worker = to_plain(Owner(host, 1, 0.0, ended=1.0))
    for cell in cells:
        at = store.cell_dir(cell.key)
        number = sum(cell.label.encode())
        result = CellResult(
            counts={"mask": cell.model.mask, "mask_ratio": cell.ratio, "gflops_t": 2 - cell.ratio},
            accuracy={"ap": number % 97 / 100, "loss": loss, "eval_seconds": len(host), "eval_batch": len(host)},
            conditions={"device": "cpu", "git_revision": f"rev-{host}", "processor": f"CPU of {host}"},
        )
        write_cell_result(at, result)
        write_json(at / WORKER, worker)
        np.savez(at / "evidence.npz", **evidence(number))
    for key, job in timing_groups(cells, asked).items():
        columns = {"latency_ms_median": milliseconds, "latency_samples": 8}
        timings = {timing_key(cell.executed, run): {"1": columns} for cell in cells for run in job.every_run}
        write_json(store.timing_dir(key) / "result.json", {"status": "ok", "timings": timings})
        write_json(store.timing_dir(key) / WORKER, worker)
    return folder
