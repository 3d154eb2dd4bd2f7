"""Genomes that are scores of a principal component analysis."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from evovae.base import InputError, resolve_device
from evovae.data import as_floats
from evovae.encodings.encoding import Encoding, flatten_images
from evovae.encodings.priors import StandardNormal
from evovae.encodings.supports import Support

CHUNK = 1024


class PCAEncoding(Encoding):
    """Genomes are standardised scores on the principal components of images, the best linear code there is.

    The scores of the images have mean 0, variance 1 and no correlation, so that the normal distribution fitted to them
    is N(0, I) and genes mean the same as for a VAE, of which PCA is the linear case (Tipping and Bishop 1999). Images
    are mean + (genes * std) @ components, clamped to [0, 1].

    The fit is exact and always the same: eigenvectors of the covariance matrix in float64, each turned so that its
    largest weight is positive. It takes memory for a few matrices of (C * H * W)^2 numbers and for a chunk of images.

    Args:
        images: (N, C, H, W), uint8 or in [0, 1], such as `digits.train.images`.
        dim: number of components D, at most the number of directions that the images vary along.
        support: where genomes may lie (`StandardNormal`); the ball by default, as for a VAE.
        device: where the fit runs and genomes live.

    Attributes:
        mean: (C * H * W,), the mean image.
        components: (D, C * H * W), orthonormal, in the order of falling variance.
        std: (D,), standard deviation of the images along each.
        explained: part of the images' variance, 0 to 1, that lies along the components.
    """

    encodes = True
    sigma = 0.5
    """Half the prior's: with `indpb` 0.2 a mutation moves an image by a sixth of the distance between random ones."""

    def __init__(self, images: Tensor, dim: int, support: Support = "ball", device: torch.device | str = "cpu") -> None:
        super().__init__(StandardNormal(dim, support), resolve_device(device))
        if images.ndim != 4 or images.numel() == 0:
            raise InputError(f"images have shape {tuple(images.shape)}: expected (N, C, H, W), none of them 0")
        if images.is_floating_point() and not (images.min() >= 0 and images.max() <= 1):
            raise InputError(f"images of {images.dtype}: expected uint8, or floats in [0, 1]; are they scaled?")
        self.shape = tuple(images.shape[1:])
        mean, covariance = _moments(images, self.device)
        variances, vectors = torch.linalg.eigh(covariance)
        variances, vectors = variances.flip(0), vectors.flip(1)  # the largest variance first
        directions = int((variances > variances[0] * len(variances) * torch.finfo(variances.dtype).eps).sum())
        if dim > directions:
            raise InputError(f"dim is {dim}: expected at most {directions}, the directions these images vary along")
        components = vectors[:, :dim].T
        largest = components.gather(1, components.abs().argmax(1, keepdim=True))
        self.mean = mean.float()
        self.components = (components * largest.sign()).float().contiguous()
        self.std = variances[:dim].sqrt().float()
        self.explained = float(variances[:dim].sum() / variances.sum())

    def _decode(self, genomes: Tensor) -> Tensor:
        return torch.addmm(self.mean, genomes * self.std, self.components).clamp(0.0, 1.0).unflatten(1, self.shape)

    def encode(self, images: Tensor) -> Tensor:
        """Return the genomes (B, D) of `images` (B, C, H, W), uint8 or in [0, 1]: their scores, not projected.

        They decode to the nearest images that D components can make, before clamping.
        """
        return (flatten_images(images, self.shape, self.device) - self.mean) @ self.components.T / self.std


def _moments(images: Tensor, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return mean (P,) and covariance (P, P) of `images` (N, ...) with P pixels each, in float64."""

    def chunks() -> Iterator[Tensor]:
        return (as_floats(chunk.to(device)).double().flatten(1) for chunk in images.split(CHUNK))

    pixels = images[0].numel()
    mean = torch.zeros(pixels, dtype=torch.float64, device=device)
    for chunk in chunks():
        mean += chunk.sum(0)
    mean /= len(images)
    covariance = torch.zeros(pixels, pixels, dtype=torch.float64, device=device)
    for chunk in chunks():
        centred = chunk - mean
        covariance.addmm_(centred.T, centred)
    return mean, covariance / len(images)
