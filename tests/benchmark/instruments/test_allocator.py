"""Whether freed memory is kept shows in page faults, which the kernel counts."""

import platform
import resource

import pytest
from in_children import raise_thresholds

from posebench.benchmark.instruments.own_process import in_own_process

SETTINGS = ("MALLOC_MMAP_THRESHOLD_", "MALLOC_MMAP_MAX_", "MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "LD_PRELOAD")
IS_GLIBC = platform.libc_ver()[0] == "glibc"


@pytest.fixture(scope="module")
def found():
    with pytest.MonkeyPatch.context() as patch:
        for name in (*SETTINGS, "GLIBC_TUNABLES"):
            patch.delenv(name, raising=False)
        return in_own_process(raise_thresholds)


@pytest.mark.skipif(not IS_GLIBC, reason="the C library is not glibc")
def test_with_raised_thresholds_a_freed_block_is_used_again_without_page_faults(found):
    _, default, raised = found
    pages = 64 * 2**20 // resource.getpagesize()
    assert default >= 8 * min(pages, 32)  # each time anew, at least one fault per huge page
    assert raised <= default / 4


def test_what_was_done_is_said_and_stays_the_same_when_asked_again(found):
    before, done, again, after = found[0]
    assert "default thresholds" in before
    assert done == again == after
    if IS_GLIBC:
        assert "M_MMAP_MAX=0" in done and "M_TRIM_THRESHOLD=2147483647" in done
