"""Samples of a GPU whose clock was lowered: thrown away, made again, and in the end marked. The GPU is one by hand."""

from dataclasses import replace
from itertools import cycle

import torch
from torch.nn import functional as F

from posebench.benchmark.instruments import latency
from posebench.benchmark.instruments.attention import attention_kernels
from posebench.benchmark.instruments.latency import _warm_up, measure_latency
from posebench.row import check_columns


class Heating:
    """A GPU that is too hot in every n-th look (0: never)."""

    def __init__(self, every: int, others: int = 0):
        hot = [("hardware thermal",)] if every else [()]
        self.looks = cycle([()] * (every - 1) + hot)
        self.others = others

    def clock_mhz(self) -> int:
        return 1980

    def throttled_by(self) -> tuple[str, ...]:
        return next(self.looks)

    def other_processes(self) -> int:
        return self.others


def on(gpu: Heating, monkeypatch, spend, **how):
    monkeypatch.setattr(latency, "gpu_of", lambda device: gpu)
    return measure_latency({"x": spend(1000)}, retries=0, **how)["x"]


def test_rounds_with_a_lowered_clock_are_made_again(monkeypatch, spend):
    found = on(Heating(every=4), monkeypatch, spend, max_samples=12)
    assert len(found.seconds) == 12
    assert found.gpu.columns() == {
        "gpu_clock_mhz": 1980, "gpu_throttled": None, "gpu_discarded": 3, "gpu_others": 0,
    }  # fmt: skip
    check_columns(found.gpu.columns())
    assert found.unstable == found.contended, "by other jobs alone"


def test_a_gpu_that_is_always_too_hot_is_measured_no_longer_than_twice_as_often_and_marked(monkeypatch, spend):
    found = on(Heating(every=1), monkeypatch, spend, max_samples=12)
    assert len(found.seconds) == 24
    assert found.gpu.throttled_by == ("hardware thermal",) and found.gpu.discarded == 0
    assert found.unstable


def test_a_cool_gpu_with_company_is_contended_on_cuda(monkeypatch, spend):
    found = on(Heating(every=0, others=2), monkeypatch, spend, max_samples=12)
    assert found.gpu.others == 2 and len(found.seconds) == 12
    assert replace(found, device="cuda:0").contended


def test_warm_up_lasts_as_long_as_it_is_told_to_however_steady(monkeypatch):
    now = iter(range(1000))
    monkeypatch.setattr(latency.time, "perf_counter", lambda: next(now) / 10)
    assert _warm_up({"x": int}, lambda call, name: 1.0, max_seconds=0.1, min_seconds=8) > 30


def test_what_comes_before_a_call_is_done_each_time_and_not_timed(spend):
    found = measure_latency({"x": spend(5000), "y": spend(5000)}, max_samples=12, retries=0, before={"x": spend(700)})
    assert found["x"].seconds.tolist() == found["y"].seconds.tolist() == [5000 / 1e9] * 12


def test_the_kernels_of_fused_attention_are_counted():
    q = torch.randn(1, 2, 8, 16)
    assert attention_kernels(lambda: q + 1) is None
    twice = attention_kernels(lambda: [F.scaled_dot_product_attention(q, q, q) for _ in range(2)])
    with torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        plain = attention_kernels(lambda: F.scaled_dot_product_attention(q, q, q, attn_mask=torch.ones(8, 8) > 0))
    assert twice == "flash 2" and plain == "math 1"
