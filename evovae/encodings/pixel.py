"""Genomes that are images."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from evovae.base import resolve_device
from evovae.encodings.encoding import Encoding, flatten_images, require_image_shape
from evovae.encodings.priors import Uniform


class PixelEncoding(Encoding):
    """The genome is the image: C * H * W genes in [0, 1], drawn evenly and clipped.

    The direct encoding of Nguyen, Yosinski and Clune 2015.

    Args:
        shape: (C, H, W) of the images.
        device: where genomes live.
    """

    encodes = True
    sigma = 0.1
    """Near the standard deviation, 0.08, of the polynomial mutation of index 15 that Nguyen et al. use."""

    def __init__(self, shape: tuple[int, int, int], device: torch.device | str = "cpu") -> None:
        require_image_shape(shape)
        super().__init__(Uniform(math.prod(shape), 0.0, 1.0), resolve_device(device))
        self.shape = shape

    def _decode(self, genomes: Tensor) -> Tensor:
        return genomes.clamp(0.0, 1.0).unflatten(1, self.shape)

    def encode(self, images: Tensor) -> Tensor:
        """Return the genomes (B, D) of `images` (B, C, H, W), uint8 or in [0, 1]; they decode to the images."""
        return flatten_images(images, self.shape, self.device)
