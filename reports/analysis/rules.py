"""Rules of a gate: what may not get worse, written as `ap: drop <= 0.005`, and what a measured change says of it.

    gflops_t: equal                # to the last digit
    ap: drop <= 0.005              # falls by at most this much, in the column's own unit
    memory: rise <= 5 %            # grows by at most 5 % of what it was
    latency: slower <= 10 %        # time grows, or throughput falls
    pckh: at least 87.5            # whatever it was before

A rule on a change is judged by the change's 95 % interval: all of it within the rule, passed; all of it beyond, failed;
else undecided. A value without an interval is judged as it stands.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ...pose.errors import InputError
from ...pose.people.fields import shown
from ...row import COLUMNS, Column, describe
from .intervals import Estimate

PASSED, FAILED, UNDECIDED, NOT_JUDGED = "passed", "failed", "undecided", "not judged"

ALIASES = {
    "latency": "latency_ms_median",
    "latency_transformer": "latency_transformer_ms_median",
    "throughput": "throughput_images_per_s",
    "memory": "peak_memory_mib",
}
_FALLS_WHEN_SLOWER = "throughput_images_per_s"
_RULE = re.compile(
    r"(?P<equal>equal)|(?P<change>drop|rise|slower)\s*<=\s*(?P<most>[^\s%]+)(?:\s*(?P<percent>%)|\s(?P<unit>\S+))?"
    r"|at (?P<bound>least|most)\s+(?P<value>\S+)"
)
_FORMS = "'equal', 'drop <= 0.005', 'rise <= 5 %', 'slower <= 10 %', 'at least 0.7' or 'at most 0.03'"
_JUDGED = {
    column.name: column for column in COLUMNS if column.kind in ("number", "integer") and not column.is_condition
}


@dataclass(frozen=True)
class Rule:
    """One promise about one column.

    key: as the file calls the column; kind: "equal", "drop", "rise", "least" or "most"; amount: in the column's unit,
    or a fraction of the value before where `relative`; text: as written.
    """

    key: str
    column: str
    kind: str
    text: str
    amount: float = 0.0
    relative: bool = False

    @property
    def is_clock(self) -> bool:
        """Whether it is about time, which another machine or another hour changes."""
        return is_clock(self.column)

    @property
    def is_change(self) -> bool:
        return self.kind in ("drop", "rise")

    def __str__(self) -> str:
        return f"{self.key}: {self.text}"

    def judge_change(self, change: Estimate) -> str:
        """The word for a change after - before (a fraction of before where the rule is relative)."""
        best, worst = (-change.high, -change.low) if self.kind == "drop" else (change.low, change.high)
        if worst <= self.amount or math.isclose(worst, self.amount, rel_tol=1e-9):
            return PASSED
        return FAILED if best > self.amount and not math.isclose(best, self.amount, rel_tol=1e-9) else UNDECIDED

    def judge_values(self, before: float, after: float) -> str:
        """The word for two values without intervals, or for one where the rule does not look back."""
        if self.kind == "equal":
            return PASSED if before == after else FAILED
        if self.kind == "least":
            return PASSED if after >= self.amount else FAILED
        if self.kind == "most":
            return PASSED if after <= self.amount else FAILED
        change = self.change(before, after)
        return self.judge_change(Estimate(change, change, change))

    def change(self, before: float, after: float) -> float:
        """after - before, in the rule's terms. A relative change from 0 is infinite."""
        if not self.relative:
            return after - before
        if before == 0:
            return math.copysign(math.inf, after) if after else 0.0
        return (after - before) / abs(before)


def is_clock(column: str) -> bool:
    return column.startswith(("latency", "throughput", "train_seconds", "eval_seconds"))


def parse_rules(content: Mapping[Any, Any], where: str) -> list[Rule]:
    """The rules of a mapping from column to rule; a column may have a list of them.

    Raises InputError naming `where`, the key, what it says, and what would be right.
    """
    rules = []
    for key, value in content.items():
        column = _column(key, where)
        for text in value if isinstance(value, list) else [value]:
            rules.append(_rule(str(key), column, text, f"{where}: {key}"))
    if not rules:
        raise InputError(f"{where}: holds no rule, so nothing would be checked; give one, such as 'gflops_t: equal'")
    return rules


def _column(key: Any, where: str) -> Column:
    name = ALIASES.get(str(key), str(key))
    if name in _JUDGED:
        return _JUDGED[name]
    near = difflib.get_close_matches(str(key), [*ALIASES, *_JUDGED], 1)
    hint = f"did you mean {near[0]!r}?" if near else f"give {', '.join(ALIASES)}, or a column of numbers, such as ap"
    raise InputError(f"{where}: unknown key {shown(key)!r}: {hint}")


def _rule(key: str, column: Column, text: Any, where: str) -> Rule:
    found = _RULE.fullmatch(" ".join(text.split())) if isinstance(text, str) else None
    if found is None:
        raise InputError(f"{where}: {shown(text)!r} is no rule; give {_FORMS}")
    written = found[0]
    if found["equal"]:
        if is_clock(column.name):
            raise InputError(f"{where}: no two measurements of time are equal; give 'slower <= 10 %'")
        return Rule(key, column.name, "equal", written)
    if found["bound"]:
        return Rule(key, column.name, found["bound"], written, _number(found["value"], where, negative=True))
    kind, unit = found["change"], found["percent"] or found["unit"] or ""
    if kind == "slower":
        if not is_clock(column.name):
            raise InputError(f"{where}: only a time is slower; give 'rise <= ...' or 'drop <= ...'")
        kind = "drop" if column.name == _FALLS_WHEN_SLOWER else "rise"
    if unit not in ("", "%", column.unit):
        raise InputError(f"{where}: {unit!r} is not its unit; give %{f' or {column.unit}' if column.unit else ''}")
    relative = unit == "%" and column.unit != "%"
    amount = _number(found["most"], where)
    return Rule(key, column.name, kind, written, amount / 100 if relative else amount, relative)


def _number(text: str, where: str, *, negative: bool = False) -> float:
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not math.isfinite(number) or (number < 0 and not negative):
        raise InputError(f"{where}: {shown(text)!r} is no amount; give a number{'' if negative else ' from 0 on'}")
    return number


@dataclass(frozen=True)
class Outcome:
    """What a rule says of one row. row: which, in words; status: one of the four words; reason: one sentence.

    doubt: the chance of such a change or a worse one where the rule just holds; None: judged without an interval.
    """

    rule: Rule
    row: str
    status: str
    before: float | None
    after: float | None
    reason: str
    doubt: float | None = None

    def __str__(self) -> str:
        return f"{self.status}: {self.row}: {self.rule}: {self.reason}"

    def columns(self) -> dict[str, Any]:
        """For tables and programs."""
        return {
            "status": self.status, "row": self.row, "column": self.rule.column, "rule": self.rule.text,
            "before": self.before, "after": self.after, "reason": self.reason,
        }  # fmt: skip


def values_text(rule: Rule, before: float | None, after: float | None) -> str:
    """ "0.7012 before, 0.6991 now": as many digits as tell them apart."""
    digits = describe(rule.column).digits
    texts = ["none" if value is None else f"{value:.{digits}f}" for value in (before, after)]
    if texts[0] == texts[1] and before != after:
        texts = ["none" if value is None else repr(value) for value in (before, after)]
    return f"{texts[0]} before, {texts[1]} now"


def change_text(rule: Rule, change: Estimate) -> str:
    """ "+3.1 % (+2.0 to +4.2)": the change with its interval, in the rule's terms."""
    scale, unit = (100.0, " %") if rule.relative else (1.0, "")
    digits = 1 if rule.relative else describe(rule.column).digits
    value, low, high = (f"{scale * number + 0.0:+.{digits}f}" for number in change[:3])
    return f"{value}{unit}" if low == high == value else f"{value}{unit} ({low} to {high})"
