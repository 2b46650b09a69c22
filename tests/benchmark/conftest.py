"""A clock that only work moves, for tests of what measures time."""

import time

import pytest


@pytest.fixture
def spend(monkeypatch):
    """spend(n) is a callable that takes n nanoseconds by perf_counter_ns, which stands still otherwise."""
    now = [0]
    monkeypatch.setattr(time, "perf_counter_ns", lambda: now[0])

    def work(nanoseconds: int):
        def call() -> None:
            now[0] += nanoseconds

        return call

    return work
