"""The intervals hold what they claim, in simulations whose truth is known."""

import math

import numpy as np
import pytest
from scipy import stats

from posebench.reports.analysis.intervals import Estimate, SeedSpread, all_differences, combined, holm, over_seeds
from posebench.reports.analysis.verdicts import is_significant, move_verdicts, told_apart
from posebench.sweeps.equal import Accuracy, Point, at_gflops_t

ROUNDS = 2000
#: as measured on the embedded data: spread of a training, and the standard error over 1000 people of a difference
TRAINING, PEOPLE = 0.003, 0.003


def covered(rounds, seeds, cells, people, rng):
    """The share of intervals of one cell's difference to the unmasked model that hold the truth, 0."""
    hits = 0
    for _ in range(rounds):
        unmasked = rng.normal(0, TRAINING, seeds)
        differences = rng.normal(0, TRAINING, (cells, seeds)) - unmasked
        differences += rng.normal(0, people, (cells, 1))  # the same people judge every seed
        spread = SeedSpread.pooled(differences.tolist())
        half = stats.norm.ppf(0.975) * people
        found = over_seeds([(d, d - half, d + half) for d in differences[0]], spread)
        hits += found.low <= 0 <= found.high
    return hits / rounds


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_an_interval_over_seeds_holds_people_and_trainings(seeds):
    rng = np.random.default_rng(seeds)
    for cells, people in ((3, PEOPLE), (9, PEOPLE), (3, 2 * PEOPLE)):
        assert 0.93 <= covered(ROUNDS, seeds, cells, people, rng) <= 0.97, (cells, people)


def test_one_seed_keeps_the_interval_of_its_people_and_more_seeds_narrow_it():
    one = over_seeds([(0.6, 0.58, 0.63)], SeedSpread.pooled([[0.6]]))
    assert one == Estimate(pytest.approx(0.6), pytest.approx(0.58), pytest.approx(0.63))
    two = over_seeds([(0.6, 0.58, 0.63), (0.7, 0.69, 0.72)], SeedSpread.pooled([[0.6], [0.7]]))
    assert two == Estimate(pytest.approx(0.65), pytest.approx(0.635), pytest.approx(0.675)), "no model has two"
    spread = SeedSpread(TRAINING**2, 4)
    widths = [combined(0.0, 0.001, spread, seeds).high for seeds in (1, 2, 5)]
    assert widths == sorted(widths, reverse=True)
    t = stats.t.ppf(0.975, 4)
    assert combined(0.0, 0.0, spread, 2).high == pytest.approx(t * TRAINING / math.sqrt(2)), "trainings alone"
    assert combined(0.0, 0.004, SeedSpread(0.0, 4), 2).high == pytest.approx(1.96 * 0.004, rel=1e-3), "people alone"


def test_a_doubt_is_at_its_level_where_the_interval_ends():
    for found in (Estimate(0.1, 0.04, 0.2), Estimate(0.1, 0.04, 0.2, df=3)):
        assert found.doubt_above(0.04) == pytest.approx(0.025) and found.doubt_below(0.2) == pytest.approx(0.025)
        assert found.doubt_above(0.1) == pytest.approx(0.5) and found.doubt_above(0.03) < 0.025


def test_what_has_no_width_is_on_its_side_of_a_line_or_in_full_doubt():
    exact = Estimate(1.0, 1.0, 1.0)
    assert [exact.doubt_above(line) for line in (0.9, 1.0, 1.1)] == [0.0, 1.0, 1.0]
    assert [exact.doubt_below(line) for line in (0.9, 1.0, 1.1)] == [1.0, 1.0, 0.0]


def test_what_all_models_of_a_seed_share_is_no_spread_between_them():
    # residuals from the means of rows (5, 7.5, 5.5), columns (1, 11) and all (6), by hand: 0, 0; -1.5, 1.5; 1.5, -1.5
    table = np.array([[0.0, 10.0], [1.0, 14.0], [2.0, 9.0]])
    assert SeedSpread.beside_each_other(table) == SeedSpread(pytest.approx(4 * 1.5**2 / 2), 2)
    assert SeedSpread.beside_each_other(table[:1]) == SeedSpread(0.0, 0), "of one alone nothing is known"
    seeds = np.array([100.0, -7.0])
    assert SeedSpread.beside_each_other(table + seeds).variance == pytest.approx(4 * 1.5**2 / 2)


def test_two_are_told_apart_beyond_the_interval_of_their_difference():
    # independent, half widths 0.05 each: that of the difference is 0.0707
    low = Estimate(1.0, 0.95, 1.05)
    for distance, apart in ((0.07, False), (0.072, True)):
        high = Estimate(1.0 + distance, 0.95 + distance, 1.05 + distance)
        assert told_apart(low, high) is apart and told_apart(high, low) is apart
    assert not told_apart(Estimate(1.0, 1.0, 1.0), Estimate(1.0, 1.0, 1.0))


def test_a_difference_whose_interval_ends_at_0_is_not_significant():
    assert [is_significant(*ends) for ends in ((-1, 0), (0, 1), (-1, -0.1), (0.1, 1))] == [False, False, True, True]


def test_a_move_is_judged_on_both_sides_and_among_all_that_are_compared():
    def change(z):
        return Estimate(z, z - 1.96, z + 1.96)

    assert move_verdicts([change(2.0)], [0.0]) == ["rose"], "two-sided p 0.046"
    assert move_verdicts([change(-2.0)], [0.0]) == ["fell"] and move_verdicts([change(1.9)], [0.0]) == ["within noise"]
    assert move_verdicts([change(2.0), change(0.5)], [0.0, 0.0]) == ["within noise"] * 2, "of two compared"


def test_holm_is_the_textbook():
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([0.03], 0.05) == [True] and holm([], 0.05) == []
    assert holm([0.01, 0.02, 0.04], 0.05) == [True, True, True], "the later the less is asked"


@pytest.mark.parametrize(("models", "seeds"), [(3, 2), (7, 2), (4, 1)])
def test_equal_models_are_told_apart_from_the_best_as_rarely_as_stated(models, seeds):
    rng, wrong, rounds, training = np.random.default_rng(models), 0, 600, 0.005
    for _ in range(rounds):
        people = rng.normal(0, PEOPLE, models)
        trained = people[:, None] + rng.normal(0, training if seeds > 1 else 0, (models, seeds))
        draws = trained.mean(axis=1)[:, None] + rng.normal(0, PEOPLE, (models, 400))
        # what the model's other cells tell of the spread: three ratios of each mask
        table = np.concatenate([trained, *(rng.normal(0, training, (models, seeds)) for _ in range(2))])
        _, apart = all_differences(
            trained.mean(axis=1), draws, SeedSpread.beside_each_other(table), seeds
        )  # one seed: equal up to people alone, which is all that it claims
        wrong += apart.any()
    assert wrong / rounds <= 0.08, "5 % of runs, and the chance of 600"


def test_an_interval_of_a_difference_is_as_wide_as_its_own_standard_error_asks():
    people = np.random.default_rng(5).normal(size=400)
    draws = np.array([people, people, people + np.linspace(-1, 1, 400)])  # the first two differ by trainings alone
    half, _ = all_differences(np.zeros(3), draws, SeedSpread(0.18, 2), seeds=2)
    between, beyond = 2 * 0.18 / 2, 2 * 0.18 / 2 + np.linspace(-1, 1, 400).var()
    assert half[0, 2] / half[0, 1] == pytest.approx(math.sqrt(beyond / between)) and half[1, 0] == half[0, 1]


@pytest.mark.parametrize("df", [6, 1000])
def test_differences_that_only_trainings_make_have_tukeys_width(df):
    half, _ = all_differences(np.zeros(7), np.zeros((7, 20000)), SeedSpread(0.5, df), seeds=2)
    assert half[0, 1:] == pytest.approx(0.5 * stats.studentized_range.ppf(0.95, 7, df), rel=0.03)


def test_a_true_difference_is_found():
    rng = np.random.default_rng(0)
    means = np.array([0.65, 0.649, 0.62])
    draws = means[:, None] + rng.normal(0, PEOPLE, (3, 1000))
    _, apart = all_differences(means, draws, SeedSpread(TRAINING**2, 12), 2)
    assert apart.tolist() == [[False, False, True], [False, False, True], [True, True, False]]


def test_two_methods_on_one_bent_curve_are_called_different_as_rarely_as_stated():
    """They were measured at other costs of the very same curve, and compared between them."""

    def truth(cost):
        return 0.66 - 0.25 * (1 - np.asarray(cost)) ** 2.5

    costs = {"a": np.array([1.0, 0.84, 0.68, 0.52]), "b": np.array([1.0, 0.9, 0.75, 0.6])}
    rng, rounds, seeds = np.random.default_rng(1), 400, 2
    wrong = 0
    for _ in range(rounds):
        curves, table = {}, []
        for name, own in costs.items():
            people = rng.normal(0, PEOPLE / math.sqrt(2), 4)[:, None]
            values = truth(own)[:, None] + people + rng.normal(0, TRAINING, (4, seeds))
            draws = values[..., None] + rng.normal(0, PEOPLE / math.sqrt(2), (4, 1, 300))
            places = zip(own, values, draws, strict=True)
            curves[name] = [Point(1 - cost, 1 - cost, cost, Accuracy(v, d)) for cost, v, d in places]
            table.append(values)
        points = [at_gflops_t(curves[name], 0.7) for name in costs]
        means = np.array([point.accuracy.values.mean() for point in points])
        spread = SeedSpread.beside_each_other(np.concatenate(table))
        draws = np.array([point.accuracy.draws.mean(axis=0) for point in points])
        wrong += all_differences(means, draws, spread, seeds)[1].any()
    assert wrong / rounds <= 0.08
