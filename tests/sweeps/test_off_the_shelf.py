"""Reductions on weights that know nothing of them: nothing is trained, and what needs training says so."""

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from posebench import create_model
from posebench.pose.crops.affine import apply_affine, crop_matrix
from posebench.pose.errors import InputError
from posebench.pose.people.folder import load_people
from posebench.pose.reductions import reduction_names
from posebench.sweeps.cell import run_cell
from posebench.sweeps.cell_result import CellResult, write_cell_result
from posebench.sweeps.config import Job
from posebench.sweeps.data import find_data
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.runner import execute
from posebench.sweeps.store import run_file
from posebench.sweeps.timing import runs_evaluated
from posebench.sweeps.work import build_model, load_given

TRAINED = {"scorer", "dynamicvit"}
MODELS = ("vitpose_tiny", "tmpose_tiny")


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """By model, a file that holds the unmasked model's tensors and nothing else."""
    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    files = {name: folder / f"{name}.safetensors" for name in MODELS}
    for name, file in files.items():
        save_file({n: t.contiguous() for n, t in create_model(name, mask="none").state_dict().items()}, file)
    return files


def request_for(weights, people, model, *masks, **more):
    given = ((model, str(weights[model])),)
    return SweepRequest(models=(model,), masks=masks, ratios=(0.4,), weights=given, data=str(people), **more)


def plan_of(request):
    return make_plan(request, find_data(request))


@pytest.mark.parametrize("model", MODELS)
def test_every_reduction_goes_on_given_weights_and_nothing_is_trained_but_what_has_weights_of_its_own(
    model, weights, people
):
    names = [name for name in reduction_names() if name not in TRAINED]
    plan = plan_of(request_for(weights, people, model, *names))
    assert {cell.model.mask for cell in plan.cells} == set(names) and not any(cell.trains for cell in plan.cells)
    for cell in plan.cells:
        load_given(build_model(cell.model), weights[model], cell, people)
    for name in TRAINED:
        with pytest.raises(InputError) as caught:
            plan_of(request_for(weights, people, model, "tome", name))
        assert str(caught.value) == (
            f"--mask {name}: {name} has trained weights of its own, which {weights[model]} does not hold; train with"
            " --finetune, or leave it out"
        )
        tuned = plan_of(request_for(weights, people, model, name, training="finetune"))
        assert all(cell.trains for cell in tuned.cells)
        load_given(build_model(tuned.cells[1].model), weights[model], tuned.cells[1], people)


def test_weights_that_were_trained_with_the_reduction_need_no_more_training(weights, people, tmp_path):
    tensors = create_model("vitpose_tiny", mask="scorer", mask_ratio=0.4).state_dict()
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, tmp_path / "own.safetensors")
    own = {"vitpose_tiny": tmp_path / "own.safetensors"}
    assert len(plan_of(request_for(own, people, "vitpose_tiny", "scorer")).cells) == 2


def test_the_prior_counts_the_joints_of_the_training_people_without_training(weights, people):
    """By hand: each annotated joint's place in its person's crop, in the cell of the heatmap's pixel nearest to it."""
    (cell,) = plan_of(request_for(weights, people, "tmpose_tiny", "prior")).cells[1:]
    model = build_model(cell.model)
    load_given(model, weights["tmpose_tiny"], cell, people)
    rows, columns = model.spec.grid
    height, width = model.spec.heatmap_size
    counts = np.zeros((rows, columns))
    for person in load_people(people, "train", input_size=model.spec.input_size).people:
        places = np.rint(apply_affine(person.keypoints, crop_matrix(person.center, person.scale, 0, (width, height))))
        for (x, y), seen in zip(places, person.visible, strict=True):
            if seen and 0 <= x < width and 0 <= y < height:
                counts[int(y) * rows // height, int(x) * columns // width] += 1
    mapped = model.transformer.mask.joints.counts.reshape(rows, columns).numpy()
    assert counts.sum() > 300 and abs(mapped - counts).sum() <= 0.04 * counts.sum()  # a peak between two pixels
    other = replace(cell, train=replace(cell.train, data="other"))
    assert other.key != cell.key, "other training people are another result"


def test_a_sweep_off_the_shelf_from_end_to_end(weights, people, tmp_path):
    outcome = execute(
        request_for(weights, people, "vitpose_tiny", "prior", "tome", latency=False, jobs=1, out=str(tmp_path / "run"))
    )
    assert not outcome.failed and {row["mask"] for row in outcome.rows} == {"none", "prior", "tome"}
    assert {(row["training"], row["epochs"]) for row in outcome.rows} == {("weights", 0)}
    assert all(row["ap"] is not None for row in outcome.rows)


class Silent:
    def progress(self, stage):
        return lambda *_, **__: None


def test_a_precision_that_is_asked_for_later_has_the_training_people_too(weights, people, tmp_path):
    request = request_for(weights, people, "tmpose_tiny", "prior", precisions=("float32", "bfloat16"))
    (cell,) = plan_of(request).cells[1:]
    (run,) = runs_evaluated(cell, request)
    write_cell_result(tmp_path, CellResult())  # done, when the first precision was all that was asked for
    run_cell(tmp_path, Job(cell, str(people), "gt", "cpu", runs=(run,), start=str(weights["tmpose_tiny"])), Silent())
    assert json.loads(run_file(tmp_path, run).read_text())["ap"] >= 0
