"""Annotation and detection files of all kinds of wrong: one line that names the file and the entry, exit code 2."""

import copy
import json
import math

import numpy as np
import pytest
from hostile import cases
from scipy.io import loadmat, savemat

COCO = "annotations/person_keypoints_val2017.json"
MPII = "annot/valid.json"
HUGE = 10**4000  # JSON of more digits is refused by the parser itself
NO_INTEGERS = {
    "null": None,
    "text": "7",
    "fraction": 1.5,
    "huge": HUGE,
    "beyond-64-bit": 2**63,
    "list": [],
    "flag": True,
}
NO_NUMBERS = {
    "null": None,
    "text": "7",
    "nan": math.nan,
    "infinite": math.inf,
    "huge": HUGE,
    "object": {},
    "flag": True,
}
NO_NAMES = {
    "null": None,
    "empty": "",
    "number": 7,
    "list": [],
    "absolute": "/etc/passwd",
    "parent": "../secret.jpg",
    "parent-inside": "a/../../b.jpg",
    "nul": "a\0b.jpg",
    "newline": "a\nb.jpg",
    "escape": "\x1b[2Ja.jpg",
}
NO_BOXES = {
    "null": None,
    "empty": [],
    "short": [1, 2, 3],
    "long": [1, 2, 3, 4, 5],
    "text": ["1", 2, 3, 4],
    "nan": [math.nan, 1, 2, 3],
    "infinite": [1, 2, math.inf, 3],
    "far": [1e7, 1, 2, 3],
    "nested": [[1, 2], [3, 4]],
    "negative-width": [5, 5, -10, 10],
    "negative-height": [5, 5, 10, -10],
    "flags": [True, True, True, True],
    "object": {"x": 1},
    "huge": [HUGE, 1, 2, 3],
}
TRIPLES = 17 * 3
NO_KEYPOINTS = {
    "null": None,
    "empty": [],
    "short": [0] * (TRIPLES - 1),
    "long": [0] * (TRIPLES + 3),
    "flag-3": [1, 1, 3] * 17,
    "flag-negative": [1, 1, -1] * 17,
    "flag-half": [1, 1, 0.5] * 17,
    "nan": [math.nan, 1, 2] * 17,
    "text": ["1", 1, 2] * 17,
    "far": [1e9, 1, 2] * 17,
    "nested": [[1, 1, 2]] * 17,
    "object": {},
    "huge": [HUGE, 1, 2] * 17,
}


def fields(entry, wrong):
    """{"bbox null": ("annotations", "bbox", None), ...}, and each field missing."""
    table = {}
    for key, values in wrong.items():
        table |= {f"{entry} {key} {name}": (entry, key, value) for name, value in values.items()}
        table[f"{entry} {key} missing"] = (entry, key, ...)
    return table


COCO_FIELDS = fields(
    "images",
    {
        "id": NO_INTEGERS,
        "file_name": NO_NAMES,
        "width": {"zero": 0, "negative": -5, **NO_INTEGERS},
        "height": {"zero": 0, **NO_INTEGERS},
    },
) | fields(
    "annotations",
    {
        "id": NO_INTEGERS,
        "image_id": {"unknown": 123456, **NO_INTEGERS},
        "category_id": NO_INTEGERS,
        "bbox": NO_BOXES,
        "area": {"negative": -1.0, **NO_NUMBERS},
        "iscrowd": NO_INTEGERS,
        "num_keypoints": {"negative": -1, **NO_INTEGERS},
        "keypoints": NO_KEYPOINTS,
    },
)
del COCO_FIELDS["images file_name missing"]  # such a file is called by its id
MPII_FIELDS = fields(
    "people",
    {
        "image": NO_NAMES,
        "center": {"null": None, "short": [1], "text": ["1", "2"], "nan": [math.nan, 1], "far": [1e8, 1], "object": {}},
        "scale": {"zero": 0, "negative": -1, "large": 1e6, **NO_NUMBERS},
        "joints": {
            "null": None,
            "short": [[1, 1]] * 15,
            "flat": [1] * 32,
            "text": [["1", 1]] * 16,
            "nan": [[math.nan, 1]] * 16,
        },
        "joints_vis": {"null": None, "short": [1] * 15, "two": [2] * 16, "text": ["1"] * 16, "nan": [math.nan] * 16},
    },
)
NO_JSON = {
    "empty": b"",
    "blank": b"  \n",
    "cut": b'{"images": [{"id": 1',
    "text": b"hello",
    "utf-16": '{"a": 1}'.encode("utf-16"),
    "binary": bytes(range(256)),
    "no-utf-8": b'{"a": "\xff\xfe"}',
    "deep": b"[" * 200_000,
    "deep-objects": b'{"a":' * 100_000,
    "digits": b'{"images": [' + b"9" * 5000 + b"]}",
    "two-values": b"{} {}",
    "single-quotes": b"{'a': 1}",
    "jpeg": b"\xff\xd8\xff\xe0",
    "pickle": b"cos\nsystem\n(S'touch executed'\ntR.",
    "yaml": b"images: []",
    "comma": b'{"images": [],}',
}
NO_FRAME = {
    "null": None,
    "number": 3,
    "text": "x",
    "list": [],
    "object": {},
    "images-null": {"images": None, "annotations": [], "categories": []},
    "images-object": {"images": {}, "annotations": [], "categories": []},
    "no-categories": {"images": [], "annotations": []},
    "categories-empty": {"images": [], "annotations": [], "categories": []},
    "categories-numbers": {"images": [], "annotations": [], "categories": [1, 2]},
    "category-without-id": {"images": [], "annotations": [], "categories": [{"name": "person"}]},
    "category-without-name": {"images": [], "annotations": [], "categories": [{"id": 1}]},
    "category-id-text": {"images": [], "annotations": [], "categories": [{"id": "1", "name": "person"}]},
    "annotations-text": {"images": [], "annotations": "none", "categories": [{"id": 1, "name": "person"}]},
    "nobody": {"images": [], "annotations": [], "categories": [{"id": 1, "name": "person"}]},
    "entries-null": {"images": [None], "annotations": [None], "categories": [{"id": 1, "name": "person"}]},
    "entries-lists": {"images": [[]], "annotations": [[]], "categories": [{"id": 1, "name": "person"}]},
}
NO_DETECTIONS = {f"bbox {name}": {"bbox": box} for name, box in NO_BOXES.items()}
NO_DETECTIONS |= {f"score {name}": {"score": value} for name, value in NO_NUMBERS.items()}
NO_DETECTIONS |= {f"image_id {name}": {"image_id": value} for name, value in NO_INTEGERS.items()}
NO_DETECTIONS |= {f"category_id {name}": {"category_id": value} for name, value in NO_INTEGERS.items()}
NO_DETECTIONS |= {f"{key} missing": {key: ...} for key in ("bbox", "score", "image_id", "category_id")}
NO_DETECTIONS |= {"image_id unknown": {"image_id": 999}, "no extent": {"bbox": [1, 1, 0, 0]}}


def replace(path, content):
    """Put bytes, or plain types as JSON, in the place of a file that other folders share."""
    path.unlink(missing_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else json.dumps(content).encode())


def spoil(record, key, value):
    if value is ...:
        del record[key]
    else:
        record[key] = value


@pytest.mark.parametrize("wrong", cases(COCO_FIELDS))
def test_a_field_of_coco(wrong, coco, refused):
    entry, key, value = wrong
    content = json.loads((coco / COCO).read_text())
    spoil(content[entry][1], key, value)
    replace(coco / COCO, content)
    place = f"annotation {0 if (entry, key) == ('images', 'id') else 1}" if entry == "annotations" else "image 1"
    refused("eval", "--data", coco, "--quiet", naming=(coco / COCO, place, key))


@pytest.mark.parametrize("content", cases(NO_JSON))
@pytest.mark.parametrize("file", [COCO, MPII])
def test_a_file_that_is_no_json(file, content, coco, mpii, refused):
    folder = coco if file == COCO else mpii
    replace(folder / file, content)
    refused("eval", "--data", folder, "--quiet", naming=folder / file)
    assert not list(folder.rglob("executed"))


@pytest.mark.parametrize("content", cases(NO_FRAME))
def test_a_frame_that_is_not_cocos(content, coco, refused):
    replace(coco / COCO, content)
    refused("eval", "--data", coco, "--quiet", naming=coco / COCO)


@pytest.mark.parametrize("tenth", cases({str(n): n for n in range(10)}, quick=5))
def test_a_file_cut_at_every_tenth(tenth, coco, refused):
    whole = (coco / COCO).read_bytes()
    replace(coco / COCO, whole[: len(whole) * tenth // 10])
    refused("eval", "--data", coco, "--quiet", naming=coco / COCO)


@pytest.mark.parametrize("wrong", cases(MPII_FIELDS))
def test_a_field_of_mpii(wrong, mpii, refused):
    _, key, value = wrong
    content = json.loads((mpii / MPII).read_text())
    spoil(content[1], key, value)
    replace(mpii / MPII, content)
    refused("eval", "--data", mpii, "--quiet", naming=(mpii / MPII, "person 1", key))


@pytest.mark.parametrize("content", cases({n: c for n, c in NO_FRAME.items() if n not in ("list",)}))
def test_a_frame_that_is_not_mpiis(content, mpii, refused):
    replace(mpii / MPII, content)
    refused("eval", "--data", mpii, "--quiet", naming=mpii / MPII)


@pytest.mark.parametrize("wrong", cases(NO_DETECTIONS))
def test_a_detection(wrong, coco, refused):
    image_id = json.loads((coco / COCO).read_text())["images"][0]["id"]
    good = {"image_id": image_id, "category_id": 1, "bbox": [1, 1, 50, 50], "score": 0.9}
    bad = copy.copy(good)
    for key, value in wrong.items():
        spoil(bad, key, value)
    replace(coco / "boxes.json", [good, bad])
    refused(
        "eval",
        "--data",
        coco,
        "--boxes",
        coco / "boxes.json",
        "--quiet",
        naming=(coco / "boxes.json", "detection 1", *wrong),
    )


@pytest.mark.parametrize(
    "content", cases(NO_JSON | {"object": {}, "number": 1, "numbers": [1, 2], "nulls": [None], "nobody": []})
)
def test_a_file_without_detections(content, coco, sound, refused):
    replace(coco / "boxes.json", content)
    refused("eval", "--data", coco, "--boxes", coco / "boxes.json", "--quiet", naming="boxes.json")
    picture = next((coco / "images/val2017").iterdir())
    refused("predict", picture, "--weights", sound / "tiny.pt", "--boxes", coco / "boxes.json", naming="boxes.json")


def mat(change):
    def write(path):
        content = {k: v for k, v in loadmat(path).items() if not k.startswith("__")}
        changed = change(content)
        path.unlink()
        savemat(path, content if changed is None else changed)

    return write


def raw(data):
    def write(path):
        path.unlink()
        path.write_bytes(data(path) if callable(data) else data)

    return write


def cut_mat(path_share):
    def write(path):
        whole = path.read_bytes()
        path.unlink()
        path.write_bytes(whole[: int(len(whole) * path_share)])

    return write


def bits(path):
    whole = bytearray(path.read_bytes())
    whole[128:400] = b"\xff" * 272
    path.unlink()
    path.write_bytes(whole)


NO_MAT = {
    "empty": raw(b""),
    "text": raw(b"MATLAB 5.0 MAT-file" + b" " * 200),
    "hdf5": raw(b"\x89HDF\r\n\x1a\n" + bytes(500)),
    "pickle": raw(b"cos\nsystem\n(S'touch executed'\ntR."),
    "zeros": raw(bytes(4096)),
    "bits": bits,
    **{f"cut {n}": cut_mat(n / 10) for n in range(1, 10)},
    "without heads": mat(lambda c: {k: v for k, v in c.items() if k != "headboxes_src"}),
    "without joints": mat(lambda c: {"jnt_missing": c["jnt_missing"]}),
    "one person": mat(lambda c: {k: v[..., :1] for k, v in c.items()}),
    "no people": mat(lambda c: {k: v[..., :0] for k, v in c.items()}),
    "text inside": mat(lambda c: c | {"pos_gt_src": "hello"}),
    "structure": mat(lambda c: c | {"pos_gt_src": {"a": 1}}),
    "nan": mat(lambda c: c | {"headboxes_src": np.full_like(c["headboxes_src"], math.nan, dtype=float)}),
    "complex": mat(lambda c: c | {"headboxes_src": c["headboxes_src"] * 1j}),
    "flat head": mat(lambda c: c | {"headboxes_src": np.zeros_like(c["headboxes_src"])}),
    "turned": mat(lambda c: c | {"jnt_missing": c["jnt_missing"].T}),
}


@pytest.mark.parametrize("write", cases(NO_MAT))
def test_a_gt_valid_mat(write, mpii, refused):
    write(mpii / "annot/gt_valid.mat")
    refused("eval", "--data", mpii, "--quiet", naming=mpii / "annot/gt_valid.mat")
    assert not list(mpii.rglob("executed"))
