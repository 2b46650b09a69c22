"""Cells share a latency where they execute the same, and only there."""

from posebench.sweeps.grid import DataIdentity, ModelConfig, ModelPlan, expand
from posebench.sweeps.spec import SweepSpec
from posebench.sweeps.timing import timing_groups
from posebench.sweeps.work import build

TINY = ModelPlan("tmpose_tiny", (96, 72), "scratch", 1, 2, recipe={"epochs": 2})


def configurations(**grid):
    """What is timed in a sweep over this grid."""
    spec = SweepSpec(**grid)
    cells, _ = expand(spec, [TINY], DataIdentity("coco", "d"))
    (task,) = timing_groups(cells, spec).values()
    return list(task["models"].values())


def test_ratios_that_are_equal_in_six_digits_are_timed_apart():
    timed = configurations(masks=("random",), ratios=(0.5, 0.5000001))
    tokens = {one["mask_ratio"]: build(ModelConfig(**one), seed=0).spec.tokens_kept for one in timed}
    assert tokens == {0.0: 48, 0.5: 24, 0.5000001: 23}


def test_seeds_share_a_latency():
    assert configurations(masks=("random",), ratios=(0.5,), seeds=(0, 1)) == configurations(
        masks=("random",), ratios=(0.5,)
    )
