"""The commands that README, CONTRIBUTING and docs/ tell a reader to type."""

import re

from reference import DATA

ROOT = DATA.parent.parent
PAGES = sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *(ROOT / "docs").rglob("*.md")])
#: its blocks build on one another, and tests/test_contributing.py runs them
OWN = "CONTRIBUTING.md"


def commands():
    """(page, command) of every line in a fenced block that begins with posebench, comments and pipes cut off."""
    found = []
    for page in PAGES:
        if page.name == "commands.md":  # generated
            continue
        for block in re.findall(r"^```[^\n]*\n(.*?)^```", page.read_text(encoding="utf-8"), re.M | re.S):
            for line in block.replace("\\\n", " ").splitlines():
                line = re.split(r"\s#\s|\s\|\s|\s{3,}", line.strip())[0]
                if line.startswith("posebench ") and "..." not in line:
                    found.append((page.name, line))
    return list(dict.fromkeys(found))


COMMANDS = commands()
