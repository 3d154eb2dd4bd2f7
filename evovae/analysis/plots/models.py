"""Figures of models: their training, and what they make of images and of codes."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from evovae.analysis.plots.figure import (
    BASELINE,
    PALETTE,
    draw_line,
    image_grid,
    label_ends,
    new_axes,
    style,
    tile,
    to_pixels,
)
from evovae.analysis.plots.fonts import drawn
from evovae.base import InputError, format_number

if TYPE_CHECKING:
    import pandas as pd


@style()
def training_curve(history: "pd.DataFrame", mean_picture: float | None = None, ax: Axes | None = None) -> Axes:
    """-ELBO and its two terms against the epoch: test in bold where there is one, training thin beside it.

    Args:
        history: a row per epoch, with columns `epoch`, `elbo` (negative), `reconstruction` and `kl` (positive), all in
            nats per image, and optionally `test_elbo`, `test_reconstruction` and `test_kl`.
        mean_picture: -ELBO of a model that gives the mean picture for all: what has learned nothing lies above.
        ax: where to draw.
    """
    ax = ax or new_axes(6.4, 3.8)
    tested = "test_elbo" in history and np.any(history["test_elbo"].notna())
    ends = []
    for colour, name, label, sign in (
        (PALETTE[0], "elbo", "-ELBO", -1),
        (PALETTE[1], "reconstruction", "reconstruction", 1),
        (PALETTE[2], "kl", "KL", 1),
    ):
        for column, width in ((f"test_{name}", 2.2), (name, 0.9)) if tested else ((name, 2.2),):
            known = history[["epoch", column]].dropna()  # the test set need not be measured at every epoch
            draw_line(ax, known["epoch"], sign * known[column], color=colour, linewidth=width)
        last = sign * history[f"test_{name}" if tested else name].dropna().iloc[-1]
        ends.append((f"{label}  {format_number(last, 1)}", last, colour))
    if mean_picture is not None:
        ax.axhline(mean_picture, color=BASELINE, linewidth=0.9)
        ends.append((f"mean picture  {format_number(mean_picture, 1)}", mean_picture, BASELINE))
    ax.set(xlabel="epoch", ylabel="nats per image", title="bold: test, thin: training" if tested else "training")
    ax.xaxis.set_major_locator(MaxNLocator(steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    label_ends(ax, ends)
    return ax


@style()
def reconstructions(originals: ArrayLike, reconstructions: ArrayLike, ax: Axes | None = None) -> Axes:
    """Each image above what the model made of it, ten pairs in a row.

    Args:
        originals: (N, C, H, W).
        reconstructions: (N, C, H, W), in the same order.
        ax: where to draw.

    Raises:
        InputError: if the images have another shape, or the two differ in shape or number.
    """
    above, below = to_pixels(originals), to_pixels(reconstructions)
    if above.shape != below.shape:
        raise InputError(f"originals {above.shape} and reconstructions {below.shape} as (N, H, W, RGB): expected alike")
    columns = min(10, len(above))
    missing = -len(above) % columns
    pairs = np.stack([above, below])  # (2, N, H, W, 3)
    pairs = np.pad(pairs, ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0)), constant_values=255)
    rows = pairs.reshape(2, -1, columns, *above.shape[1:]).swapaxes(0, 1).reshape(-1, *above.shape[1:])
    ax = image_grid(np.moveaxis(rows, -1, 1), columns, ax=ax)
    lines = len(rows) // columns
    ax.set_yticks(np.arange(lines) + 0.5, ["original", "decoded"] * (lines // 2))
    return ax


@style()
def prior_samples(images: ArrayLike, ax: Axes | None = None) -> Axes:
    """What the model decodes from its prior, in a grid as square as their number allows.

    Args:
        images: (N, C, H, W).
        ax: where to draw.
    """
    return image_grid(images, int(np.ceil(np.sqrt(len(np.asarray(images))))), ax=ax)


@style()
def image_table(images: ArrayLike, rows: Sequence[str], columns: Sequence[str] = (), ax: Axes | None = None) -> Axes:
    """Images in rows and columns that say what they are.

    Args:
        images: (rows, columns, C, H, W).
        rows: a text to the left of each row.
        columns: a text above each column, of one or more lines; none are left out.
        ax: where to draw.

    Raises:
        InputError: if the number of texts is not that of rows or columns.
    """
    table = np.asarray(images)
    if table.ndim != 5 or len(rows) != len(table) or len(columns) not in (0, table.shape[1]):
        raise InputError(
            f"{len(rows)} and {len(columns)} texts for images of shape {table.shape}: expected one for each"
        )
    ax = image_grid(table.reshape(-1, *table.shape[2:]), table.shape[1], ax=ax)
    ax.set_yticks(np.arange(len(rows)) + 0.5, [drawn(text) for text in rows])
    ax.xaxis.tick_top()
    ax.set_xticks(np.arange(len(columns)) + 0.5, [drawn(text) for text in columns])
    return ax


@style()
def manifold(decoded: ArrayLike, ax: Axes | None = None) -> Axes:
    """A two-dimensional latent space as one map of images.

    Args:
        decoded: (K, K, C, H, W); `decoded[i, j]` stands in row i from the top and column j.
        ax: where to draw.
    """
    tiles = np.asarray(decoded)
    pixels = to_pixels(tiles.reshape(-1, *tiles.shape[2:]))
    ax = ax or new_axes(6, 6)
    ax.imshow(tile(pixels, tiles.shape[1], gap=0, footer=0), interpolation="nearest")
    ax.set_axis_off()
    return ax
