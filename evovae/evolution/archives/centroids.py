"""Archives whose cells lie around centroids."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch
from scipy.spatial import KDTree
from torch import Tensor

from evovae.base import InputError, make_generator, require_whole, shown
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.grid import check_range

TREE_DIMENSIONS = 12
"""With more measures a tree looks at nearly every centroid, and comparing with all in one product is faster."""
ROWS = 4096
"""Measures that are compared with all centroids at a time."""


class CVTArchive(EliteArchive):
    """An archive whose cells are the points nearest to each of its centroids.

    Vassiliades, Chatzilygeroudis and Mouret 2018, "Using centroidal Voronoi tessellations to scale up MAP-Elites".

        archive = CVTArchive(spread_centroids(1000, ranges=((0, 784), (0.5, 1.0)), seed=0))

    Args:
        centroids: (L, K), finite.
        learning_rate, threshold_min, qd_score_offset: as `EliteArchive` has them.

    Raises:
        InputError: if the centroids are not finite numbers of that shape.
    """

    def __init__(
        self,
        centroids: Tensor | np.ndarray | Sequence[Sequence[float]],
        learning_rate: float = 1.0,
        threshold_min: float = -math.inf,
        qd_score_offset: float = 0.0,
    ) -> None:
        try:
            points = torch.as_tensor(centroids, dtype=torch.float64, device="cpu").clone()
        except (TypeError, ValueError) as error:
            raise InputError(f"centroids is {shown(centroids)}: expected numbers (L, K)") from error
        if points.ndim != 2 or 0 in points.shape or not bool(points.isfinite().all()):
            raise InputError(f"centroids have shape {tuple(points.shape)}: expected finite numbers (L, K)")
        super().__init__(len(points), points.shape[1], learning_rate, threshold_min, qd_score_offset)
        self.centroids = points
        self._tree = KDTree(points.numpy()) if self.dimensions <= TREE_DIMENSIONS else None

    @property
    def spans(self) -> tuple[float, ...]:
        """How far the centroids reach along each measure."""
        return tuple((self.centroids.amax(0) - self.centroids.amin(0)).tolist())

    def index_of(self, measures: Tensor) -> Tensor:
        """Return int64 (...), for finite `measures` (..., K), which centroid is nearest; of equals the first."""
        points = measures.double().reshape(-1, self.dimensions)
        if self._tree is not None and measures.device.type == "cpu":
            found = torch.from_numpy(self._tree.query(points.numpy())[1].astype(np.int64))
        else:
            centroids = self.centroids.to(measures.device)
            found = torch.cat([torch.cdist(part, centroids).argmin(1) for part in points.split(ROWS)])
        return found.view(measures.shape[:-1])


def spread_centroids(
    cells: int, ranges: Sequence[Sequence[float]], seed: int = 0, samples: int = 100_000, rounds: int = 30
) -> Tensor:
    """Return `cells` points float64 (cells, K) that divide the `ranges` of K measures evenly.

    Lloyd's k-means on points that are drawn evenly.

    Args:
        cells: how many.
        ranges: of each measure, least and greatest value.
        seed: of the draws.
        samples: points drawn, at least `cells`.
        rounds: of k-means.

    Raises:
        InputError: if a number is out of its range.
    """
    require_whole("cells", cells, least=1)
    require_whole("samples", samples, least=cells)
    require_whole("rounds", rounds)
    low, high = torch.tensor([check_range(span) for span in ranges], dtype=torch.float64).T
    draws = torch.rand(samples, len(low), generator=make_generator(seed, 2), dtype=torch.float64)
    points = (low + draws * (high - low)).numpy()
    centroids = points[:cells].copy()
    for _ in range(rounds):
        nearest = KDTree(centroids).query(points)[1]
        count = np.bincount(nearest, minlength=cells)
        sums = np.stack([np.bincount(nearest, column, minlength=cells) for column in points.T], axis=1)
        filled = count > 0
        centroids[filled] = sums[filled] / count[filled, None]
    return torch.from_numpy(centroids)
