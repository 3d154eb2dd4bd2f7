"""The register of searches: what each is called, where a run folder keeps it, and how its generations are made.

Imports no torch: the settings of a run name the searches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

from evovae import evolution
from evovae.runs.illuminations.algorithms import ILLUMINATIONS

if TYPE_CHECKING:
    from deap import base

    from evovae.base import State
    from evovae.evolution import EliteArchive, Generation, HallOfFame, Population
    from evovae.runs.config import EvolveConfig
    from evovae.runs.illuminations.illumination_config import IlluminateConfig

HISTORY = "history.csv"
"""History of a training, or of the search that a run is for; its baselines have files of their own."""
Baseline = Literal["random-search", "gradient-ascent"]


class Start(NamedTuple):
    """What a search begins with."""

    population: Population
    """The initial one, of every search in a run."""
    toolbox: base.Toolbox
    config: EvolveConfig | IlluminateConfig
    """Without `auto`."""
    evaluations: int
    """That a baseline spends in each replicate; what it is compared with ends by its generations."""
    archive: HallOfFame | EliteArchive
    state: State | None = None
    """Of the generation after which it continues."""


class SearchMethod(NamedTuple):
    """A search that a run folder can hold."""

    label: str
    """In tables and figures."""
    history: str
    """File of its history."""
    prefix: str
    """Of its tensors in the population file."""
    generations: Callable[[Start], Iterator[Generation]]
    """Makes its generations."""
    climbs: bool = False
    """Whether it follows the gradient of a single objective."""
    grey: bool = False
    """Whether figures draw it grey, as what the others are measured against; these take the palette in order."""


def _evolve(start: Start) -> Iterator[Generation]:
    population, toolbox, _, _, archive, state = start
    config = cast("EvolveConfig", start.config)
    if config.algorithm == "eaGenerateUpdate":
        sigma = toolbox.encoding.sigma if config.sigma is None else config.sigma
        step = sum(sigma) / len(sigma) if isinstance(sigma, tuple) else sigma
        evolution.SeparableCMAES(population, step, config.population).register(toolbox)
        return evolution.eaGenerateUpdate_iter(toolbox, config.generations + 1, archive, state)
    cxpb, mutpb, ngen = config.cxpb, config.mutpb, config.generations
    if config.algorithm == "eaSimple":
        return evolution.eaSimple_iter(population, toolbox, cxpb, mutpb, ngen, archive, config.elites, state)
    plus = config.algorithm == "eaMuPlusLambda"
    algorithm = evolution.eaMuPlusLambda_iter if plus else evolution.eaMuCommaLambda_iter
    mu, lambda_ = config.population, config.offspring or config.population
    return algorithm(population, toolbox, mu, lambda_, cxpb, mutpb, ngen, archive, state)


def _illuminate(start: Start) -> Iterator[Generation]:
    config, archive = cast("IlluminateConfig", start.config), cast("EliteArchive", start.archive)
    emitter = ILLUMINATIONS[config.algorithm].emitter(config)
    ngen, replicates, seed = config.generations, config.replicates, config.seed
    return evolution.illuminate_iter(start.toolbox, archive, emitter, ngen, replicates, seed, state=start.state)


def _search_randomly(start: Start) -> Iterator[Generation]:
    population, toolbox, _, evaluations, archive, state = start
    return evolution.random_search_iter(population, toolbox, evaluations, archive, state)


def _ascend(start: Start) -> Iterator[Generation]:
    population, toolbox, _, evaluations, archive, state = start
    return evolution.gradient_ascent_iter(population, toolbox, evaluations, halloffame=archive, state=state)


EVOLUTION = SearchMethod("evolution", HISTORY, "", _evolve)
ILLUMINATION = SearchMethod("illumination", HISTORY, "", _illuminate)
RANDOM_SEARCH = SearchMethod("random search", "baseline.csv", "baseline_", _search_randomly, grey=True)
GRADIENT_ASCENT = SearchMethod("gradient ascent", "gradient.csv", "gradient_", _ascend, climbs=True)
BASELINES: dict[Baseline, SearchMethod] = {"random-search": RANDOM_SEARCH, "gradient-ascent": GRADIENT_ASCENT}
"""By their names on the command line."""
SEARCHES = {method.label: method for method in (EVOLUTION, *BASELINES.values())}
"""Of an evolution, by label."""
ILLUMINATION_SEARCHES = {method.label: method for method in (ILLUMINATION, RANDOM_SEARCH)}
"""Of an illumination, by label."""
