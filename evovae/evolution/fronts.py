"""Fronts of several objectives: their hypervolume, and an archive of what nothing dominates.

Hypervolume is moocore's (Lopez-Ibanez et al.), on the CPU and one replicate after the other: it waits for any other
device.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence

import moocore
import numpy as np
import torch
from torch import Tensor

from evovae.errors import InputError, shown
from evovae.evolution.halloffame import HallOfFame, hash_genes, only, repeated
from evovae.evolution.operators.nondominated import crowding_distance, lexicographic, nondominated_rank, upwards
from evovae.evolution.population import Population

SHARE = 0.1
"""Part of those too many that leave a front at a time."""


def hypervolume(population: Population, reference: Sequence[float]) -> Tensor:
    """Return the volume that lies between `reference` and what each replicate dominates, float64 (R,).

    Individuals that are not better than the reference in every objective, or not finite, add nothing.

    Args:
        population: its weights say only which direction is better; the volume is in the objectives' own units.
        reference: M values, one for each objective: a point that is worse than all that matter.

    Raises:
        InputError: if `reference` has another length, or is not finite.
    """
    try:
        bound = np.array(reference, dtype=float)
    except (ValueError, TypeError):
        bound = np.array(math.nan)
    if bound.shape != (len(population.weights),) or not np.isfinite(bound).all():
        raise InputError(
            f"reference is {shown(reference)}: expected {len(population.weights)} finite values, one an objective"
        )
    bound *= np.sign(population.weights)
    volumes = [moocore.hypervolume(points, bound, maximise=True) for points in upwards(population).cpu().numpy()]
    return torch.tensor(volumes, dtype=torch.float64, device=population.fitness.device)


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
