"""Images that are cut, huge, endless or none: one line that names the file, and not a word of the C libraries'."""

import os
import struct
import subprocess
import sys
import zlib

import cv2
import numpy as np
import pytest
from hostile import cases

from posebench.pose.crops.images import read_image
from posebench.pose.errors import InputError

PHOTO = cv2.GaussianBlur(np.random.default_rng(0).integers(0, 255, (120, 160, 3), dtype=np.uint8), (5, 5), 2)


def encoded(suffix, *options):
    return cv2.imencode(suffix, PHOTO, options)[1].tobytes()


JPEG, PNG = encoded(".jpg"), encoded(".png")
PROGRESSIVE = encoded(".jpg", cv2.IMWRITE_JPEG_PROGRESSIVE, 1)
FORMATS = {
    "jpg": JPEG,
    "progressive": PROGRESSIVE,
    "png": PNG,
    **{s: encoded(f".{s}") for s in ("bmp", "tiff", "webp", "gif")},
}


def chunk(kind, body):
    return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))


def png_of(width, height, rows=b""):
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return PNG[:8] + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows, 9)) + chunk(b"IEND", b"")


def jpeg_of(width, height):
    place = JPEG.index(b"\xff\xc0") + 5
    return JPEG[:place] + struct.pack(">HH", height, width) + JPEG[place + 4 :]


def bmp_of(width, height):
    return FORMATS["bmp"][:18] + struct.pack("<ii", width, height) + FORMATS["bmp"][26:]


SOS = JPEG.index(b"\xff\xda")
BROKEN = {
    **{f"{name} cut at {n}/8": whole[: len(whole) * n // 8] for name, whole in FORMATS.items() for n in (1, 3, 5, 7)},
    **{
        f"{name} cut at {n}/8, an end mark glued on": whole[: len(whole) * n // 8] + b"\xff\xd9"
        for name, whole in (("jpg", JPEG), ("progressive", PROGRESSIVE))
        for n in (2, 4, 6, 7)
    },
    "jpg of a header alone": JPEG[:SOS] + b"\xff\xd9",
    "png cut, an end mark glued on": PNG[: len(PNG) // 2] + PNG[-12:],
    "png with bits turned": PNG[: len(PNG) // 2] + bytes(8) + PNG[len(PNG) // 2 + 8 :],
    "png without rows": png_of(100, 100),
    "png of no size": png_of(0, 10),
    "png of 30000 x 30000": png_of(30000, 30000, bytes(90_001 * 300)),
    "png of 4 billion squared": png_of(2**32 - 1, 2**32 - 1),
    "png of one endless row": png_of(2**31 - 1, 1),
    "jpg of 65000 x 65000": jpeg_of(65000, 65000),
    "bmp of 30000 x 30000": bmp_of(30000, 30000),
    "bmp of 2 billion squared": bmp_of(2**31 - 1, 2**31 - 1),
    "empty": b"",
    "one byte": b"\xff",
    "text": b"no image",
    "html": b"<html>404 not found</html>",
    "zeros": bytes(10_000),
    "svg": b'<svg xmlns="http://www.w3.org/2000/svg" width="9" height="9"/>',
    "json": b"{}",
    "pickle": b"cos\nsystem\n(S'touch executed'\ntR.",
    "ppm of 99999 squared": b"P6 99999 99999 255\n" + bytes(30),
    "lfs pointer": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 12\n",
    "tiff header": b"II*\0\x08\0\0\0" + b"\xff" * 40,
    "gif header": b"GIF89a\xff\xff\xff\xff\0\0\0",
    "webp header": b"RIFF\xff\xff\xff\x7fWEBPVP8 ",
    "exr": b"\x76\x2f\x31\x01" + bytes(60),
    "jp2": b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(60),
}


def first_image(coco):
    return sorted((coco / "images/val2017").iterdir())[0]


def put(path, content):
    path.unlink()
    path.write_bytes(content)


@pytest.mark.parametrize("content", cases(BROKEN, quick=16))
def test_a_broken_image(content, coco, sound, refused):
    image = first_image(coco)
    put(image, content)
    refused("eval", "--data", coco, "--quiet", "--threads", 1, naming=image)
    refused("predict", image, "--weights", sound / "tiny.pt", naming=image)
    code, out, err = refused.run("data", "check", coco, "--quiet")
    assert (code, err) == (1, "") and f"error: {image}: " in out and "NOT usable" in out


def put_pipe(path):
    os.mkfifo(path)


def put_folder(path):
    path.mkdir()


def link(target):
    return lambda path: path.symlink_to(target)


NO_FILES = {
    "pipe": put_pipe,
    "folder": put_folder,
    "link to zeros": link("/dev/zero"),
    "link to nothing": link("gone.jpg"),
    "link to itself": lambda path: path.symlink_to(path.name),
    "link to a pipe": link("/proc/self/fd/0"),
    "link to a folder": link("/tmp"),
    "gone": lambda path: None,
}


@pytest.mark.parametrize("make", cases(NO_FILES, quick=4))
def test_an_image_that_is_no_file(make, coco, sound, refused):
    image = first_image(coco)
    image.unlink()
    make(image)
    refused("eval", "--data", coco, "--quiet", "--threads", 1, naming=image)
    refused("predict", image, "--weights", sound / "tiny.pt", naming=image)
    code, out, _ = refused.run("data", "check", coco, "--quiet")
    assert code == 1 and f"error: {image}: " in out


def test_links_lead_out_of_the_image_folder_only_where_that_is_asked_for(coco, sound, refused, tmp_path, monkeypatch):
    image, elsewhere = first_image(coco), tmp_path / "secret.jpg"
    image.rename(elsewhere)
    image.symlink_to(elsewhere)
    refused("eval", "--data", coco, "--quiet", "--threads", 1, naming=(image, "POSEBENCH_FOLLOW_LINKS=1"))
    monkeypatch.setenv("POSEBENCH_FOLLOW_LINKS", "1")
    assert refused.run("eval", "--data", coco, "--quiet", "--threads", 1, "--no-flip-test")[0] == 0
    monkeypatch.delenv("POSEBENCH_FOLLOW_LINKS")
    image.unlink()
    elsewhere.rename(image.with_name("other.jpg"))
    image.symlink_to("other.jpg")  # within the folder
    assert refused.run("eval", "--data", coco, "--quiet", "--threads", 1, "--no-flip-test")[0] == 0


def test_a_folder_of_images_may_be_a_link_and_one_in_it_may_not(coco, refused, tmp_path):
    annotations = coco / "annotations/person_keypoints_val2017.json"
    images = coco / "images/val2017"
    images.rename(tmp_path / "store")
    images.symlink_to(tmp_path / "store")
    assert refused.run("eval", "--data", coco, "--quiet", "--threads", 1, "--no-flip-test")[0] == 0
    (tmp_path / "outside").mkdir()
    name = first_image(coco).name
    (tmp_path / "store" / name).rename(tmp_path / "outside" / name)
    (tmp_path / "store" / "inner").symlink_to(tmp_path / "outside")
    text = annotations.read_text()
    annotations.unlink()
    annotations.write_text(text.replace(f'"{name}"', f'"inner/{name}"'))
    refused("eval", "--data", coco, "--quiet", "--threads", 1, naming=(annotations, "image 0", "file_name", "link out"))


def test_what_is_harmless_is_read_and_nothing_is_said(tmp_path, capfd):
    harmless = {"extra bytes": JPEG[:-2] + b"\0\0\0" + JPEG[-2:], "thumbnail's tail": JPEG + b"tail", "profile": PNG}
    for name, content in (harmless | FORMATS).items():
        (tmp_path / "a").write_bytes(content)
        assert read_image(tmp_path / "a").shape == (120, 160, 3), name
    assert capfd.readouterr().err == ""


def test_what_others_write_meanwhile_is_passed_on(capfd):
    from posebench.pose.crops.images import listening

    with listening() as heard:
        os.write(2, b"libpng warning: iCCP\na word of others\n")
    assert "iCCP" in heard.text
    assert capfd.readouterr().err == "a word of others\n"


BOMB = """
import resource, sys
from pathlib import Path
from posebench.pose.crops.images import read_image
from posebench.pose.errors import InputError
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
for name in sys.argv[1:]:
    try:
        read_image(name)
        raise SystemExit(f"{name} was read")
    except InputError as error:
        assert "134,217,728 pixels" in str(error) or "larger than" in str(error), error
"""


def test_bombs_are_refused_by_their_header_in_little_memory(tmp_path):
    bombs = {
        name: content for name, content in BROKEN.items() if "30000" in name or "squared" in name or "65000" in name
    }
    files = []
    for number, content in enumerate(bombs.values()):
        files.append(tmp_path / str(number))
        files[-1].write_bytes(content)
    with open(tmp_path / "sparse", "wb") as file:
        file.truncate(2**31)
    result = subprocess.run(
        [sys.executable, "-c", BOMB, *files, tmp_path / "sparse"], capture_output=True, text=True, timeout=120
    )
    assert (result.returncode, result.stderr) == (0, "")


def test_an_image_of_the_limit_is_within_it():
    from posebench.pose.crops import images

    assert images.stated_size(png_of(2**14, 2**13)) == (2**14, 2**13)
    assert images.MOST_PIXELS == 2**14 * 2**13
    with pytest.raises(InputError, match="may have 134,217,728 pixels"):
        images.decode_image(png_of(2**14 + 1, 2**13), "a.png")
