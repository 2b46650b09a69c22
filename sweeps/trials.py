"""A search of accuracy over layers and ratios within an exact budget, on a trained model as it is.

Optuna proposes (ask), posebench counts, and only what is within the budget is evaluated; the accuracy is told back. The
folder holds search.db (SQLite, so that a killed search loses at most the running trial) and settings.json; the same
command goes on where it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from filelock import FileLock, Timeout

from ..pose.crops.person import DataSplit
from ..pose.errors import InputError
from ..pose.evaluation.bootstrap import scores
from ..pose.evaluation.evaluate import evaluate
from ..pose.metrics import Metric
from ..pose.models.as_trained import load_model
from ..pose.models.config import ModelConfig
from ..pose.models.weights_file import WeightsFile, read_weights
from ..pose.people.folder import load_people
from ..pose.reductions import ReductionConfig, find_reduction, reduction_config
from .budgets import share_of
from .data import digest
from .layer_choices import Choice, blocks_of, choices_within, counted, takes_layers
from .plan import file_sha256
from .store import read_json, write_json

if TYPE_CHECKING:
    import optuna

#: proposals over the budget, or seen before, for each trial that is asked for; then the search ends
PROPOSALS = 50
NEEDS = "--trials needs Optuna: pip install 'posebench[search]'"


@dataclass(frozen=True)
class Search:
    """What is searched. trials: evaluated ones, in all; masks: none for the weights' own; people: None for all."""

    budget: float
    trials: int
    weights: Path
    data: Path
    dataset: str | None = None
    model: str | None = None
    masks: tuple[str, ...] = ()
    input_size: tuple[int, int] | None = None
    people: int | None = None
    seed: int = 0
    batch_size: int = 32
    flip_test: bool = True
    device: str = "cpu"


@dataclass(frozen=True)
class Trial:
    """A candidate that was evaluated."""

    choice: Choice
    score: float


@dataclass(frozen=True)
class Found:
    """What a search has come to: its trials in order, and how many proposals were over the budget."""

    metric: Metric
    trials: list[Trial]
    over_budget: int
    people: int
    asked: Search

    def best(self, count: int) -> list[Trial]:
        """The highest scores, highest first."""
        return sorted(self.trials, key=lambda trial: -trial.score)[:count]

    @property
    def sentence(self) -> str:
        """What was found, and what it is not."""
        if not self.trials:
            return f"Nothing within {self.asked.budget:g} GFLOPsT was found to evaluate."
        best = self.best(1)[0]
        reduction = best.choice.reduction
        return (
            f"Of {len(self.trials)} evaluated within {self.asked.budget:g} GFLOPsT ({self.over_budget} proposals over"
            f" it were not), {reduction.text} at ratio {reduction.ratio:g} has the highest {self.metric.name},"
            f" {self.metric.text(best.score)} of {self.people} people. It was picked by these people's score, which is"
            " too high for that reason: judge it by others, or train it: posebench sweep --mask"
            f' "{reduction.text}" --ratios {reduction.ratio:g}'
        )


def run_search(asked: Search, out: Path, progress: Callable[..., None]) -> Found:
    """Go on until `asked.trials` are evaluated. InputError where Optuna is missing, the folder holds another search or
    is in use, the weights do not fit, or nothing meets the budget."""
    try:
        import optuna
    except ImportError:
        raise InputError(NEEDS) from None
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    bench = _Bench(asked)
    with _folder(out, bench.settings()):
        study = optuna.create_study(
            storage=f"sqlite:///{(out / 'search.db').resolve()}",
            study_name="search",
            direction="maximize",
            load_if_exists=True,
        )
        for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):  # of a killed search
            study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        # another stream of proposals than before, or a search that goes on would propose the same again
        seed = asked.seed + len(study.trials)
        study.sampler = optuna.samplers.TPESampler(seed=seed)
        if not study.trials:
            for params in bench.starts():
                study.enqueue_trial(params)
        _go_on(study, bench, progress)
        return _found(study, bench)


def _go_on(study: optuna.Study, bench: _Bench, progress: Callable[..., None]) -> None:
    from optuna.trial import TrialState

    known = {_key(trial): trial.value for trial in study.get_trials(states=[TrialState.COMPLETE])}
    proposals = 0
    while len(known) < bench.asked.trials and proposals < PROPOSALS * bench.asked.trials:
        progress(len(known), bench.asked.trials)
        proposals += 1
        trial = study.ask()
        reduction = bench.propose(trial)
        choice = reduction and bench.count(reduction)
        if choice is None or choice.gflops_t > bench.asked.budget:
            trial.set_user_attr("over", choice is not None)
            study.tell(trial, state=TrialState.PRUNED)
            continue
        key = (reduction.text, reduction.ratio)
        trial.set_user_attr("mask", reduction.text)
        trial.set_user_attr("ratio", reduction.ratio)
        if key not in known:
            known[key] = bench.score(reduction)
        study.tell(trial, known[key])
    progress(len(known), bench.asked.trials)


def _key(trial: optuna.trial.FrozenTrial) -> tuple[str, float]:
    return trial.user_attrs["mask"], trial.user_attrs["ratio"]


def _found(study: optuna.Study, bench: _Bench) -> Found:
    from optuna.trial import TrialState

    scored = {_key(trial): trial.value for trial in study.get_trials(states=[TrialState.COMPLETE])}
    trials = [Trial(bench.count(reduction_config(*key)), value) for key, value in scored.items()]
    pruned = study.get_trials(states=[TrialState.PRUNED])
    over = sum(bool(trial.user_attrs.get("over")) for trial in pruned)
    return Found(bench.split.dataset.metric, trials, over, bench.judged, bench.asked)


class _Bench:
    """The trained model and the people that candidates are judged by."""

    def __init__(self, asked: Search) -> None:
        self.asked = asked
        self.file: WeightsFile = read_weights(asked.weights)
        given = {"name": asked.model, "dataset": asked.dataset, "input_size": asked.input_size}
        self.given = {name: value for name, value in given.items() if value is not None}
        trained, _ = load_model(self.file, **self.given)
        spec = trained.spec
        own = spec.reduction
        masks = [reduction_config(text) for text in asked.masks]
        if not masks:
            if own.is_none:
                raise InputError(f"{self.file.name} was trained without a mask: give --mask")
            masks = [reduction_config(own.name, None, dict(own.params))]
        if fixed := [mask.text for mask in masks if mask.is_fixed or mask.is_none]:
            raise InputError(f"--mask {fixed[0]}: leaves nothing to search; give it without what it keeps")
        self.masks = {mask.text: mask for mask in masks}
        self.config = ModelConfig(
            name=spec.name, dataset=spec.dataset, described=spec.described, input_size=tuple(spec.input_size),
            as_published=spec.as_published, decoder=spec.decoder, joint_mask=spec.joint_mask, source=spec.source,
        )  # fmt: skip
        self.tokens, self.blocks = spec.tokens_total, blocks_of(self.config)
        crops = {"input_size": spec.input_size, "convention": spec.convention}
        every = load_people(asked.data, "val", dataset=asked.dataset, **crops)
        self.data = digest(every)
        self.images, self.split = _some_people(every, asked.people)
        self.counts: dict[ReductionConfig, Choice | None] = {}
        for mask in masks:  # weights that a mask needs and the file has not are told before anything runs
            load_model(self.file, **self.given, mask=mask.text, mask_ratio=0.1)

    @property
    def judged(self) -> int:
        """People that candidates are judged by."""
        return len(self.split.people)

    def settings(self) -> dict[str, Any]:
        """All that decides a score or a proposal, but how many are wanted and on which device."""
        left_out = ("trials", "device", "weights", "data")
        kept = {name: value for name, value in vars(self.asked).items() if name not in left_out}
        kept["masks"], kept["input_size"] = list(self.masks), list(self.config.input_size or ())
        kept["weights"] = file_sha256(self.asked.weights)
        kept["people"] = f"{self.data} {self.judged}"
        sources = {one.name: one.source for one in (self.config, *self.masks.values()) if one.source}
        return kept | ({"sources": sources} if sources else {})

    def starts(self) -> Iterator[dict[str, Any]]:
        """Of each mask the usual layers at the ratio that meets the budget, as Optuna's parameters."""
        found, out_of_reach = choices_within(self.config, list(self.masks.values()), self.asked.budget)
        if not found:
            raise InputError(out_of_reach[0])
        for choice in found:
            own = choice.reduction
            mask = next(
                text for text, one in self.masks.items() if one.name == own.name and set(one.params) <= set(own.params)
            )
            params: dict[str, Any] = {"mask": mask, f"{mask} gone": round(own.ratio * self.tokens)}
            if self._chooses_layers(self.masks[mask]):
                params |= {f"{mask} block {at}": at in choice.layers for at in range(self.blocks)}
            yield params

    def propose(self, trial: optuna.Trial) -> ReductionConfig | None:
        """What Optuna proposes; None for a reduction between blocks that acts in none."""
        text = trial.suggest_categorical("mask", list(self.masks))
        mask = self.masks[text]
        gone = trial.suggest_int(f"{text} gone", 1, self.tokens - 1)
        params = {}
        if self._chooses_layers(mask):
            blocks = range(self.blocks)
            layers = tuple(at for at in blocks if trial.suggest_categorical(f"{text} block {at}", [False, True]))
            if layers:
                params = {"layers": layers}
            elif find_reduction(mask.name).layers is not None:
                return None
        return reduction_config(mask, share_of(gone, self.tokens), params)

    def count(self, reduction: ReductionConfig) -> Choice | None:
        """The exact counts; None where the model cannot be made with it (too much to merge in too few blocks)."""
        if reduction not in self.counts:
            try:
                self.counts[reduction] = counted(self.config, reduction)
            except InputError:
                self.counts[reduction] = None
        return self.counts[reduction]

    def score(self, reduction: ReductionConfig) -> float:
        """The metric of the trained model under this reduction, on the chosen people."""
        model, _ = load_model(self.file, **self.given, mask=reduction.text, mask_ratio=reduction.ratio)
        found = evaluate(
            model, self.split, batch_size=self.asked.batch_size, flip_test=self.asked.flip_test,
            device=self.asked.device, as_published=self.config.as_published, resamples=0,
        )  # fmt: skip
        if self.images is None:
            return float(found.metrics[self.split.dataset.metric.column])
        chosen = np.isin(found.evidence["images"], self.images).astype(np.int64)
        return float(scores(found.evidence, chosen[None])[0])

    def _chooses_layers(self, mask: ReductionConfig) -> bool:
        return takes_layers(mask) and mask.get("layers") is None


def _some_people(split: DataSplit, people: int | None) -> tuple[np.ndarray | None, DataSplit]:
    """The images, drawn once and for all, that hold about so many people, and these; (None, all) for all.

    A score of them is that of these images alone, others' people are not missing from it.
    """
    if people is None or people >= len(split.people):
        return None, split
    if split.dataset.metric.is_percent:
        raise InputError("--people: of data whose images have ids, as COCO's; leave it out to judge by all people")
    ids = np.array([person.image_id for person in split.people])
    order = np.random.default_rng(0).permutation(np.unique(ids))
    held = np.cumsum([(ids == image).sum() for image in order])
    images = np.sort(order[: int(np.searchsorted(held, people)) + 1])
    chosen = set(images.tolist())
    return images, replace(split, people=[person for person in split.people if person.image_id in chosen])


@contextmanager
def _folder(out: Path, settings: dict[str, Any]) -> Iterator[None]:
    """Take the folder for this search, and hold its lock; what it holds of another one is not touched."""
    file = out / "settings.json"
    if out.exists() and not file.is_file() and any(not entry.name.startswith(".") for entry in out.iterdir()):
        raise InputError(f"{out}: holds other files; give an empty or new folder as --out")
    lock = FileLock(out / ".lock", timeout=0)
    try:
        out.mkdir(parents=True, exist_ok=True)
        lock.acquire()
    except Timeout:
        raise InputError(f"{out}: another search is running in this folder; wait, or give another --out") from None
    except OSError as error:
        raise InputError(f"{out}: cannot be written to ({error.strerror}); give another --out") from None
    try:
        if file.is_file():
            stored = read_json(file, "give another --out")
            differing = sorted(name for name in settings if stored.get(name) != settings[name])
            if differing:
                raise InputError(f"{out}: holds a search with other {', '.join(differing)}; give another --out")
        else:
            write_json(file, settings)
        yield
    finally:
        lock.release()
