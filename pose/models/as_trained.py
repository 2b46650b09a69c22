"""A model made as its weights file says that it was trained, and what asking for something else comes to."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..datasets.descriptor import Dataset
from ..datasets.registry import description_of, find_dataset
from ..errors import InputError
from ..plugins import is_reference
from ..reductions import NONE, ReductionConfig, find_reduction, reduction_config
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
#: arguments that may name code, and how they are asked for
CODE = {"name": "--model", "dataset": "--dataset", "mask": "--mask"}
#: splits that hold the people whose scores are reported
EVALUATED_SPLITS = ("val", "trainval")
CONTAMINATED = "trained on the people that it is evaluated on, so that their scores say nothing of others"


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
    try:
        arguments = as_trained(file, asked)
        model = create_model(**arguments)
    except InputError as error:
        if file.config is None or file.name in str(error):
            raise
        raise InputError(f"{file.name}: {error}") from None
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
    was_drawn = used["mask"] in (NONE, file.config["mask"]) and used["mask_ratio"] in file.drawn_ratios
    if not was_drawn and any(used[name] != file.config[name] for name in ("mask", "mask_ratio")):
        parts.append(f"{trained_in_words(file)}, {use} with {_in_words(used)}")
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
    own_mask, given_mask = (_without_params(arguments.get("mask")) for arguments in (trained, asked))
    if is_reference(own_mask) and given_mask not in ("", own_mask):
        trained |= {"mask": NONE, "mask_ratio": 0.0}  # the code of its own is not needed then
    for name in CODE:
        check_named(file, name, asked.get(name), trained.get(name))
    for name, words in FIXED.items():
        there, here = trained.get(name), asked.get(name, trained.get(name))
        here = resolve_name(here) if name == "name" else here
        if _plain(here) != _plain(there):
            raise InputError(
                f"{file.name} was trained with {words} {_shown(there)}, which {_shown(here)} contradicts: leave that "
                "out, or give other weights"
            )
    reduction = _reduction(trained, asked)
    before = reduction.is_none or find_reduction(reduction.name).layers is None
    if trained.get("as_published") or not before:
        for name in ("positions", "draw"):  # the first implies them; the others have no use for them
            trained.pop(name, None)
    given = {name: value for name, value in asked.items() if name not in FIXED}
    return trained | given | {"mask": reduction.text, "mask_ratio": reduction.ratio}


def check_named(file: WeightsFile, name: str, asked: Any, trained: Any) -> None:
    """InputError where an argument of a checkpoint names code ("package.module:name") and is not asked for as well: a
    file that came from elsewhere does not say what is imported here."""
    there = _without_params(trained)
    if is_reference(there) and _without_params(asked) != there:
        raise InputError(
            f"{file.name}: its {FIXED.get(name, name)} is {there}, which is code and not in the file: name it, too "
            f"({CODE[name]} {there}), to have it imported"
        )


def _without_params(value: Any) -> str:
    """ "" for what is no name, such as a data set's own description."""
    return value.partition("(")[0].strip() if isinstance(value, str) and not value.startswith("{") else ""


def trained_in_words(file: WeightsFile) -> str:
    """What a checkpoint of ours was trained with, such as "best.pt: trained with semantic 0.4"."""
    drawn = ", ".join(f"{ratio:g}" for ratio in file.drawn_ratios)
    mask = f"{file.config['mask']} drawn from {drawn}" if drawn else _in_words(file.config)
    return f"{file.name}: trained with {mask}"


def _reduction(trained: Mapping[str, Any], asked: Mapping[str, Any]) -> ReductionConfig:
    """The checkpoint's reduction, or what is asked for: another one, other parameters, or its own at another ratio."""
    own = reduction_config(trained["mask"], trained["mask_ratio"])
    ratio = asked.get("mask_ratio")
    new = reduction_config(asked["mask"], ratio) if "mask" in asked else None
    if new is not None and (new.name != own.name or new.params):
        amounts = find_reduction(new.name).amounts
        if new.is_none or ratio is not None or (amounts and new.get(amounts) is not None):
            return new
        return reduction_config(new, own.ratio or None)
    if ratio is None or ratio == own.ratio:
        return own
    amounts = find_reduction(own.name).amounts  # they hold for the ratio that they come to
    return ReductionConfig(own.name, ratio, tuple(pair for pair in own.params if pair[0] != amounts), own.source)


def _in_words(arguments: Mapping[str, Any]) -> str:
    """Such as "semantic 0.4" or "prune(keep_ratio=0.6, layers=0|1) 0.64"."""
    return "no mask" if arguments["mask"] == NONE else f"{arguments['mask']} {arguments['mask_ratio']:g}"


def _plain(value: Any) -> Any:
    if isinstance(value, Dataset):
        return description_of(value) or value.name
    return list(value) if isinstance(value, (list, tuple)) else value


def _shown(value: Any) -> str:
    value = _plain(value)
    if str(value).startswith("{"):
        return find_dataset(value).name
    return "x".join(map(str, value)) if isinstance(value, list) else str(value)
