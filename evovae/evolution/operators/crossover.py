"""Crossover: parents (..., D) to two children (..., D), in new memory."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from evovae.errors import InputError
from evovae.evolution.operators.draws import Random, integers


def cxOnePoint(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Exchange all genes from a point on, drawn from 1 ... D - 1: parents (..., D) -> two children (..., D)."""
    size = _at_least_two(first)
    point = integers(1, size - 1, random.uniform(*first.shape[:-1], 1))
    return _swap(first, second, torch.arange(size, device=first.device) >= point)


def cxTwoPoint(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Exchange the genes between two different points of 1 ... D: parents (..., D) -> two children (..., D)."""
    size = _at_least_two(first)
    draws = random.uniform(*first.shape[:-1], 2)
    one = integers(1, size, draws[..., :1])
    two = integers(1, size - 1, draws[..., 1:])
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


def _swap(first: Tensor, second: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(mask, second, first), torch.where(mask, first, second)


def _at_least_two(genomes: Tensor) -> int:
    size = genomes.shape[-1]
    if size < 2:
        raise InputError(f"a crossover point needs at least 2 genes, not {size}: use cxUniform or cxBlend")
    return size
