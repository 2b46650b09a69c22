"""What `posebench sweep` prints before it would run (--dry-run) and after it has."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .sweep_display import Line, duration

if TYPE_CHECKING:
    from ..sweeps.runner import Outcome
    from ..sweeps.spec import SweepSpec


def show_plan(spec: SweepSpec, out: Path | None, console: Console) -> None:
    """The cells with their exact counts, how long each may take, and where the results would go. Writes nothing."""
    from ..sweeps.data import find_data
    from ..sweeps.estimate import estimate
    from ..sweeps.plan import default_folder, make_plan
    from ..sweeps.runner import jobs_of

    plan = make_plan(spec, find_data(spec, make=False))
    jobs = jobs_of(plan)
    with console.status("counting, and probing the speed"):
        guess = estimate(plan, jobs)
    table = Table(show_edge=False, pad_edge=False, header_style="bold")
    for name in ("cell", "training", "kept", "GFLOPs", "GFLOPsT (1e9 MAC)", "estimated time"):
        table.add_column(name, justify="left" if name in ("cell", "training") else "right")
    for key, config in plan.bases.items():
        epochs = config["recipe"]["epochs"]
        table.add_row(
            f"{config['model']} base model", f"{epochs} epochs", "", "", "", duration(guess.base_seconds[key])
        )
    for cell in plan.cells:
        count, recipe = guess.counts[cell.key], cell.config["recipe"]
        training = {"finetune": "fine-tuned", "scratch": "from scratch", "weights": "given weights"}
        how = training[cell.config["training"]] + (f", {recipe['epochs']} epochs" if recipe else "")
        table.add_row(
            Text(cell.label),
            how,
            f"{count['tokens_kept']} of {count['tokens_total']}",
            f"{count['gflops']:.4f}",
            f"{count['gflops_t']:.4f}",
            duration(guess.cell_seconds[cell.key]),
        )
    console.print(table)
    data = f"{plan.data.root}: {plan.data.train_people} people to train on, {plan.data.eval_people} to evaluate on"
    if not plan.data.made:
        data += " (the embedded set; a sweep makes it first)"
        folder = "runs/..., named once the data is there" if out is None else str(out)
    else:
        folder = str(out or default_folder(plan))
    console.print(Text(f"Data: {data}"))
    console.print(Text(f"Results would go to {folder}"))
    console.print(
        f"Estimated time for all: about {duration(guess.total_seconds)}, {jobs} at a time, scaled by multiply-adds from"
        " a short probe on this machine. An estimate, not a promise. The counts are exact."
    )


def show_outcome(outcome: Outcome, lines: dict[str, Line], console: Console) -> None:
    """The table of results, what failed and why, and where everything lies."""
    from ..reports.tables import SWEEP_COLUMNS, render_rows

    console.print(render_rows(outcome.rows, SWEEP_COLUMNS))
    for name, error in outcome.failed.items():
        label = lines[name].label if name in lines else name
        console.print(Text(f"failed: {label}: {error}", "red"))
    root = outcome.root
    console.print(Text(f"Results: {root / 'results.csv'}"))
    if "report" not in outcome.failed:
        console.print(Text(f"Report:  {root / 'report.html'}", "bold"))
    if outcome.failed:
        console.print(f"{len(outcome.failed)} failed; the same command tries them again and keeps the rest.")
