"""An extra check on real photographs, where POSEBENCH_REAL names a folder of them: `make real`.

coco/ and mpii/ hold a "val" split each, a few people and, for COCO, a file of detections. All that is checked here is
checked on rendered people by the ordinary tests.
"""

import dataclasses
import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from known_answers import KnowsTheAnswer
from perfect_results import annotated_results
from pycocotools.coco import COCO

from posebench.pose.crops.images import read_image, structure_fault
from posebench.pose.evaluation.coco_metrics import coco_statistics, read_ground_truth
from posebench.pose.evaluation.evaluate import evaluate
from posebench.pose.models.zoo import create_model
from posebench.pose.people.check import inspect_folder
from posebench.pose.people.folder import load_people
from posebench.pose.training.loop import train
from posebench.pose.training.recipe import TINY_RECIPE

pytestmark = pytest.mark.real


@pytest.fixture(scope="module")
def real() -> Path:
    folder = os.environ.get("POSEBENCH_REAL")
    if not folder:
        pytest.fail("POSEBENCH_REAL names no folder of real people")
    return Path(folder).resolve()


def test_the_folders_have_no_errors(real):
    for layout in ("coco", "mpii"):
        result = inspect_folder(real / layout)
        assert result.ok, result.problems
        assert sum(split.people for split in result.splits) > 0


def test_photographs_are_whole_and_cut_ones_are_not(real):
    files = sorted(real.glob("*/images/**/*.jpg"))
    assert files
    for path in files:
        data = path.read_bytes()
        assert structure_fault(data) is None, path
        assert read_image(path).ndim == 3
        for share in (0.1, 0.5, 0.9, 0.999):
            assert structure_fault(data[: int(len(data) * share)]), path


def test_coco_people_are_those_that_pycocotools_would_score(real):
    data = load_people(real / "coco", "val")
    coco = COCO(str(data.annotation_file))
    annotations = coco.loadAnns(coco.getAnnIds(catIds=[1], iscrowd=False))
    scored = {annotation["id"]: annotation for annotation in annotations if annotation["num_keypoints"] > 0}
    assert {person.person_id for person in data.people} == set(scored)
    for person in data.people:
        assert person.area == scored[person.person_id]["area"]
        assert person.visible.sum() == scored[person.person_id]["num_keypoints"]


def test_every_annotated_joint_of_mpii_lies_in_the_square_that_will_be_cropped(real):
    for person in load_people(real / "mpii", "val").people:
        assert np.all(np.abs(person.keypoints[person.visible > 0] - person.center) < person.scale * 100)


def test_detections_are_read(real):
    (path,) = (real / "coco" / "person_detection_results").glob("*.json")
    kept = [one for one in json.loads(path.read_text()) if one["category_id"] == 1 and one["score"] >= 0.1]
    assert len(load_people(real / "coco", "val", boxes=path.name).people) == len(kept)


def test_the_annotations_score_one_against_themselves(real):
    (path,) = (real / "coco" / "annotations").glob("person_keypoints_val*.json")
    truth = read_ground_truth(path)
    statistics, _ = coco_statistics(truth, annotated_results(truth))
    assert set(statistics.values()) == {1.0}


def test_a_model_that_knows_the_answer_is_right(real):
    data = load_people(real / "coco", "val", input_size=(128, 96))
    found = evaluate(KnowsTheAnswer(data.people), data)
    assert found.metrics["ap"] > 0.97
    assert found.metrics["ap75"] == 1.0


@pytest.mark.parametrize(
    ("layout", "mask"),
    [("coco", "none"), ("coco", "random"), ("coco", "semantic"), ("coco", "scorer"), ("mpii", "none")],
)
def test_one_epoch_lowers_the_loss(real, layout, mask, tmp_path):
    torch.manual_seed(0)
    options = {} if mask == "none" else {"mask": mask, "mask_ratio": 0.4}
    model = create_model("tmpose_tiny", dataset=layout, **options)
    people = load_people(real / layout, "val", input_size=model.spec.input_size)
    result = train(model, people, people, dataclasses.replace(TINY_RECIPE, epochs=1, batch_size=4), tmp_path)
    assert result.loss_last < result.loss_first
