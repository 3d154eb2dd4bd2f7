"""What an operator draws its random numbers from, and what it makes of them."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor

HALF_STEP = 2.0**-25
"""Draws are multiples of 2^-24: half a step is the most extreme quantile that they know."""


class Random(Protocol):
    """What an operator draws from."""

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 numbers from [0, 1), in `shape` and in memory that the caller owns."""


def integers(low: int, high: int, draws: Tensor) -> Tensor:
    """Whole numbers from `low` to `high`, both included."""
    return low + (draws.double() * (high - low + 1)).long()


def rescaled(draws: Tensor, probability: float) -> Tensor:
    """Numbers of (0, 1) from those `draws` that are below `probability`: one draw then serves two questions.

    Given that u < p, u / p is itself uniform. Few multiples of 2^-24 lie below a small p: they come as far apart, and
    no nearer to 0 and 1 than half of that.
    """
    edge = min(HALF_STEP / probability, 0.5)
    return (draws / probability).clamp_(edge, 1.0 - max(edge, 2.0 * HALF_STEP))
