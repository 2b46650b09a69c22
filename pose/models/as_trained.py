"""A model made as its weights file says that it was trained, and what asking for something else comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import InputError
from ..reductions import REDUCTIONS
from .model import PoseModel
from .weights import Source, load_weights, would_fit
from .weights_file import WeightsFile, read_weights
from .zoo import create_model, resolve_name

#: arguments of create_model that weights go with: another value contradicts them
FIXED = {
    "name": "model",
    "dataset": "data set",
    "input_size": "input size",
    "as_published": "as_published",
    "positions": "positions",
    "position_type": "position type",
}
#: splits that hold the people whose scores are reported
EVALUATED_SPLITS = ("val", "trainval")
CONTAMINATED = "trained on the people that it is evaluated on, so that their scores say nothing of others"
#: those that say what becomes of the visual tokens, which may differ from training
REDUCTION = ("mask", "mask_ratio", "locations", "keep", "merge", "execution")


def load_model(
    source: Source, *, use: str = "evaluated", fresh_scorer: bool = False, **asked: Any
) -> tuple[PoseModel, str]:
    """The model that a weights file is of, with these weights, and a sentence where its mask needs one.

    A checkpoint of ours brings every argument of create_model; `asked` (None: not asked for) may give it another mask
    or ratio, for evaluation under a mask that it was not trained with. Any other file needs at least `name`. The
    sentence tells such a difference, that it was trained on the people that models are evaluated on, or the mask that a
    file of others is `use`d with; else it is empty.

    Raises:
        InputError: as create_model and load_weights do, and where `asked` contradicts the checkpoint or leaves open
            which model the file is of.
    """
    file = read_weights(source)
    arguments = as_trained(file, asked)
    try:
        model = create_model(**arguments)
    except (TypeError, ValueError, AttributeError) as error:
        if file.config is None:
            raise
        raise InputError(f"{file.name}: damaged checkpoint: no model can be made from what it says ({error})") from None
    load_weights(model, file, fresh_scorer=fresh_scorer)
    return model, _sentence(file, model.spec.create_arguments(), use)


def _sentence(file: WeightsFile, used: Mapping[str, Any], use: str) -> str:
    if file.config is None:
        return f"{file.name} does not say how it was trained: {use} with {_in_words(used)}"
    parts = []
    was_drawn = used["mask"] in ("none", file.config["mask"]) and used["mask_ratio"] in file.drawn_ratios
    if not was_drawn and any(_plain(used.get(name)) != _plain(file.config.get(name)) for name in REDUCTION[:-1]):
        detail = used["mask"] == file.config["mask"]
        parts.append(f"{trained_in_words(file, detail=detail)}, {use} with {_in_words(used, detail=detail)}")
    if file.checkpoint.get("data", {}).get("split") in EVALUATED_SPLITS:
        parts.append(f"{file.name}: {CONTAMINATED}")
    return "; ".join(parts)


def as_trained(file: WeightsFile, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of create_model: the checkpoint's, with what is `asked` (None: not asked for) of its mask over them.

    InputError where `asked` contradicts the checkpoint, or names no model for a file that is not ours.
    """
    asked = {name: value for name, value in asked.items() if value is not None}
    if file.config is None:
        if "name" not in asked:
            raise InputError(f"{file.name} does not say which model it is of: name it ({would_fit(file)})")
        return asked
    trained = dict(file.config)
    for name, words in FIXED.items():
        there, here = trained.get(name), asked.get(name, trained.get(name))
        here = resolve_name(here) if name == "name" else here
        if _plain(here) != _plain(there):
            raise InputError(
                f"{file.name} was trained with {words} {_shown(there)}, which {_shown(here)} contradicts: leave that "
                "out, or give other weights"
            )
    reduction = _reduction(trained, asked)
    if trained.get("as_published") or reduction["mask"] in REDUCTIONS:
        for name in ("positions", "draw"):  # the first implies them; the others have no use for them
            trained.pop(name, None)
    kept = {name: value for name, value in trained.items() if name not in REDUCTION}
    return {**kept, **{name: value for name, value in asked.items() if name not in FIXED}, **reduction}


def trained_in_words(file: WeightsFile, *, detail: bool = False) -> str:
    """What a checkpoint of ours was trained with, such as "best.pt: trained with semantic 0.4"."""
    drawn = ", ".join(f"{ratio:g}" for ratio in file.drawn_ratios)
    mask = f"{file.config['mask']} drawn from {drawn}" if drawn else _in_words(file.config, detail=detail)
    return f"{file.name}: trained with {mask}"


def _reduction(trained: Mapping[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of REDUCTION. Of the checkpoint's own, what is asked for leaves those that it does not replace."""
    own = {name: trained[name] for name in REDUCTION if trained.get(name) is not None}
    given = {name: asked[name] for name in REDUCTION if name in asked and _plain(asked[name]) != own.get(name)}
    replaced = set(given)
    if "mask" in given:
        replaced = set(REDUCTION) - ({"mask_ratio"} if given["mask"] != "none" and own["mask_ratio"] else set())
    if {"keep", "merge"} & set(given):
        replaced |= {"keep", "merge", "mask_ratio"}
    elif {"mask_ratio", "locations"} & set(given):
        replaced |= {"keep", "merge"}
    return {name: value for name, value in own.items() if name not in replaced} | given


def _in_words(arguments: Mapping[str, Any], *, detail: bool = False) -> str:
    """Such as "semantic 0.4" or, with detail, "prune 0.64 (keep 0.6, 0.6; blocks 0, 1)"."""
    if arguments["mask"] == "none":
        return "no mask"
    names = {"keep": "keep", "merge": "merge", "locations": "blocks"}
    parts = [f"{names[n]} {', '.join(f'{v:g}' for v in arguments[n])}" for n in names if arguments.get(n)]
    return f"{arguments['mask']} {arguments['mask_ratio']:g}" + (f" ({'; '.join(parts)})" if detail and parts else "")


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, (list, tuple)) else value


def _shown(value: Any) -> str:
    return "x".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
