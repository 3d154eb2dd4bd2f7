"""The best individuals ever evaluated, for each replicate."""

from __future__ import annotations

import math
from dataclasses import replace

import torch
from torch import Tensor

from evovae.errors import InputError
from evovae.evolution.population import Population
from evovae.streams import make_generator


class HallOfFame:
    """The `maxsize` best different individuals that each replicate has evaluated, best first.

    As in DEAP, a genome enters once, and the first to have it stays. One without finite fitness never enters.
    """

    def __init__(self, maxsize: int) -> None:
        if maxsize < 1:
            raise InputError(f"maxsize is {maxsize}: expected 1 or more")
        self.maxsize = maxsize
        self._members: Population | None = None

    @property
    def population(self) -> Population:
        """The members, with NaN as fitness where a replicate has fewer than others.

        Raises:
            InputError: if it has met no individual yet.
        """
        if self._members is None:
            raise InputError("the hall of fame is empty: give it to an algorithm, or update it, first")
        return self._members

    @property
    def genomes(self) -> Tensor:
        """(R, K, D), best first, K at most `maxsize`."""
        return self.population.genomes

    @property
    def fitness(self) -> Tensor:
        """(R, K, M), NaN where a replicate has met fewer than K different individuals."""
        return self.population.fitness

    def update(self, population: Population) -> None:
        """Take in the individuals of `population` that belong among the members."""
        best = self._best(population)
        self._members = best if self._members is None else self._best(self._members.join(best))

    def _best(self, population: Population) -> Population:
        """Return the best different individuals, with NaN as fitness where there are fewer than `maxsize`."""
        finite = population.wvalues.isfinite().all(2)
        usable = finite & ~repeated(population.genomes, finite)
        fitness = torch.where(usable.unsqueeze(2), population.fitness, math.nan)
        return replace(population, fitness=fitness).best(min(self.maxsize, len(population)))


def repeated(genomes: Tensor, among: Tensor) -> Tensor:
    """Return bool (R, N): whether an earlier one `among` (R, N) these `genomes` (R, N, D) has the same genes.

    Genomes are told apart by a random linear hash of their bits, which makes one pass over the genes where comparing
    pairs would make N. Two that differ share it with a chance below 2^-30 (the low bits of round numbers are zero).
    """
    bits = (genomes + 0.0).view(torch.int32).long()  # + 0.0: minus zero equals zero
    odd = torch.randint(-(2**62), 2**62, (bits.shape[2],), generator=make_generator(0)).mul_(2).add_(1)
    hashes = bits.mul_(odd.to(bits.device)).sum(2)
    ordered, order = torch.where(among, hashes, -1).sort(dim=1, stable=True)
    repeated = torch.zeros_like(order, dtype=torch.bool)
    return repeated.scatter_(1, order[:, 1:], ordered[:, 1:] == ordered[:, :-1])
