"""Encodings: the maps from genomes to phenotypes, each with the prior that its genomes are drawn from."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import get_args

import torch
from scipy.stats import chi2
from torch import Tensor
from torch.nn import functional

from evovae.config import Support, require
from evovae.vae import VAE

SUPPORTS: tuple[Support, ...] = get_args(Support)
BOX_LIMIT = 3.0
BALL_QUANTILE = 0.99


class Encoding(ABC):
    """A map from genomes (..., D) to phenotypes, with a prior over genomes and the region that they may live in."""

    dim: int
    """Number of genes D."""
    sigma: float
    """A standard deviation for mutation that suits the scale of the genes."""
    device: torch.device
    """Where genomes live and phenotypes are made."""

    @abstractmethod
    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D) from the prior, inside the support."""

    @abstractmethod
    def decode(self, genomes: Tensor) -> Tensor:
        """Return the phenotypes (B, ...) of `genomes` (B, D)."""

    @abstractmethod
    def log_prior(self, genomes: Tensor) -> Tensor:
        """Return the prior's log-density in nats: `genomes` (..., D) -> (...)."""

    @abstractmethod
    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) moved to the nearest point of the support, in new memory or unchanged."""


class LatentEncoding(Encoding):
    """Genomes are latent vectors of a VAE, phenotypes the images they decode to (Bontrager et al. 2018).

    For a plain autoencoder genomes are standardised codes: the normal distribution fitted to its codes maps N(0, I) to
    them, so that prior and supports mean the same as for a VAE.

    Args:
        vae: the model; it is switched to evaluation and its weights are frozen.
        support: where genomes may lie. Crossover and mutation drift far from the prior, where the decoder never was.
            `free`: anywhere. `box`: every gene within 3, as in the literature. `ball`: norm at most the 99% quantile of
            the prior's. `shell`: norm sqrt(D), near which the prior's mass lies. The ball is the default: it holds the
            codes of all test images (the shell, a surface, holds none), costs 4 to 9% of the free GA's log-odds of a
            digit, and its images reconstruct nearly as well as random search's (`results/latent_support`).
    """

    sigma = 0.5

    def __init__(self, vae: VAE, support: Support = "ball") -> None:
        require(support in SUPPORTS, f"support is {support!r}: expected one of {', '.join(SUPPORTS)}")
        self.vae = vae.eval().requires_grad_(False)
        self.support = support
        self.dim = vae.config.latent_dim
        self.device = vae.device
        self.radius = math.sqrt(chi2.ppf(BALL_QUANTILE, self.dim)) if support == "ball" else math.sqrt(self.dim)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D) from N(0, I), projected into the support."""
        genomes = torch.randn(n, self.dim, generator=generator, device=generator.device)
        return self.project(genomes.to(self.device))

    def decode(self, genomes: Tensor) -> Tensor:
        """Return the images (B, C, H, W) in [0, 1] of `genomes` (B, D)."""
        return self.vae.decode(self.vae.codes_from_noise(genomes))

    def log_prior(self, genomes: Tensor) -> Tensor:
        """Return log N(genomes; 0, I) in nats: (..., D) -> (...)."""
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


class VectorEncoding(Encoding):
    """Genomes are their own phenotypes: plain vectors, with bounds or without.

    Args:
        dim: number of genes.
        low: smallest value of a gene; with `high`, genomes are drawn evenly between the two and clipped to them.
        high: largest value of a gene. Without bounds genomes are drawn from N(0, I).
        device: where genomes live.
    """

    def __init__(
        self, dim: int, low: float | None = None, high: float | None = None, device: torch.device | str = "cpu"
    ) -> None:
        require(dim >= 1, f"dim is {dim}: expected 1 or more")
        require((low is None) == (high is None), f"bounds are {low} and {high}: give both or neither")
        ordered = low is None or high is None or -math.inf < low < high < math.inf
        require(ordered, f"bounds are {low} and {high}: expected finite ones, low < high")
        self.dim = dim
        self.bounds = None if low is None or high is None else (low, high)
        self.sigma = 0.5 if self.bounds is None else 0.1 * (self.bounds[1] - self.bounds[0])
        self.device = torch.device(device)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D) from the prior."""
        if self.bounds is None:
            return torch.randn(n, self.dim, generator=generator, device=generator.device).to(self.device)
        low, high = self.bounds
        return (torch.rand(n, self.dim, generator=generator, device=generator.device) * (high - low) + low).to(
            self.device
        )

    def decode(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (B, D) themselves."""
        return genomes

    def log_prior(self, genomes: Tensor) -> Tensor:
        """Return the prior's log-density in nats, minus infinity out of bounds: (..., D) -> (...)."""
        if self.bounds is None:
            return -0.5 * (genomes.square().sum(-1) + self.dim * math.log(2 * math.pi))
        low, high = self.bounds
        inside = ((genomes >= low) & (genomes <= high)).all(-1)
        return torch.where(inside, -self.dim * math.log(high - low), -math.inf)

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) clipped to the bounds."""
        return genomes if self.bounds is None else genomes.clamp(*self.bounds)
