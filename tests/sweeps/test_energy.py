"""Energy in a sweep: measured behind the times, in turns, asked for by name, and part of what a timing is called by."""

import functools

import pytest
from small_sweeps import RUN, from_scratch

from posebench.benchmark.instruments import energy
from posebench.benchmark.profiling import subjects
from posebench.pose.errors import InputError
from posebench.pose.models.choices import asked_model
from posebench.sweeps.config import timing_key
from posebench.sweeps.request import SweepRequest, parse
from posebench.sweeps.timing import TimingJob, measure, timing_groups


class Stages:
    def __init__(self):
        self.told = []

    def progress(self, stage):
        return lambda done, total, **_: self.told.append((stage, done, total))


def test_a_timing_holds_joules_beside_the_times_and_against_the_unmasked_model(tmp_path, monkeypatch):
    joules = iter(range(10**6))
    counter = energy.Counter(lambda: float(next(joules)), "by hand")  # 1 J between two looks
    monkeypatch.setattr(energy, "energy_counter", lambda device: counter)
    monkeypatch.setattr("posebench.benchmark.profiling.models.energy_counter", lambda device: counter)
    brief = functools.partial(subjects.measure_energy, window=0.02, rest=0.0)
    monkeypatch.setattr(subjects, "measure_energy", brief)
    models = tuple(asked_model("tmpose_tiny", mask="random", mask_ratio=ratio) for ratio in (0.0, 0.5))
    job = TimingJob(models, RUN, "cpu", (1,), samples=5, seconds=0.2, energy=True)
    stages = Stages()
    timings = measure(tmp_path, job, stages)["timings"]
    whole, masked = (timings[timing_key(model, RUN)]["1"] for model in models)
    assert whole["joules_per_image"] > 0 and whole.get("joules_vs_unmasked") is None
    assert masked["joules_vs_unmasked_low"] <= masked["joules_vs_unmasked"] <= masked["joules_vs_unmasked_high"]
    assert masked["energy_method"] == "by hand, 3 windows of 0.02 s"
    assert ("energy", 6, 6) in stages.told


def test_energy_is_part_of_what_a_timing_is_and_nothing_where_it_was_not_asked_for():
    def key(**how):
        request = SweepRequest(masks=("random",), ratios=(0.5,), **how)
        return next(iter(timing_groups(from_scratch(request), request)))

    assert key(energy=True) != key() == key(energy=False)


def test_energy_without_times_is_refused():
    with pytest.raises(InputError, match="--energy is measured behind the times; leave --no-latency out"):
        parse({"energy": True, "latency": False})
