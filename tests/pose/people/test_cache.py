"""People out of the cache are those of the annotations, and a broken entry is made again."""

import json
import multiprocessing
import os
import pickle
from multiprocessing.reduction import ForkingPickler

import numpy as np
import psutil
import pytest

from posebench.pose.crops.people import People
from posebench.pose.errors import InputError
from posebench.pose.people import cache
from posebench.pose.people.fields import folder_inside
from posebench.pose.people.folder import load_people


@pytest.fixture
def kept(monkeypatch, tmp_path):
    """The cache's folder, in which also the smallest files are kept."""
    monkeypatch.setenv("POSEBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(cache, "SMALLEST", 0)
    return tmp_path / "cache" / "annotations"


def entry_of_people(kept):
    (entry,) = (entry for entry in kept.glob("*.npz") if "picture" in np.load(entry).files)
    return entry


def same(one, other):
    assert len(one) == len(other)
    for a, b in zip(one, other, strict=True):
        assert a.image_path == b.image_path and a.image_id == b.image_id and a.person_id == b.person_id
        assert a.area == b.area and a.box_score == b.box_score
        for field in ("center", "scale", "keypoints", "visible"):
            np.testing.assert_array_equal(getattr(a, field), getattr(b, field), strict=True)


@pytest.mark.parametrize(("layout", "boxes"), [("coco", "gt"), ("coco", "found.json"), ("mpii", "gt")])
def test_the_second_reading_is_of_the_cache_and_gives_the_same(layout, boxes, request, kept, monkeypatch):
    folder = request.getfixturevalue(f"{layout}_folder")
    first = load_people(folder, "val", boxes=boxes).people
    same(load_people(folder, "val", boxes=boxes).people, first)
    entry = entry_of_people(kept)
    arrays = dict(np.load(entry))
    np.savez(entry, **arrays | {"box_score": arrays["box_score"] + 1})
    assert load_people(folder, "val", boxes=boxes).people[0].box_score == first[0].box_score + 1
    monkeypatch.setattr(cache, "SMALLEST", 2**40)
    same(load_people(folder, "val", boxes=boxes).people, first)


def test_other_annotations_or_crops_are_read_anew(coco_folder, kept):
    before = load_people(coco_folder, "val").people[0]
    file = coco_folder / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(file.read_text())
    for annotation in content["annotations"]:
        annotation["bbox"][3] -= 10
    file.write_text(json.dumps(content))
    after = load_people(coco_folder, "val").people[0]
    assert after.scale[0] != before.scale[0]
    assert load_people(coco_folder, "val", input_size=(256, 256)).people[0].scale[0] != after.scale[0]
    assert load_people(coco_folder, "val", convention="udp").people[0].scale.tolist() != after.scale.tolist()


@pytest.mark.parametrize("was", ["a folder", "a link that might be followed"])
def test_a_link_out_of_the_images_is_refused_although_people_are_kept(was, coco_folder, kept, monkeypatch, tmp_path):
    file = coco_folder / "annotations" / "person_keypoints_val2017.json"
    content = json.loads(file.read_text())
    content["images"][0]["file_name"] = "night/1.jpg"
    file.write_text(json.dumps(content))
    night = coco_folder / "images" / "val2017" / "night"
    (tmp_path / "elsewhere").mkdir()
    if was == "a folder":
        night.mkdir(parents=True)
        assert load_people(coco_folder, "val").people
        night.rmdir()
        night.symlink_to(tmp_path / "elsewhere")
    else:
        night.symlink_to(tmp_path / "elsewhere")
        monkeypatch.setenv("POSEBENCH_FOLLOW_LINKS", "1")
        assert load_people(coco_folder, "val").people
        monkeypatch.delenv("POSEBENCH_FOLLOW_LINKS")
    folder_inside.cache_clear()  # as in another process
    with pytest.raises(InputError, match=r"image 0.*a link out of it.*POSEBENCH_FOLLOW_LINKS=1"):
        load_people(coco_folder, "val")


class Trap:
    def __reduce__(self):
        return os.mkdir, ("trap",)


@pytest.mark.parametrize("damage", ["cut", "flipped bit", "pickle", "other shapes", "empty"])
def test_a_broken_entry_is_dropped_and_made_again(damage, coco_folder, kept, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    first = load_people(coco_folder, "val").people
    entry = entry_of_people(kept)
    whole, arrays = entry.read_bytes(), dict(np.load(entry))
    if damage == "pickle":
        np.savez(entry, **arrays | {"picture": np.array([Trap()], dtype=object)})
    elif damage == "other shapes":
        np.savez(entry, **arrays | {"center": arrays["center"][:-1]})
    else:
        middle = whole.index(arrays["center"].tobytes())
        flipped = whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :]
        entry.write_bytes({"cut": whole[: len(whole) // 2], "flipped bit": flipped, "empty": b""}[damage])
    same(load_people(coco_folder, "val").people, first)
    same(People(dict(np.load(entry, allow_pickle=False)), first.images_at), first)  # whole again
    assert not (tmp_path / "trap").exists()


def test_a_cache_that_cannot_be_written_to_is_none(coco_folder, kept):
    kept.parent.write_text("a file where the folder should be")
    assert load_people(coco_folder, "val").people


def many(people, count):
    arrays = {n: np.resize(a, (count, *a.shape[1:])) if n not in ("names", "name_ends") else a
              for n, a in people.arrays.items()}  # fmt: skip
    return People(arrays, people.images_at)


def _own_memory(people, answer):
    def own():
        return psutil.Process().memory_full_info().uss

    before = own()
    touched = sum(float(person.center[0]) for person in people)
    answer.put((own() - before, touched))


def test_a_loader_process_that_looks_at_everybody_copies_nobody(coco_folder):
    people = many(load_people(coco_folder, "val").people, 20_000)
    size = sum(array.nbytes for array in people.arrays.values())
    context = multiprocessing.get_context("fork")
    answer = context.Queue()
    process = context.Process(target=_own_memory, args=(people, answer))
    process.start()
    copied, touched = answer.get(timeout=60)
    process.join()
    assert touched == pytest.approx(people.arrays["center"][:, 0].sum())
    assert size > 8 * 2**20 and copied < size / 2, (copied, size)


def test_a_process_that_is_started_afresh_is_given_a_handle_and_not_the_people(coco_folder):
    people = many(load_people(coco_folder, "val").people, 20_000)
    handle = bytes(ForkingPickler.dumps(people))
    assert len(handle) < 100_000
    same(pickle.loads(handle)[:50], people[:50])
    with pytest.raises(ValueError, match="read-only"):
        people[0].center[0] = 0
