"""A sweep's rows: every measured number finds its column, and each cell finds the timing of what it executes."""

import dataclasses
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
from finished_sweeps import evidence
from small_sweeps import base, from_scratch, grid, unmasked

from posebench.benchmark.profiling.config import RunConfig
from posebench.pose.errors import InputError
from posebench.pose.evaluation.bootstrap import PairedDifference, paired_bootstrap
from posebench.reports.analysis.results import read_results, records_of, write_results
from posebench.row import PartTiming, flat
from posebench.sweeps.cell_result import CellResult, write_cell_result
from posebench.sweeps.origins import timings_in
from posebench.sweeps.request import SweepRequest
from posebench.sweeps.results import assemble_rows, paired_differences
from posebench.sweeps.store import SweepStore, memory_file, run_file, write_json
from posebench.sweeps.timing import runs_evaluated

RATIOS = (0.4, 0.4 + 1e-9)


def timing_of(number):
    """Columns in which no two numbers are the same, with more samples than any percentile needs."""
    names = [field.name for field in dataclasses.fields(PartTiming)]
    values = {name: 100.0 * number + place for place, name in enumerate(names)}
    values |= {"samples": 700 + number, "ms_samples": [1.0, 2.0]}
    values |= {"unstable": True, "contended": False, "launch_bound": True}
    part = {name: value if isinstance(value, bool | list) else value + 50 for name, value in values.items()}
    return flat("latency", PartTiming(**values)) | flat("latency_transformer", PartTiming(**part))


@pytest.fixture
def sweep(tmp_path):
    """A finished sweep's store and plan, and a timing for each cell."""
    request = SweepRequest(masks=("random",), ratios=RATIOS)
    cells = from_scratch(request, "mpii")
    store = SweepStore(tmp_path)
    for number, cell in enumerate(cells):
        counts = {"mask": cell.model.mask, "parts": {"head": 1}}
        accuracy = {"pckh": 80.0 + number, "pckh_hip": 90.0, "loss": 0.001}
        write_cell_result(store.cell_dir(cell.key), CellResult(counts, accuracy))
        write_json(memory_file(store.cell_dir(cell.key), 1), {"weights_mib": 2.5, "memory_method": "by hand"})
    data = SimpleNamespace(root=tmp_path, train_people=10, eval_people=5, boxes="gt")
    timings = {cell.timing_key: {"1": timing_of(number)} for number, cell in enumerate(cells)}
    return store, SimpleNamespace(request=request, cells=cells, data=data), timings


def test_every_number_of_a_timing_reaches_the_file_from_the_cells_own_timing(sweep, tmp_path):
    store, plan, timings = sweep
    write_results(tmp_path / "results.csv", assemble_rows(store, plan, timings, {}))
    rows = records_of(read_results(tmp_path / "results.csv"))
    assert len(rows) == len(timings) == 3, "ratios that are equal in six digits are two"
    for number, row in enumerate(rows):
        for name, value in timing_of(number).items():
            assert name not in row if name.endswith("_ms_samples") else row[name] == value, name
        assert (row["pckh_hip"], row["loss"], row["weights_mib"], row["memory_method"]) == (90.0, 0.001, 2.5, "by hand")


def test_the_paired_difference_stands_in_the_columns_of_the_data_sets_metric(sweep):
    store, plan, timings = sweep
    key = plan.cells[1].key
    base, row, other = assemble_rows(store, plan, timings, {key: PairedDifference(1.0, -0.5, 2.5)})
    assert [row[f"pckh_diff{end}"] for end in ("", "_low", "_high")] == [1.0, -0.5, 2.5] and row["pckh"] == 81.0
    assert base["pckh_diff"] is other["pckh_diff"] is row["ap_diff"] is None


@pytest.mark.parametrize("differs", ["threads", "base model"])
def test_a_masked_cell_is_paired_with_the_unmasked_one_that_it_belongs_to_or_with_none(tmp_path, differs):
    """Sweeps of two machines with other numbers of cores, for themselves or for their base models, that were merged."""
    store, request = SweepStore(tmp_path), SweepRequest(ratios=(0.4,))
    first = unmasked("finetune")
    alike = [(first, base()), (first, base(threads=8))]
    if differs == "threads":
        alike = [(first, base()), (replace(first, run=RunConfig(threads=3)), base())]
    cells = [cell for pair in alike for cell in grid(request, [pair])[0]]
    left = [evidence(number) for number in range(4)]
    for cell, content in zip(cells, left, strict=True):
        write_cell_result(store.cell_dir(cell.key), CellResult())
        np.savez(store.cell_dir(cell.key) / "evidence.npz", **content)
    wanted = {cells[n].key: paired_bootstrap(left[n], left[n - 1]) for n in (1, 3)}
    assert paired_differences(store, cells, request) == wanted and len(set(wanted.values())) == 2
    assert paired_differences(store, cells[1:3], request) == {}, "the first has none, the other is none"


@pytest.mark.parametrize("damaged", [[1], {"key": 1}, {"key": {"1": 2.5}}])
def test_times_that_are_none_are_told_with_their_file(tmp_path, damaged):
    write_json(tmp_path / "result.json", {"status": "ok", "timings": damaged})
    with pytest.raises(InputError, match=f"{tmp_path}/result.json: its times are damaged; delete it"):
        timings_in(tmp_path)


def test_a_measured_number_without_a_column_is_an_error(sweep):
    store, plan, timings = sweep
    timings[plan.cells[2].timing_key]["1"]["latency_ms_p999"] = 1.0
    with pytest.raises(InputError, match="unknown column 'latency_ms_p999'"):
        assemble_rows(store, plan, timings, {})


def test_a_precision_that_could_not_be_evaluated_has_no_score_of_the_first(tmp_path):
    request = SweepRequest(masks=("random",), ratios=(0.4,), precisions=("float32", "bfloat16"))
    cells, store = from_scratch(request), SweepStore(tmp_path)
    scores = {"ap": 0.5, "ap_m": 0.4, "ap_l": 0.3, "ar_m": 0.2, "loss": 1.0}
    for cell in cells:
        (run,) = runs_evaluated(cell, request)
        found = CellResult({"mask": cell.model.mask}, scores | {"eval_people": 5, "eval_batch": 16})
        write_cell_result(store.cell_dir(cell.key), found)
        write_json(run_file(store.cell_dir(cell.key), run), {"status": "failed", "error": "it gives NaN"})
    data = SimpleNamespace(root=tmp_path, train_people=10, eval_people=5, boxes="gt")
    differences = {cells[1].key: PairedDifference(0.1, 0.0, 0.2)}
    rows = assemble_rows(store, SimpleNamespace(request=request, cells=cells, data=data), {}, differences)
    for row in rows:
        wanted = scores if row["dtype"] == "float32" else dict.fromkeys(scores)
        assert {name: row[name] for name in scores} == wanted and row["eval_batch"] == 16
    assert [row["ap_diff"] for row in rows] == [None, None, 0.1, None]
