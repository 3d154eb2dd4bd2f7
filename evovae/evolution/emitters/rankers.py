"""How an emitter orders what it asked for: the rankers of pyribs, by their names there."""

from __future__ import annotations

from typing import Literal, get_args

import torch
from torch import Tensor

from evovae.base import InputError, State, Streams, join, numbers_on, shown
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.insertion import Insertion

RankerName = Literal["imp", "2imp", "rd", "2rd", "obj", "2obj"]
TWO_STAGES = "2"
"""Begins the names of rankers that go by the status first: new cells, improved cells, the others."""


class Ranker:
    """Orders the genomes of I instances, best first.

    Fontaine et al. 2020, "Covariance matrix adaptation for the rapid illumination of behavior space".

    Args:
        name: `imp`, by the improvement of the cell (CMA-MAE); `rd`, along a random direction of measure space, which is
            drawn anew when an instance restarts; `obj`, by the objective; with a 2 before it, by status first.

    Raises:
        InputError: if there is no ranker of that name.
    """

    def __init__(self, name: RankerName) -> None:
        if name not in get_args(RankerName):
            raise InputError(f"ranker is {shown(name)}: expected one of {', '.join(get_args(RankerName))}")
        self.stages, self.by = 1 + name.startswith(TWO_STAGES), name.removeprefix(TWO_STAGES)

    def begin(self, archive: EliteArchive, instances: int, streams: Streams) -> None:
        """Draw the directions of `instances` in each replicate."""
        self._instances = instances
        if self.by == "rd":
            spans = numbers_on(archive.spans, torch.float64, streams.device)
            self._spans = spans
            self._direction = self._draw(streams)

    def rank(self, objective: Tensor, measures: Tensor, insertion: Insertion) -> tuple[Tensor, Tensor]:
        """Return the order int64 (I, B), best first, of equals the last, and the values (I, B, V), in that order.

        Args:
            objective: (I, B).
            measures: (I, B, K).
            insertion: of each, (I, B).
        """
        if self.by == "imp":
            values = insertion.value
        elif self.by == "obj":
            values = objective
        else:
            values = torch.bmm(measures, self._direction.flatten(0, 1).unsqueeze(2)).squeeze(2)
        order = values.nan_to_num(nan=-torch.inf).argsort(dim=1, stable=True)
        if self.stages == 1:
            order = order.flip(1)
            return order, values.gather(1, order).unsqueeze(2)
        order = order.gather(1, insertion.status.gather(1, order).argsort(dim=1, stable=True)).flip(1)
        return order, torch.stack((insertion.status.double(), values), dim=2).gather(
            1, order.unsqueeze(2).expand(-1, -1, 2)
        )

    def reset(self, chosen: Tensor, streams: Streams) -> None:
        """Draw another direction for those `chosen` bool (R * E,)."""
        if self.by == "rd":
            rows = chosen.view(len(streams), self._instances, 1)
            self._direction = torch.where(rows, self._draw(streams), self._direction)

    def state(self) -> State:
        """Return the directions."""
        return join(direction=self._direction) if self.by == "rd" else State()

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        if self.by == "rd":
            self._direction = state.like("direction", self._direction)

    def _draw(self, streams: Streams) -> Tensor:
        """Return directions float64 (R, E, K), scaled to measure space."""
        return streams.normal(len(streams), self._instances, len(self._spans)).double() * self._spans
