"""Crossover, mutation and selection on whole populations, with the names, parameters and meanings of `deap.tools`.

Crossovers and mutations take genomes (..., D) and return new ones of the same shape; nothing is changed in place.
`random` is where an operator draws its numbers: the population's streams, or what they hold for selected individuals.
Selections take a population and return one of `k` individuals a replicate.
"""

from evovae.evolution.operators.crossover import (
    cxBlend,
    cxOnePoint,
    cxSimulatedBinary,
    cxSimulatedBinaryBounded,
    cxSlerp,
    cxTwoPoint,
    cxUniform,
    slerp,
)
from evovae.evolution.operators.multiobjective import crowding_distance, nondominated_rank, selNSGA2
from evovae.evolution.operators.mutation import mutGaussian, mutPolynomialBounded, mutShuffleIndexes
from evovae.evolution.operators.parameters import clip, reflect
from evovae.evolution.operators.selection import (
    selBest,
    selEpsilonLexicase,
    selLexicase,
    selRandom,
    selRoulette,
    selStochasticUniversalSampling,
    selTournament,
    selWorst,
)

__all__ = [
    "clip",
    "crowding_distance",
    "cxBlend",
    "cxOnePoint",
    "cxSimulatedBinary",
    "cxSimulatedBinaryBounded",
    "cxSlerp",
    "cxTwoPoint",
    "cxUniform",
    "mutGaussian",
    "mutPolynomialBounded",
    "mutShuffleIndexes",
    "nondominated_rank",
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
]
