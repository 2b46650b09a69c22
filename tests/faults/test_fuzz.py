"""Readers of users' files, given anything: a valid object or an InputError, and never another exception."""

import csv
import io
import json

import numpy as np
import pytest

pytest.importorskip("hypothesis")
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posebench.pose.crops.images import decode_image
from posebench.pose.datasets.coco import COCO
from posebench.pose.errors import InputError
from posebench.pose.people import coco, mpii
from posebench.pose.people.detections import detected_boxes
from posebench.pose.people.matlab import read_matlab
from posebench.pose.people.own_keypoints import adapt
from posebench.reports.analysis.flop_check import read_counts
from posebench.reports.analysis.iso_flops_file import read_iso_flops
from posebench.reports.analysis.results import read_results, write_results
from posebench.sweeps.request import SweepRequest, parse

FEW = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
MANY = settings(FEW, max_examples=2000)

numbers = st.one_of(
    st.integers(-3, 400), st.integers(), st.floats(), st.sampled_from([2**63, -(2**63) - 1, 10**400, 1e308, -0.0, 1e7])
)
scalars = st.one_of(st.none(), st.booleans(), numbers, st.text(max_size=8))
anything = st.recursive(
    scalars,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(st.text(max_size=6), inner, max_size=4)),
)


def some(good, share=0.15):
    """Mostly a sound value, and anything else instead now and then."""
    return st.floats(0, 1).flatmap(lambda draw: anything if draw < share else good)


def records(**fields):
    """Objects of these fields, each now and then of another kind or absent."""
    wanted = {name: some(good, 0.04) for name, good in fields.items()}
    return some(st.fixed_dictionaries(wanted), 0.05).flatmap(
        lambda record: st.sampled_from(
            [record] * 9 + [without(record)] if isinstance(record, dict) and record else [record]
        )
    )


def without(record):
    return dict(list(record.items())[1:])


pixels = st.integers(0, 200)
boxes = st.lists(pixels, min_size=4, max_size=4)
names = st.sampled_from(["a.jpg", "b/c.jpg", "../x", "/etc/passwd", "", "a\0"])
images = records(id=st.integers(1, 3), file_name=names, width=st.integers(1, 300), height=st.integers(1, 300))
triples = st.lists(st.tuples(pixels, pixels, st.sampled_from([0, 1, 2])), min_size=17, max_size=17)
annotations = records(
    id=st.integers(1, 99),
    image_id=st.integers(1, 3),
    category_id=st.just(1),
    bbox=boxes,
    area=st.integers(1, 5000),
    iscrowd=st.sampled_from([0, 1]),
    num_keypoints=st.integers(0, 17),
    keypoints=triples.map(lambda points: [number for point in points for number in point]),
)
categories = records(id=st.just(1), name=st.just("person"), keypoints=st.just(["nose"] * 17))
coco_files = some(
    st.fixed_dictionaries(
        {
            "images": some(st.lists(images, max_size=3), 0.03),
            "annotations": some(st.lists(annotations, max_size=4), 0.03),
            "categories": some(st.lists(categories, min_size=1, max_size=2), 0.03),
        }
    ),
    0.05,
)
points = st.lists(st.lists(pixels, min_size=2, max_size=2), min_size=16, max_size=16)
mpii_files = some(
    st.lists(
        records(
            image=names,
            center=st.lists(pixels, min_size=2, max_size=2),
            scale=st.floats(0.1, 5),
            joints=points,
            joints_vis=st.lists(st.sampled_from([0, 1]), min_size=16, max_size=16),
        ),
        max_size=4,
    )
)
detections = some(
    st.lists(records(image_id=st.integers(1, 3), category_id=st.just(1), bbox=boxes, score=st.floats(0, 1)), max_size=4)
)


def holds(read):
    """The property: what `read` gives, or None where it refused in one line that is not too long."""
    try:
        return read()
    except InputError as error:
        assert str(error) and "\n" not in str(error) and len(str(error)) < 3000
        return None


def written(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def coco_is_read_or_refused(tmp_path, content, found):
    path = written(tmp_path / "annotations/person_keypoints_val2017.json", content)
    split = holds(lambda: coco.read_split(tmp_path, "val", COCO, boxes="gt", aspect_ratio=0.75))
    for person in split.people if split else ():
        assert np.isfinite(person.center).all() and np.isfinite(person.scale).all() and (person.scale > 0).all()
        assert person.keypoints.shape == (17, 2) and np.isfinite(person.keypoints).all()
        assert tmp_path / "images/val2017" in person.image_path.parents and ".." not in person.image_path.parts
    holds(lambda: adapt(COCO, tmp_path))
    boxes = written(tmp_path / "boxes.json", found)
    detected = holds(lambda: coco.read_split(tmp_path, "val", COCO, boxes=str(boxes), aspect_ratio=0.75))
    for person in detected.people if detected else ():
        assert np.isfinite(person.scale).all() and (person.scale > 0).all() and np.isfinite(person.box_score)
    holds(lambda: detected_boxes(boxes, [path]))


def mpii_is_read_or_refused(tmp_path, content):
    written(tmp_path / "annot/valid.json", content)
    split = holds(lambda: mpii.read_split(tmp_path, "val", None, boxes="gt", aspect_ratio=1.0))
    for person in split.people if split else ():
        assert np.isfinite(person.center).all() and (person.scale > 0).all() and person.keypoints.shape == (16, 2)


@given(content=coco_files, found=detections)
@FEW
def test_coco_and_detections(tmp_path, content, found):
    coco_is_read_or_refused(tmp_path, content, found)


@given(content=mpii_files)
@FEW
def test_mpii(tmp_path, content):
    mpii_is_read_or_refused(tmp_path, content)


keys = st.sampled_from([*SweepRequest.__dataclass_fields__, "model", "mask", "ratio", "colour"])
values = st.one_of(
    anything, st.sampled_from(["tome", "tmpose_tiny", "0.2,0.4", "prune(layers=1|2)", "0-3", "256x192", "cpu", "a.pt"])
)


@given(spec=st.dictionaries(keys, values, max_size=4))
@FEW
def test_a_specification(tmp_path, spec, monkeypatch):
    import yaml

    monkeypatch.chdir(tmp_path)
    (tmp_path / "spec.yaml").write_text(yaml.safe_dump(spec), encoding="utf-8", errors="backslashreplace")
    request = holds(lambda: parse({}, "spec.yaml"))
    assert request is None or (request.models and request.masks and all(0 <= ratio < 1 for ratio in request.ratios))


columns = st.sampled_from(
    ["cell", "status", "model", "dataset", "mask", "mask_ratio", "seed", "ap", "gflops_t", "error", "amp", "date_utc"]
)


@given(
    rows=st.lists(st.dictionaries(columns, st.one_of(st.text(max_size=12), numbers.map(str)), max_size=6), max_size=4)
)
@FEW
def test_results(tmp_path, rows):
    path = tmp_path / "results.csv"
    write_results(path, [])
    header = path.read_text().strip().split(",")
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows([header, *([row.get(name, "") for name in header] for row in rows)])
    path.write_bytes(text.getvalue().encode("utf-8", "backslashreplace"))
    frame = holds(lambda: read_results(path))
    if frame is not None:
        assert len(frame) == len(rows)
        write_results(path, frame)  # what was read can be written, and is the same then, but for a version that lacked
        assert read_results(path).drop(columns="schema_version").equals(frame.drop(columns="schema_version"))


@pytest.mark.parametrize(
    "read",
    [
        read_results,
        read_iso_flops,
        read_counts,
        mpii.read_entries,
        lambda path: parse({}, path),
        lambda path: read_matlab(path, ("a",)),
    ],
)
@given(content=st.binary(max_size=300))
@settings(FEW, max_examples=30)
def test_bytes(tmp_path, read, content):
    (tmp_path / "file").write_bytes(content)
    holds(lambda: read(tmp_path / "file"))


starts = st.sampled_from(
    [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF89a", b"BM", b"II*\0", b"RIFF\0\0\0\0WEBP", b"P6 9 9 255\n"]
)


@given(start=starts, rest=st.binary(max_size=200))
@FEW
def test_images(start, rest):
    image = holds(lambda: decode_image(start + rest, "a.jpg"))
    assert image is None or (image.ndim == 3 and image.dtype == np.uint8)


@pytest.mark.slow
@given(content=coco_files, found=detections, people=mpii_files)
@MANY
def test_many_more(tmp_path, content, found, people):
    coco_is_read_or_refused(tmp_path, content, found)
    mpii_is_read_or_refused(tmp_path, people)
