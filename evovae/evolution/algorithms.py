"""Evolutionary algorithms with the signatures and meanings of `deap.algorithms`, on whole populations.

Each is built on an iterator (`eaSimple_iter`, ...) that yields one `Generation` after the other: progress, saving and
stopping are up to the caller. From `Generation.state` another call, with the same arguments and an empty hall of fame,
resumes the run bit for bit; take it before asking for the next generation, which moves the streams on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import torch
from deap import base, tools
from torch import Tensor

from evovae.base import InputError, State, require_whole
from evovae.evolution.generation import Generations, collect
from evovae.evolution.logbook import Statistics
from evovae.evolution.loop import Algorithm, ask_and_tell
from evovae.evolution.operators.parameters import check_probability, check_shares
from evovae.evolution.population import Population
from evovae.evolution.roles import select
from evovae.evolution.run_state import Archive
from evovae.evolution.variation import numbered, reevaluates, varAnd, varOr


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
    """Yield the generations of `eaSimple` (see there), or those that follow the one of a `state`."""
    check_probability("cxpb", cxpb)
    check_probability("mutpb", mutpb)
    require_whole("ngen", ngen)
    require_whole("elites", elites, most=len(population) - 1)

    def vary(parents: Population) -> Population:
        return varAnd(select(toolbox.select, parents, len(parents) - elites), toolbox, cxpb, mutpb)

    def compete(parents: Population, offspring: Population) -> Population:
        return offspring if elites == 0 else parents.best(elites).join(offspring)

    return ask_and_tell(_Evolution(population, toolbox, vary, compete), ngen + 1, halloffame, state)


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
        elites: number of the best that pass unchanged into the next generation, instead of that many offspring.

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
    """Yield the generations of `eaMuPlusLambda` (see there), or those that follow the one of a `state`."""
    require_whole("ngen", ngen)
    algorithm = _evolution_by_or(
        population, toolbox, mu=mu, lambda_=lambda_, cxpb=cxpb, mutpb=mutpb, compete=Population.join
    )
    return ask_and_tell(algorithm, ngen + 1, halloffame, state)


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
    generations = eaMuPlusLambda_iter(
        population, toolbox, mu=mu, lambda_=lambda_, cxpb=cxpb, mutpb=mutpb, ngen=ngen, halloffame=halloffame
    )
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
    """Yield the generations of `eaMuCommaLambda` (see there), or those that follow the one of a `state`."""
    require_whole("ngen", ngen)
    algorithm = _evolution_by_or(
        population, toolbox, mu=mu, lambda_=lambda_, cxpb=cxpb, mutpb=mutpb, compete=_offspring_only
    )
    if lambda_ < mu:
        raise InputError(f"lambda_ is {lambda_}: expected at least mu ({mu}) offspring to select from")
    return ask_and_tell(algorithm, ngen + 1, halloffame, state)


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
    generations = eaMuCommaLambda_iter(
        population, toolbox, mu=mu, lambda_=lambda_, cxpb=cxpb, mutpb=mutpb, ngen=ngen, halloffame=halloffame
    )
    return collect(generations, stats, verbose)


class _Evolution(Algorithm):
    """Evolution of a population that is evaluated first; then, generation by generation, its parts are called.

    Args:
        population: generation 0.
        toolbox: its roles.
        vary: parents to offspring.
        compete: parents and offspring to those that may survive.
        survive: those to the next parents.
    """

    def __init__(
        self,
        population: Population,
        toolbox: base.Toolbox,
        vary: Callable[[Population], Population],
        compete: Callable[[Population, Population], Population],
        survive: Callable[[Population], Population] = lambda pool: pool,
    ) -> None:
        super().__init__(toolbox)
        self._population, self._vary, self._compete, self._survive = population, vary, compete, survive
        self._parents: Population | None = None
        self._reevaluates = reevaluates(toolbox)  # then parents compete with a fitness of this generation, too

    def example(self) -> Population:
        return self._population

    def ask(self, gen: int) -> Population:
        if self._parents is None:
            # The streams are a copy: the same population evolves the same way twice.
            start, project = self._population, self.toolbox.project
            inside = torch.where(start.valid.unsqueeze(2), start.genomes, project(start.genomes))  # R N D
            return replace(start, genomes=inside, streams=start.streams.clone())
        offspring = self._vary(self._parents)
        offspring = numbered(offspring, len(self._population) + (gen - 1) * len(offspring))
        if self._reevaluates:
            return self._compete(numbered(self._parents, 0), offspring)  # parents keep their numbers
        return offspring

    def tell(self, population: Population) -> Population:
        if self._parents is None:
            self._parents = population
        else:
            pool = population if self._reevaluates else self._compete(self._parents, population)
            self._parents = self._survive(pool)
        return self._parents

    def restore(self, survivors: Population, state: State) -> None:
        self._parents = survivors


def _offspring_only(_: Population, offspring: Population) -> Population:
    return offspring


def _evolution_by_or(
    population: Population,
    toolbox: base.Toolbox,
    *,
    mu: int,
    lambda_: int,
    cxpb: float,
    mutpb: float,
    compete: Callable[[Population, Population], Population],
) -> Algorithm:
    """Check the numbers, and return evolution by `varOr` that selects `mu` of those of parents and offspring."""
    check_shares(cxpb, mutpb)
    require_whole("mu", mu, least=1)
    require_whole("lambda_", lambda_, least=1)
    if mu < 2 and cxpb > 0:
        raise InputError(f"mu is {mu} and cxpb {cxpb}: a single parent has nobody to mate with")
    return _Evolution(
        population,
        toolbox,
        vary=lambda parents: varOr(parents, toolbox, lambda_, cxpb, mutpb),
        compete=compete,
        survive=lambda pool: select(toolbox.select, pool, mu),
    )
