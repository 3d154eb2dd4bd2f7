"""Priors: the distributions that genomes are drawn from, each with the region that genomes may live in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import get_args

import numpy as np
import torch
from scipy.special import gammaincinv
from torch import Tensor

from evovae.base import MAX_NUMBER, InputError, numbers_on, require_whole, shown
from evovae.encodings.supports import Support

SUPPORTS: tuple[Support, ...] = get_args(Support)
MAX_GENE = 3.0
BALL_QUANTILE = 0.99
TOLERANCE = 1e-6
ZERO = 1e-12

PerGene = float | Sequence[float] | np.ndarray | Tensor
"""A number, or one value a gene."""


class Prior:
    """What all priors share: genes in the scale of the codes that are decoded, unless a prior has its own."""

    def codes(self, genomes: Tensor) -> Tensor:
        """Return the codes of `genomes`: (B, D) -> (B, D)."""
        return genomes

    def genomes(self, codes: Tensor) -> Tensor:
        """Return the genomes of `codes`, not projected: (B, D) -> (B, D)."""
        return codes


class StandardNormal(Prior):
    """N(0, I) over `dim` genes, with a support that keeps genomes near where its mass lies.

    Args:
        dim: number of genes D.
        support: where genomes may lie. `free`: anywhere. `box`: every gene within 3, as in the literature. `ball`: norm
            at most the 99% quantile of the prior's. `shell`: norm sqrt(D), near which the prior's mass lies.
    """

    sigma = 0.5
    """A standard deviation for mutation: half the prior's."""

    def __init__(self, dim: int, support: Support) -> None:
        require_whole("dim", dim, 1)
        if support not in SUPPORTS:
            raise InputError(f"support is {support!r}: expected one of {', '.join(SUPPORTS)}")
        self.dim = dim
        self.support = support
        # |z|^2 is chi-squared with D degrees of freedom: twice a gamma variable of shape D / 2.
        squared = 2.0 * float(gammaincinv(dim / 2, BALL_QUANTILE)) if support == "ball" else float(dim)
        self.radius = math.sqrt(squared)

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes float32 (n, D), projected into the support, on the generator's device."""
        drawn = torch.randn(n, self.dim, generator=generator, device=generator.device, dtype=torch.float32)
        return self.project(drawn)

    def log_density(self, genomes: Tensor) -> Tensor:
        """Return log N(genomes; 0, I) in nats, whatever the support: (..., D) -> (...)."""
        return -0.5 * (genomes.square().sum(-1) + self.dim * math.log(2 * math.pi))

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) clipped to the box, or scaled into the ball or onto the shell (but zero stays).

        A norm within a millionth of the radius counts as on it; one below 1e-12 as zero. To project again changes
        nothing.
        """
        if self.support == "free":
            return genomes
        if self.support == "box":
            return genomes.clamp(-MAX_GENE, MAX_GENE)
        norm = torch.linalg.vector_norm(genomes, dim=-1, keepdim=True)
        # What was scaled has the radius to rounding only: without a tolerance it would be scaled again, and again.
        if self.support == "shell":
            there = ((norm - self.radius).abs() <= TOLERANCE * self.radius) | (norm < ZERO)
            return torch.where(there, genomes, genomes / norm * self.radius)
        inside = norm <= (1.0 + TOLERANCE) * self.radius
        return genomes * torch.where(inside, 1.0, self.radius / norm)


class FittedNormal(StandardNormal):
    """The normal distribution fitted to codes, in whose standardised scale genomes live: N(0, I) for them.

    Prior and supports then mean the same as for a VAE, wherever the codes lie and however they hang together.

    Args:
        codes: float (N, D), at least 2: latent vectors that are known to decode well, such as those of a plain
            autoencoder's images, or what a mapping network makes of a generator's noise (W space).
        support: where genomes may lie, as for `StandardNormal`.

    Attributes:
        mean: (D,), of the codes.
        factor: (D, D), lower triangular: codes = mean + factor @ genome.

    Raises:
        InputError: if the codes are none, or not finite.
    """

    def __init__(self, codes: Tensor, support: Support = "ball") -> None:
        if codes.ndim != 2 or len(codes) < 2 or not codes.is_floating_point() or not codes.isfinite().all():
            found = f"{codes.dtype} {tuple(codes.shape)}"
            raise InputError(f"codes are {found}: expected finite floats (N, D), N of 2 or more")
        super().__init__(codes.shape[1], support)
        exact = codes.double()
        self.mean = exact.mean(0).float()
        covariance = torch.cov(exact.T).reshape(self.dim, self.dim)
        variance = covariance.diagonal()
        # Directions that the codes do not take get a hundredth of the mean deviation: mutation stays within them.
        least = 1e-4 * float(variance.mean()) or 1.0
        self.factor = torch.linalg.cholesky(covariance + least * torch.eye(self.dim).double().to(codes.device)).float()

    def codes(self, genomes: Tensor) -> Tensor:
        """Return the codes of `genomes`: (B, D) -> (B, D)."""
        mean, factor = (values.to(genomes.device, genomes.dtype) for values in (self.mean, self.factor))
        return mean + genomes @ factor.T

    def genomes(self, codes: Tensor) -> Tensor:
        """Return the genomes of `codes`, not projected: (B, D) -> (B, D)."""
        mean, factor = (values.to(codes.device, codes.dtype) for values in (self.mean, self.factor))
        return torch.linalg.solve_triangular(factor, (codes - mean).T, upper=False).T


class Uniform(Prior):
    """Genes drawn evenly between two bounds, and clipped to them.

    A bound may be missing: of a gene with one, the distance from it is drawn as |N(0, 1)|, and one without any is drawn
    from N(0, 1).

    Args:
        dim: number of genes D.
        low: smallest value, a number or one a gene; minus infinity where there is none.
        high: largest value, a number or one a gene; infinity where there is none.

    Attributes:
        low, high: both numbers, or D numbers each.
        width: how far they are apart, a number or D numbers; infinite where one is missing.
        sigma: a standard deviation for mutation, of the form of `width`: a tenth of it, 0.5 where it is infinite.

    Raises:
        InputError: if a lower bound is not below the upper one, they are finite but no float32 numbers, or another
            number of them is given than there are genes.
    """

    def __init__(self, dim: int, low: PerGene, high: PerGene) -> None:
        require_whole("dim", dim, 1)
        self.dim = dim
        bounds = torch.broadcast_tensors(_values("low", low, dim), _values("high", high, dim))
        _require_bounds(*bounds)
        self.low, self.high, self.width = map(_plain, (*bounds, bounds[1] - bounds[0]))
        self.sigma = _step(self.width) if isinstance(self.width, float) else tuple(map(_step, self.width))

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes float32 (n, D), on the generator's device."""
        device, dtype = generator.device, torch.float32
        low, high, width = (numbers_on(values, dtype, device) for values in (self.low, self.high, self.width))
        genomes = torch.rand(n, self.dim, generator=generator, device=device, dtype=dtype) * width + low
        if not np.isfinite(self.width).all():
            normal = torch.randn(n, self.dim, generator=generator, device=device, dtype=dtype)
            below = torch.where(high.isfinite(), high - normal.abs(), normal)
            genomes = torch.where(width.isfinite(), genomes, torch.where(low.isfinite(), low + normal.abs(), below))
        return self.project(genomes)  # rounding may step over a bound

    def log_density(self, genomes: Tensor) -> Tensor:
        """Return the log-density in nats, minus infinity out of bounds: (..., D) -> (...)."""
        low, high, width = (
            numbers_on(values, genomes.dtype, genomes.device) for values in (self.low, self.high, self.width)
        )
        distance = genomes - torch.where(low.isfinite(), low, torch.where(high.isfinite(), high, 0.0))
        one_sided = (low.isfinite() | high.isfinite()).to(genomes.dtype)  # half of N(0, 1), at twice its density
        normal = one_sided * math.log(2.0) - 0.5 * (distance.square() + math.log(2 * math.pi))
        density = torch.where(width.isfinite(), (1.0 / width).log(), normal)
        inside = ((genomes >= low) & (genomes <= high)).all(-1)
        return torch.where(inside, density.sum(-1), -math.inf)

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) clipped to the bounds."""
        if isinstance(self.low, float) and isinstance(self.high, float):  # sooner done than with tensors
            return genomes.clamp(self.low, self.high)
        low, high = (numbers_on(values, genomes.dtype, genomes.device) for values in (self.low, self.high))
        return genomes.clamp(low, high)


def _values(name: str, bound: PerGene, dim: int) -> Tensor:
    """Return a bound as float64 () or (D,)."""
    try:
        values = torch.as_tensor(bound, dtype=torch.float64, device="cpu")
    except (TypeError, ValueError, RuntimeError):
        values = torch.empty(0)
    if values.shape not in ((), (dim,)):
        raise InputError(f"{name} is {shown(bound)}: expected a number, or one for each of {dim} genes")
    return values


def _require_bounds(low: Tensor, high: Tensor) -> None:
    """Refuse bounds float64 () or (D,) between which no float32 numbers lie, or infinitely many."""
    sizes = torch.stack((low, high, high - low)).abs()
    sound = (low.float() < high.float()) & ((sizes <= MAX_NUMBER) | sizes.isinf()).all(0)
    if not sound.all():
        least, most = (bound[~sound][0].item() for bound in (low, high))
        expected = "low < high, float32 numbers whose distance is one too, or infinite"
        raise InputError(f"bounds are {least} and {most}: expected {expected}")


def _step(width: float) -> float:
    return 0.1 * width if math.isfinite(width) else 0.5


def _plain(values: Tensor) -> float | tuple[float, ...]:
    return tuple(values.tolist()) if values.ndim else float(values)
