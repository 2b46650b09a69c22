"""Functions that tests run in a process of their own; such a process must be able to import them."""

import resource

import torch

from posebench.benchmark.instruments.allocator import allocator, keep_freed_memory


def raise_thresholds() -> tuple[list[str], int, int]:
    """(records before, on setting, on setting again and after; page faults before; page faults after).

    The faults are those of filling a block of 64 MiB eight times.
    """
    texts = [allocator()]
    default = _faults()
    texts += [keep_freed_memory(), keep_freed_memory()]
    raised = _faults()
    return [*texts, allocator()], default, raised


def _faults() -> int:
    for _ in range(30):  # the heap settles
        torch.ones(2**24)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(8):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
