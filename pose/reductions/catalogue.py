"""Our reductions, as a table to compare with the papers. A new one is a file beside this one and an entry here."""

from __future__ import annotations

from .descriptor import CUT, GROUP, MERGE, Look, Reduction
from .params import KEEP_RATIO, LAYERS, Param, one_of, whole_numbers
from .schedule import EVENLY, OF_ALL, every_block, quarters

TMPOSE = "TMPose (doi 10.32604/cmc.2025.059006)"
_HERE = "posebench.pose.reductions"

_TABLE = (
    Reduction("none", f"{_HERE}.none:keep_all", "every token stays"),
    Reduction(
        "random",
        f"{_HERE}.random:random",
        "a random subset per sample, fresh at each training step",
        source=f"{TMPOSE}, random mask",
        params=(LAYERS,),
        control=True,
        look=Look("#d55e00", "#ff8a3d", "s"),
    ),
    Reduction(
        "uniform",
        f"{_HERE}.uniform:uniform",
        "an even subset of the sequence, the same for all",
        source=f"{TMPOSE}, uniform mask",
        params=(LAYERS,),
        control=True,
        look=Look("#c48800", "#f0b840", "^"),
    ),
    Reduction(
        "block",
        f"{_HERE}.block:block",
        "one contiguous run is kept in each of four zones",
        source=f"{TMPOSE}, block mask",
        published_as="first",
        control=True,
        look=Look("#3b93c8", "#9ad4f7", "v"),
    ),
    Reduction(
        "semantic",
        f"{_HERE}.semantic:semantic",
        "keeps what some keypoint token attends to most, by the first block's own queries and keys",
        look=Look("#0072b2", "#56b4f0", "o"),
    ),
    Reduction(
        "scorer",
        f"{_HERE}.scorer:scorer",
        "keeps what a linear scorer, trained on where the joints are, puts first",
        modules=f"{_HERE}.scorer:modules",
        look=Look("#00855f", "#2fc796", "D"),
    ),
    Reduction(
        "norm",
        f"{_HERE}.norm:norm",
        "keeps what lies farthest from the mean token",
        look=Look("#b65a93", "#e48fc2", "P"),
    ),
    Reduction(
        "first",
        f"{_HERE}.block:first",
        "keeps the first tokens: what TMPose's code does under the name block",
        source="TMPose's code",
        control=True,
    ),
    Reduction(
        "prune",
        f"{_HERE}.prune:prune",
        "drops what the keypoint tokens look at least, in three blocks",
        source="PPT (arXiv 2209.08194), section 3.2",
        layers=quarters,
        amounts="keep_ratio",
        needs="weights",
        params=(LAYERS, KEEP_RATIO),
        look=Look("#8a5a3c", "#cf9a78", "p"),
    ),
    Reduction(
        "tome",
        f"{_HERE}.tome:merge",
        "merges the most similar tokens, in every block",
        source="ToMe (arXiv 2210.09461), section 3",
        kind=MERGE,
        restore=GROUP,
        layers=every_block,
        plan=EVENLY,
        amounts="r",
        params=(LAYERS, Param("r", "tokens merged at each layer, one for all or one each", whole_numbers)),
        look=Look("#6b5bb5", "#a99cf0", "X"),
    ),
    Reduction(
        "sparse",
        f"{_HERE}.sparse:prune_connections",
        "cuts the weakest attention connections between visual tokens, after three blocks; no token goes",
        source="Improved TokenPose with Sparsity (arXiv 2311.09653)",
        kind=CUT,
        layers=quarters,
        plan=OF_ALL,
        amounts="keep_ratio",
        needs="weights",
        params=(
            LAYERS,
            KEEP_RATIO,
            Param(
                "execution",
                "dense (cut connections are computed and masked) or gather (only the others are computed)",
                one_of("dense", "gather"),
                "dense",
            ),
        ),
        published_as="none",
        look=Look("#a3174b", "#f0709c", "<"),
    ),
)
REDUCTIONS: dict[str, Reduction] = {reduction.name: reduction for reduction in _TABLE}
