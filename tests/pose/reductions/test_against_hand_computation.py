"""Each reduction does what its paper says: a slow computation by hand, one image at a time, gives the same heatmaps."""

import numpy as np
import pytest
import torch
from by_hand import connections_at, heatmaps, merge_at, prune_at

CASES = {
    "prune": ("tmpose_tiny", {"mask": "prune", "mask_ratio": 0.6}, prune_at),
    "prune-late": ("tmpose_tiny", {"mask": "prune", "keep_ratio": 0.5, "layers": (1, 3)}, prune_at),
    "tome": ("tmpose_tiny", {"mask": "tome", "mask_ratio": 0.6}, merge_at),
    "tome-once": ("tmpose_tiny", {"mask": "tome", "r": (20,), "layers": (1,)}, merge_at),
    "sparse": ("sparse_tokenpose_tiny", {"mask_ratio": 0.6}, connections_at),
    "sparse-gather": (
        "sparse_tokenpose_tiny",
        {"keep_ratio": 0.3, "layers": (0,), "execution": "gather"},
        connections_at,
    ),
    "sparse-mpii": ("sparse_tokenpose_tiny", {"dataset": "mpii", "keep_ratio": (0.2, 0.9, 0.4)}, connections_at),
}


@pytest.mark.parametrize("case", CASES)
def test_heatmaps_equal_a_computation_by_hand(case, lively):
    name, options, act = CASES[case]
    model = lively(name, **options)
    generator = torch.Generator().manual_seed(7)
    features = torch.randn(2, 48, *(side // 4 for side in model.spec.input_size), generator=generator)
    with torch.no_grad():
        found, state = model.transformer.run(features)
    left = dict(model.spec.schedule.steps)
    for image in range(2):
        expected, tokens = heatmaps(model, features[image], act(left))
        assert np.abs(found[image].numpy() - expected).max() < 1e-3 * expected.std()
        if "sparse" in case:
            assert [set(keys) for keys in state.connections[image].tolist()] == tokens.sees
        else:
            assert len(tokens.cells) == state.token_indices.shape[1] == model.spec.tokens_kept
            holders = state.holders(model.spec.tokens_total)[image]
            for place, cells in enumerate(tokens.cells):
                assert cells[0] == state.token_indices[image, place]
                assert (holders[cells] == place).all()


def test_a_choice_matters(lively, features):
    # Otherwise the comparison above could not tell a right choice from a wrong one.
    model = lively(mask="prune", mask_ratio=0.6)
    with torch.no_grad():
        before = model.transformer(features)
        model.transformer.mask.layers = (2,)
        model.set_mask_ratio(0.6)
        assert (model.transformer(features) - before).abs().max() > 0.1 * before.std()
