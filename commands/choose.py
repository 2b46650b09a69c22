"""`posebench choose`: which configuration saves most under a stated loss of accuracy."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.errors import InputError
from .model_options import RUNTIME
from .options import print_json, whole, words

if TYPE_CHECKING:
    from rich.console import Console

    from ..reports.analysis.decision import Candidate, Decision
    from ..reports.analysis.intervals import Estimate

EXAMPLES = """
Examples:

  posebench choose runs/three-masks --max-ap-loss 0.01

  posebench choose runs/three-masks --max-ap-loss 0.02 --by gflops_t --min-saving latency:10%

  posebench choose runs/seeds-0-1 runs/seeds-2-3 --by time --batch-size 8 --json
"""
WHAT = "time (or latency), transformer_time, gflops_t, gflops, memory or energy"


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("choose", rich_help_panel="Sweep and report", epilog=EXAMPLES)(choose)


def choose(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="sweeps' folders, or files as results.csv")],
    max_loss: Annotated[
        float | None,
        typer.Option(
            "--max-ap-loss", "--max-loss", help="loss that is allowed, in AP or points of PCKh (default: the margin)"
        ),
    ] = None,
    by: Annotated[str | None, typer.Option(help=f"{WHAT} (default: time where it has intervals)")] = None,
    min_saving: Annotated[
        str | None, typer.Option(help="what else must be saved at least: latency:20%,memory:10%")
    ] = None,
    runtime: Annotated[str | None, typer.Option(help=f"of a sweep in several: {RUNTIME}")] = None,
    batch_size: Annotated[int | None, whole("of times and memory (default: the smallest)", 1)] = None,
    json: Annotated[bool, typer.Option("--json", help="everything, for programs")] = False,
) -> None:
    """Say which configuration saves most under a stated loss, with intervals, and what would settle it if none does.

    Exit code 0 with an answer, 1 where nothing qualifies.
    """
    from rich.console import Console

    from ..reports.analysis.comparison import compare
    from ..reports.analysis.decision import Question, decide
    from ..reports.analysis.decision_words import answer
    from ..reports.analysis.evidence import EvidenceFiles
    from ..reports.analysis.quantities import quantity_of
    from ..reports.analysis.runs_compared import read_run

    if max_loss is not None and not (math.isfinite(max_loss) and max_loss > 0):
        raise InputError(f"--max-ap-loss {max_loss:g}: give a loss above 0, such as 0.01")
    question = Question(by and quantity_of(by, "--by").name, max_loss, _savings(min_saving), batch_size)
    rows = [row for run in runs for row in read_run(run).rows]
    rows = _of_runtime(rows, runtime)
    evidence = EvidenceFiles(run if run.is_dir() else run.parent for run in runs)
    subjects = compare(rows)
    _check_batch_size(batch_size, {size for subject in subjects for size in subject.batch_sizes})
    decisions = [found for subject in subjects if (found := decide(subject, question, evidence))]
    if not decisions:
        where = ", ".join(map(str, runs))
        raise InputError(
            f"{where}: nothing to choose from; masked models with an accuracy, and an unmasked, are needed"
        )
    if json:
        print_json([_record(decision, answer(decision)) for decision in decisions])
    else:
        console = Console(highlight=False)
        for number, decision in enumerate(decisions):
            console.print("" if not number else "\n", end="")
            _show(decision, console)
    if not any(decision.chosen for decision in decisions):
        raise typer.Exit(1)


def _savings(text: str | None) -> dict[str, float]:
    """{"time": 0.2} of "latency:20%"."""
    from ..reports.analysis.quantities import quantity_of

    found = {}
    for item in words(text, "--min-saving"):
        name, _, amount = item.partition(":")
        is_percent = amount.strip().endswith("%")
        try:
            value = float(amount.strip().removesuffix("%")) / (100 if is_percent else 1)
        except ValueError:
            value = math.nan
        if not 0 < value < 1:
            raise InputError(f"--min-saving {item!r}: give a quantity and a share, such as latency:20% or latency:0.2")
        quantity = quantity_of(name.strip(), "--min-saving").name
        if quantity in found:
            raise InputError(f"--min-saving {text!r}: names {quantity} twice")
        found[quantity] = value
    return found


def _of_runtime(rows: list[Any], runtime: str | None) -> list[Any]:
    if runtime is None:
        return rows
    there = dict.fromkeys(str(row["runtime"] or "eager") for row in rows)
    if runtime not in there:
        raise InputError(f"--runtime {runtime!r}: measured were {', '.join(there) or 'none'}")
    return [row for row in rows if (row["runtime"] or "eager") == runtime]


def _check_batch_size(size: int | None, measured: set[int]) -> None:
    if size is not None and size not in measured:
        there = ", ".join(map(str, sorted(measured))) or "none"
        raise InputError(f"--batch-size {size}: measured were {there}")


def _show(decision: Decision, console: Console) -> None:
    """The sentence, the candidates as a table, and what would settle it."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    from ..reports.analysis.decision_words import answer, difference_text, front_note, saving_text
    from ..reports.analysis.quantities import QUANTITIES
    from ..reports.analysis.timed import times_sentence
    from ..reports.analysis.wording import percent

    console.print(Text(answer(decision), "bold"), soft_wrap=True)
    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False, header_style="bold")
    table.add_column("configuration", no_wrap=True)
    table.add_column("- unmasked", justify="right", overflow="fold")
    names = dict.fromkeys([decision.by.name, *decision.min_savings])
    for name in names:
        table.add_column(f"{QUANTITIES[name].words} saved", justify="right", overflow="fold")
    table.add_column("front", justify="right", overflow="fold")
    table.add_column("", overflow="fold")
    for candidate in sorted(decision.candidates, key=decision.rank):
        cells = [f"{candidate.point.mask} {candidate.point.ratio:g}", difference_text(decision, candidate)]
        cells += [saving_text(saved) if (saved := candidate.savings[name]) else "" for name in names]
        cells.append("" if candidate.front is None else percent(candidate.front))
        verdict = (
            "chosen" if candidate is decision.chosen else "qualifies" if candidate.qualifies else candidate.why_not
        )
        table.add_row(*map(Text, [*cells, verdict]))
    console.print(table)
    elsewhere = times_sentence(decision.subject.label, decision.subject.times)
    for sentence in [*decision.settle, front_note(decision), elsewhere]:
        if sentence:
            console.print(Text(sentence), soft_wrap=True)


def _record(decision: Decision, sentence: str) -> dict[str, Any]:
    """A decision as JSON has it; fractions of 1."""

    def candidate(one: Candidate) -> dict[str, Any]:
        point = one.point
        return {
            "mask": point.mask, "mask_ratio": point.ratio, "seeds": point.seeds, "gflops_t": point.gflops_t,
            "accuracy": point.accuracy and point.accuracy.mean, "loss": _ends(one.loss),
            "savings": {name: _ends(saved) for name, saved in one.savings.items()},
            "qualifies": one.qualifies, "why_not": one.why_not or None, "front_share": one.front,
        }  # fmt: skip

    subject = decision.subject
    return {
        "subject": subject.label,
        "conditions": {name: value for name, value in subject.keys.items() if value is not None},
        "answer": sentence,
        "by": decision.by.name,
        "metric": subject.metric.column,
        "max_loss": decision.max_loss,
        "min_savings": dict(decision.min_savings),
        "batch_size": decision.batch_size,
        "tested_together": decision.tested,
        "chosen": decision.chosen and candidate(decision.chosen),
        "not_told_apart": [candidate(one) for one in decision.alike],
        "would_settle": list(decision.settle),
        "unmasked_front_share": decision.baseline_front,
        "front_drawn_from": "the same people" if decision.paired else "intervals",
        "candidates": [candidate(one) for one in decision.candidates],
    }


def _ends(estimate: Estimate | None) -> dict[str, float] | None:
    return estimate and {"value": estimate.value, "low": estimate.low, "high": estimate.high}
