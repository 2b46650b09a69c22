"""Pictures on the page: of masks on sample images, of people that a mask loses, of where two masks differ."""

from __future__ import annotations

import base64
import io
import struct
from collections import defaultdict
from collections.abc import Collection, Sequence
from pathlib import Path

from ...pose.errors import InputError
from ...pose.files import read_regular
from .section import Picture

LARGEST_FILE = 2**24  # bytes, of one picture, all of which are in the page
PICTURES_MOST = 48
_LARGE = 32_000  # bytes
_QUALITY = 75
_PNG = b"\x89PNG\r\n\x1a\n"


def gallery(paths: Sequence[Path], models: Collection[str], room: int) -> list[Picture]:
    """Those of the PNG files that fit into `room` bytes of the page, by name; the deepest ratios go first, and each
    model in its turn, so that something is there of as many as possible."""
    names = {path: _name(path, models) for path in paths}
    files = sorted(paths, key=names.__getitem__)
    turns: dict[tuple[str, str], int] = defaultdict(int)
    turn = {}
    for path in files:
        model, _, ratio = names[path]
        turns[model, ratio] += 1
        turn[path] = turns[model, ratio]
    shown = {}
    for path in sorted(files, key=lambda path: (-_number(names[path][2]), turn[path])):
        picture = read_picture(path, " ".join(filter(None, names[path])))
        if picture and len(picture.source) <= room and len(shown) < PICTURES_MOST:
            shown[path] = picture
            room -= len(picture.source)
    return [shown[path] for path in files if path in shown]


def _name(path: Path, models: Collection[str]) -> tuple[str, str, str]:
    """("tmpose_tiny:", "norm", "0.6") of tmpose_tiny_norm_0.6.png, where tmpose_tiny is a model; else without it."""
    model = max((one for one in models if path.stem.startswith(f"{one}_")), key=len, default="")
    mask, _, ratio = path.stem.removeprefix(f"{model}_" if model else "").rpartition("_")
    return f"{model}:" if model else "", mask, ratio


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def read_picture(path: Path, caption: str) -> Picture | None:
    """A PNG file as a data URI; None if it is none that can be read.

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
    return Picture(source, caption, width, height)


def _as_jpeg(content: bytes) -> bytes | None:
    from PIL import Image  # which matplotlib needs, too

    try:
        picture = Image.open(io.BytesIO(content)).convert("RGB")
    except OSError:
        return None
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=_QUALITY, optimize=True)
    return buffer.getvalue() if buffer.tell() < len(content) else None
