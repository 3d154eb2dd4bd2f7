"""How a figure of evovae looks, how it is saved, and the pieces that the figures share."""

import math
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any
from unicodedata import east_asian_width

import matplotlib
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import isotonic_regression

from evovae.analysis.plots.fonts import choose_fonts, drawn
from evovae.analysis.statistics import mean_interval
from evovae.base import InputError, files

# Okabe and Ito 2008, told apart by colour-blind readers; without their yellow, which vanishes on white.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
BASELINE = "#8A8A8A"
INK, _QUIET = "#333333", "#6B6B6B"

_STYLE: dict[Any, Any] = {
    "font.size": 9,
    "axes.titlesize": 8,
    "axes.titlelocation": "left",
    "axes.titlecolor": _QUIET,
    "axes.labelcolor": INK,
    "axes.edgecolor": "#BBBBBB",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": "#ECECEC",
    "xtick.color": "#BBBBBB",
    "ytick.color": "#BBBBBB",
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "text.color": INK,
    "lines.solid_capstyle": "round",
    "savefig.dpi": 130,
    "savefig.bbox": "tight",
}
CAPTION_POINTS = 7.5


@contextmanager
def style() -> Iterator[None]:
    """The style of all figures, for as long as the context (or the function it decorates) lasts."""
    with matplotlib.rc_context(_STYLE):
        yield


@style()
def save(figure: Figure | Axes, path: str | os.PathLike[str]) -> None:
    """Write a figure as PNG: all of it or nothing, and the same bytes for the same data (and the same fonts).

    Args:
        figure: a figure, or an Axes on it.
        path: of the PNG; its folder exists.
    """
    root = figure if isinstance(figure, Figure) else figure.figure
    assert isinstance(root, Figure)
    choose_fonts(root)
    picture = BytesIO()
    root.savefig(picture, format="png", metadata={"Software": None}, pil_kwargs={"compress_level": 9})
    files.write_bytes(Path(path), picture.getvalue())


@style()
def image_grid(
    images: ArrayLike, columns: int = 10, captions: Sequence[str] | None = None, ax: Axes | None = None
) -> Axes:
    """Images side by side, row by row, as one picture.

    The Axes measures in cells: image `i` lies in column `i % columns` and row `i // columns`. Where no Axes is given,
    the cells are wide enough for the captions.

    Args:
        images: (N, C, H, W).
        columns: images in a row.
        captions: N texts, of one or more lines, to stand under the images, letter by letter.
        ax: where to draw.

    Raises:
        InputError: if the images have another shape, or the captions another number.
    """
    pixels = to_pixels(images)
    count, height, width, _ = pixels.shape
    texts = drawn_captions(captions, count, "images")
    columns = min(columns, count)
    rows = math.ceil(count / columns)
    longest, deepest = caption_size(texts)
    cell = max(min(0.62, 9 / columns), longest)  # inches
    gap, footer = max(1, width // 20), int(np.ceil(deepest / cell * width))  # pixels
    tall, wide = height + gap + footer, width + gap
    # Room for row and column labels; what is left of it is trimmed when the figure is saved.
    ax = ax or new_axes(columns * cell + 0.9, rows * cell * tall / wide + 0.4)
    canvas = tile(pixels, columns, gap, footer)
    half = gap / wide / 2  # centres each image on the middle of its cell
    ax.imshow(canvas, extent=(half, columns + half, rows, 0), aspect=tall / wide, interpolation="nearest")
    finish_cells(ax, texts, columns, (height + 0.04 * width) / tall)
    return ax


def drawn_captions(captions: Sequence[str] | None, count: int, what: str) -> list[str]:
    """Return captions letter by letter, none where there are none; refuse another number than `count`."""
    if captions is not None and len(captions) != count:
        raise InputError(f"{len(captions)} captions for {count} {what}: expected one for each")
    return [drawn(text) for text in captions or ()]


def caption_size(captions: Sequence[str]) -> tuple[float, float]:
    """Return width and height in inches of the largest of some captions."""
    texts = [text.split("\n") for text in captions]
    longest = max((_length(part) for text in texts for part in text), default=0)
    lines = max(map(len, texts), default=0)
    return longest * CAPTION_POINTS * 0.6 / 72, lines * CAPTION_POINTS * 1.7 / 72  # a character is 0.6 of its height


def finish_cells(ax: Axes, captions: Sequence[str], columns: int, below: float) -> None:
    """Leave nothing on an Axes that measures in cells but what they hold, and captions, `below` their tops."""
    ax.set(xticks=[], yticks=[])
    ax.tick_params(length=0, labelsize=CAPTION_POINTS + 0.5)
    ax.spines[:].set_visible(False)
    ax.grid(False)
    for i, text in enumerate(captions):
        place = i % columns + 0.5, i // columns + below
        ax.text(*place, text, ha="center", va="top", fontsize=CAPTION_POINTS)


def _length(text: str) -> float:
    """Characters of usual width that a line of text is as wide as."""
    return sum(1.7 if east_asian_width(letter) in "WF" else 1.0 for letter in text)


def new_axes(width: float, height: float) -> Axes:
    """The only Axes of a new figure that pyplot knows nothing of; sizes in inches."""
    return Figure(figsize=(width, height), layout="constrained").add_subplot()


@style()
def panels(count: int, columns: int, width: float = 4.2, height: float = 3.0) -> list[Axes]:
    """Return `count` Axes, row by row on a new figure, `width` x `height` inches each; `save` takes any of them."""
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(columns * width, rows * height), layout="constrained")
    return [figure.add_subplot(rows, columns, i + 1) for i in range(count)]


def to_pixels(images: ArrayLike) -> NDArray[np.uint8]:
    """(N, C, H, W), float in [0, 1] (NaN is grey) or uint8, to (N, H, W, 3)."""
    pixels = np.asarray(images)
    if pixels.ndim != 4 or pixels.shape[1] not in (1, 3) or not len(pixels):
        raise InputError(f"images of shape {pixels.shape}: expected (N, C, H, W) with N > 0 and C = 1 or 3")
    if pixels.dtype != np.uint8:
        pixels = (np.nan_to_num(pixels, nan=0.5).clip(0, 1) * 255).round().astype(np.uint8)
    return np.broadcast_to(np.moveaxis(pixels, 1, -1), (*pixels.shape[:1], *pixels.shape[2:], 3))


def tile(pixels: NDArray[np.uint8], columns: int, gap: int, footer: int) -> NDArray[np.uint8]:
    """(N, H, W, 3) to one white canvas with the images row by row, a gap right of each and gap + footer below."""
    count, height, width, _ = pixels.shape
    rows = math.ceil(count / columns)
    cells = np.full((rows * columns, height + gap + footer, width + gap, 3), 255, np.uint8)
    cells[:count, :height, :width] = pixels
    return cells.reshape(rows, columns, *cells.shape[1:]).swapaxes(1, 2).reshape(rows * cells.shape[1], -1, 3)


def draw_line(ax: Axes, x: ArrayLike, y: ArrayLike, **look: Any) -> None:
    """A line, or a dot where there is a single point to draw."""
    ax.plot(x, y, **{"marker": "o" if np.size(x) == 1 else None, "markersize": 4} | look)


def draw_interval(ax: Axes, x: ArrayLike, values: ArrayLike, colour: str, **look: Any) -> float:
    """Mean of `values` (R, K) over replicates at `x` (K,), with the band of its 95% intervals.

    Returns:
        The last finite mean, NaN where there is none.
    """
    middle, low, high = mean_interval(values)
    ax.fill_between(np.asarray(x), low, high, color=colour, alpha=0.22, linewidth=0)
    draw_line(ax, x, middle, color=colour, linewidth=2.2, **look)
    finite = middle[np.isfinite(middle)]
    return float(finite[-1]) if finite.size else np.nan


def draw_numbers(ax: Axes, places: NDArray[np.floating]) -> None:
    """Numbers 1, 2, ... in dark discs at `places` (L, 2)."""
    ax.plot(*places.T, "o", color=INK, markersize=10, markeredgecolor="white", clip_on=False, zorder=3)
    for i, place in enumerate(places, start=1):
        ax.annotate(f"{i}", place, color="white", fontsize=6, ha="center", va="center_baseline", zorder=4)


def label_ends(ax: Axes, ends: Sequence[tuple[str, float, str]]) -> None:
    """Write each (text, last value, colour) at the right edge, moved as little as keeps the texts apart."""
    ends = sorted(ends, key=lambda end: np.nan_to_num(end[1]))
    scale = ax.yaxis.get_transform()  # linear or logarithmic
    low, high, *values = scale.transform(np.array([*ax.get_ylim(), *(value for _, value, _ in ends)]))
    heights = np.nan_to_num((np.array(values) - low) / (high - low))
    apart = 0.06 * np.arange(len(ends))  # a line of text, in heights of the Axes
    heights = isotonic_regression(heights - apart).x + apart
    heights = np.minimum(heights, 1 - apart[::-1])  # above them stands the title
    for (text, _, colour), height in zip(ends, heights, strict=True):
        ax.text(1.02, height, drawn(text), color=colour, va="center", transform=ax.transAxes)
