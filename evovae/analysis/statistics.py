"""What a handful of replicates says, and how sure it is.

Pure functions on numpy arrays (anything that `numpy.asarray` takes). Axis 0 is the replicate axis throughout, and
whatever draws random numbers takes a seed. Fitness is maximised here; negate a minimised one first.

A measure has its mean, with `mean_interval`; numbers that may be infinite, such as evaluations to a target, their
median, with `median_interval`; what a replicate either does or does not, its share, with `share_interval`.
"""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

from evovae.base import InputError


class Interval(NamedTuple):
    """An estimate and its confidence interval.

    Each is a float, or an array with one entry per column of what was estimated.
    """

    estimate: Any
    low: Any
    high: Any


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The mean over replicates with Student's t interval (1908): where the mean of ever more replicates would lie.

    It covers as often as it says, from two replicates on, where replicates are normally distributed; of skewed ones a
    little less often (experiments/interval_coverage.py, by which it was chosen). Two replicates make it wide: their
    distance times 6.4 to either side, for they hardly know their own spread; no interval can mend that. The ends of the
    interval of a share may lie beyond 0 and 1: `share_interval` is for these.

    Args:
        values: (R, ...), one row per replicate.
        confidence: how often the interval is to cover, in (0, 1).

    Returns:
        Estimate, low and high of shape `values.shape[1:]`. The ends are NaN where there is one replicate, or one that
        is not finite: the mean is then infinite or NaN.

    Raises:
        InputError: if there is no replicate, or the confidence lies outside (0, 1).
    """
    values = _replicates(values)
    _, upper = _tails(confidence)
    with np.errstate(invalid="ignore", over="ignore", divide="ignore"):
        mean = values.mean(axis=0)
        deviation = np.sqrt(np.square(values - mean).sum(axis=0) / (len(values) - 1.0))
        reach = stats.t.ppf(upper, len(values) - 1) * deviation / np.sqrt(len(values))
    reach = np.where(np.isfinite(reach), reach, np.nan)
    return Interval(mean, (mean - reach)[()], (mean + reach)[()])


def median_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """The median over replicates with the order statistics about it that cover, whatever the distribution.

    Of R replicates the k-th lowest and the k-th highest miss the median with the probability of fewer than k heads, or
    tails, in R tosses (Thompson 1936): k is the largest that covers often enough. Fewer than six cannot cover in 95%:
    theirs is the range, which misses with probability 2^(1 - R). Infinite values have their place in the order.

    Args:
        values: (R, ...), one row per replicate.
        confidence: how often the interval is to cover, in (0, 1).

    Returns:
        Estimate, low and high of shape `values.shape[1:]`; NaN where a replicate is NaN.

    Raises:
        InputError: if there is no replicate, or the confidence lies outside (0, 1).
    """
    values = _replicates(values)
    lower, _ = _tails(confidence)
    ordered = np.sort(values, axis=0)  # NaN to the far end
    k = max(1, int(stats.binom.ppf(lower, len(values), 0.5)))  # fewer than k heads are as rare as asked for, k are not
    low, high = (np.where(np.isnan(ordered[-1]), np.nan, ordered[place])[()] for place in (k - 1, -k))
    with np.errstate(invalid="ignore"):  # between minus and plus infinity is NaN
        return Interval(np.median(values, axis=0), low, high)


def share_interval(hits: ArrayLike, confidence: float = 0.95) -> Interval:
    """The share of replicates of which something is true, with Wilson's interval (1927).

    It stays within 0 and 1, and says how sure one can be where all hit or none did. Trials that belong together (many
    from each of a few models) are no replicates: `mean_interval` of each one's share is for these.

    Args:
        hits: (R, ...), one row per replicate, of false and true, or 0 and 1.
        confidence: how often the interval is to cover, in (0, 1).

    Returns:
        Estimate, low and high of shape `hits.shape[1:]`.

    Raises:
        InputError: if there is no replicate, one is neither 0 nor 1, or the confidence lies outside (0, 1).
    """
    hits = _replicates(hits)
    if not np.isin(hits, (0.0, 1.0)).all():
        raise InputError("hits of other values than 0 and 1: expected whether each replicate hit")
    _tails(confidence)
    counts = hits.sum(axis=0).astype(int)
    ends = [stats.binomtest(count, len(hits)).proportion_ci(confidence, "wilson") for count in counts.ravel()]
    low, high = np.array(ends).T.reshape(2, *counts.shape)
    return Interval(hits.mean(axis=0), low[()], high[()])


def probability_of_improvement(
    x: ArrayLike, y: ArrayLike, confidence: float = 0.95, resamples: int = 2000, seed: int = 0
) -> Interval:
    """How probably a replicate of `x` beats one of `y`: P(X > Y) + P(X = Y) / 2 over all pairs (Mann and Whitney 1947).

    Taken as a measure for few runs from Agarwal et al. 2021, "Deep RL at the edge of the statistical precipice".

    Args:
        x: (R,), one number per replicate; or (R, T) of T tasks, over which the probability is averaged.
        y: (S,) or (S, T), of independent replicates.
        confidence: of the percentile bootstrap interval, in (0, 1).
        resamples: how often both sets are drawn again, each (and each task) by itself, with replacement.
        seed: of the draws.

    Returns:
        Three floats in [0, 1]; NaN where any replicate is NaN. Of 3, 5, 10 and 20 replicates a side, normal and half a
        deviation apart, the interval covers 86, 91, 94 and 94%; where one side always wins it has no width.

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


def _replicates(values: ArrayLike) -> NDArray[np.float64]:
    """Return (R, ...), R at least 1."""
    found = np.asarray(values, dtype=float)
    if found.ndim == 0 or len(found) == 0:
        raise InputError(f"values of shape {found.shape}: expected (R, ...), at least one replicate")
    return found


def _tails(confidence: float) -> tuple[float, float]:
    if not 0 < confidence < 1:
        raise InputError(f"confidence {confidence}: expected a share between 0 and 1, such as 0.95")
    return (1 - confidence) / 2, (1 + confidence) / 2
