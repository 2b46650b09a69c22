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


def test_counts_follow_shares_and_locations():
    (one,) = rows("flops", "--model", "tmpose_tiny", "--mask", "prune", "--keep", "0.5", "--at", "0,2")
    assert (one["mask"], one["tokens_kept"], float(one["mask_ratio"])) == ("prune", "12", 0.75)
    (late,) = rows("flops", "--model", "tmpose_tiny", "--mask", "prune", "--keep", "0.5", "--at", "2,3")
    assert late["tokens_kept"] == "12" and int(late["macs"]) > int(one["macs"])
    (merged,) = rows("flops", "--model", "tmpose_tiny", "--mask", "tome", "--merge", "6")
    assert merged["tokens_kept"] == str(48 - 4 * 6)


def test_executions_stand_side_by_side_with_what_would_be_needed():
    dense, gather = rows("flops", "--model", "sparse_tokenpose_tiny", "--keep", "0.3", "--execution", "dense,gather")
    assert (dense["execution"], gather["execution"]) == ("dense", "gather")
    assert dense["macs_needed"] == gather["macs_needed"]
    assert int(dense["macs"]) > int(gather["macs"]) > int(gather["macs_needed"])


def test_a_profile_has_the_unmasked_model_and_every_execution_once():
    options = ("--execution", "dense,gather", "--samples", 10, "--seconds", 2, "--no-memory", "--threads", 1)
    found = rows("profile", "--model", "sparse_tokenpose_tiny", *options)
    assert [(row["mask"], row["execution"]) for row in found] == [
        ("none", "dense"), ("sparse", "dense"), ("sparse", "gather")
    ]  # fmt: skip
    assert all(float(row["latency_ms_median"]) > 0 for row in found)


@pytest.mark.parametrize(
    ("options", "saying"),
    [
        (("--mask", "prune", "--keep", "0.5,abc"), "--keep"),
        (("--mask", "tome", "--keep", "0.5"), "belongs to 'prune' and 'sparse'"),
        (("--mask", "prune", "--keep", "0.5", "--at", "1,9"), "blocks from 0 to 3"),
        (("--mask", "tome", "--merge", "1.5"), "--merge"),
        (("--mask", "prune", "--keep", "0.5", "--save", "never.json"), "--save"),
        (("--mask", "none", "--joint-mask", "skeleton"), "no joint blocks"),
        (("--mask", "random", "--ratios", "0.4", "--execution", "foo"), "dense, gather"),
        (("--mask", "tome", "--ratios", "0.4", "--execution", "gather"), "belongs to the mask 'sparse'"),
        (("--mask", "random", "--ratios", "0.4", "--at", "1"), "before the first block"),
        (("--mask", "random", "--ratios", "0.4", "--keep", "0.7"), "belongs to 'prune' and 'sparse'"),
        (("--mask", "prune", "--keep", ""), "--keep is empty"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(options, saying):
    result = posebench("flops", "--model", "tmpose_tiny", *options)
    assert result.returncode == 2 and "Traceback" not in result.stderr
    assert saying in result.stderr.strip().splitlines()[-1]


def test_a_model_trained_with_reduction_options_is_evaluated_with_them(tmp_path):
    options = ("--model", "tmpose_tiny", "--mask", "prune", "--keep", "0.6", "--at", "0,1")
    data = tmp_path / "people"
    assert posebench("data", "synth", "--out", data, "--train", 16, "--val", 8).returncode == 0
    train = ("train", *options, "--data", data, "--epochs", 1, "--evaluate-every", 0, "--out", tmp_path / "run")
    result = posebench(*train)
    assert result.returncode == 0, result.stderr
    weights = tmp_path / "run" / "last.pt"
    result = posebench("eval", *options, "--data", data, "--weights", weights, "--format", "json")
    assert result.returncode == 0, result.stderr
    (row,) = json.loads(result.stdout)
    assert (row["mask"], row["mask_ratio"], row["eval_people"]) == ("prune", 0.64, 8)
