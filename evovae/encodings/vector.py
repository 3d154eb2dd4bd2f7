"""Genomes that are plain vectors."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evovae.base import InputError, resolve_device
from evovae.encodings.encoding import Encoding
from evovae.encodings.priors import PerGene, StandardNormal, Uniform
from evovae.models import VAE


class VectorEncoding(Encoding):
    """Genomes are vectors that are their own phenotypes, or that a VAE of vectors decodes (COIL, Bentley et al. 2022).

    COIL searches genes in [-2, 2] of a VAE that has learned which vectors keep the constraints of a problem, and whose
    tanh output lies in [-1, 1].

    Genes with both bounds are drawn evenly between them; with one, at a distance of |N(0, 1)| from it; without any,
    from N(0, 1). All are clipped to their bounds.

        VectorEncoding(3, low=[0.0, -1.0, 0.0], high=[1.0, 1.0, math.inf])

    Args:
        dim: number of genes.
        low: smallest value, a number or one a gene; None, or minus infinity for a gene, where there is none.
        high: largest value, a number or one a gene; None, or infinity for a gene, where there is none.
        device: where genomes live; with a VAE they live where it does.
        vae: decodes genomes to vectors; it is switched to evaluation and its weights are frozen.

    `sigma` is a tenth of the way from `low` to `high`, as for pixels; 0.5, half the prior's, where a bound is missing.
    It has one value a gene where the bounds have.

    Raises:
        InputError: if a lower bound is not below the upper one, or something does not fit `dim`.
    """

    def __init__(
        self,
        dim: int,
        low: PerGene | None = None,
        high: PerGene | None = None,
        device: torch.device | str = "cpu",
        *,
        vae: VAE | None = None,
    ) -> None:
        prior: StandardNormal | Uniform = StandardNormal(dim, "free")
        if low is not None or high is not None:
            prior = Uniform(dim, -math.inf if low is None else low, math.inf if high is None else high)
        super().__init__(prior, resolve_device(device) if vae is None else vae.device)
        self.sigma = prior.sigma
        if vae is not None:
            shape, genes = vae.config.data_shape, vae.config.latent_dim
            if len(shape) != 1:
                raise InputError(f"the VAE decodes images of {shape}: expected one of vectors; use LatentEncoding")
            if dim != genes:
                raise InputError(f"dim is {dim}: expected {genes}, the latent variables of the VAE")
            self.vae = vae.eval().requires_grad_(False)

    def _decode(self, genomes: Tensor) -> Tensor:
        return genomes.clone() if self.vae is None else self.vae.decode(self.vae.codes_from_noise(genomes))
