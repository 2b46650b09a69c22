"""`posebench eval --artifact`: whether the file that is deployed scores as the network that it was made from."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import typer

from ..pose.errors import InputError
from .model_options import make_model
from .options import Bar, count, print_json, print_rows


def gate(
    artifact: Path,
    described: dict[str, Any],
    weights: Path | None,
    root: Path,
    boxes: str,
    dataset: str | None,
    *,
    margin: float | None,
    threads: int | None,
    format: str,
    quiet: bool,
    **options: Any,
) -> None:
    """Score the file and eager float32 of the same configuration on the same people. Exit 1 beyond the margin.

    described: arguments of make_model, None where the file's own hold. options: flip_test, batch_size, workers.
    """
    import torch

    from ..benchmark.artifacts.file_model import open_file
    from ..benchmark.artifacts.gate import run_gate
    from ..benchmark.artifacts.metadata import weights_digest
    from ..pose.evaluation.decode import convention_of
    from ..pose.evaluation.evaluate import evaluate
    from ..pose.people.folder import load_people

    file = open_file(artifact, threads)
    torch.manual_seed(described["seed"] or file.spec.others.get("seed") or 0)
    eager = make_model(weights=weights, **_as_in_file(described, file.spec, weights))

    def people(spec: Any) -> Any:
        crops = {"input_size": spec.input_size, "convention": convention_of(spec.convention)}
        return load_people(root, "val", boxes=boxes, dataset=dataset, **crops)

    metric = people(eager.spec).dataset.metric
    if weights is None and file.spec.weights != weights_digest(eager):
        if margin is not None:
            raise InputError("--margin without --weights: there is no network to compare with; give its weights")
        with Bar("evaluating", quiet) as bar:
            found = evaluate(file, people(file.spec), progress=bar, **options)
        low, high = found.ci[metric.column]
        if format != "table":
            print_rows([{"artifact": str(artifact), **found.metrics, "ci_low": low, "ci_high": high}], None, format)
        else:
            value = found.metrics[metric.column]
            people_text = count(found.num_people, "person", "people")
            print(f"{artifact}: {metric.name} {metric.text(value)} ({low:.4f} to {high:.4f}), {people_text}")
            print("give --weights of its network for the difference to eager")
        return
    limit = 0.005 * metric.full_scale if margin is None else margin
    if not 0 <= limit <= metric.full_scale:
        raise InputError(f"--margin {limit:g}: give a difference of {metric.name}, from 0 to {metric.full_scale:g}")
    with Bar("evaluating", quiet) as bar:
        found = run_gate(file, eager, (people(file.spec), people(eager.spec)), margin=limit, progress=bar, **options)
    if format == "json":
        about = {"artifact": str(artifact), "metric": metric.column, "margin": limit, "passed": found.passed}
        print_json(about | dataclasses.asdict(found) | {"where": found.where()})
    elif format != "table":
        print_rows(map(dataclasses.asdict, found.groups), None, format)
    else:
        _print(artifact, found, metric, limit)
    if not found.passed:
        raise typer.Exit(1)


def _as_in_file(described: dict[str, Any], spec: Any, weights: Path | None) -> dict[str, Any]:
    """What is asked for, and the file's configuration where nothing is. Code that only a file names is not run."""
    saved = {
        "name": spec.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio,
        "input_size": "x".join(map(str, spec.input_size)), "as_published": spec.as_published or None,
        **{name: spec.others.get(name) for name in ("seed", "position_type", "joint_mask", "decoder")},
    }  # fmt: skip
    for option, name in (("--model", "name"), ("--mask", "mask")):
        if described[name] is None and ":" in str(saved[name]):
            raise InputError(f"the file is of {saved[name]}, a user's own code, which only {option} may name: give it")
    if described["mask"] is not None:
        saved["mask_ratio"] = None
    return {name: saved.get(name) if value is None else value for name, value in described.items()}


def _print(artifact: Path, found: Any, metric: Any, margin: float) -> None:
    from rich.console import Console

    from ..reports.tables import text_table

    header = ["people (size, px)", "", f"{metric.name} of the file", "eager", "difference", "margin"]
    cells = [
        (
            group.people, str(group.count), f"{group.score:.3f} [{group.score_low:.3f}, {group.score_high:.3f}]",
            f"{group.eager:.3f}", f"{group.difference:+.4f} [{group.low:+.4f}, {group.high:+.4f}]", group.verdict,
        )
        for group in found.groups
    ]  # fmt: skip
    table = text_table(header, cells, [False, *[True] * 4, False])
    Console(highlight=False, width=10_000).print(table)
    stages = found.stages
    print(
        f"on the people that differ most: heatmaps {stages.heatmaps:.1e} apart, with the flip {stages.flipped:.1e}, "
        f"keypoints {stages.keypoints:.2g} px; {found.moved} people moved by more than a pixel"
    )
    for sentence in found.where():
        print(sentence)
    verdict = "passed" if found.passed else "FAILED"
    print(f"{artifact}: {verdict}: margin {margin:g} {metric.name}, by the interval of the paired difference")
