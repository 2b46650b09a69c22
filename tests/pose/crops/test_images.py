"""Image files as they are found on disks: whole, cut, mislabelled, absent."""

import os
import threading

import cv2
import numpy as np
import pytest
from photographs import TURNED, with_segment

from posebench.pose.crops.images import listening, read_image, structure_fault
from posebench.pose.errors import InputError


def encoded(suffix: str, *options: int) -> bytes:
    noise = np.random.default_rng(0).integers(0, 255, (60, 80, 3), dtype=np.uint8)
    return cv2.imencode(suffix, noise, list(options))[1].tobytes()


JPEG, PNG = encoded(".jpg"), encoded(".png")
PROGRESSIVE = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1, cv2.IMWRITE_JPEG_RST_INTERVAL, 2)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG], ids=["jpeg", "progressive", "png"])
def test_a_file_cut_anywhere_is_refused_by_name(data, tmp_path):
    path = tmp_path / "cut.jpg"
    for length in [1, 3, 10, 200, *range(400, len(data), len(data) // 23), len(data) - 2, len(data) - 1]:
        path.write_bytes(data[:length])
        with pytest.raises(InputError) as caught:
            read_image(path)
        assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("data", [JPEG, PROGRESSIVE, PNG], ids=["jpeg", "progressive", "png"])
def test_bytes_after_the_end_do_no_harm(data, tmp_path):
    path = tmp_path / "longer.jpg"
    path.write_bytes(data + b"\0" * 100 + b"appended")
    expected = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_COLOR)
    np.testing.assert_array_equal(read_image(path), expected)


def test_the_end_of_an_embedded_thumbnail_is_not_the_end_of_the_image(tmp_path):
    path = tmp_path / "thumbnail.jpg"
    whole = with_segment(JPEG, 0xE1, b"Exif\0\0" + JPEG)
    path.write_bytes(whole)
    assert read_image(path).shape == (60, 80, 3)
    path.write_bytes(whole[: len(JPEG) + 500])
    with pytest.raises(InputError, match="truncated"):
        read_image(path)


def test_a_jpeg_of_headers_alone_is_truncated():
    assert "truncated" in structure_fault(JPEG[: JPEG.index(b"\xff\xda")] + b"\xff\xd9\0")


def test_a_file_whose_last_part_is_zeros_is_truncated():
    # what an interrupted download or a full disk leaves: the right length, no content
    half = len(JPEG) // 2
    assert "truncated" in structure_fault(JPEG[:half] + b"\0" * half)


def test_photographs_are_whole_and_cut_ones_are_not(photographs):
    files = sorted(photographs.glob("*/images/**/*.jpg"))
    assert len(files) > 9
    for path in files:
        data = path.read_bytes()
        assert structure_fault(data) is None, path
        assert read_image(path).ndim == 3
        for share in (0.1, 0.5, 0.9, 0.999):
            assert structure_fault(data[: int(len(data) * share)]), path


def test_the_stored_pixels_are_read_whatever_the_camera_orientation(tmp_path):
    path = tmp_path / "turned.jpg"
    path.write_bytes(with_segment(JPEG, 0xE1, TURNED))
    assert cv2.imread(str(path)).shape == (80, 60, 3)  # OpenCV does understand the tag
    assert read_image(path).shape == (60, 80, 3)


def test_grey_images_get_three_channels(tmp_path):
    path = tmp_path / "grey.jpg"
    cv2.imwrite(str(path), np.full((10, 12), 90, np.uint8))
    assert read_image(path).shape == (10, 12, 3)


@pytest.mark.parametrize(
    ("content", "message"),
    [(None, "missing"), (b"", "empty"), (b"<html>404</html>", "not an image"), ("folder", "cannot be read")],
)
def test_what_is_no_image_is_named(content, message, tmp_path):
    path = tmp_path / "x.jpg"
    if content == "folder":
        path.mkdir()
    elif content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=message) as caught:
        read_image(path)
    assert str(path) in str(caught.value)


def test_a_process_forked_while_another_thread_decodes_can_decode_and_be_heard(tmp_path, capfd):
    path = tmp_path / "person.png"
    cv2.imwrite(str(path), np.zeros((8, 8, 3), np.uint8))
    inside, enough = threading.Event(), threading.Event()

    def decodes():
        with listening():
            inside.set()
            enough.wait(0.2)

    other = threading.Thread(target=decodes)
    other.start()
    inside.wait()
    child = os.fork()
    if not child:
        threading.Timer(10, os._exit, [1]).start()
        read_image(path)
        os.write(2, b"heard")
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    other.join()
    assert "heard" in capfd.readouterr().err
