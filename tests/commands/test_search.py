"""`search` lists what meets an exact budget, and asks nothing of weights or data for it."""

import csv
import io

import pytest

from posebench.benchmark.counting.flops import flops_row


def test_every_choice_listed_is_within_the_budget_and_a_token_more_is_not(posebench):
    code, out, error = posebench(
        "search", "--budget", "gflops_t:0.021", "--mask", "prune,random,sparse", "--format", "csv"
    )
    rows = list(csv.DictReader(io.StringIO(out)))
    layers = [row["layers"] for row in rows if row["mask"].startswith("prune")]
    assert code == 0 and layers == ["0|1|2", "1|2|3", "0|1|2|3"], "its own, the quarters, and every block"
    assert "sparse never gets there" in error, "it cuts connections and no multiply-add"
    for row in rows:
        ratio = float(row["mask_ratio"])
        cost = {
            gone: flops_row("tmpose_tiny", mask=row["mask"], mask_ratio=gone)["gflops_t"]
            for gone in (ratio, ratio - 1 / 48)
        }
        assert cost[ratio] == float(row["gflops_t"]) <= 0.021 < cost[ratio - 1 / 48]
        shares = [float(share) for share in row["keep_ratios"].split("|")]
        kept = 48.0
        for share, left in zip(shares, map(int, row["kept"].split("|")), strict=True):
            kept *= share
            assert kept == pytest.approx(left, rel=0.01)


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--budget", "1"], "costs 0.0278515 already"), (["--budget", "latency:3"], "is not a budget"),
     (["--budget", "0.021", "--people", 9], "--people without --trials"),
     (["--budget", "0.021", "--trials", 3], "--trials needs --weights"),
     (["--budget", "0.021", "--mask", "none"], "--mask none: drops nothing")],
)  # fmt: skip
def test_search_refuses_in_one_line(posebench, options, words):
    code, _, error = posebench("search", *options)
    assert code == 2 and words in error and error.count("\n") == 1
