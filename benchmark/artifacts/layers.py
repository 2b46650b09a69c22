"""Which value of a file is which module's output, so that two runtimes can be compared layer by layer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from .artifact import Artifact, Step

#: share of a layer's largest value by which two float32 runtimes may differ there
LAYER_TOLERANCE = 1e-3
_INNER = "model."  # the model's place in what is written (see export.Deployed)


@dataclass(frozen=True)
class Layer:
    """A module's output in the file and in eager: the largest difference of a value, and eager's largest value."""

    name: str
    difference: float
    largest: float

    @property
    def differs(self) -> bool:
        return not self.difference <= LAYER_TOLERANCE * max(self.largest, 1e-2)


def module_outputs(module: nn.Module, images: torch.Tensor) -> dict[str, np.ndarray]:
    """What each call of each submodule returned (its first tensor), in the order in which they ended. The second call
    of a module is called "name #2"."""
    outputs: dict[str, np.ndarray] = {}
    calls: defaultdict[str, int] = defaultdict(int)

    def keep(name: str) -> object:
        def hook(_: nn.Module, given: object, output: object) -> None:
            calls[name] += 1
            first = output[0] if isinstance(output, tuple) and output else output
            if isinstance(first, torch.Tensor) and first.is_floating_point():
                outputs[_call(name, calls[name])] = first.detach().float().numpy().copy()

        return hook

    hooks = [part.register_forward_hook(keep(name)) for name, part in module.named_modules() if name]
    try:
        with torch.no_grad():
            module(images)
    finally:
        for hook in hooks:
            hook.remove()
    return {name.removeprefix(_INNER): value for name, value in outputs.items() if name != "model"}


def layers_of(artifact: Artifact, module: nn.Module, images: torch.Tensor) -> dict[str, str]:
    """Of a file just written from `module`: call of a module -> name of the value that holds its output.

    A value belongs to a module whose nodes compute it, if others use it, and if its shape is that of the module's
    output. Of several the nearest one is taken: a transposed copy beside it, say, has the same size.
    """
    outputs = module_outputs(module, images)
    candidates = _outward(list(artifact.steps()))
    names = sorted({value for values in candidates.values() for value in values})
    found = artifact.values(images.numpy(), names)
    layers = {}
    for call, output in outputs.items():
        alike = [name for name in candidates.get(call, ()) if name in found and found[name].shape == output.shape]
        if alike:
            layers[call] = min(alike, key=lambda name: _difference(found[name], output))
    return layers


def compare_layers(
    artifact: Artifact, layers: Mapping[str, str], module: nn.Module, given: np.ndarray, images: torch.Tensor
) -> tuple[list[Layer], int]:
    """Those of `layers` that the file still has, in eager's order, and how many there are in eager. given: what the
    file takes, images: what the module takes."""
    outputs = module_outputs(module, images)
    found = artifact.values(given, [layers[call] for call in outputs if call in layers])
    compared = []
    for call, output in outputs.items():
        value = found.get(layers.get(call, ""))
        if value is None:
            continue
        difference = _difference(value, output) if value.shape == output.shape else float("inf")
        compared.append(Layer(call, difference, float(np.abs(output).max(initial=0.0))))
    return compared, len(outputs)


def _difference(found: np.ndarray, expected: np.ndarray) -> float:
    difference = np.abs(found.astype(np.float64) - expected)
    return float(np.where(np.isfinite(difference), difference, np.inf).max(initial=0.0))


def _outward(steps: list[Step]) -> dict[str, list[str]]:
    """Call of a module -> values of its nodes that are used outside it. A module's nodes that others interrupt are
    several calls."""
    calls: defaultdict[str, int] = defaultdict(int)
    running: set[str] = set()
    values: dict[str, list[str]] = {}
    for step in steps:
        inside = {name for name in step.modules if name not in ("", "model")}
        for name in inside - running:
            calls[name] += 1
        running = inside
        for name in inside:
            call = _call(name, calls[name]).removeprefix(_INNER)
            if any(name not in used for used in step.used_in):
                values.setdefault(call, []).append(step.value)
    return values


def _call(name: str, number: int) -> str:
    return name if number == 1 else f"{name} #{number}"
