"""`posebench export`: a model as the file that another runtime runs."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from ..benchmark.artifacts.formats import FORMATS, Format, find_format, known_format
from ..pose.errors import InputError
from .model_options import (
    DATASET_NAMES,
    DEFAULT_MODEL,
    MASKS,
    OWN,
    RATIOS,
    AsPublished,
    Decoder,
    InputSize,
    JointMask,
    PositionType,
    make_model,
    masks_of,
)
from .options import LARGEST_SEED, Bar, Quiet, check_new, numbers, print_json, whole, words

EXAMPLES = """
Examples:

  posebench export tmpose_l --mask semantic --ratios 0.4 --weights tmpose_l.pth --out tmpose_l.onnx

  posebench export tmpose_tiny --mask tome,evit --ratios 0.2,0.4 --weights best.pt --out exported --dynamic-batch

  posebench export --check --mask my_masks:loud,tome --runtime onnx,openvino
"""
CHECK_RATIO = 0.4


def register(app: typer.Typer) -> None:
    """Add the commands of this file to the command line."""
    app.command("export", rich_help_panel="Train and evaluate", epilog=EXAMPLES)(export)


def export(
    models: Annotated[
        list[str] | None, typer.Argument(metavar="[MODEL]...", help="a model of `posebench models`; several to --check")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="the file; a folder for several masks or ratios")] = None,
    mask: Annotated[str | None, typer.Option(help=f"separated by commas: {MASKS} {OWN}")] = None,
    ratios: Annotated[str | None, typer.Option(help=f"{RATIOS} {OWN}")] = None,
    weights: Annotated[Path | None, typer.Option(help="weights file (default: none, an untrained network)")] = None,
    runtime: Annotated[
        str | None,
        typer.Option(
            help="onnx, openvino (an .xml with its .bin) or torch (torch.export's .pt2); several to --check, by commas"
        ),
    ] = None,
    dynamic_batch: Annotated[bool, typer.Option("--dynamic-batch", help="any batch size (default: 1)")] = False,
    normalise: Annotated[
        bool, typer.Option("--normalise", help="the file takes uint8 RGB and normalises it itself")
    ] = False,
    dataset: Annotated[str | None, typer.Option(help=f"{DATASET_NAMES} (default: the weights', else coco)")] = None,
    input_size: InputSize = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    seed: Annotated[int | None, whole("of random masks, and of untrained weights", 0, LARGEST_SEED)] = None,
    force: Annotated[bool, typer.Option("--force", help="overwrite files")] = False,
    check: Annotated[
        bool, typer.Option("--check", help="write nothing: try every mask (or those named) in every runtime")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="the findings of --check as JSON")] = False,
    quiet: Quiet = False,
) -> None:
    """Write a model for another runtime, one file for each mask and ratio, and check that it gives the same heatmaps.

    Exit 1 if a file differs from the model by more than 1e-4; it is written all the same, to be looked into. With
    --check: if anything that was asked for does not export, or differs.
    """
    described = {
        "dataset": dataset, "input_size": input_size, "as_published": as_published, "position_type": position_type,
        "seed": seed, "joint_mask": joint_mask, "decoder": decoder,
    }  # fmt: skip
    if check:
        named = {"--out": out, "--weights": weights, "--normalise": normalise, "--dynamic-batch": dynamic_batch}
        if given := [option for option, value in named.items() if value]:
            raise InputError(f"{given[0]} with --check, which writes nothing: leave it out")
        _check(models or [DEFAULT_MODEL], mask, ratios, runtime, described, json, quiet)
        return
    if not models or len(models) > 1 or out is None:
        what = "one MODEL" if not models or len(models) > 1 else "--out, the file to write"
        raise InputError(f"posebench export: give {what} (with --check, any number and no --out)")
    if json:
        raise InputError("--json is of --check: leave it out")
    form = find_format(runtime or "onnx")
    _write(form, models[0], out, mask, ratios, weights, described, dynamic_batch, normalise, force)


def _write(
    form: Format, model: str, out: Path, mask: str | None, ratios: str | None, weights: Path | None,
    described: dict[str, Any], dynamic_batch: bool, normalise: bool, force: bool,
) -> None:  # fmt: skip
    import torch

    from ..benchmark.artifacts.export import export as write
    from ..benchmark.runtimes.prepared import TOLERANCE

    names, gone = masks_of(mask) or [None], numbers(ratios, "--ratios") or [None]
    asked = list(dict.fromkeys((name, ratio) for name in names for ratio in gone))
    if len(asked) == 1:
        if form.beside and out.suffix != form.suffix:  # its other files are found by the same name
            raise InputError(f"--out {out}: give a name that ends in {form.suffix}")
        _check_new(form, out, force)
    elif out.exists() and not out.is_dir():
        raise InputError(f"{out}: is a file; give a folder for {len(asked)} masks and ratios")
    differ = 0
    for name, ratio in asked:
        torch.manual_seed(described["seed"] or 0)
        made = make_model(weights=weights, use="exported", name=model, mask=name, mask_ratio=ratio, **described).eval()
        if weights is None:
            typer.echo(f"{made.spec.name}: no --weights, so the network is untrained", err=True)
        label = f"{made.spec.mask} {made.spec.mask_ratio:g}"
        path = out if len(asked) == 1 else out / _file_name(f"{made.spec.name} {label}", form)
        if path.parent.is_dir():
            _check_new(form, path, force)
        with _into_place(form, path) as temporary:
            difference = write(made, temporary, form.name, dynamic_batch=dynamic_batch, normalise=normalise)
        equal = difference <= TOLERANCE
        differ += not equal
        verdict = "equal" if equal else "DIFFERENT"
        print(f"{path}: {made.spec.name}, {label}; {verdict}: heatmaps within {difference:.1e} of eager's")
    if differ:
        raise typer.Exit(1)


def _check(
    models: list[str], mask: str | None, ratios: str | None, runtime: str | None, described: dict[str, Any],
    json: bool, quiet: bool,
) -> None:  # fmt: skip
    import torch

    from ..benchmark.artifacts.lint import MISSING, check_exports
    from ..pose.reductions import reduction_names
    from ..pose.reductions.config import reduction_config

    runtimes = [known_format(name).name for name in words(runtime, "--runtime")] or list(FORMATS)
    masks = masks_of(mask) or reduction_names()
    given = numbers(ratios, "--ratios") or [CHECK_RATIO]
    asked = []
    for name in masks:
        config = reduction_config(name, None)
        asked += [(name, 0.0 if config.is_none else None if config.is_fixed else ratio) for ratio in given]
    pairs = list(dict.fromkeys((model, *pair) for model in models for pair in asked))
    found = []
    with Bar("exporting", quiet) as bar:
        for number, (model, name, ratio) in enumerate(pairs):
            bar(number, len(pairs), stage=f"{model} {name}")

            def make(model: str = model, name: str = name, ratio: float | None = ratio) -> Any:
                torch.manual_seed(described["seed"] or 0)
                return make_model(name=model, mask=name, mask_ratio=ratio, **described)

            found += check_exports(make, model, name, ratio, runtimes)
        bar(len(pairs), len(pairs), stage="done")
    if json:
        print_json([dataclasses.asdict(one) for one in found])
    else:
        _print_checks(found, runtimes, len(models) > 1)
    if any(not one.good and (one.verdict != MISSING or runtime is not None) for one in found):
        raise typer.Exit(1)


def _print_checks(found: list[Any], runtimes: list[str], several: bool) -> None:
    """One line per model and reduction, a column per runtime; below it what went wrong."""
    from rich.console import Console

    from ..reports.tables import text_table

    lines: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in found:
        ratio = "" if one.mask_ratio is None else f"{one.mask_ratio:g}"
        lines.setdefault((*([one.model] if several else []), one.mask, ratio), {})[one.runtime] = one
    cells = []
    for label, by_runtime in lines.items():
        form = next((one.form for one in by_runtime.values() if one.form), "")
        cells.append((*label, *(_verdict(by_runtime[runtime]) for runtime in runtimes), form))
    header = [*(["model"] if several else []), "mask", "ratio", *runtimes, "in the file"]
    Console(highlight=False, width=10_000).print(text_table(header, cells, [False] * len(header)))
    print("exports: the file was written and run; largest difference of a heatmap value to eager's")
    for one in found:
        if one.reason or one.fallbacks:
            said = one.reason or f"falls back to reference code for {one.fallbacks}"
            print(f"{one.model}, {one.mask}, {one.runtime}: {one.verdict}: {said}")


def _verdict(one: Any) -> str:
    if one.difference is None:
        return one.verdict
    return f"{one.verdict} {one.difference:.0e}" + ("*" if one.fallbacks else "")


@contextlib.contextmanager
def _into_place(form: Format, path: Path) -> Iterator[Path]:
    """A path in a folder of its own beside the target; at the end its files go to their places, the main one last."""
    from ..pose.files import atomic_path

    target = Path(os.path.realpath(path))
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=target.parent, prefix=f".{target.name}.")
    except OSError as error:
        raise InputError(f"{path}: cannot be written ({error.strerror or error})") from None
    with folder:
        written = Path(folder.name) / (target.stem + form.suffix)
        yield written
        for source, place in zip(form.files(written), form.files(path), strict=True):
            with atomic_path(place) as temporary:
                os.replace(source, temporary)


def _check_new(form: Format, path: Path, force: bool) -> None:
    for file in form.files(path):
        check_new(file, "--out", force=force)


def _file_name(label: str, form: Format) -> str:
    """Such as tmpose_l_prune_layers=3_6_9_0.4.onnx."""
    return re.sub(r"[^\w.=-]+", "_", label) + form.suffix
