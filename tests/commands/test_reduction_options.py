"""A reduction's own parameters, through the real command line."""

import csv
import io
import json
import re
import subprocess
import sys

import pytest

from posebench.commands.model_options import MASKS
from posebench.pose.reductions import reduction_names


def posebench(*arguments):
    command = [sys.executable, "-m", "posebench", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300)


def rows(*arguments):
    result = posebench(*arguments, "--format", "csv")
    assert result.returncode == 0, result.stderr
    return list(csv.DictReader(io.StringIO(result.stdout)))


def test_the_help_names_every_mask():
    named = set(re.findall(r"\w+", MASKS))
    assert set(reduction_names()) - {"none"} <= named


def test_counts_follow_shares_and_layers():
    (one,) = rows("flops", "--model", "tmpose_tiny", "--mask", "prune(keep_ratio=0.5, layers=0|2)")
    assert (one["mask"], one["tokens_kept"], float(one["mask_ratio"])) == (
        "prune(keep_ratio=0.5, layers=0|2)", "12", 0.75,
    )  # fmt: skip
    late, merged = rows("flops", "--model", "tmpose_tiny", "--mask", "prune(keep_ratio=0.5,layers=2|3),tome(r=6)")
    assert late["tokens_kept"] == "12" and int(late["macs"]) > int(one["macs"])
    assert merged["tokens_kept"] == str(48 - 4 * 6)


def test_executions_stand_side_by_side_with_what_would_be_needed():
    both = "sparse(keep_ratio=0.3),sparse(keep_ratio=0.3, execution=gather)"
    dense, gather = rows("flops", "--model", "sparse_tokenpose_tiny", "--mask", both)
    assert (dense["execution"], gather["execution"]) == ("dense", "gather")
    assert dense["macs_needed"] == gather["macs_needed"]
    assert int(dense["macs"]) > int(gather["macs"]) > int(gather["macs_needed"])


def test_a_profile_has_the_unmasked_model_and_every_mask_once():
    both = ("--mask", "sparse,sparse(execution=gather)")
    options = (*both, "--samples", 10, "--seconds", 2, "--no-memory", "--threads", 1)
    found = rows("profile", "--model", "sparse_tokenpose_tiny", *options)
    assert [row["mask"] for row in found] == ["none", "sparse", "sparse(execution=gather)"]
    assert all(float(row["latency_ms_median"]) > 0 for row in found)


def test_a_saved_count_holds_the_parameters_of_its_mask(tmp_path):
    file = tmp_path / "counts.json"
    result = posebench("flops", "--model", "tmpose_tiny", "--mask", "prune(keep_ratio=0.5|0.7|0.9)", "--save", file)
    assert result.returncode == 0, result.stderr
    assert json.loads(file.read_text())["rows"][0]["mask"] == "prune(keep_ratio=0.5|0.7|0.9)"
    assert posebench("flops", "--check", file).returncode == 0


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        (("--mask", "prune(keep_ratio=0.5|abc)"), "keep_ratio '0.5|abc': give a number"),
        (("--mask", "tome(keep_ratio=0.5)"), "no parameter 'keep_ratio': it takes layers, r"),
        (("--mask", "prune(keep_ratio=0.5, layers=1|9)"), "blocks from 0 to 3"),
        (("--mask", "tome(r=1.5)"), "whole numbers"),
        (("--mask", "none", "--joint-mask", "skeleton"), "no joint blocks"),
        (("--mask", "sparse(execution=foo)", "--ratios", "0.4"), "dense, gather"),
        (("--mask", "semantic(layers=1)", "--ratios", "0.4"), "no parameter 'layers'"),
        (("--mask", "prune(keep_ratio=)"), "is not param=value"),
        (("--mask", ""), "--mask is empty"),
        (("--mask", "nowhere.to:find", "--ratios", "0.4"), "cannot import nowhere.to"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(options, saying):
    result = posebench("flops", "--model", "tmpose_tiny", *options)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert saying in result.stderr.strip().splitlines()[-1]


def test_a_model_trained_with_reduction_options_is_evaluated_with_them(tmp_path):
    options = ("--model", "tmpose_tiny", "--mask", "prune(keep_ratio=0.6, layers=0|1)")
    data = tmp_path / "people"
    assert posebench("data", "synth", "--out", data, "--train", 16, "--val", 8).returncode == 0
    train = ("train", *options, "--data", data, "--epochs", 1, "--evaluate-every", 0, "--out", tmp_path / "run")
    result = posebench(*train)
    assert result.returncode == 0, result.stderr
    weights = tmp_path / "run" / "last.pt"
    result = posebench("eval", *options, "--data", data, "--weights", weights, "--format", "json")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert (row["mask"], row["mask_ratio"], row["eval_people"]) == ("prune(keep_ratio=0.6, layers=0|1)", 0.64, 8)
