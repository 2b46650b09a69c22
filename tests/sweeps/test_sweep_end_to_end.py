"""A sweep of real processes on a very small set: what it leaves, and that killing it costs nothing but time."""

import base64
import csv
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from xml.etree import ElementTree

import cv2
import numpy as np
import psutil
import pytest
from ended import all_ended

from posebench.pose.errors import InputError
from posebench.sweeps.runner import execute, run_sweep
from posebench.sweeps.spec import parse

OPTIONS = {"masks": "random", "ratios": "0.5", "epochs": 2, "base_epochs": 1, "threads": 1, "jobs": 1}


def rows_of(folder):
    with open(folder / "results.csv", newline="") as file:
        return {(row["mask"], float(row["mask_ratio"]), int(row["batch_size"])): row for row in csv.DictReader(file)}


def identities(folder):
    """What tells whether a finished result was written again."""
    files = sorted(folder.glob("*/*/result.json"))
    return {str(file): (file.stat().st_ino, file.stat().st_mtime_ns) for file in files}


@pytest.fixture(scope="module")
def whole(people, tmp_path_factory):
    """The folder of an uninterrupted sweep, with latency, at two batch sizes."""
    out = tmp_path_factory.mktemp("sweep") / "whole"
    events = []
    found = run_sweep(
        parse(OPTIONS | {"data": people, "batch_sizes": "1,2", "samples": 8}), out=out, on_event=events.append
    )
    assert found == out
    assert [event for event in events if event.kind == "failed"] == []
    return out


def test_a_sweep_leaves_a_row_for_each_cell_and_batch_size_baseline_included(whole):
    rows = rows_of(whole)
    assert set(rows) == {("none", 0.0, 1), ("none", 0.0, 2), ("random", 0.5, 1), ("random", 0.5, 2)}
    for (mask, _, batch_size), row in rows.items():
        assert row["status"] == "ok" and row["training"] == "finetune" and row["eval_people"] == "24"
        assert int(row["tokens_kept"]) == (48 if mask == "none" else 24)
        assert float(row["latency_ms_median"]) > 0 and float(row["latency_transformer_ms_median"]) > 0
        assert float(row["throughput_images_per_s"]) == pytest.approx(
            1000 * batch_size / float(row["latency_ms_median"])
        )
        assert float(row["peak_memory_mib"]) > 0 and row["torch_version"]
    for batch_size in (1, 2):
        masked, unmasked = rows["random", 0.5, batch_size], rows["none", 0.0, batch_size]
        assert int(masked["macs_transformer"]) < int(unmasked["macs_transformer"])
        assert float(masked["ap_diff"]) == pytest.approx(float(masked["ap"]) - float(unmasked["ap"]), abs=1e-9)
    one, two = rows["random", 0.5, 1], rows["random", 0.5, 2]
    assert float(two["peak_memory_mib"]) > float(one["peak_memory_mib"])
    assert one["ap"] == two["ap"] and one["cell"] == two["cell"]


def test_it_leaves_a_page_that_holds_every_row_every_plot_and_the_pictures_of_the_mask(whole):
    page = (whole / "report.html").read_text()
    for row in rows_of(whole).values():
        assert row["cell"] in page and f"{int(row['macs']):,}" in page
    plots = sorted((whole / "plots").glob("*.svg"))
    assert {"accuracy_vs_gflops_t", "exact_vs_published_count"} < {plot.stem for plot in plots}
    assert page.count("<svg ") == len(plots)
    for plot in plots:
        assert ElementTree.parse(plot).getroot().tag.endswith("svg")
        assert cv2.imread(str(plot.with_suffix(".png"))) is not None
    picture = (whole / "plots" / "masks" / "random_0.5.png").read_bytes()
    assert base64.b64encode(picture).decode() in page


def test_raw_latency_samples_are_kept(whole):
    import json

    (file,) = (whole / "timing").glob("*/result.json")
    timings = json.loads(file.read_text())["timings"]
    assert len(timings) == 2
    for by_size in timings.values():
        for row in by_size.values():
            assert len(row["latency_ms_samples"]) == row["latency_samples"] == 8
            assert np.median(row["latency_ms_samples"]) == pytest.approx(row["latency_ms_median"])


def test_the_same_sweep_again_computes_nothing(whole, people):
    before = identities(whole)
    events = []
    run_sweep(parse(OPTIONS | {"data": people, "batch_sizes": "1,2", "samples": 8}), out=whole, on_event=events.append)
    assert identities(whole) == before and len(before) == 4
    assert [event.kind for event in events].count("skipped") == 2


def test_another_sweep_is_refused_in_its_folder(whole, people):
    with pytest.raises(InputError, match=r"recipe\.epochs is 2 there and 5 here"):
        run_sweep(parse(OPTIONS | {"data": people, "epochs": 5}), out=whole)


CHILD = """
import sys
from posebench.sweeps.runner import run_sweep
def say(event):
    print(event.kind, event.stage, event.done, flush=True)
options = dict(zip(sys.argv[3::2], sys.argv[4::2]))
run_sweep(out=sys.argv[1], on_event=say, data=sys.argv[2], latency=False, **options)
"""


def start(out, people):
    options = [str(part) for pair in OPTIONS.items() for part in pair]
    return subprocess.Popen(
        [sys.executable, "-c", CHILD, str(out), str(people), *options], stdout=subprocess.PIPE, text=True
    )


def test_a_sweep_killed_in_its_second_cell_goes_on_there_and_ends_with_the_same_digits(whole, people, tmp_path):
    out = tmp_path / "killed"
    sweep = start(out, people)
    done = 0
    for line in sweep.stdout:
        done += line.startswith("done")
        if done == 2 and line.startswith("progress training"):  # the base and one cell are done, the other is at work
            break
    workers = [process.pid for process in psutil.Process(sweep.pid).children(recursive=True)]
    os.kill(sweep.pid, signal.SIGKILL)
    sweep.wait()
    sweep.stdout.close()
    assert workers and all_ended(workers), "no worker may go on after its sweep was killed"
    finished = identities(out)
    assert len(finished) == 2

    assert start(out, people).wait() == 0
    assert finished.items() <= identities(out).items(), "finished work must not be done again"
    rows, wanted = rows_of(out), rows_of(whole)
    for mask, ratio in (("none", 0.0), ("random", 0.5)):
        for column in ("ap", "ap50", "ar", "ap_ci_low", "loss_final", "cell"):
            assert rows[mask, ratio, 1][column] == wanted[mask, ratio, 1][column]
    for file in out.glob("cells/*/evidence.npz"):
        with np.load(file) as one, np.load(whole / file.relative_to(out)) as other:
            assert all(np.array_equal(one[name], other[name]) for name in other)


@pytest.fixture(scope="module")
def base_weights(whole):
    (file,) = whole.glob("base/*/last.pt")
    return file


def test_a_failed_cell_is_a_row_with_its_reason_and_the_others_go_on(people, base_weights, tmp_path):
    # An unmasked model has no scorer, so that evaluating its weights under that mask must fail.
    spec = parse({"data": people, "weights": [str(base_weights)], "masks": "scorer", "ratios": 0.5})
    spec = parse({**vars(spec), "latency": False})
    outcome = execute(spec, tmp_path / "out")
    rows = rows_of(tmp_path / "out")
    assert {mask: row["status"] for (mask, _, _), row in rows.items()} == {
        "none": "ok",
        "scorer": "failed",
    }
    error = rows["scorer", 0.5, 1]["error"]
    assert str(base_weights) in error and "mask.linear" in error
    assert "\n" not in error and list(outcome.failed.values()) == [error]
    assert rows["none", 0.0, 1]["training"] == "weights" and rows["none", 0.0, 1]["epochs"] == "0"


def test_an_image_that_is_cut_short_ends_the_sweep_with_its_name(people, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(people, data)
    image = next(path for path in sorted(data.rglob("*.jpg")) if "train" in str(path))
    image.write_bytes(image.read_bytes()[: image.stat().st_size // 2])
    with pytest.raises(InputError, match=image.name):
        run_sweep(parse(OPTIONS | {"data": data}), out=tmp_path / "out")


def test_a_missing_image_is_named_before_anything_runs(people, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(people, data)
    image = next(data.rglob("*.jpg"))
    image.unlink()
    with pytest.raises(InputError, match=image.name):
        run_sweep(parse(OPTIONS | {"data": data}), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_weights_that_do_not_fit_are_told_before_anything_runs(people, tmp_path):
    import torch

    file = Path(tmp_path, "other.pt")
    torch.save({"state_dict": {"layer.weight": torch.zeros(3)}}, file)
    with pytest.raises(InputError, match=r"other\.pt does not fit tmpose_tiny"):
        run_sweep(parse({"data": people, "weights": [str(file)]}), out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_a_sweep_killed_again_and_again_at_any_moment_ends_with_the_same_digits(whole, people, tmp_path):
    out = tmp_path / "killed"
    rng = np.random.default_rng(0)
    for _ in range(12):
        sweep = start(out, people)
        try:
            code = sweep.wait(rng.uniform(3, 14))
        except subprocess.TimeoutExpired:
            os.kill(sweep.pid, signal.SIGKILL)
            sweep.wait()
        else:
            assert code == 0
        sweep.stdout.close()
    assert start(out, people).wait() == 0
    rows, wanted = rows_of(out), rows_of(whole)
    for mask, ratio in (("none", 0.0), ("random", 0.5)):
        assert rows[mask, ratio, 1]["ap"] == wanted[mask, ratio, 1]["ap"]
        assert rows[mask, ratio, 1]["loss_final"] == wanted[mask, ratio, 1]["loss_final"]


@pytest.mark.slow
@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_ctrl_c_ends_the_workers_and_says_how_to_go_on(people, tmp_path, how):
    out = tmp_path / "out"
    command = [sys.executable, "-m", "posebench", "sweep", "--data", people, "--out", out, "--base-epochs", "500"]
    sweep = subprocess.Popen([str(part) for part in command], stdout=subprocess.PIPE, text=True)
    while not list(out.glob("base/*/last.pt")):
        assert sweep.poll() is None
        time.sleep(0.1)
    workers = psutil.Process(sweep.pid).children(recursive=True)
    assert workers
    sweep.send_signal(how)
    text = sweep.communicate(timeout=30)[0]
    assert sweep.returncode == 130
    assert "the same command goes on" in text and str(out) in text
    assert not [worker for worker in workers if worker.is_running() and worker.status() != "zombie"]


@pytest.mark.slow
def test_results_do_not_depend_on_how_many_cells_run_side_by_side(whole, people, tmp_path):
    run_sweep(parse(OPTIONS | {"data": people, "latency": False, "jobs": 2}), out=tmp_path / "out")
    rows, wanted = rows_of(tmp_path / "out"), rows_of(whole)
    for mask, ratio in (("none", 0.0), ("random", 0.5)):
        assert rows[mask, ratio, 1]["ap"] == wanted[mask, ratio, 1]["ap"]
        assert rows[mask, ratio, 1]["loss_final"] == wanted[mask, ratio, 1]["loss_final"]
