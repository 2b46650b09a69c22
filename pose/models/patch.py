"""`posebench.patch`: a reduction in a user's own vision transformer, in place, and off again."""

from __future__ import annotations

import copy
from functools import partial
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..reductions.config import ReductionConfig, reduction_config
from ..reductions.schedule import Schedule
from ..reductions.tokens import restore as restore_grid
from .layouts import Sites, find_transformer
from .patched_block import PatchedBlock
from .reducer import TokenReducer, make_reducer
from .shape import TransformerShape
from .token_state import TokenState

#: the name under which the reduction's own module hangs in the transformer
NAME = "token_reduction"


def patch(
    model: nn.Module,
    mask: str | ReductionConfig,
    mask_ratio: float | None = None,
    *,
    restore: bool = True,
    grid: tuple[int, int] | None = None,
    prefix: int | None = None,
    draw: str = "sample",
    seed: int = 0,
    **params: Any,
) -> Patched:
    """Put a reduction into the vision transformer that `model` is or holds, until `remove()` or the end of a `with`.

    The model stays the same object, with the same weights; a block where nothing is reduced runs the library's own
    code. Class, distillation and register tokens are never touched. Where a reduction looks at what keypoint tokens
    attend to, it looks at these, and where there are none at what all tokens attend to.

    Args:
        model: of timm's layout or Hugging Face's; or a module that holds one such transformer.
        mask: a reduction by name, with parameters as in "tome(r=8)", or "package.module:name" of your own.
        mask_ratio: fraction of the visual tokens that is gone after the last block, where the parameters do not say it.
        restore: after the last block give every visual token its place again (what was merged stands in all of its
            places, what was dropped as it was when it was dropped), as a decoder of heatmaps needs it. False leaves
            the tokens that are left, for a model that reads its class token, or their mean, alone.
        grid: rows and columns of the visual tokens, where the model does not say them or runs at another size.
        prefix: how many tokens stand in front of the visual ones, where the model does not say it.
        draw: of random reductions: "sample" (each its own) or "batch" (one for all). seed: of them at evaluation; there
            each batch is masked alike, unless `sample_ids` of the result says which samples it holds.
        params: parameters of the mask, the same as in parentheses behind its name.

    Raises:
        InputError: a model of no known layout (it names what was looked for), one that does more in its blocks than the
            layout says, one that is patched already, an unknown reduction or ratio.
    """
    transformer, sites = find_transformer(model)
    if hasattr(transformer, NAME):
        raise InputError(f"{type(model).__name__}: is patched already; remove that first")
    grid = grid or sites.grid
    if grid is None:
        raise InputError(f"{type(model).__name__}: says no token grid; give grid=(rows, columns)")
    config = _asked(mask, mask_ratio, params)
    first, depth = sites.blocks[0], len(sites.blocks)
    shape = TransformerShape(grid, sites.cell, 3, 0, (1, 1), dim=first.width, depth=depth, heads=first.heads)
    reducer = make_reducer(config, shape, draw=draw, seed=seed)
    if reducer is not None and reducer.gathers:
        raise InputError(f"mask {config.text}: only posebench's own blocks gather connections; leave execution out")
    prefix = sites.prefix if prefix is None else prefix
    in_tuples = reducer is not None and _check(type(model).__name__, first)
    return Patched(transformer, sites, reducer, shape, prefix, restores=restore, in_tuples=in_tuples)


def _asked(mask: str | ReductionConfig, ratio: float | None, params: dict[str, Any]) -> ReductionConfig:
    config = reduction_config(mask, ratio, params)
    if config.ratio is None and not config.is_none and not config.is_fixed:
        raise InputError(f"mask {config.text!r} without a mask ratio: give one, such as mask_ratio=0.4")
    return config


def _parameter(module: nn.Module) -> torch.Tensor:
    return next(module.parameters())


class _Site:
    """A block's forward while the model is patched. The method is bound to this object, so that a copy of the model is
    patched by a copy of it."""

    def __init__(self, patched: Patched, number: int):
        self.patched, self.number = patched, number

    def forward(self, x: torch.Tensor, *args: Any, **kwargs: Any) -> Any:
        return self.patched.run_block(self.number, x, args, kwargs)


class Patched:
    """A reduction in a model: take it off with `remove()`, or at the end of a `with` block.

    reducer: what reduces (None where nothing is to be reduced, and nothing was changed); schedule: how many visual
    tokens, or connections, are left in which block. sample_ids: (B,) of the next batch, for random reductions.
    """

    def __init__(
        self,
        transformer: nn.Module,
        sites: Sites,
        reducer: TokenReducer | None,
        shape: TransformerShape,
        prefix: int,
        *,
        restores: bool,
        in_tuples: bool,
    ):
        self.transformer, self.blocks, self.reducer = transformer, sites.blocks, reducer
        self.shape, self.prefix, self.restores, self.in_tuples = shape, prefix, restores, in_tuples
        self.sample_ids: torch.Tensor | None = None
        self.state: TokenState | None = None
        self.content: torch.Tensor | None = None
        self._hook = None
        self._before: list[Any] = []
        if reducer is None:
            return
        like = _parameter(transformer)
        transformer.add_module(NAME, reducer.to(like.device, like.dtype).train(transformer.training))
        if sites.embedding is not None:
            self._hook = sites.embedding.register_forward_hook(self._see_content)
        for number, block in enumerate(self.blocks):
            self._before.append(block.module.__dict__.get("forward"))
            block.module.forward = _Site(self, number).forward

    @property
    def schedule(self) -> Schedule:
        return Schedule(self.shape.tokens, self.shape.blocks, ()) if self.reducer is None else self.reducer.schedule

    def remove(self) -> None:
        """Take the reduction off: the model is as it was. A second call does nothing."""
        for block, before in zip(self.blocks, self._before, strict=False):
            del block.module.forward
            if before is not None:
                block.module.forward = before
        if self._before:
            delattr(self.transformer, NAME)
        if self._hook is not None:
            self._hook.remove()
        self._before, self._hook, self.state, self.content = [], None, None, None

    def __enter__(self) -> Patched:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()

    def run_block(self, number: int, x: torch.Tensor, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        """What block `number` returns of tokens (B, prefix + n, dim)."""
        if number == 0:
            x = self._enter(x)
        block, state, reducer = self.blocks[number], self.state, self.reducer
        acts, mask = reducer.acts_in(number), state.attention_mask(x.dtype)
        if acts or mask is not None:
            given = block.arguments(args, kwargs)
            attended, attn = block.attend(x, mask, need_weights=acts and reducer.need_weights)
            x = x + attended
            if acts:
                x, self.state = reducer.in_block(x, state, attn, number, self.sample_ids)
            x = x + block.mlp(x, given)
            returned = (x,) if self.in_tuples else x
        else:
            native = self._before[number] or partial(type(block.module).forward, block.module)
            returned = native(x, *args, **kwargs)
        if number < len(self.blocks) - 1:
            return returned
        if isinstance(returned, tuple):
            return (self._leave(returned[0]), *returned[1:])
        return self._leave(returned)

    def _see_content(self, module: nn.Module, inputs: Any, output: Any) -> None:
        """The visual tokens before their positions were added, where the embedding gives them as such."""
        if isinstance(output, torch.Tensor) and output.shape[1:] == (self.shape.tokens, self.shape.dim):
            self.content = output

    def _enter(self, x: torch.Tensor) -> torch.Tensor:
        """What the first block gets."""
        total = self.prefix + self.shape.tokens
        if x.ndim != 3 or x.shape[1] != total:
            rows, columns = self.shape.grid
            raise InputError(
                f"the first block gets tokens of shape {tuple(x.shape)}, and was patched for {self.prefix} + {rows} x "
                f"{columns} of them: give grid=(rows, columns) and prefix as the model runs"
            )
        if torch.is_grad_enabled() and self.transformer.training and self._checkpoints():
            raise InputError("a patched model runs each block once: switch gradient checkpointing off")
        front, tokens = x[:, : self.prefix], x[:, self.prefix :]
        content, self.content = tokens if self.content is None else self.content, None
        cells = torch.arange(self.shape.tokens, device=x.device).expand(x.shape[0], -1)
        values = tokens if self.restores and self.reducer.leaves_values else None
        # Positions are in the tokens already: what reductions carry along of them is nothing, d = 0.
        state = TokenState(self.prefix, x.new_zeros(1, self.shape.tokens, 0), cells, values=values)
        if self.reducer.acts_before:
            tokens, state = self.reducer.before_blocks(tokens, content, front, self.blocks[0], state, self.sample_ids)
            x = torch.cat((front, tokens), dim=1)
        self.state = state
        return x

    def _checkpoints(self) -> bool:
        """Whether the library would run blocks again for their gradients."""
        modules = (self.transformer, *(block.module for block in self.blocks))
        names = ("gradient_checkpointing", "grad_checkpointing")
        return any(getattr(module, name, False) for module in modules for name in names)

    def _leave(self, x: torch.Tensor) -> torch.Tensor:
        """What comes out of the last block: dense again, where that is asked for."""
        state, self.state = self.state, None
        if not self.restores or x.shape[1] == self.prefix + self.shape.tokens:
            return x
        nothing = x.new_zeros(1, self.shape.tokens, 1)
        dense = restore_grid(x[:, self.prefix :], state, nothing if state.values is None else state.values)
        return torch.cat((x[:, : self.prefix], dense), dim=1)


@torch.no_grad()
def _check(name: str, block: PatchedBlock) -> bool:
    """Whether a block returns a tuple. InputError where the block is not what its layout says: the library's result
    against ours, in float64 where there are values."""
    like = _parameter(block.module)
    twin = type(block)(copy.deepcopy(block.module).to("meta" if like.is_meta else "cpu").double().eval())
    x = torch.randn(1, 5, twin.width, generator=torch.Generator().manual_seed(0)).to(_parameter(twin.module))
    given = twin.example()
    try:
        returned = twin.module(x, **given)
    except Exception as error:  # such as one that must know positions
        raise InputError(f"{name}: its blocks cannot run on tokens alone ({type(error).__name__}: {error})") from None
    theirs = returned[0] if isinstance(returned, tuple) else returned
    after = x + twin.attend(x, None)[0]
    ours = after + twin.mlp(after, twin.arguments((), given))
    if not like.is_meta and (theirs - ours).abs().max() > 1e-6 * (theirs - x).abs().max():
        raise InputError(f"{name}: its blocks do more than attention and MLP around their two norms; no reduction fits")
    return isinstance(returned, tuple)
