"""Reading images so that a missing, truncated or endless file is an error that names it.

OpenCV (depending on its version) decodes the part of a JPEG that is there and leaves the rest grey without a word of
its own, so the file's end mark is looked for first, and what libjpeg says on standard error is listened to. The size
that the header states is known before anything is decoded.
"""

from __future__ import annotations

import contextlib
import errno
import io
import os
import re
import tempfile
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from ..errors import InputError
from ..files import FOLLOW_LINKS, is_inside, read_regular

cv2.setNumThreads(0)  # crops are small, and the loader's workers are the parallelism

LARGEST_FILE = 2**30  # bytes
MOST_PIXELS = 2**27  # of one image: 134 million, 400 MB once they are decoded

# annotations refer to the stored pixels, so a camera's orientation tag must not turn the image
_DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
# inside compressed data FF is followed by 00, by a restart mark (D0 to D7) or by a filling FF; anything else ends it
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")
_JPEG_SIZE = {*range(0xC0, 0xD0)} - {0xC4, 0xC8, 0xCC}  # the marks of the segments that state the size
_DAMAGE = re.compile("premature end|bad Huffman code", re.IGNORECASE)  # as libjpeg calls it
_OF_DECODERS = re.compile(rb".*(libpng|jpeg|jfif|tiff|webp|SOS param|scanlines).*\n?", re.IGNORECASE)


def read_image(path: str | os.PathLike[str], *, follow: bool = False, heard: bool = False) -> np.ndarray:
    """The image as (H, W, 3) uint8, BGR. Raises InputError naming a file that is missing, truncated, no image, larger
    than the limits, or a link out of its folder (unless with `follow`). heard: the caller is `listening`, as who reads
    several at the same time must, or each would wait for the others."""
    data = read_image_bytes(path, follow=follow)
    if not data.endswith((_JPEG_END, _PNG_END)):
        fault = structure_fault(data)
        if fault:
            raise InputError(f"{path}: {fault}")
    return decode_unheard(data, path) if heard else decode_image(data, path)


def read_image_bytes(path: str | os.PathLike[str], *, follow: bool = False) -> bytes:
    """The file's bytes. Raises InputError naming the file when it cannot be read, as `read_image`."""
    try:
        try:
            return read_regular(path, LARGEST_FILE, follow=follow)
        except OSError as error:
            if error.errno != errno.ELOOP or follow:
                raise
            _check_link(Path(path))
            return read_regular(path, LARGEST_FILE)
    except FileNotFoundError:
        raise InputError(f"{path}: the image is missing") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise InputError(f"{path}: the image cannot be read ({getattr(error, 'strerror', None) or error})") from None


def _check_link(path: Path) -> None:
    """InputError unless an image that is a link leads to a file below its own folder, or links may lead anywhere."""
    if not is_inside(path.parent, path):
        raise InputError(f"{path}: the image is a link out of its folder; set {FOLLOW_LINKS}=1 to follow such links")


def decode_image(data: bytes, path: str | os.PathLike[str]) -> np.ndarray:
    """Decode the bytes of an image file; `path` is for the InputError raised when they are none, or damaged."""
    with listening() as heard:
        image = decode_unheard(data, path)
    if heard.damage:
        raise InputError(f"{path}: the JPEG is damaged ({heard.damage})")
    return image


def decode_unheard(data: bytes, path: str | os.PathLike[str]) -> np.ndarray:
    """`decode_image` for who is `listening` already."""
    size = stated_size(data)
    if size is not None and size[0] * size[1] > MOST_PIXELS:
        raise InputError(f"{path}: states {size[0]} x {size[1]} px; an image may have {MOST_PIXELS:,} pixels")
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), _DECODE) if size else None
    except cv2.error:
        image = None
    if image is None:
        fault = (
            "the image file is empty" if not data else "not an image that can be decoded (broken, or another format)"
        )
        raise InputError(f"{path}: {fault}")
    return image


@dataclass
class Heard:
    """What decoders wrote on standard error; `damage` is what libjpeg said of data that is lost."""

    text: str = ""

    @property
    def damage(self) -> str:
        return next((line for line in self.text.splitlines() if _DAMAGE.search(line)), "")


#: OpenCV 4 has it at its top, OpenCV 5 in a module
_set_log_level = cv2.setLogLevel if hasattr(cv2, "setLogLevel") else cv2.utils.logging.setLogLevel
_SILENT = 0
_LISTENER = threading.RLock()
# a process that is forked while one listens would keep the lock, and its standard error would go nowhere
if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_LISTENER.acquire, after_in_parent=_LISTENER.release, after_in_child=_LISTENER.release)


@contextlib.contextmanager
def listening() -> Iterator[Heard]:
    """Keep what the decoders' C libraries say off standard error meanwhile; it is in the result afterwards. What
    others write is passed on then."""
    heard = Heard()
    with _LISTENER, tempfile.TemporaryFile(buffering=0) if not hasattr(os, "memfd_create") else _memory_file() as sink:
        try:
            stderr = os.dup(2)
        except OSError:  # closed: nobody would hear anything
            yield heard
            return
        level = _set_log_level(_SILENT)
        os.dup2(sink.fileno(), 2)
        try:
            yield heard
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)
            _set_log_level(level)
            if sink.tell():
                sink.seek(0)
                said = sink.read()
                heard.text = said.decode(errors="replace")
                os.write(2, _OF_DECODERS.sub(b"", said))


def _memory_file() -> io.FileIO:
    return open(os.memfd_create("heard"), "rb+", buffering=0)


def stated_size(data: bytes) -> tuple[int, int] | None:
    """(width, height) in px as the header states it; None where it is that of no image."""
    if data.startswith(_PNG_START):
        return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    if data.startswith(_JPEG_START):
        return _jpeg_size(data)
    from PIL import Image

    warnings.filterwarnings("ignore", module=r"PIL\.")  # what is wrong is told by our error alone
    try:
        with Image.open(io.BytesIO(data)) as image:
            return image.size
    except Image.DecompressionBombError:
        return MOST_PIXELS + 1, 1
    except Exception:  # each format has its own
        return None


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    position = 2
    while position + 9 <= len(data):
        if data[position] != 0xFF:
            return None
        marker = data[position + 1]
        if marker in _JPEG_SIZE:
            height, width = data[position + 5 : position + 7], data[position + 7 : position + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == 0xFF:
            position += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD7:
            position += 2
        else:
            position += 2 + int.from_bytes(data[position + 2 : position + 4], "big")
    return None


def structure_fault(data: bytes) -> str | None:
    """What is wrong with the file's frame (a JPEG or PNG that ends early), or None. Does not decompress anything."""
    if data.startswith(_JPEG_START):
        return None if _jpeg_is_whole(data) else "the JPEG is truncated (its end is missing)"
    if data.startswith(_PNG_START):
        return None if _png_is_whole(data) else "the PNG is truncated (its end is missing)"
    return None


def _jpeg_is_whole(data: bytes) -> bool:
    """Follow the segments to the end-of-image mark; bytes after it are harmless, a thumbnail's mark is not mistaken."""
    position, scans = 2, 0
    while True:
        while data[position : position + 2] == b"\xff\xff":
            position += 1
        if len(data) < position + 2 or data[position] != 0xFF:
            return False
        marker = data[position + 1]
        if marker == 0xD9:
            return scans > 0
        position += 2
        if marker == 0x01 or 0xD0 <= marker <= 0xD7:  # marks without a body
            continue
        position += int.from_bytes(data[position : position + 2], "big")
        if marker == 0xDA:  # start of scan: compressed data up to the next mark
            scans += 1
            found = _JPEG_MARKER.search(data, position)
            if found is None:
                return False
            position = found.start()


def _png_is_whole(data: bytes) -> bool:
    """Follow the chunks (length, type, body, checksum) to IEND."""
    position = len(_PNG_START)
    while position + 12 <= len(data):
        kind = data[position + 4 : position + 8]
        if kind == b"IEND":
            return True
        position += 12 + int.from_bytes(data[position : position + 4], "big")
    return False
