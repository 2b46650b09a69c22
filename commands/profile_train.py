"""`posebench profile --train`: where the time of a training step goes."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from .options import Bar, count, print_rows, set_threads

CAPTION = (
    "{}. ms: median over steps, one stage after the other, of a batch of so many crops; share of their sum. Training "
    "makes its batches (read to collate) beside the step before: crops/s is measured so."
)


def print_training(
    asked: dict[str, Any],
    fixed: dict[str, Any],
    data: Path | None,
    dataset: str | None,
    batch_sizes: Sequence[int | None],
    how: dict[str, Any],
    format: str,
    wide: bool,
    quiet: bool,
) -> None:
    """Profile the training of each model that is `asked` for (choose_models) with `fixed` options; print the table."""
    import torch

    from ..benchmark.instruments.device import check_count, use_device
    from ..benchmark.profiling.training import profile_training
    from ..pose.models.choices import choose_models
    from ..pose.models.zoo import create_model, is_tiny
    from ..pose.people.folder import load_people
    from ..pose.training.recipe import TINY_RECIPE, paper_recipe
    from .data_options import data_folder

    device, threads = use_device(how.pop("device"), tf32=how.pop("tf32")), how.pop("threads")
    set_threads(threads)
    batch_sizes = [check_count("batch size", size) for size in batch_sizes]
    root, which = data_folder(data, dataset, quiet)
    rows: list[dict[str, Any]] = []
    with Bar("profile", quiet) as bar:
        for config in choose_models(**asked, dataset=which, **fixed):
            torch.manual_seed(0)
            spec = create_model(config).spec
            recipe = TINY_RECIPE if is_tiny(spec.name) else paper_recipe(which)
            people = load_people(root, "train", input_size=spec.input_size, convention=spec.convention, dataset=dataset)
            for batch_size in batch_sizes:
                batch_size = batch_size or recipe.batch_size
                chosen = dataclasses.replace(recipe, batch_size=batch_size)
                found = profile_training(create_model(config), people, chosen, device=device, progress=bar, **how)
                named = {"model": spec.name, "mask": spec.mask, "mask_ratio": spec.mask_ratio, "batch": batch_size}
                rows += [named | row for row in found]
    caption = CAPTION.format(f"{device}, {count(torch.get_num_threads(), 'thread')}, torch {torch.__version__}")
    if format in ("table", "markdown"):
        for row in rows:
            row["ms"], row["share"] = f"{row['ms']:.2f}", f"{row['share']:.1%}"
            row["crops_per_s"] = f"{row['crops_per_s']:.0f}" if "crops_per_s" in row else ""
    print_rows(rows, list(rows[-1]), format, caption, wide=wide)
