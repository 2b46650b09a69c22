"""`posebench data synth` and `posebench data check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from .options import Bar

MOST_SHOWN = 50


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Make the embedded data set, or check a COCO or MPII folder.")
    group.command("synth", epilog="Example:  posebench data synth --out people --train 6000 --val 1000 --seed 0")(synth)
    group.command("check", epilog="Example:  posebench data check /data/coco")(check)
    app.add_typer(group, name="data", rich_help_panel="Data")


def synth(
    out: Annotated[Path, typer.Option(help="folder to make")],
    train: Annotated[int, typer.Option(help="people in the training split")] = 6000,
    val: Annotated[int, typer.Option(help="people in the validation split")] = 1000,
    seed: Annotated[int, typer.Option(help="the same seed gives the same bytes")] = 0,
    layout: Annotated[str, typer.Option(help="coco or mpii")] = "coco",
    jobs: Annotated[int | None, typer.Option(help="processes (default: the usable cores)")] = None,
) -> None:
    """Render clothed, articulated figures into an ordinary COCO (or MPII) folder."""
    from ..pose.data.synth.write import write_synthetic

    with Bar(f"rendering into {out}") as bar:
        write_synthetic(out, train=train, val=val, seed=seed, layout=layout, jobs=jobs, progress=bar)
    print(f"{out}: {train} people for training and {val} for validation, {layout} layout, seed {seed}")


def check(folder: Annotated[Path, typer.Argument(help="a data folder")]) -> None:
    """Name what is missing or broken in a COCO or MPII folder. Exit 1 if anything is."""
    from ..pose.data.check import inspect_folder

    with Bar("checking") as bar:
        found = inspect_folder(folder, progress=bar)
    for split in found.splits:
        print(
            f"{split.split}: {split.images} images, {split.people} people, {split.keypoints} labelled keypoints "
            f"({split.annotation_file})"
        )
    for problem in found.problems[:MOST_SHOWN]:
        print(problem)
    if len(found.problems) > MOST_SHOWN:
        print(f"... and {len(found.problems) - MOST_SHOWN} more")
    print(f"{found.folder}: {found.layout} layout, {'usable' if found.ok else 'NOT usable as it is'}")
    if not found.ok:
        raise typer.Exit(1)
