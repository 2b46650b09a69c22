"""Archives with entries changed."""

import json
import zipfile


def rewritten(source, target, change):
    """The zip file `source` at `target`, with each entry as change(name, content) has it."""
    with zipfile.ZipFile(source) as old:
        entries = [(name, old.read(name)) for name in old.namelist()]
    with zipfile.ZipFile(target, "w") as new:
        for name, content in entries:
            new.writestr(name, change(name, content))
    return target


def saying(source, target, **changes):
    """The .pt2 file with other metadata."""

    texts = {name: value if isinstance(value, str) else json.dumps(value) for name, value in changes.items()}

    def change(name, content):
        return json.dumps(json.loads(content) | texts).encode() if name.endswith("extra/metadata.json") else content

    return rewritten(source, target, change)
