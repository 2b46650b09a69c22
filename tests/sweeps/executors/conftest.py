"""What each engine's sweep is compared with."""

import pytest
from six_cells import results_of, six_cells

from posebench.sweeps.runner import run_sweep


@pytest.fixture(scope="session")
def here(people, tmp_path_factory):
    """The results of the six cells, run as processes of this machine."""
    return results_of(run_sweep(six_cells(people), out=tmp_path_factory.mktemp("here") / "sweep"))
