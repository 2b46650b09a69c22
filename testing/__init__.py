"""The tests that posebench's own reductions, models and data sets pass, for yours.

    from posebench.testing import check_reduction

    def test_my_mask():
        check_reduction("my_package.masks:edges")
"""

from __future__ import annotations

from .reductions import REDUCTION_CHECKS, check_reduction

__all__ = ["REDUCTION_CHECKS", "check_reduction"]
