"""Functions that tests run in a process of their own; such a process must be able to import them."""

import resource

import torch
from posebench.benchmark.allocator import allocator, keep_freed_memory


def faults_of_a_large_block() -> tuple[int, int]:
    """Page faults of filling a block of 64 MiB eight times, with glibc's thresholds as they are and raised."""
    counts = []
    for prepare in (int, keep_freed_memory):
        prepare()
        for _ in range(30):  # the heap settles
            torch.ones(2**24)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
        for _ in range(8):
            torch.ones(2**24)
        counts.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
    return counts[0], counts[1]


def allocator_texts() -> tuple[str, str, str, str]:
    """The record before, what was done, what was done when asked again, the record after."""
    return allocator(), keep_freed_memory(), keep_freed_memory(), allocator()
