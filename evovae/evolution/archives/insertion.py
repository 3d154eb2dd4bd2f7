"""What an archive thinks of candidates, and what it did with them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


@dataclass(frozen=True)
class Insertion:
    """What an archive did with a batch, all of it held against the archive before, as in pyribs."""

    status: Tensor
    """int64 (R, N): 2 for one that found a new cell, 1 for one that improved a cell, 0 for one that was not let in."""
    value: Tensor
    """float64 (R, N): objective less the cell's threshold; of a cell without one, the objective itself. Minus infinity
    where objective or measures are not finite."""

    def between(self, start: int, stop: int) -> Insertion:
        """Return what became of the candidates `start` up to `stop` of each replicate."""
        return Insertion(self.status[:, start:stop], self.value[:, start:stop])

    def take(self, index: Tensor) -> Insertion:
        """Return what became of the candidates `index` int64 (R, K)."""
        return Insertion(self.status.gather(1, index), self.value.gather(1, index))

    def join(self, other: Insertion) -> Insertion:
        """Return what became of these, followed by `other`, in each replicate."""
        return Insertion(torch.cat((self.status, other.status), 1), torch.cat((self.value, other.value), 1))


class Judgement(NamedTuple):
    """What an archive thinks of candidates before it takes them in; each (R, N)."""

    cell: Tensor
    """int64: where they belong."""
    accepted: Tensor
    """Bool: whether they are let in."""
    new: Tensor
    """Bool: whether their cell was empty."""
    value: Tensor
    """float64: of the insertion."""
    threshold: Tensor
    """float64: what they had to exceed."""
