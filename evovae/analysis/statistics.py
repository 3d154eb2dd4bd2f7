"""What a handful of replicates says, and how sure it is.

Pure functions on numpy arrays (anything that `numpy.asarray` takes). Axis 0 is the replicate axis throughout, and
whatever draws random numbers takes a seed. Fitness is maximised here; negate a minimised one first.

Source of the interquartile mean, its percentile bootstrap and the probability of improvement as measures for few runs:
Agarwal et al. 2021, "Deep reinforcement learning at the edge of the statistical precipice".
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from evovae.base import InputError

_CHUNK = 4_000_000  # resampled numbers held at a time: 32 MB, whatever the length of a curve


class Interval(NamedTuple):
    """An estimate and its confidence interval.

    Each is a float, or an array with one entry per column of what was estimated.
    """

    estimate: Any
    low: Any
    high: Any


def iqm(values: ArrayLike, axis: int = 0) -> Any:
    """Interquartile mean: the mean without the lowest and the highest quarter.

    Each quarter is rounded down, so that fewer than four replicates give the plain mean.

    Args:
        values: numbers of any shape.
        axis: the replicate axis, which disappears.

    Returns:
        A float, or an array of the remaining shape; NaN wherever a replicate is NaN.
    """
    # A whole sort, because it takes a quarter of the time of the partition inside scipy.stats.trim_mean.
    ordered = np.sort(np.moveaxis(np.asarray(values, dtype=float), axis, -1), axis=-1)
    replicates = ordered.shape[-1]
    middle = ordered[..., replicates // 4 : replicates - replicates // 4].mean(axis=-1)
    # Sorted to the far end, a NaN would be cut away as if a failed replicate had been the best of all.
    return np.where(np.isnan(ordered[..., -1]), np.nan, middle)[()]


def bootstrap(
    values: ArrayLike,
    statistic: Callable[..., Any] = iqm,
    confidence: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """A statistic over replicates with its percentile bootstrap interval (Efron 1979).

    Every column sees the same resampled replicates, so that the intervals along a fitness curve belong together. The
    ends are order statistics of the resampled values, not interpolated: infinite values stay infinite. One replicate
    says nothing about spread, and gives `low == high == estimate`.

    Args:
        values: (R, ...), one row per replicate.
        statistic: reduces an array along its `axis` keyword, propagating NaN.
        confidence: share of the resampled values inside the interval, in (0, 1).
        resamples: how often the replicates are drawn again, with replacement.
        seed: of the draws.

    Returns:
        Estimate, low and high of shape `values.shape[1:]`; NaN in a column where the statistic is NaN.

    Raises:
        InputError: if there is no replicate, or the confidence lies outside (0, 1).
    """
    values = np.asarray(values, dtype=float)
    if values.ndim == 0 or len(values) == 0:
        raise InputError(f"values of shape {values.shape}: expected (R, ...), at least one replicate")
    columns = values.reshape(len(values), -1).T  # (columns, R)
    draws = np.random.default_rng(seed).integers(len(values), size=(resamples, len(values)))  # (resamples, R)
    ends = np.empty((2, len(columns)))
    # scipy.stats.bootstrap refuses one replicate, keeps all resamples of all columns, and interpolates the ends.
    width = max(1, _CHUNK // draws.size)
    for start in range(0, len(columns), width):
        resampled = statistic(columns[start : start + width, draws], axis=-1)  # (width, resamples)
        ends[:, start : start + width] = np.quantile(resampled, _tails(confidence), axis=-1, method="nearest")
    low, high = ends.reshape(2, *values.shape[1:])
    return Interval(statistic(values, axis=0), low[()], high[()])


def probability_of_improvement(
    x: ArrayLike, y: ArrayLike, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """How probably a replicate of `x` beats one of `y`: P(X > Y) + P(X = Y) / 2 over all pairs (Mann and Whitney 1947).

    Args:
        x: (R,), one number per replicate; or (R, T) of T tasks, over which the probability is averaged.
        y: (S,) or (S, T), of independent replicates.
        confidence: of the percentile bootstrap interval, in (0, 1).
        resamples: how often both sets are drawn again, each (and each task) by itself, with replacement.
        seed: of the draws.

    Returns:
        Three floats in [0, 1]; NaN where any replicate is NaN.

    Raises:
        InputError: if there is no replicate, shapes differ, or the confidence lies outside (0, 1).
    """
    x, y = np.asarray(x, dtype=float), np.asarray(y, dtype=float)
    if x.ndim not in (1, 2) or x.shape[1:] != y.shape[1:] or x.ndim != y.ndim or not (x.size and y.size):
        given = f"x {x.shape} and y {y.shape}"
        raise InputError(f"{given}: expected one number per replicate, (R,) and (S,), or (R, T) and (S, T) of T tasks")
    if np.isnan(x).any() or np.isnan(y).any():
        return Interval(np.nan, np.nan, np.nan)
    x, y = x.reshape(len(x), -1), y.reshape(len(y), -1)
    wins = (x[:, None] > y) + 0.5 * (x[:, None] == y)  # (R, S, T)
    generator = np.random.default_rng(seed)
    drawn = (resamples, wins.shape[2])
    # How often each replicate is drawn, as shares: multinomial counts stand for draws with replacement.
    shares_x, shares_y = (generator.multinomial(n, np.full(n, 1 / n), drawn) / n for n in wins.shape[:2])
    resampled = np.einsum("btr,rst,bts->bt", shares_x, wins, shares_y, optimize=True).mean(axis=1)  # (resamples,)
    low, high = np.quantile(resampled, _tails(confidence), method="nearest")
    return Interval(wins.mean(), low, high)


def evaluations_to_target(evaluations: ArrayLike, best: ArrayLike, target: float) -> NDArray[np.float64]:
    """How many evaluations each replicate had spent when its best fitness first reached the target.

    Args:
        evaluations: (G,), or (R, G) where replicates differ: evaluations spent up to each generation.
        best: (R, G), the best fitness; NaN reaches nothing.
        target: reached by `best >= target`.

    Returns:
        (R,), infinite for a replicate that never reached the target.
    """
    reached = np.asarray(best) >= target  # (R, G)
    spent = np.broadcast_to(np.asarray(evaluations, dtype=float), reached.shape)
    return np.where(reached, spent, np.inf).min(axis=1, initial=np.inf)


def best_so_far(values: ArrayLike, axis: int = -1) -> NDArray[np.float64]:
    """Running maximum that passes over NaN.

    Args:
        values: numbers of any shape.
        axis: along which time runs.

    Returns:
        The shape of `values`; NaN only before the first number.
    """
    return np.fmax.accumulate(np.asarray(values, dtype=float), axis=axis)


def best_by_evaluations(evaluations: ArrayLike, values: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Best fitness so far of all replicates at the same numbers of evaluations, which a fitness curve is drawn from.

    Args:
        evaluations: (R, G), increasing along G: replicates evaluate different numbers of individuals a generation.
        values: (R, G), the best fitness of each generation, larger is better.

    Returns:
        Evaluations (G,), evenly from where every replicate has begun to where the first ends, and best (R, G).
    """
    spent = np.asarray(evaluations, dtype=float)
    grid = np.linspace(spent[:, 0].max(), spent[:, -1].min(), spent.shape[1])
    return grid, at_evaluations(spent, best_so_far(values), grid)


def at_evaluations(evaluations: ArrayLike, best: ArrayLike, grid: ArrayLike) -> NDArray[np.float64]:
    """Best fitness of each replicate by the number of evaluations that it had spent.

    Args:
        evaluations: (R, G), increasing along G: evaluations spent up to each generation.
        best: (R, G), the best fitness so far at these moments.
        grid: (K,), where to read off.

    Returns:
        (R, K): the last known value at or before each point of the grid, NaN before the first.
    """
    spent, values, points = (np.asarray(given, dtype=float) for given in (evaluations, best, grid))
    known = np.pad(values, ((0, 0), (1, 0)), constant_values=np.nan)  # (R, 1 + G)
    steps = [np.searchsorted(row, points, side="right") for row in spent]
    return np.take_along_axis(known, np.stack(steps), axis=1)


def _tails(confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence}: expected a share between 0 and 1, such as 0.95")
    return (1 - confidence) / 2, (1 + confidence) / 2
