"""Learning curves: error against the number of training images, as a power law."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import least_squares

from evovae.base import InputError


class PowerLaw(NamedTuple):
    """A learning curve: error = floor + scale * n ** -exponent of n examples (Cortes et al. 1994)."""

    floor: float
    scale: float
    exponent: float

    def error(self, n: ArrayLike) -> Any:
        """The error with `n` examples, above 0: a float or an array of their shape."""
        return self.floor + self.scale * np.asarray(n, dtype=float) ** -self.exponent

    def examples(self, error: float) -> float:
        """How many examples bring the error down to `error`; infinite where the law never gets there."""
        above = error - self.floor
        return np.inf if above <= 0 else float((self.scale / above) ** (1 / self.exponent))


def fit_power_law(n: ArrayLike, values: ArrayLike) -> PowerLaw:
    """The power law with a floor that is nearest to measured errors by least squares.

    Args:
        n: numbers of examples, above 0, of any shape.
        values: errors of the same shape.

    Returns:
        The law; its scale and exponent are above 0.

    Raises:
        InputError: fewer than three different numbers of examples, numbers that are not finite, or errors that do not
            fall as such a law does.
    """
    n, values = (np.asarray(given, dtype=float).ravel() for given in (n, values))
    if n.shape != values.shape or not (np.isfinite(n) & np.isfinite(values) & (n > 0)).all() or len(set(n)) < 3:
        raise InputError(f"{len(values)} errors of {len(set(n))} sizes: expected finite ones of three sizes or more")

    x, spread = n / n.min(), np.ptp(values)  # in units of the smallest size the parameters are of like magnitude

    def residuals(law: NDArray[np.float64]) -> NDArray[np.float64]:
        return law[0] + law[1] * x ** -law[2] - values

    # Not curve_fit, which warns where as many points as parameters leave no covariance, and does nothing else here.
    lowest, highest = (-np.inf, 0, 0.01), (np.inf, np.inf, 10)
    found = least_squares(residuals, (values.min(), spread + 1e-12, 0.5), bounds=(lowest, highest), x_scale="jac")
    floor, scale, exponent = found.x.tolist()
    if not (found.success and scale > 1e-6 * abs(values).max() and 0.011 < exponent < 9.9):
        raise InputError("the errors do not fall as floor + scale * n ** -exponent: expected a curve that levels off")
    return PowerLaw(floor, scale * float(n.min()) ** exponent, exponent)


def pseudo_values(estimate: Callable[[NDArray[np.intp]], ArrayLike], replicates: int) -> NDArray[np.float64]:
    """What each replicate adds to an estimate that only all together give: the jackknife's pseudo-values (Tukey 1958).

    Their mean is the estimate less its bias, their interval its interval. Those of a mean are the values themselves.

    Args:
        estimate: of the replicates with these indices, (K,).
        replicates: how many there are, R.

    Returns:
        (R, K).
    """
    all_of_them = np.arange(replicates)
    whole = np.asarray(estimate(all_of_them), dtype=float)
    if replicates == 1:
        return whole[None]
    without = np.array([estimate(np.delete(all_of_them, r)) for r in all_of_them], dtype=float)  # (R, K)
    with np.errstate(invalid="ignore"):
        return replicates * whole - (replicates - 1) * without


def examples_to_target(n: ArrayLike, errors: ArrayLike, target: ArrayLike) -> NDArray[np.float64]:
    """How many examples each replicate needs until its error is at most the target, interpolated in log n.

    Args:
        n: `(R, K)`, increasing along K, above 0.
        errors: (R, K), with these numbers of examples.
        target: of all replicates, or `(R,)`.

    Returns:
        `(R,)`: where the error first meets the target; the smallest n measured if it does so there already, and
        infinite if it never does.
    """
    x, y = np.log(np.asarray(n, dtype=float)), np.asarray(errors, dtype=float)
    targets = np.broadcast_to(np.asarray(target, dtype=float), len(y))
    needed = np.full(len(y), np.inf)
    for r, met in enumerate(y <= targets[:, None]):
        if met.any():
            after = int(met.argmax())
            before = max(after - 1, 0)
            drop = y[r, before] - y[r, after]
            part = (y[r, before] - targets[r]) / drop if after else 0.0
            needed[r] = np.exp(x[r, before] + part * (x[r, after] - x[r, before]))
    return needed
