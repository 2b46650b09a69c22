"""Every model keeps the promises of `posebench.testing`, a user's own too, and the checks tell those that do not."""

import own_model
import pytest
import torch
from torch import nn

from posebench import create_model
from posebench.pose.errors import InputError
from posebench.pose.models.zoo import list_models
from posebench.testing import MODEL_CHECKS, check_model
from posebench.testing.models import model_case

TINY = [name for name in list_models() if "tiny" in name]
SIZE = {"input_size": (96, 72)}
CASES = {
    **{name: {} for name in TINY},
    "tokenpose_s_v1": {},
    "vitpose_tiny, simple decoder": {"decoder": "simple"},
    "vitpose_tiny, semantic": {"mask": "semantic", "mask_ratio": 0.4},
    "vitpose_tiny, tome": {"mask": "tome", "mask_ratio": 0.4},
    "own_model:build": SIZE,
    "own_model:build_masked": SIZE,
    "own_model:build_masked, scorer": {"mask": "scorer", "mask_ratio": 0.4, **SIZE},
}


@pytest.mark.parametrize("check", MODEL_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("case", CASES)
def test_a_model_keeps_its_promises(case, check):
    check(model_case(case.partition(",")[0], **CASES[case]))


class Broken(own_model.Small):
    def forward(self, images):
        return self.head(self.stem(images - images.mean(dim=0)))


class Chance(own_model.Small):
    def forward(self, images):
        return super().forward(images) + torch.rand(1)


class Idle(own_model.Small):
    def __init__(self, keypoints):
        super().__init__(keypoints)
        self.unused = nn.Linear(3, 3)


class Between(own_model.Small):
    def __init__(self, keypoints):
        super().__init__(keypoints)
        self.parts = {"head": self.head}


def by_the_batch(keypoints):
    return Broken(keypoints)


def by_chance(keypoints):
    return Chance(keypoints)


def idle(keypoints):
    return Idle(keypoints)


def half_of_its_parts(keypoints):
    return Between(keypoints)


@pytest.mark.parametrize(
    ("build", "promise"),
    [
        (by_the_batch, "another batch"),
        (by_chance, "differ"),
        (idle, "no gradient for transformer.module.unused.weight"),
        (half_of_its_parts, "the parts come to"),
    ],
)
def test_what_breaks_a_promise_is_told(build, promise):
    with pytest.raises(AssertionError, match=promise):
        check_model(build, **SIZE)


def not_a_module(keypoints):
    return "a model"


def wrong_keypoints(input_size):
    return own_model.Small(5)


def wants_more(keypoints, colour):
    return own_model.Small(keypoints)


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (not_a_module, "made a str; give an nn.Module"),
        (wrong_keypoints, r"makes a tensor of shape \(1, 5, 24, 18\) of one image; give heatmaps \(1, 17, h, w\)"),
        (wants_more, "wants 'colour'; it is given keypoints, dataset, input_size, mask"),
    ],
)
def test_a_builder_that_does_not_fit_is_told_in_one_line(build, message):
    with pytest.raises(InputError, match=message) as error:
        create_model(f"{build.__module__}:{build.__qualname__}", **SIZE)
    assert "\n" not in str(error.value)


def test_what_an_own_model_does_not_take_is_refused():
    with pytest.raises(InputError, match="takes no mask"):
        create_model("own_model:build", mask="random", mask_ratio=0.4)
    with pytest.raises(InputError, match="decoder 'simple'"):
        create_model("own_model:build", decoder="simple")
    with pytest.raises(InputError, match="has no 'no_such'"):
        create_model("own_model:no_such")


def test_the_mask_of_an_own_model_drops_what_it_says():
    model = create_model("own_model:build_masked", mask="uniform", mask_ratio=0.4, **SIZE)
    assert (model.spec.tokens_total, model.spec.tokens_kept) == (108, 64)
    images = torch.randn(2, 3, 96, 72)
    holders = model.token_holders(images)
    assert (holders >= 0).sum(dim=1).tolist() == [64, 64]
    assert torch.equal((holders[0] >= 0).nonzero()[:, 0], model.kept_indices(images)[0])
    model.set_mask_ratio(0.0)
    assert model.kept_indices(images).shape == (2, 108)
