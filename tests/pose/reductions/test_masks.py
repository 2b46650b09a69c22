"""Masks keep exactly K tokens, the ones that their definition names, and drop the others for real."""


import numpy as np
import pytest
import torch

from posebench import create_model
from posebench.pose.errors import InputError
from posebench.pose.reductions import check_ratio, find_reduction, reduction_names
from posebench.pose.reductions.groups import places
from posebench.pose.reductions.noise import evaluation_noise
from posebench.pose.reductions.params import param_text
from posebench.pose.reductions.registry import as_reduction
from posebench.pose.reductions.schedule import kept_tokens
from posebench.pose.reductions.tokens import highest, pick

MASKED = [name for name in reduction_names() if name != "none" and find_reduction(name).layers is None]
RATIOS = [0.0, 0.1, 0.25, 0.4, 0.5, 0.61, 0.75, 0.9, 0.97, 0.999]


def tiny(mask, ratio, **options):
    torch.manual_seed(0)
    return create_model("tmpose_tiny", mask=mask, mask_ratio=ratio, **options).eval()


IMAGES = torch.randn(3, 3, 96, 72, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("mask", MASKED)
@pytest.mark.parametrize("ratio", RATIOS)
def test_every_mask_keeps_k_different_tokens_in_order(mask, ratio):
    kept = tiny(mask, ratio).kept_indices(IMAGES)
    assert kept.shape == (3, max(1, int((1 - ratio) * 48 + 1e-6)))
    assert (kept.diff(dim=1) > 0).all()
    assert kept.min() >= 0 and kept.max() < 48


@pytest.mark.parametrize(
    ("total", "ratio", "kept"), [(256, 0.4, 153), (256, 0.7, 76), (10, 0.9, 1), (10, 0.99, 1), (5, 0, 5)]
)
def test_the_number_kept_is_the_floor_and_at_least_one(total, ratio, kept):
    assert kept_tokens(total, ratio) == kept


def test_uniform_is_the_floor_of_an_even_spacing():
    for ratio in RATIOS[1:]:
        kept = tiny("uniform", ratio).kept_indices(IMAGES)[0].tolist()
        assert kept == np.floor(np.linspace(0, 47, len(kept))).astype(int).tolist()


@pytest.mark.parametrize("ratio", [0.2, 0.5, 0.8])
def test_block_keeps_one_contiguous_run_in_each_of_four_zones(ratio):
    kept = tiny("block", ratio).kept_indices(IMAGES)
    for row in kept.tolist():
        for zone in range(4):
            run = [i for i in row if zone * 12 <= i < zone * 12 + 12]
            assert run == list(range(run[0], run[0] + len(run)))
    assert len({tuple(row) for row in kept.tolist()}) > 1


def test_random_at_evaluation_depends_on_the_sample_and_the_seed_alone():
    model = tiny("random", 0.5)
    ids = torch.tensor([7, 900, 31])
    kept = model.kept_indices(IMAGES, ids)
    assert torch.equal(kept, model.kept_indices(IMAGES, ids))
    assert torch.equal(kept[1:2], model.kept_indices(IMAGES[1:2], ids[1:2]))
    assert not torch.equal(kept, tiny("random", 0.5, seed=1).kept_indices(IMAGES, ids))
    assert not torch.equal(kept[0], kept[1])


def test_random_in_training_is_fresh_at_every_step():
    model = tiny("random", 0.5).train()
    assert not torch.equal(model.kept_indices(IMAGES), model.kept_indices(IMAGES))


def test_evaluation_noise_is_uniform_and_independent():
    noise = evaluation_noise(torch.arange(4000), 48, seed=3).numpy()
    assert noise.min() >= 0 and noise.max() < 1
    counts = np.histogram(noise, bins=20, range=(0, 1))[0]
    expected = noise.size / 20
    assert ((counts - expected) ** 2 / expected).sum() < 43.8  # chi-square, 19 degrees of freedom, p = 0.001
    correlation = np.corrcoef(noise.T)
    assert np.abs(correlation[~np.eye(48, dtype=bool)]).max() < 5 / np.sqrt(4000)


# 24-bit draws of the samples 0, 7 and 900, two each, as sweeps of these seeds have always had them
DRAWN = {
    0: [[12578688, 6247724], [15546333, 10502847], [5066996, 1770977]],
    3: [[3106874, 7113342], [13183222, 9653419], [14827101, 11702366]],
    4: [[8326926, 1626723], [2411495, 3548383], [8151301, 741209]],
    6: [[10904301, 1526801], [2401752, 14081451], [2042790, 10234729]],
}


def drawn_by_hand(sample_id, column, seed):
    """The finaliser of splitmix64, twice, in whole numbers modulo 2^64."""

    def mix(x):
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    state = mix((sample_id * 0x632BE59BD9B4E019 + seed * 0x2545F4914F6CDD1D + 1) % 2**64)
    return mix((state + (column + 1) * 0x9E3779B97F4A7C15) % 2**64) >> 40


@pytest.mark.parametrize("seed", [*range(12), 10**6, 2**63 - 1, 2**64, -1])
def test_any_seed_draws_what_splitmix64_says(seed):
    ids = [0, 7, 900]
    drawn = (evaluation_noise(torch.tensor(ids), 2, seed) * 2**24).long().tolist()
    assert drawn == [[drawn_by_hand(sample, column, seed) for column in (0, 1)] for sample in ids]
    assert drawn == DRAWN.get(seed, drawn)


def test_semantic_scores_are_the_first_blocks_attention_of_the_keypoint_tokens():
    model = tiny("semantic", 0.5)
    t = model.transformer
    with torch.no_grad():
        visual = t.patch_embedding(model.backbone(IMAGES)) + t.position_table
        block = t.stacks[0][0]
        both = block.attention_norm(torch.cat((t.keypoint_tokens.expand(3, -1, -1), visual), dim=1))
        q, k, _ = (x.unflatten(2, (3, 32)).transpose(1, 2) for x in block.attention.to_qkv(both).chunk(3, dim=2))
        attention = ((q[:, :, :17] @ k[:, :, 17:].transpose(2, 3)) * 32**-0.5).softmax(dim=3).mean(dim=1)
        expected = attention.max(dim=1).values.topk(24).indices.sort(dim=1).values
    assert torch.equal(model.kept_indices(IMAGES), expected)


def test_norm_keeps_the_tokens_farthest_from_the_mean():
    model = tiny("norm", 0.75)
    with torch.no_grad():
        content = model.transformer.patch_embedding(model.backbone(IMAGES)).numpy()
    distance = np.linalg.norm(content - content.mean(axis=1, keepdims=True), axis=2)
    expected = np.sort(np.argsort(-distance, axis=1)[:, :12], axis=1)
    assert model.kept_indices(IMAGES).tolist() == expected.tolist()


def test_equal_scores_go_to_the_lower_index():
    assert highest(torch.tensor([[1.0, 2.0, 1.0, 2.0, 1.0]]), 3).tolist() == [[0, 1, 3]]


@pytest.mark.parametrize("mask", MASKED)
def test_a_dropped_token_contributes_nothing(mask):
    # What a dropped token holds cannot reach the output, so it is not merely zeroed or hidden.
    model = tiny(mask, 0.6)
    features = model.backbone(IMAGES).detach()
    before, state = model.transformer.run(features)
    (selected,) = state.selected
    model.transformer.mask.forward = lambda tokens, *args: (pick(tokens, selected.token_indices), selected)
    changed = features.clone()
    for sample in range(3):
        for cell in set(range(48)) - set(selected.token_indices[sample].tolist()):
            r, c = divmod(cell, 6)
            changed[sample, :, r * 3 : r * 3 + 3, c * 3 : c * 3 + 3] += 100
    assert torch.equal(model.transformer(changed), before)


def test_gathered_positions_belong_to_the_kept_cells():
    # With all content equal, only positions tell tokens apart: prefix and gather must then differ.
    gather, prefix = tiny("uniform", 0.5), tiny("uniform", 0.5, positions="prefix")
    prefix.load_state_dict(gather.state_dict())
    assert not torch.allclose(gather(IMAGES), prefix(IMAGES), atol=1e-6)
    full, same = tiny("none", 0.0), tiny("uniform", 0.0)
    same.load_state_dict(full.state_dict())
    assert torch.equal(full(IMAGES), same(IMAGES))


def test_only_the_scorer_mask_has_a_loss_of_its_own():
    state = tiny("scorer", 0.5).train().run(IMAGES)[1]
    loss = state.selected[0].losses["scorer"](torch.rand(3, 17, 24, 18))
    loss.backward()
    assert tiny("semantic", 0.5).run(IMAGES)[1].selected[0].losses == {}


def test_a_scorer_learns_from_its_own_loss_alone():
    model = tiny("scorer", 0.5).train()
    heatmaps, state = model.run(IMAGES)
    heatmaps.square().mean().backward(retain_graph=True)
    assert model.transformer.mask.linear.weight.grad is None
    state.selected[0].losses["scorer"](torch.rand(3, 17, 24, 18)).backward()
    assert model.transformer.mask.linear.weight.grad.abs().max() > 0


@pytest.mark.parametrize("ratio", [1.0, -0.1, "abc", float("nan"), None, 2])
def test_a_ratio_outside_0_to_1_is_an_input_error(ratio):
    with pytest.raises(InputError, match="mask ratio"):
        check_ratio(ratio)


def test_a_misspelt_mask_gets_the_near_miss():
    with pytest.raises(InputError, match="'semantic'"):
        create_model("tmpose_tiny", mask="semantik", mask_ratio=0.4)


def test_names_carry_the_published_mask():
    spec = create_model("tmpose_tiny").spec
    assert (spec.mask, spec.mask_ratio) == ("random", 0.4)
    assert create_model("tokenpose_t").spec.mask == "none"
    assert create_model("tmpose_tiny", mask="none").spec.mask_ratio == 0.0


def test_as_published_shares_positions_and_draws():
    model = tiny("random", 0.5, as_published=True)
    kept = model.kept_indices(IMAGES)
    assert torch.equal(kept[0], kept[1])
    assert model.spec.positions == "prefix"
    assert tiny("block", 0.5, as_published=True).kept_indices(IMAGES)[0].tolist() == list(range(24))


def test_a_mask_that_has_nothing_to_drop_is_not_asked():
    mask, tokens = tiny("scorer", 0.4).transformer.mask, torch.zeros(1, 48, 48)
    mask.set_ratio(0.0)
    found, selected = mask(tokens, None, None)
    assert found is tokens and selected is None


def test_a_function_is_summed_up_by_the_first_line_of_its_docstring():
    def mine(tokens, context, left):
        """Keeps what I say.

        As told elsewhere.
        """

    assert as_reduction("own:mine", mine).summary == "Keeps what I say."


@pytest.mark.parametrize("value", [2.0, 0.7, 0.123456789, 1e-9, 3, (1, 4), (0.5, 0.25)])
def test_a_parameter_is_written_as_short_as_it_reads_back(value):
    text = param_text(value)
    assert text == {2.0: "2", 1e-9: "1e-09"}.get(value, text)
    read = tuple(map(float, text.split("|")))
    assert read == (value if isinstance(value, tuple) else (value,))


def test_a_place_is_that_of_the_token_or_minus_one():
    assert places(torch.tensor([[2, 0], [3, 1]]), 4).tolist() == [[1, -1, 0, -1], [-1, 1, -1, 0]]
