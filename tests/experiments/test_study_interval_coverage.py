"""How intervals are held against each other, and which is taken."""

import interval_coverage
import numpy as np
import pandas as pd
import pytest
from interval_coverage import STUDENT, choose, describe
from methods.intervals import bootstrap, extremes, hierarchical, iqm, winsorised
from scipy import stats

from evovae.analysis import Interval
from evovae.studies import RESULTS


def test_an_interval_scores_its_width_and_forty_times_what_it_misses_by_and_none_covers_nothing() -> None:
    low, high = np.array([0.0, 1.0, -3.0, np.nan]), np.array([2.0, 2.0, -1.0, np.nan])
    found = describe(Interval(low, low, high), truth=0.5)
    assert found == pytest.approx({"covers": 0.25, "width": 5 / 3, "score": (2 + (1 + 20) + (2 + 60)) / 3})


@pytest.mark.parametrize(("covers", "taken"), [(0.931, "a"), (0.929, STUDENT)])
def test_of_the_intervals_that_cover_93_percent_of_normal_samples_that_of_least_score_is_taken(covers, taken) -> None:
    cells = [("normal", 2), ("normal", 20), ("skewed", 20)]
    rows = [(*cell, STUDENT, 0.95, 1.0) for cell in cells]
    rows += [(*cell, "a", found, 0.5) for cell, found in zip(cells, (covers, 0.95, 0.5), strict=True)]
    table = pd.DataFrame(rows, columns=["distribution", "replicates", "interval", "covers", "times_students"])
    chosen = choose(table)
    assert chosen["interval"].iloc[0] == taken
    assert chosen.set_index("interval")["score"].to_dict() == pytest.approx({STUDENT: 1.0, "a": 0.5})


@pytest.mark.parametrize("replicates", [5, 10, 20])
def test_the_winsorised_interval_has_the_error_of_yuens_test(replicates) -> None:
    values = np.random.default_rng(1).exponential(size=replicates)
    estimate, low, high = (float(part[0]) for part in winsorised(values[:, None]))
    assert estimate == pytest.approx(stats.trim_mean(values, 0.25))
    yuen = stats.ttest_ind(values + 1.0, values, equal_var=False, trim=0.25)
    left = replicates - 2 * (replicates // 4)
    error = 1.0 / yuen.statistic / np.sqrt(2)  # of two samples with one deviation
    assert high - low == pytest.approx(2 * stats.t.ppf(0.975, left - 1) * error)


def test_what_the_house_takes_is_what_the_study_chose() -> None:
    kept = pd.read_csv(RESULTS / "interval_coverage" / "choice.csv")
    assert kept["interval"].iloc[0] == STUDENT
    assert interval_coverage.intervals(10)[STUDENT][1] is interval_coverage.mean_interval


def test_bootstraps_and_the_range_stay_within_the_values() -> None:
    values = np.random.default_rng(2).normal(size=(3, 50))
    for found in (extremes(values), bootstrap(values, iqm, "percentile", 50)):
        assert (found.low >= values.min(axis=0) - 1e-12).all()
        assert (found.high <= values.max(axis=0) + 1e-12).all()


def test_a_bootstrap_of_models_draws_these_and_then_the_searches_of_each() -> None:
    alike = np.repeat(np.arange(5.0), 4).reshape(5, 4, 1).repeat(30, axis=2)  # searches that their model decides
    found, of_models = hierarchical(alike, 2000), bootstrap(alike[:, 0], np.mean, "percentile", 2000)
    for ours, theirs in zip(found, of_models, strict=True):
        np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=0.03)
    searches = np.arange(20.0).reshape(1, 20, 1).repeat(30, axis=2)  # of one model
    found, of_searches = hierarchical(searches, 2000), bootstrap(searches[0], np.mean, "percentile", 2000)
    for ours, theirs in zip(found, of_searches, strict=True):
        np.testing.assert_allclose(ours.mean(), theirs.mean(), atol=0.15)


def test_student_of_the_means_of_models_covers_and_of_all_searches_only_where_models_are_alike() -> None:
    table = interval_coverage.cover_models(1000, 50).set_index(["interval", "between"])["covers"]
    means, searches = table["Student's t, means of models"], table["Student's t, all searches"]
    assert (means > 0.93).all()
    assert searches[0.0] > 0.93
    assert searches[1.0] < 0.85
    assert searches[4.0] < searches[1.0]
