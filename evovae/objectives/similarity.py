"""Fidelity: how close images come to the ones they stand for, in the two measures that the field reports.

Both are of single images. The number for many is the mean over them: the mean of decibels, not decibels of the mean
error.
"""

from __future__ import annotations

import functools
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from evovae.base import InputError, beside

WINDOW, SIGMA, C1, C2 = 11, 1.5, 0.01**2, 0.03**2


def psnr(x: Tensor, reference: Tensor) -> Tensor:
    """Return the peak signal-to-noise ratio (B,) of each image, in dB: -10 log10 of its mean squared error.

    The peak is 1, and the mean is over pixels and channels. An image that equals its reference has infinity.

    Args:
        x: images (B, C, H, W) in [0, 1].
        reference: what they should be, in the same shape.
    """
    return -10.0 * torch.log10((x - reference).square().flatten(1).mean(1))


def structural_similarity(x: Tensor, reference: Tensor) -> Tensor:
    """Return the structural similarity (B,) of each image, as `ssim_to` does, -1 to 1.

    Args:
        x: images (B, C, H, W) in [0, 1].
        reference: what they should be, in the same shape.

    Raises:
        InputError: if they are smaller than the window.
    """
    return ssim_to(reference)(x)


def ssim_to(reference: Tensor) -> Callable[[Tensor], Tensor]:
    """Return the function that takes images (B, C, H, W) in [0, 1] to their structural similarity (B,) to `reference`.

    Wang et al. 2004, eq. 13: Gaussian window of 11 x 11 with standard deviation 1.5, averaged over the positions where
    it fits and over channels. What depends on the reference alone is computed once; the function can be pickled.

    Args:
        reference: one image (C, H, W) for all, or one for each (B, C, H, W), in [0, 1].

    Raises:
        InputError: if it is smaller than the window.
    """
    if min(reference.shape[-2:]) < WINDOW:
        raise InputError(f"image has shape {tuple(reference.shape)}: ssim needs at least {WINDOW} pixels a side")
    mean, square = _blur(torch.stack((reference, reference.square())))
    return functools.partial(_similarity, (reference, mean, square - mean.square()))


def _similarity(reference: tuple[Tensor, Tensor, Tensor], x: Tensor) -> Tensor:
    """Return the similarity (B,) of `x` (B, C, H, W) to a reference, of which mean and variance come with it."""
    r, r_mean, r_variance = (beside(part, x) for part in reference)  # (B) C H W, and twice (B) C H-10 W-10
    mean, square, product = _blur(torch.stack((x, x.square(), x * r)))  # each B C H-10 W-10
    covariance = product - mean * r_mean  # E[x r] - E[x] E[r]
    variance = square - mean.square()
    # Wang et al. 2004, eq. 13
    numerator = (2 * mean * r_mean + C1) * (2 * covariance + C2)
    denominator = (mean.square() + r_mean.square() + C1) * (variance + r_variance + C2)
    return (numerator / denominator).flatten(1).mean(1)


def _blur(x: Tensor) -> Tensor:
    """Weighted means of `x` (..., H, W) under the window, where it fits: (..., H - 10, W - 10)."""
    place = torch.arange(WINDOW, dtype=x.dtype, device=x.device) - WINDOW // 2
    window = torch.exp(-0.5 * (place / SIGMA).square())
    window = (window / window.sum()).view(1, 1, 1, -1)
    rows = functional.conv2d(x.flatten(0, -3).unsqueeze(1), window)  # N 1 H W-10: the window is separable
    return functional.conv2d(rows, window.transpose(2, 3)).squeeze(1).unflatten(0, x.shape[:-2])
