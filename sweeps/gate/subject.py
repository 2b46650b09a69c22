"""One process of a gate: builds models, and times them whenever it is told to.

It is run as a file inside an older or newer checkout, so it uses posebench's public names alone. Standard input: a JSON
line that says what to build, then one line for each turn. Standard output: a JSON line about what was built, then one
for each turn, with the nanoseconds of each model's calls.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import time
from collections.abc import Callable
from typing import Any

#: of each model in a turn; an untimed one comes first, as the other process had the caches
CALLS = 3
_SCHEDULE = "/proc/thread-self/schedstat"


def main() -> None:
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a model prints is no answer

    def answer(content: Any) -> None:
        answers.write(json.dumps(content) + "\n")
        answers.flush()

    order = json.loads(sys.stdin.readline())
    try:
        calls, about = _build(order)
        answer(about)
    except Exception as error:  # whatever the revision's code raises
        answer({"error": f"{type(error).__name__}: {' '.join(str(error).split())}"})
        raise
    import torch

    waited = _waited if order["device"] == "cpu" and torch.get_num_threads() == 1 else lambda: 0
    gc.collect()
    gc.disable()
    with torch.inference_mode():
        for _ in sys.stdin:
            answer({name: _time(call, waited) for name, call in calls.items()})


def _build(order: dict[str, Any]) -> tuple[dict[str, Callable[[], object]], dict[str, Any]]:
    """Calls by name ("latency MODEL", "latency_transformer MODEL"), and about their models."""
    import torch

    import posebench

    if order["threads"]:
        torch.set_num_threads(order["threads"])
    device = torch.device(order["device"])
    calls: dict[str, Callable[[], object]] = {}
    counts = {}
    for subject in order["subjects"]:
        name = subject["label"]
        torch.manual_seed(0)
        model = posebench.create_model(**subject["model"]).eval().to(device)
        count = posebench.count_flops(model)
        counts[name] = {"gflops": count.gflops, "gflops_t": count.gflops_t, "params": count.params}
        images = torch.randn(order["batch_size"], 3, *model.spec.input_size).to(device)
        ids = torch.arange(order["batch_size"], device=device)
        with torch.inference_mode():
            features = model.backbone(images)
        parts = {"latency": (model, (images, ids)), "latency_transformer": (model.transformer, (features.clone(), ids))}
        for part in order["parts"]:
            network, inputs = parts[part]
            calls[f"{part} {name}"] = (
                _synchronous(device, network, *inputs)
                if order["runtime"] == "eager"
                else _in_runtime(order["runtime"], network, inputs, device, order["threads"])
            )
    modules = {subject["model"]["name"].partition(":")[0] for subject in order["subjects"]}
    own = {name: getattr(sys.modules[name], "__file__", None) for name in modules if name in sys.modules}
    return calls, {"counts": counts, "files": {"posebench": posebench.__file__, **own}}


def _in_runtime(runtime: str, network: Any, inputs: tuple[Any, ...], device: Any, threads: int) -> Callable[[], object]:
    """A call in a runtime other than eager; ImportError in a revision of before there were runtimes."""
    import posebench.benchmark.runtimes.prepared as runtimes

    prepared = runtimes.prepare(runtime, runtimes.Task(network, inputs, "float32", device, threads))
    call = prepared.bind(*inputs)

    def synchronous() -> None:
        call()
        prepared.synchronise()

    return synchronous


def _synchronous(device: Any, function: Callable[..., object], *arguments: object) -> Callable[[], object]:
    if device.type != "cuda":
        return lambda: function(*arguments)

    def call() -> None:
        import torch

        function(*arguments)
        torch.cuda.synchronize(device)

    return call


def _time(call: Callable[[], object], waited: Callable[[], int]) -> list[int]:
    """Nanoseconds of the calls whose thread never waited for a CPU; where other jobs made it wait in all, less that."""
    call()
    undisturbed, others = [], []
    for _ in range(CALLS):
        outer, before = time.perf_counter_ns(), waited()
        start = time.perf_counter_ns()
        call()
        end = time.perf_counter_ns()
        lost = waited() - before
        if lost:
            others.append(max(time.perf_counter_ns() - outer - lost, 1))
        else:
            undisturbed.append(end - start)
    return undisturbed or others


def _waited() -> int:
    """Nanoseconds that this thread has waited for a CPU; 0 where the system does not tell."""
    try:
        with open(_SCHEDULE, "rb") as file:
            return int(file.read().split()[1])
    except (OSError, IndexError, ValueError):
        return 0


if __name__ == "__main__":
    main()
