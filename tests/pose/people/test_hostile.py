"""Users' files that are wrong: one line that names the file, never another kind of error."""

import copy
import json
import random

import pytest

from posebench.pose.errors import InputError
from posebench.pose.people.check import inspect_folder
from posebench.pose.people.folder import load_people

COCO_FILE = "annotations/person_keypoints_val2017.json"
DETECTIONS = "person_detection_results/found.json"
MPII_FILE = "annot/valid.json"


def refusal(root, **options) -> str:
    """The one line with which loading is refused."""
    with pytest.raises(InputError) as caught:
        load_people(root, "val", **options)
    message = str(caught.value)
    assert "\n" not in message and len(message) < 400
    return message


def change(path, edit) -> None:
    content = json.loads(path.read_text())
    edit(content)
    path.write_text(json.dumps(content))


COCO_FAULTS = {
    "no images": (lambda c: c.pop("images"), "'images' is missing"),
    "annotations of another kind": (lambda c: c.update(annotations={}), "'annotations' must be a list"),
    "no category person": (
        lambda c: c.update(categories=[{"id": 2, "name": "cat"}, {"id": 3, "name": "dog"}]),
        "person",
    ),
    "no image id": (lambda c: c["images"][1].pop("id"), "image 1: 'id' is missing"),
    "width in words": (lambda c: c["images"][0].update(width="wide"), "(id 3): 'width' must be an integer"),
    "two images of one id": (lambda c: c["images"][1].update(id=3), "same id"),
    "image outside the folder": (lambda c: c["images"][0].update(file_name="../x.jpg"), "inside the image folder"),
    "id pointing nowhere": (lambda c: c["annotations"][0].update(image_id=99), "'image_id' 99 is not among"),
    "no box": (lambda c: c["annotations"][1].pop("bbox"), "annotation 1 (id 101): 'bbox' is missing"),
    "box of three": (lambda c: c["annotations"][0].update(bbox=[1, 2, 3]), "'bbox' must be 4 numbers"),
    "box with text": (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, "4"]), "'bbox' must be 4 numbers"),
    "box not a number": (lambda c: c["annotations"][0].update(bbox=[1, 2, 3, float("nan")]), "no pixel coordinate"),
    "sixteen keypoints": (lambda c: c["annotations"][0].update(keypoints=[1] * 48), "'keypoints' must be 51 numbers"),
    "visibility of 3": (lambda c: c["annotations"][0].update(keypoints=[3] * 51), "v 0, 1 or 2"),
    "area infinite": (lambda c: c["annotations"][0].update(area=float("inf")), "'area' must be a finite number"),
    "no count of keypoints": (lambda c: c["annotations"][0].pop("num_keypoints"), "'num_keypoints' is missing"),
    "an annotation that is a number": (lambda c: c["annotations"].insert(0, 5), "annotation 0: must be an object"),
    "two annotations of one id": (lambda c: c["annotations"][1].update(id=100), "same id"),
    "nobody": (lambda c: c["annotations"].clear(), "no people with keypoints"),
}


@pytest.mark.parametrize("fault", COCO_FAULTS)
def test_faults_of_a_coco_file_are_named(fault, coco_folder):
    edit, expected = COCO_FAULTS[fault]
    change(coco_folder / COCO_FILE, edit)
    message = refusal(coco_folder)
    assert message.startswith(str(coco_folder / COCO_FILE)) and expected in message
    found = [problem for problem in inspect_folder(coco_folder).problems if problem.severity == "error"]
    assert any(problem.file == coco_folder / COCO_FILE and expected in problem.what for problem in found)


MPII_FAULTS = {
    "no image": (lambda c: c[0].pop("image"), "person 0: 'image' is missing"),
    "no joints": (lambda c: c[1].pop("joints"), "person 1: 'joints' is missing"),
    "fifteen joints": (lambda c: c[1]["joints"].pop(), "'joints' must be 16 x 2 numbers, found 15 x 2"),
    "ragged joints": (lambda c: c[1]["joints"][3].pop(), "'joints' must be 16 x 2 numbers"),
    "flat joints": (lambda c: c[1].update(joints=[1.0] * 32), "'joints' must be 16 x 2 numbers"),
    "scale of nothing": (lambda c: c[0].update(scale=0), "'scale' must be a positive size"),
    "centre in words": (lambda c: c[0].update(center="middle"), "'center' must be 2 numbers"),
    "visibility of one half": (lambda c: c[0].update(joints_vis=[0.5] * 16), "'joints_vis' must hold 0 or 1"),
    "nobody": (lambda c: c.clear(), "no people"),
}


@pytest.mark.parametrize("fault", MPII_FAULTS)
def test_faults_of_an_mpii_file_are_named(fault, mpii_folder):
    edit, expected = MPII_FAULTS[fault]
    change(mpii_folder / MPII_FILE, edit)
    message = refusal(mpii_folder)
    assert message.startswith(str(mpii_folder / MPII_FILE)) and expected in message
    found = [problem for problem in inspect_folder(mpii_folder).problems if problem.severity == "error"]
    assert any(problem.file == mpii_folder / MPII_FILE and expected in problem.what for problem in found)


DETECTION_FAULTS = {
    "no score": (lambda c: c[0].pop("score"), "detection 0: 'score' is missing"),
    "id pointing nowhere": (lambda c: c[1].update(image_id=8), "detection 1: 'image_id' 8 is not among"),
    "box without extent": (lambda c: c[0].update(bbox=[1, 2, 0, 4]), "no extent"),
}


@pytest.mark.parametrize("fault", DETECTION_FAULTS)
def test_faults_of_a_detection_file_are_named(fault, coco_folder):
    edit, expected = DETECTION_FAULTS[fault]
    change(coco_folder / DETECTIONS, edit)
    message = refusal(coco_folder, boxes="found.json")
    assert message.startswith(str(coco_folder / DETECTIONS)) and expected in message
    found = [problem for problem in inspect_folder(coco_folder).problems if problem.severity == "error"]
    assert any(problem.file == coco_folder / DETECTIONS and expected in problem.what for problem in found)


@pytest.mark.parametrize("share", [0, 0.01, 0.5, 0.99])
@pytest.mark.parametrize("name", [COCO_FILE, MPII_FILE, DETECTIONS])
def test_a_json_file_cut_in_the_middle_is_named(name, share, coco_folder, mpii_folder):
    root = mpii_folder if name == MPII_FILE else coco_folder
    path = root / name
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    message = refusal(root, boxes="found.json" if name == DETECTIONS else "gt")
    assert message.startswith(f"{path}: not valid JSON at line 1")


@pytest.mark.parametrize("content", [b"\xff\xfe\xfd", b"[" * 100_000, b"9" * 10_000, b"null", b"3", b'"a"'])
def test_a_file_that_is_something_else_is_named(content, coco_folder, mpii_folder):
    for root, name in ((coco_folder, COCO_FILE), (mpii_folder, MPII_FILE)):
        (root / name).write_bytes(content)
        assert str(root / name) in refusal(root)


def test_a_folder_without_annotations_is_refused_with_what_is_expected(tmp_path, coco_folder):
    empty = tmp_path / "empty"
    empty.mkdir()
    message = refusal(empty)
    assert str(empty) in message and "person_keypoints_val2017.json" in message
    assert "no such data folder" in refusal(tmp_path / "nowhere")
    assert "not a folder" in refusal(coco_folder / COCO_FILE)
    (coco_folder / COCO_FILE).unlink()
    message = refusal(coco_folder)
    assert COCO_FILE in message and "person_keypoints_train2017.json" in message


def test_wrong_options_are_refused(coco_folder, mpii_folder):
    assert "nowhere.json" in refusal(coco_folder, boxes="nowhere.json")
    assert "no such detection file" in refusal(coco_folder, boxes="x" * 300)  # longer than a file name may be
    assert "must be gt" in refusal(mpii_folder, boxes="found.json")
    assert "'middle'" in refusal(coco_folder, convention="middle")
    with pytest.raises(InputError, match=r"'test'.*train, val"):
        load_people(coco_folder, "test")


STRANGE = [
    None,
    True,
    -1,
    0,
    3,
    1e308,
    -1e9,
    10**400,
    float("nan"),
    "",
    "x\n\0\ud800",
    [],
    {},
    [[]],
    [None],
    {"id": []},
]


def spoil(content: object, chance: random.Random) -> object:
    """The content with one value, anywhere in it, replaced by a strange one or removed."""
    content = copy.deepcopy(content)
    node = content
    while True:
        keys = list(node) if isinstance(node, dict) else list(range(len(node)))
        key = chance.choice(keys)
        deeper = isinstance(node[key], (dict, list)) and len(node[key])
        if deeper and chance.random() < 0.8:
            node = node[key]
        elif chance.random() < 0.3:
            del node[key]
            return content
        else:
            node[key] = chance.choice(STRANGE)
            return content


@pytest.mark.parametrize("name", [COCO_FILE, MPII_FILE, DETECTIONS])
def test_whatever_is_spoiled_loading_works_or_says_what_is_wrong(name, coco_folder, mpii_folder):
    root = mpii_folder if name == MPII_FILE else coco_folder
    path = root / name
    sound = json.loads(path.read_text())
    chance = random.Random(0)
    refused = 0
    for _ in range(400):
        path.write_text(json.dumps(spoil(sound, chance)))
        try:
            load_people(root, "val", boxes="found.json" if name == DETECTIONS else "gt")
        except InputError as error:
            refused += 1
            assert str(error).startswith(str(path)) and str(error).isprintable()
    assert refused > 100


@pytest.mark.parametrize("name", [COCO_FILE, MPII_FILE, DETECTIONS])
def test_whatever_is_spoiled_the_check_ends_and_finds_what_stops_the_loader(name, coco_folder, mpii_folder):
    root = mpii_folder if name == MPII_FILE else coco_folder
    path = root / name
    sound = json.loads(path.read_text())
    chance = random.Random(1)
    for _ in range(60):
        path.write_text(json.dumps(spoil(sound, chance)))
        problems = inspect_folder(root).problems
        try:
            load_people(root, "val", boxes="found.json" if name == DETECTIONS else "gt")
        except InputError as error:
            assert any(problem.severity == "error" and problem.file == path for problem in problems), error
