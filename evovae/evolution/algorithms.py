"""Evolutionary algorithms with the signatures and meanings of `deap.algorithms`, on whole populations.

Each is a generator underneath (`eaSimple_iter`) that yields one `Generation` after the other: progress, saving and
stopping are the caller's, who may simply stop asking. The streams of a yielded population move on with the next one:
save what is to be resumed from before asking for it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from deap import base, tools
from torch import Tensor

from evovae.devices import counts_are_free
from evovae.errors import InputError
from evovae.evolution.halloffame import HallOfFame
from evovae.evolution.population import Population
from evovae.streams import Streams


@dataclass(frozen=True)
class Generation:
    """One generation of all replicates."""

    gen: int
    population: Population
    evaluated: Tensor
    """bool (R, N): the individuals evaluated in this generation."""
    evaluations: Tensor
    """int64 (R,): evaluations since the start, this generation's included."""

    def statistics(self) -> dict[str, np.ndarray]:
        """Return nevals, evaluations, min, mean, max, std and nonfinite, each (R,), or (R, M) for M > 1 objectives.

        Fitness that is not finite is left out and counted in `nonfinite`; a replicate without finite fitness has NaN.
        This waits for the device.
        """
        fitness = self.population.fitness.double()  # R N M
        finite = fitness.isfinite()
        count = finite.sum(1)
        mean = torch.where(finite, fitness, 0.0).sum(1) / count
        variance = torch.where(finite, fitness - mean.unsqueeze(1), 0.0).square().sum(1) / count
        none = torch.where(count > 0, 0.0, torch.nan)
        columns = {
            "min": torch.where(finite, fitness, torch.inf).amin(1) + none,
            "mean": mean,
            "max": torch.where(finite, fitness, -torch.inf).amax(1) + none,
            "std": variance.sqrt(),
            "nonfinite": (~finite).sum(1),
        }
        single = fitness.shape[-1] == 1
        return {
            "nevals": self.evaluated.sum(1).cpu().numpy(),
            "evaluations": self.evaluations.cpu().numpy(),
            **{name: (column[:, 0] if single else column).cpu().numpy() for name, column in columns.items()},
        }


def varAnd(population: Population, toolbox: base.Toolbox, cxpb: float, mutpb: float) -> Population:
    """Return varied copies of the individuals: crossover *and* mutation, as in `deap.algorithms.varAnd`.

    Neighbours (0, 1), (2, 3), ... mate with probability `cxpb`; then every individual mutates with probability `mutpb`.
    Changed individuals are projected into the support (`toolbox.project`), and their fitness is invalid.
    """
    genomes, streams, n = population.genomes.clone(), population.streams, len(population)
    valid = population.valid.clone()
    pairs = n // 2
    crossed = streams.uniform(len(streams), pairs) < cxpb
    first, second = genomes[:, 0 : 2 * pairs : 2], genomes[:, 1 : 2 * pairs : 2]
    _vary(toolbox.mate, (first, second), crossed, streams, toolbox.project)
    mutated = streams.uniform(len(streams), n) < mutpb
    _vary(_single(toolbox.mutate), (genomes,), mutated, streams, toolbox.project)
    valid[:, : 2 * pairs] &= ~crossed.repeat_interleave(2, dim=1)
    return replace(population, genomes=genomes, valid=valid & ~mutated)


def eaSimple_iter(
    population: Population,
    toolbox: base.Toolbox,
    cxpb: float,
    mutpb: float,
    ngen: int,
    halloffame: HallOfFame | None = None,
) -> Iterator[Generation]:
    """Yield the generations of `eaSimple`, the initial population first."""
    _check_probability("cxpb", cxpb)
    _check_probability("mutpb", mutpb)
    _check_generations(ngen)
    # From here on the streams are this run's own: the same population evolves the same way twice.
    population = replace(population, streams=population.streams.clone())
    evaluations = torch.zeros(population.replicates, dtype=torch.int64, device=population.genomes.device)
    for gen in range(ngen + 1):
        if gen > 0:
            population = varAnd(toolbox.select(population, len(population)), toolbox, cxpb, mutpb)
        evaluated = ~population.valid
        population = evaluate(population, toolbox)
        evaluations = evaluations + evaluated.sum(1)
        if halloffame is not None:
            halloffame.update(population)
        yield Generation(gen, population, evaluated, evaluations)


def eaSimple(
    population: Population,
    toolbox: base.Toolbox,
    cxpb: float,
    mutpb: float,
    ngen: int,
    stats: tools.Statistics | None = None,
    halloffame: HallOfFame | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Evolve by selection, crossover and mutation, as `deap.algorithms.eaSimple` does (Baeck et al. 2000, ch. 7).

        evaluate(population)
        for g in range(ngen):
            population = select(population, len(population))
            offspring = varAnd(population, toolbox, cxpb, mutpb)
            evaluate(the changed offspring)
            population = offspring

    `population` itself stays as it was; calling again gives the same result, bit for bit.

    Args:
        population: R replicates of N individuals; only those without valid fitness are evaluated.
        toolbox: its roles `select`, `mate`, `mutate`, `project` and `evaluate`.
        cxpb: probability that a pair of neighbours mates, 0 to 1.
        mutpb: probability that an individual mutates, 0 to 1.
        ngen: number of generations after the initial one, 0 or more.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        verbose: print the logbook's stream after each generation.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates.

    Raises:
        InputError: if a probability or a number is out of range, or the objective's result has a wrong shape.
    """
    return _collect(eaSimple_iter(population, toolbox, cxpb, mutpb, ngen, halloffame), stats, verbose)


def random_search_iter(
    population: Population, toolbox: base.Toolbox, evaluations: int, halloffame: HallOfFame | None = None
) -> Iterator[Generation]:
    """Yield the generations of `random_search`."""
    if evaluations < 1:
        raise InputError(f"evaluations is {evaluations}: expected 1 or more")
    streams, weights = population.streams.sibling(), population.weights
    for gen, start in enumerate(range(0, evaluations, len(population))):
        size = min(len(population), evaluations - start)
        drawn = evaluate(Population.unevaluated(toolbox.sample(size, streams), weights, streams), toolbox)
        if halloffame is not None:
            halloffame.update(drawn)
        spent = torch.full((drawn.replicates,), start + size, device=drawn.genomes.device)
        yield Generation(gen, drawn, torch.ones_like(drawn.valid), spent)


def random_search(
    population: Population,
    toolbox: base.Toolbox,
    evaluations: int,
    stats: tools.Statistics | None = None,
    halloffame: HallOfFame | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Draw genomes from the prior until each replicate has spent `evaluations`: the baseline of every search.

    Every generation is a fresh draw of as many individuals as `population` has (the last may be smaller), from streams
    of its own: give the population that the evolution starts from. What was found is in `halloffame`, and in the
    running maximum of the logbook.

    Raises:
        InputError: if `evaluations` is below 1.
    """
    return _collect(random_search_iter(population, toolbox, evaluations, halloffame), stats, verbose)


def evaluate(population: Population, toolbox: base.Toolbox) -> Population:
    """Return `population` with the fitness of its invalid individuals evaluated; the others are not decoded."""
    shape = population.fitness.shape
    everyone, pending = population.genomes.flatten(0, 1), ~population.valid.flatten()
    if counts_are_free(pending):
        chosen = pending.nonzero().squeeze(1)
        fitness = toolbox.evaluate(everyone.index_select(0, chosen))
        fitness = population.fitness.flatten(0, 1).index_copy(0, chosen, fitness)
    else:
        fitness = torch.where(pending.unsqueeze(1), toolbox.evaluate(everyone), population.fitness.flatten(0, 1))
    return replace(population, fitness=fitness.view(shape), valid=torch.ones_like(population.valid))


def _vary(
    operator: Callable[..., tuple[Tensor, ...]],
    parents: tuple[Tensor, ...],
    mask: Tensor,
    streams: Streams,
    project: Callable[[Tensor], Tensor],
) -> None:
    """Write the operator's children over those of the `parents` (R, P, D), views of new memory, that `mask` selects."""
    if not counts_are_free(mask):
        projected = [project(child) for child in operator(*parents, streams)]
        varied = [torch.where(mask.unsqueeze(2), c, p) for c, p in zip(projected, parents, strict=True)]
        for parent, child in zip(parents, varied, strict=True):  # last: an operator may hand out its parents
            parent.copy_(child)
        return
    chosen = mask.flatten().nonzero().squeeze(1)
    row, column = chosen // mask.shape[1], chosen % mask.shape[1]
    children = operator(*(p[row, column] for p in parents), streams.select(chosen, mask.shape[1]))
    for parent, child in zip(parents, children, strict=True):
        parent[row, column] = project(child)


def _single(mutate: Callable[..., Tensor]) -> Callable[..., tuple[Tensor, ...]]:
    return lambda genomes, random: (mutate(genomes, random),)


def _collect(
    generations: Iterator[Generation], stats: tools.Statistics | None, verbose: bool
) -> tuple[Population, tools.Logbook]:
    logbook = tools.Logbook()
    for generation in generations:
        record: dict[str, Any] = generation.statistics()
        if stats is not None:
            population = generation.population
            compiled = [stats.compile(population.replicate(r)) for r in range(population.replicates)]
            record |= {name: np.array([c[name] for c in compiled]) for name in stats.fields}
        logbook.record(gen=generation.gen, **record)
        logbook.header = ["gen", *record]
        if verbose:
            print(logbook.stream)
    return generation.population, logbook


def _check_probability(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}: expected a probability from 0 to 1")


def _check_generations(ngen: int) -> None:
    if ngen < 0:
        raise InputError(f"ngen is {ngen}: expected 0 or more generations")
