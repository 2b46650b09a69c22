"""Figures that papers print about the cost of their models, read from a YAML file and checked row by row.

The file that posebench brings, claims.yaml, says what the keys mean.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields
from decimal import Decimal
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from ...pose.datasets.registry import DATASETS, DEFAULT
from ...pose.errors import InputError
from ...pose.people.fields import shown
from ...pose.reductions import check_ratio, reduction_config
from ...pose.yaml_file import read_yaml
from ..counting.conventions import CONVENTIONS

SHIPPED = Path(__file__).parent / "claims.yaml"
UNMASKED = "unmasked"
REDUCTION = "reduction_"
COUNTS = {
    "published_gflops": "G",
    "published_gflops_t": "G",
    "published_params": "M",
    "gflops": "G",
    "gflops_t": "G",
    "gflops_needed": "G",
    "gflops_t_needed": "G",
    "params": "M",
}
#: quantity -> its unit
QUANTITIES = {
    **COUNTS,
    **{REDUCTION + name: "%" for name in COUNTS},
    "speedup": "x",
    "speedup_transformer": "x",
}
#: another unit that a figure may be printed in -> the quantity's own, and how many of it
LARGER = {"T": ("G", 1000)}
_LONGEST_TEXT = 400
_LARGEST_FILE = 1_000_000
_FIGURE = re.compile(r"\d{1,12}(\.\d{1,9})?")
_SIZE = re.compile(r"(\d{1,5})x(\d{1,5})")


@dataclass(frozen=True)
class Claim:
    """One figure (or a statement without one) of a paper; the keys of the file, and `where` it was read.

    input_size: (height, width). published: the figure as printed, so with its digits; None where none is. counter: the
    convention that the source counts gflops by, None for exactly.
    """

    id: str
    paper: str
    source: str
    statement: str
    quantity: str
    model: str
    unit: str
    dataset: str = DEFAULT
    input_size: tuple[int, int] | None = None
    mask: str = "none"
    mask_ratio: float = 0.0
    baseline: str | None = None
    published: str | None = None
    figure_digits: int | None = None
    counter: str | None = None
    where: str = ""

    @property
    def decimals(self) -> int | None:
        """Decimals that the figure is printed with; None without a figure."""
        return None if self.published is None else max(0, -int(Decimal(self.published).as_tuple().exponent))

    @property
    def scale(self) -> float:
        """What a value in the quantity's own unit is divided by for the claim's."""
        return LARGER.get(self.unit, ("", 1))[1]

    @property
    def is_speed(self) -> bool:
        """Whether only a clock can tell."""
        return self.quantity.startswith("speedup")


def read_claims(*paths: str | Path) -> list[Claim]:
    """The claims of all files, by default of the one that posebench brings.

    Raises InputError naming the file and the row (counted from 1) for anything that is not a list of claims with
    known keys and sound values, and for an id that occurs twice. An unknown model is no error: a paper may have
    models that posebench has not.
    """
    claims: list[Claim] = []
    for path in paths or (SHIPPED,):
        for number, record in enumerate(_records(Path(path)), start=1):
            claim = _claim(record, f"{path}: row {number}")
            if same := next((other for other in claims if other.id == claim.id), None):
                raise InputError(f"{claim.where}: id {claim.id!r} is taken already by {same.where}; give another")
            claims.append(claim)
    return claims


def _records(path: Path) -> list[Any]:
    content = read_yaml(path, _LARGEST_FILE)
    if type(content) is not list or not content:
        raise InputError(f"{path}: must be a list of claims ('- id: ...'), found {_brief(content)}")
    return content


def _claim(record: Any, where: str) -> Claim:
    if type(record) is not dict:
        raise InputError(f"{where}: must be keys and values of one claim, found {_brief(record)}")
    for key in record:
        if key not in _READERS:
            near = get_close_matches(key, _READERS, n=1) if type(key) is str else []
            hint = f"did you mean {near[0]!r}?" if near else f"known are {', '.join(_READERS)}"
            raise InputError(f"{where}: unknown key {_brief(key)}: {hint}")
    missing = [key for key in _REQUIRED if record.get(key) is None]
    if missing:
        raise InputError(f"{where}: {', '.join(missing)} missing")
    values = {}
    for key, value in record.items():
        if value is None:
            continue
        try:
            values[key] = _READERS[key](value)
        except ValueError as error:
            raise InputError(f"{where}: {key} {_brief(value)}: {error}") from None
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
    claim = Claim(**values, where=where)
    _check_sense(claim)
    return claim


def _check_sense(claim: Claim) -> None:
    """Raise InputError where two keys contradict each other."""
    if claim.counter is not None and claim.quantity != "gflops":
        raise InputError(f"{claim.where}: counter {claim.counter!r} with {claim.quantity}: only gflops has one")
    if LARGER.get(claim.unit, (claim.unit, 1))[0] != QUANTITIES[claim.quantity]:
        raise InputError(f"{claim.where}: unit {claim.unit!r}: {claim.quantity} is in {QUANTITIES[claim.quantity]!r}")
    if claim.baseline is None and (claim.is_speed or claim.quantity.startswith(REDUCTION)):
        raise InputError(f"{claim.where}: {claim.quantity} needs a baseline: unmasked, or the name of a model")
    mask = reduction_config(claim.mask)
    if (mask.is_none or mask.is_fixed) != (claim.mask_ratio == 0):
        raise InputError(
            f"{claim.where}: mask {claim.mask!r} with mask_ratio {claim.mask_ratio:g}: give both, or neither (a "
            "mask whose parameters say how much it leaves takes none)"
        )
    if claim.baseline == UNMASKED and mask.is_none:
        raise InputError(f"{claim.where}: baseline 'unmasked' of an unmasked model; give a mask, or another baseline")


def _text(value: Any) -> str:
    if type(value) is not str or not value.strip() or len(value) > _LONGEST_TEXT:
        raise ValueError(f"give text of at most {_LONGEST_TEXT} characters")
    if not value.isprintable():
        raise ValueError("holds a line break or another character that cannot be printed")
    return value.strip()


def _figure(value: Any) -> str:
    text = value.strip() if type(value) is str else repr(value) if type(value) in (int, float) else ""
    if not _FIGURE.fullmatch(text):
        raise ValueError('give the figure as printed, in quotes, such as "1.00"')
    return text


def _input_size(value: Any) -> tuple[int, int]:
    match = _SIZE.fullmatch(value) if type(value) is str else None
    if not match:
        raise ValueError("give HEIGHTxWIDTH, such as 256x192")
    return int(match[1]), int(match[2])


def _ratio(value: Any) -> float:
    if type(value) not in (int, float) or not 0 <= value < 1:
        raise ValueError("give the share of tokens dropped, from 0 to below 1, such as 0.4")
    return check_ratio(value)


def _digits(value: Any) -> int:
    if type(value) is not int or not 0 <= value <= 9:
        raise ValueError("give a whole number from 0 to 9")
    return value


def _one_of(choices: Sequence[str]) -> Callable[[Any], str]:
    def read(value: Any) -> str:
        if value not in choices:
            near = get_close_matches(value, choices, n=1) if type(value) is str else []
            raise ValueError(f"did you mean {near[0]!r}?" if near else f"give one of {', '.join(choices)}")
        return value

    return read


def _mask(value: Any) -> str:
    return reduction_config(_text(value)).text


def _brief(value: Any) -> str:
    """A value for a message, on one line; of a nested one (whose aliases may unfold to gigabytes) only the kind."""
    return shown(value) if isinstance(value, (str, int, float, bool, type(None), dict, list)) else type(value).__name__


_READERS: dict[str, Callable[[Any], Any]] = {
    **{field.name: _text for field in fields(Claim) if field.name != "where"},
    "quantity": _one_of(tuple(QUANTITIES)),
    "dataset": _one_of(tuple(DATASETS)),
    "input_size": _input_size,
    "mask": _mask,
    "mask_ratio": _ratio,
    "published": _figure,
    "figure_digits": _digits,
    "counter": _one_of(tuple(CONVENTIONS)),
}
_REQUIRED = ("id", "paper", "source", "statement", "quantity", "model", "unit")
