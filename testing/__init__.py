"""The tests that posebench's own reductions, models and data sets pass, for yours.

from posebench.testing import check_model, check_reduction

def test_my_mask():
    check_reduction("my_package.masks:edges")

def test_my_network():
    check_model("my_package.networks:build")
"""

from __future__ import annotations

from .models import MODEL_CHECKS, check_model
from .reductions import REDUCTION_CHECKS, check_reduction

__all__ = ["MODEL_CHECKS", "REDUCTION_CHECKS", "check_model", "check_reduction"]
