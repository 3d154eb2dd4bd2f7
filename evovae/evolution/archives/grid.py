"""Archives whose cells are those of a grid."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from evovae.base import InputError, require_whole, shown
from evovae.evolution.archives.archive import EliteArchive

EPSILON = 1e-6
"""Added before a measure is cut to its cell, as in pyribs, so that one on a border falls into the upper cell."""


class GridArchive(EliteArchive):
    """An archive whose cells divide each measure's range evenly; what is out of range counts to the cells at the rim.

        archive = GridArchive((100, 100), ranges=((0, 784), (0.5, 1.0)))

    Args:
        dims: cells along each of the K measures.
        ranges: of each measure, least and greatest value.
        learning_rate, threshold_min, qd_score_offset: as `EliteArchive` has them.

    Raises:
        InputError: if a number of cells is none, or a range is not one of finite numbers, low < high.
    """

    def __init__(
        self,
        dims: Sequence[int],
        ranges: Sequence[Sequence[float]],
        learning_rate: float = 1.0,
        threshold_min: float = -math.inf,
        qd_score_offset: float = 0.0,
    ) -> None:
        for cells in dims:
            require_whole("dims", cells, least=1)
        if len(dims) != len(ranges) or not len(dims):
            raise InputError(f"dims is {shown(dims)} and ranges {shown(ranges)}: expected a range for each")
        self.dims, self.ranges = tuple(dims), tuple((float(low), float(high)) for low, high in map(check_range, ranges))
        super().__init__(math.prod(dims), len(dims), learning_rate, threshold_min, qd_score_offset)

    @property
    def spans(self) -> tuple[float, ...]:
        """How wide the ranges are."""
        return tuple(high - low for low, high in self.ranges)

    def index_of(self, measures: Tensor) -> Tensor:
        """Return the cells int64 (...) of finite `measures` (..., K), counted as `numpy.ravel_multi_index` does."""
        index: Tensor | int = 0
        for values, cells, (low, high) in zip(measures.double().unbind(-1), self.dims, self.ranges, strict=True):
            place = (cells * (values - low) + EPSILON) / (high - low)
            index = index * cells + place.clamp_(0, cells - 1).long()  # which cuts off what is behind the point
        assert isinstance(index, Tensor)
        return index

    def grid_index(self, index: Tensor) -> Tensor:
        """Return the places int64 (..., K) along each measure of the cells `index` int64 (...)."""
        places = []
        for cells in reversed(self.dims):
            places.append(index % cells)
            index = index // cells
        return torch.stack(places[::-1], dim=-1)


def check_range(values: Sequence[float]) -> tuple[float, float]:
    """Return a range as two numbers, or refuse it."""
    try:
        low, high = map(float, values)
    except (TypeError, ValueError):
        low, high = math.nan, math.nan
    if not (low < high and math.isfinite(high - low)):
        raise InputError(f"a range is {shown(values)}: expected two finite numbers, low < high")
    return low, high
