"""The best individuals ever evaluated, for each replicate."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evovae.errors import InputError
from evovae.evolution.population import Population, ranking_key


class HallOfFame:
    """The `maxsize` best different individuals that each replicate has evaluated, best first.

    As in DEAP, a genome enters once. Looks at the 2 * maxsize best newcomers of a generation.
    """

    def __init__(self, maxsize: int) -> None:
        if maxsize < 1:
            raise InputError(f"maxsize is {maxsize}: expected 1 or more")
        self.maxsize = maxsize
        self.members: Population | None = None

    @property
    def genomes(self) -> Tensor:
        """(R, K, D), best first, K at most `maxsize`."""
        return self._filled().genomes

    @property
    def fitness(self) -> Tensor:
        """(R, K, M), NaN where a replicate has met fewer than K different individuals."""
        return self._filled().fitness

    def update(self, population: Population, evaluated: Tensor | None = None) -> None:
        """Take in `population`, or only its newly `evaluated` (R, N) individuals: the others were seen before."""
        key = ranking_key(population.wvalues)
        if evaluated is not None:
            key = torch.where(evaluated, key, -math.inf)
        newcomers = population.take(key.topk(min(2 * self.maxsize, len(population)), dim=1).indices)
        pool = newcomers if self.members is None else _join(self.members, newcomers)
        equal = (pool.genomes.unsqueeze(2) == pool.genomes.unsqueeze(1)).all(-1)  # R K K
        repeated = equal.tril(-1).any(2) | ~pool.wvalues.isfinite().all(-1)
        fitness = torch.where(repeated.unsqueeze(2), math.nan, pool.fitness)
        pool = Population(pool.genomes, fitness, pool.valid, pool.weights, pool.streams)
        self.members = pool.best(min(self.maxsize, len(pool)))

    def _filled(self) -> Population:
        if self.members is None:
            raise InputError("the hall of fame is empty: give it to an algorithm, or update it, first")
        return self.members


def _join(a: Population, b: Population) -> Population:
    genomes, fitness, valid = (
        torch.cat(pair, dim=1) for pair in ((a.genomes, b.genomes), (a.fitness, b.fitness), (a.valid, b.valid))
    )
    return Population(genomes, fitness, valid, a.weights, a.streams)
