"""The pictures of masks on sample images."""

from __future__ import annotations

import base64
import struct
from pathlib import Path

from .section import Picture

_PNG = b"\x89PNG\r\n\x1a\n"


def read_picture(path: Path) -> Picture | None:
    """A PNG file as a data URI, captioned "name 0.6" if called name_0.6.png; None if it is no PNG."""
    content = path.read_bytes()
    if not content.startswith(_PNG) or len(content) < 24:
        return None
    width, height = struct.unpack(">II", content[16:24])
    source = f"data:image/png;base64,{base64.b64encode(content).decode()}"
    return Picture(source, " ".join(path.stem.rsplit("_", 1)), width, height)
