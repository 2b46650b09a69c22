"""CrowdPose's AP, by pycocotools on the images of each kind, and with its own sigmas."""

import json

import numpy as np
import pytest
from folders import write_crowdpose
from pycocotools.coco import COCO as Index
from pycocotools.cocoeval import COCOeval

from posebench.pose.datasets.crowdpose import CROWDPOSE
from posebench.pose.errors import InputError
from posebench.pose.evaluation.crowdpose_metrics import evaluate
from posebench.pose.people.folder import load_people
from posebench.testing.datasets import perfect

#: as in the data set's own evaluation, times ten
SIGMAS = [0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89, 0.79, 0.79]


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    return write_crowdpose(tmp_path_factory.mktemp("data") / "crowd", images=11, people=3)


def by_pycocotools(folder, results, images):
    """AP of the images alone."""
    content = json.loads((folder / "annotations" / "crowdpose_val.json").read_text())
    for person in content["annotations"]:
        person["area"] = 0.53 * person["bbox"][2] * person["bbox"][3]
    truth = Index()
    truth.dataset = content
    truth.createIndex()
    evaluation = COCOeval(truth, truth.loadRes([dict(result) for result in results]), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(SIGMAS) / 10
    evaluation.params.imgIds = images
    evaluation.evaluate()
    evaluation.accumulate()
    evaluation.summarize()
    return evaluation.stats[0]


def test_ap_of_easy_medium_and_hard_images_is_that_of_these_images_alone(crowd):
    data = load_people(crowd, "val")
    poses = perfect(data)
    random = np.random.default_rng(4)
    poses[..., :2] += random.normal(0, 1, poses[..., :2].shape) * random.uniform(0, 12, (len(poses), 1, 1))
    poses[..., 2] = random.uniform(0.3, 1, poses.shape[:2])
    scored = evaluate(data, poses)
    images = json.loads(data.annotation_file.read_text())["images"]
    kinds = {
        "easy": [image["id"] for image in images if image["crowdIndex"] < 0.1],
        "medium": [image["id"] for image in images if 0.1 <= image["crowdIndex"] < 0.8],
        "hard": [image["id"] for image in images if image["crowdIndex"] >= 0.8],
    }
    assert [len(ids) for ids in kinds.values()] == [1, 7, 3]  # 0.1 and 0.8 themselves lie above
    for kind, ids in kinds.items():
        assert scored.metrics[f"ap_{kind}"] == pytest.approx(by_pycocotools(crowd, scored.predictions, ids), abs=1e-12)
    everything = by_pycocotools(crowd, scored.predictions, [image["id"] for image in images])
    assert scored.metrics["ap"] == pytest.approx(everything, abs=1e-12) and 0.05 < everything < 0.95


def test_a_folder_is_known_by_the_names_of_its_files_in_either_place(crowd, tmp_path):
    assert load_people(crowd, "val").dataset is CROWDPOSE
    (tmp_path / "json").mkdir()
    (tmp_path / "json" / "crowdpose_val.json").write_bytes((crowd / "annotations" / "crowdpose_val.json").read_bytes())
    assert load_people(tmp_path, "val").dataset is CROWDPOSE


def test_areas_that_are_not_annotated_are_those_of_the_boxes(crowd):
    records = json.loads((crowd / "annotations" / "crowdpose_val.json").read_text())["annotations"]
    areas = {record["id"]: 0.53 * record["bbox"][2] * record["bbox"][3] for record in records}
    people = load_people(crowd, "val").people
    assert [person.area for person in people] == pytest.approx([areas[person.person_id] for person in people])


@pytest.mark.parametrize("value", [None, 1.2, -0.1, "high"])
def test_an_image_without_a_crowd_index_is_named(value, crowd, tmp_path):
    write_crowdpose(tmp_path / "crowd")
    path = tmp_path / "crowd" / "annotations" / "crowdpose_val.json"
    content = json.loads(path.read_text())
    content["images"][2] |= {"crowdIndex": value}
    path.write_text(json.dumps(content))
    data = load_people(tmp_path / "crowd", "val")
    with pytest.raises(InputError, match=r"crowdpose_val.json: image 2 \(id 102\): 'crowdIndex' must be"):
        evaluate(data, perfect(data))
