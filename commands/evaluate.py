"""`posebench eval`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..pose.errors import InputError
from ..pose.metrics import AP
from ..sweeps.checked import MOST_IMAGES
from .artifact_gate import gate
from .data_options import Data, DatasetName, Workers, data_folder
from .model_options import (
    AsPublished,
    Decoder,
    InputSize,
    JointMask,
    Mask,
    Model,
    PositionType,
    Precision,
    Ratio,
    Runtime,
    make_model,
)
from .options import (
    LARGEST_SEED,
    Bar,
    Deterministic,
    Device,
    Format,
    Quiet,
    Tf32,
    Threads,
    check_new,
    on_or_off,
    print_rows,
    set_threads,
    whole,
)

Boxes = Annotated[str, typer.Option(help="gt, or a detection file")]

EVAL_EXAMPLES = """
Examples:

  posebench eval --weights runs/tiny/best.pt                             as it was trained

  posebench eval --weights runs/tiny/best.pt --mask random --ratio 0.6   under another mask

  posebench eval --model tmpose_l --weights tmpose_l.pth --data /data/coco --boxes detections.json

  posebench eval --artifact tmpose_l.onnx --weights tmpose_l.pth --data /data/coco --margin 0.002
"""

EVAL_COLUMNS = (
    "model", "dataset", "mask", "mask_ratio", "runtime", "dtype", "eval_people", "ap", "ap_ci_low", "ap_ci_high",
    "ap50", "ap75", "ap_m", "ap_l", "ap_easy", "ap_medium", "ap_hard", "ar", "pckh", "pckh_ci_low", "pckh_ci_high",
    "pckh_01", "loss",
)  # fmt: skip


def register(app: typer.Typer) -> None:
    """Add the command of this file to the command line."""
    app.command("eval", rich_help_panel="Train and evaluate", epilog=EVAL_EXAMPLES)(evaluate)


def evaluate(
    model: Model = None,
    weights: Annotated[
        Path | None, typer.Option(help="weights file; a checkpoint brings its model and mask (default: untrained)")
    ] = None,
    mask: Mask = None,
    ratio: Ratio = None,
    joint_mask: JointMask = None,
    decoder: Decoder = None,
    data: Data = None,
    dataset: DatasetName = None,
    boxes: Boxes = "gt",
    input_size: InputSize = None,
    batch_size: Annotated[int, whole("people at a time", 1, MOST_IMAGES)] = 32,
    flip_test: Annotated[
        bool, typer.Option("--flip-test/--no-flip-test", help="average with the mirrored crop")
    ] = True,
    decode: Annotated[
        str | None, typer.Option(help="dark, hrnet or udp: decoding and crop convention (default: the model's own)")
    ] = None,
    device: Device = "cpu",
    runtime: Runtime = "eager",
    precision: Precision = "float32",
    tf32: Tf32 = "off",
    deterministic: Deterministic = False,
    workers: Workers = 0,
    threads: Threads = None,
    as_published: AsPublished = False,
    position_type: PositionType = None,
    seed: Annotated[
        int | None,
        whole("of random masks, and of untrained weights (default: what the weights had, else 0)", 0, LARGEST_SEED),
    ] = None,
    save_results: Annotated[Path | None, typer.Option(help="write COCO's submission file")] = None,
    artifact: Annotated[
        Path | None,
        typer.Option(
            help="a file of `posebench export`: score it, and its difference to eager with --weights on the same "
            "people, also by their size; exit 1 beyond --margin, with the layer at which the two part"
        ),
    ] = None,
    margin: Annotated[
        float | None, typer.Option(help="of --artifact: largest difference of the metric (default: AP 0.005)")
    ] = None,
    format: Format = "table",
    quiet: Quiet = False,
) -> None:
    """Evaluate a model: AP (of MPII: PCKh), with a 95 % interval from resampling images."""
    import torch

    from ..benchmark.instruments.device import use_device
    from ..benchmark.profiling.config import RunConfig
    from ..benchmark.profiling.running import Running
    from ..benchmark.runtimes.registry import check_runtime
    from ..pose.evaluation.decode import convention_of
    from ..pose.evaluation.evaluate import evaluate as run
    from ..pose.people.folder import load_people

    target = use_device(device, tf32=on_or_off(tf32, "--tf32"), deterministic=deterministic)
    where = RunConfig(device, threads, precision, runtime, on_or_off(tf32, "--tf32"))
    check_runtime(runtime, precision, target.type)
    set_threads(threads)
    if save_results is not None:
        check_new(save_results, "--save-results")
    torch.manual_seed(seed or 0)
    root, which = data_folder(data, dataset, quiet)
    if save_results is not None and which.metric is not AP:
        raise _no_submission(save_results)
    described = {
        "name": model, "dataset": which, "mask": mask, "mask_ratio": ratio, "input_size": input_size,
        "as_published": as_published, "position_type": position_type, "seed": seed, "joint_mask": joint_mask,
        "decoder": decoder,
    }  # fmt: skip
    if artifact is not None:
        others = {
            "--decode": decode, "--save-results": save_results, "--device": target.type != "cpu",
            "--runtime": runtime != "eager", "--precision": precision != "float32",
        }  # fmt: skip
        if given := [option for option, value in others.items() if value]:
            raise InputError(f"{given[0]} with --artifact, which is scored as it is deployed: leave it out")
        run_options = {"flip_test": flip_test, "batch_size": batch_size, "workers": workers}
        gate(
            artifact, described, weights, root, boxes, dataset, margin=margin, threads=threads, format=format,
            quiet=quiet, **run_options,
        )  # fmt: skip
        return
    if margin is not None:
        raise InputError("--margin is of --artifact: leave it out")
    made = make_model(weights=weights, **described)
    crops = {"input_size": made.spec.input_size, "convention": convention_of(decode or made.spec.convention)}
    split = load_people(root, "val", boxes=boxes, dataset=dataset, **crops)
    running = None if where.is_reference else Running(made, where, target, str(root))
    with Bar("evaluating", quiet) as bar:
        found = run(
            made if running is None else running,
            split,
            batch_size=batch_size,
            flip_test=flip_test,
            device=target if running is None else "cpu",
            decode=decode,
            as_published=made.spec.as_published,
            workers=workers,
            progress=bar,
        )
    if save_results is not None:
        _save_results(save_results, found)
    spec = made.spec
    row: dict[str, Any] = {
        "model": spec.name, "dataset": which.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio,
        "boxes": Path(boxes).name, "flip_test": flip_test, "eval_people": found.num_people, **found.metrics,
    }  # fmt: skip
    if running is not None:
        row |= running.columns()
    for name, (low, high) in found.ci.items():
        row |= {f"{name}_ci_low": low, f"{name}_ci_high": high}
    print_rows([row], EVAL_COLUMNS if format in ("table", "markdown") else None, format)
    for note in found.notes if format == "table" else ():
        print(note)
    if weights is None and format == "table":
        print("no --weights were given: these are the scores of an untrained model")


def _no_submission(path: Path) -> InputError:
    return InputError(f"{path}: submission files are COCO's; this data set has none")


def _save_results(path: Path, found: Any) -> None:
    from ..pose.evaluation.coco_metrics import write_results

    if not isinstance(found.predictions, list):
        raise _no_submission(path)
    write_results(path, found.predictions)
