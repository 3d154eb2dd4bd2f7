"""Variation and evaluation of whole populations, as in `deap.algorithms`."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

import torch
from deap import base
from torch import Tensor
from torch.nn import functional

from evovae.base import Draws, InputError, Streams, counts_are_free, require_whole
from evovae.evolution.operators.parameters import check_probability, check_shares
from evovae.evolution.population import Population
from evovae.evolution.roles import (
    Evaluation,
    all_finite,
    check_fitness,
    check_measures,
    describe,
    errors_from,
    make_children,
)


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
        replicate, place = pair // pairs, pair % pairs  # the last individual of an odd number has no pair
        first = replicate * n + 2 * place
        return first, first + 1

    crossed = streams.uniform(len(streams), pairs) < cxpb
    _vary(toolbox, "mate", genomes, valid, crossed, neighbours, streams)
    mutated = streams.uniform(len(streams), n) < mutpb
    _vary(toolbox, "mutate", genomes, valid, mutated, lambda row: (row,), streams)
    if population.lineage is not None:
        population = _with_parents(population, population.lineage, _mates(population.lineage[..., 0], crossed))
    return _unevaluated(population, genomes, valid)


def varOr(population: Population, toolbox: base.Toolbox, lambda_: int, cxpb: float, mutpb: float) -> Population:
    """Return `lambda_` offspring: crossover, mutation *or* reproduction, as in `deap.algorithms.varOr`.

    Each is the first child of two different parents with probability `cxpb`, a mutant with probability `mutpb`, and
    otherwise a copy; parents are drawn evenly. Changed individuals are projected into the support
    (`toolbox.project`), and their fitness is invalid.

    Raises:
        InputError: if `lambda_` is below 1, a probability or their sum is none, or a single individual is to mate.
    """
    require_whole("lambda_", lambda_, least=1)
    check_shares(cxpb, mutpb)
    streams, n = population.streams, len(population)
    if n < 2 and cxpb > 0:
        raise InputError(f"cxpb is {cxpb}: a single individual has nobody to mate with; expected 0")
    choice = streams.uniform(len(streams), lambda_)
    first = streams.integers(n, len(streams), lambda_)
    second = streams.integers(max(n - 1, 1), len(streams), lambda_)
    second = torch.where(second >= first, second + 1, second) % n  # another than the first; % n for a single one
    offspring, partners = population.take(first), population.take(second)
    crossed, mutated = choice < cxpb, (choice >= cxpb) & (choice < cxpb + mutpb)
    genomes = torch.cat((offspring.genomes.flatten(0, 1), partners.genomes.flatten(0, 1)))
    valid = torch.cat((offspring.valid.flatten(), partners.valid.flatten()))
    size = len(valid) // 2
    _vary(toolbox, "mate", genomes, valid, crossed, lambda row: (row, row + size), streams)
    _vary(toolbox, "mutate", genomes, valid, mutated, lambda row: (row,), streams)
    if offspring.lineage is not None and partners.lineage is not None:
        mates = torch.where(crossed, partners.lineage[..., 0], -1)
        offspring = _with_parents(offspring, offspring.lineage, mates)
    return _unevaluated(offspring, genomes[:size], valid[:size])


def reevaluates(toolbox: base.Toolbox) -> bool:
    """Whether a fitness counts in its generation alone."""
    return bool(getattr(toolbox, "reevaluates", False))


def pending(population: Population, toolbox: base.Toolbox) -> Tensor:
    """Return bool (R, N): whose fitness `evaluate` finds out."""
    return torch.ones_like(population.valid) if reevaluates(toolbox) else ~population.valid


def evaluate(population: Population, toolbox: base.Toolbox) -> Population:
    """Return `population` with the fitness of its invalid individuals evaluated; the others are not decoded.

    Where counting the invalid ones would make the host wait for a device, all are decoded and the others' dropped. A
    toolbox whose objective needs the whole population, or whose fitness does not last, has all evaluated. Fitness of a
    genome that is not finite is NaN, whatever was found for it.

    Raises:
        InputError: if the role `evaluate` gives no fitness of the right shape.
        EvaluationError: if it raises an error.
    """
    wanted, everyone = pending(population, toolbox), population.genomes.flatten(0, 1)
    draws = (population.streams,) if getattr(toolbox, "draws", False) else ()
    rows = None  # those asked for, of all R * N; None for all
    if getattr(toolbox, "needs_population", False):
        found = _ask(toolbox, population.genomes, population.weights, *draws)
    else:
        if counts_are_free(wanted):
            rows = wanted.flatten().nonzero().squeeze(1)
            if len(rows) == 0:
                return population
            rows = None if len(rows) == len(everyone) else rows
        chosen = torch.arange(len(everyone), device=everyone.device) if rows is None else rows
        selected = [streams.select(chosen, len(population)) for streams in draws]
        genomes = everyone if rows is None else everyone.index_select(0, rows)
        found = _ask(toolbox, genomes, population.weights, *selected)

    def put(values: Tensor, known: Tensor) -> Tensor:
        if rows is None and counts_are_free(wanted):  # everyone's
            return values.view_as(known)
        kind = torch.promote_types(values.dtype, known.dtype)
        if rows is not None:
            return known.to(kind).flatten(0, 1).index_copy(0, rows, values.to(kind)).view_as(known)
        mask = wanted.unsqueeze(2) if known.ndim == 3 else wanted
        return torch.where(mask, values.to(kind).view_as(known), known.to(kind))

    fitness, violation, measures = put(found.fitness, population.fitness), None, None
    if found.violation is not None:
        none = torch.zeros(wanted.shape, dtype=torch.float64, device=fitness.device)
        violation = put(found.violation, none if population.violation is None else population.violation)
    if found.measures is not None:
        shape = (*wanted.shape, found.measures.shape[-1])
        none = torch.full(shape, math.nan, dtype=found.measures.dtype, device=fitness.device)
        measures = put(found.measures, none if population.measures is None else population.measures)
    valid = torch.ones_like(population.valid)
    return replace(population, fitness=fitness, violation=violation, measures=measures, valid=valid)


def _ask(toolbox: base.Toolbox, genomes: Tensor, weights: tuple[float, ...], *random: Draws) -> Evaluation:
    """Return what the role `evaluate` finds of `genomes` (..., D): fitness, and violation and measures if there are."""
    with errors_from("the role 'evaluate'"):
        answer = toolbox.evaluate(genomes, *random)
    fitness, violation, measures = Evaluation(*answer if isinstance(answer, tuple) and len(answer) < 4 else (answer,))
    fitness = check_fitness(fitness, genomes.shape[:-1], weights, "the role 'evaluate'").detach()
    fitness = torch.where(all_finite(genomes).unsqueeze(-1), fitness, math.nan)
    if violation is not None:
        if not isinstance(violation, Tensor) or violation.shape != genomes.shape[:-1]:
            expected = f"expected one violation for each of {tuple(genomes.shape[:-1])}"
            raise InputError(f"the role 'evaluate' gave {describe(violation)} beside fitness: {expected}")
        violation = violation.detach().double()
    if measures is not None:
        measures = check_measures(measures, genomes.shape[:-1], "the role 'evaluate'").detach()
    return Evaluation(fitness, violation, measures)


def _unevaluated(population: Population, genomes: Tensor, valid: Tensor) -> Population:
    """Return `population` with other `genomes` (R * N, D), and NaN as fitness where it is not `valid` for them."""
    valid = valid.view_as(population.valid)
    fitness = torch.where(valid.unsqueeze(2), population.fitness, math.nan)
    return replace(population, genomes=genomes.view_as(population.genomes), fitness=fitness, valid=valid)


def _vary(
    toolbox: base.Toolbox,
    role: str,
    genomes: Tensor,
    valid: Tensor,
    mask: Tensor,
    rows: Callable[[Tensor], tuple[Tensor, ...]],
    streams: Streams,
) -> None:
    """Write children over their parents in `genomes` (K, D), where `mask` (R, P) is set, and false into `valid` (K,).

    The `role` makes them. `rows` takes places in the flattened mask to the rows of `genomes` where the parents lie.
    """
    operator, project = getattr(toolbox, role), toolbox.project
    if counts_are_free(mask):
        chosen = mask.flatten().nonzero().squeeze(1)
        where = rows(chosen)
        parents = [genomes.index_select(0, row) for row in where]
        written = _cat(where)
        children = project(_cat(make_children(role, operator, parents, streams.select(chosen, mask.shape[1]))))
        valid.index_fill_(0, written, False)
    else:
        where = rows(torch.arange(mask.numel(), device=mask.device))
        parents = [genomes.index_select(0, row).unflatten(0, mask.shape) for row in where]
        projected = [project(child) for child in make_children(role, operator, parents, streams)]
        varied = [torch.where(mask.unsqueeze(2), c, p) for c, p in zip(projected, parents, strict=True)]
        children, kept, written = _cat(varied).flatten(0, 1), ~mask.flatten(), _cat(where)
        valid.index_copy_(0, written, torch.cat([valid.index_select(0, row) & kept for row in where]))
    genomes.index_copy_(0, written, children)


def _cat(tensors: Sequence[Tensor]) -> Tensor:
    return tensors[0] if len(tensors) == 1 else torch.cat(tuple(tensors))


def _mates(numbers: Tensor, crossed: Tensor) -> Tensor:
    """Return the mates among `numbers` (R, N) of those neighbours that `crossed` (R, N // 2), else -1."""
    pairs = crossed.shape[1]
    partners = numbers[:, : 2 * pairs].unflatten(1, (pairs, 2)).flip(2)
    mates = torch.where(crossed.unsqueeze(2), partners, -1).flatten(1)
    return functional.pad(mates, (0, numbers.shape[1] - 2 * pairs), value=-1)  # the last of an odd number


def _with_parents(population: Population, lineage: Tensor, mates: Tensor) -> Population:
    """Return `population` with a `lineage` whose parents are those numbered so far, and their `mates` (R, N)."""
    own = lineage[..., 0]
    return replace(population, lineage=torch.stack((own, own, mates), dim=2))


def numbered(population: Population, first: int) -> Population:
    """Return a traced population whose new individuals have numbers of their own, from `first` up.

    The others keep theirs: they are of an earlier generation, in which they had parents.
    """
    if (lineage := population.lineage) is None:
        return population
    own, new = lineage[..., 0], torch.arange(first, first + len(population), device=lineage.device)
    number = torch.where(population.valid, own, new).unsqueeze(2)
    parents = lineage[..., 1:].masked_fill(population.valid.unsqueeze(2), -1)
    return replace(population, lineage=torch.cat((number, parents), dim=2))
