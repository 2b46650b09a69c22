"""Cells share a latency where they execute the same, and only there."""

from small_sweeps import from_scratch

from posebench.sweeps.request import SweepRequest
from posebench.sweeps.timing import timing_groups
from posebench.sweeps.work import build_model


def configurations(**grid):
    """What is timed in a sweep over this grid."""
    request = SweepRequest(**grid)
    (job,) = timing_groups(from_scratch(request), request).values()
    return job.models


def test_ratios_that_are_equal_in_six_digits_are_timed_apart():
    timed = configurations(masks=("random",), ratios=(0.5, 0.5000001))
    tokens = {model.mask_ratio: build_model(model).spec.tokens_kept for model in timed}
    assert tokens == {0.0: 48, 0.5: 24, 0.5000001: 23}


def test_seeds_share_a_latency():
    assert configurations(masks=("random",), ratios=(0.5,), seeds=(0, 1)) == configurations(
        masks=("random",), ratios=(0.5,)
    )
