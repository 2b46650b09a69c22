"""Folders in COCO's style describe their own keypoints, in the annotation file and in keypoints.yaml."""

import dataclasses
import json

import pytest
from folders import HAND, HAND_LIMBS, write_hands

from posebench.pose.datasets import DATASETS, find_dataset
from posebench.pose.datasets.described import describe, mirror_pairs
from posebench.pose.datasets.registry import description_of, source_of
from posebench.pose.errors import InputError
from posebench.pose.keypoints import Skeleton
from posebench.pose.models.zoo import create_model
from posebench.pose.people.folder import detect_dataset, load_people


@pytest.fixture
def hands(tmp_path):
    return write_hands(tmp_path / "hands", train=2, val=2)


def category(folder, **changes):
    """Change the category of both annotation files."""
    for path in (folder / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        content["categories"][0] |= changes
        path.write_text(json.dumps(content))


def test_a_folder_tells_name_keypoints_and_limbs(hands):
    dataset, folder = detect_dataset(hands)
    assert folder == hands and dataset.name == "hand" and dataset.metric.column == "ap"
    assert dataset.skeleton.keypoints == HAND and list(dataset.skeleton.limbs) == HAND_LIMBS
    assert dataset.skeleton.flip_pairs == () and set(dataset.skeleton.oks_sigmas) == {0.05}
    assert dataset.augment.half_body == 0 and dataset.crop == "3:4"


@pytest.mark.parametrize(
    ("names", "pairs"),
    [
        (("left_eye", "nose", "right_eye"), ((0, 2),)),
        (("R_Eye", "L_Eye", "l_hip", "r_hip"), ((1, 0), (2, 3))),
        (("wrist.L", "wrist.R", "leftEar", "rightEar"), ((0, 1), (2, 3))),
        (("ear left", "ear right", "tail", "ankle", "level"), ((0, 1),)),
        (("left_ear", "nose"), ()),
        (DATASETS["coco"].skeleton.keypoints, DATASETS["coco"].skeleton.flip_pairs),
        (DATASETS["crowdpose"].skeleton.keypoints, DATASETS["crowdpose"].skeleton.flip_pairs),
        (DATASETS["mpii"].skeleton.keypoints, tuple(sorted(DATASETS["mpii"].skeleton.flip_pairs, reverse=True))),
    ],
)
def test_mirror_pairs_are_read_from_names(names, pairs):
    assert sorted(mirror_pairs(names)) == sorted(pairs)


def test_keypoints_yaml_says_what_the_file_does_not(hands):
    (hands / "annotations" / "keypoints.yaml").write_text(
        "name: left hand\npairs: [[thumb_tip, little_tip]]\nsigmas: {wrist: 0.09}\nupper_body: [wrist]\ncrop: '1:1'\n"
    )
    dataset = load_people(hands, "val").dataset
    assert dataset.name == "left hand" and dataset.skeleton.flip_pairs == ((4, 20),)
    assert dataset.skeleton.oks_sigmas[:2] == (0.09, 0.05) and dataset.skeleton.upper_body == (0,)
    assert create_model("tmpose_tiny", dataset=dataset).spec.input_size == (96, 96)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("pear: 1", "unknown key 'pear'; known are name, pairs"),
        ("pairs: [[wrist, thumb]]", "no keypoint 'thumb'; there are wrist, "),
        ("pairs: [[wrist, wrist]]", "two mirror pairs, or its own"),
        ("pairs: 3", "'pairs' must be a list"),
        ("name: antigravity:X", "up to 100 printable characters, without a colon"),
        ("name: " + 300 * "hand", "up to 100 printable characters"),
        ("sigmas: -1", "sigmas must be 21 numbers above 0"),
        ("sigmas: [0.1, 0.2]", "sigmas must be 21 numbers"),
        ("crop: 4:3", "give '3:4' or '1:1'"),
        ("- 3", "must hold keys such as"),
        ("a: [", "not valid YAML"),
    ],
)
def test_a_wrong_keypoints_yaml_is_named(text, expected, hands):
    path = hands / "annotations" / "keypoints.yaml"
    path.write_text(text)
    with pytest.raises(InputError) as caught:
        load_people(hands, "val")
    message = str(caught.value)
    assert message.startswith(str(path.parent)) and expected in message and "\n" not in message


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"skeleton": [[1, 22]]}, "limbs names keypoint [0, 21] of 21"),
        ({"skeleton": 3}, "'skeleton' must be pairs"),
        ({"keypoints": ["wrist"] * 21}, "keypoints must be names, each another"),
        ({"keypoints": [["wrist"], *HAND[1:]]}, "keypoints must be names, each another"),
        ({"keypoints": list(HAND[:20]), "skeleton": []}, "'keypoints' must be 60 numbers, found 63"),
    ],
)
def test_a_wrong_category_is_named(changes, expected, hands):
    category(hands, **changes)
    with pytest.raises(InputError) as caught:
        load_people(hands, "val")
    assert expected in str(caught.value) and "hand_val.json" in str(caught.value)


def test_cocos_own_names_are_coco_whatever_the_files_are_called(tmp_path):
    write_hands(tmp_path, train=1, val=1)
    category(tmp_path, keypoints=list(DATASETS["coco"].skeleton.keypoints))
    assert detect_dataset(tmp_path)[0] is DATASETS["coco"]


def test_people_of_other_keypoints_are_called_by_their_number(hands):
    category(hands, name="person")
    assert detect_dataset(hands)[0].name == "person_21"


def test_the_keypoints_are_those_of_the_people_and_not_of_other_animals(hands):
    for path in (hands / "annotations").glob("*.json"):
        content = json.loads(path.read_text())
        content["categories"][0]["name"] = "person"
        content["categories"].insert(0, {"id": 7, "name": "dog", "keypoints": ["nose", "tail"]})
        path.write_text(json.dumps(content))
    data = load_people(hands, "val")
    assert data.dataset.skeleton.keypoints == HAND and len(data.people) == 2


def test_two_files_for_one_split_are_refused(hands):
    (hands / "annotations" / "other_val.json").write_text("{}")
    with pytest.raises(InputError, match=r"two annotation files for the split val \(hand_val.json, other_val.json\)"):
        load_people(hands, "val")


def test_a_description_leads_back_to_the_data_set():
    dataset = describe("mouse", ["left_ear", "right_ear", "tail"], limbs=[(0, 2)], sigmas=[0.1, 0.1, 0.2], crop="1:1")
    described = description_of(dataset)
    assert find_dataset(described) == dataset
    with pytest.raises(InputError, match="damaged description"):
        find_dataset('{"name": "mouse"}')
    with pytest.raises(InputError, match="without a colon"):
        find_dataset(described.replace("mouse", "antigravity:X"))
    with pytest.raises(InputError, match="damaged description"):
        find_dataset(described[:-1] + ', "more": 1}')
    with pytest.raises(InputError, match="damaged description"):
        find_dataset('{"name": ' * 100_000)


@pytest.mark.parametrize("name", ["imagenet", ["coco"], {"a": 1}, 5, None, True, ""], ids=repr)
def test_what_is_no_name_of_a_data_set_is_refused_in_one_line(name):
    with pytest.raises(InputError, match=r"unknown dataset|damaged description") as caught:
        create_model("tmpose_tiny", dataset=name)
    assert "\n" not in str(caught.value)


def test_other_sigmas_are_another_data_set_even_where_posebench_reads_and_scores_it():
    own = dataclasses.replace(DATASETS["coco"], name="package.module:MINE")
    softer = Skeleton(**{**vars(own.skeleton), "oks_sigmas": tuple(2 * s for s in own.skeleton.oks_sigmas)})
    assert source_of(own) == source_of(dataclasses.replace(own)) != source_of(dataclasses.replace(own, skeleton=softer))
    assert source_of(DATASETS["coco"]) == ""
