"""What an operator draws its random numbers from, and what it makes of them."""

from __future__ import annotations

from typing import Protocol

from torch import Tensor


class Random(Protocol):
    """What an operator draws from."""

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 numbers from [0, 1), in `shape` and in memory that the caller owns."""


def integers(low: int, high: int, draws: Tensor) -> Tensor:
    """Whole numbers from `low` to `high`, both included."""
    return low + (draws.double() * (high - low + 1)).long()
