import numpy as np
import pytest
from known_answers import DATA
from scipy.io import loadmat, savemat

from posebench.pose.datasets.mpii import SKELETON as MPII
from posebench.pose.errors import InputError
from posebench.pose.evaluation.mpii_metrics import pckh
from posebench.pose.people.head_sizes import read_head_sizes

MAT = DATA / "reference_mpii_gt_valid.mat"


@pytest.fixture(scope="module")
def heads():
    return read_head_sizes(MAT)


def test_pckh_is_the_published_one(reference, heads):
    metrics = pckh(reference["mpii_in_preds"], heads, as_published=True)
    published = dict(zip(reference["mpii_out_names"].tolist(), reference["mpii_out_values"].tolist(), strict=True))
    for name in ("Head", "Shoulder", "Elbow", "Wrist", "Hip", "Knee", "Ankle"):
        assert metrics[f"pckh_{name.lower()}"] == pytest.approx(published[name], abs=1e-10)
    assert metrics["pckh"] == pytest.approx(published["Mean"], abs=1e-10)
    assert metrics["pckh_01"] == pytest.approx(published["Mean@0.1"], abs=1e-10)
    assert metrics["pckh_01_threshold"] == 0.11


def test_ours_is_at_a_tenth_of_the_head_and_says_so(heads):
    keypoints = heads.joints.copy()
    keypoints[..., 0] += 0.105 * heads.size[:, None]
    ours, published = pckh(keypoints, heads), pckh(keypoints, heads, as_published=True)
    assert (ours["pckh_01_threshold"], ours["pckh_01"]) == (0.1, 0.0)
    assert (published["pckh_01_threshold"], published["pckh_01"]) == (0.11, 100.0)


def test_the_annotated_joints_are_perfect(heads):
    metrics = pckh(heads.joints, heads)
    assert {value for name, value in metrics.items() if name != "pckh_01_threshold"} == {100.0}


def test_pelvis_thorax_and_missing_joints_do_not_count(heads):
    keypoints = heads.joints.copy()
    keypoints[:, [MPII.keypoints.index("pelvis"), MPII.keypoints.index("thorax")]] += 500
    keypoints[~heads.annotated] -= 500
    assert pckh(keypoints, heads)["pckh"] == 100.0


def test_the_mean_weights_joints_by_how_often_they_are_annotated(heads):
    keypoints = heads.joints.copy()
    wrist = MPII.keypoints.index("left_wrist")
    keypoints[:, wrist] += 500
    counted = heads.annotated.copy()
    counted[:, [6, 7]] = False
    assert pckh(keypoints, heads)["pckh"] == pytest.approx(100 * (1 - counted[:, wrist].sum() / counted.sum()))
    assert pckh(keypoints, heads)["pckh_wrist"] == 50.0


def broken(tmp_path, **changes):
    content = {name: value for name, value in loadmat(MAT).items() if not name.startswith("__")}
    for name, value in changes.items():
        if value is None:
            del content[name]
        else:
            content[name] = value
    savemat(tmp_path / "gt_valid.mat", content)
    return tmp_path / "gt_valid.mat"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"headboxes_src": None}, "has no 'headboxes_src'"),
        ({"headboxes_src": np.zeros((2, 2, 40))}, "head box of person 0 has no extent"),
        ({"pos_gt_src": np.zeros((16, 2, 39))}, r"'pos_gt_src' must have the shape \(16, 2, 40\)"),
        ({"pos_gt_src": np.full((16, 2, 40), np.nan)}, "finite numbers"),
        ({"jnt_missing": "text"}, "must be an array of numbers"),
    ],
)
def test_a_file_with_wrong_contents_is_named(tmp_path, changes, message):
    with pytest.raises(InputError, match=rf"gt_valid\.mat: .*{message}"):
        read_head_sizes(broken(tmp_path, **changes))


@pytest.mark.parametrize("length", [0, 5, 130, 2000, -100])
def test_a_cut_file_is_named(tmp_path, length):
    (tmp_path / "gt_valid.mat").write_bytes(MAT.read_bytes()[:length])
    with pytest.raises(InputError, match=r"gt_valid\.mat: ") as caught:
        read_head_sizes(tmp_path / "gt_valid.mat")
    assert "\n" not in str(caught.value)
