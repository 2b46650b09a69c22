"""The cost of an image as deployed: its stages compute what predict does, and each is there."""

from dataclasses import replace

import cv2
import numpy as np
import pytest
import torch

from posebench.benchmark.profiling.config import ProfileConfig
from posebench.benchmark.profiling.deployed import Deployed, profile_deployed
from posebench.benchmark.runtimes.catalogue import RUNTIMES
from posebench.benchmark.runtimes.prepared import Task, prepare
from posebench.benchmark.runtimes.registry import find_runtime
from posebench.pose.errors import InputError
from posebench.pose.evaluation.predict import predict_image
from posebench.pose.models.choices import choose_models
from posebench.pose.models.zoo import create_model


@pytest.mark.parametrize(("flip", "method"), [(False, "dark"), (True, "dark"), (True, "hrnet")])
def test_what_is_timed_gives_the_keypoints_that_predict_gives(tmp_path, flip, method):
    model = create_model("tmpose_tiny", mask="random", mask_ratio=0.4).eval()
    prepared = prepare("eager", Task(model, (torch.zeros(3, 3, 96, 72), torch.arange(3)), threads=1))
    deployed = Deployed(model.spec, prepared, 3, flip=flip, method=method)
    cv2.imwrite(str(tmp_path / "picture.png"), deployed.picture)
    expected = predict_image(model, tmp_path / "picture.png", deployed.boxes, flip_test=flip, decode=method)
    assert np.allclose(deployed.image()[..., :2], expected.keypoints, atol=1e-3)


def test_an_image_of_so_many_people_has_its_stages_beside_it():
    chosen = choose_models(["tmpose_tiny"], ["uniform"], [0.4], baseline=True)
    how = ProfileConfig.of({"samples": 10, "seconds": 0.05, "threads": 1})
    rows = profile_deployed(chosen, how, people=(1, 2), flip=True)
    assert [(row["mask"], row["people"]) for row in rows] == [("none", 1), ("uniform", 1), ("none", 2), ("uniform", 2)]
    for row in rows:
        assert all(row[name] > 0 for name in ("ms_per_image", "network_ms", "crop_ms", "decode_ms"))
        assert row["flip"] and row["threads"] == 1 and (row["saved_deployed"] is None) == (row["mask"] == "none")
    masked, plain = rows[1], rows[0]
    assert masked["saved_deployed"] == pytest.approx(1 - masked["ms_per_image"] / plain["ms_per_image"])
    with pytest.raises(InputError, match="--people"):
        profile_deployed(chosen, how, people=(0,))


def test_a_runtime_that_does_not_compute_in_a_precision_is_told(posebench, monkeypatch):
    monkeypatch.setitem(RUNTIMES, "plain", replace(RUNTIMES["eager"], name="plain", cpu_precisions=("float32",)))
    find_runtime.cache_clear()
    asked = ("--mask", "none", "--people", 1, "--runtime", "eager,plain", "--precision", "float32,bfloat16")
    code, _, said = posebench("profile", "--deployed", *asked, "--samples", 10, "--seconds", 0.05, "--threads", 1)
    assert code == 0 and "left out: runtime plain does not compute in bfloat16 on cpu" in said
