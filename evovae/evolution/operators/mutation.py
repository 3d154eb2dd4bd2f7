"""Mutation: genomes (..., D) to genomes (..., D), in new memory."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from evovae.errors import InputError
from evovae.evolution.operators.draws import Random


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


def _per_gene(value: float | Sequence[float], genomes: Tensor) -> Tensor | float:
    if isinstance(value, int | float):
        return value
    if len(value) != genomes.shape[-1]:
        raise InputError(f"{len(value)} values for {genomes.shape[-1]} genes: expected a number, or one value a gene")
    return torch.as_tensor(value, dtype=genomes.dtype, device=genomes.device)
