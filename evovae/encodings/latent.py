"""Genomes that are latent vectors of a VAE."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.data import as_floats
from evovae.encodings.encoding import Encoding
from evovae.encodings.priors import StandardNormal
from evovae.encodings.supports import Support
from evovae.models import VAE


class LatentEncoding(Encoding):
    """Genomes are latent vectors of a VAE, phenotypes the images they decode to (Bontrager et al. 2018).

    For a plain autoencoder genomes are standardised codes: the normal distribution fitted to its codes maps N(0, I) to
    them, so that prior and supports mean the same as for a VAE.

    Args:
        vae: the model; it is switched to evaluation and its weights are frozen.
        support: where genomes may lie (`StandardNormal`). Crossover and mutation drift far from the prior, where the
            decoder never was. The ball is the default: it holds the codes of all test images (the shell, a surface,
            holds none), costs 4 to 7% of the free GA's log-odds of a digit (`results/crossover`, D = 32), and its
            images are no less typical than real ones, where free ones are less typical than two thirds of them
            (`results/realism`).
    """

    encodes = True
    sigma = 0.5
    """Half the prior's: with `indpb` 0.2 a mutation moves an image by a fifth of the distance between random ones."""

    def __init__(self, vae: VAE, support: Support = "ball") -> None:
        super().__init__(StandardNormal(vae.config.latent_dim, support), vae.device)
        self.vae: VAE = vae.eval().requires_grad_(False)

    def _decode(self, genomes: Tensor) -> Tensor:
        return self.vae.decode(self.vae.codes_from_noise(genomes))

    def encode(self, images: Tensor) -> Tensor:
        """Return the genomes (B, D) of `images` (B, C, H, W), uint8 or in [0, 1]: posterior means, not projected.

        They decode to the images' reconstructions.
        """
        codes = self.vae.encode(as_floats(images.to(self.device)))[0]
        if self.vae.config.variational:
            return codes
        centred = (codes - self.vae.code_mean).T
        return torch.linalg.solve_triangular(self.vae.code_cholesky, centred, upper=False).T
