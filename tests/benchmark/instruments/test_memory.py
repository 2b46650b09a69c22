"""Peak memory against sums worked by hand."""

import os
import sys
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from posebench.benchmark.instruments import memory
from posebench.benchmark.instruments.memory import peak_memory, peak_rss_bytes
from posebench.benchmark.instruments.own_process import in_own_process
from posebench.pose.errors import InputError

FLOAT = 4


class Doubling(nn.Module):
    """Three maps live at once: x (the input), its double and the sum of both."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        twice = x * 2
        total = twice + x
        del twice
        return total - x


def test_the_peak_of_a_perceptron_is_input_hidden_and_activated():
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 64)).eval()
    found = peak_memory(model, torch.randn(8, 64))
    # while ReLU runs: the input (held by the caller), the hidden layer and its copy; the output is smaller
    assert found.peak_bytes == FLOAT * 8 * (64 + 256 + 256)
    assert found.weights_bytes == FLOAT * (64 * 256 + 256 + 256 * 64 + 64)


def test_a_tensor_that_is_freed_early_does_not_count_later():
    found = peak_memory(Doubling(), torch.randn(100, 100))
    assert found.peak_bytes == FLOAT * 3 * 100 * 100


def test_an_inplace_activation_saves_its_copy():
    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(inplace=True), nn.Linear(256, 64)).eval()
    assert peak_memory(model, torch.randn(8, 64)).peak_bytes == FLOAT * 8 * (64 + 256 + 64)


def test_the_peak_repeats_to_the_byte():
    attention = nn.TransformerEncoderLayer(64, 4, 128, batch_first=True).eval()
    model = nn.Sequential(nn.Conv2d(3, 64, 3, stride=4), nn.BatchNorm2d(64), nn.Flatten(2)).eval()
    images, tokens = torch.randn(2, 3, 64, 64), torch.randn(2, 50, 64)
    for module, inputs in ((model, images), (attention, tokens)):
        first, second = (peak_memory(module, inputs).peak_bytes for _ in range(2))
        assert first == second > inputs.numel() * FLOAT


def test_a_weight_used_twice_counts_once():
    layer = nn.Linear(32, 32, bias=False)
    tied = nn.Linear(32, 32, bias=False)
    tied.weight = layer.weight
    assert peak_memory(nn.Sequential(layer, tied), torch.randn(1, 32)).weights_bytes == FLOAT * 32 * 32


def test_a_plain_function_of_several_tensors_can_be_measured():
    found = peak_memory(torch.matmul, (torch.randn(10, 20), torch.randn(20, 30)))
    assert found.weights_bytes == 0
    assert found.peak_bytes == FLOAT * (10 * 20 + 20 * 30 + 10 * 30)


def test_the_profiler_prints_nothing(capfd):
    peak_memory(nn.ReLU(), torch.ones(9))
    assert capfd.readouterr() == ("", "")
    assert "KINETO_LOG_LEVEL" not in os.environ


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere the system's own peak is taken")
def test_the_resident_peak_of_a_child_is_its_own_and_not_its_parents():
    ballast = torch.ones(1000 * 2**20, dtype=torch.uint8)
    assert peak_rss_bytes() > ballast.numel()
    del ballast
    assert in_own_process(peak_rss_bytes) < 1000 * 2**20 < peak_rss_bytes()  # ours stays: it is a peak


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without CUDA")
def test_memory_on_a_device_that_is_not_there_is_one_clear_line():
    with pytest.raises(InputError, match="no CUDA device is usable here"):
        peak_memory(nn.ReLU(), torch.ones(1), "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_on_cuda_the_peak_is_the_allocators_above_the_weights():
    model = nn.Sequential(nn.ReLU(), nn.ReLU()).cuda()
    found = peak_memory(model, torch.randn(1024, 1024, device="cuda"), "cuda")
    assert found.peak_bytes == FLOAT * 3 * 1024 * 1024
    assert found.reserved_bytes >= found.peak_bytes


def test_on_cuda_the_peak_is_what_was_requested_above_what_was_before(monkeypatch):
    """The allocator's counters by hand: 100 bytes of weights, 250 more at the peak, 2 MiB reserved, 3 MiB in all."""
    told = iter([{"requested_bytes.all.current": 100}, {
        "requested_bytes.all.peak": 350, "reserved_bytes.all.peak": 2**21, "reserved_bytes.all.current": 2**20,
    }])  # fmt: skip
    monkeypatch.setattr(torch.cuda, "memory_stats", lambda device: next(told))
    for name in ("empty_cache", "synchronize", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda *_: None)
    monkeypatch.setattr(memory, "check_device", torch.device)
    monkeypatch.setattr(memory, "gpu_of", lambda device: SimpleNamespace(own_bytes=lambda: 3 * 2**20))
    found = peak_memory(nn.ReLU(), torch.ones(5), "cuda")
    assert (found.peak_bytes, found.reserved_bytes, found.context_bytes) == (250 + FLOAT * 5, 2**21, 2 * 2**20)
