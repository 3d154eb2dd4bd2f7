"""Confidence intervals that are held against each other: those that the package does not take."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from evovae.analysis import Interval

Statistic = Callable[..., Any]
CONFIDENCE = 0.95
_DRAWN = 8_000_000  # numbers held at a time


def bootstrap(
    values: NDArray[np.float64], statistic: Statistic, method: str, resamples: int, seed: int = 0
) -> Interval:
    """The percentile (Efron 1979) or BCa (Efron 1987) bootstrap of a statistic, by scipy.

    Args:
        values: (R, K), one row per replicate.
        statistic: reduces an array along its `axis` keyword.
        method: "percentile" or "BCa".
        resamples: how often the replicates are drawn again.
        seed: of the draws.

    Returns:
        Estimate, low and high (K,); NaN where BCa has none.
    """
    generator, ends = np.random.default_rng(seed), []
    width = max(1, _DRAWN // (resamples * len(values)))
    for start in range(0, values.shape[1], width):
        part = values[:, start : start + width]
        with warnings.catch_warnings():  # of samples that leave BCa none
            warnings.simplefilter("ignore")
            found = stats.bootstrap(
                (part,), statistic, method=method, n_resamples=resamples, axis=0, vectorized=True, rng=generator
            )
        ends.append(found.confidence_interval)
    low, high = (np.concatenate(side) for side in zip(*ends, strict=True))
    return Interval(statistic(values, axis=0), low, high)


def iqm(values: NDArray[np.float64], axis: int = 0) -> Any:
    """The interquartile mean along an axis: without the lowest and the highest quarter, each rounded down."""
    return stats.trim_mean(values, 0.25, axis=axis)


def winsorised(values: NDArray[np.float64]) -> Interval:
    """Student's t of the interquartile mean of `values` (R, K), by winsorised deviations (Tukey and McLaughlin 1963).

    Of R replicates h are left when the lowest and the highest quarter, rounded down, are cut off. The standard error is
    the root of the squared deviations of the winsorised sample, over h (h - 1), and the degrees of freedom h - 1.
    """
    ordered, cut = np.sort(values, axis=0), len(values) // 4
    left, mean = len(values) - 2 * cut, iqm(values)
    inside = ordered.clip(ordered[cut], ordered[-1 - cut])
    deviations = np.square(inside - inside.mean(axis=0)).sum(axis=0)
    reach = stats.t.ppf((1 + CONFIDENCE) / 2, left - 1) * np.sqrt(deviations / (left * (left - 1)))
    return Interval(mean, mean - reach, mean + reach)


def hierarchical(values: NDArray[np.float64], resamples: int, seed: int = 0) -> Interval:
    """The percentile bootstrap of the mean that draws models again, and of each one drawn its searches.

    Args:
        values: (M, S, K), S searches with each of M models.
        resamples: how often they are drawn again.
        seed: of the draws.

    Returns:
        Estimate, low and high (K,).
    """
    generator, ends = np.random.default_rng(seed), []
    models, searches, samples = values.shape
    width = max(1, _DRAWN // (resamples * models * searches))
    for start in range(0, samples, width):
        part = values[..., start : start + width]
        model = generator.integers(models, size=(resamples, models, 1, part.shape[2]))
        search = generator.integers(searches, size=(resamples, models, searches, part.shape[2]))
        means = part[model, search, np.arange(part.shape[2])].mean(axis=(1, 2))  # (resamples, width)
        ends.append(np.quantile(means, [(1 - CONFIDENCE) / 2, (1 + CONFIDENCE) / 2], axis=0))
    low, high = np.concatenate(ends, axis=1)
    return Interval(values.mean(axis=(0, 1)), low, high)


def extremes(values: NDArray[np.float64]) -> Interval:
    """The range of `values` (R, K), about their median: it misses the true one with probability 2^(1 - R)."""
    return Interval(np.median(values, axis=0), values.min(axis=0), values.max(axis=0))
