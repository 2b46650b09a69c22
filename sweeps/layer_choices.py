"""The layers and ratios of each reduction that meet an exact budget; nothing is run or trained for it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from ..benchmark.counting.flops import flops_row, untrained_model
from ..pose.errors import InputError
from ..pose.models.config import ModelConfig
from ..pose.reductions import UNMASKED, ReductionConfig, find_reduction, reduction_config
from ..pose.reductions.params import LAYERS
from ..pose.reductions.schedule import every_block, quarters
from .budgets import ratio_within

Progress = Callable[..., None]
#: a ratio that every reduction can reach
SOME = 0.1


@dataclass(frozen=True)
class Choice:
    """A reduction that meets the budget. layers: its blocks; () for before the first one. kept: what is left at each
    of these, or before the first block. gflops_t: exact, gflops: of the whole model."""

    reduction: ReductionConfig
    layers: tuple[int, ...]
    kept: tuple[int, ...]
    tokens: int
    gflops_t: float
    gflops: float

    @property
    def keep_ratios(self) -> tuple[float, ...]:
        """The share of the tokens there that each layer keeps."""
        before = (self.tokens, *self.kept[:-1])
        return tuple(left / total for left, total in zip(self.kept, before, strict=True))


def choices_within(
    model: ModelConfig, masks: Sequence[ReductionConfig], budget: float, progress: Progress | None = None
) -> tuple[list[Choice], list[str]]:
    """Each mask in each of its layer choices at the smallest ratio within the budget (GFLOPsT), and a sentence on each
    that never gets there. InputError where the unmasked model is within the budget already."""
    unmasked = flops_row(replace(model, reduction=UNMASKED))
    if unmasked["gflops_t"] <= budget:
        raise InputError(
            f"budget of {budget:g} GFLOPsT: unmasked, {model.name} costs {unmasked['gflops_t']:.6g} already"
        )
    blocks = blocks_of(model)
    asked = [reduction for mask in masks for reduction in in_layers(model, mask, blocks)]
    found, out_of_reach = [], []
    for done, reduction in enumerate(asked, start=1):
        try:
            found.append(_within(model, reduction, budget, unmasked["tokens_total"]))
        except InputError as error:
            out_of_reach.append(f"{reduction.text}: {error}")
        if progress:
            progress(done, len(asked))
    return found, out_of_reach


def blocks_of(model: ModelConfig) -> int:
    """Transformer blocks that visual tokens go through."""
    return untrained_model(replace(model, reduction=UNMASKED)).transformer.schedule.blocks


def in_layers(model: ModelConfig, mask: ReductionConfig, blocks: int) -> list[ReductionConfig]:
    """The mask where it acts by default, then in the quarters of the network, these one block earlier and one later,
    and in every block. As it is where its layers are given, it has none to choose, or it fixes what it leaves."""
    if mask.is_fixed or not takes_layers(mask) or mask.get("layers") is not None:
        return [mask]
    default = untrained_model(replace(model, reduction=reduction_config(mask, SOME))).transformer.mask.layers
    middle = quarters(blocks)
    others = [middle, tuple(at - 1 for at in middle), tuple(at + 1 for at in middle), every_block(blocks)]
    fitting = [own for own in others if own != default and own[0] >= 0 and own[-1] < blocks]
    return [mask, *(reduction_config(mask, None, {"layers": own}) for own in dict.fromkeys(fitting))]


def takes_layers(mask: ReductionConfig) -> bool:
    return find_reduction(mask.name).param(LAYERS.name) is not None


def counted(model: ModelConfig, reduction: ReductionConfig) -> Choice:
    """The reduction with its exact counts. InputError where the model cannot be made with it."""
    config = replace(model, reduction=reduction)
    row, schedule = flops_row(config), untrained_model(config).transformer.schedule
    layers = tuple(at for at, _ in schedule.steps)
    kept = tuple(left for _, left in schedule.steps) or (row["tokens_kept"],)
    return Choice(reduction, layers, kept, row["tokens_total"], row["gflops_t"], row["gflops"])


def _within(model: ModelConfig, reduction: ReductionConfig, budget: float, tokens: int) -> Choice:
    if not reduction.is_fixed:
        reduction = reduction_config(reduction, ratio_within(model, reduction, budget, tokens))
    found = counted(model, reduction)
    if found.gflops_t > budget:
        raise InputError(f"budget of {budget:g} GFLOPsT: it costs {found.gflops_t:.6g}")
    return found
