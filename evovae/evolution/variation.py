"""Variation and evaluation of whole populations, as in `deap.algorithms`."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace

import torch
from deap import base
from torch import Tensor

from evovae.devices import counts_are_free
from evovae.errors import InputError
from evovae.evolution.operators.parameters import check_count, check_probability, check_shares
from evovae.evolution.population import Population
from evovae.streams import Streams


class EvaluationError(RuntimeError):
    """The fitness of a generation could not be had: the message names the generation and who failed."""


def varAnd(population: Population, toolbox: base.Toolbox, cxpb: float, mutpb: float) -> Population:
    """Return varied copies of the individuals: crossover *and* mutation, as in `deap.algorithms.varAnd`.

    Neighbours (0, 1), (2, 3), ... mate with probability `cxpb`; then every individual mutates with probability `mutpb`.
    Changed individuals are projected into the support (`toolbox.project`), and their fitness is invalid.

    Raises:
        InputError: if a probability is none.
    """
    check_probability("cxpb", cxpb)
    check_probability("mutpb", mutpb)
    streams, n = population.streams, len(population)
    genomes, valid = population.genomes.flatten(0, 1).clone(), population.valid.flatten().clone()
    pairs = n // 2

    def neighbours(pair: Tensor) -> tuple[Tensor, Tensor]:
        first = 2 * pair if n % 2 == 0 else 2 * pair + pair // pairs  # the last of an odd number stays single
        return first, first + 1

    crossed = streams.uniform(len(streams), pairs) < cxpb
    _vary(toolbox.mate, genomes, valid, crossed, neighbours, streams, toolbox.project)
    mutated = streams.uniform(len(streams), n) < mutpb
    _vary(_single(toolbox.mutate), genomes, valid, mutated, lambda row: (row,), streams, toolbox.project)
    return _unevaluated(population, genomes, valid)


def varOr(population: Population, toolbox: base.Toolbox, lambda_: int, cxpb: float, mutpb: float) -> Population:
    """Return `lambda_` offspring: crossover, mutation *or* reproduction, as in `deap.algorithms.varOr`.

    Each is the first child of two different parents with probability `cxpb`, a mutant with probability `mutpb`, and
    otherwise a copy; parents are drawn evenly. Changed individuals are projected into the support
    (`toolbox.project`), and their fitness is invalid.

    Raises:
        InputError: if `lambda_` is below 1, a probability or their sum is none, or a single individual is to mate.
    """
    check_count("lambda_", lambda_, least=1)
    check_shares(cxpb, mutpb)
    streams, n = population.streams, len(population)
    if n < 2 and cxpb > 0:
        raise InputError(f"cxpb is {cxpb}: a single individual has nobody to mate with; expected 0")
    choice = streams.uniform(len(streams), lambda_)
    first = streams.integers(n, len(streams), lambda_)
    second = streams.integers(max(n - 1, 1), len(streams), lambda_)
    second = (second + (second >= first)) % n
    offspring, partners = population.take(first), population.take(second)
    crossed, mutated = choice < cxpb, (choice >= cxpb) & (choice < cxpb + mutpb)
    genomes = torch.cat((offspring.genomes.flatten(0, 1), partners.genomes.flatten(0, 1)))
    valid = torch.cat((offspring.valid.flatten(), partners.valid.flatten()))
    size = len(valid) // 2
    _vary(toolbox.mate, genomes, valid, crossed, lambda row: (row, row + size), streams, toolbox.project)
    _vary(_single(toolbox.mutate), genomes, valid, mutated, lambda row: (row,), streams, toolbox.project)
    return _unevaluated(offspring, genomes[:size], valid[:size])


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


def evaluate_generation(gen: int, population: Population, toolbox: base.Toolbox) -> Population:
    """Return `evaluate(population, toolbox)`; an error names generation `gen`."""
    with naming(gen):
        return evaluate(population, toolbox)


@contextlib.contextmanager
def naming(gen: int) -> Iterator[None]:
    """Name generation `gen` in the errors of a block that evaluates."""
    try:
        yield
    except (InputError, EvaluationError) as error:
        raise type(error)(f"generation {gen}: {error}") from error


def _unevaluated(population: Population, genomes: Tensor, valid: Tensor) -> Population:
    """Return `population` with other `genomes` (R * N, D), and NaN as fitness where it is not `valid` for them."""
    valid = valid.view_as(population.valid)
    fitness = torch.where(valid.unsqueeze(2), population.fitness, math.nan)
    return replace(population, genomes=genomes.view_as(population.genomes), fitness=fitness, valid=valid)


def _vary(
    operator: Callable[..., tuple[Tensor, ...]],
    genomes: Tensor,
    valid: Tensor,
    mask: Tensor,
    rows: Callable[[Tensor], tuple[Tensor, ...]],
    streams: Streams,
    project: Callable[[Tensor], Tensor],
) -> None:
    """Write children over their parents in `genomes` (K, D), where `mask` (R, P) is set, and false into `valid` (K,).

    `rows` takes places in the flattened mask to the rows of `genomes` where the parents lie.
    """
    if counts_are_free(mask):
        chosen = mask.flatten().nonzero().squeeze(1)
        where = rows(chosen)
        parents = [genomes.index_select(0, row) for row in where]
        written = _cat(where)
        children = project(_cat(operator(*parents, streams.select(chosen, mask.shape[1]))))
        valid.index_fill_(0, written, False)
    else:
        where = rows(torch.arange(mask.numel(), device=mask.device))
        parents = [genomes.index_select(0, row).unflatten(0, mask.shape) for row in where]
        projected = [project(child) for child in operator(*parents, streams)]
        varied = [torch.where(mask.unsqueeze(2), c, p) for c, p in zip(projected, parents, strict=True)]
        children, kept, written = _cat(varied).flatten(0, 1), ~mask.flatten(), _cat(where)
        valid.index_copy_(0, written, torch.cat([valid.index_select(0, row) & kept for row in where]))
    genomes.index_copy_(0, written, children)


def _cat(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tuple(tensors))


def _single(mutate: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    return lambda genomes, random: (mutate(genomes, random),)
