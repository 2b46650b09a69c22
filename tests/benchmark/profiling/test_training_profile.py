"""Where a training step's time goes: the stages add up to the step, and a stage made slow is the one that grows."""

import time

import pytest
from tiny_run import RECIPE, TinyModel, draw_people

from posebench.benchmark.profiling import training
from posebench.benchmark.profiling.training import STAGES, profile_training


def profiled(people, **changes):
    return {row["stage"]: row for row in profile_training(TinyModel(), people, RECIPE, steps=5, **changes)}


def test_the_stages_are_the_whole_step_and_a_slow_one_is_named(tmp_path, monkeypatch):
    people = draw_people(tmp_path)
    rows = profiled(people)
    assert list(rows) == [*STAGES, "step"]
    assert sum(rows[name]["ms"] for name in STAGES) == pytest.approx(rows["step"]["ms"])
    assert sum(rows[name]["share"] for name in STAGES) == pytest.approx(1)
    assert rows["step"]["crops_per_s"] > 0

    honest = training.collate

    def slow(samples):
        time.sleep(0.2)
        return honest(samples)

    monkeypatch.setattr(training, "collate", slow)
    rows = profiled(people)
    assert max(STAGES, key=lambda name: rows[name]["share"]) == "collate"
