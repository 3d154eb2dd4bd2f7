"""The hall of fame: the best individuals ever evaluated, for each replicate."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evovae.base import InputError, State, make_generator, require_whole
from evovae.evolution.individuals import Individual
from evovae.evolution.population import FLOATS, Population, ranking


class HallOfFame:
    """The `maxsize` best different individuals that each replicate has evaluated, best first.

    As in DEAP, a genome enters once; of a noisy objective, with the best fitness that it was given. Of equals the first
    stays. One without finite fitness never enters.
    """

    def __init__(self, maxsize: int) -> None:
        require_whole("maxsize", maxsize, least=1)
        self.maxsize = maxsize
        self._members: Population | None = None

    @property
    def population(self) -> Population:
        """The members, invalid and with NaN as fitness in the places that a replicate has not filled.

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
        """(R, K, M), NaN in the places that a replicate has not filled: it has met fewer different individuals."""
        return self.population.fitness

    def __len__(self) -> int:
        """Number of members K: of the replicate that has most."""
        return 0 if self._members is None else int(self._members.valid.sum(1).max())

    def __getitem__(self, index: int | slice) -> Any:
        """Return a member of the only replicate as DEAP knows it, the best first, or a list of them.

        Raises:
            InputError: if there are several replicates: `population.replicate(r)` has them one by one.
        """
        return list(self)[index]

    def __iter__(self) -> Iterator[Individual]:
        """The members of the only replicate, as DEAP knows them."""
        return iter([] if self._members is None else [member for member in self._members if member.fitness.valid])

    def __repr__(self) -> str:
        """In a line: how many of how many."""
        return f"<{type(self).__name__}: {len(self)} of at most {self.maxsize:,} in each replicate>"

    def update(self, population: Population) -> None:
        """Take in the individuals of `population` that belong among the members."""
        best = self._best(population)
        self._members = best if self._members is None else self._best(self._members.join(best))

    def metrics(self, reference: Sequence[float] | None = None) -> dict[str, Tensor]:
        """Return what the archive has reached, each (R,): `best`, the fitness of the best member.

        Args:
            reference: of M values, the point that a hypervolume is measured from.
        """
        return {"best": self.fitness[:, 0, 0]}

    def state(self) -> State:
        """Return the members."""
        return State() if self._members is None else self._members.state()

    def restore(self, state: Mapping[str, Tensor], population: Population) -> None:
        """Take up the members of `state`; `population` says of how many replicates and genes, and which weights.

        Raises:
            InputError: if these are others.
        """
        self._members = population.restored(state) if state else None

    def _best(self, population: Population) -> Population:
        """Return the best different individuals, invalid and with NaN as fitness where there are fewer."""
        order = ranking(population.wvalues)
        finite = population.finite.gather(1, order)
        usable = finite & ~repeated(hash_genes(population.genomes).gather(1, order), finite)
        place = (~usable).long().argsort(dim=1, stable=True)[:, : self.maxsize]
        return only(population.take(order.gather(1, place)), usable.gather(1, place))


def only(population: Population, kept: Tensor) -> Population:
    """Return `population` with those that are not `kept` bool (R, N) made invalid, with NaN as fitness."""
    fitness = torch.where(kept.unsqueeze(2), population.fitness, math.nan)
    return replace(population, fitness=fitness, valid=population.valid & kept)


def hash_genes(genomes: Tensor) -> Tensor:
    """Return a number int64 (R, N) for the genes of each of `genomes` (R, N, D), the same for the same genes.

    A random hash of their bits makes one pass over the genes where comparing pairs would make N. Of a million that
    differ, two share it with a chance of about 2^-10, or less.
    """
    exact = genomes + 0.0 if genomes.dtype in FLOATS else genomes.float()  # + 0.0: minus zero equals zero
    bits = exact.view(torch.int32)
    # The low bits of round numbers are zero, and so would be those of their products: the high half is folded in.
    folded = bits ^ (bits >> 16 & 0xFFFF)
    return (folded * _multipliers(bits.shape[2], bits.device)).sum(2)


def repeated(hashes: Tensor, among: Tensor) -> Tensor:
    """Return bool (R, N): whether an earlier one `among` (R, N) these `hashes` int64 (R, N) is the same."""
    ordered, order = torch.where(among, hashes, -1).sort(dim=1, stable=True)
    repeated = torch.zeros_like(among)
    return repeated.scatter_(1, order[:, 1:], ordered[:, 1:] == ordered[:, :-1])


@functools.lru_cache(maxsize=16)
def _multipliers(genes: int, device: torch.device) -> Tensor:
    """Odd random numbers int64 (D,) on a device, copied to it once: a copy in each generation would wait for it."""
    odd = torch.randint(-(2**62), 2**62, (genes,), generator=make_generator(0)).mul_(2).add_(1)
    return odd.to(device)
