"""Crossover, mutation and selection on whole populations, with the names, parameters and meanings of `deap.tools`.

Crossovers and mutations take genomes (..., D) and return new ones of the same shape; nothing is changed in place.
`random` is where an operator draws its numbers: the population's streams, or what they hold for selected individuals.
Selections take a population and return one of `k` individuals a replicate.
"""
