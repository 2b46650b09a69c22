"""`posebench data synth`, `data check` and `data pack`."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from ..pose.datasets.registry import DATASETS, DEFAULT
from ..sweeps.checked import MOST_THREADS
from .data_options import DatasetName
from .options import LARGEST_SEED, Bar, Quiet, count, whole, words
from .options import size as size_of

MOST_SHOWN = 50
PACK_EXAMPLES = """
Examples:

  posebench data pack /data/coco --out /scratch/coco_packed

  posebench train --model tmpose_l --data /scratch/coco_packed --out runs/l
"""
LAYOUTS = [name for name, dataset in DATASETS.items() if dataset.synth]


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    group = typer.Typer(no_args_is_help=True, help="Make the embedded data set; check or pack a data folder.")
    group.command("synth", epilog="Example:  posebench data synth --out people --train 6000 --val 1000 --seed 0")(synth)
    group.command("check", epilog="Example:  posebench data check /data/coco")(check)
    group.command("pack", epilog=PACK_EXAMPLES)(pack)
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
    """Name what is missing or broken in a data folder or a pack. Exit 1 if anything is."""
    from ..pose.crops.pack import is_pack, read_manifest
    from ..pose.people.check import inspect_folder
    from ..pose.people.packed import pack_faults

    if is_pack(folder):
        faults = pack_faults(folder)
        for fault in faults:
            print(fault)
        print(f"{folder}: a pack of {read_manifest(folder).source}, {'NOT whole' if faults else 'whole'}")
        if faults:
            raise typer.Exit(1)
        return
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


def pack(
    folder: Annotated[Path, typer.Argument(help="a data folder")],
    out: Annotated[Path | None, typer.Option(help="folder to make (default: FOLDER_packed beside it)")] = None,
    splits: Annotated[str, typer.Option(help="separated by commas")] = "train",
    dataset: DatasetName = None,
    input_size: Annotated[
        str | None, typer.Option(help="HEIGHTxWIDTH of the largest crops (default: 256x192; square ones 256x256)")
    ] = None,
    detail: Annotated[
        float, typer.Option(help="stored pixels per pixel of the crop, at most; what has more is stored smaller")
    ] = 2.0,
    codec: Annotated[str, typer.Option(help="raw (the same pixels), or jpeg (a tenth of the disk, slower)")] = "raw",
    jobs: Annotated[int | None, whole("threads (default: the cores)", 1, MOST_THREADS)] = None,
    quiet: Quiet = False,
) -> None:
    """Write once what training sees of every person, so that an epoch reads small crops instead of decoding pictures.

    The result is used as a data folder. Its annotations, and the pictures to evaluate on, stay where they are.
    """
    from ..pose.people.packing import write_pack

    folder = Path(os.path.abspath(folder.expanduser()))
    out = out or folder.with_name(f"{folder.name}_packed")

    def told(people: int, size: int) -> None:
        if not quiet:
            typer.echo(f"{count(people, 'person', 'people')}: about {gigabytes(size)} on disk", err=True)

    try:
        with Bar(f"packing into {out}", quiet) as bar:
            result = write_pack(
                folder,
                out,
                splits=words(splits, "--splits"),
                dataset=dataset,
                input_size=size_of(input_size),
                detail=detail,
                codec=codec,
                jobs=jobs,
                progress=bar,
                told=told,
            )
    except KeyboardInterrupt:
        typer.echo("Interrupted; what was packed is kept: the same command goes on from there.", err=True)
        raise typer.Exit(130) from None
    earlier = f", {result.taken_over} of them by an earlier run" if result.taken_over else ""
    print(
        f"{result.folder}: {count(result.people, 'person', 'people')}{earlier}, {gigabytes(result.bytes)}; "
        f"{result.shrunk} stored smaller than in their picture. Use it: --data {result.folder}"
    )


def gigabytes(size: int) -> str:
    """A size in words: GB, below one MB."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
