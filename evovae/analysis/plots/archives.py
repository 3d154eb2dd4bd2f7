"""Maps of archives: what elites are worth, and what they look like, over the measures that tell them apart."""

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis, XAxis
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike, NDArray

from evovae.analysis.plots.curves import phenotypes
from evovae.analysis.plots.figure import new_axes, style, to_pixels
from evovae.analysis.plots.fonts import cut, drawn
from evovae.base import InputError

EMPTY = "#EDEDED"
"""Of cells without an elite."""
_PIXELS = 560
"""Of a map of pictures along its longer side: what is finer cannot be seen, and makes a large file."""
_COLOURS = 64
"""Of a map of coloured pictures, for the same reason."""
_TEXTS, _SHORT = 30, 4
"""Names along an axis at most; letters of one that need not lean."""
Spans = Sequence[tuple[float, float]]


@style()
def archive_map(
    values: ArrayLike,
    spans: Spans,
    names: Sequence[str],
    label: str,
    title: str = "",
    differs: bool = False,
    ticks: Sequence[Sequence[str]] = ((), ()),
    ax: Axes | None = None,
) -> Axes:
    """What the elites of an archive are worth, over its first two measures; cells without an elite are grey.

    Args:
        values: (A, B), of the cells along the first and the second measure; NaN where there is none. Of a single
            measure B is 1, and the map a strip.
        spans: least and greatest value of each measure.
        names: of the measures.
        label: what the values are.
        title: what it is of.
        differs: the values are differences: colours part at 0.
        ticks: of each measure what its cells are called, if they have names.
        ax: where to draw.

    Raises:
        InputError: if the values are none (A, B).
    """
    cells = np.asarray(values, dtype=float)
    if cells.ndim != 2 or not cells.size:
        raise InputError(f"values of shape {cells.shape}: expected (A, B), cells along two measures")
    strip = len(names) < 2
    ax = ax or new_axes(5.6, 1.6 if strip else 4.4)
    ax.set_facecolor(EMPTY)
    most = float(np.nanmax(np.abs(cells))) if np.isfinite(cells).any() else 1.0
    picture = ax.imshow(
        cells.T,
        origin="lower",
        extent=_extent(spans, strip),
        aspect="auto",
        interpolation="nearest",
        cmap="RdBu" if differs else "viridis",
        vmin=-most if differs else None,
        vmax=most if differs else None,
    )
    bar = ax.figure.colorbar(picture, ax=ax, pad=0.02)
    bar.set_label(drawn(cut(label)))
    bar.outline.set_visible(False)
    _finish(ax, spans, names, title, ticks)
    return ax


@style()
def elite_map(
    images: ArrayLike,
    places: ArrayLike,
    blocks: tuple[int, int],
    spans: Spans,
    names: Sequence[str],
    title: str = "",
    ticks: Sequence[Sequence[str]] = ((), ()),
    ax: Axes | None = None,
    labels: Sequence[str] = (),
) -> Axes:
    """What elites look like, each where its block of cells lies over the first two measures.

    Args:
        images: (T, C, H, W), or curves (T, L) or (T, N, L), as `phenotypes` takes them.
        places: (T, 2), whole numbers: of the blocks, along the first and the second measure, from 0.
        blocks: how many there are along each; of a single measure the second is 1.
        spans: least and greatest value of each measure.
        names: of the measures.
        title: what it is of.
        ticks: of each measure what its cells are called, if they have names.
        ax: where to draw.
        labels: names of the curves of a phenotype.

    Raises:
        InputError: if images and places do not fit together.
    """
    found, where = np.asarray(images), np.asarray(places)
    if where.shape != (len(found), 2) or not len(found):
        raise InputError(f"places {where.shape} of {len(found)} images: expected ({len(found)}, 2)")
    strip = len(names) < 2
    if found.ndim != 4:
        return _curve_map(found, where, blocks, spans, names, title, ax, labels)
    canvas = _canvas(to_pixels(found), where, blocks)
    ax = ax or new_axes(*_size(canvas))
    ax.imshow(canvas, extent=_extent(spans, strip), aspect="auto", interpolation="nearest")
    _finish(ax, spans, names, title, ticks)
    return ax


def _curve_map(
    curves: NDArray[np.floating],
    places: NDArray[np.integer],
    blocks: tuple[int, int],
    spans: Spans,
    names: Sequence[str],
    title: str,
    ax: Axes | None,
    labels: Sequence[str],
) -> Axes:
    """Draw curves (T, ...) in the cells of a grid; empty cells have none."""
    columns, rows = blocks
    filled = np.full((rows * columns, *curves.shape[1:]), np.nan)
    filled[(rows - 1 - places[:, 1]) * columns + places[:, 0]] = curves
    ax = ax or new_axes(0.5 * columns + 0.9, 0.4 * rows + 0.9)
    phenotypes(filled, columns, ax=ax, labels=labels)
    _label_cells(ax, blocks, spans, names, title)
    return ax


def _label_cells(ax: Axes, blocks: tuple[int, int], spans: Spans, names: Sequence[str], title: str) -> None:
    """Label an Axes that measures in cells by measures."""
    for number, (name, (low, high)) in enumerate(zip(names, spans, strict=False)):
        count = blocks[number]
        ticks = np.array([0.0, count / 2, count])
        texts = [f"{value:.4g}" for value in (low, (low + high) / 2, high)]
        if number == 0:
            ax.set_xticks(ticks, texts)
            ax.set_xlabel(drawn(cut(name)))
        else:
            ax.set_yticks(count - ticks, texts)
            ax.set_ylabel(drawn(cut(name)))
    ax.set_title(drawn(title))


def _canvas(pixels: NDArray[np.uint8], places: NDArray[np.integer], blocks: tuple[int, int]) -> NDArray[np.uint8]:
    """Return images (T, H, W, 3) in their places, the first measure to the right, the second upwards, with gaps."""
    columns, rows = blocks
    step = max(1, round(max(columns * pixels.shape[2], rows * pixels.shape[1]) / _PIXELS))
    small = _shrunk(pixels, step)
    _, height, width, _ = small.shape
    empty = np.array([int(EMPTY[i : i + 2], 16) for i in (1, 3, 5)], dtype=np.uint8)
    canvas = np.empty((rows, height + 1, columns, width + 1, 3), np.uint8)
    canvas[:] = empty
    canvas[rows - 1 - places[:, 1], :height, places[:, 0], :width] = small
    flat = canvas.reshape(rows * (height + 1), columns * (width + 1), 3)
    grey = bool((flat == flat[..., :1]).all())
    return flat if grey else _with_few_colours(flat)


def _shrunk(pixels: NDArray[np.uint8], step: int) -> NDArray[np.uint8]:
    """Return images (T, H, W, 3) with the mean of each square of `step` pixels in its place."""
    count, height, width, _ = pixels.shape
    if step == 1:
        return pixels
    high, wide = max(1, height // step), max(1, width // step)
    cut_off = pixels[:, : high * step, : wide * step]
    return cut_off.reshape(count, high, -1, wide, cut_off.shape[2] // wide, 3).mean((2, 4)).round().astype(np.uint8)


def _with_few_colours(canvas: NDArray[np.uint8]) -> NDArray[np.uint8]:
    from PIL import Image  # which grey maps do without

    return np.asarray(Image.fromarray(canvas).quantize(_COLOURS).convert("RGB"))


def _size(canvas: NDArray[np.uint8]) -> tuple[float, float]:
    """Return the size of a figure in inches that shows a canvas about as large as it is."""
    height, width = canvas.shape[:2]
    scale = 5.0 / max(height, width)
    return max(2.4, width * scale) + 0.8, max(0.5, height * scale) + 0.8


def _extent(spans: Spans, strip: bool) -> tuple[float, float, float, float]:
    return (*spans[0], 0.0, 1.0) if strip else (*spans[0], *spans[1])


def _finish(ax: Axes, spans: Spans, names: Sequence[str], title: str, ticks: Sequence[Sequence[str]]) -> None:
    ax.set(xlabel=drawn(cut(names[0])), title=drawn(title))
    ax.grid(False)
    _label_axis(ax.xaxis, spans[0], ticks[0])
    if len(names) < 2:
        ax.set_yticks([])
    else:
        ax.set_ylabel(drawn(cut(names[1])))
        _label_axis(ax.yaxis, spans[1], ticks[1])


def _label_axis(axis: Axis, span: tuple[float, float], texts: Sequence[str]) -> None:
    """Label cells by their `texts`, as far as these have room, else the axis by numbers."""
    if not 0 < len(texts) <= _TEXTS:
        axis.set_major_locator(MaxNLocator(6))
        return
    low, high = span
    axis.set_ticks(low + (np.arange(len(texts)) + 0.5) * (high - low) / len(texts), [drawn(text) for text in texts])
    if isinstance(axis, XAxis) and max(map(len, texts)) > _SHORT:
        axis.set_tick_params(rotation=40)
