"""Figures of searches: what they reach, how fast, and the images they find."""

from collections.abc import Collection, Hashable, Mapping, Sequence
from itertools import cycle
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import ArrayLike

from evovae.analysis.plots.curves import phenotypes
from evovae.analysis.plots.figure import (
    BASELINE,
    PALETTE,
    draw_interval,
    draw_line,
    draw_numbers,
    label_ends,
    new_axes,
    style,
)
from evovae.analysis.plots.fonts import cut, drawn
from evovae.base import InputError

if TYPE_CHECKING:
    import pandas as pd

_NAME = 24
"""Characters that the name of a class may take under an image."""
_POINTS_ON_A_CURVE = 400  # more than a figure has room for


@style()
def fitness_curve(
    curves: Mapping[str, tuple[ArrayLike, ArrayLike]],
    ylabel: str = "best fitness",
    individual: bool = True,
    baselines: Collection[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """Mean over replicates against evaluations, with the band of its 95% intervals (`mean_interval`).

    Curves take the colours of the palette in order.

    Args:
        curves: by label, `evaluations (G,)` and `values (R, G)`; NaN leaves a gap.
        ylabel: what the values are.
        individual: also draw every replicate as a thin line, for up to 20 replicates.
        baselines: labels of the curves that the others are measured against, drawn grey.
        ax: where to draw.

    Raises:
        InputError: if evaluations and values do not fit together.
    """
    ax = ax or new_axes(6.4, 3.8)
    colours, ends = cycle(PALETTE), []
    for label, (evaluations, values) in curves.items():
        x, y = np.asarray(evaluations, dtype=float), np.asarray(values, dtype=float)
        if y.ndim != 2 or x.shape != y.shape[1:]:
            raise InputError(f"curve {label!r} {x.shape}, {y.shape}: expected evaluations (G,) and values (R, G)")
        shown = np.unique(np.linspace(0, len(x) - 1, _POINTS_ON_A_CURVE).round().astype(int))
        x, y = x[shown], y[:, shown]
        colour = BASELINE if label in baselines else next(colours)
        if individual and len(y) <= 20:
            for replicate in y:
                draw_line(ax, x, replicate, color=colour, linewidth=0.5, alpha=0.45)
        ends.append((label, draw_interval(ax, x, y, colour, label=label), colour))
    ax.set(xlabel="evaluations", title="mean of replicates, 95% intervals")
    ax.set_ylabel("\n".join(drawn(cut(line)) for line in ylabel.splitlines()))
    ax.xaxis.set_major_locator(MaxNLocator("auto", steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    ax.xaxis.set_major_formatter("{x:,.0f}")
    label_ends(ax, ends)
    return ax


@style()
def pareto_front(
    fronts: Mapping[str, ArrayLike],
    images: ArrayLike,
    positions: ArrayLike,
    xlabel: str,
    ylabel: str,
    baselines: Collection[str] = (),
    ax: Axes | None = None,
) -> Axes:
    """What the best trade-offs between two objectives are, and what lies along one front of them.

    The points of all replicates are drawn alike, those of each label in the next colour of the palette; another
    replicate's may dominate those of the front that is shown. Above them stand the images, each with the number that
    marks its place among the points.

    Args:
        fronts: by label, fitness (R, K, 2); NaN where a replicate has fewer than K.
        images: (L, C, H, W), or other phenotypes as `phenotypes` takes them, some of one front from end to end; about
            ten fill the width.
        positions: (L, 2), their fitness.
        xlabel: what the first objective is.
        ylabel: what the second is.
        baselines: labels of the fronts that the others are measured against, drawn grey.
        ax: where to draw; the images need room above it.

    Raises:
        InputError: if fronts are of other than two objectives, or images and positions differ in number.
    """
    places = np.asarray(positions, dtype=float)
    count = len(np.asarray(images))
    if places.shape != (count, 2):
        raise InputError(f"positions {places.shape} of {count} images: expected ({count}, 2)")
    ax = ax or new_axes(6.4, 5.2)
    colours = cycle(PALETTE)
    for label, front in fronts.items():
        points = np.asarray(front, dtype=float)
        if points.ndim != 3 or points.shape[2] != 2:
            raise InputError(f"front {label!r} {points.shape}: expected (R, K, 2), two objectives")
        baseline = label in baselines
        look: dict[str, Any] = {"color": BASELINE if baseline else next(colours), "zorder": 1.5 if baseline else 2}
        ax.plot(*points.reshape(-1, 2).T, "o", alpha=0.4, markersize=3.2, markeredgewidth=0, label=drawn(label), **look)
    draw_numbers(ax, places)
    width = min(1.0, count / 8)  # few images are not blown up
    strip = phenotypes(images, count, ax=ax.inset_axes((0, 1.09, width, 2 * width / count)))
    strip.set_anchor("SW")
    draw_numbers(strip, np.column_stack([np.arange(count) + 0.5, np.ones(count)]))
    ax.set(xlabel=drawn(cut(xlabel)), ylabel=drawn(cut(ylabel)))
    ax.grid(True)
    legend = ax.legend(
        loc="lower left", bbox_to_anchor=(0, 1), ncols=len(fronts), frameon=False, labelcolor="linecolor",
        borderpad=0, borderaxespad=0.2, handletextpad=0, columnspacing=1.2, markerscale=1.5,
    )  # fmt: skip
    for dot in legend.get_lines():
        dot.set_alpha(1)
    return ax


@style()
def filmstrip(
    images: ArrayLike,
    generations: ArrayLike,
    fitness: ArrayLike,
    ax: Axes | None = None,
    labels: Sequence[str] = (),
) -> Axes:
    """The best phenotype through the generations, one row per replicate, for the first five replicates.

    Args:
        images: (R, G, C, H, W), or curves (R, G, T) or (R, G, L, T), as `phenotypes` takes them.
        generations: (G,).
        fitness: (R, G), written under the phenotypes.
        ax: where to draw.
        labels: L names of a phenotype's curves.
    """
    strips, moments = np.asarray(images)[:5], np.asarray(generations)
    replicates, columns = strips.shape[:2]
    captions = [f"{value:.4g}" for value in np.asarray(fitness, dtype=float)[:5].ravel()]
    ax = phenotypes(strips.reshape(-1, *strips.shape[2:]), columns, captions, ax, labels)
    ax.xaxis.tick_top()
    ax.xaxis.set_label_position("top")
    ax.set_xticks(np.arange(columns) + 0.5, [f"{moment}" for moment in moments])
    ax.set_xlabel("generation")
    ax.set_yticks(np.arange(replicates) + 0.4, [f"replicate {r}" for r in range(replicates)])
    return ax


@style()
def hall_of_fame(
    images: ArrayLike,
    fitness: ArrayLike,
    realism: "pd.DataFrame",
    doubts: str = "",
    ax: Axes | None = None,
    labels: Sequence[str] = (),
) -> Axes:
    """The best phenotypes ever, each with its fitness and, below, what measures outside the fitness say of it.

    Args:
        images: (K, C, H, W), or curves (K, T) or (K, L, T), as `phenotypes` takes them.
        fitness: (K,) or (K, M).
        realism: a row per phenotype, with columns `log_prior` (per gene), where it was measured `typicality` (share of
            the test images that are no more typical), and where there are judges `predicted` (the judge's class, its
            name or number) and `held_out` (the held-out's probability).
        doubts: why the judges' word counts for little, if it does.
        ax: where to draw.
        labels: L names of a phenotype's curves.
    """
    values = np.asarray(fitness, dtype=float)
    captions = [
        ", ".join(f"{value:.4g}" for value in row) + "\n" + " · ".join(_realism_words(seen))
        for row, seen in zip(values.reshape(len(values), -1), realism.to_dict("records"), strict=True)
    ]
    ax = phenotypes(images, 5, captions, ax, labels)
    judged = ["predicted class @ held-out probability"] if "held_out" in realism else []
    typical = ["typicality"] if "typicality" in realism else []
    words = ["fitness", " · ".join([*judged, "log prior per gene", *typical]), f"({doubts})"]
    ax.set_title("\n".join(words if doubts else words[:2]))
    return ax


def _realism_words(seen: dict[Hashable, Any]) -> list[str]:
    judged = [f"{cut(str(seen['predicted']), _NAME)} @ {seen['held_out']:.2f}"] if "held_out" in seen else []
    typical = [f"{seen['typicality']:.0%}"] if "typicality" in seen else []
    return [*judged, f"{seen['log_prior']:.2f}", *typical]


@style()
def throughput(
    rates: Mapping[str, tuple[ArrayLike, ArrayLike]], limit: str | None = None, ax: Axes | None = None
) -> Axes:
    """Individuals a second against the size of the population, both on logarithmic axes.

    Args:
        rates: by label, `individuals (K,)` and `individuals a second (K,)`.
        limit: label of what bounds the others, drawn dashed and grey.
        ax: where to draw.
    """
    ax = ax or new_axes(6.4, 3.8)
    ax.set(xscale="log", yscale="log", xlabel="individuals", ylabel="individuals a second")
    colours, ends = cycle(PALETTE), []
    for label, (individuals, rate) in rates.items():
        colour = BASELINE if label == limit else next(colours)
        ax.plot(individuals, rate, color=colour, marker="o", markersize=4, linestyle="--" if label == limit else "-")
        ends.append((f"{label}  {np.asarray(rate)[-1]:,.0f}", np.asarray(rate)[-1], colour))
    label_ends(ax, ends)
    return ax
