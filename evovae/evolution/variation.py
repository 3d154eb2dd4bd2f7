"""Variation and evaluation of whole populations, as in `deap.algorithms`."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace

import torch
from deap import base
from torch import Tensor

from evovae.devices import counts_are_free
from evovae.errors import InputError
from evovae.evolution.operators.parameters import check_count
from evovae.evolution.population import Population
from evovae.streams import Streams


def varAnd(population: Population, toolbox: base.Toolbox, cxpb: float, mutpb: float) -> Population:
    """Return varied copies of the individuals: crossover *and* mutation, as in `deap.algorithms.varAnd`.

    Neighbours (0, 1), (2, 3), ... mate with probability `cxpb`; then every individual mutates with probability `mutpb`.
    Changed individuals are projected into the support (`toolbox.project`), and their fitness is invalid.
    """
    streams, n = population.streams, len(population)
    genomes, valid = population.genomes.flatten(0, 1).clone(), population.valid.clone()
    pairs = n // 2

    def neighbours(pair: Tensor) -> tuple[Tensor, Tensor]:
        first = 2 * pair if n % 2 == 0 else 2 * pair + pair // pairs  # the last of an odd number stays single
        return first, first + 1

    crossed = streams.uniform(len(streams), pairs) < cxpb
    _vary(toolbox.mate, genomes, crossed, neighbours, streams, toolbox.project)
    valid[:, : 2 * pairs].unflatten(1, (pairs, 2)).logical_and_(~crossed.unsqueeze(2))
    mutated = streams.uniform(len(streams), n) < mutpb
    _vary(_single(toolbox.mutate), genomes, mutated, lambda row: (row,), streams, toolbox.project)
    return _unevaluated(population, genomes.view_as(population.genomes), valid.logical_and_(~mutated))


def varOr(population: Population, toolbox: base.Toolbox, lambda_: int, cxpb: float, mutpb: float) -> Population:
    """Return `lambda_` offspring: crossover, mutation *or* reproduction, as in `deap.algorithms.varOr`.

    Each is the first child of two different parents with probability `cxpb`, a mutant with probability `mutpb`, and
    otherwise a copy; parents are drawn evenly. Changed individuals are projected into the support
    (`toolbox.project`), and their fitness is invalid.

    Raises:
        InputError: if `lambda_` is below 1, or a single individual is to mate.
    """
    check_count("lambda_", lambda_, least=1)
    streams, n = population.streams, len(population)
    if n < 2 and cxpb > 0:
        raise InputError(f"cxpb is {cxpb}: a single individual has nobody to mate with; expected 0")
    choice = streams.uniform(len(streams), lambda_)
    first = streams.integers(n, len(streams), lambda_)
    second = streams.integers(max(n - 1, 1), len(streams), lambda_)
    second = (second + (second >= first)) % n
    offspring, partners = population.take(first), population.take(second).genomes.flatten(0, 1)
    crossed, mutated = choice < cxpb, (choice >= cxpb) & (choice < cxpb + mutpb)
    genomes = torch.cat((offspring.genomes.flatten(0, 1), partners))
    _vary(toolbox.mate, genomes, crossed, lambda row: (row, row + len(partners)), streams, toolbox.project)
    _vary(_single(toolbox.mutate), genomes, mutated, lambda row: (row,), streams, toolbox.project)
    genomes = genomes[: len(partners)].view_as(offspring.genomes)
    return _unevaluated(offspring, genomes, offspring.valid & ~(crossed | mutated))


def evaluate(population: Population, toolbox: base.Toolbox) -> Population:
    """Return `population` with the fitness of its invalid individuals evaluated; the others are not decoded.

    Where counting the invalid ones would make the host wait for a device, all are decoded and the others' dropped.
    """
    everyone, pending = population.genomes.flatten(0, 1), ~population.valid.flatten()
    known = population.fitness.flatten(0, 1)
    if counts_are_free(pending):
        chosen = pending.nonzero().squeeze(1)
        fitness = known.index_copy(0, chosen, toolbox.evaluate(everyone.index_select(0, chosen)))
    else:
        fitness = torch.where(pending.unsqueeze(1), toolbox.evaluate(everyone), known)
    return replace(population, fitness=fitness.view_as(population.fitness), valid=torch.ones_like(population.valid))


def _unevaluated(population: Population, genomes: Tensor, valid: Tensor) -> Population:
    """Return `population` with other `genomes`, and NaN as fitness where it is not `valid` for them."""
    fitness = torch.where(valid.unsqueeze(2), population.fitness, math.nan)
    return replace(population, genomes=genomes, fitness=fitness, valid=valid)


def _vary(
    operator: Callable[..., tuple[Tensor, ...]],
    genomes: Tensor,
    mask: Tensor,
    rows: Callable[[Tensor], tuple[Tensor, ...]],
    streams: Streams,
    project: Callable[[Tensor], Tensor],
) -> None:
    """Write children over their parents in `genomes` (K, D), where `mask` (R, P) is set.

    `rows` takes places in the flattened mask to the rows of `genomes` where the parents lie.
    """
    if counts_are_free(mask):
        chosen = mask.flatten().nonzero().squeeze(1)
        where = rows(chosen)
        parents = [genomes.index_select(0, row) for row in where]
        children = project(torch.cat(operator(*parents, streams.select(chosen, mask.shape[1]))))
    else:
        where = rows(torch.arange(mask.numel(), device=mask.device))
        parents = [genomes.index_select(0, row).unflatten(0, mask.shape) for row in where]
        projected = [project(child) for child in operator(*parents, streams)]
        varied = [torch.where(mask.unsqueeze(2), c, p) for c, p in zip(projected, parents, strict=True)]
        children = torch.cat(varied).flatten(0, 1)
    genomes.index_copy_(0, torch.cat(where), children)


def _single(mutate: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    return lambda genomes, random: (mutate(genomes, random),)
