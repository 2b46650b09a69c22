"""A short name for one configuration of one subject, by which a plot's mark and a table's line find each other."""

from __future__ import annotations

import hashlib

from .subject import Point, Subject


def place_name(subject: Subject, point: Point) -> str:
    """The same in every plot and table; of letters and digits alone, whatever models and masks are called."""
    return hashlib.sha256(repr((subject.label, point.mask, point.ratio)).encode()).hexdigest()[:10]
