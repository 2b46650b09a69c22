"""A shortage of memory is known by what torch, its libraries and Python say of it."""

import numpy as np
import pytest
import torch

from posebench.pose.errors import is_shortage


def raised(make):
    with pytest.raises(Exception) as caught:
        make()
    return caught.value


@pytest.mark.parametrize("make", [lambda: torch.empty(2**55), lambda: np.empty(2**55), lambda: bytearray(2**60)])
def test_more_than_there_is_of_memory_is_a_shortage(make):
    assert is_shortage(raised(make))


@pytest.mark.parametrize(
    ("said", "short"),
    [
        ("CUDA out of memory. Tried to allocate 2.00 GiB", True),
        ("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`", True),  # too little for its room
        ("CUDA error: CUBLAS_STATUS_EXECUTION_FAILED when calling `cublasSgemm`", False),
        ("CUDA error: an illegal memory access was encountered", False),
    ],
)
def test_what_a_gpu_says(said, short):
    assert is_shortage(RuntimeError(said)) == short


@pytest.mark.parametrize("make", [lambda: torch.ones(2) @ torch.ones(3), lambda: torch.load("nowhere"), lambda: 1 / 0])
def test_another_error_is_none(make):
    assert not is_shortage(raised(make))
