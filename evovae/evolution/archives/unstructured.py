"""Archives without cells: whatever is unlike all that is known gets a place of its own."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evovae.base import MIN_NUMBER, InputError, require_number, require_whole
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.insertion import Judgement


class UnstructuredArchive(EliteArchive):
    """An archive that grows by what is new: novelty search with local competition.

    Lehman and Stanley 2011, "Evolving a diversity of virtual creatures through novelty search and local competition".
    For measures whose range nobody knows, such as learned ones. The novelty of a candidate is its mean distance to its
    nearest elites in measure space. From `novelty_threshold` on it enters, wherever it lies; else it takes the place of
    the nearest elite if its objective is better. All of a batch are held against the archive before, as in pyribs:
    several that are new together all enter, however near to each other. In a full archive only elites are replaced.

    Args:
        dimensions: of measure space, K.
        novelty_threshold: in its units, a positive number.
        k_neighbors: nearest elites that novelty is the mean distance to, or all, if there are fewer.
        capacity: most elites of a replicate; coverage is the filled part of it.
        qd_score_offset: as `EliteArchive` has it.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self,
        dimensions: int,
        novelty_threshold: float,
        k_neighbors: int = 15,
        capacity: int = 10_000,
        qd_score_offset: float = 0.0,
    ) -> None:
        require_whole("dimensions", dimensions, least=1)
        require_number("novelty_threshold", novelty_threshold, MIN_NUMBER)
        require_whole("k_neighbors", k_neighbors, least=1)
        require_whole("capacity", capacity, least=1)
        super().__init__(capacity, dimensions, qd_score_offset=qd_score_offset)
        self.novelty_threshold, self.k_neighbors = novelty_threshold, k_neighbors

    @property
    def spans(self) -> tuple[float, ...]:
        """How far the elites of all replicates reach along each measure; 1 while there is none."""
        if self.empty is None or bool(self.empty.all()):
            return (1.0,) * self.dimensions
        found = self.measures[self.objective.isfinite()]
        return tuple((found.amax(0) - found.amin(0)).tolist())

    def index_of(self, measures: Tensor) -> Tensor:
        """Return int64 (R, N), for finite `measures` (R, N, K), which elite of the replicate is nearest.

        Raises:
            InputError: if a replicate has none.
        """
        if self.empty is None or bool(self.empty.any()):
            raise InputError("the archive is empty: there is no elite that could be nearest")
        return self._distances(measures.double()).argmin(2)

    def novelty(self, measures: Tensor) -> Tensor:
        """Return the mean distance float64 (R, N) of finite `measures` (R, N, K) to their nearest elites.

        Infinite where a replicate has none.
        """
        if self.empty is None or len(self) == 0:
            return torch.full(measures.shape[:2], math.inf, dtype=torch.float64, device=measures.device)
        distances = self._distances(measures.double())
        nearest = distances.topk(min(self.k_neighbors, distances.shape[2]), dim=2, largest=False).values
        known = nearest.isfinite()
        mean = torch.where(known, nearest, 0.0).sum(2) / known.sum(2)
        return torch.where(known.any(2), mean, math.inf)

    def _judge(self, measures: Tensor, objective: Tensor, usable: Tensor) -> Judgement:
        elites = self.results
        novel = usable & (self.novelty(measures) >= self.novelty_threshold)
        place = elites.count.unsqueeze(1) + novel.cumsum(1) - 1  # R N
        enters = novel & (place < self.cells)
        if len(self) == 0:
            nearest, rival = torch.zeros_like(place), torch.full_like(objective, math.inf)
        else:
            nearest = self._distances(measures).argmin(2)
            rival = torch.where(elites.count.unsqueeze(1) > 0, elites.take("objective", nearest), math.inf)
        better = usable & ~novel & (objective > rival)
        value = torch.where(novel, objective, objective - rival)
        threshold = torch.where(novel, -math.inf, rival)
        return Judgement(
            torch.where(novel, place.clamp_max(self.cells - 1), nearest), enters | better, enters, value, threshold
        )

    def _distances(self, measures: Tensor) -> Tensor:
        """Return the distances float64 (R, N, L) to the elites, infinite where a replicate has fewer."""
        known = self._known.unsqueeze(1)  # R 1 L
        # Not by products of matrices: of near neighbours these lose digits.
        distance = torch.cdist(measures, self.measures, compute_mode="donot_use_mm_for_euclid_dist")
        return torch.where(known, distance, math.inf)
