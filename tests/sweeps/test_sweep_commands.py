"""`posebench sweep` on the command line: mistakes in one line, a preview that writes nothing, a display of the run."""

import io
import os
import re
from pathlib import Path
from types import SimpleNamespace

import pytest
from rich.console import Console
from small_sweeps import base, from_scratch, grid, unmasked

from posebench.commands.sweep_display import SweepDisplay, duration
from posebench.commands.sweep_tables import print_results
from posebench.sweeps.cell_result import CellResult, write_cell_result
from posebench.sweeps.data import find_data
from posebench.sweeps.estimate import _time
from posebench.sweeps.events import Event
from posebench.sweeps.plan import make_plan
from posebench.sweeps.request import SweepRequest, parse
from posebench.sweeps.runner import manifest_of
from posebench.sweeps.store import memory_file, open_store, write_json
from posebench.sweeps.timing import timing_groups


@pytest.fixture
def columns():
    return 100


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--ratios", "1.0"], "1.0"),
        (["--ratios", "abc"], "abc"),
        (["--mask", "semantc"], "did you mean 'semantic'"),
        (["--model", "tmpose_tinny"], "did you mean 'tmpose_tiny'"),
        (["--data", "nowhere"], "nowhere"),
        (["nothing.yaml"], "nothing.yaml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_code_2(posebench, arguments, part):
    code, out, err = posebench("sweep", *arguments)
    assert code == 2 and out == ""
    assert part in err and err.count("\n") == 1
    assert not os.listdir()


def test_a_dry_run_shows_every_cell_with_its_exact_count_and_writes_nothing(posebench, people):
    from posebench.benchmark.counting.flops import flops_row

    code, out, err = posebench(
        "sweep", "--data", people, "--mask", "semantic,random", "--ratios", "0,0.4", "--seeds", "0,1", "--dry-run"
    )
    assert code == 0 and err == ""
    counts = {}
    for label, gflops_t in re.findall(r"^tmpose_tiny (\S+(?: [\d.]+)?) seed \d .* (\d\.\d{4}) +\d+:\d\d$", out, re.M):
        counts.setdefault(label, []).append(gflops_t)
    for label, mask, ratio in (
        ("unmasked", "none", 0),
        ("semantic 0.4", "semantic", 0.4),
        ("random 0.4", "random", 0.4),
    ):
        exact = flops_row("tmpose_tiny", mask=mask, mask_ratio=ratio)["gflops_t"]
        assert counts.pop(label) == [f"{exact:.4f}"] * 2
    assert not counts
    assert "estimate" in out and "48 people to train on, 24 to judge by" in out
    assert not os.listdir()


def test_a_dry_run_for_a_clusters_gpus_is_shown_on_a_machine_without_one(posebench, monkeypatch):
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    grid = ("--mask", "random", "--ratios", "0.4", "--profile-only")
    code, out, err = posebench("sweep", *grid, "--executor", "slurm", "--device", "cuda", "--dry-run")
    assert code == 0 and "random 0.4" in out
    assert "a short probe on this machine's CPU, as it has no cuda, and the multiply-adds" in out
    code, out, err = posebench("sweep", *grid, "--device", "cuda", "--dry-run")
    assert code == 2 and "no CUDA device is usable here" in err


def test_a_dry_run_of_counting_and_measuring_alone_asks_for_no_data(posebench):
    code, out, err = posebench("sweep", "--mask", "random", "--ratios", "0.4", "--profile-only", "--dry-run")
    assert (code, err) == (0, "") and "random 0.4" in out and "an estimate" in out and "Data:" not in out


def test_an_estimate_for_the_cpu_leaves_cuda_alone(monkeypatch):
    def touched(*_):
        raise AssertionError("CUDA was touched")

    monkeypatch.setattr("torch.cuda.is_available", lambda: True)
    monkeypatch.setattr("torch.cuda.synchronize", touched)
    assert _time(lambda: None, "cpu") >= 0
    with pytest.raises(AssertionError, match="touched"):
        _time(lambda: None, "cuda:0")


def test_a_dry_run_of_an_elastic_sweep_tells_what_is_trained_and_what_is_only_evaluated(posebench, people):
    code, out, err = posebench(
        "sweep", "--data", people, "--mask", "random", "--ratios", "0.4", "--elastic", "--dry-run"
    )
    assert code == 0 and err == ""
    lines = re.findall(
        r"^tmpose_tiny random (\S+) trained at (\S+) seed 0 +(\d+ +)?(\d+) of 48 .* (\d+):(\d\d)$", out, re.M
    )
    found = {(train, test): (bool(epochs.strip()), int(kept)) for test, train, epochs, kept, *_ in lines}
    assert found == {
        ("0", "0.4"): (False, 28),
        ("0.4", "0"): (False, 48),
        ("0,0.4", "0"): (False, 48),
        ("0,0.4", "0.4"): (True, 28),
    }


def test_the_table_of_results_tells_where_a_model_was_trained_at_another_ratio(capsys):
    own = {"model": "m", "mask": "random", "mask_ratio": 0.4, "ap": 0.5, "batch_size": 1, "status": "ok"}
    other = {**own, "train_ratio": "0,0.4", "ap": 0.25}
    del other["batch_size"]
    print_results([own, other], Console(width=120))
    text = capsys.readouterr().out
    assert "batch 1" in text and "trained at" in text and "0,0.4" in text
    print_results([own], Console(width=120))
    assert "trained at" not in capsys.readouterr().out


def test_a_dry_run_refuses_the_folder_that_the_sweep_would_refuse(posebench, people):
    os.mkdir("thesis")
    Path("thesis", "thesis.tex").touch()
    code, _, err = posebench("sweep", "--data", people, "--out", "thesis", "--dry-run")
    assert code == 2 and "thesis.tex" in err


def test_report_of_a_folder_without_results_is_one_line(posebench):
    code, _, err = posebench("report", "nowhere")
    assert code == 2 and "results.csv" in err and err.count("\n") == 1


def plan():
    cells, bases = grid(SweepRequest(ratios=(0.4,)), [(unmasked("finetune"), base(epochs=10))])
    data = SimpleNamespace(train_people=100, eval_people=50)
    return SimpleNamespace(cells=cells, bases=bases, data=data, notes=())


def display_of(terminal):
    output = io.StringIO()
    return SweepDisplay(Console(file=output, force_terminal=terminal, width=100, height=30)), output


def test_without_a_terminal_each_end_is_a_line_and_long_errors_stay_on_it():
    display, output = display_of(False)
    found = plan()
    shared, (one, two) = next(iter(found.bases)), [cell.key for cell in found.cells]
    error = "a long story " * 20 + "end"
    with display:
        display(Event("plan", info={"plan": found, "root": "runs/x", "finished": set()}))
        for event in (
            Event("start", shared),
            Event("progress", shared, "training", 1, 10, {"loss": 3.0}),
            Event("done", shared, info={"loss_final": 1.0}),
            Event("start", one),
            Event("done", one, info={"ap": 0.5}),
            Event("failed", two, info={"error": error}),
        ):
            display(event)
    lines = output.getvalue().splitlines()
    assert len(lines) == 4 and "\x1b" not in output.getvalue()
    assert "base model done" in lines[1] and "AP 0.500" in lines[2] and lines[3].endswith(f"failed: {error}".strip())


def test_on_a_terminal_all_cells_are_shown_and_the_rest_of_the_time():
    display, _ = display_of(True)
    found = plan()
    shared = next(iter(found.bases))
    display(Event("plan", info={"plan": found, "root": "runs/x", "finished": set()}))
    assert display.remaining_seconds() is None
    display(Event("start", shared))
    display.lines[shared].started -= 30  # as if it had begun half a minute ago
    display(Event("done", shared))
    # 10 epochs of the base took 30 s; two cells of 2 epochs and an evaluation are 700 of its 3000 images each
    assert display.remaining_seconds() == pytest.approx(30 * 1400 / 3000, rel=0.01)
    console = Console(file=io.StringIO(), width=100, height=30)
    console.print(display.render())
    text = console.file.getvalue()
    assert "base model" in text and "unmasked" in text and "semantic 0.4" in text and "1 of 3 done" in text


def test_a_large_grid_is_cut_to_the_terminals_height():
    display, _ = display_of(True)
    cells = from_scratch(SweepRequest(seeds=tuple(range(100))))
    data = SimpleNamespace(train_people=100, eval_people=50)
    found = SimpleNamespace(cells=cells, bases={}, data=data, notes=())
    display(Event("plan", info={"plan": found, "root": "runs/x", "finished": set()}))
    running = cells[70]
    display(Event("start", running.key))
    console = Console(file=io.StringIO(), width=100, height=30)
    console.print(display.render())
    assert console.file.getvalue().count("\n") <= 30 and running.label in console.file.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(None, ""), (0.4, "0:00"), (75.2, "1:15"), (3725, "1:02:05")])
def test_durations_are_written_as_people_write_them(seconds, text):
    assert duration(seconds) == text


def finish(spec, root, keys=None):
    """Leave in `root` what a sweep leaves of the cells (all, or those of `keys`), as far as a preview looks."""
    plan = make_plan(spec, find_data(spec))
    with open_store(root, manifest_of(plan)) as store:
        for key in plan.bases:
            write_cell_result(store.base_dir(key), CellResult())
        for cell in plan.cells:
            if keys is None or cell.key in keys:
                write_cell_result(store.cell_dir(cell.key), CellResult())
                write_json(memory_file(store.cell_dir(cell.key), 1), {})
        for key in timing_groups(plan.cells, spec):
            write_json(store.timing_dir(key) / "result.json", {"status": "ok", "timings": {}})
    return plan.cells


def test_a_dry_run_of_a_folder_that_has_results_shows_what_is_left(posebench, people, tmp_path):
    options = {"data": people, "masks": "random", "ratios": "0.4,0.6", "out": tmp_path / "out"}
    Path("sweep.yaml").write_text("".join(f"{name}: {value}\n" for name, value in options.items()))
    code, out, err = posebench("sweep", "sweep.yaml", "--dry-run")
    assert (code, err) == (0, "") and f"Results go to {tmp_path / 'out'}." in out
    assert "finished" not in out and not re.search(r" done$", out, re.M)

    cells = finish(parse(options), tmp_path / "out")
    left = next(cell for cell in cells if cell.ratio == 0.6)
    (tmp_path / "out" / "cells" / left.key / "result.json").unlink()
    code, out, err = posebench("sweep", "sweep.yaml", "--dry-run")
    assert (code, err) == (0, "")
    times = dict(re.findall(r"^(tmpose_tiny .*?) {2,}.* (\S+)$", out, re.M))
    assert [label for label, time in times.items() if time != "done"] == [left.label]
    assert "2 of 3 cells finished earlier" in out
    # the cell alone, without the base model and the timing
    assert f"about {times[left.label]} for the rest, " in out

    finish(parse(options), tmp_path / "out")
    code, out, _ = posebench("sweep", "sweep.yaml", "--dry-run")
    assert code == 0 and "Nothing is left to do" in out and out.count(" done\n") == 4


def test_a_sweep_that_was_finished_earlier_says_so():
    display, _ = display_of(False)
    found = plan()
    display(Event("plan", info={"plan": found, "root": "runs/x", "finished": set()}))
    for cell in found.cells:
        display(Event("skipped", cell.key, info={"ap": 0.5}))
    display(Event("start", "report"))
    display(Event("done", "report"))
    assert display.nothing_left
    display(Event("start", "timing 0123456789abcdef"))  # at another batch size, say
    assert not display.nothing_left


@pytest.mark.parametrize("width", [60, 80, 120])
def test_the_table_of_results_fits_the_terminal_and_names_what_it_leaves_out(capsys, width):
    numbers = {"gflops_t": 0.0279, "ap": 0.5, "ap_diff": -0.1, "ap_diff_low": -0.2, "ap_diff_high": 0.0}
    numbers |= {"latency_ms_median": 9.5, "latency_transformer_ms_median": 7.25, "peak_memory_mib": 12.5}
    rows = [
        {"model": model, "mask": "semantic", "mask_ratio": ratio, "seed": seed, "status": status, **numbers}
        for model, ratio, seed, status in (("tmpose_tiny", 0.4, 0, "ok"), ("tokenpose_l_d24", 0.6, 1, "failed"))
    ]
    print_results(rows, Console(width=width))
    table, rest = capsys.readouterr().out.split("tmpose_tiny", 1)
    lines = [*table.splitlines(), *("tmpose_tiny" + rest).splitlines()[:2]]
    assert max(map(len, lines)) <= width
    assert all(word in rest for word in ("tokenpose_l_d24", "semantic", "0.40", "0.60", "failed"))
    left_out = re.search("No room for (.*): results.csv", rest)
    for header in ("- unmasked", "MiB", "ms, T"):
        assert (header in " ".join(table.split())) != bool(left_out and header in left_out[1])
    assert bool(left_out) == (width < 120)
