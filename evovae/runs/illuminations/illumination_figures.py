"""The figures of an illumination, drawn from what it left in its run folder."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from evovae.analysis import at_evaluations, plots
from evovae.analysis.plots import cut
from evovae.runs.illuminations.illumination_results import Elites, IlluminationResults
from evovae.runs.illuminations.tiles import plane
from evovae.runs.searches import ILLUMINATION, ILLUMINATION_SEARCHES

_NAME = 36
"""Letters that a name may take beside an axis."""
_TICK = 14
"""Letters that the name of a cell may take."""
ARCHIVE_PANELS = {"coverage": "share of cells filled", "qd_score": "QD score"}
"""Metrics that are drawn, and what they are called."""


def draw_figures(results: IlluminationResults) -> dict[str, Axes]:
    """Draw the map of the objective, that of pictures if there is anything to see, and how the archive was filled."""
    figures = {"progress": draw_progress([results])}
    if results.has_elites:
        figures["archive"] = _draw_map(results)
        if results.shown is not None:
            figures["elites"] = _draw_elites(results)
    return figures


def draw_progress(runs: Sequence[IlluminationResults], prefixes: Sequence[str] = ("",)) -> Axes:
    """Draw coverage and QD score of the searches of runs that have these in common, each run's after its prefix.

    Of two runs with the same cells there is a third panel: where which of them is ahead.
    """
    ahead = len(runs) == 2 and same_cells(*runs)
    axes = plots.panels(len(ARCHIVE_PANELS) + ahead, len(ARCHIVE_PANELS) + ahead, 5.2, 3.6)
    for ax, (metric, title) in zip(axes, ARCHIVE_PANELS.items(), strict=False):
        curves: dict[str, tuple[NDArray[np.float64], NDArray[np.float64]]] = {}
        grey = []
        for results, prefix in zip(runs, prefixes, strict=True):
            for label in results.labels:
                _, evaluations, values = results.course(label, metric)
                grid = np.linspace(evaluations[:, 0].max(), evaluations[:, -1].min(), evaluations.shape[1])
                curves[prefix + label] = (grid, at_evaluations(evaluations, values, grid))
                grey += [prefix + label] if ILLUMINATION_SEARCHES[label].grey else []
        about = f"{title}\n{cut(runs[0].objective_label, _NAME)} {runs[0].doubt}".rstrip()
        plots.fitness_curve(curves, about if metric == "qd_score" else title, baselines=grey, ax=ax)
        ax.xaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 5, 10], integer=True, min_n_ticks=1))
    if ahead:
        _draw_ahead(runs[0], runs[1], prefixes, axes[-1])
    return axes[0]


def same_cells(one: IlluminationResults, other: IlluminationResults) -> bool:
    """Whether the archives of two runs have the same cells."""
    return (one.settings.measures, one.grid, one.config.ranges) == (
        other.settings.measures,
        other.grid,
        other.config.ranges,
    )


def _draw_map(results: IlluminationResults) -> Axes:
    elites = results.elites(ILLUMINATION.label)
    objective, index = elites.objective[0], elites.cells[0]
    known = index >= 0
    cells, sizes = plane(index[known], results.grid)
    values = np.full(sizes, np.nan)
    np.fmax.at(values, tuple(cells.T), objective[known])
    last = results.history(ILLUMINATION.label).query("replicate == 0").iloc[-1]
    title = f"{last['coverage']:.1%} of the cells, QD score {last['qd_score']:,.4g}"
    return plots.archive_map(
        values,
        results.config.spans,
        _names(results),
        cut(f"{results.objective_label} {results.doubt}".rstrip(), _NAME),
        title=_of_which(results, title),
        ticks=_ticks(results),
    )


def _draw_elites(results: IlluminationResults) -> Axes:
    shown = results.shown
    assert shown is not None
    return plots.elite_map(
        shown.phenotypes,
        shown.places,
        shown.blocks,
        results.config.spans,
        _names(results),
        title=_of_which(results, f"the best by {cut(results.objective_label, _NAME)} of each block of cells"),
        ticks=_ticks(results),
        labels=shown.labels,
    )


def _draw_ahead(one: IlluminationResults, other: IlluminationResults, prefixes: Sequence[str], ax: Axes) -> None:
    """Where the first run is ahead: the difference of what each cell gives to the mean QD score."""
    given = [_score_by_cell(results, results.elites(ILLUMINATION.label)) for results in (one, other)]
    found = ~(np.isnan(given[0]) & np.isnan(given[1]))
    difference = np.where(found, np.nan_to_num(given[0]) - np.nan_to_num(given[1]), np.nan)
    names = [prefix.removesuffix(": ") for prefix in prefixes]
    title = f"where {cut(names[0], _NAME)} is ahead (blue), and {cut(names[1], _NAME)} (red)"
    label = "difference in QD score"
    plots.archive_map(difference, one.config.spans, _names(one), label, title, True, _ticks(one), ax)


def _score_by_cell(results: IlluminationResults, elites: Elites) -> NDArray[np.float64]:
    """Return what each cell of the first two measures gives to the QD score, mean of replicates; NaN where nothing."""
    known = elites.cells >= 0
    cells, sizes = plane(elites.cells[known], results.grid)
    score, filled = np.zeros(sizes), np.zeros(sizes, dtype=bool)
    worth = elites.objective[known] - (results.config.qd_offset or 0.0)
    np.add.at(score, tuple(cells.T), worth / results.config.replicates)
    filled[tuple(cells.T)] = True
    return np.where(filled, score, np.nan)


def _names(results: IlluminationResults) -> tuple[str, ...]:
    return tuple(cut(name, _NAME) for name in results.settings.measures[:2])


def _ticks(results: IlluminationResults) -> list[Sequence[str]]:
    """Return what the cells along the first two measures are called; nothing for those without names."""
    return [[cut(text, _TICK) for text in texts] for texts in results.cell_names[:2]] + [()]


def _of_which(results: IlluminationResults, title: str) -> str:
    """Return a title that says of which replicate, and of which measures, there is more than is shown."""
    count, further = results.config.replicates, results.settings.measures[2:]
    title += f"; replicate 0 of {count}" if count > 1 else ""
    return title + (f"\nthe best over {', '.join(cut(name, _NAME) for name in further)}" if further else "")
