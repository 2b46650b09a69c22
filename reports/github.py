"""What GitHub Actions shows of a check: lines that become annotations, and a summary of the step.

A step shows ten annotations of each level and a summary of 1 MiB; what is beyond is dropped there, all of the summary
even. So the rest is told in the tenth, and a summary is cut at a line.

`error_line` and `add_to_summary` do something only where the runner's own variables are set (GITHUB_ACTIONS,
GITHUB_STEP_SUMMARY).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

MOST_ANNOTATIONS = 10
LARGEST_SUMMARY = 1024 * 1024  # bytes, of a step
_CUT = "\n\nCut here: a summary holds 1 MiB.\n"


def error_line(message: str, file: str | Path, title: str, environment: Mapping[str, str] = os.environ) -> str:
    """The workflow command that shows `message` at a file; empty outside of GitHub Actions."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return ""
    return _line("error", message, file, title)


def annotations(level: str, messages: Sequence[str], file: str | Path, title: str) -> list[str]:
    """Workflow commands ("error", "warning" or "notice") for messages at a file, no more than a step shows."""
    shown = list(messages)
    if len(shown) > MOST_ANNOTATIONS:
        rest = len(shown) - MOST_ANNOTATIONS + 1
        shown = [*shown[: MOST_ANNOTATIONS - 1], f"and {rest} more: see the step's log"]
    return [_line(level, message, file, title) for message in shown]


def _line(level: str, message: str, file: str | Path, title: str) -> str:
    return f"::{level} file={_property(str(file))},title={_property(title)}::{_data(message)}"


def add_to_summary(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append Markdown to the step's summary, if there is one; a summary that cannot be written is named, no more."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    text = (markdown if markdown.endswith("\n") else f"{markdown}\n").encode("utf-8", "backslashreplace")
    try:
        with open(path, "ab") as summary:
            room = LARGEST_SUMMARY - summary.tell()
            if len(text) > room:
                whole = text[: max(room - len(_CUT), 0)]
                text = whole[: whole.rfind(b"\n") + 1] + _CUT.encode() if room > len(_CUT) else b""
            summary.write(text)
    except OSError as error:
        print(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}", file=sys.stderr)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
