"""Crossover: parents (..., D) to two children (..., D), in new memory."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from evovae.evolution.operators.parameters import (
    HALF_STEP,
    PerGene,
    Random,
    bounds,
    check_at_least_two,
    check_probability,
    check_strength,
    clip,
    integers,
)


def cxOnePoint(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Exchange all genes from a point on, drawn from 1 ... D - 1: parents (..., D) -> two children (..., D)."""
    size = check_at_least_two(first, "a crossover point", "cxUniform or cxBlend")
    point = integers(1, size - 1, random.uniform(*first.shape[:-1], 1))
    return _swap(first, second, torch.arange(size, device=first.device) >= point)


def cxTwoPoint(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Exchange the genes between two different points of 1 ... D: parents (..., D) -> two children (..., D)."""
    size = check_at_least_two(first, "a crossover point", "cxUniform or cxBlend")
    draws = random.uniform(*first.shape[:-1], 2)
    one = integers(1, size, draws[..., :1])
    two = integers(1, size - 1, draws[..., 1:])
    two = torch.where(two >= one, two + 1, two)  # any but the first
    place = torch.arange(size, device=first.device)
    return _swap(first, second, (place >= torch.minimum(one, two)) & (place < torch.maximum(one, two)))


def cxUniform(first: Tensor, second: Tensor, random: Random, indpb: float) -> tuple[Tensor, Tensor]:
    """Exchange each gene with probability `indpb`: parents (..., D) -> two children (..., D)."""
    check_probability("indpb", indpb)
    return _swap(first, second, random.uniform(*first.shape) < indpb)


def cxBlend(first: Tensor, second: Tensor, random: Random, alpha: float) -> tuple[Tensor, Tensor]:
    """Mix each gene by a weight drawn from [-alpha, 1 + alpha): parents (..., D) -> two children (..., D).

    BLX-alpha as DEAP has it: the children mirror each other about the parents' midpoint (Eshelman and Schaffer 1993).
    """
    check_strength("alpha", alpha)
    gamma = random.uniform(*first.shape).mul_(1.0 + 2.0 * alpha).sub_(alpha)
    step = gamma.mul_(second - first)
    return first + step, second - step


def cxSimulatedBinary(first: Tensor, second: Tensor, random: Random, eta: float) -> tuple[Tensor, Tensor]:
    """Spread each gene of the parents about their midpoint: parents (..., D) -> two children (..., D).

    Imitates one-point crossover of binary strings (Deb and Agrawal 1995): the children are beta times as far apart as
    the parents, beta below and above 1 equally often, and the nearer to 1 the larger `eta`, 0 or more, is.
    """
    check_strength("eta", eta)
    # Deb and Agrawal 1995: c = (x1 + x2)/2 -+ beta (x2 - x1)/2, with beta = (2u)^(1/(eta+1)) for u <= 1/2, or else
    # (1/(2(1-u)))^(1/(eta+1)). Written as x1 - (beta - 1) h and x2 + (beta - 1) h with h = (x2 - x1)/2.
    draws = random.uniform(*first.shape).clamp_min_(HALF_STEP)  # u: (..., D)
    step = _growth(2.0 * draws, eta) * _half_distance(first, second)
    return first - step, second + step


def cxSimulatedBinaryBounded(
    first: Tensor, second: Tensor, random: Random, eta: float, low: PerGene, up: PerGene
) -> tuple[Tensor, Tensor]:
    """Spread half of the genes as `cxSimulatedBinary` does, within bounds: parents (..., D) -> two children (..., D).

    As DEAP and Deb's NSGA-II have it: each gene is chosen with probability 0.5, the spread towards each bound is drawn
    from the distribution cut there, and which child gets the lower value is drawn too. Parents out of bounds count as
    on them. Genes closer than DEAP's 1e-14 stay as they are: in float32, where genes near 1 differ by 6e-8 or not at
    all, those are equal ones.

    Args:
        first: parents (..., D).
        second: their mates (..., D).
        random: where numbers are drawn.
        eta: crowding, 0 or more; the larger, the nearer children lie to their parents.
        low: least value, a number or one a gene.
        up: greatest value, a number or one a gene.

    Raises:
        InputError: if `eta` is negative, `low` not below `up`, or their number is not that of the genes.
    """
    check_strength("eta", eta)
    least, most = bounds(low, up, first)
    lottery, draws = random.uniform(*first.shape, 2).clamp_min_(HALF_STEP).unbind(-1)
    inner = clip(first, low, up), clip(second, low, up)
    lower, upper = torch.minimum(*inner), torch.maximum(*inner)
    half = _half_distance(lower, upper)

    def step(room: Tensor) -> Tensor:
        """(beta - 1) h with beta drawn so that no child passes the bound: alpha = 2 - (1 + room/h)^-(eta+1)."""
        alpha = 2.0 - torch.exp(-(eta + 1.0) * torch.log1p(room.clamp_min(0.0) / half))
        return _growth(alpha * draws, eta) * half

    children = clip(lower - step(lower - least), low, up), clip(upper + step(most - upper), low, up)
    swapped, apart = _swap(*children, lottery < 0.25), upper - lower > 1e-14
    one, two = (torch.where(apart, child, parent) for child, parent in zip(swapped, inner, strict=True))
    return torch.where(lottery < 0.5, one, first), torch.where(lottery < 0.5, two, second)


def cxSlerp(first: Tensor, second: Tensor, random: Random) -> tuple[Tensor, Tensor]:
    """Mix along the arc between the parents, by one weight w from [0, 1) a pair: parents (..., D) -> two children.

    The children lie on the parents' `slerp` at w and at 1 - w.
    """
    weight = random.uniform(*first.shape[:-1], 1)
    point = slerp(first, second)
    return point(weight), point(1.0 - weight)


def slerp(first: Tensor, second: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the arc between two points (..., D), which takes weights (..., 1) of the second to points (..., D).

    Spherical interpolation (Shoemake 1985; for latent spaces White 2016). Direction and norm are interpolated apart: in
    D dimensions normal vectors lie near a shell of radius sqrt(D), which straight lines between them leave inwards (the
    midpoint of two 100-dimensional ones has norm 7.05 where the prior has 9.97).
    """
    norms = [torch.linalg.vector_norm(end, dim=-1, keepdim=True) for end in (first, second)]
    directions = [functional.normalize(end, dim=-1) for end in (first, second)]
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

    return point


def _growth(quantile: Tensor, eta: float) -> Tensor:
    """How far children move outwards, in halves of their parents' distance: beta - 1, negative for a `quantile` < 1.

    beta = q^(1/(eta+1)) for a `quantile` q from 0 to 1, and (2 - q)^(-1/(eta+1)) up to 2.

    By logarithms: torch computes the last elements of a tensor by another `pow`, which rounds differently, and a child
    must not depend on its place.
    """
    logarithm = torch.where(quantile <= 1.0, quantile.log(), -(2.0 - quantile).log())
    return torch.expm1(logarithm / (eta + 1.0))


def _half_distance(first: Tensor, second: Tensor) -> Tensor:
    return 0.5 * second - 0.5 * first  # halved first: it cannot overflow


def _swap(first: Tensor, second: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:
    return torch.where(mask, second, first), torch.where(mask, first, second)
