"""`posebench profile --deployed`: what an image with so many people costs, crops and decoding included."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from .measured import tell_left_out
from .options import Bar, count, print_rows

CAPTION = (
    "{}. ms/image: median for a picture of 480x640 in memory: crop (warp and normalise) and decode per person, "
    "the network once for all of them{}. Each stage is timed alone, too. Saved: against the unmasked model in the same "
    "runtime."
)


def print_deployed(
    asked: Mapping[str, Any],
    where: Mapping[str, Any],
    people: Sequence[int],
    flip: bool,
    format: str,
    wide: bool,
    quiet: bool,
) -> None:
    """Profile each model that is `asked` for (choose_models) as deployed, and print the table."""
    import torch

    from ..benchmark.profiling.config import ProfileConfig
    from ..benchmark.profiling.deployed import profile_deployed
    from ..pose.models.choices import choose_models

    how = ProfileConfig.of(dict(where))
    tell_left_out(how)
    with Bar("profile", quiet) as bar:
        chosen = choose_models(**asked, baseline=True)
        rows = profile_deployed(chosen, how, people=people, flip=flip, progress=bar)
    shown = None
    if format in ("table", "markdown"):
        shown = [_told(row) for row in rows]
    flipped = ", and once more for their mirror images" if flip else ""
    caption = CAPTION.format(f"{count(rows[0]['threads'], 'thread')}, torch {torch.__version__}", flipped)
    print_rows(shown or rows, list((shown or rows)[0]), format, caption, wide=wide)


def _told(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as people read it."""
    told = {name: row[name] for name in ("model", "mask", "mask_ratio", "runtime", "dtype", "people")}
    told["ms/image"] = f"{row['ms_per_image']:.2f}{' !' if row['unstable'] else ''}"
    told |= {f"{stage} ms": f"{row[f'{stage}_ms']:.2f}" for stage in ("network", "crop", "decode")}
    for what in ("network", "deployed"):
        saved = row[f"saved_{what}"]
        told[f"saved {what} %"] = "" if saved is None else f"{100 * saved:+.1f}"
    return told
