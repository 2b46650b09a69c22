"""`profile --data`: who waits for whom, and how many loader processes are enough."""

import json

from folders import write_hands

from posebench.benchmark.profiling.loading import LoadingRates


def test_the_fewest_processes_that_keep_up_are_enough():
    rates = LoadingRates({0: 300.0, 1: 90.0, 2: 130.0, 4: 240.0}, device=120.0)
    assert rates.enough == 2, "none at all is not enough however fast it loads: the two take turns"
    assert rates.trained(0) == 1 / (1 / 300 + 1 / 120) and rates.trained(1) == 90 and rates.trained(4) == 120
    assert rates.sentence.startswith("The device is the bottleneck (120 images/s): 2 loader processes are enough")


def test_a_loader_that_never_keeps_up_is_named():
    rates = LoadingRates({0: 50.0, 1: 45.0, 2: 80.0}, device=1000.0)
    assert rates.enough is None
    assert rates.sentence.startswith("The loader is the bottleneck: at best 80 images/s with 2 loader processes")


def test_it_is_measured_on_a_folder(posebench, tmp_path, monkeypatch):
    monkeypatch.setattr("posebench.commands.profile_loading._worker_counts", lambda: [0, 1])
    write_hands(tmp_path / "hands")
    quick = ("--seconds", "0.1", "--threads", "1", "--quiet", "--format", "json")
    code, out, _ = posebench("profile", "--data", "hands", *quick)
    rows = json.loads(out)
    assert code == 0 and [row["loader_processes"] for row in rows] == [0, 1]
    assert all(0 < row["training_images_per_s"] <= row["device_images_per_s"] for row in rows)
    code, _, said = posebench("profile", "--data", "hands", "--ratios", "0,0.4")
    assert code == 2 and "give one model, one mask and one ratio" in said
