"""Which elites stand for the blocks of cells that a map of pictures is divided into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

MOST_TILES = 20
"""Blocks along a measure at most: more pictures cannot be told apart."""


class Tiles(NamedTuple):
    """Blocks of cells, and the best elite of each that has one."""

    rows: NDArray[np.int64]
    """(T,), which elites."""
    places: NDArray[np.int64]
    """(T, 2), of their blocks, along the first measure and the second."""
    blocks: tuple[int, int]
    """How many there are along each."""


def plane(index: NDArray[np.int64], grid: Sequence[int]) -> tuple[NDArray[np.int64], tuple[int, int]]:
    """Return the places (L, 2) of cells `index` (L,) along the first two measures, and how many cells these have.

    Of one measure the second has one cell.
    """
    across, up = grid[0], grid[1] if len(grid) > 1 else 1
    first = index // math.prod(grid[2:])
    return np.stack([first // up, first % up], axis=1), (across, up)


def best_in_blocks(
    index: NDArray[np.int64], objective: NDArray[np.float64], grid: Sequence[int], most: int = MOST_TILES
) -> Tiles:
    """Divide the first two measures of a `grid` into at most `most` blocks each, and find the best elite in each block.

    Args:
        index: (L,), cells of the elites.
        objective: (L,), the larger the better.
        grid: cells along each measure.
        most: blocks along a measure.
    """
    cells, sizes = plane(index, grid)
    blocks = (min(most, sizes[0]), min(most, sizes[1]))
    places = cells * np.array(blocks) // np.array(sizes)
    order = np.argsort(-objective, kind="stable")
    _, first = np.unique(places[order, 0] * blocks[1] + places[order, 1], return_index=True)
    rows = order[first]
    return Tiles(rows, places[rows], blocks)
