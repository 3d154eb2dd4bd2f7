"""What a search is measured against at the same number of evaluations: random search and gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import torch
from deap import base, tools
from torch import Tensor

from evovae.base import MIN_NUMBER, State, adam_state, join, require_number, require_whole, restore_adam
from evovae.evolution.generation import Generations, collect
from evovae.evolution.logbook import Statistics
from evovae.evolution.loop import Algorithm, ask_and_tell
from evovae.evolution.population import Population
from evovae.evolution.roles import errors_from
from evovae.evolution.run_state import Archive


def random_search_iter(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `random_search` (see there), or those that follow the one of a `state`."""
    require_whole("evaluations", evaluations, least=1)
    algorithm = _RandomSearch(population, toolbox, evaluations)
    return ask_and_tell(algorithm, math.ceil(evaluations / len(population)), halloffame, state)


def random_search(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Draw genomes from the prior until each replicate has spent `evaluations`: the baseline of every search.

    Every generation is a fresh draw of N individuals, the size of `population` (the last may be smaller), from streams
    of its own: give the population that the evolution starts from. What was found is in `halloffame`, and in the
    running maximum of the logbook.

    Args:
        population: R replicates of N individuals, whose genomes do not matter.
        toolbox: its roles `sample`, `project` and `evaluate`.
        evaluations: evaluations in each replicate, 1 or more.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        verbose: print the logbook's stream after each generation.

    Returns:
        The individuals of the last draw, and a logbook with one entry a generation: `gen` and arrays over replicates.

    Raises:
        InputError: if `evaluations` is no whole number, 1 or more.
    """
    return collect(random_search_iter(population, toolbox, evaluations, halloffame), stats, verbose)


def gradient_ascent_iter(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    learning_rate: float = 0.1,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `gradient_ascent` (see there), or those that follow the one of a `state`."""
    require_whole("evaluations", evaluations, least=1)
    require_number("learning rate", learning_rate, MIN_NUMBER)
    algorithm = _GradientAscent(population, toolbox, evaluations, learning_rate)
    return ask_and_tell(algorithm, math.ceil(evaluations / len(population)), halloffame, state)


def gradient_ascent(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    learning_rate: float = 0.1,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Climb from every individual along the gradient of its fitness, by Adam, with the evaluations of a search.

    The baseline that may look inside the decoder (Nguyen et al. 2016, "Synthesizing the preferred inputs"). Each step
    decodes and evaluates every individual once, and differentiates besides, which takes time but no evaluation. After
    it genomes are projected into the support. No randomness is involved beyond the initial population; fewer
    individuals climb farther. The last generation may be of the first few individuals only.

    Args:
        population: where to start; evaluated or not.
        toolbox: its roles `gradient` and `project`.
        evaluations: evaluations in each replicate, 1 or more.
        learning_rate: Adam's step size, in units of a gene.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        verbose: print the logbook's stream after each generation.

    Raises:
        InputError: if a number is out of range, there are several objectives, or the objective has no gradient.
    """
    generations = gradient_ascent_iter(population, toolbox, evaluations, learning_rate, halloffame)
    return collect(generations, stats, verbose)


class _RandomSearch(Algorithm):
    """Fresh draws from the prior, `evaluations` in all."""

    def __init__(self, population: Population, toolbox: base.Toolbox, evaluations: int) -> None:
        super().__init__(toolbox)
        self._population, self._evaluations = population, evaluations
        self._streams = population.streams.sibling()

    def example(self) -> Population:
        return self._population

    def ask(self, gen: int) -> Population:
        size = _size(gen, len(self._population), self._evaluations)
        genomes = self.toolbox.project(self.toolbox.sample(size, self._streams))
        return Population.unevaluated(genomes, self._population.weights, self._streams)

    def restore(self, survivors: Population, state: State) -> None:
        self._streams = survivors.streams


class _GradientAscent(Algorithm):
    """Steps of Adam from a population, `evaluations` in all."""

    def __init__(self, population: Population, toolbox: base.Toolbox, evaluations: int, learning_rate: float) -> None:
        super().__init__(toolbox)
        self._population, self._evaluations = population, evaluations
        self._genomes = toolbox.project(population.genomes).clone()  # R N D
        self._adam = torch.optim.Adam([self._genomes], lr=learning_rate, maximize=True)

    def example(self) -> Population:
        return self._population

    def ask(self, gen: int) -> Population:
        size = _size(gen, len(self._population), self._evaluations)
        start = self._population
        return Population.unevaluated(self._genomes[:, :size].clone(), start.weights, start.streams)

    def evaluate(self, population: Population) -> Population:
        with errors_from("the role 'gradient'"):
            fitness, self._gradient = self.toolbox.gradient(population.genomes.flatten(0, 1))
        fitness = fitness.unflatten(0, population.valid.shape)
        return replace(population, fitness=fitness, valid=torch.ones_like(population.valid))

    def tell(self, population: Population) -> Population:
        if len(population) == len(self._population):
            self._genomes.grad = self._gradient.view_as(self._genomes)
            self._adam.step()
            self._genomes.copy_(self.toolbox.project(self._genomes))
        return population

    def state(self) -> State:
        return join(adam=adam_state(self._adam), genomes=self._genomes)

    def restore(self, survivors: Population, state: State) -> None:
        self._genomes.copy_(state.like("genomes", self._genomes))
        restore_adam(self._adam, state.part("adam"))


def _size(gen: int, size: int, evaluations: int) -> int:
    """Return the number of individuals in generation `gen`: `size`, but in the last one what is left."""
    return min(size, evaluations - gen * size)
