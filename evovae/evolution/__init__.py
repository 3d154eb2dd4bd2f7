"""Evolution of whole populations, with DEAP's roles, names and meanings."""

from evovae.evolution.algorithms import (
    eaGenerateUpdate,
    eaGenerateUpdate_iter,
    eaMuCommaLambda,
    eaMuCommaLambda_iter,
    eaMuPlusLambda,
    eaMuPlusLambda_iter,
    eaSimple,
    eaSimple_iter,
)
from evovae.evolution.baselines import gradient_ascent, gradient_ascent_iter, random_search, random_search_iter
from evovae.evolution.books import tabulate
from evovae.evolution.bridge import Bridge
from evovae.evolution.fronts import ParetoFront, hypervolume
from evovae.evolution.generations import Generation, collect
from evovae.evolution.halloffame import HallOfFame
from evovae.evolution.operators import (
    clip,
    crowding_distance,
    cxBlend,
    cxOnePoint,
    cxSimulatedBinary,
    cxSimulatedBinaryBounded,
    cxSlerp,
    cxTwoPoint,
    cxUniform,
    mutGaussian,
    mutPolynomialBounded,
    mutShuffleIndexes,
    nondominated_rank,
    reflect,
    selBest,
    selEpsilonLexicase,
    selLexicase,
    selNSGA2,
    selRandom,
    selRoulette,
    selStochasticUniversalSampling,
    selTournament,
    selWorst,
    slerp,
)
from evovae.evolution.population import Individual, Population
from evovae.evolution.roles import EvaluationError
from evovae.evolution.stopping import EarlyStopping
from evovae.evolution.strategies import SearchError, SeparableCMAES, StockStrategies
from evovae.evolution.toolbox import Toolbox, toolbox
from evovae.evolution.variation import evaluate, varAnd, varOr

__all__ = [
    "Bridge",
    "EarlyStopping",
    "EvaluationError",
    "Generation",
    "HallOfFame",
    "Individual",
    "ParetoFront",
    "Population",
    "SearchError",
    "SeparableCMAES",
    "StockStrategies",
    "Toolbox",
    "clip",
    "collect",
    "crowding_distance",
    "cxBlend",
    "cxOnePoint",
    "cxSimulatedBinary",
    "cxSimulatedBinaryBounded",
    "cxSlerp",
    "cxTwoPoint",
    "cxUniform",
    "eaGenerateUpdate",
    "eaGenerateUpdate_iter",
    "eaMuCommaLambda",
    "eaMuCommaLambda_iter",
    "eaMuPlusLambda",
    "eaMuPlusLambda_iter",
    "eaSimple",
    "eaSimple_iter",
    "evaluate",
    "gradient_ascent",
    "gradient_ascent_iter",
    "hypervolume",
    "mutGaussian",
    "mutPolynomialBounded",
    "mutShuffleIndexes",
    "nondominated_rank",
    "random_search",
    "random_search_iter",
    "reflect",
    "selBest",
    "selEpsilonLexicase",
    "selLexicase",
    "selNSGA2",
    "selRandom",
    "selRoulette",
    "selStochasticUniversalSampling",
    "selTournament",
    "selWorst",
    "slerp",
    "tabulate",
    "toolbox",
    "varAnd",
    "varOr",
]
