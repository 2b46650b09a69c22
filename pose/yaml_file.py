"""YAML that people write, read as plain values: no tag makes anything, and a short file cannot stand for a huge one."""

from __future__ import annotations

import os
from typing import Any

import yaml

from .errors import InputError
from .files import read_regular


class _Plain(yaml.SafeLoader):
    """SafeLoader without aliases, and without a second value for a key, of which YAML would take the last."""

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark
            raise yaml.constructor.ConstructorError(None, None, "has an alias (*name); write its value out", mark)
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value if isinstance(node, yaml.MappingNode) else ():
            if isinstance(key, yaml.ScalarNode) and key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"has {key.value!r} twice", key.start_mark)
            seen |= {key.value} if isinstance(key, yaml.ScalarNode) else set()
        return super().construct_mapping(node, deep)


def read_yaml(path: str | os.PathLike[str], most: int) -> Any:
    """The content of a YAML file of at most `most` bytes. InputError naming the file, and the line where it is broken,
    holds an alias or a key twice; and where it cannot be read."""
    try:
        return yaml.load(read_regular(path, most).decode(), _Plain)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); give an existing YAML file") from None
    except RecursionError:
        raise InputError(f"{path}: not valid YAML (lists within lists without end)") from None
    except (yaml.YAMLError, ValueError) as error:  # ValueError: no UTF-8, a date that is none, endless digits
        reason = " ".join(str(error).split())
        raise InputError(f"{path}: not valid YAML ({reason[:300]})") from None
