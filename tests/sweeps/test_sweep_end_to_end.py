"""A sweep of real processes on a very small set: what it leaves, and that killing it costs nothing but time."""

import base64
import csv
import json
import os
import re
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
import torch
from ended import all_ended
from rich.console import Console
from safetensors.torch import save_file

from posebench.commands.sweep_tables import print_results
from posebench.pose.errors import InputError
from posebench.pose.models.weights_file import read_weights
from posebench.pose.records import from_plain
from posebench.pose.synth import write_synthetic
from posebench.reports.analysis.iso_flops_file import read_iso_flops
from posebench.reports.analysis.parts import read_by_joint, read_by_size
from posebench.reports.analysis.results import is_missing, read_results, records_of
from posebench.row import BY_NAME, part_of
from posebench.sweeps.config import Job
from posebench.sweeps.request import parse
from posebench.sweeps.runner import execute, run_sweep

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
    shown = [cv2.imdecode(np.frombuffer(base64.b64decode(text), np.uint8), cv2.IMREAD_COLOR).astype(int)
             for text in re.findall(r"data:image/\w+;base64,([^\"]+)", page)]  # fmt: skip
    drawn = [cv2.imread(str(file)) for kind in ("people", "masks") for file in (whole / "plots" / kind).glob("*.png")]
    assert len(shown) == len(drawn) >= 1
    for one, other in zip(shown, drawn, strict=True):
        assert one.shape == other.shape and np.abs(one - other).mean() < 6, "the page has it in a smaller format"


def test_it_leaves_accuracy_by_size_whose_images_are_all_that_were_judged(whole):
    by_size = read_by_size(whole / "by_size.csv")
    assert set(by_size.scores) == {row["cell"] for row in rows_of(whole).values()}
    assert list(by_size.about) == ["small", "middle", "big"]
    with open(whole / "by_size.csv", newline="") as file:
        images = [int(line["images"]) for line in csv.DictReader(file)]
    (evidence, *_) = (np.load(file) for file in sorted(whole.glob("cells/*/evidence.npz")))
    assert sum(images[:3]) == int((evidence["positives"] > 0).sum())


def test_it_leaves_the_similarity_of_each_joint_of_the_people_in_whom_it_is_annotated(whole):
    with open(whole / "by_joint.csv", newline="") as file:
        lines = list(csv.DictReader(file))
    assert {line["cell"] for line in lines} == {row["cell"] for row in rows_of(whole).values()}
    kept = np.load(whole / "cells" / lines[0]["cell"] / "evidence.npz")
    own = [line for line in lines if line["cell"] == lines[0]["cell"]]
    assert len(own) == 17 and own[5]["joint"] == "left_shoulder" and own[5]["part"] == own[6]["part"] == "shoulder"
    assert [int(line["people"]) for line in own] == kept["joint_people"].sum(axis=0).tolist()
    assert float(own[5]["similarity"]) == pytest.approx(kept["joint_similarity"][:, 5].sum() / int(own[5]["people"]))
    similarities = read_by_joint(whole / "by_joint.csv").scores[lines[0]["cell"]]
    assert 0 < min(similarities.values()) < max(similarities.values()) < 1
    assert ">keypoint similarity</th>" in (whole / "report.html").read_text()


def test_raw_latency_samples_are_kept(whole):
    (file,) = (whole / "timing").glob("*/result.json")
    timings = json.loads(file.read_text())["timings"]
    assert len(timings) == 2
    for by_size in timings.values():
        for row in by_size.values():
            assert len(row["latency_ms_samples"]) == row["latency_samples"] == 8
            assert np.median(row["latency_ms_samples"]) == pytest.approx(row["latency_ms_median"])


def test_everything_that_was_measured_is_in_the_results(whole):
    rows = {(row["cell"], row["batch_size"]): row for row in records_of(read_results(whole / "results.csv"))}
    (timing,) = (json.loads(file.read_text()) for file in (whole / "timing").glob("*/result.json"))
    timed = 0
    for (key, size), row in rows.items():
        names = ("result.json", "config.json", f"memory_{size}.json")
        result, config, memory = (json.loads((whole / "cells" / key / name).read_text()) for name in names)
        latency = timing["timings"][from_plain(Job, config, "config.json").config.timing_key][str(size)]
        timed += len(latency)
        parts = [result[part] for part in ("counts", "accuracy", "training", "conditions")]
        assert all(parts)
        for measured in (*parts, memory, latency):
            for name, value in (measured | {"batch_size": size}).items():
                if BY_NAME[name].kind != "raw" and not name.endswith(("_diff", "_diff_low", "_diff_high")):
                    assert row[name] == value or (row[name] is None and is_missing(value)), name
    assert timed > 100 and {"latency_ms_p99", "latency_transformer_contended"} < latency.keys()


def test_a_masked_row_has_the_paired_interval_of_its_saving_and_a_percentile_only_if_the_samples_carry_it(whole):
    for row in records_of(read_results(whole / "results.csv")):
        for part in (part_of(row, "latency"), part_of(row, "latency_transformer")):
            ends = (part.vs_unmasked_low, part.vs_unmasked, part.vs_unmasked_high)
            assert (ends == (None,) * 3) if row["mask"] == "none" else list(ends) == sorted(ends)
            assert part.ms_p95 is None and part.samples == 8


@pytest.fixture(scope="module")
def mpii(tmp_path_factory):
    """The folder of a sweep on MPII's layout, without latency."""
    folder = tmp_path_factory.mktemp("mpii")
    write_synthetic(folder / "people", train=24, val=16, seed=5, layout="mpii", jobs=1)
    options = {"masks": "random,semantic", "ratios": "0.5", "epochs": 1, "base_epochs": 1, "threads": 1, "jobs": 2}
    return run_sweep(parse(options | {"data": folder / "people", "latency": False}), out=folder / "out")


def test_mpii_has_pckh_with_its_interval_and_its_paired_difference_everywhere(mpii, capsys):
    rows = records_of(read_results(mpii / "results.csv"))
    (base,) = (row for row in rows if row["mask"] == "none")
    evidence = {row["cell"]: dict(np.load(mpii / "cells" / row["cell"] / "evidence.npz")) for row in rows}
    images = len(evidence[base["cell"]]["images"])
    counts = np.random.default_rng(0).multinomial(images, np.full(images, 1 / images), size=1000)
    draws = {}
    for row in rows:
        found, annotated = evidence[row["cell"]]["found"], evidence[row["cell"]]["annotated"]
        assert row["pckh"] == pytest.approx(100 * found.sum() / annotated.sum())
        draws[row["cell"]] = 100 * (counts @ found) / (counts @ annotated)
        ends = np.percentile(draws[row["cell"]], [2.5, 97.5])
        assert (row["pckh_ci_low"], row["pckh_ci_high"]) == pytest.approx(tuple(ends))
        assert row["ap"] is None and row["ap_diff"] is None and row["pckh_head"] is not None
    for row in rows:
        if row is base:
            assert row["pckh_diff"] is None
            continue
        ends = np.percentile(draws[row["cell"]] - draws[base["cell"]], [2.5, 97.5])
        assert row["pckh_diff"] == pytest.approx(row["pckh"] - base["pckh"])
        assert (row["pckh_diff_low"], row["pckh_diff_high"]) == pytest.approx(tuple(ends))
    print_results(rows, Console(width=80))
    table = capsys.readouterr().out
    page = (mpii / "report.html").read_text()
    for row in rows:
        assert f"{row['pckh']:.2f} ({row['pckh_ci_low']:.2f}, {row['pckh_ci_high']:.2f})" in table
        assert f"{row['pckh_ci_low']:.2f} to {row['pckh_ci_high']:.2f}" in page
        if row is not base:
            assert f"{row['pckh_diff']:+.2f} ({row['pckh_diff_low']:+.2f}, {row['pckh_diff_high']:+.2f})" in table
    assert max(map(len, table.splitlines())) <= 80


def test_mpii_masks_are_compared_at_equal_gflopst(mpii):
    points = read_iso_flops(mpii / "equal_gflopst.csv")
    assert points and {point.metric.column for point in points} == {"pckh"}
    assert {standing.mask for point in points for standing in point.standings} == {"random", "semantic"}
    assert "At equal GFLOPsT" in (mpii / "report.html").read_text()


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
    # A scorer for tokens of another width, so that evaluating the weights under that mask must fail.
    tensors = {name: tensor.contiguous() for name, tensor in read_weights(base_weights).tensors.items()}
    tensors |= {"transformer.mask.linear.weight": torch.zeros(1, 5), "transformer.mask.linear.bias": torch.zeros(1)}
    base_weights = tmp_path / "weights.safetensors"
    save_file(tensors, base_weights)
    given = {"models": "tmpose_tiny", "weights": [str(base_weights)]}
    spec = parse(given | {"data": people, "masks": "scorer", "ratios": 0.5})
    outcome = execute(parse({**vars(spec), "latency": False, "out": tmp_path / "out"}))
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


def test_the_pages_words_about_time_follow_the_intervals_in_the_file(whole):
    rows, page = rows_of(whole), (whole / "report.html").read_text()
    for size in (1, 2):
        masked, unmasked = rows["random", 0.5, size], rows["none", 0.0, size]
        table = page.split(f"Saving against the unmasked tmpose_tiny, batch size {size}, cpu")[-1].split("</table>")[0]
        for part, place in (("latency_transformer", 2), ("latency", 4)):
            cell = re.findall(r"<td.*?>(.*?)</td>", table)[place]
            low, high = (round(1 - float(masked[f"{part}_vs_unmasked_{end}"]), 3) for end in ("high", "low"))
            if "true" in (masked[f"{part}_unstable"], unmasked[f"{part}_unstable"]):
                assert cell == "unstable timing"
            elif low > 0:
                assert cell.startswith("saves ")
            else:
                assert cell.endswith(" slower") if high < 0 else cell.startswith("no saving shown")


def test_the_margin_is_recorded_and_a_new_one_runs_nothing_again(whole, people, tmp_path):
    assert {row["loss_margin"] for row in rows_of(whole).values()} == {"0.01"}
    folder = shutil.copytree(whole, tmp_path / "copy")
    before = identities(folder)
    options = OPTIONS | {"data": people, "batch_sizes": "1,2", "samples": 8, "margin": "0.03"}
    run_sweep(parse(options), out=folder)
    assert identities(folder) == before
    assert {row["loss_margin"] for row in rows_of(folder).values()} == {"0.03"}
    assert "The margin is 0.03 of the metric" in (folder / "report.html").read_text()
