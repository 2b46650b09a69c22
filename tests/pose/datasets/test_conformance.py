"""Every data set keeps the promises of `posebench.testing`, and the checks tell those that do not."""

from dataclasses import replace

import pytest
from folders import write_crowdpose, write_hands

from posebench.pose.datasets import DATASETS
from posebench.pose.datasets.mpii import MPII
from posebench.pose.synth import write_synthetic
from posebench.testing import DATASET_CHECKS, check_dataset
from posebench.testing.datasets import dataset_case


def write_rendered(name):
    return lambda folder: write_synthetic(folder, train=2, val=6, seed=1, layout=name, jobs=1)


WRITERS = {name: write_rendered(name) for name in DATASETS if DATASETS[name].synth}
WRITERS |= {"crowdpose": write_crowdpose, "hand": write_hands}


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    root = tmp_path_factory.mktemp("folders")
    for name, write in WRITERS.items():
        write(root / name)
    return root


def test_every_data_set_of_ours_is_here():
    assert set(DATASETS) <= set(WRITERS)


@pytest.mark.parametrize("check", DATASET_CHECKS, ids=lambda check: check.__name__)
@pytest.mark.parametrize("name", WRITERS)
def test_a_data_set_keeps_its_promises(name, check, folders):
    case = dataset_case(None, folders / name)
    assert case.dataset.name == name
    check(case)


def reading(change):
    """A reader of MPII's whose people are changed."""

    def read(folder, split, dataset, **options):
        data = MPII.work("read")(folder, split, dataset, **options)
        return replace(data, people=[change(person) for person in data.people])

    return read


def deaf(folder, split, dataset, **options):
    try:
        return MPII.work("read")(folder, split, dataset, **options)
    except Exception as error:
        raise ValueError("no") from error


def silent(data, keypoints, **options):
    scored = MPII.work("evaluate")(data, keypoints, **options)
    return replace(scored, evidence={**scored.evidence, "found": scored.evidence["found"] / 2})


PAIR_TWICE = replace(MPII.skeleton, flip_pairs=((5, 0), (5, 1)))


@pytest.mark.parametrize(
    ("changes", "promise"),
    [
        ({"skeleton": PAIR_TWICE}, "not disjoint"),
        ({"read": reading(lambda p: replace(p, keypoints=p.keypoints[:9]))}, "keypoints of shape"),
        ({"read": reading(lambda p: replace(p, person_id=3))}, "same person_id"),
        ({"read": reading(lambda p: replace(p, center=p.center + 500))}, "lie in the crops"),
        ({"read": reading(lambda p: replace(p, keypoints=p.keypoints + p.scale * 60))}, "lie in the crops|scores"),
        ({"evaluate": silent}, "the evidence gives"),
    ],
)
def test_what_breaks_a_promise_is_told(changes, promise, folders):
    with pytest.raises(AssertionError, match=promise):
        check_dataset(replace(MPII, name="mine", **changes), folders / "mpii")


def test_a_reader_that_fails_in_its_own_words_is_told(folders):
    with pytest.raises(ValueError, match="no"):
        check_dataset(replace(MPII, read=deaf), folders / "mpii")
