"""posebench: what masking tokens costs a pose transformer, and what it really saves.

The public names are imported on first use, so that `import posebench` and `posebench --help` do not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import Any

__version__ = "0.1.0"

_PUBLIC = {
    "list_models": ".pose.models.zoo",
    "create_model": ".pose.models.zoo",
    "load_weights": ".pose.models.weights",
    "load_vitpose": ".pose.models.weights",
    "Reduction": ".pose.reductions",
    "Dataset": ".pose.datasets",
    "Model": ".pose.models.registry",
    "patch": ".pose.models.patch",
    "count_flops": ".benchmark.counting.flops",
    "profile": ".benchmark.profiling.models",
    "run_sweep": ".sweeps.runner",
    "write_report": ".reports.report",
}
__all__ = [*_PUBLIC, "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _PUBLIC:
        raise AttributeError(f"module 'posebench' has no attribute {name!r}")
    value = getattr(importlib.import_module(_PUBLIC[name], __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
