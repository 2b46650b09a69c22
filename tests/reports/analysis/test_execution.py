"""Reductions inside the network: executed beside needed, mean beside final ratio, both executions told apart."""

import pytest

from posebench.reports.analysis.comparison import compare
from posebench.reports.analysis.execution import DENSE_KERNEL, execution_sentences
from posebench.reports.analysis.headline import headline, lead_point
from posebench.reports.analysis.takeaway import takeaway
from posebench.reports.plots.two_counts import exact_vs_published
from posebench.reports.report import write_report
from posebench.reports.tables.subject_tables import latency_table, results_table, saving_table


def sparse_row(one_row, execution="dense", transformer_ms=2.0, **changes):
    """Cut connections: every token stays; executed as the unmasked model (dense) or nearly what is needed."""
    executed = 2.0 if execution == "dense" else 1.9
    row = dict(mask="sparse", cell=f"sparse {execution}", execution=execution, tokens_kept=48, ap=0.69,
               gflops_t=executed, gflops=executed + 2.0, gflops_t_needed=1.8, published_gflops_t=2.0,
               mask_ratio_mean=0.3, latency_transformer_ms_median=transformer_ms,
               latency_transformer_vs_unmasked=transformer_ms / 2.0,
               latency_transformer_vs_unmasked_low=transformer_ms / 2.0 - 0.05,
               latency_transformer_vs_unmasked_high=transformer_ms / 2.0 + 0.05)  # fmt: skip
    return {**one_row("random", 0.4), **row, **changes}


@pytest.fixture
def base(one_row):
    return one_row(gflops_t=2.0, gflops=4.0, published_gflops_t=2.0, mask_ratio_mean=0.0)


def column(table, label):
    """A column's cells by the name of the row: (text, aside)."""
    place = [head.label for head in table.heads].index(label)
    return {row.cells[0].text: (row.cells[place].text, row.cells[place].aside) for row in table.rows}


def labels(table):
    return [head.label for head in table.heads]


def test_executed_needed_and_published_stand_side_by_side_where_connections_are_cut(one_row, base):
    (subject,) = compare([base, one_row("random", 0.4, gflops_t=1.0), sparse_row(one_row)])
    table = results_table(subject)
    first = labels(table).index("executed GFLOPsT")
    assert labels(table)[first : first + 3] == ["executed GFLOPsT", "needed GFLOPsT", "published GFLOPsT"]
    assert column(table, "executed GFLOPsT")["sparse 0.4"] == ("2.0000", "")
    needed = column(table, "needed GFLOPsT")
    assert needed["sparse 0.4"] == ("1.8000", "-10.0 %")
    assert needed["unmasked"] == ("2.0000", "") and needed["random 0.4"] == ("1.0000", "-50.0 %")
    assert labels(latency_table(subject)) == ["mask, ratio", "transformer", "whole model", "peak memory"]


def test_a_model_that_cuts_its_own_connections_is_compared_with_what_it_needs_unmasked(one_row, base):
    (subject,) = compare([{**base, "gflops_t_needed": 1.6}, sparse_row(one_row, gflops_t_needed=1.2)])
    assert column(results_table(subject), "needed GFLOPsT")["sparse 0.4"] == ("1.2000", "-25.0 %")


def test_without_cut_connections_there_is_one_count_and_no_sentence(one_row, base):
    subjects = compare([base, one_row("random", 0.4, gflops_t=1.0)])
    assert "GFLOPsT" in labels(results_table(*subjects)) and "needed GFLOPsT" not in labels(results_table(*subjects))
    assert execution_sentences(subjects) == []


def test_the_mean_ratio_is_shown_only_where_tokens_go_inside_the_network(one_row, base):
    # 28 of 48 tokens are kept at 0.4: a mask's mean is 20 / 48, off the ratio by rounding alone
    mask = one_row("random", 0.4, mask_ratio_mean=20 / 48)
    assert "mean ratio" not in labels(results_table(*compare([base, mask])))
    inside = {**one_row("random", 0.4), "mask": "prune", "cell": "p", "mask_ratio_mean": 0.25}
    (subject,) = compare([base, mask, inside])
    assert subject.series["prune"][0].mean_ratio == 0.25
    shown = column(results_table(subject), "mean ratio")
    assert {name: text for name, (text, _) in shown.items()} == {
        "unmasked": "0.00",
        "random 0.4": "0.42",
        "prune 0.4": "0.25",
    }


def test_executions_are_series_of_their_own_against_the_same_baseline(one_row, base):
    (subject,) = compare([base, sparse_row(one_row), sparse_row(one_row, "gather", 1.0), one_row("random", 0.4)])
    assert list(subject.series) == ["sparse, dense", "sparse, gather", "random"]
    assert [points[0].timings[1].transformer.median.mean for points in subject.series.values()][:2] == [2.0, 1.0]
    (alone,) = compare([base, sparse_row(one_row)])
    assert list(alone.series) == ["sparse"] and alone.label == "tmpose_tiny"


@pytest.mark.parametrize(
    ("milliseconds", "words"),
    [
        (1.5, "1.50 ms against 2.00 ms, and saves 20 to 30 % of the unmasked time against -5 to 5 %: it paid."),
        (
            3.0,
            "3.00 ms against 2.00 ms, and saves -55 to -45 % of the unmasked time against -5 to 5 %: it did not pay.",
        ),
        (1.95, "the intervals meet, so it is not shown to pay."),
    ],
)
def test_whether_leaving_connections_out_paid_is_read_from_the_clock(one_row, base, milliseconds, words):
    subjects = compare([base, sparse_row(one_row), sparse_row(one_row, "gather", milliseconds)])
    kernel, paid = execution_sentences(subjects)
    assert kernel == DENSE_KERNEL
    assert "tmpose_tiny, sparse at ratio 0.4: at batch size 1 the transformer takes" in paid
    assert paid.replace("\N{NO-BREAK SPACE}", " ").endswith(words)


def test_an_execution_in_parentheses_is_one_of_the_same_mask(one_row, base):
    gather = sparse_row(one_row, "gather", 1.5, mask="sparse(execution=gather)")
    (subject,) = subjects = compare([base, sparse_row(one_row), gather])
    assert list(subject.series) == ["sparse", "sparse(execution=gather)"]
    _, paid = execution_sentences(subjects)
    assert "tmpose_tiny, sparse at ratio 0.4" in paid and paid.endswith("it paid.")


def test_an_unstable_timing_decides_nothing(one_row, base):
    gather = sparse_row(one_row, "gather", 1.0, latency_transformer_unstable=True)
    _, sentence = execution_sentences(compare([base, sparse_row(one_row), gather]))
    assert "no verdict (unstable timing)" in sentence and "paid" not in sentence and "1.00 ms" not in sentence


def test_one_execution_alone_is_not_judged(one_row, base):
    assert execution_sentences(compare([base, sparse_row(one_row)])) == [DENSE_KERNEL]


def test_the_headline_tells_a_cut_of_tokens_before_one_of_connections(one_row, base):
    rows = [base, one_row("random", 0.4, gflops_t=1.0, gflops=3.0, ap=0.5), sparse_row(one_row)]
    (subject,) = compare(rows)
    text = " ".join(headline(subject)).replace("\N{NO-BREAK SPACE}", " ")
    assert lead_point(subject).mask == "random"
    assert "The other masks at that ratio: sparse 0.690 (with 100.0 % more GFLOPsT)." in text
    (alone,) = compare([base, sparse_row(one_row)])
    assert headline(alone)[0].startswith("Cutting connections (sparse) in tmpose_tiny at ratio 0.4 removes 0.0")


def test_a_cut_that_saves_nothing_is_not_the_deepest_with_a_negligible_loss(one_row, base):
    fine, bad = (
        {"ap_diff": low + 0.0025, "ap_diff_low": low, "ap_diff_high": low + 0.005} for low in (-0.004, -0.09)
    )
    (subject,) = compare([base, one_row("random", 0.4, gflops_t=1.0, **bad), sparse_row(one_row, **fine)])
    text = takeaway(subject)
    assert "No cut is shown to cost less than 0.01 AP" in text and "the mildest, random at ratio 0.4, has" in text
    (alone,) = compare([base, sparse_row(one_row, **fine)])
    assert takeaway(alone).startswith("The deepest cut shown to cost less than 0.01 AP") and "sparse" in takeaway(alone)


def test_the_page_says_what_a_dense_kernel_does(tmp_path, one_row, base):
    assert DENSE_KERNEL not in write_report(tmp_path, [base, one_row("random", 0.4)]).read_text()
    assert DENSE_KERNEL in write_report(tmp_path, [base, sparse_row(one_row)]).read_text()


def test_connections_are_not_shown_as_tokens_that_are_gone_nor_slower_as_nothing(one_row, base):
    (subject,) = compare([base, one_row("random", 0.4), sparse_row(one_row, transformer_ms=2.7)])
    kept = column(results_table(subject), "kept")
    assert kept["sparse 0.4"] == ("48", "cuts connections") and kept["random 0.4"] == ("28", "")
    saving = column(saving_table(subject, 1), "transformer")["sparse 0.4"]
    assert saving == ("30 to 40\N{NO-BREAK SPACE}% slower", "")
    figure, _ = exact_vs_published(subject)
    axis = figure.axes[0].get_xlabel().replace("\n", " ")
    assert axis == "mask ratio (fraction of the visual tokens; sparse: of connections)"
