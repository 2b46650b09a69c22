import numpy as np
import pytest
from known_answers import DATA

from posebench.pose.errors import InputError
from posebench.pose.evaluation.bootstrap import (
    bootstrap_ap,
    draw_images,
    load_evidence,
    paired_bootstrap,
    score,
    scores,
)
from posebench.pose.evaluation.coco_metrics import coco_statistics, make_results, read_ground_truth


def random_truth(seed: int, images: int = 30, people: int = 80) -> dict:
    random = np.random.default_rng(seed)
    annotations = []
    for identity in range(1, people + 1):
        x, y = random.uniform(0, 400, (2, 17))
        visibility = np.full(17, 2) if identity % 9 else np.zeros(17)
        annotations.append(
            {
                "id": identity, "image_id": int(random.integers(1, images + 1)), "category_id": 1,
                "bbox": [0, 0, 400, 400], "area": float(random.uniform(500, 40000)), "iscrowd": int(identity % 13 == 0),
                "num_keypoints": int((visibility > 0).sum()),
                "keypoints": np.stack([x, y, visibility], axis=1).ravel().tolist(),
            }
        )  # fmt: skip
    sizes = {"width": 400, "height": 400}
    return {
        "images": [{"id": n, **sizes} for n in range(1, images + 1)],
        "annotations": annotations,
        "categories": [{"id": 1, "name": "person"}],
    }


def noisy_results(truth: dict, seed: int, noise: float = 0.15, decimals: int = 8) -> list[dict]:
    """Each person found once or twice, at a random distance and with a random score; some are not found."""
    random = np.random.default_rng(seed)
    image_ids, keypoints = [], []
    for person in truth["annotations"]:
        for _ in range(random.integers(0, 3)):
            pose = np.array(person["keypoints"]).reshape(17, 3).copy()
            pose[:, :2] += random.normal(0, noise * random.uniform() * np.sqrt(person["area"]), (17, 2))
            image_ids.append(person["image_id"])
            keypoints.append(pose)
    return make_results(image_ids, np.array(keypoints), random.random(len(image_ids)).round(decimals))


@pytest.mark.parametrize("decimals", [8, 1])  # 1: many equal scores
def test_the_score_from_evidence_is_pycocotools_to_the_last_digit(decimals):
    for seed in range(5):
        truth = random_truth(seed)
        statistics, evidence = coco_statistics(truth, noisy_results(truth, seed, decimals=decimals))
        assert 0.1 < statistics["ap"] < 0.9
        assert score(evidence) == pytest.approx(statistics["ap"], abs=1e-15)


def test_the_published_statistics_come_from_evidence_too(reference):
    keep = reference["coco_out_kept_pred_index"]
    results = make_results(
        reference["coco_in_pred_image_ids"][keep],
        reference["coco_in_pred_keypoints"][keep],
        reference["coco_out_kept_rescored"],
    )
    _, evidence = coco_statistics(read_ground_truth(DATA / "reference_coco_gt.json"), results)
    assert score(evidence) == pytest.approx(reference["coco_out_stats"][0], abs=1e-12)


def test_images_taken_several_times_score_as_pycocotools_scores_their_copies():
    truth = random_truth(3)
    results = noisy_results(truth, 3)
    _, evidence = coco_statistics(truth, results)
    for counts in draw_images(30, 4, seed=1):
        copies, people, found = [], [], []
        for image_id, times in zip(range(1, 31), counts, strict=True):
            for _ in range(times):
                copies.append({"id": len(copies) + 1, "width": 400, "height": 400})
                place = {"image_id": len(copies)}
                people += [a | place for a in truth["annotations"] if a["image_id"] == image_id]
                found += [r | place for r in results if r["image_id"] == image_id]
        people = [person | {"id": n} for n, person in enumerate(people, start=1)]
        statistics, _ = coco_statistics(truth | {"images": copies, "annotations": people}, found)
        assert scores(evidence, counts[None])[0] == pytest.approx(statistics["ap"], abs=1e-12)


def test_intervals_hold_the_score_and_repeat():
    truth = random_truth(1)
    _, evidence = coco_statistics(truth, noisy_results(truth, 1))
    low, high = bootstrap_ap(evidence)
    assert low < score(evidence) < high
    assert high - low < 0.3
    assert bootstrap_ap(evidence) == (low, high)
    assert bootstrap_ap(evidence, seed=1) != (low, high)


def test_a_higher_confidence_gives_a_wider_interval():
    truth = random_truth(1)
    _, evidence = coco_statistics(truth, noisy_results(truth, 1))
    wide, narrow = bootstrap_ap(evidence, confidence=0.99), bootstrap_ap(evidence, confidence=0.8)
    assert wide[0] < narrow[0] < narrow[1] < wide[1]


def test_the_interval_of_pckh_is_as_wide_as_the_binomial_says():
    random = np.random.default_rng(0)
    evidence = {"images": np.arange(1000), "found": random.binomial(1, 0.7, 1000), "annotated": np.ones(1000)}
    low, high = bootstrap_ap(evidence, resamples=3000)
    share = evidence["found"].mean()
    assert score(evidence) == pytest.approx(100 * share)
    assert high - low == pytest.approx(100 * 2 * 1.96 * np.sqrt(share * (1 - share) / 1000), rel=0.06)


def test_people_of_one_image_stand_or_fall_together():
    """The same outcomes in clusters of ten leave a tenth of the information."""
    outcomes = np.random.default_rng(0).binomial(1, 0.5, 300)
    single = {"images": np.arange(3000), "found": outcomes.repeat(10), "annotated": np.ones(3000)}
    clusters = {"images": np.arange(300), "found": 10 * outcomes, "annotated": np.full(300, 10)}
    width = [np.ptp(bootstrap_ap(evidence, resamples=2000)) for evidence in (single, clusters)]
    assert width[1] / width[0] == pytest.approx(np.sqrt(10), rel=0.1)


def test_a_paired_difference_is_surer_than_two_intervals():
    truth = random_truth(2, images=60, people=200)
    better, worse = noisy_results(truth, 7, noise=0.12), noisy_results(truth, 7, noise=0.14)
    (_, a), (_, b) = coco_statistics(truth, better), coco_statistics(truth, worse)
    difference, low, high = paired_bootstrap(a, b)
    assert difference == score(a) - score(b)
    assert 0 < low < difference < high
    assert high - low < 0.5 * np.ptp(bootstrap_ap(a))
    assert paired_bootstrap(b, a) == pytest.approx((-difference, -high, -low))


def test_a_model_does_not_differ_from_itself():
    truth = random_truth(2)
    _, evidence = coco_statistics(truth, noisy_results(truth, 2))
    assert paired_bootstrap(evidence, evidence) == (0, 0, 0)


def test_only_evaluations_of_the_same_images_are_compared():
    evidence = {"images": np.arange(5), "found": np.ones(5), "annotated": np.ones(5)}
    with pytest.raises(InputError, match="different images"):
        paired_bootstrap(evidence, evidence | {"images": np.arange(1, 6)})
    truth = random_truth(2)
    _, other = coco_statistics(truth, noisy_results(truth, 2))
    with pytest.raises(InputError, match="different metrics"):
        paired_bootstrap(evidence, other)


def test_evaluations_without_a_score_have_no_difference():
    assert np.isnan(paired_bootstrap({}, {})).all()


def test_evidence_survives_a_file(tmp_path):
    truth = random_truth(4)
    _, evidence = coco_statistics(truth, noisy_results(truth, 4))
    np.savez_compressed(tmp_path / "evidence.npz", **evidence)
    with np.load(tmp_path / "evidence.npz", allow_pickle=False) as content:
        assert bootstrap_ap(dict(content)) == bootstrap_ap(evidence)


def test_no_detections_give_zero_and_no_people_give_nan():
    truth = random_truth(4)
    _, nothing = coco_statistics(truth, [])
    assert bootstrap_ap(nothing) == (0.0, 0.0)
    _, nobody = coco_statistics(truth | {"annotations": []}, noisy_results(truth, 4))
    assert np.isnan(score(nobody))
    assert np.isnan(bootstrap_ap(nobody)).all()


def test_a_result_that_memory_is_too_short_for_is_not_to_be_deleted(tmp_path, monkeypatch):
    path = tmp_path / "evidence.npz"
    np.savez(path, images=np.arange(3))
    assert load_evidence(path)["images"].tolist() == [0, 1, 2]

    def short(*args, **options):
        raise MemoryError

    with monkeypatch.context() as patched, pytest.raises(InputError, match=r"npz: not enough memory") as caught:
        patched.setattr(np, "load", short)
        load_evidence(path)
    assert "delete" not in str(caught.value)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(InputError, match=f"cannot be read .*; delete the folder {tmp_path} to run it again"):
        load_evidence(path)
