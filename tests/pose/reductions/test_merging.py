"""Merged tokens count for all that they stand for."""

import pytest
import torch

from posebench import create_model


def test_merging_equal_tokens_changes_nothing(lively, features):
    # Pairs of equal tokens without positions: one of size two attends and is attended to as the two were.
    model, plain = lively(mask="tome", r=(24,), layers=(0,)), lively(mask="none")
    weight = torch.randn(2, 48, 8, 6, generator=torch.Generator().manual_seed(4))
    twins = weight[:, :, :, ::2].repeat_interleave(2, dim=3)
    pairs = twins.repeat_interleave(3, dim=2).repeat_interleave(3, dim=3)
    for m in (model, plain):
        m.transformer.position_table.data.zero_()
    with torch.no_grad():
        found, state = model.transformer.run(pairs)
        expected = plain.transformer(pairs)
    assert (state.sizes == 2).all() and state.token_indices.shape == (2, 24)
    assert expected.std() > 0.1
    assert (found - expected).abs().max() < 1e-4


@pytest.mark.parametrize("ratio", [0.1, 0.4, 0.6, 0.9])
def test_every_cell_is_held_by_one_token_and_sizes_say_how_many(ratio, lively, features):
    model = lively(mask="tome", mask_ratio=ratio)
    with torch.no_grad():
        state = model.transformer.run(features)[1]
    for holder, sizes, cells in zip(state.holders(48), state.sizes, state.token_indices, strict=True):
        assert torch.equal(torch.bincount(holder, minlength=len(sizes)).float(), sizes)
        assert sizes.sum() == 48 and torch.equal(holder[cells], torch.arange(len(cells)))


def test_positions_are_merged_like_the_tokens(lively, features):
    model = lively(mask="tome", mask_ratio=0.6)
    with torch.no_grad():
        state = model.transformer.run(features)[1]
    table = model.transformer.position_table[0]
    for place in range(state.token_indices.shape[1]):
        mean = table[state.holders(48)[0] == place].mean(dim=0)
        assert (state.positions[0, place] - mean).abs().max() < 1e-5


def test_it_applies_to_any_model_without_training_and_adds_no_weights():
    for name in ("tokenpose_t", "sparse_tokenpose_tiny", "ppt_s"):
        merged, plain = create_model(name, mask="tome", mask_ratio=0.5), create_model(name, mask="none")
        assert merged.state_dict().keys() == plain.state_dict().keys()
        merged.load_state_dict(plain.state_dict())
        kept = merged.eval().kept_indices(torch.zeros(1, 3, *merged.spec.input_size))
        assert kept.shape == (1, merged.spec.tokens_total // 2)


@pytest.mark.parametrize("mask", ["prune", "tome", "sparse"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_reductions_work_in_half_precision(mask, dtype, lively, features):
    model = lively(mask=mask, mask_ratio=0.5)
    with torch.no_grad():
        full = model.transformer(features)
        half = model.to(dtype).transformer(features.to(dtype)).float()
    assert half.isfinite().all()
    # Near-ties may be decided otherwise; most of the map stays.
    assert (half - full).square().mean() < 0.1 * full.var()


@pytest.mark.parametrize("mask", ["prune", "tome", "sparse"])
def test_all_weights_that_matter_get_gradients(mask, lively, features):
    model = lively(mask=mask, mask_ratio=0.5)
    model.train().transformer(features).square().mean().backward()
    without = [
        name for name, value in model.transformer.named_parameters() if value.requires_grad and value.grad is None
    ]
    assert not without
    assert all(value.grad.abs().max() > 0 for value in model.transformer.parameters() if value.requires_grad)
