"""The readers: against the published implementations' lists, and on the folders that people have."""

import json
import shutil

import numpy as np
import pytest
from photographs import COCO_PEOPLE, DETECTIONS, MPII_PEOPLE
from reference import DATA

from posebench.pose.datasets import DATASETS
from posebench.pose.errors import InputError
from posebench.pose.people.folder import detect_dataset, load_people


@pytest.fixture
def reference_coco(tmp_path):
    (tmp_path / "annotations").mkdir()
    (tmp_path / "person_detection_results").mkdir()
    shutil.copy(DATA / "reference_coco_gt.json", tmp_path / "annotations" / "person_keypoints_val2017.json")
    shutil.copy(DATA / "reference_coco_dets.json", tmp_path / "person_detection_results" / "dets.json")
    return tmp_path


def column(people, name):
    return np.array([getattr(person, name) for person in people])


@pytest.mark.parametrize("convention", ["dark", "hrnet"])
def test_annotated_people_equal_the_reference_list(reference, reference_coco, convention):
    people = load_people(reference_coco, "val", convention=convention).people
    np.testing.assert_array_equal(column(people, "image_id"), reference("coco", "out_gtbox_image_ids"))
    np.testing.assert_allclose(column(people, "center"), reference("coco", "out_gtbox_center"), atol=1e-4)
    np.testing.assert_allclose(column(people, "scale"), reference("coco", f"out_gtbox_scale__{convention}"), rtol=1e-6)
    np.testing.assert_array_equal(column(people, "visible"), reference("coco", "out_gtbox_vis"))
    np.testing.assert_array_equal(column(people, "keypoints"), reference("coco", "out_gtbox_joints"))


@pytest.mark.parametrize("convention", ["dark", "hrnet"])
def test_detected_people_equal_the_reference_list(reference, reference_coco, convention):
    data = load_people(reference_coco, "val", boxes="dets.json", convention=convention)
    people = data.people
    np.testing.assert_array_equal(column(people, "image_id"), reference("coco", "out_detbox_image_ids"))
    np.testing.assert_allclose(
        column(people, "center"), reference("coco", f"out_detbox_center__{convention}"), atol=1e-4
    )
    np.testing.assert_allclose(column(people, "scale"), reference("coco", "out_detbox_scale"), rtol=1e-6)
    np.testing.assert_allclose(column(people, "box_score"), reference("coco", "out_detbox_score"))
    assert [person.person_id for person in people] == list(range(len(people)))
    assert all(person.keypoints is None and person.visible is None for person in people)
    assert data.boxes == str(reference_coco / "person_detection_results" / "dets.json")


def test_mpii_people_equal_the_reference_list(reference, tmp_path):
    (tmp_path / "annot").mkdir()
    shutil.copy(DATA / "reference_mpii_valid.json", tmp_path / "annot" / "valid.json")
    people = load_people(tmp_path, "val").people
    np.testing.assert_allclose(column(people, "center"), reference("mpii", "out_db_center"), atol=1e-9)
    np.testing.assert_allclose(column(people, "scale"), reference("mpii", "out_db_scale"), rtol=1e-12)
    np.testing.assert_allclose(column(people, "keypoints"), reference("mpii", "out_db_joints"), atol=1e-9)
    np.testing.assert_array_equal(column(people, "visible"), reference("mpii", "out_db_vis"))
    assert [person.image_id for person in people] == list(range(40))


def test_coco_people_are_those_that_pycocotools_would_score(photographs, capsys):
    from pycocotools.coco import COCO

    data = load_people(photographs / "coco", "val")
    coco = COCO(str(data.annotation_file))
    scored = {
        annotation["id"]: annotation
        for annotation in coco.loadAnns(coco.getAnnIds(catIds=[1], iscrowd=False))
        if annotation["num_keypoints"] > 0
    }
    assert len(data.people) == COCO_PEOPLE == len(coco.anns) - 2
    assert {person.person_id for person in data.people} == set(scored)
    for person in data.people:
        annotation = scored[person.person_id]
        assert person.area == annotation["area"] and person.image_id == annotation["image_id"]
        assert person.visible.sum() == annotation["num_keypoints"]
        assert person.image_path.is_file()
        x, y, width, height = annotation["bbox"]  # with its padding the crop holds the whole annotated box
        assert np.all(np.abs(person.center - (x + width / 2, y + height / 2)) < 2)
        assert person.scale[0] * 200 >= 1.2 * width and person.scale[1] * 200 >= 1.2 * height


def test_detections_are_read_by_name_and_by_path(photographs):
    path = photographs / "coco" / "person_detection_results" / DETECTIONS
    detections = json.loads(path.read_text())
    kept = [one for one in detections if one["score"] >= 0.1]
    assert len(detections) > len(kept) > COCO_PEOPLE / 2
    assert len(load_people(photographs / "coco", "val", boxes=DETECTIONS).people) == len(kept)
    assert len(load_people(photographs / "coco", "val", boxes=str(path)).people) == len(kept)


def test_every_annotated_joint_of_mpii_lies_in_the_square_that_will_be_cropped(photographs):
    people = load_people(photographs / "mpii", "val").people
    assert len(people) == MPII_PEOPLE
    for person in people:
        assert np.all(np.abs(person.keypoints[person.visible > 0] - person.center) < person.scale * 100)


def test_a_folder_or_the_folder_above_it_may_be_given(coco_folder, mpii_folder, tmp_path):
    assert detect_dataset(coco_folder) == (DATASETS["coco"], coco_folder)
    assert detect_dataset(mpii_folder) == (DATASETS["mpii"], mpii_folder)
    with pytest.raises(InputError, match="both COCO and MPII"):
        detect_dataset(tmp_path)
    shutil.rmtree(mpii_folder)
    assert detect_dataset(tmp_path) == (DATASETS["coco"], coco_folder)
    assert load_people(tmp_path, "val").root == coco_folder


def test_images_without_a_file_name_are_called_by_their_id(coco_folder):
    path = coco_folder / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(path.read_text())
    del content["images"][0]["file_name"]
    path.write_text(json.dumps(content))
    paths = {person.image_id: person.image_path for person in load_people(coco_folder, "val").people}
    assert paths[3] == coco_folder / "images" / "val2017" / "000000000003.jpg"
    assert paths[7] == coco_folder / "images" / "val2017" / "picture7.jpg"


@pytest.mark.parametrize(
    ("annotations", "images"),
    [
        ("person_keypoints_val2017.json", "val2017"),
        ("person_keypoints_val.json", "val"),
        ("person_keypoints_val.json", "val2017"),
        ("person_keypoints_val.json", ""),
        ("mine_val.json", "val"),
        ("mine_val.json", ""),
        ("val.json", "val"),
    ],
)
def test_images_lie_in_the_splits_folder_whatever_the_annotations_are_called(annotations, images, coco_folder):
    (coco_folder / "annotations" / "person_keypoints_val2017.json").rename(coco_folder / "annotations" / annotations)
    pictures = [*(coco_folder / "images" / "val2017").iterdir()]
    (coco_folder / "images" / images).mkdir(exist_ok=True)
    moved = [picture.rename(coco_folder / "images" / images / picture.name) for picture in pictures]
    if images != "val2017":
        (coco_folder / "images" / "val2017").rmdir()
    assert {person.image_path for person in load_people(coco_folder, "val").people} == {*moved}


def test_val_and_valid_are_the_same_split(coco_folder, mpii_folder):
    for folder, file in ((coco_folder, "person_keypoints_val2017.json"), (mpii_folder, "valid.json")):
        for name in ("val", "valid"):
            data = load_people(folder, name)
            assert data.split == "val" and data.annotation_file.name == file


def test_crops_have_the_shape_of_the_network_input(coco_folder):
    for height, width in ((256, 192), (256, 256), (96, 72)):
        for person in load_people(coco_folder, "train", input_size=(height, width)).people:
            assert person.scale[0] / person.scale[1] == pytest.approx(width / height)
