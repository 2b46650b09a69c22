"""Which people a reduction loses, and how accuracy parts by size: against numbers made by hand, and pycocotools."""

import numpy as np
import pytest

from posebench.pose.evaluation.coco_metrics import coco_statistics, person_category_of, read_ground_truth
from posebench.pose.people.folder import load_people
from posebench.pose.synth import write_synthetic
from posebench.sweeps.by_size import size_thirds
from posebench.sweeps.lost_people import similarity, worst_images


def evidence(matched):
    """AP's evidence of one person per image, matched at so many of the ten thresholds."""
    flags = np.array([[at < count for count in matched] for at in range(10)])
    count = len(matched)
    return {
        "images": np.arange(100, 100 + count), "positives": np.ones(count, int), "image": np.arange(count),
        "score": np.ones(count), "matched": flags, "ignored": np.zeros_like(flags),
    }  # fmt: skip


def test_the_worst_images_are_those_matched_at_fewer_thresholds():
    before, after = evidence([10, 8, 5, 3, 9]), evidence([9, 8, 0, 4, 2])
    assert worst_images(before, after) == ["104", "102", "100"]
    assert worst_images(before, before) == [] and worst_images({}, {}) == []


def test_of_mpii_they_are_those_with_fewer_joints_found():
    names = np.array(["a.jpg", "b.jpg", "c.jpg"])
    before, after = ({"images": names, "found": np.array(found)} for found in ([10, 10, 10], [10, 3, 8]))
    assert worst_images(before, after) == ["b.jpg", "c.jpg"]


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    folder = tmp_path_factory.mktemp("people")
    write_synthetic(folder, train=2, val=12, seed=4, jobs=1)
    return load_people(folder, "val")


def test_similarity_is_the_oks_that_pycocotools_computes(people):
    truth = read_ground_truth(people.annotation_file)
    rng = np.random.default_rng(0)
    for person in people.people[:6]:
        pose = person.keypoints + rng.normal(0, 3, person.keypoints.shape)
        expected = similarity(pose, person, people.dataset.skeleton)
        flat = np.concatenate([pose, np.ones((len(pose), 1))], axis=1).ravel().tolist()
        result = {"image_id": person.image_id, "keypoints": flat, "score": 1.0}
        result["category_id"] = person_category_of(truth)
        own = [one for one in truth["annotations"] if one["id"] == person.person_id]
        _, found = coco_statistics(truth | {"annotations": own}, [result])
        # matched at exactly those thresholds that the similarity reaches
        assert found["matched"][:, 0].tolist() == [expected >= at for at in np.linspace(0.5, 0.95, 10)]
    assert similarity(people.people[0].keypoints, people.people[0], people.dataset.skeleton) == 1.0


def test_thirds_hold_all_images_once_and_rise_in_size(people):
    thirds = size_thirds(people.people)
    ids = {str(person.image_id) for person in people.people}
    assert [third.name for third in thirds] == ["small", "middle", "big"]
    assert sum(third.images for third in thirds) == len(ids)
    assert sorted(name for third in thirds for name in third.names if name in ids) == sorted(ids)
    assert thirds[0].high <= thirds[1].low <= thirds[1].high <= thirds[2].low
    assert size_thirds(people.people[:1]) == []
