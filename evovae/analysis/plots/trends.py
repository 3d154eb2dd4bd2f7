"""What changes with a setting, and what is bought with what: the figures that most studies end with."""

from collections.abc import Mapping
from itertools import cycle
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from evovae.analysis.plots.figure import BASELINE, PALETTE, draw_interval, label_ends, new_axes, style
from evovae.analysis.plots.fonts import cut, drawn
from evovae.base import InputError

if TYPE_CHECKING:
    import pandas as pd

_TICKS = 12
_MARKERS = "os^DvP*X"


@style()
def trend(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    baseline: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """Mean over replicates against a setting, with the band of its 95% intervals; a dot where it was measured.

    Curves take the colours of the palette in order. A logarithmic axis has its ticks where it was measured.

    Args:
        curves: by label, x (K,) and values (R, K); NaN leaves a gap.
        xlabel: what x is.
        ylabel: what the values are.
        xscale: "linear" or "log".
        yscale: "linear" or "log".
        baseline: label of the curve that the others are measured against, drawn grey.
        title: what it is of.
        ax: where to draw.

    Raises:
        InputError: if x and values do not fit together.
    """
    ax = ax or new_axes(6.4, 3.8)
    ax.set(xscale=xscale, yscale=yscale, xlabel=drawn(cut(xlabel)), ylabel=drawn(cut(ylabel)), title=drawn(title))
    colours, ends, places = cycle(PALETTE), [], set()
    for label, (x, values) in curves.items():
        places.update(np.asarray(x, dtype=float).tolist())
        if np.ndim(values) != 2 or np.shape(x) != np.shape(values)[1:]:
            raise InputError(f"curve {label!r} {np.shape(x)}, {np.shape(values)}: expected x (K,) and values (R, K)")
        colour = BASELINE if label == baseline else next(colours)
        marker = "o" if np.size(x) <= _TICKS else None
        ends.append((label, draw_interval(ax, x, values, colour, marker=marker), colour))
    if xscale == "log" and len(places) <= _TICKS:
        ax.set_xticks(sorted(places), [f"{place:,g}" for place in sorted(places)])
        ax.minorticks_off()
    label_ends(ax, ends)
    return ax


@style()
def trade_off(
    table: "pd.DataFrame",
    measures: Mapping[str, str],
    colour: str,
    marker: str,
    yscale: str = "linear",
    baseline: str | None = None,
    title: str = "",
    ax: Axes | None = None,
) -> Axes:
    """What two measures come to under two settings: a point for each row, told apart by colour and by marker.

    Thin lines are the intervals. Every value of the settings has an entry for a legend, which is left to the caller:
    panels may share one.

    Args:
        table: a row for each pair of settings, with a measure NAME as NAME, NAME_low and NAME_high.
        measures: names of the two, along the axis and upwards, to their labels.
        colour: column shown by the colours of the palette, in order.
        marker: column shown by markers.
        yscale: "linear" or "log".
        baseline: value of `colour` that the others are measured against, drawn grey.
        title: what it is of.
        ax: where to draw.
    """
    ax = ax or new_axes(4.2, 3.4)
    (x, xlabel), (y, ylabel) = measures.items()
    names = [name for name in table[colour].unique() if name != baseline]
    colours = dict(zip(names, cycle(PALETTE), strict=False)) | ({} if baseline is None else {baseline: BASELINE})
    markers = dict(zip(table[marker].unique(), cycle(_MARKERS), strict=False))
    for row in table.to_dict("records"):
        look = {"color": colours[row[colour]], "linewidth": 0.8, "alpha": 0.6}
        ax.plot([row[f"{x}_low"], row[f"{x}_high"]], [row[y]] * 2, **look)
        ax.plot([row[x]] * 2, [row[f"{y}_low"], row[f"{y}_high"]], **look)
        ax.plot(row[x], row[y], markers[row[marker]], color=colours[row[colour]], markersize=6, alpha=0.85)
    for name, tint in colours.items():
        ax.plot([], [], "s", color=tint, label=drawn(f"{name}"))
    for name, shape in markers.items():
        ax.plot([], [], shape, color="none", markeredgecolor="black", label=drawn(f"{name}"))
    ax.set(yscale=yscale, xlabel=drawn(cut(xlabel)), ylabel=drawn(cut(ylabel)), title=drawn(title))
    return ax
