import dataclasses
import json
import threading

import cv2
import numpy as np
import pytest
import torch
from known_answers import KnowsTheAnswer, spec_of
from photographs import COCO_PEOPLE, DETECTIONS
from reference import arrays
from torch import nn

from posebench import create_model
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.errors import InputError, NumericalError
from posebench.pose.evaluation import inference
from posebench.pose.evaluation.bootstrap import score
from posebench.pose.evaluation.decode import decode_to_image
from posebench.pose.evaluation.evaluate import evaluate
from posebench.pose.evaluation.flip import average_flipped
from posebench.pose.evaluation.inference import weighted_loss
from posebench.pose.people.folder import load_people

SIZE = (128, 96)


def load(folder, **options):
    return load_people(folder, "val", input_size=SIZE, **options)


class Constant(nn.Module):
    """The same value everywhere."""

    def __init__(self, value: float, layout: str = "coco") -> None:
        super().__init__()
        self.spec = spec_of(layout)
        self.value = nn.Parameter(torch.tensor(value))

    def forward(self, images, sample_ids):
        return self.value.expand(len(images), self.spec.num_keypoints, *self.spec.heatmap_size)


@pytest.mark.parametrize(
    ("name", "variant"),
    [("noflip", "dark"), ("noflip", "hrnet"), ("flip", "dark"), ("flip", "hrnet"), ("flip_shift", "hrnet")],
)
def test_the_evaluation_step_gives_the_published_poses(reference, name, variant):
    maps = torch.tensor(reference["validate_in_heatmaps"])
    if name != "noflip":
        mirrored = torch.tensor(reference["validate_in_heatmaps_of_flipped_image"])
        maps = average_flipped(maps, mirrored, COCO, shift=name == "flip_shift")
    crops = reference["validate_in_center"], reference["validate_in_scale"]
    poses = decode_to_image(maps.numpy(), *crops, variant)
    assert np.abs(poses - reference[f"validate_out_{name}__all_preds__{variant}"]).max() < 5e-3


def test_the_loss_of_an_evaluation_is_the_published_one():
    reference = arrays("loss")
    maps = (torch.tensor(reference[f"in_{name}"]) for name in ("output", "target", "target_weight"))
    assert weighted_loss(*maps) == pytest.approx(float(reference["out_mse_weighted"]), rel=1e-6)


@pytest.mark.parametrize("convention", ["dark", "udp"])
@pytest.mark.parametrize("flip_test", [True, False])
def test_a_model_that_knows_the_answer_is_right(coco_folder, flip_test, convention):
    data = load(coco_folder, convention=convention)
    found = evaluate(KnowsTheAnswer(data.people, convention=convention), data, flip_test=flip_test, batch_size=2)
    assert found.metrics["ap"] == 1.0
    assert found.metrics["loss"] == pytest.approx(0, abs=1e-12)
    assert found.num_people == len(found.predictions) == 5
    people = sorted(found.predictions, key=lambda result: result["image_id"])
    wanted = [person.keypoints for person in sorted(data.people, key=lambda person: person.image_id)]
    visible = data.people[0].visible > 0
    poses = np.array([person["keypoints"] for person in people]).reshape(-1, 17, 3)
    order = [min(range(5), key=lambda n: np.abs(poses[n, visible, :2] - person[visible]).sum()) for person in wanted]
    assert sorted(order) == list(range(5))
    errors = np.abs(poses[order][:, visible, :2] - np.array(wanted)[:, visible])
    # The smoothing of "udp" reflects at the border, which moves a joint that is close to it.
    assert errors.max() < {"dark": 0.5, "udp": 2}[convention] and np.median(errors) < 0.02


def test_a_model_that_knows_the_answer_is_right_beside_crowds_and_on_grey_or_turned_images(photographs):
    data = load(photographs / "coco")
    found = evaluate(KnowsTheAnswer(data.people), data)
    assert found.num_people == COCO_PEOPLE
    assert found.metrics["ap"] > 0.97
    assert found.metrics["ap75"] == 1.0


def test_detections_are_evaluated_without_a_loss(photographs):
    data = load(photographs / "coco", boxes=DETECTIONS)
    found = evaluate(Constant(0.5), data, resamples=20)
    assert "loss" not in found.metrics
    assert 0 <= found.metrics["ap"] < 0.2


def test_annotated_joints_of_mpii_are_found(mpii_folder):
    data = load(mpii_folder)
    found = evaluate(KnowsTheAnswer(data.people, "mpii"), data, flip_test=False, batch_size=16)
    assert found.metrics["pckh"] > 98
    assert found.predictions.shape == (40, 16, 3)
    assert found.ci["pckh"][0] <= found.metrics["pckh"] <= found.ci["pckh"][1]
    assert score(found.evidence) == pytest.approx(found.metrics["pckh"])
    assert "threshold of 0.1 head" in found.notes[0]
    published = evaluate(KnowsTheAnswer(data.people, "mpii"), data, flip_test=False, as_published=True)
    assert published.metrics["pckh_01_threshold"] == 0.11
    assert published.metrics["pckh_01"] >= found.metrics["pckh_01"]


def test_without_head_sizes_only_the_loss_is_left_and_said(mpii_folder):
    (mpii_folder / "annot" / "gt_valid.mat").unlink()
    data = load(mpii_folder)
    found = evaluate(KnowsTheAnswer(data.people, "mpii"), data, flip_test=False)
    assert list(found.metrics) == ["loss"]
    assert found.ci == {}
    assert "no gt_valid.mat" in found.notes[0]


def test_head_sizes_of_other_people_are_refused(mpii_folder):
    file = mpii_folder / "annot" / "valid.json"
    file.write_text(json.dumps(json.loads(file.read_text())[:-1]))
    with pytest.raises(InputError, match=r"gt_valid\.mat: holds 40 people, but .*valid\.json has 39"):
        evaluate(Constant(0.5, "mpii"), load(mpii_folder))


def test_results_do_not_depend_on_batches_or_workers(coco_folder):
    data = load(coco_folder)
    model = KnowsTheAnswer(data.people)
    one, other = evaluate(model, data, batch_size=5), evaluate(model, data, batch_size=2, workers=1)
    assert one.predictions == other.predictions
    assert one.ci == other.ci
    assert one.metrics == pytest.approx(other.metrics)


def test_a_picture_is_read_once_for_all_its_people(coco_folder, monkeypatch):
    data, read, decode = load(coco_folder), [], cv2.imdecode
    model = create_model("tmpose_tiny")
    one_by_one = [evaluate(model, dataclasses.replace(data, people=[one]), resamples=0) for one in data.people]
    monkeypatch.setattr(cv2, "imdecode", lambda *given: read.append(1) or decode(*given))
    together = evaluate(model, data, resamples=0, batch_size=1)
    assert len(data.people) == 5 and len(read) == 2
    assert np.array_equal(together.keypoints, np.concatenate([one.keypoints for one in one_by_one]))


def test_each_module_is_left_in_its_mode(coco_folder):
    data = load(coco_folder)
    model = KnowsTheAnswer(data.people).train()
    model.frozen = nn.BatchNorm2d(3).eval()
    evaluate(model, data, resamples=0)
    assert not any(model.modes)
    assert model.training
    assert not model.frozen.training
    broken = Constant(float("nan")).train()
    with pytest.raises(NumericalError):
        evaluate(broken, data)
    assert broken.training


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_nan_stops_the_evaluation(coco_folder, value):
    with pytest.raises(NumericalError, match=r"NaN or infinity for 5 of 5 people .*first: person 0"):
        evaluate(Constant(value), load(coco_folder))


def test_no_gradients_are_kept_and_none_are_lost(coco_folder):
    model = Constant(0.5)
    evaluate(model, load(coco_folder), resamples=0)
    assert model.value.requires_grad
    model(torch.zeros(1, 3, 8, 8), None).sum().backward()


def test_progress_counts_people(coco_folder):
    calls = []
    data = load(coco_folder)
    evaluate(Constant(0.5), data, batch_size=2, progress=lambda done, total, **info: calls.append((done, total)))
    assert calls == [(2, 5), (4, 5), (5, 5)]


@pytest.mark.parametrize("workers", [0, 1])
def test_a_broken_image_is_one_line_that_names_it(coco_folder, workers):
    data = load(coco_folder)
    path = data.people[-1].image_path
    path.write_bytes(path.read_bytes()[:500])
    with pytest.raises(InputError, match=path.name) as caught:
        evaluate(Constant(0.5), data, workers=workers)
    assert "\n" not in str(caught.value)


def test_a_model_of_another_skeleton_is_refused(coco_folder, mpii_folder):
    with pytest.raises(InputError, match=r"the model predicts 16 keypoints and .* has 17"):
        evaluate(Constant(0.5, "mpii"), load(coco_folder))


def test_an_unknown_decoding_is_refused(coco_folder):
    with pytest.raises(InputError, match="unknown decoding"):
        evaluate(Constant(0.5), load(coco_folder), decode="taylor")


def test_duplicate_detections_are_suppressed(coco_folder):
    data = load(coco_folder)
    twice = [
        dataclasses.replace(person, box_score=0.9 - 0.1 * place - less)
        for place, person in enumerate(data.people)
        for less in (0, 0.05)
    ]
    found = evaluate(KnowsTheAnswer(data.people), dataclasses.replace(data, people=twice))
    assert len(found.predictions) == 5
    assert found.metrics["ap"] == 1.0


@pytest.mark.filterwarnings("ignore:.*pin_memory.*")
def test_a_gpus_loader_processes_and_decoding_thread_change_no_digit(coco_folder, monkeypatch):
    """The way of a GPU, walked on the CPU."""
    data = load_people(coco_folder, "val", input_size=(96, 72))
    model = create_model("tmpose_tiny").eval()
    shown, threads, read = [], set(), inference.decode_to_image

    def show(done, total, *, loss):
        shown.append((done, loss))

    plain = evaluate(model, data, batch_size=2, resamples=0, progress=show)

    def where(*args):
        threads.add(threading.current_thread().name)
        return read(*args)

    monkeypatch.setattr(inference, "decode_to_image", where)
    monkeypatch.setattr(inference, "is_gpu", lambda device: True)
    beside = evaluate(model, data, batch_size=2, resamples=0, progress=show)
    assert shown[:3] == shown[3:] and [done for done, _ in shown[:3]] == [2, 4, 5]
    assert {name.split("_")[0] for name in threads} == {"decoding"}
    assert np.array_equal(beside.keypoints, plain.keypoints) and beside.metrics == plain.metrics
