"""Evolutionary algorithms with the signatures and meanings of `deap.algorithms`, on whole populations.

Each is an iterator underneath (`eaSimple_iter`, ...) that yields one `Generation` after the other: progress, saving and
stopping are the caller's, who may simply stop asking. `Generation.state` is what another call, with the same arguments
and an empty hall of fame, goes on from, bit for bit; ask for it before asking for the next one, with which the streams
move on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import TypeAlias

import torch
from deap import base, tools
from torch import Tensor

from evovae.base import InputError, State
from evovae.evolution.course import Archive, Course
from evovae.evolution.generation import Generation, Generations, Steps, begin, collect
from evovae.evolution.operators.parameters import check_count, check_probability, check_shares
from evovae.evolution.population import Population
from evovae.evolution.roles import naming, select
from evovae.evolution.variation import evaluate, numbered, pending, reevaluates, varAnd, varOr

Statistics: TypeAlias = tools.Statistics | tools.MultiStatistics


def eaSimple_iter(
    population: Population,
    toolbox: base.Toolbox,
    cxpb: float,
    mutpb: float,
    ngen: int,
    halloffame: Archive | None = None,
    elites: int = 0,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `eaSimple`, the initial population first; or those that follow a `state`."""
    check_probability("cxpb", cxpb)
    check_probability("mutpb", mutpb)
    check_count("ngen", ngen)
    check_count("elites", elites, most=len(population) - 1)

    def vary(parents: Population) -> Population:
        return varAnd(select(toolbox.select, parents, len(parents) - elites), toolbox, cxpb, mutpb)

    def compete(parents: Population, offspring: Population) -> Population:
        return offspring if elites == 0 else parents.best(elites).join(offspring)

    return _evolve(population, toolbox, vary, compete, lambda pool: pool, ngen, halloffame, state)


def eaSimple(
    population: Population,
    toolbox: base.Toolbox,
    cxpb: float,
    mutpb: float,
    ngen: int,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
    elites: int = 0,
) -> tuple[Population, tools.Logbook]:
    """Evolve by selection, crossover and mutation, as `deap.algorithms.eaSimple` does (Baeck et al. 2000, ch. 7).

        evaluate(population)
        for g in range(ngen):
            population = select(population, len(population))
            offspring = varAnd(population, toolbox, cxpb, mutpb)
            evaluate(the changed offspring)
            population = offspring

    `population` itself stays as it was; calling again gives the same result, bit for bit.

    Args:
        population: R replicates of N individuals; only those without valid fitness are evaluated.
        toolbox: its roles `select`, `mate`, `mutate`, `project` and `evaluate`.
        cxpb: probability that a pair of neighbours mates, 0 to 1.
        mutpb: probability that an individual mutates, 0 to 1.
        ngen: number of generations after the initial one, 0 or more.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        verbose: print the logbook's stream after each generation.
        elites: so many of the best pass unchanged into the next generation, in the place of as many offspring.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates.

    Raises:
        InputError: if a probability or a number is out of range, or the objective's result has a wrong shape.
    """
    return collect(eaSimple_iter(population, toolbox, cxpb, mutpb, ngen, halloffame, elites), stats, verbose)


def eaMuPlusLambda_iter(
    population: Population,
    toolbox: base.Toolbox,
    mu: int,
    lambda_: int,
    cxpb: float,
    mutpb: float,
    ngen: int,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `eaMuPlusLambda`, the initial population first; or those that follow a `state`."""
    return _evolve_by_or(population, toolbox, mu, lambda_, cxpb, mutpb, ngen, halloffame, Population.join, state)


def eaMuPlusLambda(
    population: Population,
    toolbox: base.Toolbox,
    mu: int,
    lambda_: int,
    cxpb: float,
    mutpb: float,
    ngen: int,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Evolve by letting parents and offspring compete, as `deap.algorithms.eaMuPlusLambda` does.

        evaluate(population)
        for g in range(ngen):
            offspring = varOr(population, toolbox, lambda_, cxpb, mutpb)
            evaluate(the changed offspring)
            population = select(population + offspring, mu)

    With `selNSGA2` as `select` and several objectives this is NSGA-II, but for its mating tournament: parents are drawn
    evenly, as in DEAP's examples.

    Args:
        population: R replicates; only individuals without valid fitness are evaluated.
        toolbox: its roles `select`, `mate`, `mutate`, `project` and `evaluate`.
        mu: individuals that survive a generation.
        lambda_: offspring in a generation.
        cxpb: probability that an offspring comes from crossover.
        mutpb: probability that it comes from mutation; the rest are copies.
        ngen: number of generations after the initial one, 0 or more.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        verbose: print the logbook's stream after each generation.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates.

    Raises:
        InputError: if a number, a probability or their sum is out of range, or the objective's result has a wrong
            shape.
    """
    generations = eaMuPlusLambda_iter(population, toolbox, mu, lambda_, cxpb, mutpb, ngen, halloffame)
    return collect(generations, stats, verbose)


def eaMuCommaLambda_iter(
    population: Population,
    toolbox: base.Toolbox,
    mu: int,
    lambda_: int,
    cxpb: float,
    mutpb: float,
    ngen: int,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `eaMuCommaLambda`, the initial population first; or those that follow a `state`."""

    def compete(_: Population, offspring: Population) -> Population:
        return offspring

    generations = _evolve_by_or(population, toolbox, mu, lambda_, cxpb, mutpb, ngen, halloffame, compete, state)
    if lambda_ < mu:
        raise InputError(f"lambda_ is {lambda_}: expected at least mu ({mu}) offspring to select from")
    return generations


def eaMuCommaLambda(
    population: Population,
    toolbox: base.Toolbox,
    mu: int,
    lambda_: int,
    cxpb: float,
    mutpb: float,
    ngen: int,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Evolve by letting offspring replace their parents, as `deap.algorithms.eaMuCommaLambda` does.

        evaluate(population)
        for g in range(ngen):
            offspring = varOr(population, toolbox, lambda_, cxpb, mutpb)
            evaluate(the changed offspring)
            population = select(offspring, mu)

    Arguments, result and errors are those of `eaMuPlusLambda`; `lambda_` must be at least `mu`, and more where the
    selection takes each only once (`selBest`, `selNSGA2`): of `mu` offspring it would take all.
    """
    generations = eaMuCommaLambda_iter(population, toolbox, mu, lambda_, cxpb, mutpb, ngen, halloffame)
    return collect(generations, stats, verbose)


def eaGenerateUpdate_iter(
    toolbox: base.Toolbox, ngen: int, halloffame: Archive | None = None, state: Mapping[str, Tensor] | None = None
) -> Generations:
    """Yield the generations of `eaGenerateUpdate`, or those that follow a generation's `state`.

    To be left and gone on with, a strategy registers two roles more: `state` and `restore`.
    """
    check_count("ngen", ngen, least=1)
    return _ask_and_tell(toolbox, ngen, halloffame, state)


def eaGenerateUpdate(
    toolbox: base.Toolbox,
    ngen: int,
    halloffame: Archive | None = None,
    stats: Statistics | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Ask and tell, as `deap.algorithms.eaGenerateUpdate` does (Collette et al. 2010).

        for g in range(ngen):
            population = generate()
            evaluate(population)
            update(population)

    Register the two roles of a strategy, such as `SeparableCMAES`. As in DEAP the state is the strategy's: calling
    again goes on from there. Genomes are projected into the support before they are evaluated, and the strategy learns
    from the projected ones.

    Args:
        toolbox: its roles `generate`, `update`, `project` and `evaluate`.
        ngen: number of generations, 1 or more.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        verbose: print the logbook's stream after each generation.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates.
    """
    return collect(eaGenerateUpdate_iter(toolbox, ngen, halloffame), stats, verbose)


def _evolve(
    population: Population,
    toolbox: base.Toolbox,
    vary: Callable[[Population], Population],
    compete: Callable[[Population, Population], Population],
    survive: Callable[[Population], Population],
    ngen: int,
    halloffame: Archive | None,
    state: Mapping[str, Tensor] | None,
) -> Generations:
    """Return the evaluated `population` and then `ngen` generations: vary, evaluate, compete, survive."""
    anew = reevaluates(toolbox)  # then parents compete with a fitness of this generation, too

    def bear(parents: Population, gen: int) -> Population:
        offspring = vary(parents)
        offspring = numbered(offspring, len(population) + (gen - 1) * len(offspring))
        return compete(numbered(parents, 0), offspring) if anew else offspring  # parents are not born again

    def steps() -> Iterator[Generation]:
        start, parents, evaluations = begin(population, toolbox, state)
        for gen in range(start, ngen + 1):
            with naming(gen):
                offspring = parents if gen == 0 else bear(parents, gen)
                evaluated = pending(offspring, toolbox)
                offspring = evaluate(offspring, toolbox)
                pool = offspring if anew or gen == 0 else compete(parents, offspring)
                parents = pool if gen == 0 else survive(pool)
            nevals = evaluated.sum(1)
            evaluations = evaluations + nevals
            yield Generation(gen, parents, offspring, nevals, evaluations, evaluated)

    return Steps(Course(halloffame, state, population), steps())


def _ask_and_tell(
    toolbox: base.Toolbox, ngen: int, halloffame: Archive | None, state: Mapping[str, Tensor] | None
) -> Generations:
    start, evaluations, course = 0, None, Course(halloffame)
    if state is not None:
        state = State(state)
        course = Course(halloffame, state, toolbox.generate())  # of the same kind; `restore` takes its draws back
        toolbox.restore(state.part("more"))
        start = state.number("gen") + 1

    def steps() -> Iterator[Generation]:
        nonlocal evaluations
        for gen in range(start, ngen):
            with naming(gen):
                generated = toolbox.generate()
                projected = replace(generated, genomes=toolbox.project(generated.genomes))
                evaluated = pending(generated, toolbox)
                population = evaluate(projected, toolbox)
                toolbox.update(population)
            nevals = evaluated.sum(1)
            if evaluations is None:
                evaluations = torch.zeros_like(nevals) if state is None else state.like("evaluations", nevals)
            evaluations = evaluations + nevals
            yield Generation(gen, population, population, nevals, evaluations, evaluated, lambda: toolbox.state())

    return Steps(course, steps())


def _evolve_by_or(
    population: Population,
    toolbox: base.Toolbox,
    mu: int,
    lambda_: int,
    cxpb: float,
    mutpb: float,
    ngen: int,
    halloffame: Archive | None,
    compete: Callable[[Population, Population], Population],
    state: Mapping[str, Tensor] | None,
) -> Generations:
    """Check the numbers, and evolve by `varOr`, selecting `mu` of those of parents and offspring that `compete`."""
    check_shares(cxpb, mutpb)
    check_count("ngen", ngen)
    check_count("mu", mu, least=1)
    check_count("lambda_", lambda_, least=1)
    if mu < 2 and cxpb > 0:
        raise InputError(f"mu is {mu} and cxpb {cxpb}: a single parent has nobody to mate with")

    def vary(parents: Population) -> Population:
        return varOr(parents, toolbox, lambda_, cxpb, mutpb)

    def survive(pool: Population) -> Population:
        return select(toolbox.select, pool, mu)

    return _evolve(population, toolbox, vary, compete, survive, ngen, halloffame, state)
