"""A user's own network as a pose model: the smallest adapter that gives it what posebench asks of a model.

Its builder gets, of these, what its parameters name: `keypoints` (J), `dataset` (their data set's name), `input_size`
(height, width) and `mask`: (grid, dim, blocks=1, heads=1) -> TokenReducer or None, for tokens of its own. Whoever takes
`mask` calls it, keeps what it returns as a submodule, and calls that on its tokens (see TokenReducer). Where a builder
takes no `mask` and its module holds a vision transformer of a known layout, the mask is put in there (see patch.py).
The module maps images (B, 3, H, W) to heatmaps (B, J, h, w), and may take `sample_ids` (B,) too. Attributes that it may
have: `sigma` (px of the target's Gaussian, 2 by default), `parts` (name -> submodule, whose compute is told apart).
"""

from __future__ import annotations

import inspect
from itertools import chain
from typing import Any

import torch
from torch import nn

from ..datasets.descriptor import Dataset
from ..datasets.registry import description_of
from ..errors import InputError
from ..reductions.config import UNMASKED, ReductionConfig
from ..reductions.schedule import Schedule
from .architectures import INPUT_SIZE
from .config import ModelSpec
from .hrnet import NoBackbone
from .model import PoseModel
from .patch import Patched, patch
from .reducer import TokenReducer, make_reducer
from .registry import Model
from .shape import TransformerShape
from .token_state import TokenState

SIGMA = 2.0


class OwnNetwork(nn.Module):
    """The user's module with the interface of a pose transformer: images (B, 3, H, W) -> heatmaps (B, J, h, w).

    patched: the reduction that was put into it, if one was.
    """

    def __init__(self, module: nn.Module, grid: tuple[int, int], blocks: int, patched: Patched | None = None):
        super().__init__()
        self.module, self.grid, self.blocks, self.patched = module, grid, blocks, patched
        self.takes_ids = "sample_ids" in inspect.signature(module.forward).parameters

    @property
    def mask(self) -> TokenReducer | None:
        """The reduction, where the module has one."""
        return next((part for part in self.module.modules() if isinstance(part, TokenReducer)), None)

    @property
    def schedule(self) -> Schedule:
        mask = self.mask
        return Schedule(self.grid[0] * self.grid[1], self.blocks, ()) if mask is None else mask.schedule

    def forward(
        self, images: torch.Tensor, sample_ids: torch.Tensor | None = None, *, with_state: bool = False
    ) -> torch.Tensor | tuple[torch.Tensor, TokenState]:
        ids = {"sample_ids": sample_ids} if self.takes_ids else {}
        if self.patched is not None:
            self.patched.sample_ids = sample_ids
        if not with_state:
            return self.module(images, **ids)
        chosen = []
        mask = self.mask
        hook = mask and mask.register_forward_hook(lambda _, given, output: chosen.append(output[1]))
        try:
            heatmaps = self.module(images, **ids)
        finally:
            if hook:
                hook.remove()
        tokens = self.grid[0] * self.grid[1]
        cells = torch.arange(tokens, device=images.device).expand(images.shape[0], -1)
        state = TokenState(0, heatmaps.new_zeros(1, tokens, 0), cells)
        for selected in chosen:
            state = state if selected is None else state.after(selected)
        return heatmaps, state

    def kept_indices(self, images: torch.Tensor, sample_ids: torch.Tensor | None = None) -> torch.Tensor:
        """Grid cells (row-major) of the tokens that are left at the end, (B, K)."""
        return self(images, sample_ids, with_state=True)[1].token_indices


class OwnModel(PoseModel):
    """A user's module as a pose model. `transformer`, the scope of GFLOPsT, is all of it."""

    def __init__(self, spec: ModelSpec, network: OwnNetwork):
        super().__init__(spec, NoBackbone(), network)
        names = {part: name for name, part in network.named_modules()}
        own = getattr(network.module, "parts", None) or dict(network.module.named_children())
        self.parts = {name: f"transformer.{names[part]}" for name, part in own.items() if part is not network.mask}
        if network.mask is not None and network.patched is None:  # what is put into blocks is counted with these
            self.parts["mask_scoring"] = f"transformer.{names[network.mask]}"


def make_own(
    model: Model,
    *,
    dataset: Dataset,
    input_size: tuple[int, int] | None,
    reduction: ReductionConfig,
    draw: str,
    seed: int,
    **others: Any,
) -> OwnModel:
    """The pose model of a user's builder. `others`: arguments of create_model that such a model has no use for.

    Raises InputError for a mask that it does not take, or a module that does not make heatmaps of the data set's
    keypoints.
    """
    for name, value in others.items():
        if value:
            raise InputError(f"{name} {value!r} for {model.name}, which is a model of your own: leave it out")
    keypoints, size = dataset.skeleton.num_keypoints, tuple(input_size or INPUT_SIZE[dataset.crop])
    shapes: list[TransformerShape] = []

    def mask(grid: tuple[int, int], dim: int, blocks: int = 1, heads: int = 1) -> TokenReducer | None:
        cell = size[0] // grid[0], size[1] // grid[1]
        shapes.append(TransformerShape(grid, cell, 3, keypoints, (1, 1), dim=dim, depth=blocks, heads=heads))
        return make_reducer(reduction, shapes[-1], draw=draw, seed=seed)

    given = {"keypoints": keypoints, "dataset": dataset.name, "input_size": size, "mask": mask}
    module, patched = _called(model, given), None
    if not reduction.is_none and "mask" not in inspect.signature(model.function()).parameters:
        patched = _put_into(model.name, module, reduction, draw, seed)
        shapes.append(patched.shape)
    grid, blocks = (shapes[-1].grid, shapes[-1].blocks) if shapes else ((1, 1), 1)
    network = OwnNetwork(module, grid, blocks, patched)
    reducer = network.mask
    if reducer is None and not reduction.is_none and not shapes:
        raise InputError(f"{model.name}: takes a mask and does not use it: call it, and keep what it returns")
    spec = ModelSpec(
        name=model.name, dataset=dataset.name, described=description_of(dataset), input_size=size,
        reduction=reducer.config if reducer else UNMASKED,
        draw=draw, seed=seed, source=model.source, heatmap_size=_heatmap_size(model.name, network, size, keypoints),
        sigma=float(getattr(module, "sigma", SIGMA)), num_keypoints=keypoints, grid=grid, schedule=network.schedule,
    )  # fmt: skip
    return OwnModel(spec, network)


def _put_into(name: str, module: nn.Module, reduction: ReductionConfig, draw: str, seed: int) -> Patched:
    """The mask in a module whose builder takes none."""
    try:
        return patch(module, reduction, draw=draw, seed=seed)
    except InputError as error:
        raise InputError(
            f"{name}: takes no mask: leave it out, or give its builder a parameter `mask` ({error})"
        ) from None


def _called(model: Model, given: dict[str, Any]) -> nn.Module:
    """What the builder makes of those of its arguments that are `given`."""
    build = model.function()
    named = inspect.signature(build).parameters
    for name, parameter in named.items():
        required = parameter.default is parameter.empty and parameter.kind not in (2, 4)  # *args, **kwargs
        if required and name not in given:
            raise InputError(f"{model.name}: its builder wants {name!r}; it is given {', '.join(given)}")
    module = build(**{name: value for name, value in given.items() if name in named})
    if not isinstance(module, nn.Module):
        raise InputError(f"{model.name}: its builder made a {type(module).__name__}; give an nn.Module")
    return module


@torch.no_grad()
def _heatmap_size(name: str, network: OwnNetwork, size: tuple[int, int], keypoints: int) -> tuple[int, int]:
    """(h, w) of the heatmaps, from one image of zeros; (0, 0) for a network without values, which cannot run alone."""
    tensor = next(chain(network.parameters(), network.buffers()), torch.zeros(1))
    if tensor.is_meta:
        return 0, 0
    modes = [(module, module.training) for module in network.modules()]
    try:
        heatmaps = network.eval()(tensor.new_zeros(1, 3, *size, dtype=torch.float32))
    finally:
        for module, training in modes:
            module.training = training
    shape = tuple(getattr(heatmaps, "shape", ()))
    if len(shape) != 4 or shape[:2] != (1, keypoints):
        what = f"a tensor of shape {shape}" if shape else f"a {type(heatmaps).__name__}"
        raise InputError(f"{name}: makes {what} of one image; give heatmaps (1, {keypoints}, h, w)")
    return shape[2:]
