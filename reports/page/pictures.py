"""The pictures of masks on sample images."""

from __future__ import annotations

import base64
import io
import struct
from pathlib import Path

from ...pose.errors import InputError
from ...pose.files import read_regular
from .section import Picture

LARGEST_FILE = 2**24  # bytes, of one picture, all of which are in the page
_LARGE = 32_000  # bytes
_QUALITY = 75
_PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> Picture | None:
    """A PNG file as a data URI, captioned "name 0.6" if called name_0.6.png; None if it is none that can be read.

    A large one comes as a JPEG, of a quarter of the size: a page of many masks must still be one that can be sent.
    """
    try:
        content = read_regular(path, LARGEST_FILE)
    except (OSError, InputError):
        return None
    if not content.startswith(_PNG) or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    kind = "png"
    if len(content) > _LARGE and (smaller := _as_jpeg(content)):
        kind, content = "jpeg", smaller
    source = f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
    return Picture(source, " ".join(path.stem.rsplit("_", 1)), width, height)


def _as_jpeg(content: bytes) -> bytes | None:
    from PIL import Image  # which matplotlib needs, too

    try:
        picture = Image.open(io.BytesIO(content)).convert("RGB")
    except OSError:
        return None
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue() if buffer.tell() < len(content) else None
