"""Selection: a population to one of `k` individuals in each replicate, in new memory."""

from __future__ import annotations

from evovae.errors import InputError
from evovae.evolution.population import Population, ranking_key


def selTournament(population: Population, k: int, tournsize: int) -> Population:
    """Select the best of `tournsize` individuals drawn with replacement, `k` times; the first drawn wins a tie."""
    if tournsize < 1:
        raise InputError(f"tournsize is {tournsize}: expected 1 or more")
    aspirants = population.streams.integers(len(population), population.replicates, k, tournsize)
    key = ranking_key(population.wvalues)
    winners = key.gather(1, aspirants.flatten(1)).view_as(aspirants).argmax(2, keepdim=True)
    return population.take(aspirants.gather(2, winners).squeeze(2))
