"""Selection: a population to one of `k` individuals in each replicate, in new memory.

One whose fitness is not finite is the worst of all. As in DEAP, `k` is 0 or more, and an individual may be selected
several times, but by `selBest` and `selWorst`, which give at most all there are.
"""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.base import InputError, require_whole
from evovae.evolution.operators.parameters import check_strength
from evovae.evolution.population import Population, ranking, ranking_key

CHUNK = 2**20
"""Candidates that lexicase selection looks at together: few enough for the caches."""


def selRandom(population: Population, k: int) -> Population:
    """Select `k` individuals by chance alone."""
    require_whole("k", k)
    return population.take(population.streams.integers(len(population), population.replicates, k))


def selBest(population: Population, k: int) -> Population:
    """Select the `k` best, best first; of equals the first."""
    return population.best(k)


def selWorst(population: Population, k: int) -> Population:
    """Select the `k` worst, worst first; of equals the first."""
    require_whole("k", k)
    return population.take(ranking_key(population.wvalues).argsort(dim=1, stable=True)[:, :k])


def selTournament(population: Population, k: int, tournsize: int) -> Population:
    """Select the best of `tournsize` individuals drawn with replacement, `k` times; the first drawn wins a tie."""
    require_whole("k", k)
    require_whole("tournsize", tournsize, least=1)
    aspirants = population.streams.integers(len(population), population.replicates, k, tournsize)
    key = ranking_key(population.wvalues)
    winners = key.gather(1, aspirants.flatten(1)).view_as(aspirants).argmax(2, keepdim=True)
    return population.take(aspirants.gather(2, winners).squeeze(2))


def selRoulette(population: Population, k: int) -> Population:
    """Select `k` times, each individual with a probability proportional to its first objective.

    Only that objective counts, and as the objective gave it, without its weight. Where it is zero for all, all are
    equally likely (DEAP selects none); one whose fitness is not finite is selected only where no fitness is finite.

    Raises:
        InputError: if the first objective is minimised, or negative for some individual. To see that, this waits for
            the device.
    """
    require_whole("k", k)
    return _spin(population, 1.0 - population.streams.fine_uniform(population.replicates, k))


def selStochasticUniversalSampling(population: Population, k: int) -> Population:
    """Select by one spin of a roulette with `k` evenly spaced pointers, best first (Baker 1987).

    An individual with the share p of the sum of the first objective is selected floor(k p) or ceil(k p) times. What is
    said of `selRoulette` holds here too, errors included.
    """
    require_whole("k", k)
    spin = 1.0 - population.streams.fine_uniform(population.replicates, 1)
    return _spin(population, (torch.arange(k, device=spin.device) + spin) / k)


def selLexicase(population: Population, k: int) -> Population:
    """Select, `k` times, by the objectives one after the other in random order (Spector 2012).

    Each leaves the best of those that the ones before it left; one of the last remaining is drawn.
    """
    return selEpsilonLexicase(population, k, epsilon=0.0)


def selEpsilonLexicase(population: Population, k: int, epsilon: float) -> Population:
    """Select as `selLexicase`, but each objective leaves all within `epsilon`, 0 or more, of its best (La Cava 2016).

    `epsilon` is in the units of the objectives, whatever their weights.
    """
    require_whole("k", k)
    check_strength("epsilon", epsilon)
    _refuse_constraints(population)
    replicates, n, objectives = population.fitness.shape
    draws = population.streams.uniform(replicates, k, objectives + 1)
    values, finite = _turned(population), population.finite
    entrants = finite | ~finite.any(1, keepdim=True)  # all where none is finite: R N
    chosen = []
    for part in draws.split(max(CHUNK // (replicates * n), 1), dim=1):
        candidates = entrants.unsqueeze(1).expand(-1, part.shape[1], -1)  # R k N
        for case in part[..., :-1].argsort(dim=2).unbind(2):  # R k, the objective that each selection goes by next
            fitness = values.gather(1, case.unsqueeze(2).expand(-1, -1, n))  # R k N
            best = fitness.masked_fill(~candidates, -torch.inf).amax(2, keepdim=True)  # R k 1
            candidates = candidates & (fitness >= best - epsilon)
        # One of the c that remain is drawn, its number from 1 to c; it stands where the running count reaches that.
        remaining = candidates.cumsum(2, dtype=torch.int32)  # R k N
        number = (part[..., -1:].double() * remaining[..., -1:]).int() + 1  # R k 1
        chosen.append(torch.searchsorted(remaining, number).squeeze(2))
    return population.take(torch.cat(chosen, dim=1))


def _refuse_constraints(population: Population) -> None:
    if population.violation is not None:
        raise InputError("the selection knows no constraints: use selTournament, selBest or selNSGA2, or penalties")


def _turned(population: Population) -> Tensor:
    """Return fitness float64 (R, M, N) by its own units, larger is better, and zero where it is not finite."""
    fitness = torch.where(population.finite.unsqueeze(2), population.fitness, 0.0).double().unbind(2)
    return torch.stack([f if w > 0 else -f for f, w in zip(fitness, population.weights, strict=True)], dim=1)


def _spin(population: Population, pointers: Tensor) -> Population:
    """Select where the `pointers` float64 (R, k), of (0, 1], come to stand on a roulette that the best begin."""
    _refuse_constraints(population)
    if population.weights[0] <= 0:
        raise InputError(
            f"the first objective has weight {population.weights[0]}: a roulette only maximises; use selTournament"
        )
    finite = population.finite
    share = torch.where(finite, population.fitness[..., 0], 0.0).double()
    if (share < 0).any():
        raise InputError(
            f"the first objective reaches {share.min().item():g}: a roulette needs 0 or more; use selTournament"
        )
    for equal in (finite, torch.ones_like(finite)):  # where all shares are zero; then where none is finite either
        share = torch.where(share.any(1, keepdim=True), share, equal)
    order = ranking(population.wvalues)  # R N
    edges = share.gather(1, order).cumsum(1)
    return population.take(order.gather(1, torch.searchsorted(edges, pointers * edges[:, -1:])))
