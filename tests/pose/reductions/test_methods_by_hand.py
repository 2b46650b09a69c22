"""The methods at other sizes, against loops over one image that follow the papers; and what no array covers."""

import math
from dataclasses import fields

import numpy as np
import pytest
import torch

from posebench import create_model
from posebench.pose.errors import InputError
from posebench.pose.reductions import ats, centre, dpcknn, dynamicvit, evit, groups, pitome, prior, tofu, tome
from posebench.pose.reductions.context import Attended, Context, Selected
from posebench.pose.reductions.groups import source_map

SEEDS = range(3)


def tokens(seed, total, width=12):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, total, width, generator=generator), generator


def attention(generator, total):
    return (2 * torch.randn(2, 3, total, total, generator=generator)).softmax(dim=3)


def unit(values):
    return values / np.linalg.norm(values, axis=1, keepdims=True)


def tome_groups(metric, merging, protected):
    """Place -> the set of places merged with it, as ToMe's section 3 says."""
    cosine = unit(metric) @ unit(metric).T
    best = []
    for a in range(0, len(metric), 2):
        partners = [b for b in range(1, len(metric), 2) if not (protected > 1 and b == 1)]
        if partners and not (protected and a == 0):
            b = max(partners, key=lambda b, a=a: cosine[a, b])
            best.append((cosine[a, b], a, b))
    groups = {place: {place} for place in range(len(metric))}
    for _, a, b in sorted(best, reverse=True)[: min(merging, (len(metric) - protected) // 2)]:
        groups[b] |= groups.pop(a)
    return groups


def check_merge(found, selected, x, sizes, groups):
    """Each output token is the mean of its group, weighted with the sizes, and says so."""
    assert len(found) == len(groups) == len(selected.token_indices)
    for out, (vector, place) in enumerate(zip(found.numpy(), selected.token_indices.tolist(), strict=True)):
        members = sorted(groups[place])
        assert (selected.source == out).nonzero()[:, 0].tolist() == members
        weights = sizes[members].numpy()
        assert selected.sizes[out] == weights.sum()
        assert np.allclose(vector, weights @ x[members].numpy() / weights.sum(), atol=1e-5)


def row(selected, image):
    values = {field.name: getattr(selected, field.name) for field in fields(selected) if field.name != "losses"}
    return Selected(**{name: None if value is None else value[image] for name, value in values.items()})


def by_tome(x, metric, merging, sizes=None, **options):
    return tome.merge_groups(x, tome.bipartite(metric, merging, **options), sizes)


def context(x, prefix=0, **looks):
    """What a reduction sees of tokens x on a grid of one row."""
    whole = torch.arange(x.shape[1]).expand(len(x), -1)
    return Context(prefix, looks.pop("grid", (1, x.shape[1])), whole, x, list, **looks)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("protected", [0, 1, 2])
@pytest.mark.parametrize(("total", "merging"), [(20, 7), (21, 4), (21, 1000), (20, 1000), (2, 1), (1, 1), (9, 0)])
def test_tome_merges_the_closest_pairs_but_no_protected_token(total, merging, protected, seed):
    x, generator = tokens(seed, total)
    metric = torch.randn(2, total, 5, generator=generator)
    sizes = torch.randint(1, 5, (2, total), generator=generator).float()
    protects = {"class_token": protected > 0, "distill_token": protected > 1}
    found, selected = by_tome(x, metric, merging, sizes, **protects)
    placed, in_place = by_tome(x, metric, merging, sizes, **protects, in_place=True)
    for image in range(2):
        groups = tome_groups(metric[image].numpy(), merging, protected)
        check_merge(found[image], row(selected, image), x[image], sizes[image], groups)
        check_merge(placed[image], row(in_place, image), x[image], sizes[image], groups)
    assert (in_place.token_indices.diff(dim=1) > 0).all()
    front = min(protected, total)
    assert selected.token_indices[0, :front].tolist() == list(range(front))
    assert torch.allclose(found[:, :front], x[:, :front], atol=1e-6)


@pytest.mark.parametrize("matching", ["tome", "in place", "class token", "distillation token", "pitome"])
@pytest.mark.parametrize(("total", "merging"), [(20, 7), (21, 4), (20, 1000), (9, 1)])
def test_the_tokens_that_are_gone_and_the_groups_say_the_same(monkeypatch, total, merging, matching):
    for module in (tome, pitome):
        monkeypatch.setattr(module, "by_products", lambda tensor: True)
    x, generator = tokens(3, total)
    metric = torch.randn(2, total, 5, generator=generator)
    sizes = torch.randint(1, 5, (2, total), generator=generator).float()
    if matching == "pitome":
        selected = pitome.merge_by_energy(x, metric, total - min(merging, total // 2), 0.3, sizes)[1]
        order, source, moved = selected.token_indices, selected.source, selected.moved
    else:
        front = {"class_token": "token" in matching, "distill_token": matching.startswith("distillation")}
        order, source, moved = tome.bipartite(metric, merging, in_place=matching == "in place", **front)
    assert torch.equal(moved.stay, order)
    assert torch.equal(moved.into, source.gather(1, moved.gone))
    assert torch.equal(torch.cat((order, moved.gone), dim=1).sort(dim=1).values, torch.arange(total).expand(2, -1))
    expected = groups.group_sum(x, source, order.shape[1])
    monkeypatch.setattr(groups, "by_products", lambda tensor: True)
    assert torch.allclose(groups.group_sum(x, source, order.shape[1], moved), expected, atol=1e-6)
    summed = groups.group_sizes(source, sizes, order.shape[1], moved)
    assert torch.equal(summed, torch.zeros_like(summed).scatter_add(1, source, sizes))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("total", "left"), [(24, 20), (25, 13), (25, 24), (7, 5), (10, 10)])
def test_pitome_merges_what_has_the_most_energy(total, left, seed):
    x, generator = tokens(seed, total)
    metric = torch.randn(2, total, 5, generator=generator)
    sizes = torch.randint(1, 5, (2, total), generator=generator).float()
    going = total - left
    found, selected = pitome.merge_by_energy(x, metric, left, 0.3, sizes, alpha=0.7)
    for image in range(2):
        vectors = unit(metric[image].numpy())
        z = vectors @ vectors.T - 0.3
        energies = np.where(z > 0, z, 0.7 * (np.exp(z) - 1)).mean(axis=1)
        order = np.argsort(-energies)
        groups = {place: {place} for place in range(total)}
        pairs = order[: 2 * going]
        for a in pairs[::2]:
            b = max(pairs[1::2], key=lambda b, a=a: vectors[a] @ vectors[b])
            groups[b] |= groups.pop(a)
        check_merge(found[image], row(selected, image), x[image], sizes[image], groups)
        if going:
            after = [*order[2 * going :], *pairs[1::2]]
            assert selected.token_indices[image].tolist() == after


@pytest.mark.parametrize(("layer", "margin"), [(0, 0.8), (1, 0.6), (3, 0.2)])
def test_the_cosine_from_which_pitome_calls_tokens_similar_falls_to_0_over_the_blocks(layer, margin):
    x, generator = tokens(0, 10)
    keys = torch.randn(2, 3, 11, 4, generator=generator)  # one keypoint token, three heads
    params = {"margin": 0.8, "alpha": 0.7, "pairs": "energy"}
    seen = context(x, 1, attn=Attended(keys), params=params, layer=layer, depth=4)
    _, selected = pitome.pitome(x, seen, 7)
    for image in range(2):
        vectors = unit(keys[image, :, 1:].mean(dim=0).numpy())
        z = vectors @ vectors.T - margin
        energies = np.where(z > 0, z, 0.7 * (np.exp(z) - 1)).mean(axis=1)
        assert np.allclose(selected.scores[image], -energies, atol=1e-6)


@pytest.mark.parametrize("pairs", ["energy", "bipartite"])
def test_pitome_cannot_merge_more_than_half(pairs):
    x, _ = tokens(0, 9)
    assert pitome.merge_by_energy(x, x, 5, 0.5, pairs=pairs)[0].shape[1] == 5
    with pytest.raises(InputError, match="give 5 to 9"):
        pitome.merge_by_energy(x, x, 4, 0.5, pairs=pairs)
    with pytest.raises(InputError, match="pairs that merge leave at least half"):
        create_model("tmpose_tiny", mask="pitome(keep_ratio=0.4)")


@pytest.mark.parametrize("protected", [0, 1, 4])
@pytest.mark.parametrize(("total", "left"), [(15, 6), (16, 1), (16, 15)])
def test_evit_keeps_the_most_attended_and_sums_up_the_rest(total, left, protected):
    x, generator = tokens(0, total + protected)
    weights = attention(generator, total + protected)
    attn = Attended(x, weights=weights)
    found, selected = evit.evit(x[:, protected:], context(x[:, protected:], protected, attn=attn), left)
    assert found.shape[1] == left
    for image in range(2):
        queries = weights[image, :, :protected] if protected else weights[image]
        scores = queries.numpy().mean(axis=(0, 1))[protected:]
        order = np.argsort(-scores)
        visual = x[image, protected:]
        assert selected.token_indices[image].tolist() == order[:left].tolist()
        assert torch.equal(found[image, :-1], visual[order[: left - 1].copy()])
        rest = sum(scores[place] * visual[place].numpy() for place in order[left - 1 :])
        assert np.allclose(found[image, -1], rest, atol=1e-5)
        # What is returned says all of it: each token is the weighted sum of its group.
        shares = source_map(selected.source, left)[image] * selected.weights[image]
        assert torch.allclose(shares @ visual, found[image], atol=1e-5)


def test_merging_nothing_changes_nothing():
    x, generator = tokens(0, 12)
    metric = torch.randn(2, 12, 5, generator=generator)
    found, selected = by_tome(x, metric, 0)
    assert torch.equal(found, x)
    assert selected.source.tolist() == selected.token_indices.tolist() == [list(range(12))] * 2


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("total", "left", "neighbours"), [(17, 5, 4), (17, 17, 3), (6, 1, 9), (40, 13, 5)])
def test_dpcknn_joins_each_token_to_its_nearest_density_peak(total, left, neighbours, seed):
    x, generator = tokens(seed, total)
    importance = torch.rand(2, total, generator=generator) + 0.1
    found, selected = dpcknn.cluster(x, left, importance, neighbours=neighbours)
    for image in range(2):
        points = x[image].double().numpy()
        distance = np.linalg.norm(points[:, None] - points, axis=2) / math.sqrt(points.shape[1])
        density = np.exp(-np.sort(distance**2, axis=1)[:, :neighbours].mean(axis=1))
        apart = [
            min((distance[i, j] for j in range(total) if density[j] > density[i]), default=distance.max())
            for i in range(total)
        ]
        centres = np.argsort(-density * np.array(apart))[:left]
        assert selected.token_indices[image].tolist() == centres.tolist()
        cluster = distance[centres].argmin(axis=0)
        assert selected.source[image].tolist() == cluster.tolist()
        weights = importance[image].numpy()
        for number in range(left):
            members = cluster == number
            mean = weights[members] @ points[members] / weights[members].sum()
            assert np.allclose(found[image, number], mean, atol=1e-4)


@pytest.mark.parametrize("protected", [0, 1, 4])
@pytest.mark.parametrize("count", [1, 7, 30])
def test_ats_keeps_what_even_steps_through_the_cumulated_significance_meet(count, protected):
    x, generator = tokens(1, 20 + protected)
    weights = attention(generator, 20 + protected)
    values = torch.randn(2, 3, 20 + protected, 4, generator=generator)
    attn = Attended(x, weights=weights, values=values)
    looks = {"attn": attn, "params": {"steps": "midpoints"}}
    visual = x[:, protected:]
    found, selected = ats.ats(visual, context(visual, protected, **looks), count)
    assert found.shape[1] == min(count, 20)
    for image in range(2):
        queries = weights[image, :, :protected] if protected else weights[image]
        norms = np.linalg.norm(values[image].numpy(), axis=2)
        scores = (queries.numpy().mean(axis=1) * norms).sum(axis=0)[protected:]
        cumulated = np.cumsum(scores / scores.sum())
        steps = [(2 * i + 1) / (2 * count) for i in range(count)]
        ids = sorted({int(np.abs(cumulated - step).argmin()) for step in steps})
        assert selected.token_indices[image][selected.valid[image]].tolist() == ids
        assert selected.valid[image].sum() == len(ids) <= count
        assert torch.equal(found[image, : len(ids)], visual[image, ids])
        assert [selected.source[image, place].item() for place in ids] == list(range(len(ids)))
        assert (selected.source[image] == -1).sum() == 20 - len(ids)


def test_ats_keeps_fewer_tokens_of_an_image_whose_attention_is_in_few_places():
    x, _ = tokens(0, 20)
    weights = torch.full((2, 1, 20, 20), 1 / 20)
    weights[1] = 0.001
    weights[1, :, :, 5:7] = 0.49
    attn = Attended(x, weights=weights, values=torch.ones(2, 1, 20, 4))
    selected = ats.ats(x, context(x, attn=attn, params={"steps": "midpoints"}), 10)[1]
    assert selected.valid.sum(dim=1)[0] == 10 and selected.valid.sum(dim=1)[1] <= 4


def test_no_token_of_an_image_sees_its_padding(lively, features):
    model = lively(mask="ats", mask_ratio=0.4)
    with torch.no_grad():
        state = model.transformer.run(features)[1]
        lengths = state.lengths()
        assert lengths.max() <= model.spec.tokens_kept and lengths.min() < model.spec.tokens_kept
        x = torch.randn(len(features), 17 + model.spec.tokens_kept, 96, generator=torch.Generator().manual_seed(0))
        last = model.transformer.stacks[-1][-1]
        seen = last(x, state.attention_mask(x.dtype))
        for image, length in enumerate(lengths.tolist()):
            alone = last(x[image : image + 1, : 17 + length])
            assert (seen[image, : 17 + length] - alone[0]).abs().max() < 1e-4


def test_ats_never_picks_padding():
    scores, valid = torch.tensor([[0.0, 0.08, 0.92]]), torch.tensor([[False, True, True]])
    assert ats.sample(scores, 20).tolist() == [[True, True, True]]
    assert ats.sample(scores, 20, valid).tolist() == [[False, True, True]]


def test_the_authors_ats_loses_a_last_pick_that_is_the_second_least():
    row, values = torch.tensor([[[0.5, 0.2, 0.3]]]), torch.ones(1, 1, 3, 4)
    assert [part.tolist() for part in ats.authors_ids(row, values, 3)] == [[[0]], [[True]]]


def test_a_centre_of_dpcknn_belongs_to_itself_though_another_equals_it():
    x = tokens(0, 8)[0].repeat(1, 2, 1)
    selected = dpcknn.cluster(x, 16)[1]
    assert torch.equal(selected.source.gather(1, selected.token_indices), torch.arange(16).expand(2, -1))


def test_tofu_drops_early_what_it_merges_later_and_keeps_the_longest_norm():
    x, generator = tokens(0, 15)
    metric = torch.randn(2, 15, 5, generator=generator)
    sizes = torch.randint(1, 4, (2, 15), generator=generator).float()
    matched = tome.bipartite(metric, 6)
    dropped, by_dropping = tofu.prune_groups(x, matched, sizes)
    merged, _ = tofu.stretch_groups(x, matched, sizes)
    mean, by_mean = tome.merge_groups(x, matched, sizes)
    assert torch.equal(by_dropping.sizes, by_mean.sizes)
    attn = Attended(metric[:, None])
    for layer, act in enumerate([tofu.prune_groups, tofu.prune_groups, tofu.stretch_groups]):
        look = context(x, attn=attn, layer=layer, depth=4, sizes=sizes)
        placed = tome.bipartite(metric, 6, in_place=True)
        assert torch.equal(tofu.tofu(x, look, 9)[0], act(x, placed, sizes)[0])
    for image in range(2):
        assert torch.equal(dropped[image], x[image, matched.order[image]])
        for out in range(9):
            members = x[image, matched.source[image] == out]
            assert merged[image, out].norm().item() == pytest.approx(members.norm(dim=1).max().item(), rel=1e-5)
            assert torch.cosine_similarity(merged[image, out], mean[image, out], dim=0) == pytest.approx(1, abs=1e-5)


def test_dynamicvit_is_told_by_the_cross_entropy_where_joints_are():
    x, _ = tokens(0, 4)
    torch.manual_seed(0)
    predictor = dynamicvit.Predictor(12)
    _, selected = dynamicvit.dynamicvit(x, context(x, modules={"predictor": predictor}), 2)
    target = torch.tensor([[[[0.0, 0.3, -0.2, 1.5]], [[0.1, 0.0, -0.1, 0.0]]]]).expand(2, -1, -1, -1)
    labels = np.array([0.1, 0.3, 0.0, 1.0])  # the highest of the joints, within 0 and 1
    log_probability = predictor(x).detach().numpy()
    expected = -(labels * log_probability[:, :, 0] + (1 - labels) * log_probability[:, :, 1]).mean()
    assert selected.losses["joints"](target).item() == pytest.approx(expected, rel=1e-5)


def test_where_ats_meets_the_cumulated_scores():
    assert ats.sample_steps(2).tolist() == [0.25, 0.75] and ats.sample_steps(1, "arange").tolist() == [0.5]
    assert ats.sample_steps(2, "arange").tolist() == [0.25], "the authors' leaves out the last one"


def test_dynamicvit_learns_what_to_drop_and_how_much():
    torch.manual_seed(0)
    x = torch.randn(8, 20, 12)
    predictor = dynamicvit.Predictor(12)
    optimizer = torch.optim.Adam(predictor.parameters(), lr=0.01)
    everything = torch.ones(8, 20)
    wanted = x[:, :, 0] > 0.5
    for _ in range(150):
        policy = dynamicvit.decide(predictor(x, everything), everything)
        loss = 2 * dynamicvit.ratio_loss([policy], [0.3]) + (policy - wanted.float()).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert set(policy.unique().tolist()) <= {0.0, 1.0}
    with torch.no_grad():
        _, selected = dynamicvit.dynamicvit(x, context(x, modules={"predictor": predictor}), 4)
    assert wanted.gather(1, selected.token_indices).float().mean() > 0.8


def test_what_dynamicvit_dropped_stays_dropped_and_is_not_seen():
    torch.manual_seed(0)
    policy = (torch.rand(4, 20) > 0.5).float()
    assert not dynamicvit.decide(torch.randn(4, 20, 2).log_softmax(dim=2), policy)[policy == 0].any()
    x, teacher = torch.randn(4, 20, 6), torch.randn(4, 20, 6)
    assert dynamicvit.ratio_loss([policy, policy * 0], [0.5, 0.2]) == pytest.approx(
        (((policy.mean(dim=1) - 0.5) ** 2).mean().item() + 0.04) / 2, rel=1e-5
    )
    weights = dynamicvit.policy_attention(torch.randn(4, 2, 20, 20), policy)
    hidden = (policy == 0)[:, None, None] & ~torch.eye(20, dtype=torch.bool)
    assert weights.masked_select(hidden).max() < 1e-6
    predictor = dynamicvit.Predictor(6)
    changed = torch.where(policy[:, :, None] == 1, x, teacher)  # what a dropped token holds moves no other one
    with torch.no_grad():
        moved = (predictor(x, policy) - predictor(changed, policy)).abs().amax(dim=2)
    assert moved[policy == 1].max() < 1e-5 < moved[policy == 0].max()


def kept_by(work, grid, left, cell=(1, 1), **looks):
    x = torch.zeros(2, grid[0] * grid[1], 3)
    selected = work(x, context(x, grid=grid, cell=cell, **looks), left)[1]
    assert selected.token_indices[0].tolist() == selected.token_indices[1].tolist()
    return selected.token_indices[0].tolist()


def test_centre_keeps_the_cells_nearest_to_the_middle():
    assert kept_by(centre.centre, (4, 3), 2) == [4, 7]
    # Cells that are higher than wide: the middle row's neighbours come before those of the middle column.
    assert kept_by(centre.centre, (3, 3), 3, (16, 12)) == [3, 4, 5]
    assert kept_by(centre.centre, (3, 3), 3, (12, 16)) == [1, 4, 7]
    assert kept_by(centre.centre, (3, 3), 2) == [1, 4]  # of four as near, the lowest index
    for left in range(1, 49):
        kept = kept_by(centre.centre, (8, 6), left)
        assert len(set(kept)) == left and kept == sorted(kept)
        near = lambda i: math.hypot(i // 6 - 3.5, i % 6 - 2.5)  # noqa: E731
        assert max(map(near, kept)) <= min((near(i) for i in set(range(48)) - set(kept)), default=9) + 1e-9


def test_prior_keeps_the_cells_where_most_joints_of_the_training_people_are():
    target = torch.zeros(2, 4, 8, 6)  # joints at (row, column) of heatmaps, on a grid of 4 x 3
    for joint, (row, column) in enumerate([(0, 1), (5, 3), (7, 5)]):
        target[:, joint, row, column] = 1
    target[1, 0] = 0  # a joint without a target counts nowhere
    joints = prior.JointMap((4, 3))
    assert kept_by(prior.prior, (4, 3), 2, modules={"joints": joints}) == kept_by(centre.centre, (4, 3), 2)
    assert joints.add(target) == 0
    assert joints.counts.tolist() == [1, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 2]
    assert kept_by(prior.prior, (4, 3), 3, modules={"joints": joints}) == [0, 7, 11]
    assert kept_by(prior.prior, (4, 3), 1, modules={"joints": joints}) == [7]  # of equal ones the nearest to the middle
    assert kept_by(prior.prior, (4, 3), 4, modules={"joints": joints}) == [0, 4, 7, 11]


def test_training_fills_the_map_of_joints_that_a_checkpoint_keeps():
    model = create_model("tmpose_tiny", mask="prior", mask_ratio=0.4).train()
    heatmaps, state = model.run(torch.zeros(1, 3, *model.spec.input_size))
    target = torch.zeros_like(heatmaps)
    target[:, :, -1, -1] = 1
    for selected in state.selected:
        for loss in selected.losses.values():
            loss(target)
    again = create_model("tmpose_tiny", mask="prior", mask_ratio=0.4)
    again.load_state_dict(model.state_dict())
    assert again.transformer.mask.joints.counts.tolist() == [0.0] * 47 + [17.0]
    kept = again.eval().kept_indices(torch.zeros(1, 3, *model.spec.input_size))
    assert 47 in kept and 0 not in kept
