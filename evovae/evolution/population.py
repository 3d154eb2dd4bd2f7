"""Populations: replicates side by side in one tensor, with fitness, weights and random streams."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from deap import base
from torch import Tensor

from evovae.errors import InputError
from evovae.state import State
from evovae.streams import Streams


class Individual(list[float]):
    """One genome as DEAP knows it: a list of genes with a `fitness`."""

    def __init__(self, genes: list[float], fitness: base.Fitness) -> None:
        super().__init__(genes)
        self.fitness = fitness


@dataclass(frozen=True, eq=False)
class Population:
    """R replicates of N individuals with D genes and M objectives; nothing in it is ever changed in place."""

    genomes: Tensor
    """(R, N, D)."""
    fitness: Tensor
    """(R, N, M), as the objective gave it; NaN where not evaluated yet."""
    valid: Tensor
    """bool (R, N): whether the fitness belongs to the genome. In DEAP's words, an invalid one is not evaluated yet."""
    weights: tuple[float, ...]
    """One for each objective: positive to maximise, negative to minimise."""
    streams: Streams
    """The random stream of each replicate."""

    @classmethod
    def unevaluated(cls, genomes: Tensor, weights: tuple[float, ...], streams: Streams) -> Population:
        """Return a population of `genomes` (R, N, D) whose fitness is not known yet."""
        fitness = torch.full((*genomes.shape[:2], len(weights)), math.nan, device=genomes.device)
        return cls(genomes, fitness, torch.zeros_like(fitness[..., 0], dtype=torch.bool), weights, streams)

    def __len__(self) -> int:
        """Number of individuals N in each replicate."""
        return self.genomes.shape[1]

    @property
    def replicates(self) -> int:
        """Number of replicates R."""
        return self.genomes.shape[0]

    @property
    def wvalues(self) -> Tensor:
        """Fitness times weights (R, N, M), larger is better.

        Minus infinity in every objective of an individual of which one is not finite, so that it never wins.
        """
        weighted = self.fitness * _weights_on(self.weights, self.fitness.device)
        return torch.where(self.finite.unsqueeze(2), weighted, -math.inf)

    @property
    def finite(self) -> Tensor:
        """Whose fitness is finite in every objective, bool (R, N); that of the others never wins."""
        finite = self.fitness.isfinite()
        return finite.squeeze(2) if finite.shape[2] == 1 else finite.all(2)

    def take(self, index: Tensor) -> Population:
        """Return the individuals `index` int64 (R, K) of each replicate, in new memory."""
        rows = _rows(index, len(self))
        genomes, fitness, valid = (
            values.flatten(0, 1).index_select(0, rows).unflatten(0, index.shape)
            for values in (self.genomes, self.fitness, self.valid)
        )
        return replace(self, genomes=genomes, fitness=fitness, valid=valid)

    def join(self, other: Population) -> Population:
        """Return these individuals followed by those of `other`, in each replicate, with the streams of `other`."""
        pairs = ((self.genomes, other.genomes), (self.fitness, other.fitness), (self.valid, other.valid))
        genomes, fitness, valid = (torch.cat(pair, dim=1) for pair in pairs)
        return replace(other, genomes=genomes, fitness=fitness, valid=valid)

    def seeded(self, genomes: Tensor) -> Population:
        """Return these individuals, the first K of each replicate replaced by `genomes` (K, D), not evaluated yet.

        Raises:
            InputError: if they are more than there are individuals, or have another number of genes.
        """
        replicates, size, genes = self.genomes.shape
        if genomes.ndim != 2 or len(genomes) > size or genomes.shape[1] != genes:
            raise InputError(f"genomes have shape {tuple(genomes.shape)}: expected (K, {genes}), K at most {size}")
        given = genomes.to(self.genomes).expand(replicates, -1, -1)
        rest = torch.arange(len(genomes), size, device=self.genomes.device).expand(replicates, -1)
        return Population.unevaluated(given, self.weights, self.streams).join(self.take(rest))

    def state(self) -> State:
        """Return genomes, fitness and who is valid."""
        return State(genomes=self.genomes, fitness=self.fitness, valid=self.valid)

    def restored(self, state: State) -> Population:
        """Return the individuals of `state`, as many replicates of as many genes, with these weights and streams.

        Raises:
            InputError: if its shapes do not fit.
        """
        genomes, fitness, valid = (state[name].to(self.genomes.device) for name in ("genomes", "fitness", "valid"))
        replicates, _, genes = self.genomes.shape
        shape = tuple(genomes.shape)
        if (
            len(shape) != 3
            or (shape[0], shape[2]) != (replicates, genes)
            or fitness.shape != (*shape[:2], len(self.weights))
            or valid.shape != shape[:2]
            or (genomes.dtype, fitness.dtype, valid.dtype) != (torch.float32, torch.float32, torch.bool)
        ):
            expected = f"{replicates} replicates of {genes} genes, {len(self.weights)} objectives"
            raise InputError(f"the state has genomes of shape {shape}: expected {expected}")
        return replace(self, genomes=genomes, fitness=fitness, valid=valid)

    def best(self, k: int = 1) -> Population:
        """Return the best `k` of each replicate, or all there are, best first; of equals the first."""
        return self.take(ranking(self.wvalues)[:, :k])

    def replicate(self, r: int) -> list[Individual]:
        """Return replicate `r` as DEAP's list of individuals, each with a `deap.base.Fitness`.

        A fitness that is not finite is the worst there is, in every objective: DEAP's tools let NaN win.
        """
        fitness_type = _fitness_type(self.weights)
        worst = -math.inf * _weights_on(self.weights, self.fitness.device)
        fitness = torch.where(self.finite[r].unsqueeze(1), self.fitness[r], worst)
        rows = zip(self.genomes[r].tolist(), fitness.tolist(), self.valid[r].tolist(), strict=True)
        return [Individual(genes, fitness_type(values if valid else ())) for genes, values, valid in rows]


@functools.cache
def _weights_on(weights: tuple[float, ...], device: torch.device) -> Tensor:
    """The weights on a device, copied to it once: a copy in each generation would wait for it."""
    return torch.tensor(weights, dtype=torch.float32, device=device)


class _Fitness(base.Fitness):
    """What the fitness types of all weights have in common: they are made when needed, and found again by weights."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_fitness, (self.weights,), self.__dict__


def _no_fitness(weights: tuple[float, ...]) -> Any:
    return _fitness_type(weights)()


@functools.cache
def _fitness_type(weights: tuple[float, ...]) -> Any:
    return type("Fitness", (_Fitness,), {"weights": weights})


def ranking(wvalues: Tensor) -> Tensor:
    """Return the individuals int64 (R, N) best first by `wvalues` (R, N, M), as DEAP's stable sort orders them."""
    return ranking_key(wvalues).argsort(dim=1, descending=True, stable=True)


def ranking_key(wvalues: Tensor) -> Tensor:
    """Return numbers (R, N) that order individuals by `wvalues` (R, N, M) as DEAP does: lexicographically."""
    if wvalues.shape[-1] == 1:
        return wvalues[..., 0]
    order = torch.arange(wvalues.shape[1], device=wvalues.device).expand(wvalues.shape[:2])
    for objective in reversed(range(wvalues.shape[-1])):  # stable sorts, the least significant first
        order = order.gather(1, wvalues[..., objective].gather(1, order).argsort(dim=1, stable=True))
    ordered = wvalues.gather(1, order.unsqueeze(2).expand_as(wvalues))
    steps = (ordered[:, 1:] != ordered[:, :-1]).any(-1).cumsum(1)
    ranks = torch.cat((torch.zeros_like(order[:, :1]), steps), dim=1)
    return torch.empty_like(ranks).scatter_(1, order, ranks).to(wvalues.dtype)


def _rows(index: Tensor, n: int) -> Tensor:
    """Return the rows (R * K,) that `index` (R, K) names in tensors of which R * `n` rows were flattened."""
    if len(index) == 1:
        return index.flatten()
    return (index + torch.arange(len(index), device=index.device).mul_(n).unsqueeze(1)).flatten()
