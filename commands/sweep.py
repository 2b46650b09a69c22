"""`posebench sweep`: train, evaluate and profile a grid of masks and ratios, and write the page about it."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .model_options import MASKS, RATIOS
from .options import Quiet

if TYPE_CHECKING:
    from rich.console import Console

    from ..sweeps.spec import SweepSpec

EXAMPLES = """
Examples:

  posebench sweep --mask semantic --ratios 0.2,0.4,0.6

  posebench sweep --mask semantic,random,block --ratios 0.2,0.4,0.6 --seeds 0,1,2 --out runs/three-masks

  posebench sweep --mask semantic,tome --ratios 0.2,0.4,0.6 --elastic

  posebench sweep --model tmpose_l --mask random --ratios 0.4 --data /data/coco --device cuda

  posebench sweep my-sweep.yaml --dry-run
"""


MARGIN_HELP = "loss of accuracy to call negligible, as a fraction of the full scale; at low accuracies 2 x that of it"
REPORT_EXAMPLE = "Example:  posebench report runs/three-masks"
PANEL = "Sweep and report"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("sweep", rich_help_panel=PANEL, epilog=EXAMPLES)(sweep)
    app.command("report", rich_help_panel=PANEL, epilog=REPORT_EXAMPLE)(report)


def sweep(
    spec_file: Annotated[
        Path | None,
        typer.Argument(metavar="[SPEC.yaml]", help="options as a YAML mapping; those on the command line go over it"),
    ] = None,
    model: Annotated[str | None, typer.Option(help="models, separated by commas (default: tmpose_tiny)")] = None,
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} (default: semantic)")] = None,
    ratios: Annotated[
        str | None,
        typer.Option(help=f"{RATIOS} (default: 0.2,0.4,0.6)"),
    ] = None,
    elastic: Annotated[
        bool | None,
        typer.Option(
            "--elastic",
            help="evaluate every trained model at the other ratios too, and one per mask trained with a ratio drawn for"
            " each step",
        ),
    ] = None,
    seeds: Annotated[str | None, typer.Option(help="seeds, separated by commas (default: 0)")] = None,
    data: Annotated[str | None, typer.Option(help="COCO or MPII folder (default: the embedded set, made once)")] = None,
    boxes: Annotated[
        str | None, typer.Option(help="boxes to evaluate on: gt or a detection file (default: gt)")
    ] = None,
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    device: Annotated[str | None, typer.Option(help="cpu or cuda (default: cpu)")] = None,
    batch_sizes: Annotated[str | None, typer.Option(help="batch sizes of latency and memory (default: 1)")] = None,
    epochs: Annotated[str | None, typer.Option(help="epochs of each cell (default: the recipe's)")] = None,
    base_epochs: Annotated[
        str | None, typer.Option(help="epochs of the shared base model (default: the recipe's)")
    ] = None,
    from_scratch: Annotated[
        bool | None,
        typer.Option(
            "--from-scratch/--finetune",
            help="train each cell from scratch (default for the papers' models), or from one unmasked model",
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(help="evaluate these weights instead of training: FILE, or NAME=FILE per model; repeatable"),
    ] = None,
    backbone_weights: Annotated[
        str | None, typer.Option(help="an ImageNet HRNet that training starts from (papers' models)")
    ] = None,
    as_published: Annotated[
        bool | None, typer.Option("--as-published", help="switch on the reference code's own behaviours")
    ] = None,
    flip_test: Annotated[
        bool | None, typer.Option("--flip-test/--no-flip-test", help="average with the mirrored image (default: on)")
    ] = None,
    amp: Annotated[bool | None, typer.Option("--amp", help="mixed precision in training (CUDA)")] = None,
    latency: Annotated[
        bool | None, typer.Option("--latency/--no-latency", help="measure latency (default: on)")
    ] = None,
    samples: Annotated[
        str | None, typer.Option(help="timed passes of each configuration and batch size, at most (default: 130)")
    ] = None,
    threads: Annotated[str | None, typer.Option(help="CPU threads of each cell (default: 1 for tiny models)")] = None,
    jobs: Annotated[str | None, typer.Option(help="cells at the same time (default: cores / threads; CUDA: 1)")] = None,
    workers: Annotated[str | None, typer.Option(help="loader processes of each cell (default: 0)")] = None,
    margin: Annotated[str | None, typer.Option(help=f"{MARGIN_HELP} (default: 0.01)")] = None,
    out: Annotated[str | None, typer.Option(help="folder (default: runs/..., named after the grid)")] = None,
    dry_run: Annotated[
        bool,
        typer.Option(
            "--dry-run",
            help="show the cells, their exact GFLOPsT and an estimate of the time that is left for them; run none",
        ),
    ] = False,
    quiet: Quiet = False,
) -> None:
    """Train, evaluate and profile every combination of model, mask, ratio and seed, the unmasked baseline included.

    The folder then holds results.csv, report.html and plots. The same command goes on where it was interrupted.

    On the embedded set one unmasked model is trained and every cell, the baseline too, is fine-tuned from it alike.
    """
    from ..sweeps.spec import parse

    training = None if from_scratch is None else "scratch" if from_scratch else "finetune"
    spec = parse(
        {
            "models": model,
            "masks": mask,
            "ratios": ratios,
            "elastic": elastic,
            "seeds": seeds,
            "data": data,
            "boxes": boxes,
            "input_size": input_size,
            "device": device,
            "batch_sizes": batch_sizes,
            "epochs": epochs,
            "base_epochs": base_epochs,
            "training": training,
            "weights": weights or None,
            "backbone_weights": backbone_weights,
            "as_published": as_published,
            "flip_test": flip_test,
            "amp": amp,
            "latency": latency,
            "samples": samples,
            "threads": threads,
            "jobs": jobs,
            "workers": workers,
            "margin": margin,
            "out": out,
        },
        spec_file,
    )
    from rich.console import Console

    console = Console(highlight=False)
    if dry_run:
        from .sweep_tables import show_plan

        show_plan(spec, console)
        return
    if not _run(spec, console, quiet):
        raise typer.Exit(1)


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a sweep's folder, or any with a results.csv")],
    title: Annotated[str | None, typer.Option(help="title of the page (default: named after the models)")] = None,
    margin: Annotated[str | None, typer.Option(help=f"{MARGIN_HELP} (default: the sweep's)")] = None,
) -> None:
    """Write report.html and the plots anew from the stored results.csv."""
    from ..reports.report import write_report

    typer.echo(write_report(folder, title=title, margin=margin))


def _run(spec: SweepSpec, console: Console, quiet: bool) -> bool:
    """Run, show, and say where the results lie. False if anything failed."""
    from rich.console import Console

    from ..sweeps.runner import execute
    from .sweep_display import SweepDisplay
    from .sweep_tables import show_outcome

    def stop(*_: object) -> None:
        raise KeyboardInterrupt

    signal.signal(signal.SIGTERM, stop)  # ended by a scheduler, say: like Ctrl-C
    progress = Console(quiet=True, force_terminal=False) if quiet else console
    with SweepDisplay(progress) as display:
        try:
            outcome = execute(spec, display)
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
    if interrupted:
        where = f" in {display.root}" if display.root else ""
        text = f"Interrupted. What is finished is kept{where}; the same command goes on from there."
        console.print(text, markup=False, soft_wrap=True)
        raise typer.Exit(130)
    show_outcome(outcome, display, console)
    return not outcome.failed
