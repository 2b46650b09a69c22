"""A reduction at its place in a model. Everything that choosing costs happens in here, so that it is counted as a part
of its own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from torch import nn

from ..errors import InputError
from ..plugins import load_object
from ..reductions.config import ReductionConfig
from ..reductions.context import Attended, Context, Selected
from ..reductions.descriptor import VALUE
from ..reductions.noise import evaluation_noise, training_noise
from ..reductions.registry import find_reduction
from ..reductions.schedule import Budget, Schedule, at_once, check_layers
from ..reductions.tokens import restore
from ..reductions.wide import HALF, as_given, under_autocast, wide
from .blocks import Block
from .shape import TransformerShape
from .token_state import TokenState


class TokenReducer(nn.Module):
    """What a `ReductionConfig` says, done: before the first block, or in some of the blocks.

    config: as asked for; `self.config` is the same with its ratio resolved. layers: where it acts, amounts: how much it
    leaves at each layer, if the configuration does not say (None: the reduction's own; by the ratio). draw: "sample"
    (each sample its own noise) or "batch" (one draw for the whole batch, as TMPose's code does).

    Raises InputError for layers that the model has not, or amounts that do not go with them or the ratio.
    """

    def __init__(
        self,
        config: ReductionConfig,
        shape: TransformerShape,
        *,
        layers: tuple[int, ...] | None = None,
        amounts: tuple[float, ...] | None = None,
        draw: str = "sample",
        seed: int = 0,
    ):
        super().__init__()
        self.reduction = find_reduction(config.name)
        self.work = self.reduction.function()
        self.shape, self.draw, self.seed = shape, draw, seed
        self.layers, self.amounts = self._places(config, layers, amounts)
        self.config = config if self.amounts is None else self._resolved(config)
        self.params = {param.name: self.config.get(param.name) for param in self.reduction.params}
        for layer in self.layers or (None,):
            for name, module in self.reduction.make_modules(shape.dim, shape.grid).items():
                self.add_module(name + _suffix(layer), module)
        self.set_ratio(self.config.ratio)

    def _places(
        self, config: ReductionConfig, layers: tuple[int, ...] | None, amounts: tuple[float, ...] | None
    ) -> tuple[tuple[int, ...], tuple[float, ...] | None]:
        """The layers in rising order, none for before the first block, and the amount of each where there are any."""
        default = self.reduction.layers
        if layers is None and default is not None:
            layers = default(self.shape.blocks)
        given = config.get("layers", layers)
        found = check_layers(given, self.shape.blocks) if given is not None else ()
        amounts = config.get(self.reduction.amounts, amounts) if self.reduction.amounts else None
        if amounts is None:
            return found, None
        several = amounts if isinstance(amounts, tuple) else (amounts,) * len(found)
        if len(several) != len(found):
            raise InputError(f"{len(several)} amounts for {len(found)} layers ({', '.join(map(str, found))})")
        return found, tuple(amount for _, amount in sorted(zip(given, several, strict=True)))

    def _resolved(self, config: ReductionConfig) -> ReductionConfig:
        ratio = self.reduction.plan.ratio_of(self.amounts, self.shape.tokens)
        if config.ratio is not None and abs(config.ratio - ratio) > 1e-6:
            raise InputError(f"mask ratio {config.ratio:g} contradicts the amounts given, which come to {ratio:g}")
        return replace(config, ratio=ratio)

    def _apply(self, fn: Callable[[torch.Tensor], torch.Tensor], recurse: bool = True) -> TokenReducer:
        # Moved with the model, but what tokens are chosen by stays in float32.
        def moved(tensor: torch.Tensor) -> torch.Tensor:
            found = fn(tensor)
            narrowed = found.dtype in HALF and tensor.dtype not in HALF
            return tensor.to(found.device) if narrowed else found

        return super()._apply(moved, recurse)

    def set_ratio(self, ratio: float) -> None:
        """Reduce by another ratio from now on; 0 leaves everything as it is. The amounts belong to the first ratio."""
        self.ratio, self.by_lengths = ratio, False
        amounts = self.amounts if ratio == self.config.ratio else None
        budget = Budget(self.shape.tokens, self.shape.blocks, ratio, self.layers, amounts)
        self.schedule: Schedule = self.reduction.plan.schedule(budget) if self.layers else at_once(budget)

    def set_lengths(self, lengths: Sequence[int]) -> None:
        """Leave exactly so many tokens at each of its layers (one number: before the first block), whatever the ratio:
        what an image costs of which an adaptive reduction keeps that many."""
        total, blocks = self.shape.tokens, self.shape.blocks
        steps = tuple(zip(self.layers, map(int, lengths), strict=True)) if self.layers else ()
        self.by_lengths = True
        self.schedule = Schedule(total if steps else int(lengths[0]), blocks, steps)

    @property
    def acts_before(self) -> bool:
        """Whether it acts, before the first block."""
        return not self.layers and self.ratio > 0

    def acts_in(self, block: int) -> bool:
        return (self.by_lengths or self.schedule.reduces) and self.schedule.left_at(block) is not None

    @property
    def reduces(self) -> bool:
        """Whether anything goes anywhere."""
        return self.acts_before or self.schedule.reduces

    @property
    def need_weights(self) -> bool:
        """Whether the blocks where it acts must show their attention weights, which a fused attention does not."""
        return bool(self.reduction.needs)

    @property
    def gathers(self) -> bool:
        """Whether cut connections are left out, not computed and masked."""
        return self.params.get("execution") == "gather"

    @property
    def leaves_values(self) -> bool:
        """Whether a dense grid shows a dropped token as it was when it was dropped."""
        return self.reduction.restore == VALUE

    def before_blocks(
        self,
        tokens: torch.Tensor,
        content: torch.Tensor,
        keypoints: torch.Tensor,
        first: Block,
        state: TokenState,
        sample_ids: torch.Tensor | None,
    ) -> tuple[torch.Tensor, TokenState]:
        """The visual tokens that go into the first block, and their state.

        tokens: (B, n, dim), content: the same without positions. keypoints: (B, J, dim), of models that have them.
        """

        def keypoint_attention() -> torch.Tensor:
            if not state.prefix:  # without keypoint tokens: what all look at
                return first.look(tokens, tokens).mean(dim=1, keepdim=True)
            return first.look(keypoints, tokens)

        context = Context(
            state.prefix, self.shape.grid, state.token_indices, content, keypoint_attention, cell=self.shape.patch
        )
        chosen, selected = self(tokens, context, sample_ids)
        return (tokens, state) if selected is None else (chosen, state.after(selected))

    def in_block(
        self, x: torch.Tensor, state: TokenState, attn: Attended, block: int, sample_ids: torch.Tensor | None
    ) -> tuple[torch.Tensor, TokenState]:
        """Tokens (B, J + n, dim) and state after it acted in `block`; the keypoint tokens stay."""
        prefix = state.prefix
        tokens = x[:, prefix:]

        def keypoint_attention() -> torch.Tensor:
            if not prefix:
                return attn.weights.detach().mean(dim=(1, 2))[:, None]
            return attn.weights[:, :, :prefix, prefix:].detach().mean(dim=1)

        context = Context(
            prefix=prefix,
            grid=self.shape.grid,
            token_indices=state.token_indices,
            content=tokens,
            keypoint_attention=keypoint_attention,
            sizes=state.sizes,
            valid=state.valid,
            cell=self.shape.patch,
            attn=attn,
        )
        reduced, selected = self(tokens, context, sample_ids, block)
        if selected is None:
            return x, state
        if selected.connections is None:
            if state.values is not None:
                state = replace(state, values=restore(tokens, state, state.values))
            x = torch.cat((x[:, :prefix], reduced), dim=1)
        return x, state.after(selected)

    def forward(
        self, tokens: torch.Tensor, context: Context, sample_ids: torch.Tensor | None, block: int | None = None
    ) -> tuple[torch.Tensor, Selected | None]:
        """Visual tokens (B, n, dim) after it acted in `block` (None: before the first), and what it chose; None where
        as many are to be left as there are. It is in float32 that it chooses and merges."""
        left = self.schedule.total if block is None else self.schedule.left_at(block)
        if left == tokens.shape[1] and self.schedule.removes and not self.by_lengths:
            return tokens, None

        def noise(columns: int) -> torch.Tensor:
            return self._noise(tokens.shape[0], columns, sample_ids, tokens.device, block)

        context = replace(
            context, noise=noise, modules=self._own(block), params=self.params, layer=block,
            depth=self.shape.blocks, training=self.training,
        )  # fmt: skip
        if tokens.dtype not in HALF and not under_autocast(tokens.device):
            return self.work(tokens, context, left)
        attn = context.attn
        if attn is not None:
            attn = Attended(*(None if part is None else wide(part) for part in vars(attn).values()))
        context = replace(context, content=wide(context.content), attn=attn)
        with as_given(tokens.device):
            chosen, selected = self.work(wide(tokens), context, left)
        return chosen.to(tokens.dtype), selected

    def gather(self, targets: torch.Tensor) -> None:
        """Fill its own modules from target heatmaps (B, J, h, w), where that needs no training (`Reduction.gather`)."""
        gather = self.reduction.gather
        fill = load_object(gather) if isinstance(gather, str) else gather
        for layer in self.layers or (None,):
            fill(self._own(layer), targets)

    def _own(self, layer: int | None) -> dict[str, nn.Module]:
        suffix = _suffix(layer)
        return {name.removesuffix(suffix): part for name, part in self.named_children() if name.endswith(suffix)}

    def _noise(
        self, batch: int, columns: int, sample_ids: torch.Tensor | None, device: torch.device, block: int | None
    ) -> torch.Tensor:
        rows = 1 if self.draw == "batch" else batch
        if self.training:
            draw = torch.rand if self.draw == "batch" else training_noise
            return draw(rows, columns, device=device).expand(batch, -1)
        ids = torch.arange(batch, device=device) if sample_ids is None else sample_ids.to(device)
        seed = self.seed if block is None else self.seed + (block + 1) * 1_000_003  # each layer draws anew
        return evaluation_noise(ids[:rows], columns, seed).expand(batch, -1)


def through_block(
    block: Block,
    x: torch.Tensor,
    state: TokenState,
    reducer: TokenReducer | None,
    number: int,
    sample_ids: torch.Tensor | None,
) -> tuple[torch.Tensor, TokenState]:
    """Tokens (B, J + n, dim) and state after block `number`, in which a reduction may act between attention and MLP."""
    acts = reducer is not None and reducer.acts_in(number)
    need_weights = acts and reducer.need_weights
    attended, attn = block.attend(x, state, need_weights=need_weights, gather=reducer is not None and reducer.gathers)
    x = x + attended
    if acts:
        x, state = reducer.in_block(x, state, attn, number, sample_ids)
    return x + block.mlp(block.mlp_norm(x)), state


def schedule_of(reducer: TokenReducer | None, shape: TransformerShape) -> Schedule:
    """How many visual tokens (or connections) are left in which block."""
    return reducer.schedule if reducer is not None else Schedule(shape.tokens, shape.blocks, ())
def _suffix(layer: int | None) -> str:
    """What stands behind the name of a module that a reduction has in each layer anew."""
    return "" if layer is None else f"_{layer}"


def make_reducer(config: ReductionConfig, shape: TransformerShape, **places: object) -> TokenReducer | None:
    """The module for a configuration, None where nothing is reduced."""
    if config.is_none:
        return None
    reducer = TokenReducer(config, shape, **places)
    return reducer if reducer.reduces else None
