"""What a search is measured against at the same number of evaluations: random search and gradient ascent."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping

import torch
from deap import base, tools
from torch import Tensor

from evovae.base import InputError, State, adam_state, join, restore_adam, shown
from evovae.evolution.algorithms import Statistics
from evovae.evolution.course import Archive, Course
from evovae.evolution.generation import Generation, Generations, Steps, collect
from evovae.evolution.operators.parameters import check_count, is_number
from evovae.evolution.population import Population
from evovae.evolution.roles import blaming, naming
from evovae.evolution.variation import evaluate


def random_search_iter(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `random_search`, or those that follow a generation's `state`."""
    check_count("evaluations", evaluations, least=1)
    return _draw(population, toolbox, evaluations, halloffame, state)


def random_search(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Draw genomes from the prior until each replicate has spent `evaluations`: the baseline of every search.

    Every generation is a fresh draw of as many individuals as `population` has (the last may be smaller), from streams
    of its own: give the population that the evolution starts from. What was found is in `halloffame`, and in the
    running maximum of the logbook.

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
    """Yield the generations of `gradient_ascent`, the initial population first; or those that follow a `state`."""
    check_count("evaluations", evaluations, least=1)
    if not (is_number(learning_rate) and 0 < learning_rate < math.inf):
        raise InputError(f"learning rate is {shown(learning_rate)}: expected a positive number")
    return _climb(population, toolbox, evaluations, learning_rate, halloffame, state)


def gradient_ascent(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    learning_rate: float = 0.1,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Climb from every individual along the gradient of its fitness, by Adam, for as many evaluations as a search.

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


def _draw(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    halloffame: Archive | None,
    state: Mapping[str, Tensor] | None,
) -> Generations:
    first, streams, weights = _first(state), population.streams.sibling(), population.weights
    if state is not None:
        streams = streams.restored(State(state).part("streams"))

    def steps() -> Iterator[Generation]:
        for gen, start, size in _portions(first, len(population), evaluations):
            with naming(gen):
                genomes = toolbox.project(toolbox.sample(size, streams))
                drawn = evaluate(Population.unevaluated(genomes, weights, streams), toolbox)
            yield _generation(gen, drawn, start + size)

    return Steps(Course(halloffame, state, population), steps())


def _climb(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    learning_rate: float,
    halloffame: Archive | None,
    state: Mapping[str, Tensor] | None,
) -> Generations:
    first = _first(state)
    genomes = toolbox.project(population.genomes).clone()  # R N D
    adam = torch.optim.Adam([genomes], lr=learning_rate, maximize=True)
    if state is not None:
        learned = State(state).part("more")
        genomes.copy_(learned.like("genomes", genomes))
        restore_adam(adam, learned.part("adam"))

    def steps() -> Iterator[Generation]:
        for gen, start, size in _portions(first, len(population), evaluations):
            climbing = genomes[:, :size].clone()
            with naming(gen), blaming("the role 'gradient'"):
                fitness, gradient = toolbox.gradient(climbing.flatten(0, 1))
            fitness = fitness.unflatten(0, climbing.shape[:2])
            valid = torch.ones_like(fitness[..., 0], dtype=torch.bool)
            climbed = Population(climbing, fitness, valid, population.weights, population.streams)
            if size == len(population):
                genomes.grad = gradient.view_as(genomes)
                adam.step()
                genomes.copy_(toolbox.project(genomes))
            yield _generation(gen, climbed, start + size, lambda: join(adam=adam_state(adam), genomes=genomes))

    return Steps(Course(halloffame, state, population), steps())


def _first(state: Mapping[str, Tensor] | None) -> int:
    """Return the number of the generation that comes next."""
    return 0 if state is None else State(state).number("gen") + 1


def _portions(first: int, size: int, evaluations: int) -> Iterator[tuple[int, int, int]]:
    """Yield number, start and size of portions of at most `size` that together make `evaluations`, from `first` on."""
    for gen in range(first, -(-evaluations // size)):
        yield gen, gen * size, min(size, evaluations - gen * size)


def _generation(
    gen: int, population: Population, evaluations: int, more: Callable[[], Mapping[str, Tensor]] = dict
) -> Generation:
    nevals = torch.full((population.replicates,), len(population), device=population.genomes.device)
    evaluated = torch.ones_like(population.valid)
    return Generation(gen, population, population, nevals, torch.full_like(nevals, evaluations), evaluated, more)
