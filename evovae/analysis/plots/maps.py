"""Maps of images: where an encoder, or t-SNE after it, puts them in the plane."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from numpy.typing import ArrayLike, NDArray

from evovae.analysis.plots.figure import new_axes, style, tile, to_pixels
from evovae.base import InputError

# Told apart by colour-blind readers: "muted" of Tol 2021, "Colour schemes", with an ochre for its yellow and a clearer
# blue, for thin strokes on white; and a grey.
CLASS_COLOURS = (
    "#332288", "#44AA99", "#CC6677", "#117733", "#D9A400", "#4BA3E3", "#882255", "#999933", "#AA4499", "#777777",
)  # fmt: skip


@style()
def latent_map(
    points: ArrayLike, images: ArrayLike, labels: ArrayLike, cells: int = 28, ax: Axes | None = None
) -> Axes:
    """Images where the map puts them, in the colours of their classes.

    A grid lies over the map, and each cell shows the image nearest to its middle, so that none covers another. Grey
    images become ink in the colour of their class, coloured ones get a frame in it. The Axes measures in units of the
    map.

    Args:
        points: (N, 2), finite: where the images lie.
        images: (N, C, H, W).
        labels: (N,), whole numbers from 0 up; colours repeat after ten.
        cells: of the grid, along the longer side of the map.
        ax: where to draw.

    Raises:
        InputError: if points or images have another shape or are not finite, or an image lacks its point or label.
    """
    pixels = to_pixels(images)
    places, classes = _require_map(points, labels, len(pixels))
    low, span = places.min(0), np.ptp(places, axis=0)
    height, width = pixels.shape[1:3]
    image = np.array([width, height])
    size = image * (np.max(span / image) / cells or 1.0)  # of a cell; any will do where all points are the same
    columns, rows = shape = np.maximum(np.ceil(span / size - 1e-6), 1).astype(int)
    inside = (places - low) / size
    cell = np.minimum(inside.astype(int), shape - 1)
    nearest = np.square(inside - cell - 0.5).sum(1).argsort(kind="stable")
    number = (rows - 1 - cell[:, 1]) * columns + cell[:, 0]  # row by row from the top
    shown, first = np.unique(number[nearest], return_index=True)
    chosen = nearest[first]
    canvas = np.full((rows * columns, height, width, 3), 255, np.uint8)
    grey = np.shape(images)[1] == 1
    canvas[shown] = (_ink if grey else _frame)(pixels[chosen], _colours(classes[chosen]))
    right, top = low + shape * size
    ax = ax or new_axes(*(5.5 * shape * size / np.max(shape * size)))
    ax.imshow(tile(canvas, columns, gap=0, footer=0), extent=(low[0], right, low[1], top))
    ax.set_axis_off()
    return ax


@style()
def latent_scatter(points: ArrayLike, labels: ArrayLike, ax: Axes | None = None) -> Axes:
    """A dot for each image, in the colour of its class; the dots of a class have its number for a legend.

    Args:
        points: (N, 2), finite: where the images lie.
        labels: (N,), whole numbers from 0 up; colours repeat after ten.
        ax: where to draw.

    Raises:
        InputError: if points have another shape or are not finite, or one lacks its label.
    """
    places, classes = _require_map(points, labels, len(np.asarray(points)))
    ax = ax or new_axes(5, 5)
    for label in np.unique(classes):
        x, y = places[classes == label].T
        colour = CLASS_COLOURS[label % len(CLASS_COLOURS)]
        ax.plot(x, y, "o", color=colour, label=f"{label}", alpha=0.5, markersize=1.5, markeredgewidth=0)
    ax.set_aspect("equal", "datalim")
    ax.set_axis_off()
    return ax


def _require_map(points: ArrayLike, labels: ArrayLike, count: int) -> tuple[NDArray[np.floating], NDArray[np.integer]]:
    places, classes = np.asarray(points, dtype=float), np.asarray(labels)
    if places.shape != (count, 2) or classes.shape != (count,) or not np.isfinite(places).all():
        shapes = f"points {places.shape} and labels {classes.shape} of {count} images"
        raise InputError(f"{shapes}: expected ({count}, 2), all finite, and ({count},)")
    return places, classes


def _colours(labels: NDArray[np.integer]) -> NDArray[np.floating]:
    """RGB (N, 1, 1, 3) in 0..255 of `labels` (N,)."""
    palette = 255 * np.array([to_rgb(colour) for colour in CLASS_COLOURS])
    return palette[labels % len(palette)][:, None, None]


def _ink(pixels: NDArray[np.uint8], colours: NDArray[np.floating]) -> NDArray[np.floating]:
    """White paper where images (N, H, W, 3) are black, colour where they are white."""
    return 255 - pixels / 255 * (255 - colours)


def _frame(pixels: NDArray[np.uint8], colours: NDArray[np.floating]) -> NDArray[np.floating]:
    """Images (N, H, W, 3) with their edges covered by colour."""
    framed = np.broadcast_to(colours, pixels.shape).copy()
    edge = max(1, pixels.shape[2] // 14)
    framed[:, edge:-edge, edge:-edge] = pixels[:, edge:-edge, edge:-edge]
    return framed
