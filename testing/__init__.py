"""The tests that posebench's own reductions, models and data sets pass, for yours.

    from posebench.testing import check_dataset, check_model, check_reduction

    def test_my_mask():
        check_reduction("my_package.masks:edges")

    def test_my_network():
        check_model("my_package.networks:build")

    def test_my_data(tmp_path):
        check_dataset("my_package.hands:HANDS", write_some_hands(tmp_path))

Imported on first use: pytest loads this package for its fixture (budget.py), and shall not wait for torch.
"""

from __future__ import annotations

import importlib
from typing import Any

_HOLDS = {
    "DATASET_CHECKS": ".datasets",
    "check_dataset": ".datasets",
    "MODEL_CHECKS": ".models",
    "check_model": ".models",
    "REDUCTION_CHECKS": ".reductions",
    "check_reduction": ".reductions",
}
__all__ = [*_HOLDS]


def __getattr__(name: str) -> Any:
    if name not in _HOLDS:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_HOLDS[name], __name__), name)


def __dir__() -> list[str]:
    """All there is, so that tab completion and documentation find it before its first use."""
    return sorted({*globals(), *__all__})
