"""Bounds: genomes (..., D) moved into a box, for the role `project`."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.evolution.operators import parameters
from evovae.evolution.operators.parameters import PerGene


def clip(genomes: Tensor, low: PerGene, up: PerGene) -> Tensor:
    """Move genes out of bounds to the nearest bound: genomes (..., D) -> (..., D).

        toolbox.register("project", evolution.clip, low=-1.0, up=1.0)

    Args:
        genomes: (..., D).
        low: least value, a number or one a gene.
        up: greatest value, a number or one a gene.

    Raises:
        InputError: if `low` is not below `up`, or they have another number of values than there are genes.
    """
    low, up = parameters.bounds(low, up, genomes)
    return genomes.clamp(min=low).clamp(max=up)


def reflect(genomes: Tensor, low: PerGene, up: PerGene) -> Tensor:
    """Fold genes out of bounds back, as mirrors at both bounds would: genomes (..., D) -> (..., D).

    Unlike `clip`, it does not gather genes on the bounds. Any finite gene comes to lie inside, however far out it was;
    one inside stays as it is, to the bit. Parameters and errors are those of `clip`.
    """
    clipped = clip(genomes, low, up)
    # In float64, and the gene reduced first: the difference of a huge gene and a bound would forget the bound.
    start, end = (b.double() if isinstance(b, Tensor) else b for b in parameters.bounds(low, up, genomes))
    period = 2.0 * (end - start)
    phase = (genomes.double() % period - start) % period
    folded = start + torch.minimum(phase, period - phase)
    return torch.where(genomes == clipped, genomes, clip(folded.to(genomes.dtype), low, up))
