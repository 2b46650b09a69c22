"""What `posebench sweep` prints before it would run (--dry-run) and after it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ..pose.metrics import METRICS, Metric
from ..pose.reductions import find_reduction
from ..row import STATUS_OK, Score, describe, part_of
from .options import count
from .sweep_display import SweepDisplay, duration

if TYPE_CHECKING:
    from ..reports.analysis.subject import Subject
    from ..sweeps.config import CellConfig
    from ..sweeps.request import SweepRequest
    from ..sweeps.runner import Outcome


HOW = {
    "finetune": "every cell is fine-tuned from one unmasked model",
    "scratch": "every cell is trained from scratch",
    "weights": "the given weights are evaluated",
    "none": "counted and measured only",
}
#: shown on top when they are the same in all rows, else as columns
COMMON = {"model": "model", "dataset": "data", "device": "device", "runtime": "runtime",
    "dtype": "precision", "seed": "seed", "batch_size": "batch"}
RESULTS = {
    "mask": "mask",
    "mask_ratio": "ratio",
    "train_ratio": "trained at",
    "tokens_kept": "kept",
    "gflops_t": "GFLOPsT",
    **{metric.column: metric.name for metric in METRICS},
    **{f"{metric.column}_diff": "- unmasked" for metric in METRICS},
    "latency_ms_median": "ms",
    "latency_transformer_ms_median": "ms, T",
    "peak_memory_mib": "MiB",
    "status": "status",
}
TEXTS = ("model", "dataset", "device", "runtime", "dtype", "mask", "status")
#: what tells rows apart, and whether they failed, gets room before the numbers do; the last are left out first
FIRST = (*COMMON, "mask", "mask_ratio", "train_ratio", "status")
LAST = ("latency_transformer_ms_median", "tokens_kept", "peak_memory_mib")
#: what differs between the images of an adaptive mask, and the columns that say how much
_IMAGES = {"tokens_kept": "image_tokens", "gflops_t": "image_gflops_t"}
AT_MOST = "≤: at most; in brackets the 5th to 95th percentile of single images."
LEGEND = {
    "gflops_t": "GFLOPsT: exact 1e9 multiply-adds of everything behind the backbone.",
    **{metric.column: f"{metric.axis}, in brackets its 95 % interval." for metric in METRICS},
    **{f"{metric.column}_diff": "- unmasked: the paired difference and its 95 % interval." for metric in METRICS},
    "latency_ms_median": "ms: median latency of a forward pass (~: unstable).",
    "latency_transformer_ms_median": "ms, T: of the transformer part.",
    "peak_memory_mib": "MiB: peak memory above the weights.",
    "train_ratio": "trained at: mask ratio in training, if not the row's own; several: one drawn for each step.",
}


def show_plan(request: SweepRequest, console: Console) -> None:
    """The cells with their exact counts, how long each that is not finished may take, and where the results would go.
    Writes nothing."""
    from ..sweeps.data import find_data
    from ..sweeps.estimate import estimate
    from ..sweeps.plan import folder_of, make_plan
    from ..sweeps.runner import jobs_of, manifest_of
    from ..sweeps.store import SweepStore, check_contents

    plan = make_plan(request, find_data(request, make=False))
    # Before the data is there, the keys are not known that name a folder and tell what is finished in it.
    folder = folder_of(plan) if plan.data.made or request.out is not None else None
    store = SweepStore(folder) if folder is not None and plan.data.made else None
    if store is not None:
        check_contents(store, manifest_of(plan))
    jobs = jobs_of(plan)
    with console.status("counting, and probing the speed"):
        guess = estimate(plan, jobs, store)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    for name in ("cell", "epochs", "kept", "GFLOPs", "GFLOPsT", "time"):
        table.add_column(name, justify="left" if name == "cell" else "right", no_wrap=name != "cell")
    for key, base in plan.bases.items():
        table.add_row(base.label, str(base.train.epochs), "", "", "", _left(guess.base_seconds[key]))
    for cell in plan.cells:
        counts = guess.counts[cell.key]
        table.add_row(
            Text(cell.label),
            str(cell.train.epochs) if cell.trains else "",
            *_at_most(cell, counts),
            _left(guess.cell_seconds[cell.key]),
        )
    console.print(table)
    lines = ["GFLOPs, GFLOPsT (behind the backbone): 1e9 multiply-adds, exact."]
    lines += [f"{cell.model.name}: {HOW[cell.train.mode]}." for cell in plan.models]
    lines += [f"{note}." for note in plan.notes]
    data = f"{plan.data.root}" if plan.data.made else f"{plan.data.root} (the embedded set, which a sweep makes first)"
    if plan.data.eval_people:
        people = count(plan.data.train_people, "person", "people")
        lines.append(f"Data: {data}; {people} to train on, {plan.data.eval_people} to judge by.")
    lines.append(f"Results go to {folder or 'a folder in runs/, named once the data is there'}.")
    finished = sum(not seconds for seconds in guess.cell_seconds.values())
    if finished:
        lines.append(f"{finished} of {count(len(plan.cells), 'cell')} finished earlier; these are kept.")
    if guess.total_seconds:
        what = "for the rest" if finished else "in all"
        cpu = "" if guess.probed_on == request.device else f"'s CPU, as it has no {request.device},"
        lines.append(
            f"Time: about {duration(guess.total_seconds)} {what}, {count(jobs, 'cell')} at a time: an estimate, from a "
            f"short probe on this machine{cpu} and the multiply-adds."
        )
    else:
        lines.append("Nothing is left to do: the same command only writes the table, the plots and the page anew.")
    for line in lines:
        console.print(Text(line), soft_wrap=True)


def _at_most(cell: CellConfig, counts: Mapping[str, Any]) -> list[str]:
    """Tokens and counts of a cell; of an adaptive mask they are the most that an image can keep and cost."""
    sign = "≤" if find_reduction(cell.model.reduction.name).adaptive else ""
    kept = f"{sign}{counts['tokens_kept']} of {counts['tokens_total']}"
    return [kept, *(f"{sign}{counts[name]:.4f}" for name in ("gflops", "gflops_t"))]


def print_results(rows: list[dict[str, Any]], console: Console) -> None:
    """The rows as a table that fits a terminal; what is the same in all of them is said once, above it."""
    from ..reports.tables import fit, text_table

    shown = {name: [_shown(row, name) for row in rows] for name in COMMON | RESULTS}
    found = {name: sorted(set(shown[name]) - {""}) for name in COMMON}
    common = {name: texts[0] if texts else "" for name, texts in found.items() if rows and len(texts) < 2}
    names = [name for name in COMMON | RESULTS if name not in common and any(shown[name])]
    if set(shown["status"]) == {STATUS_OK}:
        names.remove("status")
    console.print(Text(", ".join(f"{COMMON[name]} {text}" for name, text in common.items() if text), "bold"))
    headers = COMMON | RESULTS
    ranks = [0 if name in FIRST else 2 + LAST.index(name) if name in LAST else 1 for name in names]
    widths = fit([(headers[name], shown[name]) for name in names], ranks, console.width)
    chosen = [names[number] for number in widths]
    cells = list(zip(*(shown[name] for name in chosen), strict=True))
    numeric = [name not in TEXTS for name in chosen]
    console.print(text_table([headers[name] for name in chosen], cells, numeric, list(widths.values())))
    left_out = [headers[name] for name in names if name not in chosen]
    if left_out:
        console.print(Text(f"No room for {', '.join(left_out)}: results.csv has all.", "dim"))
    legend = [LEGEND[name] for name in chosen if name in LEGEND]
    if any(text.startswith("≤") for name in chosen for text in shown[name]):
        legend.append(AT_MOST)
    console.print(Text(" ".join(legend), "dim"))


def _shown(row: dict[str, Any], name: str) -> str:
    """A value of a row as the table shows it."""
    from ..reports.analysis.results import is_missing
    from ..reports.analysis.series import is_adaptive
    from ..reports.tables import cell_text

    for metric in METRICS:
        score: Score = part_of(row, metric.column)
        if name == metric.column and not is_missing(score.ci_low):
            return _with_interval(metric, "", score.value, score.ci_low, score.ci_high)
        if name == f"{metric.column}_diff" and not is_missing(score.diff):
            return _with_interval(metric, "+", score.diff, score.diff_low, score.diff_high)
    text = cell_text(row.get(name), describe(name))
    if name in _IMAGES and text and is_adaptive(str(row.get("mask"))):
        ends = [cell_text(row.get(f"{_IMAGES[name]}_{end}"), describe(name)) for end in ("p5", "p95")]
        return f"≤{text}" + (f" ({' to '.join(ends)})" if all(ends) else "")
    if text and row.get(name.replace("_ms_median", "_unstable")) is True:
        return "~" + text
    return text


def _with_interval(metric: Metric, sign: str, value: float, low: float, high: float) -> str:
    value_text, *ends = (f"{number:{sign}.{metric.digits}f}" for number in (value, low, high))
    text = f"{value_text} ({', '.join(ends)})"
    return text if metric.is_percent else re.sub(r"\b0\.", ".", text)


def _left(seconds: float) -> str:
    return duration(seconds) if seconds else "done"


def show_outcome(outcome: Outcome, display: SweepDisplay, console: Console) -> None:
    """The story of the results, what failed and why, where everything lies, and what to try next; that nothing was left
    to do, if so. Rows of which no story can be told are shown as they are."""
    from .sweep_story import next_commands, tell

    told = subjects_told(outcome.rows)
    tell(told, console) if told else print_results(outcome.rows, console)
    if display.nothing_left:
        console.print("All cells were finished earlier: nothing was trained, evaluated or timed again.")
    for name, error in outcome.failed.items():
        label = display.lines[name].label if name in display.lines else name
        console.print(Text(f"failed: {label}: {error}", "red"), soft_wrap=True)
    root = outcome.root
    console.print(Text(f"Results: {root / 'results.csv'}"), soft_wrap=True)
    if "report" not in outcome.failed:
        console.print(Text(f"Report:  {root / 'report.html'}", "bold"), soft_wrap=True)
    if outcome.failed:
        console.print(f"{len(outcome.failed)} failed; the same command tries them again and keeps the rest.")
    if told:
        console.print(Text("To try next:"))
        for command in next_commands(root, told):
            console.print(Text(f"  {command}"), soft_wrap=True)


def subjects_told(rows: list[dict[str, Any]]) -> list[Subject]:
    """What a story can be told of: each has masked and unmasked results; empty if anything lies outside of them."""
    from ..reports.analysis.comparison import compare
    from ..reports.analysis.grouping import is_elastic
    from ..reports.analysis.results import is_failed

    if any(is_elastic(row) or is_failed(row) for row in rows):
        return []
    subjects = compare(rows)
    return subjects if all(subject.baseline and subject.points for subject in subjects) else []


def outcome_record(outcome: Outcome) -> dict[str, Any]:
    """An outcome as JSON has it: sentences, rows, what failed, where everything lies."""
    from .sweep_story import next_commands, story_record

    told = subjects_told(outcome.rows)
    return {
        "folder": str(outcome.root),
        "report": None if "report" in outcome.failed else str(outcome.root / "report.html"),
        "story": story_record(told),
        "rows": outcome.rows,
        "failed": outcome.failed,
        "next": next_commands(outcome.root, told) if told else [],
    }
