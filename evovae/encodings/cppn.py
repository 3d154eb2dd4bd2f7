"""Genomes that are the weights of a network that draws."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
from torch import Tensor

from evovae.base import InputError, require_whole, resolve_device
from evovae.encodings.encoding import Encoding, require_image_shape
from evovae.encodings.priors import StandardNormal
from evovae.encodings.supports import Support

GAIN = 4.0
CHUNK_NUMBERS = 2**19
"""Activations of a layer that are held at a time: few enough for the processor's caches, twice as fast as more."""


class CPPNEncoding(Encoding):
    """Genomes are the weights of a compositional pattern-producing network (Stanley 2007), asked for every pixel.

    The network takes a pixel's place x, y and its distance r from the centre, in units of half the longer side, and
    gives the colours there; it draws at any resolution. Where Stanley evolves the topology, here it is fixed: layers
    of `hidden` units, a third each of sine, Gaussian and bipolar sigmoid (tanh), and a sigmoid for every colour. The
    linear units of others are left out: they leave a fifth of all random images blank.

    A unit with K inputs, its bias included, adds them up with weights gene * 4 / sqrt(K). Genes from N(0, I) then give
    units a few periods and edges across the image, at any width.

    Args:
        shape: (C, H, W) of the images.
        hidden: units in each hidden layer.
        support: where genomes may lie (`StandardNormal`); the ball by default, which keeps weights from growing until
            images are noise.
        device: where genomes live.
    """

    sigma = 0.1
    """A tenth of the prior's. With `indpb` 0.2 a mutation then moves an image by a sixth of the distance between random
    ones, as 0.5 does for a VAE or for PCA: weights act through one another."""

    def __init__(
        self,
        shape: tuple[int, int, int],
        hidden: tuple[int, ...] = (16, 16),
        support: Support = "ball",
        device: torch.device | str = "cpu",
    ) -> None:
        require_image_shape(shape)
        if not hidden:
            raise InputError("hidden is empty: expected the units of one layer or more")
        for units in hidden:
            require_whole("hidden", units, 1)
        self.shape = shape
        self.layers = tuple(pairwise((3, *hidden, shape[0])))
        genes = [(inputs + 1) * outputs for inputs, outputs in self.layers]
        super().__init__(StandardNormal(sum(genes), support), resolve_device(device))
        self._genes = genes
        self._places = _places(*shape[1:]).to(self.device)
        self._chunk = max(1, CHUNK_NUMBERS // (max(hidden) * self._places.shape[1]))

    def _decode(self, genomes: Tensor) -> Tensor:
        return torch.cat([self._draw(chunk) for chunk in genomes.split(self._chunk)])

    def _draw(self, genomes: Tensor) -> Tensor:
        *hidden, colours = (
            genes.unflatten(1, (outputs, inputs + 1)) * (GAIN / math.sqrt(inputs + 1))
            for (inputs, outputs), genes in zip(self.layers, genomes.split(self._genes, dim=1), strict=True)
        )
        x = self._places.expand(len(genomes), -1, -1)  # B K P, for P pixels
        for weights in hidden:
            x = _activate(_sums(weights, x))
        return torch.sigmoid(_sums(colours, x)).unflatten(2, self.shape[1:])


def _sums(weights: Tensor, x: Tensor) -> Tensor:
    """Return what units with `weights` (B, U, K + 1), the bias last, make of their inputs `x` (B, K, P): (B, U, P)."""
    return torch.baddbmm(weights[..., -1:], weights[..., :-1], x)


def _activate(x: Tensor) -> Tensor:
    waves, bumps, steps = x.tensor_split(3, dim=1)
    return torch.cat((torch.sin(waves), torch.exp(-bumps.square()), torch.tanh(steps)), dim=1)


def _places(height: int, width: int) -> Tensor:
    """Return x, y and r of every pixel's middle: (3, H * W)."""
    half = max(height, width) / 2
    y, x = ((torch.arange(size, dtype=torch.float32) + 0.5 - size / 2) / half for size in (height, width))
    y, x = torch.meshgrid(y, x, indexing="ij")
    return torch.stack((x, y, torch.hypot(x, y))).flatten(1)
