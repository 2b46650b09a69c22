"""COCO's keypoint statistics, by pycocotools, and the results in COCO's submission format."""

from __future__ import annotations

import contextlib
import io
import json
import math
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pycocotools.coco import COCO as CocoIndex
from pycocotools.cocoeval import COCOeval

from ..crops.person import DataSplit
from ..datasets.coco import COCO
from ..datasets.descriptor import Dataset, Scored
from ..files import write_atomic
from ..people.coco import read_annotations, read_coco
from .joint_similarity import joint_evidence
from .oks import rescore, suppress_duplicates

#: of two poses of an image that are more similar than this, the worse one is dropped
OKS_NMS = 0.9
#: the ten numbers in pycocotools' order: average precision and recall over OKS 0.50:0.05:0.95, at 0.5, at 0.75, and of
#: medium and large people (annotated area below and above 96^2 px^2)
STATISTICS = ("ap", "ap50", "ap75", "ap_m", "ap_l", "ar", "ar50", "ar75", "ar_m", "ar_l")


def evaluate(data: DataSplit, keypoints: np.ndarray, *, as_published: bool = False) -> Scored:
    """The ten statistics of poses (n, J, 3) of the people of a split, with the sigmas of its data set.

    AP is over all images of the annotation file, without poses that are more similar than OKS_NMS to a better one.
    """
    sigmas = data.dataset.skeleton.oks_sigmas
    image_ids = np.array([person.image_id for person in data.people])
    scores = rescore(keypoints[..., 2], np.array([person.box_score for person in data.people]))
    areas = np.array([np.prod(200 * person.scale) for person in data.people])
    keep = suppress_duplicates(image_ids, keypoints, scores, areas, sigmas, OKS_NMS)
    ground_truth = read_ground_truth(data.annotation_file, data.dataset)
    results = make_results(image_ids[keep], keypoints[keep], scores[keep], person_category_of(ground_truth))
    return Scored(*coco_statistics(ground_truth, results, sigmas), results)


def read_ground_truth(annotation_file: Path, dataset: Dataset = COCO) -> dict[str, Any]:
    """The images and person annotations of a COCO keypoint file as plain lists that pycocotools takes.

    Raises InputError naming the file and the entry that is wrong.
    """
    file = read_coco(annotation_file, None)
    people = []
    for _, person in read_annotations(file, dataset, unique=False):
        triples = np.concatenate([person.keypoints, person.visibility[:, None]], axis=1)
        people.append(
            {
                "id": len(people) + 1,  # pycocotools takes a match with id 0 for none
                "image_id": person.image_id,
                "category_id": file.person_category,
                "bbox": person.box.tolist(),
                "area": person.area,
                "iscrowd": int(person.crowd),
                "num_keypoints": person.num_keypoints,
                "keypoints": triples.ravel().tolist(),
            }
        )
    return {
        "images": [{"id": image.id, "width": image.width, "height": image.height} for image in file.images.values()],
        "annotations": people,
        "categories": [{"id": file.person_category, "name": "person"}],
    }


def person_category_of(ground_truth: dict[str, Any]) -> int:
    """The category id that results against this ground truth carry."""
    return ground_truth["categories"][0]["id"]


def make_results(
    image_ids: Sequence[int], keypoints: np.ndarray, scores: np.ndarray, category_id: int = 1
) -> list[dict[str, Any]]:
    """Poses in COCO's submission format; keypoints (n, J, 3) are x and y in image px and score, scores (n,)."""
    return [
        {
            "image_id": int(image_id),
            "category_id": category_id,
            "keypoints": [float(value) for value in pose.ravel()],
            "score": float(score),
        }
        for image_id, pose, score in zip(image_ids, keypoints, scores, strict=True)
    ]


def write_results(path: str | os.PathLike[str], results: list[dict[str, Any]]) -> None:
    """Write results as a JSON file for COCO's evaluation server, whole or not at all."""
    write_atomic(path, json.dumps(results))


def coco_statistics(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float] = COCO.skeleton.oks_sigmas,
) -> tuple[dict[str, float], dict[str, np.ndarray]]:
    """The ten statistics (0 to 1) of `results` against `ground_truth`, and the evidence for a bootstrap of AP, and of
    joints (see joint_similarity.py).

    Over all images of the ground truth: one without results counts as missed. A statistic without any person to count
    (no large one, say) is NaN.
    """
    with contextlib.redirect_stdout(io.StringIO()):  # pycocotools prints its progress
        evaluation = _evaluation(ground_truth, results, sigmas)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = [float(value) if value >= 0 else math.nan for value in evaluation.stats]  # pycocotools' -1: none
    evidence = _evidence(evaluation) | joint_evidence(ground_truth, results, sigmas)
    return dict(zip(STATISTICS, values, strict=True)), evidence


def evidence_by_area(
    ground_truth: dict[str, Any],
    results: list[dict[str, Any]],
    sigmas: Sequence[float],
    ranges: Sequence[tuple[float, float]],
) -> list[dict[str, np.ndarray]]:
    """The evidence of AP of the people whose annotated area in px^2 is in each of the ranges, both ends included."""
    with contextlib.redirect_stdout(io.StringIO()):
        evaluation = _evaluation(ground_truth, results, sigmas)
        evaluation.params.areaRng = [list(limits) for limits in ranges]
        evaluation.params.areaRngLbl = [str(number) for number in range(len(ranges))]
        evaluation.evaluate()
    return [_evidence(evaluation, number) for number in range(len(ranges))]


def _evaluation(ground_truth: dict[str, Any], results: list[dict[str, Any]], sigmas: Sequence[float]) -> COCOeval:
    evaluation = COCOeval(_index(ground_truth), _index(ground_truth, results), "keypoints")
    evaluation.params.kpt_oks_sigmas = np.array(sigmas)
    evaluation.params.catIds = [person_category_of(ground_truth)]
    return evaluation


def _index(ground_truth: dict[str, Any], results: list[dict[str, Any]] | None = None) -> CocoIndex:
    index = CocoIndex()
    index.dataset = ground_truth if results is None else ground_truth | {"annotations": []}
    index.createIndex()
    return index.loadRes([dict(result) for result in results]) if results else index


def _evidence(evaluation: COCOeval, area: int = 0) -> dict[str, np.ndarray]:
    """What AP of one of the ranges of area is computed from, per detection: arrays as in bootstrap.py."""
    image_ids = np.array(evaluation.params.imgIds, dtype=np.int64)
    positives = np.zeros(len(image_ids), dtype=np.int32)
    thresholds = len(evaluation.params.iouThrs)
    image, score = [np.zeros(0, np.int32)], [np.zeros(0)]
    matched, ignored = [np.zeros((thresholds, 0), bool)], [np.zeros((thresholds, 0), bool)]
    entries = evaluation.evalImgs[area * len(image_ids) : (area + 1) * len(image_ids)]  # None: nothing in the image
    for place, entry in enumerate(entries):
        if entry is None:
            continue
        positives[place] = np.count_nonzero(np.asarray(entry["gtIgnore"]) == 0)
        image.append(np.full(len(entry["dtScores"]), place, dtype=np.int32))
        score.append(np.asarray(entry["dtScores"], dtype=np.float64))
        matched.append(np.asarray(entry["dtMatches"]).reshape(thresholds, -1) != 0)
        ignored.append(np.asarray(entry["dtIgnore"]).reshape(thresholds, -1) != 0)
    return {
        "images": image_ids,
        "positives": positives,
        "image": np.concatenate(image),
        "score": np.concatenate(score),
        "matched": np.concatenate(matched, axis=1),
        "ignored": np.concatenate(ignored, axis=1),
    }
