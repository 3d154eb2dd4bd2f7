"""Measures of pictures (B, C, H, W) in [0, 1]; colours count by their luminance."""

from __future__ import annotations

import numpy as np
import torch
from scipy import ndimage
from torch import Tensor
from torch.nn.functional import pad

from evovae.base import InputError, numbers_on
from evovae.objectives.functions import BOLD

LUMINANCE = (0.299, 0.587, 0.114)
"""Of red, green and blue (ITU-R BT.601)."""
EPSILON = 1e-8
"""Added under roots and to divisors, so that an empty picture has finite measures and gradients."""


def grey(x: Tensor) -> Tensor:
    """Return the luminance (B, H, W) of pictures.

    Raises:
        InputError: if these are none.
    """
    if x.ndim != 4 or x.shape[1] not in (1, 3):
        raise InputError(f"phenotypes have shape {tuple(x.shape)}: expected pictures (B, C, H, W), C = 1 or 3")
    if x.shape[1] == 1:
        return x[:, 0]
    return torch.einsum("bchw,c->bhw", x, numbers_on(LUMINANCE, x.dtype, x.device))


def count_bold(x: Tensor) -> Tensor:
    """Return how many pixels are at 0.5 or above, (B, 1)."""
    light = grey(x).flatten(1)
    return (light >= BOLD).to(x.dtype).sum(1, keepdim=True)


def mean_bold(x: Tensor) -> Tensor:
    """Return the sum of the pixels at 0.5 or above over their number plus one, (B, 1)."""
    light = grey(x).flatten(1)
    bold = light >= BOLD
    return torch.where(bold, light, 0.0).sum(1, keepdim=True) / (bold.sum(1, keepdim=True) + 1)


def slant(x: Tensor) -> Tensor:
    """Return the angle in degrees by which upright strokes lean to the right, (B, 1); 0 for an empty picture.

    atan(-mu_11 / mu_02) of the central moments of the ink, as in Morpho-MNIST (Castro et al. 2019, section 3.1).
    """
    ink = grey(x)
    across, down = (torch.arange(size, dtype=x.dtype, device=x.device) for size in (ink.shape[2], ink.shape[1]))
    mass = ink.sum((1, 2)).unsqueeze(1) + EPSILON  # B 1
    across = across - (ink.sum(1) * across).sum(1, keepdim=True) / mass  # B W
    down = down - (ink.sum(2) * down).sum(1, keepdim=True) / mass  # B H
    both = torch.einsum("bhw,bh,bw->b", ink, down, across)
    upright = (ink.sum(2) * down.square()).sum(1)
    return torch.rad2deg(torch.atan(-both / (upright + EPSILON))).unsqueeze(1)


def thickness(x: Tensor) -> Tensor:
    """Return the mean width of strokes in pixels, (B, 1); 0 for an empty picture.

    Twice the ink over its total variation, which is the length of the strokes' edges: of a long stroke, its width.
    """
    ink = grey(x)
    framed = pad(ink, (1, 1, 1, 1))
    right = framed[:, :-1, 1:] - framed[:, :-1, :-1]
    below = framed[:, 1:, :-1] - framed[:, :-1, :-1]
    steps = right.square() + below.square()
    edges = torch.where(steps > 0, (steps + EPSILON**2).sqrt(), 0.0).sum((1, 2))
    return (2.0 * ink.sum((1, 2)) / (edges + EPSILON)).unsqueeze(1)


def count_loops(x: Tensor) -> Tensor:
    """Return the number of holes in the ink at 0.5 or above, (B, 1): 1 for a zero, 2 for an eight.

    They are the parts of the background, whose pixels touch by their sides, but for the one around the picture.
    """
    background = pad(grey(x).detach() < BOLD, (1, 1, 1, 1), value=True).cpu().numpy()
    touching = np.zeros((3, 3, 3), dtype=bool)  # B H W: pictures do not touch each other
    touching[1] = ndimage.generate_binary_structure(2, 1)
    labels, _ = ndimage.label(background, touching)
    last = np.maximum.accumulate(labels.max((1, 2)))  # labels count on from one picture to the next
    holes = np.diff(last, prepend=0) - 1
    return torch.from_numpy(holes.astype(np.float32)).unsqueeze(1).to(x.device, x.dtype)
