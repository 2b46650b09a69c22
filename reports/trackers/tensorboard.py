"""TensorBoard, by torch's own writer: event files in DIR/tensorboard/<run>."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .tracker import Scalars


def open_run(name: str, params: Mapping[str, Any], where: str, folder: Path) -> _Run:
    """where: another folder than DIR/tensorboard."""
    from torch.utils.tensorboard import SummaryWriter

    root = Path(where) if where else folder / "tensorboard"
    writer = SummaryWriter(str(root / re.sub(r"[^\w.=+-]+", "_", name)))
    writer.add_text("configuration", f"```\n{json.dumps(dict(params), indent=1, default=str)}\n```")
    return _Run(writer)


class _Run:
    def __init__(self, writer: Any) -> None:
        self._writer = writer

    def log(self, values: Scalars, step: int | None = None) -> None:
        for name, value in values.items():
            self._writer.add_scalar(name, value, step or 0)

    def finish(self) -> None:
        self._writer.close()
