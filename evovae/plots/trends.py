"""What changes with a setting: the figure that most studies end with."""

from collections.abc import Mapping
from itertools import cycle

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from evovae.drawing import BASELINE, PALETTE, draw_interval, label_ends, new_axes, style
from evovae.errors import InputError

_TICKS = 12


@style()
def trend(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    xlabel: str,
    ylabel: str,
    xscale: str = "linear",
    yscale: str = "linear",
    baseline: str | None = None,
    ax: Axes | None = None,
) -> Axes:
    """Interquartile mean over replicates against a setting, with its 95% bootstrap band; a dot where it was measured.

    Curves take the colours of the palette in order. A logarithmic axis has its ticks where it was measured.

    Args:
        curves: by label, `x (K,)` and `values (R, K)`; NaN leaves a gap.
        xlabel: what x is.
        ylabel: what the values are.
        xscale: "linear" or "log".
        yscale: "linear" or "log".
        baseline: label of the curve that the others are measured against, drawn grey.
        ax: where to draw.

    Raises:
        InputError: x and values that do not fit together.
    """
    ax = ax or new_axes(6.4, 3.8)
    ax.set(xscale=xscale, yscale=yscale, xlabel=xlabel, ylabel=ylabel)
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
