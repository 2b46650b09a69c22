"""The check of a whole data folder: silent on a sound one, complete on a damaged one."""

import json
import shutil

import cv2
import numpy as np
import pytest
from photographs import COCO_PEOPLE, MPII_PEOPLE
from scipy.io import loadmat, savemat

from posebench.pose.people.check import inspect_folder


def errors(root):
    return [problem for problem in inspect_folder(root).problems if problem.severity == "error"]


def test_a_sound_folder_has_no_problems_and_the_right_counts(coco_folder, mpii_folder):
    result = inspect_folder(coco_folder)
    assert result.ok and not result.problems and result.layout == "coco"
    assert [(split.split, split.images, split.people, split.keypoints) for split in result.splits] == [
        ("train", 2, 2, 27),
        ("val", 2, 2, 27),
    ]
    result = inspect_folder(mpii_folder)
    assert result.ok and not result.problems and result.layout == "mpii"
    assert [(split.split, split.images, split.people, split.keypoints) for split in result.splits] == [
        ("train", 2, 2, 24),
        ("val", 2, 2, 24),
    ]


def test_all_faults_of_a_folder_are_found_at_once(coco_folder):
    images = coco_folder / "images"
    (images / "val2017" / "picture3.jpg").unlink()
    cut = images / "val2017" / "picture7.jpg"
    cut.write_bytes(cut.read_bytes()[:-300])
    cv2.imwrite(str(images / "train2017" / "picture3.jpg"), np.zeros((50, 40, 3), np.uint8))
    path = coco_folder / "annotations" / "person_keypoints_train2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["image_id"] = 5
    content["annotations"][1]["keypoints"] = content["annotations"][1]["keypoints"][:30]
    content["annotations"][2]["bbox"] = [100, 20, 200, 50]
    path.write_text(json.dumps(content))
    detections = coco_folder / "person_detection_results" / "found.json"
    detections.write_text("[{")

    found = [(problem.severity, problem.file, problem.what) for problem in inspect_folder(coco_folder).problems]
    for severity, file, words in [
        ("error", images / "val2017" / "picture3.jpg", "missing"),
        ("error", cut, "truncated"),
        ("error", images / "train2017" / "picture3.jpg", "40 x 50 px, person_keypoints_train2017.json says 160 x 120"),
        ("error", path, "annotation 0 (id 100): 'image_id' 5 is not among"),
        ("error", path, "annotation 1 (id 101): 'keypoints' must be 51 numbers"),
        ("warning", path, "annotation 2 (id 102): the box (100, 20, 200, 50) reaches outside"),
        ("error", detections, "not valid JSON"),
    ]:
        assert any(a == severity and b == file and words in c for a, b, c in found), (file, words, found)


def test_keypoints_that_contradict_the_image_are_doubted(coco_folder):
    path = coco_folder / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(path.read_text())
    content["annotations"][0]["keypoints"][:3] = [170, 50, 2]
    content["annotations"][1]["num_keypoints"] = 4
    path.write_text(json.dumps(content))
    problems = inspect_folder(coco_folder).problems
    assert [problem.severity for problem in problems] == ["warning"] * 2
    assert "annotation 0 (id 100): 1 labelled keypoints lie outside" in problems[0].what
    assert "'num_keypoints' is 4, but 10" in problems[1].what


def test_mpii_joints_outside_the_image_are_doubted(mpii_folder):
    path = mpii_folder / "annot" / "valid.json"
    content = json.loads(path.read_text())
    content[1]["joints"][2] = [40, 300]
    path.write_text(json.dumps(content))
    (problem,) = inspect_folder(mpii_folder).problems
    assert problem.severity == "warning" and "person 1: 1 labelled keypoints lie outside" in problem.what


def write_heads(path, heads):
    content = {name: value for name, value in loadmat(path).items() if not name.startswith("__")}
    savemat(path, content | {"headboxes_src": heads})


@pytest.mark.parametrize(
    ("damage", "severity", "words"),
    [
        (lambda path: path.unlink(), "warning", "no PCKh"),
        (lambda path: path.write_bytes(path.read_bytes()[:200]), "error", "not a readable MATLAB file"),
        (lambda path: path.write_bytes(b"nothing"), "error", "not a readable MATLAB file"),
        (lambda path: write_heads(path, np.zeros((2, 2, 2))), "error", "the head box of person 0 has no extent"),
        (lambda path: write_heads(path, np.full((2, 2, 2), np.nan)), "error", "finite numbers"),
    ],
)
def test_a_broken_ground_truth_of_mpii_is_named(damage, severity, words, mpii_folder):
    path = mpii_folder / "annot" / "gt_valid.mat"
    damage(path)
    (problem,) = inspect_folder(mpii_folder).problems
    assert (problem.severity, problem.file) == (severity, path) and words in problem.what


def test_a_ground_truth_for_other_people_is_named(mpii_folder):
    path = mpii_folder / "annot" / "valid.json"
    path.write_text(json.dumps(json.loads(path.read_text())[:1]))
    (problem,) = errors(mpii_folder)
    assert problem.file.name == "gt_valid.mat" and problem.what == f"holds 2 people, but {path} has 1"


def test_a_missing_image_folder_is_one_problem(coco_folder):
    shutil.rmtree(coco_folder / "images" / "val2017")
    (problem,) = inspect_folder(coco_folder).problems
    assert problem.file == coco_folder / "images" / "val2017" and "for 2 images" in problem.what


def test_an_image_folder_of_a_name_that_no_file_system_takes_is_one_problem(coco_folder):
    path = coco_folder / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(path.read_text())
    content["images"][0]["file_name"] = "/".join(["deeper"] * 1000) + "/1.jpg"
    path.write_text(json.dumps(content))
    (problem,) = inspect_folder(coco_folder).problems
    assert problem.severity == "error" and "the image folder is missing (for 1 images)" in problem.what


def test_a_missing_split_is_a_warning_and_no_split_an_error(coco_folder):
    (coco_folder / "annotations" / "person_keypoints_train2017.json").unlink()
    assert [problem.severity for problem in inspect_folder(coco_folder).problems] == ["warning"]
    (coco_folder / "annotations" / "person_keypoints_val2017.json").unlink()
    assert [problem.severity for problem in inspect_folder(coco_folder).problems] == ["error", "error"]


def test_two_annotation_files_of_a_split_are_a_problem_beside_the_others(coco_folder):
    annotations = coco_folder / "annotations"
    train = annotations / "person_keypoints_train2017.json"
    shutil.copy(train, annotations / "one_train.json")
    train.rename(annotations / "other_train.json")
    (coco_folder / "images" / "val2017" / "picture3.jpg").unlink()
    result = inspect_folder(coco_folder)
    found = {problem.file: problem.what for problem in result.problems}
    assert found.keys() == {annotations, coco_folder / "images" / "val2017" / "picture3.jpg"} and not result.ok
    assert "two annotation files for the split train" in found[annotations]
    assert [split.split for split in result.splits] == ["val"]


def test_a_folder_of_no_layout_is_one_error(tmp_path):
    (problem,) = inspect_folder(tmp_path).problems
    assert problem.severity == "error" and "no annotations" in problem.what and problem.file == tmp_path


def test_progress_counts_images(coco_folder):
    calls = []
    inspect_folder(coco_folder, progress=lambda done, total: calls.append((done, total)))
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_the_oddities_of_real_sets_are_no_faults(photographs):
    coco, mpii = inspect_folder(photographs / "coco"), inspect_folder(photographs / "mpii")
    assert [split.people for split in coco.splits + mpii.splits] == [COCO_PEOPLE, MPII_PEOPLE]
    for folder in (coco, mpii):
        assert folder.ok and all("train" in problem.file.name for problem in folder.problems), folder.problems
