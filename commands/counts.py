"""`posebench models` and `posebench flops`: what there is, and what it multiplies."""

from __future__ import annotations

import gc
from pathlib import Path
from typing import Annotated

import typer

from ..pose.datasets.registry import DEFAULT
from ..pose.errors import InputError
from ..pose.reductions import find_reduction
from .flop_gate import check_counts
from .model_options import DATASET_NAMES, MASKS, RATIOS, Decoder, JointMask, masks_of
from .options import Bar, Format, Wide, check_new, numbers, print_rows, size, words

CAPTION = (
    "GFLOPs: executed, exact, 1e9 multiply-adds at batch 1 (one fused multiply-add counts once). GFLOPsT: the same "
    "behind the backbone, choosing the tokens included. Needed: less the products of connections that a mask cuts, "
    "which a dense attention executes all the same. Published convention: the papers' counter, for comparison only."
)
AT_MOST = " {} keeps as many tokens as an image needs: these are the most, a sweep says how much images differ."
PARTS_CAPTION = "By part of the model, executed, exact."
COUNTERS_CAPTION = (
    "Each counter as it is: what it prints, in its own unit, the multiply-adds that this stands for, and which "
    "operators it left out or read otherwise, compared with posebench's exact count."
)
COUNTERS = (
    "instead compare counters: all, or some of posebench, torch, torch-meta, fvcore, published, run here; and, by"
    " rule, on the code as its authors wrote it, mmengine, mmcv, thop, ptflops, ptflops-aten, torchinfo, torchprofile"
)
FLOPS_EXAMPLES = """
Examples:

  posebench flops --model tmpose_l

  posebench flops --model tmpose_l,tmpose_b --mask random,semantic --ratios 0,0.2,0.4 --format csv

  posebench flops --model sparse_tokenpose_s --dataset mpii --mask "sparse,sparse(execution=gather)"

  posebench flops --model tokenpose_s_v1 --mask "prune(keep_ratio=0.7|0.6|0.5, layers=3|6|9)"

  posebench flops --model tmpose_l --counters all

  posebench flops --model vitpose_b --mask none --counters mmcv,thop

  posebench flops --model tmpose_l --save flops.json     (later, in CI:)  posebench flops --check flops.json
"""


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("models", rich_help_panel="Count and measure")(models)
    app.command("flops", rich_help_panel="Count and measure", epilog=FLOPS_EXAMPLES)(flops)


def models(
    dataset: Annotated[str | None, typer.Option(help=f"{DATASET_NAMES} (default: one of each shape of crops)")] = None,
    format: Format = "table",
    wide: Wide = False,
) -> None:
    """List the models with input size, tokens, parameters, GFLOPs and GFLOPsT, unmasked."""
    from ..benchmark.counting.flops import flops_row
    from ..pose.datasets import DATASETS, TALL, find_dataset
    from ..pose.models.architectures import MODELS
    from ..reports.tables import MODELS_COLUMNS

    gc.freeze()  # what the imports made stays: the collector would walk through all of torch's again and again
    of_each_shape = {data.crop: data for data in reversed(DATASETS.values())}
    wanted = [find_dataset(dataset)] if dataset else list(reversed(of_each_shape.values()))
    rows = []
    with Bar("counting") as bar:
        for done, (name, architecture) in enumerate(MODELS.items(), start=1):
            for data in wanted:
                larger = [(384, 288)] if data.crop == TALL and name in ("tokenpose_l_d24", "tmpose_l") else []
                for input_size in [None, *larger]:
                    row = flops_row(name, dataset=data, input_size=input_size, mask="none")
                    mask, ratio = architecture.published_mask
                    rows.append({**row, "default_mask": f"{mask} {ratio}" if ratio else mask})
            bar(done, len(MODELS))
    caption = CAPTION + " tmpose_l_d24 is another name for tmpose_l."
    print_rows(rows, [*MODELS_COLUMNS, "default_mask"], format, caption, wide=wide)


def flops(
    model: Annotated[str | None, typer.Option(help="models, separated by commas (default: all)")] = None,
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} (default: the model's own)")] = None,
    ratios: Annotated[str | None, typer.Option(help=RATIOS)] = None,
    dataset: Annotated[str | None, typer.Option(help=f"{DATASET_NAMES} (default: {DEFAULT})")] = None,
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    as_published: Annotated[bool, typer.Option("--as-published", help="the reference code's own behaviours")] = False,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    format: Format = "table",
    wide: Wide = False,
    save: Annotated[Path | None, typer.Option(help="write the counts to this file, for --check")] = None,
    check: Annotated[Path | None, typer.Option(help="compare with a saved file: exit 1 if any count moved")] = None,
    force: Annotated[bool, typer.Option("--force", help="let --save overwrite its file")] = False,
    counters: Annotated[str | None, typer.Option(help=COUNTERS)] = None,
) -> None:
    """Count parameters and multiply-adds exactly, part by part, with the published convention beside them.

    --check counts again what its file holds (with --model: these models of it), and in GitHub Actions also writes
    ::error:: lines and a step summary.
    """
    from ..benchmark.counting.flops import PARTS, flops_row
    from ..pose.models.architectures import MODELS
    from ..pose.models.choices import choose_models
    from ..reports.tables import FLOPS_COLUMNS

    gc.freeze()
    if check is not None:
        others = {
            "--mask": mask, "--ratios": ratios, "--dataset": dataset, "--input-size": input_size, "--save": save,
            "--as-published": as_published, "--joint-mask": joint_mask, "--decoder": decoder, "--counters": counters,
            "--force": force,
        }  # fmt: skip
        check_counts(check, words(model, "--model"), format, others)
        return
    dataset = dataset or DEFAULT
    if save is not None:
        check_new(save, "--save", force=force)
    fixed = {"dataset": dataset, "input_size": size(input_size), "as_published": as_published}
    if save is not None and (joint_mask or as_published):
        raise InputError(
            "--save holds models by name, mask, ratio and decoder: leave out --joint-mask and --as-published"
        )
    chosen = choose_models(
        words(model, "--model") or list(MODELS),
        masks_of(mask),
        numbers(ratios, "--ratios"),
        joint_mask=joint_mask,
        decoder=decoder,
        **fixed,
    )
    if counters is not None:
        from ..benchmark.counting.counters import compare_counters
        from ..pose.models.zoo import create_model

        if save is not None:
            raise InputError("--counters with --save: a saved file holds posebench's counts; leave one out")
        made = [(config.label, create_model(config)) for config in chosen]
        compared = compare_counters(made, words(counters, "--counters"))
        print_rows(compared, list(compared[0]), format, COUNTERS_CAPTION)
        return
    rows = [flops_row(config) for config in chosen]
    if save is not None:
        from ..reports.analysis.flop_check import save_counts

        save_counts(save, rows)
    columns = [*FLOPS_COLUMNS[:9], *ADDED, *FLOPS_COLUMNS[9:], "parts"] if format == "json" else FLOPS_COLUMNS
    adaptive = {config.reduction.name: None for config in chosen if find_reduction(config.reduction.name).adaptive}
    caption = CAPTION + "".join(map(AT_MOST.format, adaptive))
    print_rows(rows, list(rows[0]) if format == "csv" else columns, format, caption, wide=wide)
    if format in ("table", "markdown"):
        print()
        parts = [f"gflops_{part}" for part in PARTS]
        print_rows(rows, ["model", "mask", "mask_ratio", *parts], format, PARTS_CAPTION, wide=wide)


ADDED = ("macs", "macs_transformer", "positions", "as_published")
