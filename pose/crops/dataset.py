"""People as training samples: one affine crop, normalised, with its target heat maps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
import torch
from torch.utils.data import Dataset

from ..keypoints import Skeleton
from .affine import apply_affine, crop_matrix, mirrored, warp_crop
from .augment import WHOLE_AND_UPRIGHT, Augmentation, Draw, augmented_box, draw_augmentation, flip_joints
from .boxes import check_convention
from .images import read_image
from .people import pack_of
from .person import Person
from .targets import gaussian_targets

IMAGENET_MEAN = np.array([0.485, 0.456, 0.406])  # of RGB values in 0 .. 1
IMAGENET_STD = np.array([0.229, 0.224, 0.225])
_FACTOR = (1 / (255 * IMAGENET_STD)).astype(np.float32)
_OFFSET = (-IMAGENET_MEAN / IMAGENET_STD).astype(np.float32)


def normalize(image: np.ndarray) -> np.ndarray:
    """A BGR image (H, W, 3) uint8 as (3, H, W) float32 RGB with ImageNet's mean and standard deviation taken out."""
    out = np.empty((3, *image.shape[:2]), dtype=np.float32)
    for plane, values, factor, offset in zip(out, reversed(cv2.split(image)), _FACTOR, _OFFSET, strict=True):
        plane[:] = values
        plane *= factor
        plane += offset
    return out


class PoseDataset(Dataset):
    """Samples of `people`, one item per person.

    Sizes are (H, W) in px, `sigma` is the targets' in heat-map px. With `augment` the item is a training sample, drawn
    from (seed, epoch, index) alone, so that it does not depend on workers or order; without, it is the plain crop.
    An item is a dict of `image` (3, H, W) float32 (normalised RGB), `target` (J, h, w) and `target_weight` (J, 1)
    float32 (zero where nothing is annotated), `index` and `person_id`. With `keep_image` a picture is read once for all
    people of it that are asked for one after the other. Raises InputError for an image that is missing or broken.
    """

    def __init__(
        self,
        people: Sequence[Person],
        skeleton: Skeleton,
        input_size: tuple[int, int],
        heatmap_size: tuple[int, int],
        sigma: float,
        *,
        augment: Augmentation | None = None,
        convention: str = "dark",
        seed: int = 0,
        keep_image: bool = False,
    ) -> None:
        pack = pack_of(people)
        if pack is not None:
            pack.check(augment, input_size)
        self.people = people
        self.skeleton = skeleton
        self.input_size = input_size
        self.heatmap_size = heatmap_size
        self.sigma = sigma
        self.augment = augment
        self.convention = check_convention(convention)
        self.seed = seed
        self.keep_image = keep_image
        self._kept: tuple[Path, np.ndarray] | None = None
        # in shared memory, so that workers that outlive an epoch see the next one
        self._epoch = torch.zeros(1, dtype=torch.int64).share_memory_()

    def set_epoch(self, epoch: int) -> None:
        """Draw the augmentations of this epoch from now on."""
        self._epoch[0] = epoch

    def __len__(self) -> int:
        return len(self.people)

    def __getitem__(self, index: int) -> dict[str, torch.Tensor | int]:
        person = self.people[index]
        draw = WHOLE_AND_UPRIGHT
        if self.augment is not None:
            draw = draw_augmentation(self.augment, np.random.default_rng([self.seed, int(self._epoch[0]), index]))
        packed = person.packed
        image = self._image(person.image_path) if packed is None else packed.read()
        width = image.shape[1] if packed is None else packed.image_width
        center, scale = augmented_box(person, draw, self.skeleton, self.input_size[1] / self.input_size[0])
        if draw.flip:
            center = np.array([width - 1 - center[0], center[1]])

        size_wh = (self.input_size[1], self.input_size[0])
        matrix = crop_matrix(center, scale, draw.rotation_deg, size_wh, convention=self.convention)
        # mirroring the crop's few pixels with its matrix saves mirroring the whole image
        matrix = mirrored(matrix, width) if draw.flip else matrix
        crop = warp_crop(image, matrix if packed is None else packed.placed(matrix), size_wh)

        target, weight = self._target(person, center, scale, draw, width)
        return {
            "image": torch.from_numpy(normalize(crop)),
            "target": torch.from_numpy(target),
            "target_weight": torch.from_numpy(weight),
            "index": index,
            "person_id": person.person_id,
        }

    def _image(self, path: Path) -> np.ndarray:
        if not self.keep_image:
            return read_image(path)
        kept = self._kept  # another thread may keep another one meanwhile
        if kept is None or kept[0] != path:
            kept = self._kept = path, read_image(path)
        return kept[1]

    def target(self, index: int) -> torch.Tensor:
        """The target (J, h, w) of the plain crop; its image is not read."""
        person = self.people[index]
        return torch.from_numpy(self._target(person, person.center, person.scale, WHOLE_AND_UPRIGHT, 0)[0])

    def _target(
        self, person: Person, center: np.ndarray, scale: np.ndarray, draw: Draw, image_width: int
    ) -> tuple[np.ndarray, np.ndarray]:
        joints = self.skeleton.num_keypoints
        if person.keypoints is None or person.visible is None:
            return np.zeros((joints, *self.heatmap_size), np.float32), np.zeros((joints, 1), np.float32)
        keypoints, visible = person.keypoints, person.visible
        if draw.flip:
            keypoints, visible = flip_joints(keypoints, visible, image_width, self.skeleton)
        rows, columns = self.heatmap_size
        if self.convention != "hrnet":  # the crop's middle is the map's middle
            matrix = crop_matrix(center, scale, draw.rotation_deg, (columns, rows), convention=self.convention)
        else:  # pixel 0 of the crop is pixel 0 of the map
            crop_size = (self.input_size[1], self.input_size[0])
            matrix = crop_matrix(center, scale, draw.rotation_deg, crop_size, convention="hrnet")
            matrix *= np.array([[columns / crop_size[0]], [rows / crop_size[1]]])
        return gaussian_targets(
            apply_affine(keypoints, matrix), visible, self.heatmap_size, self.sigma, self.convention
        )
