"""Mutation: genomes (..., D) to genomes (..., D), in new memory."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.evolution.operators.parameters import (
    PerGene,
    Random,
    bounds,
    check_at_least_two,
    check_nonnegative,
    check_probability,
    check_strength,
    clip,
    integers,
    per_gene,
    rescaled,
)


def mutGaussian(genomes: Tensor, random: Random, mu: PerGene, sigma: PerGene, indpb: float) -> Tensor:
    """Add N(mu, sigma^2) to each gene with probability `indpb`: genomes (..., D) -> (..., D).

    Args:
        genomes: (..., D).
        random: where numbers are drawn.
        mu: mean, a number or one a gene.
        sigma: standard deviation, 0 or more, a number or one a gene.
        indpb: probability that a gene changes, 0 to 1.

    Raises:
        InputError: if a parameter is out of its range, or has another number of values than there are genes.
    """
    check_probability("indpb", indpb)
    check_nonnegative("sigma", sigma)
    mu, sigma = per_gene("mu", mu, genomes), per_gene("sigma", sigma, genomes)
    if indpb == 0:
        return genomes.clone()
    draws = random.uniform(*genomes.shape)
    step = torch.special.ndtri(rescaled(draws, indpb)) * sigma + mu
    return torch.where(draws < indpb, genomes + step, genomes)


def mutPolynomialBounded(
    genomes: Tensor, random: Random, eta: float, low: PerGene, up: PerGene, indpb: float
) -> Tensor:
    """Move each gene towards one of its bounds with probability `indpb`: genomes (..., D) -> (..., D).

    The polynomial mutation of Deb's NSGA-II, as DEAP has it: up and down equally often, by a part of the distance
    between the bounds, and never past them. Genes out of bounds count as on them.

    Args:
        genomes: (..., D).
        random: where numbers are drawn.
        eta: crowding, 0 or more; the larger, the smaller the steps.
        low: least value, a number or one a gene.
        up: greatest value, a number or one a gene.
        indpb: probability that a gene changes, 0 to 1.

    Raises:
        InputError: if a parameter is out of its range, or has another number of values than there are genes.
    """
    check_probability("indpb", indpb)
    check_strength("eta", eta)
    least, most = bounds(low, up, genomes)
    if indpb == 0:
        return genomes.clone()
    draws, inner = random.uniform(*genomes.shape), clip(genomes, low, up)
    quantile = rescaled(draws, indpb)  # u, from here on (..., D)
    # As in the code of Deb's NSGA-II: delta = (2u + (1 - 2u) (1 - d)^(eta+1))^(1/(eta+1)) - 1 for u < 1/2, where d is
    # the distance to the lower bound as a part of the span; mirrored above.
    down = quantile < 0.5
    tail = torch.where(down, 2.0 * quantile, 2.0 - 2.0 * quantile)
    span = most - least
    # 1 - d.
    beyond = (torch.where(down, most - inner, inner - least) / span).clamp(0.0, 1.0)
    # Powers by logarithms: torch computes the last elements of a tensor by another `pow`, which rounds differently.
    inside = tail + (1.0 - tail) * torch.exp((eta + 1.0) * beyond.log())
    step = -torch.expm1(inside.log() / (eta + 1.0)) * span
    mutants = clip(torch.where(down, inner - step, inner + step), low, up)
    return torch.where(draws < indpb, mutants, genomes)


def mutShuffleIndexes(genomes: Tensor, random: Random, indpb: float) -> Tensor:
    """Exchange each gene with another one with probability `indpb`: genomes (..., D) -> (..., D).

    Gene after gene, each with any of the others, as in DEAP: the later exchanges meet what the earlier ones left.

    Raises:
        InputError: if `indpb` is no probability, or there is a single gene.
    """
    check_probability("indpb", indpb)
    size = check_at_least_two(genomes, "an exchange", "mutGaussian")
    lottery, draws = random.uniform(*genomes.shape, 2).unbind(-1)
    place = torch.arange(size, device=genomes.device)
    other = integers(0, size - 2, draws)
    other = torch.where(other >= place, other + 1, other)  # any gene but the one itself
    other = torch.where(lottery < indpb, other, place)
    mutants = genomes.clone()
    for i in range(size):
        partner = other[..., i : i + 1]
        gene = mutants[..., i : i + 1].clone()
        mutants[..., i : i + 1] = mutants.gather(-1, partner)
        mutants.scatter_(-1, partner, gene)
    return mutants
