"""Invented rows for every test of reports (see support/invented_rows.py)."""

import pytest
from invented_rows import one_row, sweep_rows


@pytest.fixture(name="one_row")
def one_row_fixture():
    return one_row


@pytest.fixture(name="sweep_rows")
def sweep_rows_fixture():
    return sweep_rows
