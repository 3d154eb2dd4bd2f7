"""How phenotypes are shown: images as they are, curves drawn here."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from evovae.analysis.plots import MAX_CURVES
from evovae.base import InputError

MOST_SIDE = 512
"""Pixels of an image at most, each way."""
WIDTH, HEIGHT, LEAD_HEIGHT = 256, 128, 28
"""Pixels of a drawing of curves: across, down at least, and down for each lead."""
PEN = 1.3
"""Pixels of a line's width."""
OUTLIERS = 5e-4
"""Share of the examples' values that may lie beyond either end of the scale, where lines are cut."""


class Drawing:
    """Draws phenotypes of one shape. Curves have one scale, that of the examples, so that they can be compared.

    Args:
        examples: phenotypes (K, C, H, W), images in [0, 1] or uint8; or curves (K, T) or (K, L, T).

    Attributes:
        shape: (C, H, W) of what is shown.
        curves: whether phenotypes are curves, one beneath the other.

    Raises:
        InputError: if they are neither.
    """

    def __init__(self, examples: Tensor) -> None:
        shape = tuple(examples.shape[1:])
        self.curves = len(shape) in (1, 2)
        if self.curves and shape[-1] > 1 and shape[0] <= (MAX_CURVES if len(shape) == 2 else shape[0]):
            leads = shape[0] if len(shape) == 2 else 1
            self.shape = (1, leads * max(LEAD_HEIGHT, HEIGHT // leads), WIDTH)
            self._low, self._high = _scale(examples.detach().cpu().double().numpy())
        elif len(shape) == 3 and shape[0] in (1, 3) and max(shape[1:]) <= MOST_SIDE:
            self.shape = (shape[0], shape[1], shape[2])
        else:
            raise InputError(
                f"phenotypes of shape {shape} cannot be shown: expected images (C, H, W), grey or in colour and of at "
                f"most {MOST_SIDE} pixels each way, or curves (T,) or (L, T), L of at most {MAX_CURVES}"
            )

    def draw(self, phenotypes: Tensor) -> Tensor:
        """Return images (K, *shape) on the CPU, uint8 or in [0, 1], of phenotypes (K, ...)."""
        if not self.curves:
            return phenotypes.detach().cpu()
        values = phenotypes.detach().cpu().float().numpy()
        values = np.nan_to_num(values.reshape(len(values), -1, values.shape[-1]))  # K L T
        _, height, width = self.shape
        strip = height // values.shape[1]
        lows, highs = (
            ((self._high - ends) / (self._high - self._low) * strip).clip(PEN, strip - PEN)  # pixels from the top
            for ends in _columns(values, width)
        )
        rows = np.arange(strip, dtype=np.float32)[:, None]
        low, high = (ends[:, :, None] for ends in (lows, highs))  # K L 1 W
        ink = np.minimum(low + PEN / 2, rows + 1) - np.maximum(high - PEN / 2, rows)  # of each pixel, K L strip W
        pixels = (255 - 225 * ink.clip(0, 1)).round().astype(np.uint8)
        return torch.from_numpy(pixels.reshape(len(values), *self.shape))


def _scale(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the values at the lower and the upper end of a lead's strip."""
    known = values[np.isfinite(values)]
    low, high = np.quantile(known, [OUTLIERS, 1 - OUTLIERS]) if known.size else (0.0, 0.0)
    margin = 0.05 * (high - low) or 0.5
    return float(low - margin), float(high + margin)


def _columns(values: NDArray[np.float32], width: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the least and the most (K, L, width) that lines through `values` (K, L, T) reach in each column.

    No peak is lost, however narrow: a column has all values that fall into it, and where the line enters and leaves.
    """
    last = values.shape[-1] - 1
    edges = np.linspace(0, last, width + 1)
    places = np.union1d(np.arange(last + 1), edges)
    left = np.minimum(places.astype(int), last - 1)
    share = (places - left).astype(np.float32)
    line = values[..., left] * (1 - share) + values[..., left + 1] * share
    starts, ends = np.searchsorted(places, edges[:-1]), np.searchsorted(places, edges[1:])
    least = np.minimum(np.minimum.reduceat(line, starts, -1), line[..., ends])
    most = np.maximum(np.maximum.reduceat(line, starts, -1), line[..., ends])
    return least, most
