"""Samples: do the joints lie where the pixels show them, and are they the same whoever makes them?"""

import cv2
import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader

from posebench.pose.crops.augment import Augmentation
from posebench.pose.crops.boxes import box_to_center_scale
from posebench.pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD, PoseDataset
from posebench.pose.crops.person import Person
from posebench.pose.datasets import DATASETS
from posebench.pose.datasets.coco import SKELETON as COCO
from posebench.pose.datasets.mpii import SKELETON as MPII
from posebench.pose.errors import InputError
from posebench.pose.people.folder import load_people

LEFT_WRIST, RIGHT_WRIST = COCO.keypoints.index("left_wrist"), COCO.keypoints.index("right_wrist")
AUGMENTATIONS = {
    "plain": None,
    "always flipped": Augmentation(flip=1, scale=0, rotation=0, half_body=0),
    "scaled": Augmentation(flip=0, scale=0.35, rotation=0, half_body=0),
    "turned": Augmentation(flip=0, scale=0, rotation=45, half_body=0),
    "half body": Augmentation(flip=0, scale=0, rotation=0, half_body=1, half_body_min=3),
    "everything": Augmentation(flip=0.5, scale=0.3, rotation=45, half_body=0.5, half_body_min=3),
}


def marked_person(folder, number: int) -> Person:
    """A person of whom the left wrist is a bright blob on black; four more joints are labelled but not drawn."""
    random = np.random.default_rng(number)
    x, y = random.uniform(110, 190), random.uniform(80, 160)
    columns, rows = np.meshgrid(np.arange(300), np.arange(240))
    blob = 255 * np.exp(-((columns - x) ** 2 + (rows - y) ** 2) / (2 * 4.0**2))
    path = folder / f"{number}.png"
    cv2.imwrite(str(path), np.repeat(blob[:, :, None], 3, axis=2).round().astype(np.uint8))
    keypoints, visible = np.zeros((17, 2)), np.zeros(17)
    for joint, place in zip((5, 6, 11, 12), [(100, 70), (200, 75), (105, 170), (195, 160)], strict=True):
        keypoints[joint], visible[joint] = place, 1
    keypoints[LEFT_WRIST], visible[LEFT_WRIST] = (x, y), 1
    center, scale = box_to_center_scale((80.0, 60.0, 125.0, 130.0), 0.75)  # not in the image's middle
    return Person(path, number, number, center, scale, keypoints, visible)


def centre_of_mass(grey: np.ndarray) -> np.ndarray:
    rows, columns = np.mgrid[: grey.shape[0], : grey.shape[1]]
    return np.array([(grey * columns).sum(), (grey * rows).sum()]) / grey.sum()


@pytest.mark.parametrize("convention", ["dark", "hrnet"])
@pytest.mark.parametrize("name", AUGMENTATIONS)
def test_the_target_peaks_where_the_crop_shows_the_joint(name, convention, tmp_path):
    people = [marked_person(tmp_path, number) for number in range(12)]
    data = PoseDataset(
        people, COCO, (128, 96), (32, 24), 1.5, augment=AUGMENTATIONS[name], convention=convention, seed=5
    )
    compared = swapped = 0
    for item in data:
        image = item["image"].numpy() * IMAGENET_STD[:, None, None] + IMAGENET_MEAN[:, None, None]
        seen = centre_of_mass(np.where(image.mean(axis=0) > 0.2, image.mean(axis=0), 0))
        weight = item["target_weight"].numpy()[:, 0]
        assert weight[[LEFT_WRIST, RIGHT_WRIST]].sum() == 1  # it is one or the other
        joint = RIGHT_WRIST if weight[RIGHT_WRIST] else LEFT_WRIST
        swapped += joint == RIGHT_WRIST
        if not (10 < seen[0] < 85 and 10 < seen[1] < 117):
            continue  # the blob is cut by the border
        in_map = centre_of_mass(item["target"].numpy()[joint])
        # dark: the corners of map and crop coincide; hrnet: 4 px of the crop per px of the map, rounded
        expected = in_map * (95 / 23, 127 / 31) if convention == "dark" else in_map * 4
        assert np.abs(seen - expected).max() < (0.35 if convention == "dark" else 2.35)
        compared += 1
    assert compared >= 8
    if name == "everything":
        assert 0 < swapped < 12
    else:
        assert swapped == (12 if name == "always flipped" else 0)


@pytest.mark.parametrize("convention", ["dark", "hrnet"])
def test_a_flipped_sample_is_the_mirror_image_of_the_plain_one(convention, tmp_path):
    person = marked_person(tmp_path, 3)
    flip = AUGMENTATIONS["always flipped"]
    plain, flipped = (
        PoseDataset([person], COCO, (128, 96), (32, 24), 1.5, augment=augment, convention=convention)[0]
        for augment in (None, flip)
    )
    # hrnet: the centre lies between two pixels of the crop, so its mirror image is off by one px of the crop
    mirror = plain["image"].flip(2) if convention == "dark" else plain["image"].flip(2).roll(1, 2)
    assert (flipped["image"] - mirror)[:, :, 1:].abs().max() < 0.1  # 5 grey levels
    if convention == "dark":
        target = plain["target"].flip(2)
        torch.testing.assert_close(flipped["target"][RIGHT_WRIST], target[LEFT_WRIST], atol=1e-5, rtol=0)


@pytest.fixture
def coco_data(coco_folder):
    people = [*load_people(coco_folder, "train", input_size=(96, 72)).people] * 8
    return PoseDataset(people, COCO, (96, 72), (24, 18), 1.25, augment=DATASETS["coco"].augment, seed=3)


def test_items_have_the_promised_shapes_and_types(coco_data, mpii_folder):
    item = coco_data[1]
    assert {key: (tuple(value.shape), value.dtype) for key, value in item.items() if torch.is_tensor(value)} == {
        "image": ((3, 96, 72), torch.float32),
        "target": ((17, 24, 18), torch.float32),
        "target_weight": ((17, 1), torch.float32),
    }
    assert item["index"] == 1 and item["person_id"] == coco_data.people[1].person_id
    people = load_people(mpii_folder, "train", input_size=(256, 256)).people
    item = PoseDataset(people, MPII, (256, 256), (64, 64), 2, augment=DATASETS["mpii"].augment)[0]
    assert item["target"].shape == (16, 64, 64) and item["target_weight"].sum() <= 12


def test_people_of_a_detector_have_no_target(coco_folder):
    people = load_people(coco_folder, "val", boxes="found.json", input_size=(96, 72)).people
    item = PoseDataset(people, COCO, (96, 72), (24, 18), 1.25)[0]
    assert not item["target"].any() and not item["target_weight"].any()


def test_pixels_are_normalised_rgb(tmp_path):
    path = tmp_path / "orange.png"
    cv2.imwrite(str(path), np.full((100, 100, 3), (0, 128, 255), np.uint8))  # BGR
    person = Person(path, 1, 1, np.array([49.5, 49.5]), np.array([0.1, 0.1]), None, None)
    image = PoseDataset([person], COCO, (32, 24), (8, 6), 1)[0]["image"].numpy()
    # torchvision's constants for ImageNet, written out
    expected = [(1 - 0.485) / 0.229, (128 / 255 - 0.456) / 0.224, (0 - 0.406) / 0.225]
    np.testing.assert_allclose(image, np.broadcast_to(np.reshape(expected, (3, 1, 1)), (3, 32, 24)), rtol=1e-5)


def same(one: dict, other: dict) -> bool:
    return all(torch.equal(torch.as_tensor(one[key]), torch.as_tensor(other[key])) for key in one)


def test_a_sample_depends_on_seed_epoch_and_index_alone(coco_data):
    first = [coco_data[index] for index in range(len(coco_data))]
    assert all(same(coco_data[index], first[index]) for index in reversed(range(len(coco_data))))
    assert not same({"image": first[0]["image"]}, {"image": first[2]["image"]})  # the same person, another index
    coco_data.set_epoch(1)
    assert not same(coco_data[0], first[0])
    coco_data.set_epoch(0)
    assert same(coco_data[0], first[0])
    coco_data.seed = 4
    assert not same(coco_data[0], first[0])


def test_workers_that_outlive_an_epoch_make_the_same_samples_as_none(coco_data):
    loader = DataLoader(coco_data, batch_size=4, num_workers=1, persistent_workers=True)
    for epoch in (0, 1):
        coco_data.set_epoch(epoch)
        batches = list(loader)
        images = torch.cat([batch["image"] for batch in batches])
        expected = torch.stack([coco_data[index]["image"] for index in range(len(coco_data))])
        assert torch.equal(images, expected)


def test_a_missing_or_truncated_image_is_named(coco_folder):
    people = load_people(coco_folder, "val", input_size=(96, 72)).people
    data = PoseDataset(people, COCO, (96, 72), (24, 18), 1.25)
    path = people[0].image_path
    path.write_bytes(path.read_bytes()[:-400])
    with pytest.raises(InputError, match=f"{path}: the JPEG is truncated"):
        data[0]
    path.unlink()
    with pytest.raises(InputError, match=f"{path}: the image is missing"):
        data[0]
