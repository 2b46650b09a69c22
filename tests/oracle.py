"""Where the reference measurements lie, for tests that compare with them; they skip, saying so, elsewhere."""

from pathlib import Path

import pytest

ORACLE = Path(__file__).resolve().parents[2] / "shared" / "oracle"
REAL = Path(__file__).resolve().parents[2] / "shared" / "real"
needs_oracle = pytest.mark.skipif(
    not ORACLE.is_dir(), reason="the reference measurements (shared/oracle) are not beside this checkout"
)
needs_real_images = pytest.mark.skipif(
    not REAL.is_dir(), reason="the real images (shared/real) are not beside this checkout"
)
