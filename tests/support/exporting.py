"""For tests of exported models."""

import pytest
import torch

from posebench.benchmark.runtimes.exporter import OLDEST

EXPORTS = pytest.mark.skipif(torch.__version__ < OLDEST, reason=f"exporting needs torch {OLDEST}")
