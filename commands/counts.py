"""`posebench models` and `posebench flops`: what there is, and what it multiplies."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..pose.errors import InputError
from .model_options import MASKS, RATIOS, At, Decoder, JointMask, Keep, Merge, detail_arguments
from .options import Bar, numbers, print_rows, size, words

CAPTION = (
    "GFLOPs: executed, exact, 1e9 multiply-adds at batch 1 (one fused multiply-add counts once). GFLOPsT: the same "
    "behind the backbone, choosing the tokens included. Needed: less the products of connections that a mask cuts, "
    "which a dense attention executes all the same. Published convention: the papers' counter, for comparison only."
)
FLOPS_EXAMPLES = """
Examples:

  posebench flops --model tmpose_l

  posebench flops --model tmpose_l,tmpose_b --mask random,semantic --ratios 0,0.2,0.4 --format csv

  posebench flops --model sparse_tokenpose_s --dataset mpii --execution dense,gather

  posebench flops --model tokenpose_s_v1 --mask prune --keep 0.7,0.6,0.5 --at 3,6,9

  posebench flops --model tmpose_l --save flops.json     (later, in CI:)  posebench flops --check flops.json
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("models", rich_help_panel="Count and measure")(models)
    app.command("flops", rich_help_panel="Count and measure", epilog=FLOPS_EXAMPLES)(flops)


def models(
    dataset: Annotated[str | None, typer.Option(help="coco or mpii (default: both)")] = None,
    format: Annotated[str, typer.Option(help="table, json, csv or markdown")] = "table",
) -> None:
    """List the models with input size, tokens, parameters, GFLOPs and GFLOPsT, unmasked."""
    from ..benchmark.flops import flops_row
    from ..pose.keypoints import SKELETONS
    from ..pose.models.architectures import MODELS
    from ..reports.tables import MODELS_COLUMNS

    if dataset is not None and dataset not in SKELETONS:
        raise InputError(f"--dataset {dataset!r}: give coco or mpii")
    rows = []
    with Bar("counting") as bar:
        for done, (name, architecture) in enumerate(MODELS.items(), start=1):
            for which in [dataset] if dataset else list(SKELETONS):
                larger = [(384, 288)] if which == "coco" and name in ("tokenpose_l_d24", "tmpose_l") else []
                for input_size in [None, *larger]:
                    row = flops_row(name, dataset=which, input_size=input_size, mask="none")
                    mask, ratio = architecture.published_mask
                    rows.append({**row, "default_mask": f"{mask} {ratio}" if ratio else mask})
            bar(done, len(MODELS))
    print_rows(rows, [*MODELS_COLUMNS, "default_mask"], format, CAPTION + " tmpose_l_d24 is another name for tmpose_l.")


def flops(
    model: Annotated[str | None, typer.Option(help="models, separated by commas (default: all)")] = None,
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} (default: the model's own)")] = None,
    ratios: Annotated[str | None, typer.Option(help=RATIOS)] = None,
    dataset: Annotated[str, typer.Option(help="coco or mpii")] = "coco",
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    as_published: Annotated[bool, typer.Option("--as-published", help="the reference code's own behaviours")] = False,
    keep: Keep = None,
    merge: Merge = None,
    at: At = None,
    execution: Annotated[str | None, typer.Option(help="sparse: dense, gather, or both with a comma")] = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    format: Annotated[str, typer.Option(help="table, json, csv or markdown")] = "table",
    save: Annotated[Path | None, typer.Option(help="write the counts to this file, for --check")] = None,
    check: Annotated[Path | None, typer.Option(help="compare with a saved file: exit 1 if any count moved")] = None,
    force: Annotated[bool, typer.Option("--force", help="let --save overwrite its file")] = False,
) -> None:
    """Count parameters and multiply-adds exactly, part by part, with the published convention beside them."""
    from ..benchmark.configurations import configurations
    from ..benchmark.flops import flops_row
    from ..pose.models.architectures import MODELS
    from ..reports.tables import FLOPS_COLUMNS

    if check is not None:
        _check(check)
        return
    if save is not None and save.exists() and not force:
        raise InputError(f"{save}: exists already; --force overwrites it, --check compares with it")
    fixed = {"dataset": dataset, "input_size": size(input_size), "as_published": as_published}
    detail = detail_arguments(keep, merge, at, joint_mask, decoder)
    if save is not None and (detail or execution or as_published):
        raise InputError(
            "--save holds models by name, mask and ratio: leave out --keep, --merge, --at, --execution, --joint-mask, "
            "--decoder and --as-published"
        )
    chosen = configurations(
        words(model) or list(MODELS), words(mask), numbers(ratios, "--ratios"), words(execution), **fixed, **detail
    )
    rows = [flops_row(c.name, **c.arguments) for c in chosen]
    if save is not None:
        from ..reports.flop_check import save_counts

        save_counts(save, rows)
    columns = [*FLOPS_COLUMNS[:9], *ADDED, *FLOPS_COLUMNS[9:], "parts"] if format == "json" else FLOPS_COLUMNS
    print_rows(rows, list(rows[0]) if format == "csv" else columns, format, CAPTION)


ADDED = ("macs", "macs_transformer", "positions", "as_published")


def _check(path: Path) -> None:
    """Count again what a saved file holds; exit 1 with a table of what moved."""
    from ..benchmark.flops import flops_row
    from ..reports.flop_check import compare_counts, read_counts

    saved = read_counts(path)
    now = []
    for row in saved:
        mask = "none" if row["mask"] == "none" else row["mask"]
        ratio = row["mask_ratio"] if mask != "none" else 0.0
        counted = flops_row(
            row["model"], dataset=row["dataset"], input_size=size(row["input_size"]), mask=mask, mask_ratio=ratio
        )
        now.append(counted)
    moved = compare_counts(saved, now)
    if moved:
        print_rows([difference.row() for difference in moved], None, "table")
        print(f"{len(moved)} of the counts in {path} moved")
        raise typer.Exit(1)
    print(f"all counts of {len(saved)} configurations in {path} are as saved")
