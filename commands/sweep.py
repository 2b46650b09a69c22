"""`posebench sweep`: train, evaluate and profile a grid of masks and ratios, and write the page about it."""

from __future__ import annotations

import contextlib
import inspect
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..sweeps.executors.catalogue import EXECUTORS
from ..sweeps.request import MARGIN_HELP, OPTIONS, SweepRequest, parse
from .model_options import DATA_FOLDER, DATASET_NAMES, MASKS, PRECISION_NAMES, RATIOS, RUNTIME_NAMES
from .options import Quiet, print_json
from .tracking import SweepTracker, Track

if TYPE_CHECKING:
    from rich.console import Console

EXAMPLES = """
Examples:

  posebench sweep --mask semantic --ratios 0.2,0.4,0.6

  posebench sweep --mask semantic,random,block --ratios 0.2,0.4,0.6 --seeds 0,1,2 --out runs/three-masks

  posebench sweep --mask semantic,tome --ratios 0.2,0.4,0.6 --elastic

  posebench sweep --mask "prune(layers=0|1|2),prune(layers=1|2),prune(keep_ratio=0.7)" --ratios 0.4

  posebench sweep --model tmpose_l --mask random --ratios 0.4 --data /data/coco --device cuda

  posebench sweep --mask uniform,tome --ratios 0.4 --runtime eager,onnxruntime,openvino --precision float32,bfloat16

  posebench sweep my-sweep.yaml --dry-run
"""


#: a user's own is named as package.module:NAME
EXECUTOR_NAMES = f"{', '.join(EXECUTORS)}, or package.module:NAME"
REPORT_EXAMPLE = "Example:  posebench report runs/three-masks"
PANEL = "Sweep and report"


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("sweep", rich_help_panel=PANEL, epilog=EXAMPLES)(sweep)
    app.command("report", rich_help_panel=PANEL, epilog=REPORT_EXAMPLE)(report)


def sweep(
    spec_file: Path | None, dry_run: bool, quiet: bool, track: list[str] | None, json: bool, **options: Any
) -> None:
    """Train, evaluate and profile every combination of model, mask, ratio and seed, the unmasked baseline included.

    The folder then holds results.csv, report.html and plots. The same command goes on where it was interrupted.

    On the embedded set one unmasked model is trained and every cell, the baseline too, is fine-tuned from it alike.
    """
    for name, field in OPTIONS.items():
        if field.metadata["words"] and options[name] is not None:
            options[name] = field.metadata["words"][not options[name]]
    request = parse(options, spec_file)
    from rich.console import Console

    console = Console(highlight=False)
    if dry_run:
        from .sweep_tables import show_plan

        show_plan(request, console)
        return
    if not _run(request, console, quiet, track, json):
        raise typer.Exit(1)


def _parameters() -> Iterator[inspect.Parameter]:
    """The command's own parameters, and an option for each field of SweepRequest; None where it is not given."""
    file = typer.Argument(metavar="[SPEC.yaml]", help="options as a YAML mapping; those on the command line go over it")
    dry_run = typer.Option("--dry-run", help="show the cells, their exact GFLOPsT and the time left; run none")
    kind = inspect.Parameter.KEYWORD_ONLY
    yield inspect.Parameter("spec_file", kind, default=None, annotation=Annotated[Path | None, file])
    for name, field in OPTIONS.items():
        option, help = field.metadata["option"], field.metadata["help"].format(
            masks=MASKS, ratios=RATIOS, data=DATA_FOLDER, datasets=DATASET_NAMES, executors=EXECUTOR_NAMES,
            runtimes=RUNTIME_NAMES, precisions=PRECISION_NAMES,
        )
        is_flag = isinstance(field.default, bool) or field.metadata["words"]
        type_ = bool if is_flag else list[str] if field.default == () else str
        about = typer.Option(*([option] if option else []), help=help)
        yield inspect.Parameter(name, kind, default=None, annotation=Annotated[type_ | None, about])
    yield inspect.Parameter("dry_run", kind, default=False, annotation=Annotated[bool, dry_run])
    yield inspect.Parameter("track", kind, default=None, annotation=Track)
    yield inspect.Parameter("quiet", kind, default=False, annotation=Quiet)
    as_json = typer.Option("--json", help="the results and what they say as JSON on standard output, for programs")
    yield inspect.Parameter("json", kind, default=False, annotation=Annotated[bool, as_json])


sweep.__signature__ = inspect.Signature(list(_parameters()))
sweep.__annotations__ = {parameter.name: parameter.annotation for parameter in _parameters()}


def report(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="a sweep's folder, or any with a results.csv")],
    title: Annotated[str | None, typer.Option(help="title of the page (default: named after the models)")] = None,
    margin: Annotated[str | None, typer.Option(help=f"{MARGIN_HELP} (default: the sweep's)")] = None,
) -> None:
    """Write report.html and the plots anew from the stored results.csv."""
    from ..reports.report import write_report

    typer.echo(write_report(folder, title=title, margin=margin))


def _run(request: SweepRequest, console: Console, quiet: bool, track: list[str] | None, json: bool) -> bool:
    """Run, show, and say where the results lie. False if anything failed."""
    from rich.console import Console

    from ..reports.trackers.catalogue import Trackers
    from ..sweeps.runner import execute
    from .sweep_display import SweepDisplay, Unheard
    from .sweep_tables import outcome_record, show_outcome

    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ended by a scheduler, say: like Ctrl-C
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    if hangup and signal.getsignal(hangup) is not signal.SIG_IGN:  # the terminal is closed, and no nohup says go on
        signal.signal(hangup, signal.default_int_handler)
    if json:
        console = Console(highlight=False, stderr=True)
    lasting = Console(highlight=False, file=Unheard(console.file))
    progress = Console(quiet=True, force_terminal=False) if quiet else lasting
    trackers = Trackers(track or ())
    with SweepDisplay(progress) as display, contextlib.closing(SweepTracker(display, trackers)) as tracker:
        try:
            outcome = execute(request, tracker if trackers else display)
        except KeyboardInterrupt:
            interrupted = True
        else:
            interrupted = False
    if interrupted:
        where = f" in {display.root}" if display.root else ""
        text = f"Interrupted. What is finished is kept{where}; the same command goes on from there."
        lasting.print(text, markup=False, soft_wrap=True)
        raise typer.Exit(130)
    if json:
        print_json(outcome_record(outcome))
    else:
        show_outcome(outcome, display, console)
    return not outcome.failed
