"""What GitHub Actions shows of a check: lines that become annotations, and a summary of the step.

Both do something only where the runner's own variables are set (GITHUB_ACTIONS, GITHUB_STEP_SUMMARY).
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path


def error_line(message: str, file: str | Path, title: str, environment: Mapping[str, str] = os.environ) -> str:
    """The workflow command that shows `message` at a file; empty outside of GitHub Actions."""
    if environment.get("GITHUB_ACTIONS") != "true":
        return ""
    return f"::error file={_property(str(file))},title={_property(title)}::{_data(message)}"


def add_to_summary(markdown: str, environment: Mapping[str, str] = os.environ) -> None:
    """Append Markdown to the step's summary, if there is one; a summary that cannot be written is named, no more."""
    path = environment.get("GITHUB_STEP_SUMMARY")
    if not path:
        return
    try:
        with open(path, "a", encoding="utf-8") as summary:
            summary.write(markdown if markdown.endswith("\n") else f"{markdown}\n")
    except OSError as error:
        print(f"GITHUB_STEP_SUMMARY {path}: {error.strerror or error}", file=sys.stderr)


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
