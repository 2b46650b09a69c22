"""What every data set owes to those who train and evaluate on it, as checks."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ..pose.crops.affine import apply_affine, crop_matrix
from ..pose.crops.augment import flip_joints
from ..pose.crops.dataset import PoseDataset
from ..pose.crops.person import DataSplit
from ..pose.datasets import SQUARE, Dataset, find_dataset
from ..pose.datasets.registry import description_of
from ..pose.errors import InputError
from ..pose.evaluation.bootstrap import score
from ..pose.metrics import METRICS
from ..pose.people.check import inspect_folder
from ..pose.people.folder import detect_dataset, load_people

SIZE = {True: (128, 128), False: (128, 96)}
MOST_PEOPLE = 8  # whose crops are made


@dataclass(frozen=True)
class DatasetCase:
    """A data set under test, and a folder with people of it in the split val."""

    dataset: Dataset
    folder: Path
    size: tuple[int, int]

    def split(self, name: str = "val") -> DataSplit:
        return load_people(self.folder, name, input_size=self.size, dataset=self.dataset)


def check_dataset(dataset: str | Dataset | None, folder: str | Path) -> None:
    """Run every check of DATASET_CHECKS on a data set (by name, "package.module:NAME", a descriptor, or None: what the
    folder says) and a sound folder of it, and raise AssertionError saying which promise it breaks.

    Raises InputError where there is no such data set, or the folder cannot be read.
    """
    case = dataset_case(dataset, folder)
    for check in DATASET_CHECKS:
        check(case)


def dataset_case(dataset: str | Dataset | None, folder: str | Path) -> DatasetCase:
    """The case that the checks take."""
    found, place = detect_dataset(folder, dataset)
    return DatasetCase(found, place, SIZE[found.crop == SQUARE])


def is_found_again(case: DatasetCase) -> None:
    """What checkpoints keep of it gives the same keypoints, in another process, too."""
    own = case.dataset
    again = find_dataset(description_of(own) or own.name)
    for name in ("keypoints", "flip_pairs", "limbs", "upper_body"):
        assert getattr(again.skeleton, name) == getattr(own.skeleton, name), f"found again with other {name}"
    assert again.crop == own.crop, "found again with crops of another shape"
    assert case.dataset.metric in METRICS, f"the metric {case.dataset.metric.column} has no column in results"


def has_a_sound_skeleton(case: DatasetCase) -> None:
    """Names differ; mirror pairs are of two keypoints each, none in two; everything is counted from 0 to J - 1."""
    skeleton = case.dataset.skeleton
    joints = skeleton.num_keypoints
    assert len(set(skeleton.keypoints)) == joints > 0, "keypoint names are doubled, or there are none"
    paired = [joint for pair in skeleton.flip_pairs for joint in pair]
    assert len(set(paired)) == len(paired), "mirror pairs are not disjoint: a keypoint is in two, or its own partner"
    named = [*paired, *skeleton.upper_body, *(joint for limb in skeleton.limbs for joint in limb)]
    assert all(0 <= joint < joints for joint in named), f"an index is not from 0 to {joints - 1}"
    sigmas = skeleton.oks_sigmas
    assert sigmas is None or (len(sigmas) == joints and min(sigmas) > 0), "sigmas: one above 0 for each keypoint"


def has_people(case: DatasetCase) -> None:
    """People of val have as many keypoints as the skeleton, finite, some of them visible, and ids of their own."""
    data, joints = case.split(), case.dataset.skeleton.num_keypoints
    assert data.people, "the split val has no people"
    assert data.dataset.name == case.dataset.name, "DataSplit.dataset is of another data set"
    for person in data.people:
        assert person.keypoints is not None and person.visible is not None, "people of val must be annotated"
        assert person.keypoints.shape == (joints, 2), f"keypoints of shape {person.keypoints.shape}, not ({joints}, 2)"
        assert person.visible.shape == (joints,), f"visible of shape {person.visible.shape}, not ({joints},)"
        assert set(np.unique(person.visible)) <= {0, 1}, "visible must be 0 or 1"
        assert np.isfinite(person.labelled).all(), "a visible keypoint is not finite"
        assert np.isfinite([*person.center, *person.scale]).all() and (person.scale > 0).all(), "an empty crop"
    ids = [person.person_id for person in data.people]
    assert len(set(ids)) == len(ids), "two people have the same person_id"


def mirrors_back(case: DatasetCase) -> None:
    """Mirrored twice, a person's keypoints are where they were."""
    for person in case.split().people:
        once = flip_joints(person.keypoints, person.visible, 640, case.dataset.skeleton)
        points, visible = flip_joints(*once, 640, case.dataset.skeleton)
        assert np.allclose(points, person.keypoints), "mirroring twice moves keypoints"
        assert (visible == person.visible).all(), "mirroring twice changes what is visible"


def crops_hold_the_joints(case: DatasetCase) -> None:
    """Of all visible keypoints nine in ten lie in their person's crop, and the targets peak there."""
    data, (height, width) = case.split(), case.size
    inside = []
    for person in data.people:
        matrix = crop_matrix(person.center, person.scale, 0.0, (width, height))
        points = apply_affine(person.labelled, matrix)
        inside += ((points >= 0) & (points <= (width - 1, height - 1))).all(axis=1).tolist()
    assert np.mean(inside) >= 0.9, f"only {np.mean(inside):.0%} of the visible keypoints lie in the crops"
    samples = PoseDataset(data.people[:MOST_PEOPLE], case.dataset.skeleton, case.size, (height // 4, width // 4), 1.5)
    weights = [samples[index]["target_weight"].sum() for index in range(len(samples))]
    assert all(weight > 0 for weight in weights), "a person's crop has no target"


def truth_scores_full_marks(case: DatasetCase) -> None:
    """The annotation itself gets the highest score there is, and the evidence gives the score back."""
    data, metric = case.split(), case.dataset.metric
    scored = case.dataset.work("evaluate")(data, perfect(data), as_published=False)
    assert metric.column in scored.metrics, f"no {metric.column} among the metrics ({', '.join(scored.metrics)})"
    reached = scored.metrics[metric.column]
    assert abs(reached - metric.full_scale) < 1e-6, f"the annotation itself scores {reached}, not {metric.full_scale:g}"
    again = score(scored.evidence)
    assert abs(again - reached) < 1e-9 * metric.full_scale, f"the evidence gives {again} where the score is {reached}"


def evidence_follows_the_score(case: DatasetCase) -> None:
    """Half of the people posed far off score less, and the evidence says the same."""
    data, metric = case.split(), case.dataset.metric
    poses = perfect(data)
    poses[::2, :, :2] += 1e4
    scored = case.dataset.work("evaluate")(data, poses, as_published=False)
    reached, again = scored.metrics[metric.column], score(scored.evidence)
    assert reached < metric.full_scale, f"people posed 10000 px off still score {reached}"
    assert abs(again - reached) < 1e-9 * metric.full_scale, f"the evidence gives {again} where the score is {reached}"


def is_sound_by_its_check(case: DatasetCase) -> None:
    """The check of the folder finds what the reader reads, and no error."""
    found = inspect_folder(case.folder, dataset=case.dataset)
    assert found.ok, f"the check finds {next(str(p) for p in found.problems if p.severity == 'error')}"
    people = {split.split: split.people for split in found.splits}
    assert people.get("val") == len(case.split().people), "the check counts other people than the reader reads"


def refuses_what_is_broken(case: DatasetCase) -> None:
    """A cut annotation file, a file of something else and a missing one are each an InputError that names a file."""
    data = case.split()
    name = data.annotation_file.relative_to(data.root)
    for content in (data.annotation_file.read_bytes()[:-20], b"[1, 2", b'{"a": 1}', None):
        with tempfile.TemporaryDirectory() as temporary:
            root = Path(temporary) / "data"
            shutil.copytree(data.root, root, ignore=lambda _, names: [n for n in names if n.endswith((".jpg", ".png"))])
            if content is None:
                (root / name).unlink()
            else:
                (root / name).write_bytes(content)
            try:
                load_people(root, "val", dataset=case.dataset)
            except InputError as error:
                assert str(root) in str(error) and "\n" not in str(error), f"does not say where, in one line: {error}"
            else:
                raise AssertionError(f"read without a word: {name} {'missing' if content is None else 'broken'}")


def perfect(data: DataSplit) -> np.ndarray:
    """Poses (n, J, 3) as annotated, each keypoint sure of itself."""
    return np.stack([np.concatenate([p.keypoints, np.ones((len(p.keypoints), 1))], axis=1) for p in data.people])


DATASET_CHECKS: tuple[Callable[[DatasetCase], None], ...] = (
    has_a_sound_skeleton,
    is_found_again,
    has_people,
    mirrors_back,
    crops_hold_the_joints,
    truth_scores_full_marks,
    evidence_follows_the_score,
    is_sound_by_its_check,
    refuses_what_is_broken,
)
