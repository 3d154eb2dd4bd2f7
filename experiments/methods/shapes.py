"""Shapes with known parameters: smooth closed curves through eight points, filled, and what can be measured of bitmaps.

After Hagg et al. 2021, "Expressivity of parameterized and data-driven representations in quality diversity search", and
the code beside it: eight points stand evenly on a circle; eight parameters draw them towards its middle, to a tenth of
the radius at most, and eight turn them about it, by an eighth of a turn at most, either way; a Catmull-Rom spline goes
through them. Where it crosses itself, all that it winds around is filled (there the largest part alone). Parameters are
0 to 1 each (there in their own units), and an image has 32 pixels a side (there 64).
"""

import math

import evovae
from evovae.encodings.priors import Uniform

import torch
from torch import Tensor
from torch.nn import functional

POINTS, SIDE = 8, 32
DIM = 2 * POINTS
NEAREST, TURN = 0.1, math.pi / 4
"""How near to the middle a point can come, in radii, and how far it turns."""
REACH = 0.9
"""Radius of the circle, in halves of the image: splines swing out beyond their points."""
PIECES = 8
"""Straight lines between two points."""
FINE = 2
"""Rows and columns of samples in a pixel."""


def outline(parameters: Tensor) -> Tensor:
    """Return the curves of `parameters` (B, 16) as corners (B, 64, 2) of polygons, x and y within about -1 to 1."""
    drawn, turned = parameters.unsqueeze(2).chunk(2, 1)  # B 8 1
    radius = REACH * (NEAREST + (1.0 - NEAREST) * drawn)
    angle = TURN * (2.0 * turned - 1.0) + torch.arange(POINTS).unsqueeze(1) * (2.0 * math.pi / POINTS)
    points = radius * torch.cat((angle.cos(), angle.sin()), 2)  # B 8 2
    t = torch.arange(PIECES) / PIECES
    # Catmull and Rom 1974, of tension 1/2: the weights of the point before, the two ends, and the point behind.
    weights = 0.5 * torch.stack(
        (-t + 2 * t**2 - t**3, 2 - 5 * t**2 + 3 * t**3, t + 4 * t**2 - 3 * t**3, -(t**2) + t**3)
    )  # 4 8
    around = torch.stack([points.roll(1 - k, 1) for k in range(4)], 2)  # B 8 4 2
    return (weights.T @ around).flatten(1, 2)


def render(parameters: Tensor, side: int = SIDE) -> Tensor:
    """Return images (B, 1, side, side) of the shapes of `parameters` (B, 16): the share of each pixel that is filled.

    A sample is filled where the curve winds around it: of the lines that cross its row to the left of it another number
    goes up than down.
    """
    fine = FINE * side
    corners = (outline(parameters) + 1.0) * (fine / 2)  # in samples, whose middles are at halves
    rows = torch.arange(fine) + 0.5
    above = corners[:, None, :, 1] > rows[:, None]  # B fine 64
    ends = above.roll(-1, 2)
    image, row, line = (above != ends).nonzero(as_tuple=True)  # where a line crosses a row
    x, y = corners[image, line].unbind(1)
    x_end, y_end = corners[image, (line + 1) % corners.shape[1]].unbind(1)
    crossing = x + (x_end - x) * (rows[row] - y) / (y_end - y)
    place = (crossing + 0.5).floor_().clamp_(0, fine).long()  # the first sample to the right of it
    winding = torch.zeros(len(corners), fine, fine + 1)
    up = above[image, row, line].to(winding.dtype) * 2.0 - 1.0
    winding.index_put_((image, row, place), up, accumulate=True)
    filled = (winding[:, :, :-1].cumsum(2).abs() > 0.5).float()
    return functional.avg_pool2d(filled.unsqueeze(1), FINE)


def encoding() -> evovae.DecoderEncoding:
    """Return the parameters as genomes, within their bounds."""
    return evovae.DecoderEncoding(render, DIM, (1, SIDE, SIDE), prior=Uniform(DIM, 0.0, 1.0))


def bitmaps(images: Tensor) -> Tensor:
    """Return the pixels (..., H, W) of images (..., 1, H, W) that are at least half filled, as 0 and 1."""
    return (images[..., 0, :, :] >= 0.5).to(images.dtype)


def area(images: Tensor) -> Tensor:
    """Return the share (B,) of the bitmap that is filled."""
    return bitmaps(images).mean((-2, -1))


def perimeter(images: Tensor) -> Tensor:
    """Return the length (B,) of the bitmaps' outlines, in widths of the image.

    It is the sum of the gradients between each four pixels, and up to 8% too long where the outline is askew.
    """
    pixels = functional.pad(bitmaps(images), (1, 1, 1, 1))
    across, down = pixels.diff(dim=-1), pixels.diff(dim=-2)
    x, y = across[..., 1:, :] + across[..., :-1, :], down[..., 1:] + down[..., :-1]
    return 0.5 * (x.square() + y.square()).sqrt().sum((-2, -1)) / images.shape[-1]


def roundness(images: Tensor) -> Tensor:
    """Return 4 pi area / perimeter^2 (B,), 1 of a disc and less of all else; NaN of an empty bitmap."""
    return 4.0 * math.pi * area(images) / perimeter(images).square()


def symmetry(images: Tensor) -> Tensor:
    """Return the part (B,) of what a bitmap and the same turned half round fill that both do; NaN of an empty one."""
    return overlap(bitmaps(images), bitmaps(images).flip(-2, -1))


def overlap(one: Tensor, other: Tensor) -> Tensor:
    """Return the part of what one of two bitmaps (..., H, W) fills that both do: 0 to 1; NaN where both are empty."""
    both = (one * other).sum((-2, -1))
    return both / (one.sum((-2, -1)) + other.sum((-2, -1)) - both)
