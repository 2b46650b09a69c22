"""`posebench search`: layers and ratios that meet an exact budget, listed, or tried out on a trained model."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..pose.datasets.registry import DEFAULT
from ..pose.errors import InputError
from ..sweeps.checked import MOST_IMAGES
from .data_options import Data, data_folder
from .model_options import DATASET_NAMES, MASKS, masks_of
from .options import Bar, Device, Format, Quiet, print_rows, size, whole

if TYPE_CHECKING:
    from ..sweeps.layer_choices import Choice

EXAMPLES = """
Examples:

  posebench search --model tmpose_l --budget gflops_t:1.8

  posebench search --model tmpose_tiny --budget gflops_t:0.021 --mask prune,tome

  posebench search --budget gflops_t:0.021 --mask prune,tome --weights runs/tiny/best.pt --trials 40 --out runs/search
"""
COLUMNS = ("mask", "mask_ratio", "layers", "kept", "keep_ratios", "gflops_t", "gflops", "under_budget")
CAPTION = (
    "Each at the smallest ratio whose exact count of multiply-adds is within the budget; kept: tokens left at each of"
    " the layers (blocks from 0), keep_ratios: the share of those there. Nothing was"
    " trained or run. --format csv has each mask as --mask takes it."
)


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("search", rich_help_panel="Count and measure", epilog=EXAMPLES)(search)


def search(
    budget: Annotated[str, typer.Option(help="1e9 multiply-adds behind the backbone: gflops_t:1.8")],
    model: Annotated[
        str | None, typer.Option(help="a model of `posebench models` (default: that of --weights, else tmpose_tiny)")
    ] = None,
    mask: Annotated[
        str | None, typer.Option(help=f"separated by commas: {MASKS} (default: all; with --trials the weights' own)")
    ] = None,
    dataset: Annotated[
        str | None, typer.Option(help=f"{DATASET_NAMES} (default: {DEFAULT}, or what --data is)")
    ] = None,
    input_size: Annotated[str | None, typer.Option(help="crop as HEIGHTxWIDTH (default: the model's own)")] = None,
    trials: Annotated[
        int | None, whole("search the accuracy of --weights over layers and ratios, so many tried", 1)
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="trained model that is evaluated at every trial")] = None,
    data: Data = None,
    people: Annotated[int | None, whole("judge by about so many people (default: all)", 1)] = None,
    out: Annotated[Path | None, typer.Option(help="folder of the search, which the same command continues")] = None,
    seed: Annotated[int, whole("of the search")] = 0,
    batch_size: Annotated[int, whole("people at a time", 1, MOST_IMAGES)] = 32,
    flip_test: Annotated[
        bool, typer.Option("--flip-test/--no-flip-test", help="average with the mirrored crop")
    ] = True,
    device: Device = "cpu",
    format: Format = "table",
    quiet: Quiet = False,
) -> None:
    """List the layers and ratios of each reduction that meet an exact budget; with --trials, search them for accuracy.

    Counting takes no weights and runs nothing. --trials evaluates the trained model of --weights as it is under each
    candidate (Optuna: pip install 'posebench[search]'); a candidate over the budget is never evaluated.
    """
    from ..sweeps.request_values import read_budget

    limit = read_budget(budget)
    others = {"--weights": weights, "--data": data, "--people": people, "--out": out}
    if trials is None:
        if given := [option for option, value in others.items() if value is not None]:
            raise InputError(f"{given[0]} without --trials: listing needs no weights and no data; leave it out")
        _list(limit, model, mask, dataset, size(input_size), format, quiet)
        return
    if missing := [option for option in ("--weights", "--out") if others[option] is None]:
        raise InputError(f"--trials needs {missing[0]}")
    from ..benchmark.instruments.device import check_device
    from ..sweeps.trials import Search, run_search

    root, _ = data_folder(data, dataset, quiet)
    asked = Search(
        budget=limit, trials=trials, weights=weights, data=root, dataset=dataset, model=model,
        masks=tuple(masks_of(mask)), input_size=size(input_size), people=people, seed=seed, batch_size=batch_size,
        flip_test=flip_test, device=str(check_device(device)),
    )  # fmt: skip
    with Bar("trials", quiet) as bar:
        found = run_search(asked, out, bar)
    rows = [
        _row(trial.choice, limit, format == "table") | {found.metric.column: trial.score} for trial in found.best(10)
    ]
    print_rows(rows, [found.metric.column, *COLUMNS], format)
    if format == "table":
        print(found.sentence)


def _list(
    limit: float, model: str | None, mask: str | None, dataset: str | None, shape: Any, format: str, quiet: bool
) -> None:
    from ..pose.models.choices import choose_models
    from ..pose.reductions import reduction_config, reduction_names
    from ..sweeps.layer_choices import choices_within
    from .model_options import DEFAULT_MODEL

    (config,) = choose_models([model or DEFAULT_MODEL], ["none"], [], dataset=dataset or DEFAULT, input_size=shape)
    masks = [one for text in masks_of(mask) or reduction_names() if not (one := reduction_config(text)).is_none]
    if not masks:
        raise InputError(f"--mask {mask}: drops nothing; name one that does, such as prune")
    with Bar("counting", quiet) as bar:
        found, out_of_reach = choices_within(config, masks, limit, bar)
    if found:
        caption = f"{config.name} within {limit:g} GFLOPsT. {CAPTION}"
        print_rows([_row(choice, limit, format == "table") for choice in found], COLUMNS, format, caption)
    for sentence in out_of_reach:
        typer.echo(sentence, err=True)
    if not found:
        raise typer.Exit(1)


def _row(choice: Choice, limit: float, short: bool) -> dict[str, Any]:
    """short: for a table, which has the layers once, and of many the first and the last."""
    reduction, ratios = choice.reduction, [f"{ratio:.3g}" for ratio in choice.keep_ratios]
    if short:
        reduction = replace(reduction, params=tuple(pair for pair in reduction.params if pair[0] != "layers"))
    join = _ends if short else "|".join
    return {
        "mask": reduction.text,
        "mask_ratio": choice.reduction.ratio,
        "layers": join(list(map(str, choice.layers))) or "before 0",
        "kept": join(list(map(str, choice.kept))),
        "keep_ratios": join(ratios),
        "gflops_t": choice.gflops_t,
        "gflops": choice.gflops,
        "under_budget": f"{limit - choice.gflops_t:.6f}",
    }


def _ends(parts: list[str]) -> str:
    return "|".join(parts) if len(parts) < 6 else f"{parts[0]}|{parts[1]}|..|{parts[-1]}"
