"""Selection by several objectives: fronts, crowding, the survival of NSGA-II; and a front's hypervolume."""

from __future__ import annotations

import math
from collections.abc import Sequence

import moocore
import numpy as np
import torch
from torch import Tensor

from evovae.base import InputError, numbers_on, require_whole, shown
from evovae.evolution.population import Population, ranking


def hypervolume(population: Population, reference: Sequence[float]) -> Tensor:
    """Return the volume that lies between `reference` and what each replicate dominates, float64 (R,).

    Individuals that are not better than the reference in every objective, or not finite, add nothing.

    Args:
        population: its weights say only which direction is better; the volume is in the objectives' own units.
        reference: M values, one for each objective: a point that is worse than all that matter.

    Raises:
        InputError: if `reference` has another length, or is not finite.
    """
    try:
        bound = np.array(reference, dtype=float)
    except (ValueError, TypeError):
        bound = np.array(math.nan)
    if bound.shape != (len(population.weights),) or not np.isfinite(bound).all():
        raise InputError(
            f"reference is {shown(reference)}: expected {len(population.weights)} finite values, one an objective"
        )
    bound *= np.sign(population.weights)  # as `upwards`: larger is better
    volumes = [moocore.hypervolume(points, bound, maximise=True) for points in upwards(population).cpu().numpy()]
    return torch.tensor(volumes, dtype=torch.float64, device=population.fitness.device)


def nondominated_rank(population: Population) -> Tensor:
    """Return the front of each individual, int64 (R, N): 0 where nothing dominates it, 1 where only those of 0 do, ...

    Equal fitness shares a front; fitness that is not finite comes in one more, after all others.
    """
    fronts = [moocore.pareto_rank(points, maximise=True) for points in upwards(population).cpu().numpy()]
    return torch.as_tensor(np.stack(fronts), dtype=torch.int64, device=population.fitness.device)


def crowding_distance(fitness: Tensor, rank: Tensor) -> Tensor:
    """Return how far apart its neighbours in the same front are, for each individual, float64 (R, N) (Deb et al. 2002).

    Averaged over objectives, in units of the front's range, as by `deap.tools.emo.assignCrowdingDist`; infinite for the
    first and the last in each objective. Equals lie in the order given, or that of the objective before.

    Args:
        fitness: (R, N, M), in any units; if not finite, it has no extent.
        rank: int64 (R, N), the fronts, numbered from 0 to N - 1 at most.
    """
    # Deb et al. 2002, "A fast and elitist multiobjective genetic algorithm: NSGA-II", section III-B.
    values = torch.where(fitness.isfinite().all(2, keepdim=True), fitness.double(), 0.0)  # R N M
    order = torch.arange(rank.shape[1], device=rank.device).expand(rank.shape)  # R N
    border = torch.ones_like(rank[:, :1], dtype=torch.bool)
    distance = torch.zeros_like(values[..., 0])
    for value in values.unbind(2):  # R N
        for key in (value, rank):  # stable: by value inside each front, and equals as they were
            order = order.gather(1, key.gather(1, order).argsort(dim=1, stable=True))
        front, ordered = rank.gather(1, order), value.gather(1, order)  # in that order, front after front
        change = front[:, 1:] != front[:, :-1]  # R N - 1
        ends = torch.cat((border, change), dim=1) | torch.cat((change, border), dim=1)
        # Range of each front, at its number; then that of each individual's front.
        low = torch.full_like(value, math.inf).scatter_reduce_(1, rank, value, "amin")
        high = torch.full_like(value, -math.inf).scatter_reduce_(1, rank, value, "amax")
        extent = (high - low).gather(1, front)
        gap = torch.zeros_like(ordered)
        gap[:, 1:-1] = ordered[:, 2:] - ordered[:, :-2]  # between both neighbours
        step = torch.where(extent > 0, gap / (values.shape[2] * extent), 0.0).masked_fill_(ends, math.inf)
        distance += torch.empty_like(step).scatter_(1, order, step)  # back in the order of the population
    return distance


def selNSGA2(population: Population, k: int) -> Population:
    """Select the `k` best of each replicate, or all there are: whole fronts, and of the last the least crowded.

    The selection of NSGA-II (Deb et al. 2002), with survivors and order of `deap.tools.selNSGA2(..., nd="log")`: by
    front, then lexicographically by fitness, but the last front by falling crowding distance.

    Raises:
        InputError: if `k` is negative.
    """
    require_whole("k", k)
    ordered = population.take(lexicographic(population))
    rank = nondominated_rank(ordered)
    last = rank.sort(dim=1).values[:, min(k, len(population)) - 1, None]
    # Stable sorts, the least significant key first: by distance in the last front, then by front.
    distance = torch.where(rank == last, crowding_distance(ordered.fitness, rank), 0.0)
    place = distance.argsort(dim=1, descending=True, stable=True)
    place = place.gather(1, rank.gather(1, place).argsort(dim=1, stable=True))
    return ordered.take(place[:, :k])


def lexicographic(population: Population) -> Tensor:
    """Return the order int64 (R, N) by falling fitness, the first objective before the others; equals stay in order."""
    return ranking(upwards(population))


def upwards(population: Population) -> Tensor:
    """Return the fitness, float64 (R, N, M), in its own units but larger is better, `Population.graded`."""
    weights = numbers_on(population.weights, torch.float64, population.fitness.device)
    return population.graded(population.fitness * weights.sign())
