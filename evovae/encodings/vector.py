"""Genomes that are plain vectors."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.checks import require
from evovae.devices import resolve_device
from evovae.encodings.encoding import Encoding
from evovae.encodings.priors import StandardNormal, Uniform
from evovae.vae import VAE


class VectorEncoding(Encoding):
    """Genomes are vectors that are their own phenotypes, or that a VAE of vectors decodes (COIL, Bentley et al. 2022).

    COIL searches genes in [-2, 2] of a VAE that has learned which vectors keep the constraints of a problem, and whose
    tanh output lies in [-1, 1].

    Args:
        dim: number of genes.
        low: smallest value of a gene; with `high`, genomes are drawn evenly between the two and clipped to them.
        high: largest value of a gene. Without bounds genomes are drawn from N(0, I).
        device: where genomes live; with a VAE they live where it does.
        vae: decodes genomes to vectors; it is switched to evaluation and its weights are frozen.

    Without bounds `sigma` is 0.5, half the prior's; with them it is a tenth of the way from `low` to `high`, as for
    pixels.
    """

    def __init__(
        self,
        dim: int,
        low: float | None = None,
        high: float | None = None,
        device: torch.device | str = "cpu",
        *,
        vae: VAE | None = None,
    ) -> None:
        require((low is None) == (high is None), f"bounds are {low} and {high}: give both or neither")
        prior = StandardNormal(dim, "free") if low is None or high is None else Uniform(dim, low, high)
        super().__init__(prior, resolve_device(device) if vae is None else vae.device)
        self.sigma = 0.5 if isinstance(prior, StandardNormal) else 0.1 * (prior.high - prior.low)
        if vae is not None:
            shape, genes = vae.config.data_shape, vae.config.latent_dim
            require(len(shape) == 1, f"the VAE decodes images of {shape}: expected one of vectors; use LatentEncoding")
            require(dim == genes, f"dim is {dim}: expected {genes}, the latent variables of the VAE")
            self.vae = vae.eval().requires_grad_(False)

    def _decode(self, genomes: Tensor) -> Tensor:
        return genomes.clone() if self.vae is None else self.vae.decode(self.vae.codes_from_noise(genomes))
