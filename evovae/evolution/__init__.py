"""Evolution of whole populations, with DEAP's roles, names and meanings."""

from evovae.evolution.algorithms import (
    Generation,
    eaSimple,
    eaSimple_iter,
    evaluate,
    random_search,
    random_search_iter,
    varAnd,
)
from evovae.evolution.halloffame import HallOfFame
from evovae.evolution.operators import (
    cxBlend,
    cxOnePoint,
    cxSlerp,
    cxTwoPoint,
    cxUniform,
    mutGaussian,
    selTournament,
)
from evovae.evolution.population import Individual, Population
from evovae.evolution.toolbox import toolbox

__all__ = [
    "Generation",
    "HallOfFame",
    "Individual",
    "Population",
    "cxBlend",
    "cxOnePoint",
    "cxSlerp",
    "cxTwoPoint",
    "cxUniform",
    "eaSimple",
    "eaSimple_iter",
    "evaluate",
    "mutGaussian",
    "random_search",
    "random_search_iter",
    "selTournament",
    "toolbox",
    "varAnd",
]
