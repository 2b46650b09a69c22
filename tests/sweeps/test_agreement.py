"""Which tokens masks keep in common: against sets and correlations worked out by hand and by scipy."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from rich.console import Console
from safetensors.torch import save_file
from scipy.stats import spearmanr

from posebench import create_model
from posebench.commands.sweep_tables import print_results
from posebench.pose.crops.affine import apply_affine, crop_matrix
from posebench.pose.crops.dataset import PoseDataset
from posebench.pose.errors import InputError
from posebench.pose.evaluation.choices import Choices, joint_cells, read_choices
from posebench.pose.people.folder import load_people
from posebench.reports.analysis.agreement import agreement_sentence
from posebench.reports.analysis.agreement_file import MAPS, TABLE, read_agreements
from posebench.reports.report import write_report
from posebench.sweeps.agreement import agreements_of, pairs_of
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.runner import execute
from posebench.sweeps.store import SweepStore
from posebench.sweeps.tokens import stored_choices, write_choices

PEOPLE, CELLS = 7, 12
MASKS = ("prune", "ats", "norm", "centre")


def made_up(seed, keep, scored=True):
    """Choices as a mask that keeps `keep` cells by scores of its own might make them."""
    rng = np.random.default_rng(seed)
    scores = rng.integers(0, 9, (PEOPLE, CELLS))  # with ties
    order = np.argsort(-scores, axis=1, kind="stable")
    kept = np.zeros((PEOPLE, CELLS), bool)
    np.put_along_axis(kept, order[:, :keep], True, axis=1)
    ranks = np.array([[2 * (row < one).sum() + (row == one).sum() + 1 for one in row] for row in scores])
    joints = rng.integers(-1, CELLS, (PEOPLE, 3))
    return scores, Choices(np.arange(PEOPLE), (4, 3), kept, kept, joints, ranks if scored else None)


def test_iou_and_rank_correlation_are_those_of_sets_and_of_scipy():
    (scores, one), (others, other) = made_up(0, 5), made_up(1, 8)
    pair = pairs_of({"a": [one], "b": [other]})["b", "a"]
    both = [({*np.flatnonzero(a)}, {*np.flatnonzero(b)}) for a, b in zip(one.kept, other.kept, strict=True)]
    assert pair.iou == pytest.approx(np.mean([len(a & b) / len(a | b) for a, b in both]))
    assert pair.chance == pytest.approx((5 * 8 / 12) / (5 + 8 - 5 * 8 / 12))
    assert pair.by == "scores"
    assert pair.rank == pytest.approx(np.mean([spearmanr(*rows)[0] for rows in zip(scores, others, strict=True)]))


def test_without_scores_the_ranks_are_those_of_how_often_a_cell_is_kept():
    (_, one), (_, other) = made_up(0, 5), made_up(1, 8, scored=False)
    pair = pairs_of({"a": [one], "b": [other]})["a", "b"]
    assert pair.by == "frequency"
    assert pair.rank == pytest.approx(spearmanr(one.kept.mean(axis=0), other.kept.mean(axis=0))[0])
    everywhere = replace(other, kept=np.ones_like(other.kept))
    assert pairs_of({"a": [one], "b": [everywhere]})["a", "b"].rank is None, "what never varies has no ranks"


def test_a_mask_is_compared_with_itself_across_seeds_alone():
    (_, one), (_, other) = made_up(0, 5), made_up(1, 5)
    pairs = pairs_of({"a": [one, other], "b": [one, one]})
    assert pairs["b", "b"].iou == 1 and pairs["a", "a"].iou < 1
    assert ("a", "a") not in pairs_of({"a": [one], "b": [other]})


@pytest.mark.parametrize("name", ["tmpose_tiny", "vitpose_tiny"])
def test_the_cell_of_a_joint_is_the_window_of_the_crop_that_it_lies_in(name, people):
    """By pixels: ViTPose's windows are 8 px from 2 px outside the crop on, and the last one goes to its end."""
    model = create_model(name, mask="none")
    spec = model.spec
    some = load_people(people, "val", input_size=spec.input_size, convention=spec.convention).people
    (height, width), (rows, columns), shift = spec.input_size, spec.grid, 2 if name == "vitpose_tiny" else 0
    found = joint_cells(some, spec)
    assert (found >= 0).mean() > 0.8
    for person, cells in zip(some, found, strict=True):
        matrix = crop_matrix(person.center, person.scale, 0, (width, height), convention=spec.convention)
        for (x, y), seen, cell in zip(apply_affine(person.keypoints, matrix), person.visible, cells, strict=True):
            if cell >= 0:
                top, left = cell // columns * (height // rows) - shift, cell % columns * (width // columns) - shift
                bottom = top + height // rows if cell // columns < rows - 1 else height
                right = left + width // columns if cell % columns < columns - 1 else width
                assert seen and top <= y + 0.5 < bottom and left <= x + 0.5 < right
            else:
                assert not seen or not (0 <= x + 0.5 < width and 0 <= y + 0.5 < height)


@pytest.mark.parametrize("mask", ["prune", "tome", "evit", "ats", "centre", "random"])
def test_kept_cells_are_those_that_the_model_says_are_left(mask, people):
    torch.manual_seed(0)
    model = create_model("tmpose_tiny", mask=mask, mask_ratio=0.5)
    some = load_people(people, "val", input_size=model.spec.input_size).people[:5]
    found = read_choices(model, some, batch_size=2)
    images = torch.stack([item["image"] for item in dataset(model, some)])
    ids = torch.tensor([person.person_id for person in some])
    model.eval()
    left, holders = model.kept_indices(images, ids).numpy(), model.token_holders(images, ids).numpy()
    for row, (kept, alone) in enumerate(zip(found.kept, found.alone, strict=True)):
        assert {*np.flatnonzero(kept)} == {*left[row]}  # padding repeats a token that is there
        groups = [np.flatnonzero(holders[row] == group) for group in {*holders[row]} - {-1}]
        single = {group[0] for group in groups if len(group) == 1}
        assert {*np.flatnonzero(alone)} == single & {*left[row]}
    assert (found.ranks is None) == (mask in ("tome", "random"))
    assert (found.lengths is None) == (mask != "ats")
    if mask == "ats":
        assert (found.lengths[:, -1] == found.kept.sum(axis=1)).all()


def dataset(model, some):
    spec = model.spec
    data = PoseDataset(some, spec.skeleton, spec.input_size, spec.heatmap_size, spec.sigma, convention=spec.convention)
    return [data[index] for index in range(len(data))]


def test_what_a_cell_noted_comes_back(tmp_path, people):
    torch.manual_seed(0)
    model = create_model("tmpose_tiny", mask="ats", mask_ratio=0.4)
    split = load_people(people, "val", input_size=model.spec.input_size)
    write_choices(tmp_path, model, split, device="cpu", batch_size=8, people=9)
    some = [split.people[number] for number in np.linspace(0, 23, 9).astype(int)]
    noted, again = stored_choices(tmp_path), read_choices(model, some)
    for name in ("people", "kept", "alone", "joints", "ranks", "lengths"):
        assert np.array_equal(getattr(noted, name), getattr(again, name)), name
    (tmp_path / "tokens.npz").write_bytes(b"PK broken")
    with pytest.raises(InputError, match=r"tokens\.npz: cannot be read .*; delete it, and run posebench agree"):
        stored_choices(tmp_path)


@pytest.fixture(scope="module")
def swept(people, tmp_path_factory):
    """A sweep of given weights that has ended: its store and cells."""
    folder = tmp_path_factory.mktemp("swept")
    torch.manual_seed(1)
    tensors = create_model("tmpose_tiny", mask="none").state_dict()
    sharper = {n: (4 if "to_qkv" in n else 1) * t.contiguous() for n, t in tensors.items()}  # images differ more
    save_file(sharper, folder / "w.safetensors")
    given = {"weights": (("tmpose_tiny", str(folder / "w.safetensors")),), "data": str(people)}
    how = {"batch_sizes": (1, 4), "samples": 10, "jobs": 1, "out": str(folder / "run")}
    outcome = execute(SweepRequest(masks=MASKS, ratios=(0.5,), **given, **how))
    assert not outcome.failed
    return SweepStore(outcome.root), outcome


def test_a_sweep_compares_its_masks_and_the_page_and_the_files_say_so(swept):
    store, outcome = swept
    (one,) = found = read_agreements(store.root)
    assert found == agreements_of(store, outcome.plan.cells) and [kept.mask for kept in one.masks] == list(MASKS)
    noted = [stored_choices(store.cell_dir(cell.key)) for cell in outcome.plan.cells if not cell.is_baseline]
    for kept, choices in zip(one.masks, noted, strict=True):
        hits = [choices.kept[n, cell] for n, cells in enumerate(choices.joints) for cell in cells if cell >= 0]
        assert kept.joints == pytest.approx(np.mean(hits)) and np.allclose(kept.map.ravel(), choices.kept.mean(axis=0))
    page = (store.root / "report.html").read_text()
    assert "<h2>Which tokens are kept</h2>" in page and agreement_sentence(one) in page
    assert len(list((store.root / "plots" / "differ").glob("*.png"))) == 1
    with np.load(store.root / MAPS, allow_pickle=False) as maps:
        assert list(maps["masks"]) == list(MASKS)


def test_posebench_agree_asks_the_models_again(swept, posebench):
    store, _ = swept
    before = (store.root / TABLE).read_bytes()
    for noted in store.root.glob("cells/*/tokens.npz"):
        noted.unlink()
    (store.root / TABLE).unlink()
    code, told, _ = posebench("agree", store.root)
    assert code == 0 and "4 trained models, 4 asked now" in told and (store.root / TABLE).read_bytes() == before
    assert posebench("agree", store.root)[1].count("4 trained models, 0 asked now") == 1


def test_broken_files_are_one_line_and_the_page_goes_without(swept, tmp_path):
    store, _ = swept
    for name in (TABLE, MAPS, "results.csv"):
        (tmp_path / name).write_bytes((store.root / name).read_bytes())
    text = (tmp_path / TABLE).read_text()
    broken = {
        "column iou is missing": text.replace(",iou,", ",x,", 1),
        "rank_of 'magic'": text.replace("scores", "magic", 1),
        "could not convert": text.replace("0.5", "half", 1),
    }
    for words, content in broken.items():
        (tmp_path / TABLE).write_text(content)
        with pytest.raises(InputError, match=words):
            read_agreements(tmp_path)
    assert "The comparison of kept tokens is left out." in write_report(tmp_path).read_text()
    (tmp_path / TABLE).write_text(text)
    (tmp_path / MAPS).write_bytes(b"no")
    with pytest.raises(InputError, match=r"agreement\.npz: cannot be read"):
        read_agreements(tmp_path)


def block_macs(seen, dim=96, mlp=2, joints=17):
    """Of the four blocks of tmpose_tiny, with so many visual tokens in the attention and in the MLP of each."""
    total = 0
    for attention, after in seen:
        total += 4 * dim**2 * (joints + attention) + 2 * dim * (joints + attention) ** 2
        total += 2 * mlp * dim**2 * (joints + after)
    return total


def test_each_image_costs_what_its_own_tokens_cost_and_in_a_batch_what_the_longest_costs(swept):
    store, outcome = swept
    cell = next(cell for cell in outcome.plan.cells if cell.model.mask == "ats")
    lengths = stored_choices(store.cell_dir(cell.key)).lengths.astype(int)
    assert len({*map(tuple, lengths)}) > 3
    unmasked = next(row for row in outcome.rows if row["mask"] == "none")
    other = unmasked["macs_transformer"] - block_macs([(48, 48)] * 4)

    def cost(own):
        first, second, third = own
        return (other + block_macs([(48, first), (first, second), (second, third), (third, third)])) / 1e9

    batches = [lengths[start : start + 4].max(axis=0) for start in range(0, len(lengths), 4)]
    rows = {row["batch_size"]: row for row in outcome.rows if row["mask"] == "ats"}
    for size, padded in ((1, lengths), (4, batches)):
        row = rows[size]
        for name, costs in (("image", [cost(own) for own in lengths]), ("padded", [cost(own) for own in padded])):
            expected = [np.mean(costs), *np.percentile(costs, (5, 50, 95))]
            found = [row[f"{name}_gflops_t_{end}"] for end in ("mean", "p5", "p50", "p95")]
            assert found == pytest.approx(expected, abs=1e-12)
        assert row["padded_tokens_p95"] == np.percentile([own[-1] for own in padded], 95)
        assert all(row[f"padded_ms_{end}"] > 0 for end in ("p5", "p50", "p95"))
    assert rows[1]["image_gflops_t_p95"] < rows[4]["padded_gflops_t_p95"] < rows[1]["gflops_t"], "at most"
    assert all(row["image_tokens_p5"] is None for row in outcome.rows if row["mask"] != "ats")


def test_the_spread_stands_beside_the_most_that_an_image_can_keep(swept):
    store, outcome = swept
    row = next(row for row in outcome.rows if row["mask"] == "ats")
    page = (store.root / "report.html").read_text()
    low, high = row["image_tokens_p5"], row["image_tokens_p95"]
    assert f"≤ {row['tokens_kept']} <span" in page and f"{low:.0f} to {high:.0f} of an image" in page
    assert "<h2>What single images cost</h2>" in page
    console = Console(width=140, record=True)
    print_results(outcome.rows, console)
    ends = " to ".join(f"{row[f'image_gflops_t_{end}']:.4f}" for end in ("p5", "p95"))
    assert f"≤{row['gflops_t']:.4f} ({ends})" in console.export_text()


def test_a_model_at_given_lengths_runs_with_so_many_tokens(people):
    torch.manual_seed(0)
    model = create_model("tmpose_tiny", mask="ats", mask_ratio=0.5).eval()
    model.transformer.mask.set_lengths((20, 11, 11))
    state = model.run(torch.randn(2, 3, 96, 72))[1]
    assert [selected.token_indices.shape[1] for selected in state.selected] == [20, 11, 11]
    model.set_mask_ratio(0.5)
    assert model.run(torch.randn(2, 3, 96, 72))[1].token_indices.shape[1] == 24
