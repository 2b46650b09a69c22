"""The published methods choose the tokens that their authors' code chooses, and make the same of them.

The arrays were made by running that code on made-up inputs: part 2 of the reference measurements.
"""

from math import ceil, floor

import numpy as np
import pytest
import torch
from reference import DATA
from torch.nn import functional as F
from vit_block import Inside

from posebench.pose.reductions import ats, dpcknn, dynamicvit, evit, pitome, tome
from posebench.pose.reductions.context import Attended, Context
from posebench.pose.reductions.groups import source_map
from posebench.pose.reductions.rows import pick
from posebench.pose.reductions.tokens import ranked


def cases(method):
    """Case name -> array name -> tensor, scalars as numbers."""
    found = {}
    with np.load(DATA / f"reference_reduction_{method}.npz") as arrays:
        for name in arrays.files:
            case, _, key = name.partition("__")
            value = arrays[name]
            found.setdefault(case, {})[key] = value.item() if value.ndim == 0 else torch.from_numpy(value)
    return found


def weights_of(case, prefix="w_"):
    return {key.removeprefix(prefix): value for key, value in case.items() if key.startswith(prefix)}


def close(found, expected, tolerance=1e-5):
    assert found.shape == expected.shape
    return (found - expected).abs().max() <= tolerance


def equal(found, expected):
    return torch.equal(found.long(), expected.long())


def in_size(case):
    return case["in_size"].squeeze(2) if "in_size" in case else None


TOME, EVIT, PITOME, DPCKNN, ATS, DYNAMICVIT = map(cases, ("tome", "evit", "pitome", "dpcknn", "ats", "dynamicvit"))


def by_tome(x, metric, merging, sizes=None, **protected):
    return tome.merge_groups(x, tome.bipartite(metric, merging, **protected), sizes)


def same_merge(tokens, selected, case, front=0):
    """front: tokens before those that took part, which stay as they are."""
    groups = torch.cat((torch.arange(front).expand(len(tokens), -1), selected.source + front), dim=1)
    whole = torch.cat((case["in_x"][:, :front], tokens), dim=1)
    assert equal(groups, case["out_group"])
    assert equal(source_map(groups, whole.shape[1]), case["out_source"])
    assert close(whole, case["out_x"])
    assert torch.equal(selected.sizes, case["out_size"].squeeze(2)[:, front:])
    places = torch.arange(tokens.shape[1]).expand(len(tokens), -1)
    assert equal(selected.source.gather(1, selected.token_indices), places)


def class_attention(weights):
    """(B, n) what a method with one token in front sees as attention received."""
    return Context(1, (1, 1), weights, weights, list, attn=Attended(weights, weights=weights)).received()


@pytest.mark.parametrize("name", [name for name in TOME if name != "blocks"])
def test_tome(name):
    case = TOME[name]
    tokens, selected = by_tome(
        case["in_x"],
        case["in_metric"],
        case["r"],
        in_size(case),
        class_token=bool(case["class_token"]),
        distill_token=bool(case["distill_token"]),
    )
    same_merge(tokens, selected, case)
    if not case["distill_token"]:  # there the authors' unmerging forgets the order of its tokens
        assert close(pick(tokens, selected.source), case["out_unmerged"])


def test_tome_in_three_blocks_with_proportional_attention():
    case = TOME["blocks"]
    x, sizes, group = case["in_x"], None, None
    for number, merging in enumerate(case["r"].tolist()):
        block = Inside(x, weights_of(case, f"w_{number}."), case["heads"], case["layer_norm_eps"])
        bias = 0 if sizes is None else sizes.log()[:, None, None]
        attended = block.attended((block.logits + bias).softmax(dim=3))
        tokens, selected = by_tome(attended, block.keys.mean(dim=1), merging, sizes, class_token=True)
        x, sizes = block.finish(tokens), selected.sizes
        group = selected.source if group is None else selected.source.gather(1, group)
        assert equal(group, case[f"out_group_{number}"])
        assert torch.equal(sizes, case[f"out_size_{number}"].squeeze(2))
        assert close(x, case[f"out_x_{number}"], 5e-5)


@pytest.mark.parametrize("name", EVIT)
def test_evit(name):
    case = EVIT[name]
    block = Inside(case["in_x"], weights_of(case), case["heads"], case["layer_norm_eps"])
    weights = block.attention_weights
    total = case["in_x"].shape[1] - 1
    kept = ceil(case["keep_rate"] * total)
    x, scores = block.attended(weights), class_attention(weights)
    tokens, selected = evit.fuse(x[:, 1:], scores, kept)
    assert close(scores, case["out_cls_attn"])
    assert equal(selected.token_indices[:, :kept], case["out_idx"])
    tokens = torch.cat((x[:, :1], tokens if case["fuse_token"] else tokens[:, :-1]), dim=1)
    assert close(tokens, case["out_tokens_before_mlp"])
    assert close(block.finish(tokens), case["out_x"])


@pytest.mark.parametrize("name", PITOME)
def test_pitome(name):
    case = PITOME[name]
    protected = int(case["class_token"])
    x, metric, sizes = case["in_x"], case["in_metric"], in_size(case)
    if case["use_bsm"]:
        total = x.shape[1]
        going = floor(total - total * case["ratio"])
        same_merge(*by_tome(x, metric, going, sizes, class_token=bool(protected)), case)
        return
    total = x.shape[1] - protected
    left = total - floor(total - total * case["ratio"])
    x, metric = x[:, protected:], metric[:, protected:]
    sizes = None if sizes is None else sizes[:, protected:]
    assert close(pitome.energy(metric, case["margin"], case["alpha"]), case["out_energy"])
    pairs = "bipartite" if case["use_bsm_pitome"] else "energy"
    merged = pitome.merge_by_energy(x, metric, left, case["margin"], sizes, alpha=case["alpha"], pairs=pairs)
    same_merge(*merged, case, protected)


@pytest.mark.parametrize("name", DPCKNN)
def test_dpcknn(name):
    case = DPCKNN[name]
    importance = case["in_token_weight"].squeeze(2) if "in_token_weight" in case else None
    for noise in (case["in_density_noise"], None):
        options = {"neighbours": case["k"], "noise": noise}
        tokens, selected = dpcknn.cluster(case["in_x"], case["cluster_num"], importance, **options)
        assert equal(selected.token_indices, case["out_center_index"])
        assert equal(selected.source, case["out_idx_cluster"])
        assert equal(selected.source, case["out_idx_token"])
        assert close(tokens, case["out_x"])
        assert close(selected.weights, case["out_agg_weight"].squeeze(2))


@pytest.mark.parametrize("name", ["k_large", "k_small"])
def test_ats_sampling(name):
    case = ATS[name]
    count, width = case["sample_count"], case["out_ids"].shape[1]
    assert torch.equal(ats.sample_steps(count, "arange"), case["out_sample_steps"])
    scores = ats.significance(case["in_attn_cls_row"], case["in_value"])[:, 1:]
    picked = ats.sample(scores, count, steps="arange")
    for row, ids, mask in zip(picked, case["out_ids"], case["out_mask"], strict=True):
        kept = row.nonzero()[:, 0] + 1
        assert [0, *kept.tolist()] + [0] * (width - 1 - len(kept)) == ids.tolist()
        assert mask.tolist() == [True] * (len(kept) + 1) + [False] * (width - 1 - len(kept))


def test_ats_in_two_blocks_with_padding_between_them():
    case = ATS["blocks"]
    x, valid = case["in_x"], torch.ones(case["in_x"].shape[:2], dtype=torch.bool)
    for number, count in enumerate(case["sample_counts"].tolist()):
        block = Inside(x, weights_of(case, f"w_{number}."), case["heads"], case["layer_norm_eps"])
        weights = block.logits.masked_fill(~valid[:, None, None], torch.finfo(torch.float32).min).softmax(dim=3)
        scores = ats.significance(weights[:, :, 0], block.values)[:, 1:]
        picked = ats.sample(scores, count, valid[:, 1:], steps="arange")
        # As in a model, every image as wide as any can get.
        attended, width = block.attended(weights), min(count, x.shape[1] - 1)
        tokens, selected = ats.keep_picked(attended[:, 1:], picked, width)
        x = block.finish(torch.cat((attended[:, :1], tokens), dim=1))
        valid = F.pad(selected.valid, (1, 0), value=True)
        real, mask = case[f"out_ids_{number}"].shape[1], case[f"out_mask_{number}"]
        assert torch.equal(valid[:, :real], mask) and not valid[:, real:].any()
        ids = F.pad(selected.token_indices + 1, (1, 0))[:, :real]
        assert equal(ids[mask], case[f"out_ids_{number}"][mask])
        assert close(x[:, :real][mask], case[f"out_x_{number}"][mask])


@pytest.mark.parametrize("name", [name for name in ATS if name.startswith("orig")])
def test_ats_as_its_authors_sample(name):
    case = ATS[name]
    block = Inside(case["in_x"], weights_of(case), case["heads"], case["layer_norm_eps"])
    weights = dynamicvit.policy_attention(block.logits, torch.ones_like(case["in_x"][:, :, 0]))
    ids, mask = ats.authors_ids(weights[:, :, 0], block.values, case["n_ref_tokens"])
    width = ids.shape[1]
    x = block.finish(pick(block.attended(weights), ids)) * mask[:, :, None]
    assert torch.equal(mask, case["out_policy"][:, :width, 0] > 0) and not case["out_policy"][:, width:].any()
    assert close(x, case["out_x"][:, :width]) and not case["out_x"][:, width:].any()


def test_dynamicvit_keeps_what_its_predictors_say():
    case = DYNAMICVIT["infer"]
    x = case["in_x"]
    entered = x.shape[1] - 1
    for number, ratio in enumerate(case["ratios"].tolist()):
        predictor = dynamicvit.Predictor(x.shape[2])
        predictor.load_state_dict(weights_of(case, f"w_{number}."))
        with torch.no_grad():
            log_probability = predictor(x[:, 1:])
        assert close(log_probability, case[f"out_log_prob_{number}"])
        context = Context(1, (6, 8), x, x, list, modules={"predictor": predictor})
        tokens, selected = dynamicvit.dynamicvit(x[:, 1:], context, int(entered * ratio))
        assert equal(selected.token_indices, case[f"out_keep_{number}"])
        x = torch.cat((x[:, :1], tokens), dim=1)
    assert torch.equal(x, case["out_x"])


def test_dynamicvit_attends_by_its_policy_in_training():
    case = DYNAMICVIT["policy_attention"]
    block = Inside(case["in_x"], weights_of(case), case["heads"], 1e-5, norm="", attention="")
    weights = dynamicvit.policy_attention(block.logits, case["in_policy"].squeeze(2))
    assert close(block.mixed(weights), case["out_x"])


def test_equal_scores_rank_by_the_lower_index():
    assert ranked(torch.tensor([[1.0, 2.0, 1.0, 2.0, 1.0]]), 4).tolist() == [[1, 3, 0, 2]]
