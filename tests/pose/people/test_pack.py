"""A pack gives the samples that the pictures give, whole or not at all, and says no where it cannot."""

import json
import os
import signal
import subprocess
import sys
import threading

import cv2
import numpy as np
import pytest
import torch

from posebench.pose.crops.augment import SYNTH_AUGMENTATION, Augmentation
from posebench.pose.crops.dataset import IMAGENET_MEAN, IMAGENET_STD, PoseDataset
from posebench.pose.datasets.coco import SKELETON
from posebench.pose.errors import InputError
from posebench.pose.people import packing
from posebench.pose.people.folder import detect_dataset, load_people
from posebench.pose.people.packed import pack_faults
from posebench.pose.people.packing import write_pack
from posebench.pose.synth import write_synthetic
from posebench.sweeps.data import find_data
from posebench.sweeps.request import SweepRequest

WIDTH, HEIGHT = 400, 300
SIZE = (96, 72)


def write_folder(folder, picture, count=12):
    """People of all sizes, anywhere, also over the border, two in a picture."""
    random = np.random.default_rng(4)
    for split in ("train", "val"):
        images, annotations = [], []
        (folder / "images" / f"{split}2017").mkdir(parents=True)
        for number in range(count // 2):
            cv2.imwrite(str(folder / "images" / f"{split}2017" / f"{number}.png"), picture(random))
            images.append({"id": number, "file_name": f"{number}.png", "width": WIDTH, "height": HEIGHT})
        for number in range(count):
            height = random.uniform(40, 260)
            width = height * random.uniform(0.3, 0.9)
            x, y = random.uniform(-20, WIDTH - width + 20), random.uniform(-20, HEIGHT - height + 20)
            points = random.uniform((x, y), (x + width, y + height), (17, 2))
            triples = np.column_stack([points, random.random(17) < 0.8])
            triples[:3, 2] = 1
            annotations.append({
                "id": number, "image_id": number % (count // 2), "category_id": 1, "bbox": [x, y, width, height],
                "area": width * height / 2, "iscrowd": 0, "num_keypoints": 17, "keypoints": triples.ravel().tolist(),
            })  # fmt: skip
        (folder / "annotations").mkdir(exist_ok=True)
        content = {"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "person"}]}
        (folder / "annotations" / f"person_keypoints_{split}2017.json").write_text(json.dumps(content))
    return folder


def noise(random):
    return cv2.resize(random.integers(60, 255, (HEIGHT // 8, WIDTH // 8, 3), dtype=np.uint8), (WIDTH, HEIGHT))


def ramp(random):
    """Grey that grows by half a level from column to column, and from row to row in another channel."""
    columns, rows = np.meshgrid(np.arange(WIDTH), np.arange(HEIGHT))
    return np.stack([50 + columns / 2, 50 + rows / 2, np.full_like(rows, 128)], axis=2).round().astype(np.uint8)


@pytest.fixture(scope="module")
def plain(tmp_path_factory):
    return write_folder(tmp_path_factory.mktemp("plain") / "people", noise)


@pytest.fixture(scope="module")
def packed(plain, tmp_path_factory):
    result = write_pack(plain, tmp_path_factory.mktemp("packed") / "pack", input_size=SIZE, detail=100)
    return detect_dataset(plain)[1], result.folder


def samples(folder, *, size=SIZE, convention="dark", augment=None, epochs=1):
    people = load_people(folder, "train", input_size=size, convention=convention).people
    heatmaps = (size[0] // 4, size[1] // 4)
    data = PoseDataset(people, SKELETON, size, heatmaps, 1.5, augment=augment, convention=convention)
    for epoch in range(epochs):
        data.set_epoch(epoch)
        for item in data:
            grey = item["image"].numpy() * IMAGENET_STD[:, None, None] + IMAGENET_MEAN[:, None, None]
            yield (grey * 255).round(), item["target"].numpy()


@pytest.mark.parametrize("convention", ["dark", "hrnet", "udp"])
def test_a_pack_gives_the_pictures_samples_whatever_chance_decides(convention, packed):
    strongest = Augmentation(half_body=0.7)
    for augment, epochs in ((strongest, 8), (SYNTH_AUGMENTATION, 2), (None, 1)):
        how = {"convention": convention, "augment": augment, "epochs": epochs}
        for (one, target), (other, same) in zip(*(samples(folder, **how) for folder in packed), strict=True):
            np.testing.assert_array_equal(target, same)
            np.testing.assert_array_equal(one, other)


def test_what_is_stored_smaller_lies_where_it_lay(tmp_path):
    """But for the pictures' borders, at which a stored pixel fades into black and not one of the picture."""
    folder = write_folder(tmp_path / "plain", ramp)
    result = write_pack(folder, tmp_path / "pack", input_size=SIZE, detail=1)
    assert 3 <= result.shrunk < result.people
    moved = []
    for (one, _), (other, _) in zip(
        *(samples(where, augment=Augmentation(half_body=0.7), epochs=5) for where in (folder, tmp_path / "pack")),
        strict=True,
    ):
        shown = (one.min(axis=0) > 20).astype(np.uint8)
        inside = cv2.erode(shown, np.ones((7, 7)), borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
        difference = (one - other)[:, inside]
        assert np.abs(difference).max(initial=0) <= 2
        moved.append(difference.mean(axis=1) if inside.sum() > 500 else np.zeros(3))
    assert len(moved) == 60 and np.abs(moved).max() < 0.2  # a shift by a pixel would be half a level


@pytest.mark.slow
def test_a_model_trained_from_a_pack_is_the_one_trained_from_the_pictures(posebench, tmp_path):
    folder = tmp_path / "people"
    write_synthetic(folder, train=64, val=8, seed=5, jobs=1)
    assert posebench("data", "pack", folder, "--quiet")[0] == 0
    for data in ("people", "people_packed"):
        quick = ("--epochs", "2", "--batch-size", "16", "--threads", "1", "--evaluate-every", "2", "--quiet")
        assert posebench("train", "--data", data, "--out", f"run_{data}", *quick)[0] == 0
    plain, packed = (torch.load(f"run_{data}/last.pt", weights_only=True) for data in ("people", "people_packed"))
    assert all(torch.equal(value, packed["model"][name]) for name, value in plain["model"].items())
    assert plain["history"][-1]["val_ap"] == packed["history"][-1]["val_ap"]
    assert plain["data"] | {"pack": packed["data"]["pack"]} == packed["data"]


def test_the_people_to_evaluate_stay_those_of_the_pictures(packed):
    plain, pack = packed
    assert load_people(pack, "val").root == plain and load_people(pack, "val").people.pack is None
    assert load_people(pack, "train").people[3].packed is not None


KILLED = """
import os, sys
from posebench.pose.people import packing
packing.SHARD = 4
packing.write_pack(
    sys.argv[1], sys.argv[2], input_size=(96, 72), progress=lambda done, total: done < 8 or os.kill(os.getpid(), 9)
)
"""


@pytest.mark.parametrize("damage", ["none", "a shard", "the annotations"])
def test_a_killed_run_leaves_nothing_and_the_next_goes_on_from_what_is_whole(damage, tmp_path, monkeypatch):
    folder = write_folder(tmp_path / "plain", noise)
    done = subprocess.run([sys.executable, "-c", KILLED, folder, tmp_path / "pack"], timeout=120)
    assert done.returncode == -signal.SIGKILL and not (tmp_path / "pack").exists()
    part = tmp_path / ".pack.part"
    if damage == "a shard":
        shard = part / "train-00000.bin"
        shard.write_bytes(shard.read_bytes()[:-1] + b"!")
    elif damage == "the annotations":
        file = folder / "annotations" / "person_keypoints_train2017.json"
        file.write_text(file.read_text() + " ")
    monkeypatch.setattr(packing, "SHARD", 4)
    result = write_pack(folder, tmp_path / "pack", input_size=SIZE)
    assert result.taken_over == {"none": 8, "a shard": 4, "the annotations": 0}[damage]
    assert not part.exists()
    again = write_pack(folder, tmp_path / "again", input_size=SIZE)
    assert again.taken_over == 0
    names = sorted(path.name for path in (tmp_path / "again").iterdir())
    assert [(tmp_path / "pack" / name).read_bytes() for name in names] == [
        (tmp_path / "again" / name).read_bytes() for name in names
    ]
    with pytest.raises(InputError, match="nothing is overwritten"):
        write_pack(folder, tmp_path / "pack", input_size=SIZE)


def test_pictures_are_decoded_at_the_same_time(plain, tmp_path, monkeypatch):
    alone, together = cv2.imdecode, threading.Barrier(2)

    def decode(*given):
        if threading.current_thread() is not threading.main_thread():
            together.wait(20)  # which breaks where one waits for the other
        return alone(*given)

    monkeypatch.setattr(cv2, "imdecode", decode)
    assert write_pack(plain, tmp_path / "pack", input_size=SIZE, jobs=2).people == 12


def test_a_damaged_picture_ends_the_packing_by_name(tmp_path):
    folder = write_folder(tmp_path / "plain", noise)
    path = folder / "images" / "train2017" / "3.png"
    data = cv2.imencode(".jpg", cv2.imread(str(path)))[1].tobytes()
    path.write_bytes(data[: len(data) // 2] + b"\xff\xd9")
    with pytest.raises(InputError, match=f"{path}: the JPEG is damaged"):
        write_pack(folder, tmp_path / "pack", input_size=SIZE)
    assert not (tmp_path / "pack").exists()


def test_changed_annotations_are_refused(tmp_path):
    folder = write_folder(tmp_path / "plain", noise)
    write_pack(folder, tmp_path / "pack", input_size=SIZE)
    before = find_data(SweepRequest(out=tmp_path / "o", data=tmp_path / "pack", models=("tmpose_tiny",)))
    plain = find_data(SweepRequest(out=tmp_path / "o", data=folder, models=("tmpose_tiny",)))
    assert before.train_hash.startswith(plain.train_hash) and before.train_hash != plain.train_hash
    assert before.eval_hash == plain.eval_hash
    file = folder / "annotations" / "person_keypoints_train2017.json"
    file.write_text(file.read_text().replace('"iscrowd": 0', '"iscrowd":0'))
    with pytest.raises(InputError, match="has changed since it was packed"):
        load_people(tmp_path / "pack", "train")


@pytest.mark.parametrize(
    ("size", "augment", "said"),
    [
        ((96, 96), None, "ratio is not that of 96x96"),
        (SIZE, Augmentation(scale=0.5), "margins are for a scale of 0.35, the recipe varies by 0.5"),
        (SIZE, Augmentation(rotation=60), "margins are for a rotation of 45"),
        (SIZE, Augmentation(half_body_min=4), "without the half bodies"),
    ],
)
def test_crops_that_show_more_than_is_stored_are_refused(size, augment, said, packed):
    people = load_people(packed[1], "train", input_size=size).people
    with pytest.raises(InputError, match=said):
        PoseDataset(people, SKELETON, size, (24, 18), 1.5, augment=augment)


def test_a_cut_or_changed_pack_is_told(posebench, tmp_path):
    folder = write_folder(tmp_path / "plain", noise, count=4)
    code, out, _ = posebench("data", "pack", folder, "--codec", "jpeg", "--input-size", "96x72", "--quiet")
    pack = tmp_path / "plain_packed"
    assert code == 0 and f"{pack}: 4 people" in out
    assert posebench("data", "check", pack, "--quiet")[0] == 0 and pack_faults(pack) == []
    assert len(list(samples(pack))) == 4
    shard = pack / "train-00000.bin"
    shard.write_bytes(shard.read_bytes()[:-400])
    code, out, _ = posebench("data", "check", pack, "--quiet")
    assert code == 1 and f"{shard}: not what was written" in out
    with pytest.raises(InputError, match=f"{shard}: cut off at byte"):
        list(samples(pack))
    shard.unlink()
    with pytest.raises(InputError, match=f"{shard}: cannot be read"):
        list(samples(pack))
    (pack / "pack.json").write_text("{")
    code, _, said = posebench("data", "check", pack)
    assert code == 2 and "pack.json: damaged" in said


MANIFESTS = {
    "nesting without end": lambda m: "[" * 100_000,
    "a size without end": lambda m: m | {"input_size": [float("inf"), 1]},
    "a size of nothing": lambda m: m | {"input_size": [0, 0]},
    "a number as folder": lambda m: m | {"source": 5},
    "a number as data set": lambda m: m | {"dataset": 5},
    "an unknown codec": lambda m: m | {"codec": "webp"},
    "a margin in words": lambda m: m | {"augment": m["augment"] | {"scale": "wide"}},
    "a hash that is a number": lambda m: m | {"splits": {"train": m["splits"]["train"] | {"shards": [5]}}},
    "people below 0": lambda m: m | {"splits": {"train": m["splits"]["train"] | {"people": -1}}},
}


def test_a_pack_whose_folder_is_gone_says_which_in_one_line(packed, tmp_path):
    content = json.loads((packed[1] / "pack.json").read_text())
    for source, said in (("/data/gone", "'/data/gone'"), ("gone\n\x1b[2J", r"'gone\n\x1b[2J'")):
        (tmp_path / "pack.json").write_text(json.dumps(content | {"source": source}))
        with pytest.raises(InputError) as caught:
            load_people(tmp_path, "train")
        assert f"packed from {said}, which is not there" in str(caught.value) and str(caught.value).isprintable()


@pytest.mark.parametrize("spoil", MANIFESTS.values(), ids=MANIFESTS)
def test_a_manifest_that_holds_something_else_is_refused(spoil, packed, tmp_path):
    content = spoil(json.loads((packed[1] / "pack.json").read_text()))
    (tmp_path / "pack.json").write_text(content if type(content) is str else json.dumps(content))
    with pytest.raises(InputError, match=f"^{tmp_path}/pack.json: damaged"):
        load_people(tmp_path, "train")


def test_a_pack_does_not_say_what_code_is_imported(packed, tmp_path, monkeypatch):
    content = json.loads((packed[1] / "pack.json").read_text())
    (tmp_path / "people_of_mine.py").write_text("from posebench.pose.datasets.coco import COCO as MINE\n")
    monkeypatch.syspath_prepend(tmp_path)
    for file in packed[1].iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    (tmp_path / "pack.json").write_text(json.dumps(content | {"dataset": "people_of_mine:MINE"}))
    with pytest.raises(InputError, match="which is code and not in the folder: name it, too"):
        load_people(tmp_path, "train", input_size=SIZE)
    assert "people_of_mine" not in sys.modules
    named = load_people(tmp_path, "train", input_size=SIZE, dataset="people_of_mine:MINE")
    assert len(named.people) == 12 and named.people.pack is not None


@pytest.mark.parametrize(("codec", "lengths"), [("raw", (0, 7)), ("jpeg", (0,))])
def test_an_index_that_points_out_of_its_image_is_refused(codec, lengths, plain, tmp_path):
    write_pack(plain, tmp_path / "pack", input_size=SIZE, codec=codec)
    path = tmp_path / "pack" / "train.index.npy"
    sound = np.load(path)
    wrong = [("left", -1), ("top", 2**31 - 1), ("image_width", 2**30), ("stored_height", 0), ("width", 9)]
    for field, value in [*wrong, ("shard", -1), *(("bytes", length) for length in lengths)]:
        index = sound.copy()
        index[field][0] = value
        np.save(path, index)
        with pytest.raises(InputError, match=f"{path}: damaged"):
            load_people(tmp_path / "pack", "train")


def test_files_that_are_cut_while_they_are_read_are_told(plain, tmp_path):
    write_pack(plain, tmp_path / "pack", input_size=SIZE)
    people = load_people(tmp_path / "pack", "train", input_size=SIZE).people
    whole = people[11].packed.read().copy()
    (tmp_path / "pack" / "train.index.npy").write_bytes(b"")
    assert np.array_equal(people[11].packed.read(), whole)
    os.truncate(tmp_path / "pack" / "train-00000.bin", 100)
    with pytest.raises(InputError, match="cut off at byte"):
        people[11].packed.read()


def test_an_index_that_states_more_people_than_memory_holds_is_refused(plain, tmp_path):
    write_pack(plain, tmp_path / "pack", input_size=SIZE)
    path = tmp_path / "pack" / "train.index.npy"
    content = path.read_bytes()
    assert b"(12,)" in content
    path.write_bytes(content.replace(b"(12,), }" + 14 * b" ", b"(10000000000000,), }  "))
    assert path.stat().st_size == len(content) and path.read_bytes() != content
    with pytest.raises(InputError, match=f"{path}: cannot be read"):
        load_people(tmp_path / "pack", "train", input_size=SIZE)


def test_a_part_of_another_size_than_its_index_says_is_refused(plain, tmp_path):
    write_pack(plain, tmp_path / "pack", input_size=SIZE, codec="jpeg", detail=100)
    path = tmp_path / "pack" / "train.index.npy"
    index = np.load(path)
    index[["offset", "bytes"]][0] = index[["offset", "bytes"]][1]
    np.save(path, index)
    with pytest.raises(InputError, match="damaged at byte"):
        list(samples(tmp_path / "pack"))
