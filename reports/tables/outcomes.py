"""What the rules of a gate say, for people, pull requests and continuous integration."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from xml.etree import ElementTree

from ..analysis.rules import FAILED, NOT_JUDGED, PASSED, UNDECIDED, Outcome
from .formats import render_rows

FORMATS = ("text", "github", "junit", "markdown", "json")
_ORDER = (FAILED, UNDECIDED, NOT_JUDGED, PASSED)
#: what XML 1.0 cannot hold (section 2.2)
_NO_XML = re.compile("[^\t\n\r -\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def verdict(outcomes: Sequence[Outcome]) -> str:
    """ "1 failed, 2 undecided, 9 passed": one line over all."""
    numbers = Counter(outcome.status for outcome in outcomes)
    return ", ".join(f"{numbers[status]} {status}" for status in _ORDER if numbers[status])


def render_outcomes(outcomes: Sequence[Outcome], format: str, title: str) -> str:
    """Text in one of FORMATS, worst first. "github" is "text", beside which come annotations (see github.py)."""
    ordered = sorted(outcomes, key=lambda outcome: _ORDER.index(outcome.status))
    if format == "json":
        return str(render_rows([outcome.columns() for outcome in ordered], None, "json"))
    if format == "junit":
        return _junit(ordered, title)
    if format == "markdown":
        return markdown(ordered, title)
    return "\n".join([*map(str, ordered), verdict(ordered)])


def markdown(outcomes: Sequence[Outcome], title: str) -> str:
    """A line that says it all, and a table."""
    lines = [f"**{title}**: {verdict(outcomes)}", "", "| | row | rule | |", "|---|---|---|---|"]
    for outcome in outcomes:
        cells = (outcome.status, outcome.row, str(outcome.rule), outcome.reason)
        lines.append(f"| {' | '.join(_cell(text) for text in cells)} |")
    return "\n".join(lines)


def _cell(text: str) -> str:
    escaped = re.sub(r"([\\`*_{}\[\]<>|~#])", r"\\\1", " ".join(text.split()))
    return escaped.replace("\\<", "&lt;").replace("\\>", "&gt;")


def _junit(outcomes: Sequence[Outcome], title: str) -> str:
    """As Jenkins and GitLab read it; what is undecided, or cannot be judged, is a skipped test that says why."""
    numbers = Counter(outcome.status for outcome in outcomes)
    counts = {
        "tests": str(len(outcomes)), "failures": str(numbers[FAILED]), "errors": "0",
        "skipped": str(numbers[UNDECIDED] + numbers[NOT_JUDGED]),
    }  # fmt: skip
    root = ElementTree.Element("testsuites", {"name": title, **counts})
    suite = ElementTree.SubElement(root, "testsuite", {"name": title, **counts})
    for outcome in outcomes:
        names = {"classname": _xml(f"{title}.{outcome.rule.column}"), "name": _xml(f"{outcome.row}: {outcome.rule}")}
        case = ElementTree.SubElement(suite, "testcase", names)
        if outcome.status == FAILED:
            failure = ElementTree.SubElement(case, "failure", {"message": _xml(outcome.reason), "type": "rule"})
            failure.text = _xml(str(outcome))
        elif outcome.status != PASSED:
            ElementTree.SubElement(case, "skipped", {"message": _xml(f"{outcome.status}: {outcome.reason}")})
        else:
            ElementTree.SubElement(case, "system-out").text = _xml(outcome.reason)
    ElementTree.indent(root)
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + ElementTree.tostring(root, encoding="unicode")


def _xml(text: str) -> str:
    return _NO_XML.sub("\N{REPLACEMENT CHARACTER}", text)
