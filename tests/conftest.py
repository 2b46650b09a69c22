"""One thread per test process: the suite runs in several, and threads that wait for each other cost minutes."""

import pytest
import torch
from photographs import write_photographs

torch.set_num_threads(1)


@pytest.fixture(scope="session")
def photographs(tmp_path_factory):
    """A folder with coco and mpii: rendered people with the oddities of the real sets (see photographs.py)."""
    return write_photographs(tmp_path_factory.mktemp("photographs"))
