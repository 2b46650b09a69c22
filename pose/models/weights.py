"""Loading weights: ours, the papers' state dicts under their own names, HRNet's ImageNet backbones.

ViTPose's names are in vitpose_weights.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from functools import cache
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..datasets.registry import DATASETS
from ..errors import InputError
from .architectures import MODELS, published_sizes
from .model import PoseModel
from .own import OwnModel
from .vitpose_weights import check_config_file, is_vitpose, original_name, read_config, to_original, to_ours
from .weights_file import WeightsFile, printable, read_weights
from .zoo import create_model

Source = str | os.PathLike[str] | Mapping | WeightsFile

REDUCTION = "transformer.mask."  # a reduction's own trained modules
OWN = "transformer.module."  # what stands before the names of a user's own module
NAMES_SHOWN = 3

# In the sparsity paper's checkpoints: two layer norms that its code never uses.
_UNUSED = re.compile(r"features\.(joint_)?transformer\.norm\.(weight|bias)")
JOINT_MASK = "transformer.joint_mask"

_BLOCK_RULES = (
    (r"attention_norm\.(.*)", r"0.fn.norm.\1"),
    (r"attention\.to_qkv\.(.*)", r"0.fn.fn.to_qkv.\1"),
    (r"attention\.to_out\.(.*)", r"0.fn.fn.to_out.0.\1"),
    (r"mlp_norm\.(.*)", r"1.fn.norm.\1"),
    (r"mlp\.0\.(.*)", r"1.fn.fn.net.0.\1"),
    (r"mlp\.2\.(.*)", r"1.fn.fn.net.3.\1"),
)
_RULES = (
    (r"transformer\.keypoint_tokens", r"{T}keypoint_token"),
    (r"transformer\.position_table", r"{T}pos_embedding"),
    (r"transformer\.patch_embedding\.projection\.(.*)", r"{T}patch_to_embedding.\1"),
    (r"transformer\.joint_mask", r"{T}joint_mask"),
    (r"transformer\.head\.layers\.(.*)", r"{T}mlp_head.\1"),
    (r"backbone\.(.*)", r"{B}\1"),
)


def reference_name(name: str, model: PoseModel) -> str:
    """The name that the papers' code gives to our state-dict entry `name`."""
    if model.spec.decoder:
        return original_name(name)
    if isinstance(model, OwnModel):
        return name.removeprefix(OWN)
    backbone = MODELS[model.spec.name].backbone
    transformer = "features." if backbone == "stem" else "transformer."
    features = "features." if backbone == "stem" else "pre_feature."
    for pattern, replacement in _RULES:
        if match := re.fullmatch(pattern, name):
            return match.expand(replacement).replace("{T}", transformer).replace("{B}", features)
    if match := re.fullmatch(r"transformer\.(?:stacks\.(\d+)|joint_blocks)\.(\d+)\.(.*)", name):
        stack, block, rest = match.groups()
        number = int(stack) + 1 if stack and model.transformer.shape.stacks > 1 else ""
        layers = "joint_transformer" if stack is None else f"transformer{number}"
        for pattern, replacement in _BLOCK_RULES:
            if inner := re.fullmatch(pattern, rest):
                return f"{transformer}{layers}.layers.{block}.{inner.expand(replacement)}"
    return name


def load_weights(
    model: PoseModel, source: Source, *, fresh_scorer: bool = False, expert: int | None = None
) -> PoseModel:
    """Load weights under our names or the papers' into `model` (in place) and return it.

    Args:
        source: a file or folder (see read_weights), what was read of one, or a state dict.
        fresh_scorer: keep the model's own scorer where the source has none (fine-tuning from an unmasked model).
        expert: of ViTPose+ weights, from 0; by default the one of the model's data set.

    Raises:
        InputError: an entry is missing, unexpected or of another shape; the message lists the first few of each, as the
            file names them and as the model (in the papers' words, unless the file is ours), and the known model that
            would fit.
    """
    file = read_weights(source)
    what, given, names = file.name, file.tensors, file.names
    if model.spec.joint_mask == "published":  # it comes with the weights
        joints = model.spec.num_keypoints
        model.transformer.joint_mask = torch.zeros(joints, joints, dtype=torch.bool, device=_device(model))
    ours = model.state_dict()
    roots = ("transformer.blocks.",) if model.spec.decoder else ("backbone.", "transformer.stacks.")
    roots = (OWN,) if isinstance(model, OwnModel) else roots
    own = any(name.startswith(roots) for name in given)
    if model.spec.decoder:
        folder = None if isinstance(source, Mapping) or not Path(what).is_dir() else Path(what)
        grid = folder and check_config_file(folder, model.spec.name)
        given = to_ours(given, model, expert=expert, grid=grid)
    elif not own:
        of_reference = {reference_name(name, model): name for name in ours}
        names = {of_reference.get(name, name): in_file for name, in_file in names.items()}
        given = {of_reference.get(name, name): tensor for name, tensor in given.items()}
    given = {n: t for n, t in given.items() if n in ours or not (n.startswith(REDUCTION) or _UNUSED.fullmatch(n))}
    if model.spec.joint_mask and model.spec.joint_mask != "published":
        # The published code ignores its matrix, so its checkpoints go with any; a model of ours was trained with one.
        trained_with = given.get(JOINT_MASK)
        if own and trained_with is not None and not torch.equal(trained_with > 0, ours[JOINT_MASK].cpu() > 0):
            raise InputError(
                f"{what} was trained with another joint mask than {model.spec.joint_mask!r}: give the one that it was "
                "trained with, or 'published' for the matrix in the file"
            )
        given[JOINT_MASK] = ours[JOINT_MASK]
    elif JOINT_MASK in given:
        given[JOINT_MASK] = given[JOINT_MASK].reshape(-1, *given[JOINT_MASK].shape[-2:])[0] > 0
    if fresh_scorer:
        given = {**{n: t for n, t in ours.items() if n.startswith(REDUCTION)}, **given}
    expected = {name: name if own else reference_name(name, model) for name in ours}
    if problems := _differences(given, ours, expected | names, expected):
        raise InputError(f"{what} does not fit {model.spec.name} ({model.spec.dataset}): {problems}; {would_fit(file)}")
    model.load_state_dict(given)
    return model


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def load_vitpose(source: Source, **options: Any) -> PoseModel:
    """The ViTPose model that weights belong to, with them: size, decoder, keypoints and input size as they say.

    options: for `create_model`, over what the weights say. Raises InputError for weights that are not ViTPose's.
    """
    file = read_weights(source)
    config = read_config(to_original(file.tensors))
    datasets = [d.name for d in DATASETS.values() if config and d.skeleton.num_keypoints == config.keypoints]
    if config is None or not datasets:
        which = f"; these have {config.keypoints} keypoints" if config else ""
        raise InputError(f"{file.name}: not the weights of a ViTPose S, B, L or H with 17 or 16 keypoints{which}")
    said: dict[str, Any] = {"dataset": datasets[0], "decoder": config.decoder}
    if config.input_size is not None:
        said["input_size"] = config.input_size
    return load_weights(create_model(config.name, **{**said, **options}), source)


def load_backbone_weights(model: PoseModel, source: Source) -> PoseModel:
    """Load an ImageNet HRNet (all of it, or its stem, layer1 and stages 2 and 3) into the backbone of `model`."""
    file = read_weights(source)
    ours = model.backbone.state_dict()
    if not ours:
        raise InputError(f"{model.spec.name} has no backbone to load {file.name} into")
    # The last module of stage 3 is cut to one output here, so the full network holds more than is taken.
    taken = {name: tensor for name, tensor in file.tensors.items() if name in ours}
    if problems := _differences(taken, ours, file.names, {}):
        raise InputError(f"{file.name} does not fit the backbone {MODELS[model.spec.name].backbone}: {problems}")
    model.backbone.load_state_dict(taken)
    return model


def _differences(given: Mapping, ours: Mapping, in_file: Mapping[str, str], expected: Mapping[str, str]) -> str:
    """in_file, expected: what the user's file, and the user, call an entry (by default by its own name)."""
    missing = [expected.get(name, name) for name in ours if name not in given]
    unexpected = [in_file.get(name, name) for name in given if name not in ours]
    shapes = [
        f"{in_file.get(name, name)} is {_size(given[name])}, not {_size(ours[name])}"
        for name in ours
        if name in given and given[name].shape != ours[name].shape
    ]
    dtypes = [
        f"{in_file.get(name, name)} is {str(given[name].dtype).removeprefix('torch.')}"
        for name in ours
        if name in given and ours[name].is_floating_point() and not given[name].is_floating_point()
    ]
    kinds = (
        ("missing", missing),
        ("unexpected", unexpected),
        ("of another shape", shapes),
        ("of another kind of number", dtypes),
    )
    return "; ".join(f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds if names)


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return ", ".join(map(printable, names[:NAMES_SHOWN])) + more


def _size(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def would_fit(file: WeightsFile) -> str:
    """In words, the known models that a file's weights would fit."""
    fits = fitting_models(file.tensors)
    return f"it would fit {', '.join(fits)}" if fits else "no known model would fit it"


def fitting_models(given: Mapping[str, torch.Tensor]) -> list[str]:
    """Known models (name, data set, input size where not the usual) whose entries a state dict matches exactly.

    Of ViTPose's weights, what their shapes say.
    """
    if is_vitpose(given):
        config = read_config(to_original(given))
        return [str(config)] if config else []
    ignored = (REDUCTION, JOINT_MASK, "features.joint_mask")
    shapes = {n: tuple(t.shape) for n, t in given.items() if not (n.startswith(ignored) or _UNUSED.fullmatch(n))}
    return [words for words, known in _known_shapes() if shapes in known]


@cache
def _known_shapes() -> list[tuple[str, tuple[dict[str, tuple[int, ...]], ...]]]:
    """Of every known model its words, and its entries' shapes under our names and under the papers'."""
    known = []
    for name, (dataset, data) in product(MODELS, DATASETS.items()):
        for size in () if MODELS[name].decoder else published_sizes(name, data.crop):
            with torch.device("meta"):
                model: nn.Module = create_model(name, dataset=dataset, input_size=size, mask="none")
            ours = {n: tuple(t.shape) for n, t in model.state_dict().items() if n != JOINT_MASK}
            reference = {reference_name(n, model): s for n, s in ours.items()}
            known.append((f"{name} ({dataset}{', {}x{}'.format(*size) if size else ''})", (ours, reference)))
    return known
