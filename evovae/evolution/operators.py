"""Crossover, mutation and selection on whole populations, with the names, parameters and meanings of `deap.tools`.

Crossovers and mutations take genomes (..., D) and return new ones of the same shape; nothing is changed in place.
`random` is where an operator draws its numbers: the population's streams, or what they hold for selected individuals.
Selections take a population and return one of `k` individuals a replicate.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional

from evovae.errors import InputError
from evovae.evolution.population import Population, ranking_key


class Random(Protocol):
    """What an operator draws from."""

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 numbers from [0, 1), in `shape` and in memory that the caller owns."""


def cxOnePoint(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Exchange all genes from a point on, drawn from 1 ... D - 1: parents (..., D) -> two children (..., D)."""
    size = _at_least_two(first)
    point = _integers(1, size - 1, random.uniform(*first.shape[:-1], 1))
    return _swap(first, second, torch.arange(size, device=first.device) >= point)


def cxTwoPoint(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Exchange the genes between two different points of 1 ... D: parents (..., D) -> two children (..., D)."""
    size = _at_least_two(first)
    draws = random.uniform(*first.shape[:-1], 2)
    one = _integers(1, size, draws[..., :1])
    two = _integers(1, size - 1, draws[..., 1:])
    two = two + (two >= one)
    place = torch.arange(size, device=first.device)
    return _swap(first, second, (place >= torch.minimum(one, two)) & (place < torch.maximum(one, two)))


def cxUniform(first: Tensor, second: Tensor, random: Random, indpb: float) -> tuple[Tensor, Tensor]:
    """Exchange each gene with probability `indpb`: parents (..., D) -> two children (..., D)."""
    return _swap(first, second, random.uniform(*first.shape) < indpb)


def cxBlend(first: Tensor, second: Tensor, random: Random, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each gene by a weight drawn from [-alpha, 1 + alpha): parents (..., D) -> two children (..., D).

    BLX-alpha as DEAP has it: the children mirror each other about the parents' midpoint (Eshelman and Schaffer 1993).
    """
    gamma = random.uniform(*first.shape).mul_(1.0 + 2.0 * alpha).sub_(alpha)
    step = gamma.mul_(second - first)
    return first + step, second - step


def cxSlerp(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Mix along the arc between the parents, by one weight w from [0, 1) a pair: parents (..., D) -> two children.

    Spherical interpolation (Shoemake 1985; for latent spaces White 2016). Direction and norm are interpolated apart: in
    D dimensions normal vectors lie near a shell of radius sqrt(D), which straight lines between them leave inwards (the
    midpoint of two 100-dimensional ones has norm 7.05 where the prior has 9.97). The children lie at w and at 1 - w.
    """
    weight = random.uniform(*first.shape[:-1], 1)
    norms = [torch.linalg.vector_norm(parent, dim=-1, keepdim=True) for parent in (first, second)]
    directions = [functional.normalize(parent, dim=-1) for parent in (first, second)]
    cosine = (directions[0] * directions[1]).sum(-1, keepdim=True).clamp(-1.0, 1.0)
    angle = torch.acos(cosine)
    sine = torch.sin(angle)
    straight = sine < 1e-4  # parallel or opposite: the arc is a point or has no plane

    def point(w: Tensor) -> Tensor:
        left = torch.where(straight, 1.0 - w, torch.sin((1.0 - w) * angle) / sine)
        right = torch.where(straight, w, torch.sin(w * angle) / sine)
        # Normalised again: of nearly opposite directions little is left, and that of any length.
        direction = functional.normalize(left * directions[0] + right * directions[1], dim=-1)
        return direction * ((1.0 - w) * norms[0] + w * norms[1])

    return point(weight), point(1.0 - weight)


def mutGaussian(
    genomes: Tensor, random: Random, mu: float | Sequence[float], sigma: float | Sequence[float], indpb: float
) -> Tensor:
    """Add N(mu, sigma^2) to each gene with probability `indpb`: genomes (..., D) -> (..., D).

    `mu` and `sigma` are numbers or have one value a gene. One draw serves both questions: given that u < indpb,
    u / indpb is itself uniform, and the normal quantile function turns it into the step.
    """
    if indpb <= 0:
        return genomes.clone()
    draws = random.uniform(*genomes.shape)
    # Draws are multiples of 2^-24, few of them below a small indpb: half a step is the most extreme quantile they know.
    edge = min(2.0**-25 / indpb, 0.5)
    step = torch.special.ndtri((draws / indpb).clamp_(edge, 1.0 - max(edge, 2.0**-24)))
    step = step * _per_gene(sigma, genomes) + _per_gene(mu, genomes)
    return torch.where(draws < indpb, genomes + step, genomes)


def selTournament(population: Population, k: int, tournsize: int) -> Population:
    """Select the best of `tournsize` individuals drawn with replacement, `k` times; the first drawn wins a tie."""
    if tournsize < 1:
        raise InputError(f"tournsize is {tournsize}: expected 1 or more")
    aspirants = population.streams.integers(len(population), population.replicates, k, tournsize)
    key = ranking_key(population.wvalues)
    winners = key.gather(1, aspirants.flatten(1)).view_as(aspirants).argmax(2, keepdim=True)
    return population.take(aspirants.gather(2, winners).squeeze(2))


def _integers(low: int, high: int, draws: Tensor) -> Tensor:
    """Whole numbers from `low` to `high`, both included."""
    return low + (draws.double() * (high - low + 1)).long()


def _swap(first: Tensor, second: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(mask, second, first), torch.where(mask, first, second)


def _per_gene(value: float | Sequence[float], genomes: Tensor) -> Tensor | float:
    if isinstance(value, int | float):
        return value
    if len(value) != genomes.shape[-1]:
        raise InputError(f"{len(value)} values for {genomes.shape[-1]} genes: expected a number, or one value a gene")
    return torch.as_tensor(value, dtype=genomes.dtype, device=genomes.device)


def _at_least_two(genomes: Tensor) -> int:
    size = genomes.shape[-1]
    if size < 2:
        raise InputError(f"a crossover point needs at least 2 genes, not {size}: use cxUniform or cxBlend")
    return size
