"""Models of the zoo without values, for counting; in a grid of ratios each is built once."""

from __future__ import annotations

import contextlib
import gc
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from ...pose.models.config import ModelConfig
from ...pose.models.model import PoseModel
from ...pose.models.zoo import create_model, default_mask
from .macs import MacCount, Watch
from .meta import empty_parameters
from .published import published_layer_macs
from .repeats import count_repeats_once

_KEPT = 32

_built: OrderedDict[Any, Bare] = OrderedDict()


@dataclass(frozen=True)
class Bare:
    """A model without values, what counts it, and the number of its parameters."""

    model: PoseModel
    watch: Watch
    params: int

    def count(self) -> MacCount:
        """Of one image."""
        with _uncollected():
            return self.watch.run((torch.empty(1, 3, *self.model.spec.input_size, device="meta"),))


@contextlib.contextmanager
def _uncollected() -> Iterator[None]:
    """Thousands of small objects that all stay: the garbage collector would walk through all of torch's for nothing."""
    collects = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collects:
            gc.enable()


def bare_model(name: str | ModelConfig, **options: Any) -> PoseModel:
    """A model of the zoo whose parameters are on the meta device, in evaluation mode."""
    with empty_parameters():
        return create_model(name, **options).eval()


def lent_model(name: str, **options: Any) -> Bare:
    """A model of that name and those options of create_model to count; the next call may change its mask ratio."""
    ratio = options.get("mask_ratio")
    others = {key: value for key, value in options.items() if key != "mask_ratio" and value is not None}
    if not ratio or ratio == default_mask(name)[1]:  # amounts of its own may belong to the name's ratio
        return fresh_model(name, options)
    key = (name, *sorted((option, str(value)) for option, value in others.items()))
    if key not in _built:
        _built[key] = fresh_model(name, options)
        if len(_built) > _KEPT:
            _built.popitem(last=False)
    mask = _built[key].model.transformer.mask
    if mask is not None and mask.ratio != ratio:
        _built[key].model.set_mask_ratio(ratio)
    if mask is not None and mask.reduces:
        return _built[key]
    return fresh_model(name, options)  # so little that nothing goes: create_model says what that is


def fresh_model(name: str, options: dict[str, Any]) -> Bare:
    """A model of that name and those options of create_model, which nobody else gets."""
    with _uncollected():
        model = bare_model(name, **options)
        watch = Watch(model, layer_count=published_layer_macs)
        count_repeats_once(model, watch)
    return Bare(model, watch, sum(parameter.numel() for parameter in model.parameters()))
