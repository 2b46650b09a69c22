"""The one rule for files of other versions: an older layout is read or refused by its number, a newer one refused."""

from __future__ import annotations

from typing import Any

from .errors import InputError


def check_version(where: object, what: str, found: Any, known: int, *, older: tuple[int, ...] = (), then: str) -> None:
    """InputError unless `found` is the version of a layout that is known, or one of the `older` that are still read.

    where: the file. what: its kind, such as "checkpoint". then: what a user can do about an older one.
    """
    if type(found) is int and (found == known or found in older):
        return
    shown = repr(found)[:40]
    if type(found) is int and found > known:
        newer = f"written by a newer posebench: this one reads version {known}; update it"
        raise InputError(f"{where}: {what} of version {shown}, {newer}")
    raise InputError(f"{where}: {what} of version {shown}, this posebench reads version {known}; {then}")
