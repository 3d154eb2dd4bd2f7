"""The searches that an evolution can hold: what they are called, where they are kept, how they are run."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

from deap import base

from evovae import evolution
from evovae.base import State
from evovae.evolution import Generation, HallOfFame, Population
from evovae.runs.config import EvolveConfig
from evovae.runs.folder import HISTORY


class Place(NamedTuple):
    """Where a run folder keeps a search."""

    table: str
    """File of its history."""
    prefix: str
    """Of its tensors in the population file."""


PLACES = {
    "evolution": Place(HISTORY, ""),
    "random search": Place("baseline.csv", "baseline_"),
    "gradient ascent": Place("gradient.csv", "gradient_"),
}


def evolve_iter(
    population: Population,
    toolbox: base.Toolbox,
    config: EvolveConfig,
    archive: HallOfFame,
    state: State | None = None,
) -> Iterator[Generation]:
    """Return the generations of a settled `config`'s algorithm, from `population` or after a generation's `state`."""
    if config.algorithm == "eaGenerateUpdate":
        evolution.SeparableCMAES(population, config.sigma, config.population).register(toolbox)
        return evolution.eaGenerateUpdate_iter(toolbox, config.generations + 1, archive, state)
    cxpb, mutpb, ngen = config.cxpb, config.mutpb, config.generations
    if config.algorithm == "eaSimple":
        return evolution.eaSimple_iter(population, toolbox, cxpb, mutpb, ngen, archive, config.elites, state)
    plus = config.algorithm == "eaMuPlusLambda"
    algorithm = evolution.eaMuPlusLambda_iter if plus else evolution.eaMuCommaLambda_iter
    mu, lambda_ = config.population, config.offspring or config.population
    return algorithm(population, toolbox, mu, lambda_, cxpb, mutpb, ngen, archive, state)


BASELINES: dict[str, tuple[str, Callable[..., Iterator[Generation]]]] = {
    "random-search": ("random search", evolution.random_search_iter),
    "gradient-ascent": ("gradient ascent", evolution.gradient_ascent_iter),
}
