"""Each rule at its line: a hand's breadth before it the one word, behind it the other."""

import math

import pytest
from scipy import stats

from posebench.reports.analysis.intervals import Estimate
from posebench.reports.analysis.results import Spread
from posebench.reports.analysis.subject import PartLatency
from posebench.reports.analysis.verdicts import (
    against_count,
    clear_best,
    few_samples,
    it_paid,
    measured_saving,
    outside_spread,
    saving_words,
    silence,
    time_claim,
)


def around(value, below, above, df=math.inf):
    return Estimate(value, value - below, value + above, df)


@pytest.mark.parametrize("df", [math.inf, 4])
@pytest.mark.parametrize("others", [1, 2, 5])
def test_the_best_is_as_far_from_the_next_as_bonferroni_asks(others, df):
    # what counts is the best one's lower and the other's upper half: 0.3 and 0.4 make 0.5
    pairs = (others + 1) * others / 2
    needed = 0.5 * stats.t.ppf(1 - 0.025 / pairs, df) / stats.t.ppf(0.975, df)
    for distance, best in ((needed - 0.001, None), (needed + 0.001, others)):
        rest = [around(1.0, 9.0, 0.4, df)] * others
        assert clear_best([*rest, around(1.0 + distance, 0.3, 9.0)]) == best


def test_there_is_no_best_of_one_nor_where_an_interval_is_missing_nor_of_equal_counts():
    one = around(2.0, 0.0, 0.0)
    assert clear_best([one]) is None and clear_best([one, None]) is None and clear_best([one, one]) is None
    assert clear_best([around(1.0, 0.0, 0.0), one]) == 1


def test_an_execution_paid_where_the_intervals_do_not_meet():
    before = (0.2, 0.3)
    found = [it_paid(now, before) for now in ((0.31, 0.4), (0.3, 0.4), (0.1, 0.2), (0.1, 0.19))]
    assert found == [True, None, None, False]


def test_spreads_over_seeds_that_touch_overlap():
    one = Spread(1.0, 0.25, 0.0, 2.0, 3)
    for mean, outside in ((1.75, False), (1.76, True), (0.25, False), (0.24, True)):
        assert outside_spread(one, Spread(mean, 0.5, 0.0, 2.0, 3)) is outside
    alone = Spread(9.0, None, 9.0, 9.0, 1)
    assert outside_spread(one, alone) is None and outside_spread(alone, one) is None


def latency(ratio=None, unstable=False, samples=None):
    return PartLatency(Spread(1.0, None, 1.0, 1.0, 1), None, unstable, ratio, samples)


def test_a_saving_is_what_the_ratio_leaves_of_one_with_its_ends_as_shown():
    now = latency(Estimate(0.7, 0.65432, 0.76543))
    assert measured_saving(now, latency()) == (0.235, 0.346)
    shaky = latency(now.ratio, unstable=True)
    for pair in ((None, latency()), (now, None), (latency(), latency()), (shaky, latency()), (now, shaky)):
        assert measured_saving(*pair) is None
    assert silence(shaky, None) == silence(None, shaky) == "unstable timing" and silence(None, now) == "no interval"


def test_samples_are_few_below_thirty():
    assert few_samples(latency(samples=30), None) == few_samples(latency(), None) == ""
    assert few_samples(latency(samples=40), latency(samples=29)) == " (29 samples are few)"
    assert few_samples(latency(samples=1)) == " (1 sample is few)"


def plain(words):
    return words.replace("\N{NO-BREAK SPACE}", " ")


def test_a_saving_an_open_one_and_a_loss_of_time_in_words():
    assert plain(saving_words((0.12, 0.15))) == "saves 12 to 15 %"
    assert saving_words((0.0, 0.15)) == saving_words((-0.1, 0.0)) == "no saving shown"
    assert plain(saving_words((-0.15, -0.12))) == "12 to 15 % slower"


def test_a_saving_is_as_counted_where_its_interval_holds_the_count_as_shown():
    assert [against_count((0.12, 0.15), counted) for counted in (0.1194, 0.1196, 0.1504, 0.1506)] == [
        "more than counted", "as counted", "as counted", "less than counted"
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("saved", "counted", "said"),
    [
        ((0.12, 0.15), None, "it saves 12 to 15 %"),
        ((0.12, 0.15), 0.421, "it saves 12 to 15 %, less than counted (42.1 %)"),
        ((0.12, 0.15), 0.0, "it saves 12 to 15 % although its count does not fall"),
        ((0.12, 0.15), -0.1, "it saves 12 to 15 % although its count rises by 10.0 %"),
        ((0.0, 0.15), None, "no saving shown for it (0 to 15 %)"),
        ((-0.15, 0.0), 0.2, "no saving shown for it (-15 to 0 %) although its count falls by 20.0 %"),
        ((-0.15, -0.12), 0.0004, "it is 12 to 15 % slower, and its count does not fall"),
        ((-0.15, -0.12), -0.1, "it is 12 to 15 % slower, and its count rises by 10.0 %"),
    ],
)
def test_the_clock_and_the_count_in_one_clause(saved, counted, said):
    assert plain(time_claim("it", saved, counted)) == said
