"""Runs that are open at once, as the cells of a sweep, each get their own scalars."""

import sys
from types import ModuleType, SimpleNamespace

import pytest

from posebench.reports.trackers.wandb_like import open_trackio, open_wandb


class Run(SimpleNamespace):
    def log(self, values, step=None):
        assert not self.ended
        self.logged.append((values, step))

    def finish(self):
        self.ended = True


def like(name, ends_others):
    """A module that speaks as `name`, whose log and finish are of the run that began last."""
    module, begun = ModuleType(name), []

    def init(project, name, config, **options):
        for run in begun if ends_others(options) else ():
            run.finish()
        begun.append(Run(project=project, name=name, config=config, logged=[], ended=False))
        return begun[-1]

    module.init, module.begun = init, begun
    module.log, module.finish = lambda values, step=None: begun[-1].log(values, step), lambda: begun[-1].finish()
    return module


@pytest.mark.parametrize(
    ("name", "open_run", "ends_others"),
    [
        ("wandb", open_wandb, lambda options: options.get("reinit") != "create_new"),
        ("trackio", open_trackio, lambda options: False),
    ],
)
def test_two_runs_at_once_are_two(name, open_run, ends_others, monkeypatch, tmp_path):
    module = like(name, ends_others)
    monkeypatch.setitem(sys.modules, name, module)
    monkeypatch.setenv("WANDB_MODE", "offline")
    one, other = (open_run(label, {"ratio": 0.4}, "", tmp_path) for label in ("one", "other"))
    one.log({"loss": 0.5}, 1)
    other.log({"loss": 0.25}, 1)
    one.finish()
    other.log({"ap": 0.75})
    first, second = module.begun
    assert (first.name, first.logged, first.ended) == ("one", [({"loss": 0.5}, 1)], True)
    assert (second.logged, second.ended) == ([({"loss": 0.25}, 1), ({"ap": 0.75}, None)], False)
