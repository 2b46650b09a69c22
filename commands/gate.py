"""`posebench gate`: is the working tree, or one revision, slower than another?"""

from __future__ import annotations

import contextlib
import signal
import sys
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from ..pose.errors import InputError
from ..sweeps.checked import MOST_THREADS
from .model_options import DATASET_NAMES, DEFAULT_MODEL, MASKS, RATIOS, Runtime, masks_of
from .options import Bar, Device, Quiet, numbers, real, size, whole, words
from .outcomes import OutcomeFormat, Strict, read_rules, show_outcomes

EXAMPLES = """
Examples:

  posebench gate --base main --model my_networks:build

  posebench gate --base main --head HEAD --rules rules.yaml --model tmpose_s --mask semantic --ratios 0,0.4

  posebench gate --base main --model tmpose_tiny --mask tome --ratios 0.4 --runtime onnxruntime

  posebench gate --base v1.2 --command "python bench.py"
"""
DEFAULT_RULES = {"latency": "slower <= 10 %"}
COMMAND = (
    'in place of models: run in each checkout; the last line that it prints is such as {"step": 12.5}, milliseconds'
)


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("gate", rich_help_panel="Decide", epilog=EXAMPLES)(gate)


def gate(
    base: Annotated[str, typer.Option(help="the git revision to compare with")],
    head: Annotated[str | None, typer.Option(help="the revision in question (default: the working tree)")] = None,
    rules: Annotated[Path | None, typer.Option(help="YAML of rules (default: 'latency: slower <= 10 %')")] = None,
    model: Annotated[str | None, typer.Option(help=f"models, separated by commas (default: {DEFAULT_MODEL})")] = None,
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} (default: the model's own)")] = None,
    ratios: Annotated[str | None, typer.Option(help=RATIOS)] = None,
    dataset: Annotated[str | None, typer.Option(help=DATASET_NAMES)] = None,
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    command: Annotated[str | None, typer.Option(help=COMMAND)] = None,
    batch_size: Annotated[int, whole("images per forward pass", 1)] = 1,
    device: Device = "cpu",
    runtime: Runtime = "eager",
    threads: Annotated[int, whole("CPU threads of each process", 1, MOST_THREADS)] = 1,
    pairs: Annotated[int, whole("pairs of processes, at least", 6)] = 6,
    most_pairs: Annotated[int, whole("pairs of processes, at most, while undecided", 6)] = 20,
    turns: Annotated[int, whole("turns of a pair, at most", 10)] = 40,
    seconds: Annotated[float, real("time limit for the turns of a pair, in seconds")] = 20.0,
    base_python: Annotated[str | None, typer.Option(help="Python of an environment for the base")] = None,
    head_python: Annotated[str | None, typer.Option(help="Python of an environment for the head")] = None,
    format: OutcomeFormat = "text",
    strict: Strict = False,
    quiet: Quiet = False,
) -> None:
    """Time two revisions of the repository here against each other, and fail if the head breaks a rule.

    Each is checked out, and both run in turns, in several pairs of processes on this machine; what fails is measured
    once more, by new processes, before it is called so. A stored time is no baseline: another hour or machine moves it
    further than most changes do. Undecided rules do not fail (see --strict).
    """
    from ..benchmark.runtimes.registry import check_runtime
    from ..reports.analysis.rules import parse_rules
    from ..sweeps.gate.gate import TIMED, run_gate
    from ..sweeps.gate.pair import run_commands_in_pair, time_models_in_pair
    from ..sweeps.gate.revisions import WORKING_TREE, checked_out

    asked = read_rules(rules) if rules else parse_rules(DEFAULT_RULES, "the rules")
    given = {"--model": model, "--mask": mask, "--ratios": ratios, "--dataset": dataset, "--input-size": input_size}
    given["--runtime"] = runtime if runtime != "eager" else None
    check_runtime(runtime, "float32", device.partition(":")[0])
    if command and any(given.values()):
        named = ", ".join(option for option, value in given.items() if value)
        raise InputError(f"{named} and --command contradict each other; leave one out")
    order = {
        "subjects": _subjects(model, mask, ratios, dataset, input_size),
        "parts": list(dict.fromkeys(TIMED[rule.column] for rule in asked if rule.column in TIMED)),
        "batch_size": batch_size, "device": device, "threads": threads, "runtime": runtime,
    }  # fmt: skip
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # the checkouts go, as with Ctrl-C
    with contextlib.ExitStack() as stack:
        sides = [
            stack.enter_context(checked_out(Path.cwd(), name, revision, python or sys.executable))
            for name, revision, python in (("base", base, base_python), ("head", head or WORKING_TREE, head_python))
        ]
        if command:
            measure = partial(run_commands_in_pair, sides, command)
        else:
            measure = partial(time_models_in_pair, sides, order, turns=turns, seconds=seconds)
        bar = stack.enter_context(Bar("pairs of processes", quiet))
        outcomes = run_gate(lambda number: measure(number=number), asked, pairs=pairs, most=most_pairs, progress=bar)
    show_outcomes(
        outcomes, format, "posebench gate", rules or Path("."), f"{sides[1]} against {sides[0]}", strict=strict
    )


def _subjects(
    model: str | None, mask: str | None, ratios: str | None, dataset: str | None, input_size: str | None
) -> list[dict[str, Any]]:
    """What each process builds: a label and arguments of create_model, only those that are asked for, for an older
    revision may not know others."""
    crop = size(input_size)
    fixed = {name: value for name, value in (("dataset", dataset), ("input_size", crop)) if value is not None}
    subjects: dict[str, dict[str, Any]] = {}
    for name in words(model, "--model") or [DEFAULT_MODEL]:
        for kind in masks_of(mask) or [None]:
            for ratio in numbers(ratios, "--ratios") or [None]:
                asked = {"mask": "none"} if kind == "none" or ratio == 0 else {"mask": kind, "mask_ratio": ratio}
                asked = {key: value for key, value in asked.items() if value is not None}
                label = " ".join(map(str, [name, *asked.values()]))
                subjects[label] = {"name": name, **asked, **fixed}
    return [{"label": label, "model": arguments} for label, arguments in subjects.items()]
