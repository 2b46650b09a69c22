"""results.csv holds everything that was measured, says what it means, and comes back as it was written."""

import csv
import math

import pandas as pd
import pytest

from posebench.pose.errors import InputError
from posebench.reports.analysis.results import once_per_cell, read_results, records_of, spread, to_frame, write_results
from posebench.row import BY_NAME, COLUMNS, NAMES, PartTiming, Row, flat, part_of

HOSTILE = 'x,"y"\r\n<script>alert(1)</script>\n=1+1 | {{ 7*7 }} [red] $a_b$ é漢 NA'


#: the columns of files that posebench wrote before the accuracy of every data set had its interval
OLDER = """
    schema_version cell status model dataset data_dir input_size mask mask_ratio tokens_total tokens_kept seed
    as_published positions training epochs train_people eval_people boxes flip_test params gflops gflops_t macs
    macs_transformer gflops_backbone gflops_patch_embedding gflops_mask_scoring gflops_blocks gflops_head
    published_gflops published_gflops_t ap ap_ci_low ap_ci_high ap50 ap75 ap_m ap_l ar pckh pckh_01 loss_final
    latency_ms_median latency_ms_iqr latency_ms_p90 latency_samples latency_unstable latency_transformer_ms_median
    latency_transformer_ms_iqr latency_transformer_unstable throughput_images_per_s peak_memory_mib peak_rss_mib
    train_seconds eval_seconds device device_name dtype batch_size threads amp torch_version python_version
    posebench_version git_revision git_dirty processor platform date_utc error ap_diff ap_diff_low ap_diff_high
""".split()
HEADER = ",".join(OLDER).encode() + b"\n"
EMPTY = b"," * (len(OLDER) - 1) + b"\n"
ROW_OF_INFINITY = ",".join("inf" if name == "ap" else "" for name in OLDER).encode() + b"\n"


def test_every_column_says_what_it_means_in_which_unit_and_over_what():
    assert all(column.description and column.scope and column.label for column in COLUMNS)
    assert len({column.header for column in COLUMNS}) == len(COLUMNS) == len(NAMES)
    assert {column.unit for column in COLUMNS if "_ms" in column.name} == {"ms"}
    assert {column.unit for column in COLUMNS if column.name.startswith("ap")} == {"0 to 1"}


def test_the_whole_model_and_its_transformer_are_timed_in_the_same_columns():
    whole, part = flat("latency", PartTiming()), flat("latency_transformer", PartTiming())
    assert [name.replace("latency", "latency_transformer", 1) for name in whole] == list(part)
    assert whole.keys() - set(NAMES) == {"latency_ms_samples"}, "raw times stay in the sweep's folder"
    timing = PartTiming(ms_p95=3.5, vs_unmasked_low=0.8)
    row = flat("latency_transformer", timing)
    assert (row["latency_transformer_ms_p95"], row["latency_transformer_vs_unmasked_low"]) == (3.5, 0.8)
    assert part_of({**row, "latency_ms_p95": 7.0}, "latency_transformer") == timing


def test_the_csv_has_every_column_in_order(tmp_path):
    write_results(tmp_path / "results.csv", [{"model": "m"}])
    with open(tmp_path / "results.csv", newline="") as file:
        header, row = csv.reader(file)
    assert header == list(NAMES) and set(OLDER) < set(header)
    assert row[0] == "1" and row[3] == "m" and set(row[4:]) == {""}


def test_a_file_of_an_earlier_posebench_is_read_and_what_it_lacks_is_missing(tmp_path):
    path = tmp_path / "results.csv"
    values = dict.fromkeys(OLDER, "") | {"schema_version": "1", "model": "m", "ap": "0.5", "ap_diff_low": "-0.25"}
    path.write_text(",".join(OLDER) + "\n" + ",".join(values.values()) + "\n")
    (row,) = records_of(read_results(path))
    assert (row["ap"], row["ap_diff_low"], row["latency_ms_p95"], row["pckh_ci_low"]) == (0.5, -0.25, None, None)


def test_every_value_comes_back_as_it_was_written(tmp_path, sweep_rows):
    path = tmp_path / "results.csv"
    rows = sweep_rows(batch_sizes=(1, 16))
    rows[1].update(model="NA", error=HOSTILE, status="failed", ap=0.1 + 0.2, macs=123_456_789_012_345_678)
    rows[2].update(latency_unstable=None, git_revision="0012e3")
    write_results(path, rows)
    back = records_of(read_results(path))
    for row, again in zip(rows, back, strict=True):
        assert all(again[name] == value and type(again[name]) is type(value) for name, value in row.items())
        assert all(value is None for name, value in again.items() if name not in row)
    pd.testing.assert_frame_equal(read_results(path), to_frame(rows))
    before = path.read_bytes()
    write_results(path, read_results(path))
    assert path.read_bytes() == before


def test_what_has_no_column_is_an_error_and_never_dropped(tmp_path):
    with pytest.raises(
        InputError, match=r"unknown column 'latency_transformer_p95'; did you mean .latency_trans.*_p95"
    ):
        write_results(tmp_path / "r.csv", [{"model": "m", "latency_transformer_p95": 1.0}])
    with pytest.raises(InputError, match="unknown column 'energy_j'"):
        Row.of({"model": "m", "energy_j": 2.0})
    assert not list(tmp_path.iterdir())
    (tmp_path / "r.csv").write_bytes(HEADER.replace(b"ar,", b"ar,mine,"))
    with pytest.raises(InputError, match=r"r\.csv: unknown column 'mine'"):
        read_results(tmp_path / "r.csv")


def test_a_row_is_its_columns_and_back():
    values = {"model": "m", "ap": 0.5, "ap_ci_high": 0.6, "pckh_diff": -1.0, "latency_contended": True, "amp": False}
    row = Row.of({**values, "latency_ms_samples": [1.0, 2.0], "parts": {"head": 1}})
    assert (row.ap.value, row.ap.ci_high, row.pckh.diff, row.latency.contended) == (0.5, 0.6, -1.0, True)
    assert row.latency.ms_samples == [1.0, 2.0] and row.latency_transformer == PartTiming()
    assert list(row.columns()) == list(NAMES)
    assert {name: value for name, value in row.columns().items() if value is not None} == values


def test_no_rows_are_still_a_results_file(tmp_path):
    write_results(tmp_path / "r.csv", [])
    assert list(read_results(tmp_path / "r.csv").columns) == list(NAMES)


def test_text_where_a_number_belongs_is_refused_before_anything_is_written(tmp_path):
    with pytest.raises(InputError, match="row 2, column ap: 'good' is not a number"):
        write_results(tmp_path / "r.csv", [{"ap": 0.5}, {"ap": "good"}])
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "no such file"),
        (b"", "column schema_version, cell, status and .* missing"),
        (b"\x89PNG\r\n\x1a\n\xff\xfe\x00", "not a readable CSV"),
        (b"a,b\n1,2\n", "missing"),
        (HEADER + b"1,2\n", "row 1 has 2 values"),
        (HEADER + b"2" + EMPTY, "results of version 2"),
        (HEADER.replace(b"ar,", b"mine,") + b"2" + EMPTY, "results of version 2"),
        (HEADER + b'1,"cut', "not a readable CSV"),
        (HEADER + b"1.5" + EMPTY, "schema_version: '1.5' is not a whole number"),
        (HEADER + b"inf" + EMPTY, "row 1, column schema_version: 'inf' is not"),
        (HEADER + ROW_OF_INFINITY, "row 1, column ap: 'inf' is not a number"),
        (HEADER + ROW_OF_INFINITY.replace(b"inf", b"1e308"), "row 1, column ap: '1e308' is not a number"),
        (HEADER + b"9" * 40 + EMPTY, "results of version 9999"),
    ],
)
def test_a_file_that_is_no_results_file_is_named_in_one_line(tmp_path, content, words):
    path = tmp_path / "results.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(InputError, match=words) as caught:
        read_results(path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_statistics_over_seeds_equal_hand_worked_ones():
    # mean 1.65 / 3; squared deviations 0.05^2, 0.01^2, 0.04^2 sum to 0.0042; 0.0042 / 2 = 0.0021
    seeds = spread([0.50, 0.56, None, 0.59])
    assert seeds.mean == pytest.approx(0.55, abs=1e-12)
    assert seeds.std == pytest.approx(math.sqrt(0.0021), abs=1e-12)
    assert (seeds.low, seeds.high, seeds.n) == (0.50, 0.59, 3)
    assert spread([0.7]).std is None
    assert spread([None, math.nan, ""]) is None


def test_a_cell_profiled_at_two_batch_sizes_counts_once(sweep_rows):
    once, twice = (records_of(to_frame(sweep_rows(batch_sizes=sizes))) for sizes in ((1,), (1, 16)))
    assert len(twice) == 2 * len(once)
    assert [row["cell"] for row in once_per_cell(twice)] == [row["cell"] for row in once]


def test_each_header_says_its_unit():
    assert BY_NAME["gflops_t"].header == "GFLOPsT (1e9 MAC)"
    assert BY_NAME["latency_ms_median"].header == "latency (ms)"
    assert BY_NAME["published_gflops_t"].header == "published GFLOPsT (published convention)"
