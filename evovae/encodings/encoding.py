"""What every encoding is to its users."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor

from evovae.base import InputError, require_whole
from evovae.data import as_floats
from evovae.encodings.priors import StandardNormal, Uniform
from evovae.models import VAE


class Encoding(ABC):
    """A map from genomes (..., D) to phenotypes, with a prior over genomes and the region that they may live in.

    Phenotypes are new memory, never the genomes' own, and pass gradients back to the genomes (a clamp cuts them where
    it holds), unless `differentiable` is false. A genome's phenotype is the same, to rounding, whatever batch it is
    decoded in.

    One of your own names its prior, a `sigma` and, as `_decode`, the map.

    Args:
        prior: what genomes are drawn from.
        device: where genomes live and phenotypes are made.
    """

    dim: int
    """Number of genes D."""
    sigma: float | tuple[float, ...]
    """A standard deviation for mutation that suits the scale of the genes: one for all, or one for each."""
    device: torch.device
    """Where genomes live and phenotypes are made."""
    vae: VAE | None = None
    """The model that decodes, where there is one."""
    labels: tuple[str, ...] = ()
    """Names of the L curves of a phenotype (L, T), for figures; none where they have no names."""
    differentiable: bool = True
    """Whether phenotypes pass gradients back to the genomes."""
    encodes: bool = False
    """Whether `encode` finds genomes of phenotypes."""

    def __init__(self, prior: StandardNormal | Uniform, device: torch.device) -> None:
        self.prior = prior
        self.dim = prior.dim
        self.device = device

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D) from the prior, inside the support."""
        return self.prior.sample(n, generator).to(self.device)

    def decode(self, genomes: Tensor) -> Tensor:
        """Return the phenotypes (B, ...) of `genomes` (B, D).

        Raises:
            InputError: if `genomes` is not (B, D).
        """
        if genomes.ndim != 2 or genomes.shape[1] != self.dim:
            raise InputError(f"genomes have shape {tuple(genomes.shape)}: expected (B, {self.dim})")
        return self._decode(genomes)

    def encode(self, phenotypes: Tensor) -> Tensor:
        """Return genomes (B, D), not projected, of `phenotypes` (B, ...) as `decode` gives them.

        Raises:
            InputError: if there is no encoder (`encodes`).
        """
        raise InputError("this decoder has no encoder: expected one, to find the genome of an image")

    def log_prior(self, genomes: Tensor) -> Tensor:
        """Return the prior's log-density in nats: `genomes` (..., D) -> (...)."""
        return self.prior.log_density(genomes)

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) moved to the nearest point of the support, in new memory or unchanged."""
        return self.prior.project(genomes)

    @abstractmethod
    def _decode(self, genomes: Tensor) -> Tensor: ...


def require_image_shape(shape: tuple[int, int, int]) -> None:
    """Raise `InputError` unless `shape` is (C, H, W)."""
    if len(shape) != 3:
        raise InputError(f"shape is {shape}: expected (C, H, W), such as (1, 28, 28)")
    for name, size in zip(("channels", "height", "width"), shape, strict=True):
        require_whole(name, size, 1)


def flatten_images(images: Tensor, shape: tuple[int, ...], device: torch.device) -> Tensor:
    """Return `images` (B, *shape), uint8 or in [0, 1], as floats (B, C * H * W) on `device`; refuse other shapes."""
    if tuple(images.shape[1:]) != shape:
        expected = ", ".join(map(str, shape))
        raise InputError(f"images have shape {tuple(images.shape)}: expected (B, {expected})")
    return as_floats(images.to(device)).flatten(1)
