"""Joules per image against counters that are moved by hand; what a GPU says, against a library that answers as NVML."""

import os
from types import SimpleNamespace

import pytest
import torch

from posebench.benchmark.instruments.energy import Counter, energy_counter, measure_energy
from posebench.benchmark.instruments.nvml import Gpu
from posebench.pose.errors import InputError
from posebench.row import check_columns

CPU = torch.device("cpu")


class Machine:
    """A clock that rests and work move, and energy of 10 W at rest and 60 W at work."""

    def __init__(self):
        self.now = self.joules = 0.0

    def sleep(self, seconds):
        self.now += seconds
        self.joules += 10 * seconds

    def work(self, seconds=0.25):
        self.now += seconds
        self.joules += 60 * seconds

    def measure(self, **how):
        counter = Counter(lambda: self.joules, "by hand")
        calls = how.pop("calls", {"model": self.work})
        return measure_energy(calls, 4, counter, clock=lambda: self.now, sleep=self.sleep, **how)


def test_joules_per_image_are_what_the_counter_rose_over_what_was_handled():
    found = Machine().measure(window=5.0, rest=2.0, windows=3)["model"]
    assert found.joules_per_image == pytest.approx([60 * 0.25 / 4] * 3)
    assert (found.watts, found.idle_watts) == pytest.approx((60, 10))
    columns = found.columns()
    check_columns(columns)
    assert columns["energy_method"] == "by hand, 3 windows of 5 s"


def test_each_window_lasts_and_a_rest_is_before_it():
    machine = Machine()
    machine.measure(window=5.0, rest=2.0, windows=3)
    assert machine.now == pytest.approx(0.25 + 2 + 2 + 3 * 5 + 2 * 2)  # the first call, the idling, windows and rests


def test_what_is_compared_takes_its_windows_in_turns_so_that_a_machine_that_warms_up_favours_none():
    machine = Machine()

    def warming(watts):
        def call():
            machine.now += 0.25
            machine.joules += 0.25 * (watts + 0.5 * machine.now)  # ever more: 0.5 W more each second

        return call

    found = machine.measure(calls={"none": warming(80), "masked": warming(60)}, window=5.0, rest=2.0, windows=4)
    none, masked = found["none"].joules_per_image, found["masked"].joules_per_image
    assert min(none[1:]) > none[0]  # the drift is there
    columns = found["masked"].columns(found["none"])
    check_columns(columns)
    ratios = [own / base for own, base in zip(masked, none, strict=True)]
    # forwards, then backwards: each is first in half of the rounds
    assert [own > base for own, base in zip(ratios[:-1], ratios[1:], strict=True)] == [True, False, True]
    assert columns["joules_vs_unmasked_low"] < columns["joules_vs_unmasked"] < columns["joules_vs_unmasked_high"] < 1
    assert columns["joules_vs_unmasked"] == pytest.approx(sum(sorted(ratios)[1:3]) / 2)
    assert found["none"].columns()["joules_vs_unmasked"] is None


def zone(root, name, called, energy, largest=1_000_000_000):
    folder = root / name
    folder.mkdir(parents=True)
    (folder / "name").write_text(called + "\n")
    (folder / "max_energy_range_uj").write_text(f"{largest}\n")
    (folder / "energy_uj").write_text(f"{energy}\n")
    return folder / "energy_uj"


def test_rapl_is_packages_and_memory_and_goes_on_where_a_counter_begins_anew(tmp_path):
    package = zone(tmp_path, "intel-rapl:0", "package-0", 999_000_000)
    zone(tmp_path, "intel-rapl:0:0", "core", 5_000_000)  # a part of the package
    memory = zone(tmp_path, "intel-rapl:0:1", "dram", 1_000_000)
    counter = energy_counter(CPU, tmp_path)
    before = counter.joules()
    package.write_text("2000000")  # 999 J to 1000 J, and 2 J more
    memory.write_text("1500000")
    assert counter.joules() - before == pytest.approx(3.5)
    assert counter.method == "RAPL, package and dram"


def test_a_machine_that_counts_no_energy_is_one_clear_line(tmp_path):
    with pytest.raises(InputError, match=r"RAPL's to count .* which this machine does not have"):
        energy_counter(CPU, tmp_path)


class NVMLError(Exception):
    pass


def nvml(**answers):
    """A library that knows these questions and no others."""

    def unknown(*_):
        raise NVMLError

    known = {name: (lambda *_, value=value: value) for name, value in answers.items()}
    asked = ("nvmlDeviceGetCurrentClocksEventReasons", "nvmlDeviceGetComputeRunningProcesses")
    fixed = {"NVMLError": NVMLError, "NVML_CLOCK_SM": 1, "NVML_TEMPERATURE_GPU": 0}
    return SimpleNamespace(**dict.fromkeys(asked, unknown) | fixed | known)


def test_a_gpu_says_its_clock_why_it_is_low_its_energy_and_its_company():
    processes = [SimpleNamespace(pid=os.getpid(), usedGpuMemory=7), SimpleNamespace(pid=1, usedGpuMemory=9)]
    gpu = Gpu(
        nvml(
            nvmlDeviceGetClockInfo=1980,
            nvmlDeviceGetCurrentClocksEventReasons=0x1 | 0x4 | 0x20,
            nvmlDeviceGetTotalEnergyConsumption=12_500,
            nvmlDeviceGetComputeRunningProcesses=processes,
        ),
        None,
    )
    assert (gpu.clock_mhz(), gpu.joules(), gpu.other_processes(), gpu.own_bytes()) == (1980, 12.5, 1, 7)
    assert gpu.throttled_by() == ("power cap", "software thermal")  # idling is no reason


def test_an_older_driver_is_asked_by_the_older_name_and_what_it_does_not_know_is_none():
    gpu = Gpu(nvml(nvmlDeviceGetCurrentClocksThrottleReasons=0x8), None)
    assert gpu.throttled_by() == ("hardware slowdown",)
    assert (gpu.clock_mhz(), gpu.joules(), gpu.other_processes(), gpu.own_bytes()) == (None,) * 4
