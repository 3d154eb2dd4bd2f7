"""Phenotypes in a grid, whatever they are: images as images, anything else as curves."""

import math
from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike, NDArray

from evovae.analysis.plots.figure import (
    CAPTION_POINTS,
    INK,
    caption_size,
    drawn_captions,
    finish_cells,
    image_grid,
    new_axes,
    style,
)
from evovae.analysis.plots.fonts import drawn
from evovae.base import InputError

MAX_CURVES = 12
"""Curves of one phenotype at most: the leads of an electrocardiogram."""
_POINTS = 400
"""On a curve: more than a cell has room for."""


def drawable(shape: tuple[int, ...]) -> bool:
    """Whether `phenotypes` can draw one of this `shape`, without N."""
    if len(shape) == 3:
        return shape[0] in (1, 3)
    return len(shape) == 1 or (len(shape) == 2 and shape[0] <= MAX_CURVES)


@style()
def phenotypes(
    values: ArrayLike,
    columns: int = 10,
    captions: Sequence[str] | None = None,
    ax: Axes | None = None,
    labels: Sequence[str] = (),
) -> Axes:
    """Phenotypes side by side, row by row: images as `image_grid` draws them, vectors as curves.

    Several curves of one phenotype stand one below the other. All have the same scale, which is written beside the
    first row; what is not finite leaves a gap. The Axes measures in cells, as that of `image_grid` does.

    Args:
        values: images (N, C, H, W), vectors (N, T), or up to 12 for each phenotype, (N, L, T).
        columns: phenotypes in a row.
        captions: N texts, of one or more lines, to stand under the phenotypes, letter by letter.
        ax: where to draw.
        labels: L names of the curves of a phenotype, beside the first row; none for images.

    Raises:
        InputError: if the phenotypes have another shape, or captions or labels another number.
    """
    found = np.asarray(values)
    if found.ndim == 4:
        return image_grid(found, columns, captions, ax)
    curves = found[:, None] if found.ndim == 2 else found  # N L T
    if curves.ndim != 3 or not curves.size or curves.shape[1] > MAX_CURVES:
        expected = f"images (N, C, H, W), vectors (N, T), or up to {MAX_CURVES} each (N, L, T)"
        raise InputError(f"phenotypes of shape {found.shape}: expected {expected}")
    if labels and len(labels) != curves.shape[1]:
        raise InputError(f"{len(labels)} labels for {curves.shape[1]} curves: expected one for each")
    return _curve_grid(_thinned(np.where(np.isfinite(curves), curves, np.nan)), columns, captions, ax, labels)


def _curve_grid(
    curves: NDArray[np.floating],
    columns: int,
    captions: Sequence[str] | None,
    ax: Axes | None,
    labels: Sequence[str],
) -> Axes:
    """Draw curves (N, L, T), NaN where they have gaps."""
    count, leads, points = curves.shape
    texts = drawn_captions(captions, count, "phenotypes")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    longest, deepest = caption_size(texts)
    wide, high = max(min(1.6, 9 / columns), longest), max(0.5, 0.22 * leads)  # of a cell without its caption, inches
    tall = high + 0.1 + deepest
    ax = ax or new_axes(columns * wide + 0.9, rows * tall + 0.4)
    least, most = (0.0, 1.0) if np.isnan(curves).all() else (float(np.nanmin(curves)), float(np.nanmax(curves)))
    heights = (curves - least) / ((most - least) or 1.0)  # 0 to 1 within a curve's own stripe
    place, lead = np.arange(count)[:, None, None], np.arange(leads)[:, None]
    across = place % columns + np.linspace(0.04, 0.96, points) + np.zeros((leads, 1))  # N L T
    down = place // columns + high / tall * (lead + 1.0 - 0.95 * heights) / leads  # N L T
    marker = "o" if points == 1 else None
    flat = (values.reshape(-1, points).T for values in (across, down))
    ax.plot(*flat, color=INK, linewidth=0.5, marker=marker, markersize=2)
    ax.set(xlim=(0, columns), ylim=(rows, 0))
    finish_cells(ax, texts, columns, (high + 0.04) / tall)
    scale = f"{least:.3g} to\n{most:.3g}"
    beside, height = columns + 0.05, high / tall
    for number, label in enumerate(labels):
        ax.text(beside, height * (number + 0.5) / leads, drawn(label), va="center", fontsize=CAPTION_POINTS)
    place_of_scale = (height + 0.02, "top") if labels else (height / 2, "center")
    ax.text(beside, place_of_scale[0], scale, va=place_of_scale[1], fontsize=CAPTION_POINTS)
    return ax


def _thinned(curves: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return curves (..., T) with `_POINTS` at most: least and most of each stretch, so that no peak is lost."""
    if curves.shape[-1] <= _POINTS:
        return curves
    stretches = np.array_split(curves, _POINTS // 2, axis=-1)
    return np.stack([reduce(part, axis=-1) for part in stretches for reduce in (np.fmin.reduce, np.fmax.reduce)], -1)
