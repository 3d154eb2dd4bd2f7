"""Statistics against scipy and naive loops, and the promises that their docstrings make."""

import numpy as np
import pytest
from methods.learning_curves import PowerLaw, bootstrap_power_law, examples_to_target, fit_power_law
from scipy import stats

from evovae.analysis.statistics import best_so_far, bootstrap, evaluations_to_target, iqm, probability_of_improvement
from evovae.base import InputError


@pytest.fixture
def generator() -> np.random.Generator:
    """A fresh stream for each test."""
    return np.random.default_rng(7)


@pytest.mark.parametrize("replicates", [1, 2, 3, 4, 5, 8, 11, 100])
def test_iqm_is_scipys_trimmed_mean(generator, replicates):
    values = generator.normal(size=(replicates, 3, 2))
    np.testing.assert_allclose(iqm(values), stats.trim_mean(values, 0.25, axis=0), rtol=1e-12)
    np.testing.assert_allclose(iqm(values, axis=-1), stats.trim_mean(values, 0.25, axis=-1), rtol=1e-12)


def test_iqm_ignores_the_order_of_replicates_and_one_outlier(generator):
    values = generator.normal(size=(12, 5))
    np.testing.assert_array_equal(iqm(generator.permutation(values)), iqm(values))
    spoiled = values.copy()
    spoiled[values.argmax(axis=0), np.arange(5)] = 1e9
    np.testing.assert_array_equal(iqm(spoiled), iqm(values))


def test_a_nan_replicate_is_not_trimmed_away_as_if_it_were_the_best():
    values = np.arange(16.0).reshape(8, 2)
    values[3, 0] = np.nan
    np.testing.assert_array_equal(np.isnan(iqm(values)), [True, False])
    for end in bootstrap(values):
        np.testing.assert_array_equal(np.isnan(end), [True, False])


def test_bootstrap_equals_a_loop_over_resamples(generator):
    values = generator.normal(size=(9, 4))
    draws = np.random.default_rng(3).integers(9, size=(201, 9))
    resampled = np.sort([stats.trim_mean(values[draw], 0.25, axis=0) for draw in draws], axis=0)
    estimate, low, high = bootstrap(values, confidence=0.9, resamples=201, seed=3)
    np.testing.assert_allclose(estimate, stats.trim_mean(values, 0.25, axis=0))
    np.testing.assert_allclose(low, resampled[10])  # 5% of the 200 steps between 201 order statistics
    np.testing.assert_allclose(high, resampled[190])


def test_bootstrap_agrees_with_scipys(generator):
    values = generator.normal(size=40)
    theirs = stats.bootstrap((values,), np.mean, n_resamples=20_000, method="percentile", rng=1).confidence_interval
    ours = bootstrap(values, np.mean, resamples=20_000)
    np.testing.assert_allclose([ours.low, ours.high], [theirs.low, theirs.high], atol=0.01)


@pytest.mark.parametrize("statistic", [iqm, np.mean, np.median])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(generator, statistic):
    # 95% nominal; the percentile bootstrap is known to fall a little short at 30 replicates, and 1,000 trials of 95%
    # have a standard error of 0.7%.
    values = generator.normal(loc=2.0, size=(30, 1000))
    _, low, high = bootstrap(values, statistic, resamples=500)
    assert 0.91 <= np.mean((low <= 2.0) & (high >= 2.0)) <= 0.97


def test_every_column_is_resampled_alike_however_many_there_are(generator):
    column = generator.normal(size=(100, 1))
    low_alone = bootstrap(column).low
    curve = bootstrap(np.repeat(column, 70, axis=1))  # more columns than one chunk holds
    np.testing.assert_allclose(curve.low, np.repeat(low_alone, 70), rtol=1e-12)


def test_bootstrap_shifts_and_scales_with_the_values(generator):
    values = generator.normal(size=(10, 6))
    for plain, moved in zip(bootstrap(values), bootstrap(4 * values + 3), strict=True):
        np.testing.assert_allclose(moved, 4 * plain + 3)


def test_the_same_seed_gives_the_same_interval_and_leaves_global_state_alone(generator):
    values = generator.normal(size=10)
    before = repr(np.random.get_state())  # noqa: NPY002 (the global state that must not move)
    assert bootstrap(values, seed=5) == bootstrap(values, seed=5)
    assert bootstrap(values, seed=5) != bootstrap(values, seed=6)
    assert repr(np.random.get_state()) == before  # noqa: NPY002


def test_one_replicate_gives_a_degenerate_interval():
    assert bootstrap([2.5]) == (2.5, 2.5, 2.5)
    for part in bootstrap(np.array([[1.0, 2.0]])):
        np.testing.assert_array_equal(part, [1.0, 2.0])


def test_shapes_are_those_of_the_values_without_the_replicates(generator):
    interval = bootstrap(generator.normal(size=(6, 3, 2)), resamples=50)
    assert [np.shape(part) for part in interval] == [(3, 2)] * 3
    assert isinstance(bootstrap(generator.normal(size=6)).low, float)


def test_infinite_evaluations_to_target_bootstrap_without_nan():
    estimate, low, high = bootstrap([100.0, 200.0, np.inf, np.inf, np.inf])
    assert estimate == high == np.inf
    assert low < np.inf


@pytest.mark.parametrize("values", [3.0, [], np.empty((0, 4))])
def test_bootstrap_without_replicates_is_refused(values):
    with pytest.raises(InputError, match="at least one replicate"):
        bootstrap(values)


@pytest.mark.parametrize("confidence", [0, 1, 95])
def test_a_confidence_outside_zero_and_one_is_refused(confidence):
    with pytest.raises(InputError, match=f"confidence {confidence}"):
        bootstrap([1.0, 2.0], confidence=confidence)


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


def test_resampled_power_laws_lie_about_the_law_and_are_nan_where_nothing_fits(generator):
    law = PowerLaw(98, 700, 0.5)
    n = np.geomspace(100, 60_000, 7) * np.ones((9, 1))
    first, *again = bootstrap_power_law(n, law.error(n) + generator.normal(size=n.shape), resamples=50)
    exponents = [found.exponent for found in again]
    assert np.quantile(exponents, 0.025) < first.exponent < np.quantile(exponents, 0.975)
    assert np.quantile(exponents, 0.025) < 0.5 < np.quantile(exponents, 0.975)
    assert np.isnan(bootstrap_power_law(n, n, resamples=2)).all()


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
