"""`choose` and `compare` for people and programs: their exit codes, their JSON, and what is refused."""

import json

import pytest
from invented_rows import sweep_rows

from posebench.reports.analysis.results import read_results, write_results

ROW = dict(schema_version=1, status="ok", model="tmpose_tiny", dataset="coco", eval_people=500, training="finetune")


@pytest.fixture
def run(tmp_path):
    """An unmasked model of AP 0.65, and tome that loses 0.004 (0.001 to 0.007) for 20 % less GFLOPsT."""
    loss = dict(ap_diff=-0.004, ap_diff_low=-0.007, ap_diff_high=-0.001)
    whole = ROW | dict(cell="a", mask="none", mask_ratio=0.0, seed=0, ap=0.65, ap_ci_low=0.63, ap_ci_high=0.67)
    cut = ROW | dict(cell="b", mask="tome", mask_ratio=0.4, seed=0, ap=0.646, ap_ci_low=0.63, ap_ci_high=0.67)
    write_results(tmp_path / "run" / "results.csv", [whole | {"gflops_t": 0.03}, cut | loss | {"gflops_t": 0.024}])
    return tmp_path / "run"


def test_choose_answers_with_0_and_says_with_1_that_nothing_qualifies(posebench, run):
    code, out, _ = posebench("choose", run, "--max-ap-loss", 0.01)
    assert code == 0 and "tome at ratio 0.4 saves the most GFLOPsT" in out and "chosen" in out
    code, out, _ = posebench("choose", run / "results.csv", "--max-ap-loss", 0.005)
    assert code == 1 and out.startswith("Nothing qualifies") and "people instead of 500 would settle it" in out


def test_choose_gives_programs_all_of_it(posebench, run):
    code, out, _ = posebench("choose", run, "--max-ap-loss", 0.01, "--min-saving", "gflops_t:15%", "--json")
    (answer,) = json.loads(out)
    assert code == 0 and answer["chosen"]["mask"] == "tome" and answer["min_savings"] == {"gflops_t": 0.15}
    assert answer["chosen"]["loss"] == {"value": 0.004, "low": 0.001, "high": 0.007}
    assert answer["tested_together"] == 1 and 0 <= answer["chosen"]["front_share"] <= 1


def test_choose_by_energy_takes_its_interval_and_says_where_none_was_measured(posebench, run):
    code, out, _ = posebench("choose", run, "--max-ap-loss", 0.01, "--by", "energy")
    assert code == 1 and "energy: not measured" in out
    rows = read_results(run / "results.csv").assign(batch_size=1).to_dict("records")
    rows[1] |= dict(joules_vs_unmasked=0.8, joules_vs_unmasked_low=0.75, joules_vs_unmasked_high=0.9)
    write_results(run / "results.csv", rows)
    code, out, _ = posebench("choose", run, "--max-ap-loss", 0.01, "--by", "energy", "--json")
    (answer,) = json.loads(out)
    plain = answer["answer"].replace("\N{NO-BREAK SPACE}", " ")
    assert code == 0 and "the most energy at batch size 1: 20.0 % (10 to 25 %), with AP" in plain
    assert posebench("choose", run, "--max-ap-loss", 0.01, "--by", "energy", "--min-saving", "energy:15%")[0] == 1


def test_choose_takes_the_seeds_of_several_sweeps_together(posebench, run, tmp_path):
    text = (run / "results.csv").read_text()
    head, *lines = text.splitlines()
    place = head.split(",").index("seed")
    moved = [line.split(",") for line in lines]
    for cells in moved:
        cells[0:2] = [cells[0], f"{cells[1]}1"]
        cells[place] = "1"
    other = tmp_path / "other.csv"
    other.write_text("\n".join([head, *(",".join(cells) for cells in moved)]) + "\n")
    code, out, _ = posebench("choose", run, other, "--max-ap-loss", 0.01, "--json")
    (answer,) = json.loads(out)
    assert code == 0 and answer["chosen"]["seeds"] == 2 and "another training may differ" not in answer["answer"]


def test_choose_says_whose_times_it_leaves_out(posebench, tmp_path):
    for machine, masks in (("here", ("semantic",)), ("there", ("random",))):
        rows = sweep_rows(masks, (0.4,), (0,), timed_on=machine, device_name=None)
        write_results(tmp_path / machine / "results.csv", rows if machine == "here" else rows[1:])
    code, out, _ = posebench("choose", tmp_path / "here", tmp_path / "there", "--by", "time", "--max-ap-loss", 0.1)
    assert code == 0 and "semantic at ratio 0.4 saves the most time" in out
    assert "times are those of here; those of 1 row that were timed elsewhere (there) are compared with nothing" in out


@pytest.mark.parametrize(
    ("options", "words"),
    [(["--max-ap-loss", "0"], "give a loss above 0"), (["--by", "money"], "nothing that can be saved"),
     (["--min-saving", "latency"], "such as latency:20%"), (["--min-saving", "latency:120%"], "such as latency:20%"),
     (["--min-saving", "latency:20%,time:10%"], "names time twice"),
     (["--batch-size", "3"], "measured were none"), (["--runtime", "openvino"], "measured were eager")],
)  # fmt: skip
def test_choose_refuses_in_one_line(posebench, run, options, words):
    code, _, error = posebench("choose", run, *options)
    assert code == 2 and words in error and error.count("\n") == 1


def test_compare_exits_with_0_whatever_moved(posebench, run, tmp_path):
    text = (run / "results.csv").read_text()
    moved = tmp_path / "moved.csv"
    moved.write_text(text.replace("0.646", "0.546").replace("0.024", "0.025"))
    code, out, _ = posebench("compare", run, moved)
    assert code == 0 and "tmpose_tiny tome 0.4 fell, -0.100" in out
    code, out, _ = posebench("compare", run, moved, "--json")
    content = json.loads(out)
    assert code == 0 and content["same_place"] and len(content["matches"]) == 2
    assert any("GFLOPsT 0.024 to 0.025" in sentence for sentence in content["sentences"])
    code, _, error = posebench("compare", run, tmp_path)
    assert code == 2 and "results.csv: no such file" in error


def test_a_narrow_terminal_loses_no_word_of_why_nothing_qualifies(posebench, run):
    out = posebench("choose", run, "--max-ap-loss", 0.005, "--min-saving", "latency:20%")[1]
    assert "…" not in out and {"time:", "measured", "(-0.007", "-0.001)"} <= set(out.split())


def test_a_plot_of_a_results_file_alone_goes_into_a_folder_beside_it(posebench, run):
    assert posebench("plot", run / "results.csv")[0] == 0
    assert sorted(path.name for path in (run / "plots").iterdir()) == [
        "ap_vs_gflops_t.pdf", "ap_vs_gflops_t.png", "ap_vs_gflops_t.svg", "ap_vs_gflops_t.txt",
    ]  # fmt: skip
    code, _, error = posebench("plot", run)
    assert code == 2 and "ap_vs_gflops_t.svg: exists already" in error
