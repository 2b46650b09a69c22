"""`posebench data synth` and `posebench data check`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..pose.datasets.registry import DATASETS, DEFAULT
from ..sweeps.checked import MOST_THREADS
from .options import LARGEST_SEED, Bar, Quiet, count, whole
from .train import DatasetName

MOST_SHOWN = 50
LAYOUTS = [name for name, dataset in DATASETS.items() if dataset.synth]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Make the embedded data set, or check a data folder.")
    group.command("synth", epilog="Example:  posebench data synth --out people --train 6000 --val 1000 --seed 0")(synth)
    group.command("check", epilog="Example:  posebench data check /data/coco")(check)
    app.add_typer(group, name="data", rich_help_panel="Data")


def synth(
    out: Annotated[Path, typer.Option(help="folder to make")],
    train: Annotated[int, whole("people in the training split")] = 6000,
    val: Annotated[int, whole("people in the validation split")] = 1000,
    seed: Annotated[int, whole("the same seed gives the same bytes", 0, LARGEST_SEED)] = 0,
    layout: Annotated[str, typer.Option(help=", ".join(LAYOUTS))] = DEFAULT,
    jobs: Annotated[int | None, whole("processes (default: the usable cores)", 1, MOST_THREADS)] = None,
    quiet: Quiet = False,
) -> None:
    """Render clothed, articulated figures into an ordinary COCO (or MPII) folder."""
    from ..pose.synth.write import write_synthetic

    with Bar(f"rendering into {out}", quiet) as bar:
        write_synthetic(out, train=train, val=val, seed=seed, layout=layout, jobs=jobs, progress=bar)
    people = count(train, "person", "people")
    print(f"{out}: {people} for training and {val} for validation, {layout} layout, seed {seed}")


def check(
    folder: Annotated[Path, typer.Argument(help="a data folder")], dataset: DatasetName = None, quiet: Quiet = False
) -> None:
    """Name what is missing or broken in a data folder. Exit 1 if anything is."""
    from ..pose.people.check import inspect_folder

    with Bar("checking", quiet) as bar:
        found = inspect_folder(folder, dataset=dataset, progress=bar)
    for split in found.splits:
        print(
            f"{split.split}: {count(split.images, 'image')}, {count(split.people, 'person', 'people')}, "
            f"{count(split.keypoints, 'labelled keypoint')} ({split.annotation_file})"
        )
    for problem in found.problems[:MOST_SHOWN]:
        print(problem)
    if len(found.problems) > MOST_SHOWN:
        print(f"... and {len(found.problems) - MOST_SHOWN} more")
    layout = f"{found.layout} layout" if found.layout else "of no known layout"
    print(f"{found.folder}: {layout}, {'usable' if found.ok else 'NOT usable as it is'}")
    if not found.ok:
        raise typer.Exit(1)
