"""Token reductions: what lessens the work on visual tokens, before the first block and between the blocks.

One is a pure function (tokens, context, how many to leave) -> (tokens, Selected) and a descriptor, `Reduction`, that
says all the rest of posebench knows of it. Ours are a file each here, listed in catalogue.py. Importing this package
imports no torch.
"""

from __future__ import annotations

from .config import NONE, UNMASKED, ReductionConfig, check_ratio, reduction_config
from .descriptor import CUT, DROP, MERGE, Look, Reduction
from .params import Param, split_reductions
from .registry import check_mask, find_reduction, reduction_names

__all__ = [
    "CUT", "DROP", "MERGE", "NONE", "UNMASKED", "Look", "Param", "Reduction", "ReductionConfig", "check_mask",
    "check_ratio", "find_reduction", "reduction_config", "reduction_names", "split_reductions",
]  # fmt: skip
