"""The errors that a user can cause; the command line turns each into one line."""

from __future__ import annotations


class InputError(Exception):
    """Something the user gave is wrong. The message says what, where, and what would be right (exit code 2)."""


class ProcessLost(Exception):
    """One of several processes that work together ended or hangs (exit code 1)."""


class NumericalError(Exception):
    """Training or evaluation produced NaN or infinity (exit code 1)."""
