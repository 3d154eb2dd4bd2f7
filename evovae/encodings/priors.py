"""Priors: the distributions that genomes are drawn from, each with the region that genomes may live in."""

from __future__ import annotations

import math
from typing import get_args

import torch
from scipy.stats import chi2
from torch import Tensor
from torch.nn import functional

from evovae.checks import require, require_whole
from evovae.config import Support

SUPPORTS: tuple[Support, ...] = get_args(Support)
BOX_LIMIT = 3.0
BALL_QUANTILE = 0.99


class StandardNormal:
    """N(0, I) over `dim` genes, with a support that keeps genomes near where its mass lies.

    Args:
        dim: number of genes D.
        support: where genomes may lie. `free`: anywhere. `box`: every gene within 3, as in the literature. `ball`: norm
            at most the 99% quantile of the prior's. `shell`: norm sqrt(D), near which the prior's mass lies.
    """

    def __init__(self, dim: int, support: Support) -> None:
        require_whole("dim", dim, 1)
        require(support in SUPPORTS, f"support is {support!r}: expected one of {', '.join(SUPPORTS)}")
        self.dim = dim
        self.support = support
        self.radius = math.sqrt(chi2.ppf(BALL_QUANTILE, dim)) if support == "ball" else math.sqrt(dim)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D), projected into the support, on the generator's device."""
        return self.project(torch.randn(n, self.dim, generator=generator, device=generator.device))

    def log_density(self, genomes: Tensor) -> Tensor:
        """Return log N(genomes; 0, I) in nats, whatever the support: (..., D) -> (...)."""
        return -0.5 * (genomes.square().sum(-1) + self.dim * math.log(2 * math.pi))

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) clipped to the box, or scaled into the ball or onto the shell (but zero stays)."""
        if self.support == "free":
            return genomes
        if self.support == "box":
            return genomes.clamp(-BOX_LIMIT, BOX_LIMIT)
        if self.support == "shell":
            return functional.normalize(genomes, dim=-1) * self.radius
        norm = torch.linalg.vector_norm(genomes, dim=-1, keepdim=True)
        return genomes * (self.radius / norm).clamp_max(1.0)


class Uniform:
    """Genes drawn evenly from `low` to `high`, and clipped to them.

    Args:
        dim: number of genes D.
        low: smallest value of a gene.
        high: largest value of a gene.
    """

    def __init__(self, dim: int, low: float, high: float) -> None:
        require_whole("dim", dim, 1)
        require(-math.inf < low < high < math.inf, f"bounds are {low} and {high}: expected finite ones, low < high")
        self.dim = dim
        self.low, self.high = low, high

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D), on the generator's device."""
        even = torch.rand(n, self.dim, generator=generator, device=generator.device)
        return self.project(even * (self.high - self.low) + self.low)  # rounding may step over a bound

    def log_density(self, genomes: Tensor) -> Tensor:
        """Return the log-density in nats, minus infinity out of bounds: (..., D) -> (...)."""
        inside = ((genomes >= self.low) & (genomes <= self.high)).all(-1)
        return torch.where(inside, self.dim * math.log(1 / (self.high - self.low)), -math.inf)

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) clipped to the bounds."""
        return genomes.clamp(self.low, self.high)
