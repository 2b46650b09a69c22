"""The tests that posebench's own reductions, models and data sets pass, for yours.

    from posebench.testing import check_dataset, check_model, check_reduction

    def test_my_mask():
        check_reduction("my_package.masks:edges")

    def test_my_network():
        check_model("my_package.networks:build")

    def test_my_data(tmp_path):
        check_dataset("my_package.hands:HANDS", write_some_hands(tmp_path))
"""

from __future__ import annotations

from .datasets import DATASET_CHECKS, check_dataset
from .models import MODEL_CHECKS, check_model
from .reductions import REDUCTION_CHECKS, check_reduction

__all__ = [
    "DATASET_CHECKS", "MODEL_CHECKS", "REDUCTION_CHECKS", "check_dataset", "check_model", "check_reduction",
]  # fmt: skip
