"""The front of several objectives: the individuals that no other dominates, for each replicate."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import torch
from torch import Tensor

from evovae.evolution.archives.hall_of_fame import HallOfFame, hash_genes, only, repeated
from evovae.evolution.operators.multiobjective import crowding_distance, hypervolume, lexicographic, nondominated_rank
from evovae.evolution.population import Population

SHARE = 0.1
"""Part of those too many that leave a front at a time."""


class ParetoFront(HallOfFame):
    """The different individuals that no other dominates, of all that each replicate has evaluated.

    As in DEAP, two are the same if genomes and fitness are, and the first stays. They are ordered lexicographically by
    fitness: the best in the first objective comes first. Fitness that is not finite never enters.

    Args:
        maxsize: how many of a replicate are kept. The most crowded go first, a tenth of those too many at a time, as
            each that goes makes room for its neighbours (Kukkonen and Deb 2006 let one go at a time); the ends of each
            objective stay as long as there is room.
    """

    def __init__(self, maxsize: int | None = None) -> None:
        super().__init__(sys.maxsize if maxsize is None else maxsize)

    def metrics(self, reference: Sequence[float] | None = None) -> dict[str, Tensor]:
        """Return `hypervolume` float64 (R,), what the front dominates up to `reference`; nothing without one."""
        return {} if reference is None else {"hypervolume": hypervolume(self.population, reference)}

    def _best(self, population: Population) -> Population:
        first = (nondominated_rank(population) == 0) & population.finite
        both = hash_genes(torch.cat((population.genomes, population.fitness), dim=2))
        front = _in_order(population, first & ~repeated(both, first))
        return front if len(front) <= self.maxsize else _in_order(front, _spread(front.fitness, self.maxsize))


def _in_order(population: Population, kept: Tensor) -> Population:
    """Return the individuals `kept` bool (R, N), in lexicographic order; `only` where a replicate has fewer."""
    size = max(1, int(kept.sum(1).max()))
    alone = only(population, kept)
    return alone.take(lexicographic(alone)[:, :size])


def _spread(fitness: Tensor, size: int) -> Tensor:
    """Return bool (R, K): which of fronts (R, K, M), padded with NaN, to keep for `size` that are well spread."""
    kept = fitness.isfinite().all(2)
    number = torch.arange(fitness.shape[1], device=fitness.device)
    while bool(((excess := kept.sum(1, keepdim=True) - size) > 0).any()):
        distance = crowding_distance(fitness, (~kept).long()).nan_to_num()  # finite: before those that are gone
        crowded = torch.where(kept, distance, math.inf).argsort(dim=1, stable=True)
        going = number < (excess.clamp_min(0) * SHARE).ceil()
        kept = kept.scatter(1, crowded, kept.gather(1, crowded) & ~going)
    return kept
