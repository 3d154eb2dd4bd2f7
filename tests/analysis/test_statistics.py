"""Statistics against scipy and naive loops, and the promises that their docstrings make."""

from functools import partial

import numpy as np
import pytest
from methods.learning_curves import PowerLaw, examples_to_target, fit_power_law, pseudo_values
from scipy import stats

from evovae.analysis.statistics import (
    best_so_far,
    evaluations_to_target,
    mean_interval,
    median_interval,
    probability_of_improvement,
    share_interval,
)
from evovae.base import InputError


@pytest.fixture
def generator() -> np.random.Generator:
    """A fresh stream for each test."""
    return np.random.default_rng(7)


def covered(find, truth, draw, replicates, samples=20_000):
    """Share of the samples whose interval covers the truth."""
    _, low, high = find(draw(size=(replicates, samples)))
    return np.mean((low <= truth) & (truth <= high))


@pytest.mark.parametrize("replicates", [2, 3, 5, 10, 20])
def test_the_interval_of_the_mean_covers_as_often_as_it_says_however_few_replicates_there_are(generator, replicates):
    # 20,000 samples of 95% have a standard error of 0.15%. The percentile bootstrap covers 49, 73, 83, 90 and 92%.
    found = covered(mean_interval, 2.0, partial(generator.normal, 2.0), replicates)
    assert found == pytest.approx(0.95, abs=0.005)


@pytest.mark.parametrize("replicates", [3, 5, 10, 20])
def test_the_interval_of_the_mean_covers_about_as_often_where_tails_are_heavy_or_replicates_skewed(
    generator, replicates
):
    assert 0.94 <= covered(mean_interval, 0.0, partial(generator.standard_t, 3), replicates) <= 0.98
    assert 0.87 <= covered(mean_interval, 1.0, generator.exponential, replicates) <= 0.93


@pytest.mark.parametrize("replicates", [2, 3, 8])
def test_the_interval_of_the_mean_is_scipys(generator, replicates):
    values = generator.normal(size=replicates)
    theirs = stats.ttest_1samp(values, 0.0).confidence_interval(0.9)
    assert mean_interval(values, 0.9) == pytest.approx((values.mean(), theirs.low, theirs.high))


def test_two_replicates_lie_six_of_their_distances_within_their_interval():
    assert mean_interval([1.0, 2.0]) == pytest.approx((1.5, 1.5 - 6.353, 1.5 + 6.353), abs=1e-3)


@pytest.mark.parametrize("find", [mean_interval, median_interval])
def test_intervals_shift_and_scale_with_the_values(generator, find):
    values = generator.normal(size=(10, 6))
    for plain, moved in zip(find(values), find(4 * values + 3), strict=True):
        np.testing.assert_allclose(moved, 4 * plain + 3)


def test_one_replicate_has_a_mean_and_no_interval():
    for values in (2.5, [1.0, 2.0]):
        estimate, low, high = mean_interval([values])
        np.testing.assert_array_equal(estimate, values)
        assert np.isnan([low, high]).all()


@pytest.mark.parametrize(("worst", "mean"), [(np.inf, np.inf), (-np.inf, -np.inf), (np.nan, np.nan)])
def test_a_replicate_that_is_not_finite_leaves_no_interval_in_its_own_column(worst, mean):
    values = np.arange(16.0).reshape(8, 2)
    values[3, 0] = worst
    estimate, low, high = mean_interval(values)
    np.testing.assert_array_equal(estimate, [mean, 8.0])
    np.testing.assert_array_equal(np.isnan([low, high]), [[True, False]] * 2)


@pytest.mark.parametrize("find", [mean_interval, median_interval, lambda values: share_interval(values > 0)])
def test_shapes_are_those_of_the_values_without_the_replicates(generator, find):
    interval = find(generator.normal(size=(6, 3, 2)))
    assert [np.shape(part) for part in interval] == [(3, 2)] * 3
    assert all(isinstance(part, float) for part in find(generator.normal(size=6)))


@pytest.mark.parametrize("find", [mean_interval, median_interval, share_interval])
@pytest.mark.parametrize("values", [3.0, [], np.empty((0, 4))])
def test_an_interval_of_no_replicates_is_refused(find, values):
    with pytest.raises(InputError, match="at least one replicate"):
        find(values)


@pytest.mark.parametrize("find", [mean_interval, median_interval, share_interval])
@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_outside_zero_and_one_is_refused(find, confidence):
    with pytest.raises(InputError, match=f"confidence {confidence}"):
        find([1.0, 0.0], confidence=confidence)


@pytest.mark.parametrize("replicates", [6, 7, 20, 101])
def test_the_interval_of_the_median_is_scipys(generator, replicates):
    values = generator.exponential(size=(replicates, 3))
    for column, *found in zip(values.T, *median_interval(values), strict=True):
        theirs = stats.quantile_test(column, p=0.5).confidence_interval(0.95)
        assert found == [np.median(column), theirs.low, theirs.high]


@pytest.mark.parametrize(("replicates", "least"), [(2, 0.5), (5, 0.9375), (6, 0.95), (20, 0.95)])
def test_the_interval_of_the_median_covers_whatever_the_distribution_and_few_have_their_range(
    generator, replicates, least
):
    assert covered(median_interval, np.log(2), generator.exponential, replicates) >= least - 0.01
    values = generator.normal(size=replicates)
    if replicates < 6:
        assert median_interval(values)[1:] == (values.min(), values.max())


@pytest.mark.parametrize("replicates", [2, 8, 40])
def test_a_nan_replicate_leaves_neither_a_median_nor_its_interval(replicates):
    values = np.arange(2.0 * replicates).reshape(replicates, 2)
    values[0, 0] = np.nan
    for found in median_interval(values):
        assert np.isnan(found).tolist() == [True, False]


def test_infinite_evaluations_to_target_have_their_place_in_the_order():
    assert median_interval([100.0, 200.0, np.inf, np.inf, np.inf]) == (np.inf, 100.0, np.inf)
    assert median_interval([100.0] * 8 + [np.inf]) == (100.0, 100.0, 100.0)
    assert np.isnan(median_interval([1.0, np.nan, 2.0])).all()


@pytest.mark.parametrize(("hits", "replicates"), [(0, 5), (3, 10), (20, 20), (1, 1)])
def test_a_share_has_wilsons_interval(hits, replicates):
    theirs = stats.binomtest(hits, replicates).proportion_ci(method="wilson")
    found = share_interval(np.arange(replicates) < hits)
    assert found == pytest.approx((hits / replicates, theirs.low, theirs.high))
    assert found.low < found.high, "one is never sure"


def test_a_share_of_what_neither_hits_nor_misses_is_refused():
    with pytest.raises(InputError, match="0 and 1"):
        share_interval([0.0, 0.5, 1.0])


def test_probability_of_improvement_is_mann_whitneys_u_over_all_pairs(generator):
    x, y = generator.integers(0, 6, 11), generator.integers(0, 6, 7)
    expected = stats.mannwhitneyu(x, y).statistic / (11 * 7)
    assert probability_of_improvement(x, y).estimate == pytest.approx(expected)


def test_improvement_either_way_adds_up_to_one(generator):
    x, y = generator.integers(0, 4, 9), generator.integers(0, 4, 13)
    there, back = probability_of_improvement(x, y), probability_of_improvement(y, x)
    assert there.estimate + back.estimate == pytest.approx(1)
    assert there.low <= there.estimate <= there.high


@pytest.mark.parametrize(("x", "y", "expected"), [([2, 3], [0, 1], 1), ([0, 1], [2, 3], 0), ([1, 1], [1], 0.5)])
def test_improvement_that_is_certain_or_tied_has_no_spread(x, y, expected):
    assert probability_of_improvement(x, y) == pytest.approx((expected, expected, expected))


def test_the_improvement_interval_covers_the_truth_about_as_often_as_it_says(generator):
    truth = stats.norm.cdf(0.5 / np.sqrt(2))
    hits = 0
    for trial in range(300):
        x, y = generator.normal(0.5, 1, 25), generator.normal(0, 1, 25)
        _, low, high = probability_of_improvement(x, y, resamples=300, seed=trial)
        hits += low <= truth <= high
    assert 0.90 <= hits / 300 <= 0.98


def test_infinities_tie_and_nan_makes_improvement_unknown():
    assert probability_of_improvement([np.inf], [np.inf]).estimate == 0.5
    assert np.isnan(probability_of_improvement([1.0, np.nan], [0.0])).all()


def test_improvement_over_tasks_is_the_average_of_theirs_and_surer_than_each(generator):
    x, y = generator.normal(0.4, 1, (12, 10)), generator.normal(0, 1, (9, 10))
    tasks = [probability_of_improvement(x[:, t], y[:, t]) for t in range(10)]
    together = probability_of_improvement(x, y)
    assert together.estimate == pytest.approx(np.mean([task.estimate for task in tasks]))
    assert together.low < together.estimate < together.high
    assert together.high - together.low < np.mean([task.high - task.low for task in tasks]) / 2


def test_improvement_resamples_each_task_by_itself():
    x, y = np.array([[0.0, 2.0], [2.0, 0.0]]), np.array([[1.0, 1.0]])  # drawn as rows, the tasks would cancel out
    assert probability_of_improvement(x, y) == pytest.approx((0.5, 0.0, 1.0))


@pytest.mark.parametrize(("x", "y"), [([], [1.0]), ([1.0], []), ([[1.0]], [1.0]), ([[1.0]], [[1.0, 2.0]])])
def test_improvement_needs_one_number_per_replicate(x, y):
    with pytest.raises(InputError, match="one number per replicate"):
        probability_of_improvement(x, y)


def test_evaluations_to_target_first_exactly_late_and_never():
    best = [[5, 5, 5], [1, 4, 6], [1, 2, 4], [1, 2, 3], [np.nan, np.nan, 9], [4, 1, 1]]
    reached = evaluations_to_target([100, 150, 210], best, target=4)
    np.testing.assert_array_equal(reached, [100, 150, 210, np.inf, 210, 100])
    assert reached.dtype == float


def test_evaluations_to_target_when_replicates_spend_differently():
    np.testing.assert_array_equal(evaluations_to_target([[10, 20], [11, 23]], [[0, 1], [0, 1]], 1), [20, 23])


def test_no_generations_reach_nothing():
    np.testing.assert_array_equal(evaluations_to_target([], np.empty((2, 0)), 0), [np.inf, np.inf])


def test_best_so_far_passes_over_nan():
    nan = np.nan
    np.testing.assert_array_equal(
        best_so_far([[nan, 1, nan, 0, 3], [2, 1, 5, nan, 4]]), [[nan, 1, 1, 1, 3], [2, 2, 5, 5, 5]]
    )
    np.testing.assert_array_equal(best_so_far([[1, 5], [3, 2]], axis=0), [[1, 5], [3, 5]])


@pytest.mark.parametrize("law", [PowerLaw(98, 700, 0.5), PowerLaw(0.004, 3, 1.1), PowerLaw(-2, 40, 0.2)])
def test_a_fit_recovers_the_power_law_that_errors_follow(generator, law):
    n = np.geomspace(100, 60_000, 7) * np.ones((9, 1))
    assert fit_power_law(n, law.error(n)) == pytest.approx(law, rel=1e-3)
    noise = 0.01 * (law.error(100) - law.floor) * generator.normal(size=n.shape)
    fitted = fit_power_law(n, law.error(n) + noise)
    assert fitted.exponent == pytest.approx(law.exponent, rel=0.2)
    np.testing.assert_allclose(fitted.error(n), law.error(n), atol=0.02 * (law.error(100) - law.floor))


def test_the_pseudo_values_of_a_mean_are_the_values(generator):
    values = generator.normal(size=(6, 3))
    np.testing.assert_allclose(pseudo_values(lambda which: values[which].mean(axis=0), 6), values)
    np.testing.assert_array_equal(pseudo_values(lambda which: values[which].mean(axis=0), 1), values[:1])


def test_the_interval_of_pseudo_values_covers_a_power_law_that_all_replicates_give_together(generator):
    law, covers = PowerLaw(98, 700, 0.5), []
    n = np.geomspace(100, 60_000, 7) * np.ones((5, 1))
    for _ in range(200):
        errors = law.error(n) + generator.normal(size=n.shape)
        found = pseudo_values(lambda which, errors=errors: fit_power_law(n[which], errors[which]), 5)
        _, low, high = mean_interval(found)
        covers.append((low <= law) & (law <= high))
    assert np.mean(covers, axis=0) == pytest.approx(0.95, abs=0.04)  # 200 of 95% have a standard error of 1.5%


def test_the_examples_of_a_power_law_are_the_inverse_of_its_error():
    law = PowerLaw(98.0, 700.0, 0.5)
    assert law.examples(law.error(1234)) == pytest.approx(1234)
    assert law.examples(98.0) == law.examples(0.0) == np.inf


@pytest.mark.parametrize("values", [[1, 2, 3, 4], [2, 2, 2, 2], [4, 3, 2, 1]])
def test_errors_that_do_not_level_off_are_refused(values):
    with pytest.raises(InputError, match="do not fall"):
        fit_power_law([100, 1000, 10_000, 100_000], values)


@pytest.mark.parametrize(("n", "values"), [([1, 2], [2, 1]), ([1, 1, 2], [3, 3, 1]), ([1, 2, 3], [3, np.nan, 1])])
def test_too_few_sizes_or_unknown_errors_are_refused(n, values):
    with pytest.raises(InputError, match="three sizes or more"):
        fit_power_law(n, values)


def test_examples_to_target_at_once_between_exactly_and_never():
    n = np.tile([10, 100, 1000], (5, 1))
    errors = [[1, 1, 1], [4, 0, 0], [4, 2, 0], [4, 3, 3], [3, 4, 1]]
    needed = examples_to_target(n, errors, 2)
    np.testing.assert_allclose(needed, [10, 10**1.5, 100, np.inf, 10 ** (2 + 2 / 3)])
    np.testing.assert_allclose(
        examples_to_target(n, errors, np.array([0, 2, 2, 3, 9])), [np.inf, 10**1.5, 100, 100, 10]
    )
