"""Loading weights: our checkpoints, the papers' state dicts under their own names, HRNet's ImageNet backbones.

ViTPose's names are in vitpose_weights.py.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from itertools import product
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ..errors import InputError
from ..keypoints import SKELETONS
from .architectures import MODELS
from .model import PoseModel
from .safetensors import read_safetensors
from .vitpose_weights import check_config_file, is_vitpose, original_name, read_config, to_original, to_ours
from .zoo import create_model

WRAPPERS = ("state_dict", "best_state_dict", "model")
SCORER = "transformer.mask.linear."
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


def read_state_dict(source: str | os.PathLike[str] | Mapping) -> dict[str, torch.Tensor]:
    """The tensors by name of a file, a Hugging Face folder or a mapping, without wrappers (`state_dict`, `model`,
    `module.`).

    Raises:
        InputError: the file is absent, damaged, holds code instead of tensors, or no state dict.
    """
    what = "the given state dict" if isinstance(source, Mapping) else str(source)
    if not isinstance(source, Mapping):
        source = _read_file(Path(source))
    for wrapper in WRAPPERS:
        if isinstance(source, Mapping) and isinstance(source.get(wrapper), Mapping):
            source = source[wrapper]
            break
    if not isinstance(source, Mapping) or not source:
        raise InputError(f"{what}: holds no state dict (a mapping from names to tensors)")
    bad = next((k for k, v in source.items() if not (isinstance(k, str) and isinstance(v, torch.Tensor))), None)
    if bad is not None:
        raise InputError(f"{what}: entry {bad!r} is no tensor, so this is not a state dict")
    return {name.removeprefix("module."): tensor for name, tensor in source.items()}


def _read_file(path: Path) -> object:
    if path.is_dir():
        names = ("model.safetensors", "pytorch_model.bin")
        path = next((path / name for name in names if (path / name).is_file()), path / names[0])
    if not path.is_file():
        raise InputError(f"{path}: no such weights file")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    try:
        return torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch raises many kinds for damaged or unsafe files
        reason = str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
        raise InputError(
            f"{path}: not a readable weights file (tensors only, as torch.save writes them): {reason}"
        ) from None


def load_weights(
    model: PoseModel,
    source: str | os.PathLike[str] | Mapping,
    *,
    fresh_scorer: bool = False,
    expert: int | None = None,
) -> PoseModel:
    """Load weights under our names or the papers' into `model` (in place) and return it.

    Args:
        source: a file (safetensors, too), a Hugging Face folder with its config.json, or a state dict, bare or wrapped,
            with or without `module.`.
        fresh_scorer: keep the model's own scorer where the source has none (fine-tuning from an unmasked model).
        expert: of ViTPose+ weights, from 0; by default the one of the model's data set.

    Raises:
        InputError: an entry is missing, unexpected or of another shape; the message lists the first few of each and
            the known model that would fit.
    """
    what = "the given state dict" if isinstance(source, Mapping) else str(source)
    given = read_state_dict(source)
    ours = model.state_dict()
    own = any(name.startswith(("backbone.", "transformer.stacks.")) for name in given)
    if model.spec.decoder:
        folder = None if isinstance(source, Mapping) or not Path(source).is_dir() else Path(source)
        grid = folder and check_config_file(folder, model.spec.name)
        given = to_ours(given, model, expert=expert, grid=grid)
    elif not own:
        names = {reference_name(name, model): name for name in ours}
        given = {names.get(name, name): tensor for name, tensor in given.items()}
    given = {n: t for n, t in given.items() if n in ours or not (n.startswith(SCORER) or _UNUSED.fullmatch(n))}
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
        given = {**{n: t for n, t in ours.items() if n.startswith(SCORER)}, **given}
    problems = _differences(given, ours, lambda name: reference_name(name, model))
    if problems:
        raise InputError(f"{what} does not fit {model.spec.name} ({model.spec.dataset}): {problems}{_suggest(given)}")
    model.load_state_dict(given)
    return model


def load_vitpose(source: str | os.PathLike[str] | Mapping, **options: Any) -> PoseModel:
    """The ViTPose model that weights belong to, with them: size, decoder, keypoints and input size as they say.

    options: for `create_model`, over what the weights say. Raises InputError for weights that are not ViTPose's.
    """
    what = "the given state dict" if isinstance(source, Mapping) else str(source)
    config = read_config(to_original(read_state_dict(source)))
    datasets = [name for name, skeleton in SKELETONS.items() if config and skeleton.num_keypoints == config.keypoints]
    if config is None or not datasets:
        which = f"; these have {config.keypoints} keypoints" if config else ""
        raise InputError(f"{what}: not the weights of a ViTPose S, B, L or H with 17 or 16 keypoints{which}")
    said: dict[str, Any] = {"dataset": datasets[0], "decoder": config.decoder}
    if config.input_size is not None:
        said["input_size"] = config.input_size
    return load_weights(create_model(config.name, **{**said, **options}), source)


def load_backbone_weights(model: PoseModel, source: str | os.PathLike[str] | Mapping) -> PoseModel:
    """Load an ImageNet HRNet (all of it, or its stem, layer1 and stages 2 and 3) into the backbone of `model`."""
    what = "the given state dict" if isinstance(source, Mapping) else str(source)
    given = read_state_dict(source)
    ours = model.backbone.state_dict()
    if not ours:
        raise InputError(f"{model.spec.name} has no backbone to load {what} into")
    # The last module of stage 3 is cut to one output here, so the full network holds more than is taken.
    taken = {name: tensor for name, tensor in given.items() if name in ours}
    if problems := _differences(taken, ours, lambda name: name):
        raise InputError(f"{what} does not fit the backbone {MODELS[model.spec.name].backbone}: {problems}")
    model.backbone.load_state_dict(taken)
    return model


def _differences(given: Mapping, ours: Mapping, show) -> str:
    missing = [show(name) for name in ours if name not in given]
    unexpected = [name for name in given if name not in ours]
    shapes = [
        f"{show(name)} is {_size(given[name])}, not {_size(ours[name])}"
        for name in ours
        if name in given and given[name].shape != ours[name].shape
    ]
    kinds = (("missing", missing), ("unexpected", unexpected), ("of another shape", shapes))
    return "; ".join(f"{len(names)} {kind} ({_first(names)})" for kind, names in kinds if names)


def _first(names: list[str]) -> str:
    more = ", ..." if len(names) > NAMES_SHOWN else ""
    return ", ".join(names[:NAMES_SHOWN]) + more


def _size(tensor: torch.Tensor) -> str:
    return "x".join(map(str, tensor.shape)) or "scalar"


def _suggest(given: Mapping) -> str:
    fits = fitting_models(given)
    return f"; it would fit {', '.join(fits)}" if fits else "; no known model would fit it"


def fitting_models(given: Mapping[str, torch.Tensor]) -> list[str]:
    """Known models (name, data set, input size where not the usual) whose entries a state dict matches exactly.

    Of ViTPose's weights, what their shapes say.
    """
    if is_vitpose(given):
        config = read_config(to_original(given))
        return [str(config)] if config else []
    ignored = (SCORER, JOINT_MASK, "features.joint_mask")
    shapes = {n: tuple(t.shape) for n, t in given.items() if not (n.startswith(ignored) or _UNUSED.fullmatch(n))}
    fits = []
    sizes = {"coco": (None, (384, 288)), "mpii": (None,)}
    for name, dataset in product(MODELS, sizes):
        for size in sizes[dataset]:
            if MODELS[name].decoder or (size and MODELS[name].backbone != "hrnet_w48"):
                continue
            with torch.device("meta"):
                model: nn.Module = create_model(name, dataset=dataset, input_size=size, mask="none")
            ours = {n: tuple(t.shape) for n, t in model.state_dict().items() if n != JOINT_MASK}
            reference = {reference_name(n, model): s for n, s in ours.items()}
            if shapes in (ours, reference):
                fits.append(f"{name} ({dataset}{', {}x{}'.format(*size) if size else ''})")
    return fits
