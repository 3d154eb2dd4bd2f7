"""DEAP's own strategies, one for each replicate."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from deap import base
from torch import Tensor

from evovae.base import InputError, State, join, seeded_numpy
from evovae.evolution.population import Population
from evovae.evolution.strategies import diverged, fill_roles

TRANSPOSED = ".T"


class StockStrategies:
    """DEAP's `cma.Strategy`, or any that needs genes and fitness only, one for each replicate.

        strategies = StockStrategies(population, lambda mean: cma.Strategy(mean, sigma=0.5, lambda_=20))
        strategies.register(toolbox)

    They draw from numpy's global random numbers, which are lent to them: set from the replicate's stream, and put back.
    (`StrategyOnePlusLambda` and `StrategyMultiObjective` keep more than genes in their individuals, and do not fit.)
    One that diverges ends in a `SearchError`: where the eigenvalues of its matrix cannot be found any more, where its
    genes are not finite in float32, or where no fitness is finite.

    Args:
        population: how many replicates, with their streams and objective weights.
        make: takes the mean genome of a replicate, a list of D numbers, to a strategy: an object with
            `generate(ind_init)` and `update(individuals)`.
    """

    def __init__(self, population: Population, make: Callable[[list[float]], Any]) -> None:
        self.weights, self.streams = population.weights, population.streams.clone()
        self.device = population.genomes.device
        self.strategies = [make(mean) for mean in population.genomes.double().mean(1).tolist()]

    def register(self, toolbox: base.Toolbox) -> None:
        """Fill the roles `generate`, `update`, `state` and `restore` of `toolbox`."""
        fill_roles(self, toolbox)

    def state(self) -> State:
        """Return the numbers and arrays that the strategies hold, and the streams."""
        numbers = {f"{r}": _numbers_of(strategy) for r, strategy in enumerate(self.strategies)}
        return join(**numbers, streams=self.streams.state())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, in strategies made with the same arguments.

        Raises:
            InputError: if it is that of others.
        """
        state = State(state)
        for r, strategy in enumerate(self.strategies):
            _give_numbers(strategy, state.part(f"{r}"))
        self.streams = self.streams.restored(state.part("streams"))

    def generate(self) -> Population:
        """Return the individuals that each replicate's strategy asks for.

        Raises:
            SearchError: if a strategy has diverged.
        """
        genomes = []
        for r, strategy in enumerate(self.strategies):
            with self._asking(r):
                genomes.append(torch.tensor([list(genes) for genes in strategy.generate(list)], dtype=torch.float32))
            if not genomes[r].isfinite().all():
                raise diverged(strategy, r, "its genes are not finite")
        return Population.unevaluated(torch.stack(genomes).to(self.device), self.weights, self.streams)

    def update(self, population: Population) -> None:
        """Tell each replicate's strategy the fitness of its individuals.

        Raises:
            SearchError: if a strategy has diverged.
            InputError: if there are constraints, which it would not know of.
        """
        if population.violation is not None:
            raise InputError("DEAP's strategies know no constraints: use SeparableCMAES, or objectives.penalised")
        for r, (strategy, finite) in enumerate(zip(self.strategies, population.finite.any(1).tolist(), strict=True)):
            if not finite:
                raise diverged(strategy, r, "nobody's fitness is finite")
            with self._asking(r):
                strategy.update(population.replicate(r))

    @contextlib.contextmanager
    def _asking(self, r: int) -> Iterator[None]:
        """Lend the strategy of replicate `r` its random numbers, and tell why it fails where it has diverged."""
        try:
            with seeded_numpy(self.streams[r]), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                yield
        except np.linalg.LinAlgError as error:
            raise diverged(self.strategies[r], r, str(error)) from error


def _numbers_of(strategy: Any) -> dict[str, Tensor]:
    """The numbers and arrays among a strategy's attributes: what it learns, and constants that restoring repeats.

    An array whose columns lie together is kept as its transpose: products of matrices go by the order in memory, down
    to their last bits.
    """
    numbers = {}
    for name, value in vars(strategy).items():
        if isinstance(value, float | int | np.ndarray):
            array = np.asarray(value)
            columns = array.ndim == 2 and array.flags.f_contiguous and not array.flags.c_contiguous
            key, kept = (name + TRANSPOSED, array.T) if columns else (name, array)
            numbers[key] = torch.from_numpy(kept.copy())
    return numbers


def _give_numbers(strategy: Any, numbers: State) -> None:
    """Let a strategy take up what `_numbers_of` another gave."""
    for name, found in numbers.items():
        attribute, array = name.removesuffix(TRANSPOSED), found.numpy().copy()
        array = array if attribute == name else array.T
        before = np.asarray(getattr(strategy, attribute, None))
        if (array.shape, array.dtype) != (before.shape, before.dtype):
            raise InputError(f"the state has {attribute} as {array.dtype} of shape {array.shape}: of another strategy")
        setattr(strategy, attribute, array if array.ndim else array.item())
