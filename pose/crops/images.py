"""Reading images so that a missing or truncated file is an error that names it.

OpenCV (depending on its version) decodes the part of a JPEG that is there and leaves the rest grey without a word, so
the file's own end mark is looked for first.
"""

from __future__ import annotations

import os
import re

import cv2
import numpy as np

from ..errors import InputError

cv2.setNumThreads(0)  # crops are small, and the loader's workers are the parallelism

# annotations refer to the stored pixels, so a camera's orientation tag must not turn the image
_DECODE = cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION
_JPEG_START, _JPEG_END = b"\xff\xd8\xff", b"\xff\xd9"
_PNG_START, _PNG_END = b"\x89PNG\r\n\x1a\n", b"\x00\x00\x00\x00IEND\xaeB`\x82"
# inside compressed data FF is followed by 00, by a restart mark (D0 to D7) or by a filling FF; anything else ends it
_JPEG_MARKER = re.compile(rb"\xff[^\x00\xd0-\xd7\xff]")


def read_image(path: str | os.PathLike[str]) -> np.ndarray:
    """The image as (H, W, 3) uint8, BGR. Raises InputError naming a file that is missing, truncated or no image."""
    data = read_image_bytes(path)
    if not data.endswith((_JPEG_END, _PNG_END)):
        fault = structure_fault(data)
        if fault:
            raise InputError(f"{path}: {fault}")
    return decode_image(data, path)


def read_image_bytes(path: str | os.PathLike[str]) -> bytes:
    """The file's bytes. Raises InputError naming the file when it cannot be read."""
    try:
        with open(path, "rb", buffering=0) as file:
            return file.read()
    except FileNotFoundError:
        raise InputError(f"{path}: the image is missing") from None
    except (OSError, ValueError) as error:  # ValueError: a null character in the name
        raise InputError(f"{path}: the image cannot be read ({getattr(error, 'strerror', None) or error})") from None


def decode_image(data: bytes, path: str | os.PathLike[str], flags: int = _DECODE) -> np.ndarray:
    """Decode the bytes of an image file; `path` is for the InputError raised when they are none."""
    try:
        image = cv2.imdecode(np.frombuffer(data, np.uint8), flags) if data else None
    except cv2.error:  # absurd dimensions
        image = None
    if image is None:
        fault = (
            "the image file is empty" if not data else "not an image that can be decoded (broken, or another format)"
        )
        raise InputError(f"{path}: {fault}")
    return image


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
