"""Constrained optimisation in a learned latent space: COIL (Bentley, Lim, Gaier and Tran 2022, GECCO Companion).

A genetic algorithm finds points that keep the constraints, whatever their objective; a small VAE learns where these
points lie; a second genetic algorithm searches the VAE's latent space, where nearly everything keeps the constraints.
Fitness is relative: individuals of a generation duel for objective and constraints. All replicates run side by side.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

from deap import base

from evovae import evolution
from evovae.base import Draws, InputError, make_generator
from evovae.encodings import VectorEncoding
from evovae.models import VAE, TrainConfig, VAEConfig
from methods.ensembles import fit_together

import torch
from torch import Tensor

CXPB, MUTPB = 0.5, 0.2
LATENT_LIMIT = 2.0
"""Genes of the search in latent space lie between -2 and 2."""
POPULATION, GENERATIONS = 20, 50
DATA_POPULATION, DATA_GENERATIONS = 200, 200
PARTICIPANTS, DUELS = 5, 10
TOGETHER = 250
"""Searches for data points that run side by side: the last of them to succeed keeps the others waiting."""


@dataclass(frozen=True)
class Problem:
    """Minimise an objective over `dim` variables of one range, subject to constraints.

    Attributes:
        dim: number of variables V.
        low: smallest value of a variable.
        high: largest value of a variable.
        objective: points (..., V) -> (...).
        violations: points (..., V) -> (..., C), how far each constraint is from being kept, 0 where it is.
        optimum: the least objective of a point that keeps all constraints.
        draw: N points (N, V) that keep all constraints, where such can be drawn; else they are searched for.
    """

    dim: int
    low: float
    high: float
    objective: Callable[[Tensor], Tensor]
    violations: Callable[[Tensor], Tensor]
    optimum: float
    draw: Callable[[int, torch.Generator], Tensor] | None = None

    def scaled(self, unit: Tensor) -> Tensor:
        """Return the points (..., V), in float64, that lie at `unit` (..., V) in [-1, 1]."""
        return self.low + (unit.double() + 1.0) / 2.0 * (self.high - self.low)


class Space(NamedTuple):
    """What a search moves in: genes, and the points in [-1, 1] that they mean."""

    encoding: VectorEncoding
    to_unit: Callable[[Tensor], Tensor]


class Outcome(NamedTuple):
    """The best individual of the last generation of each replicate."""

    points: Tensor
    """(R, V)."""
    distance_from_optimum: Tensor
    """(R,), of the objectives."""
    violation: Tensor
    """(R,), summed over the constraints."""


def feasible_points(problem: Problem, count: int, seed: int) -> Tensor:
    """Return points (count, V) in [-1, 1] that keep the constraints: drawn, or each the best of a search of its own.

    A search minimises the violation and stops at the first generation, after the initial one, that has a point without
    any; one that has none after 200 generations is left out, and another takes its place.
    """
    if problem.draw is not None:
        drawn = problem.draw(count, make_generator(seed, 8))
        return (drawn - problem.low) / (problem.high - problem.low) * 2.0 - 1.0
    found: list[Tensor] = []
    first = 0
    while sum(map(len, found)) < count:
        if first >= 10 * count + TOGETHER:
            raise InputError("hardly any search finds a point that keeps the constraints")
        found.append(_feasible(problem, range(first, first + TOGETHER), seed))
        first += TOGETHER
    return torch.cat(found)[:count]


def _feasible(problem: Problem, replicates: range, seed: int) -> Tensor:
    """Return what searches of these numbers find (K, V), K at most as many."""

    def violation(unit: Tensor) -> Tensor:
        return problem.violations(problem.scaled(unit)).sum(-1, keepdim=True)

    toolbox = _operators(VectorEncoding(problem.dim, -1.0, 1.0), violation, (-1.0,))
    population = toolbox.population(n=DATA_POPULATION, replicates=replicates, seed=seed)
    points = torch.empty(len(replicates), problem.dim, dtype=torch.float32)
    done = torch.zeros(len(replicates), dtype=torch.bool)
    for generation in evolution.eaSimple_iter(population, toolbox, CXPB, MUTPB, DATA_GENERATIONS):
        best = generation.population.best()
        new = (best.fitness[:, 0, 0] == 0) & ~done & (generation.gen > 0)
        points[new], done = best.genomes[new, 0], done | new
        if done.all():
            break
    return points[done]


def learn(points: Tensor, seed: int, models: int = 10, epochs: int = 200) -> Space:
    """Return the latent space of a VAE of `points` (N, V) in [-1, 1]: the best of this number of `models`.

    V-2V-V, ReLU, tanh; summed squared error plus the KL divergence divided by the minibatch's size; the best is the
    one with the least loss in the last epoch. Points are scaled to fill [-1, 1] in each variable.
    """
    low, high = points.aminmax(dim=0)
    if not (low < high).all():
        raise InputError("a variable is the same in all points: there is nothing to learn")
    dim, batch_size = points.shape[1], 64
    config = VAEConfig(
        data_shape=(dim,),
        latent_dim=dim,
        hidden=(2 * dim,),
        activation="relu",
        likelihood="gaussian",
        variance=0.5,  # half the squared error over it: the squared error
        output="tanh",
    )
    vaes = [VAE(config, seed=models * seed + k) for k in range(models)]
    training = TrainConfig.plain(
        epochs=epochs,
        batch_size=batch_size,
        learning_rate=1e-3,
        beta=1.0 / batch_size,
        seed=seed,
        device="cpu",
    )
    *_, losses = fit_together(vaes, (points - low) / (high - low) * 2.0 - 1.0, training)
    encoding = VectorEncoding(dim, -LATENT_LIMIT, LATENT_LIMIT, vae=vaes[int(losses.argmin())])
    return Space(encoding, lambda decoded: low + (decoded + 1.0) / 2.0 * (high - low))


def variables(problem: Problem) -> Space:
    """Return the space of the variables themselves, in [-1, 1]: the genetic algorithm that COIL is compared with."""
    encoding = VectorEncoding(problem.dim, -1.0, 1.0)
    return Space(encoding, lambda decoded: decoded)


@torch.no_grad()
def search(problem: Problem, space: Space, replicates: int, seed: int) -> Outcome:
    """Return how the replicates of a search in `space` end.

    Every individual is judged anew in every generation, by duels with others of it.
    """

    def duels(phenotypes: Tensor, random: Draws) -> Tensor:
        points = problem.scaled(space.to_unit(phenotypes))
        return duel(problem.objective(points), problem.violations(points), random)

    toolbox = _operators(space.encoding, duels, (1.0,), duels=True)
    population = toolbox.population(n=POPULATION, replicates=replicates, seed=seed)
    for generation in evolution.eaSimple_iter(population, toolbox, CXPB, MUTPB, GENERATIONS):
        population = generation.population
    points = problem.scaled(space.to_unit(space.encoding.decode(population.best().genomes[:, 0])))
    distance = (problem.objective(points) - problem.optimum).abs()
    return Outcome(points, distance, problem.violations(points).sum(-1))


def duel(objective: Tensor, violations: Tensor, random: Draws) -> Tensor:
    """Return the fitness (R, N) of individuals: points won per duel fought, 0 without one.

    For each individual five participants are drawn, and ten times two of them duel. A duel gives a point to the lower
    objective, or to both where they are equal; and for each constraint one to each that keeps it, or, where neither
    does, to the one that violates it less (to the second of two that violate it as much, as in the authors' code).

    Args:
        objective: (R, N), to be minimised.
        violations: (R, N, C), 0 where a constraint is kept.
        random: streams of the R replicates.
    """
    replicates, size = objective.shape
    if size < PARTICIPANTS:
        raise InputError(f"{size} individuals: expected {PARTICIPANTS} or more, the participants of duels")
    participants = random.uniform(replicates, size, size).topk(PARTICIPANTS).indices  # R N P: a random subset
    one = random.integers(PARTICIPANTS, replicates, size, DUELS)
    other = (one + 1 + random.integers(PARTICIPANTS - 1, replicates, size, DUELS)) % PARTICIPANTS
    first, second = (participants.gather(2, place).flatten(1) for place in (one, other))  # R, N * DUELS
    mine, theirs = objective.gather(1, first), objective.gather(1, second)
    score_first, score_second = (mine <= theirs).float(), (theirs <= mine).float()
    for violation in violations.unbind(2):
        mine, theirs = violation.gather(1, first), violation.gather(1, second)
        neither = (mine != 0) & (theirs != 0)
        score_first += torch.where(neither, mine < theirs, mine == 0)
        score_second += torch.where(neither, theirs <= mine, theirs == 0)
    scores, duels = torch.zeros(2, replicates, size, device=objective.device, dtype=torch.float32)
    for place, score in ((first, score_first), (second, score_second)):
        scores.scatter_add_(1, place, score)
        duels.scatter_add_(1, place, torch.ones_like(score))
    return scores / duels.clamp_min(1.0)


def _operators(
    encoding: VectorEncoding, objective: Callable[..., Tensor], weights: tuple[float, ...], duels: bool = False
) -> base.Toolbox:
    """Return a toolbox with the genetic operators of both searches; `duels` need everybody, and draw."""
    toolbox = evolution.toolbox(encoding, objective, weights, population=duels, random=duels)
    toolbox.register("mate", evolution.cxUniform, indpb=0.05)
    toolbox.register("mutate", evolution.mutGaussian, mu=0.0, sigma=1.0, indpb=0.2)
    return toolbox
