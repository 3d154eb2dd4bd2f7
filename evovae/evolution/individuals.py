"""Individuals as DEAP knows them: lists of genes with a fitness, whose type holds the weights."""

from __future__ import annotations

import functools
from typing import Any

from deap import base


class Individual(list[float]):
    """One genome as DEAP knows it: a list of genes with a `fitness`."""

    def __init__(self, genes: list[float], fitness: base.Fitness) -> None:
        super().__init__(genes)
        self.fitness = fitness


class _Fitness(base.Fitness):
    """What the fitness types of all weights have in common: they are made when needed, and found again by weights."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _no_fitness, (self.weights,), self.__dict__


def _no_fitness(weights: tuple[float, ...]) -> Any:
    return fitness_of(weights)()


@functools.cache
def fitness_of(weights: tuple[float, ...]) -> Any:
    """Return the type of a fitness of these weights, always the same one."""
    return type("Fitness", (_Fitness,), {"weights": weights})
