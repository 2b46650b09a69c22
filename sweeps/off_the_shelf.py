"""Reductions on weights that were not trained with them: which of them can, and what they take from training people."""

from __future__ import annotations

from dataclasses import replace

from ..benchmark.counting.flops import untrained_model
from ..pose.errors import InputError
from ..pose.models.weights_file import read_weights
from ..pose.reductions import UNMASKED, find_reduction
from ..reports.analysis.wording import listed
from .config import WEIGHTS, CellConfig
from .data import DataFacts


def with_own_modules(cells: list[CellConfig], weights: str, data: DataFacts) -> list[CellConfig]:
    """The cells of one model on given weights. One whose reduction has modules of its own that the weights do not hold,
    and that the training people fill without training, depends on their annotations.

    Raises InputError naming the reductions that would have to be trained, or that the training people are missing.
    """
    held = read_weights(weights).tensors.keys()
    found, untrained = [], {}
    for cell in cells:
        reduction = find_reduction(cell.model.reduction.name)
        if cell.train.mode != WEIGHTS or reduction.modules is None or _own_entries(cell) <= held:
            found.append(cell)
        elif reduction.gather is None:
            untrained[cell.model.mask] = None
        elif data.train_hash is None:
            raise InputError(
                f"--mask {cell.model.mask} looks at the people of the training split, and {data.root} has none that can"
                " be read; leave it out"
            )
        else:
            found.append(replace(cell, train=replace(cell.train, data=data.train_hash)))
    if untrained:
        one = len(untrained) == 1
        has = "has trained weights of its own" if one else "have trained weights of their own"
        raise InputError(
            f"--mask {','.join(untrained)}: {listed(list(untrained))} {has}, which {weights} does not hold; train with"
            f" --finetune, or leave {'it' if one else 'them'} out"
        )
    return found


def _own_entries(cell: CellConfig) -> set[str]:
    """Names of what the model has because of its reduction."""
    unmasked = replace(cell.model, reduction=UNMASKED)
    return set(untrained_model(cell.model).state_dict()) - set(untrained_model(unmasked).state_dict())
