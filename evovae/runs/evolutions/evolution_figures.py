"""The figures of an evolution, drawn from what it left in its run folder."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from evovae.analysis import best_by_evaluations, plots
from evovae.analysis.plots import cut
from evovae.objectives import doubts
from evovae.runs.evolutions.evolution_results import EvolutionResults
from evovae.runs.folders.phenotypes import Phenotypes
from evovae.runs.searches import EVOLUTION, SEARCHES

_NAME = 36
"""Letters that an objective's name may take beside an axis."""
FILM_FRAMES, FILM_REPLICATES, FRONT = 10, 5, 10


def draw_figures(results: EvolutionResults) -> dict[str, Axes]:
    """Draw the figures of the archive's kind, but those for which there is nothing to show."""
    evolved = _Evolved(results, Phenotypes(results))
    there = evolved.phenotypes.there
    drawn = {name: FIGURES[name](evolved) for name in results.kind.figures if there or name not in SHOWING}
    return {name: axes for name, axes in drawn.items() if axes is not None}


def fitness_curves(results: EvolutionResults, prefix: str = "") -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return by search, its label after `prefix`, the metric so far, at evaluations that all replicates share.

    Raises:
        InputError: if a history is missing or damaged.
    """
    sign = -1.0 if results.kind.minimise else 1.0
    curves = {}
    for label in results.labels:
        _, evaluations, best = results.curve(label)
        grid, values = best_by_evaluations(evaluations, sign * best)
        curves[prefix + label] = (grid, sign * values)
    return curves


def draw_curves(evolutions: Sequence[EvolutionResults], prefixes: Sequence[str] = ("",)) -> Axes:
    """Draw the searches of evolutions that have an axis in common, each run's labels after its prefix."""
    curves: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    grey = []
    for results, prefix in zip(evolutions, prefixes, strict=True):
        curves |= fitness_curves(results, prefix)
        grey += [prefix + label for label in results.labels if SEARCHES[label].grey]
    return plots.fitness_curve(curves, _curve_label(evolutions[0]), baselines=grey)


class _Evolved(NamedTuple):
    """What the figures of an evolution are drawn from."""

    results: EvolutionResults
    phenotypes: Phenotypes


def _draw_metric(evolved: _Evolved) -> Axes:
    return draw_curves([evolved.results])


def _draw_filmstrip(evolved: _Evolved) -> Axes | None:
    phenotypes, found = evolved.phenotypes, evolved.phenotypes.found
    shown = np.array(phenotypes.moments)[_evenly(len(phenotypes.moments), FILM_FRAMES)].tolist()
    film = phenotypes.at(shown, FILM_REPLICATES)
    fitness = found["frame_fitness"][:FILM_REPLICATES, shown, 0]
    return plots.filmstrip(film, found["frame_generations"][shown], fitness, labels=evolved.results.curve_names)


def _draw_best(evolved: _Evolved) -> Axes | None:
    """The best of each replicate; one without finite fitness has none."""
    table = evolved.results.hall
    return _draw_images(evolved, table[(table["search"] == EVOLUTION.label) & (table["rank"] == 0)].reset_index())


def _draw_along_front(evolved: _Evolved) -> Axes | None:
    return _draw_images(evolved, _along_front(evolved.results))


def _draw_images(evolved: _Evolved, rows: pd.DataFrame) -> Axes | None:
    """Images of the archive, and what is thought of them."""
    if rows.empty:
        return None
    results = evolved.results
    best, fitness = evolved.phenotypes.best(rows)
    return plots.hall_of_fame(best, fitness, rows, doubts(results.judges), labels=results.curve_names)


def _draw_fronts(evolved: _Evolved) -> Axes | None:
    """The fronts of two objectives, and images along that of the first replicate."""
    results, rows = evolved.results, _along_front(evolved.results)
    if len(results.settings.names) != 2 or rows.empty:
        return None
    images, fitness = evolved.phenotypes.best(rows)
    labels = [
        f"{cut(name, _NAME)} ({'maximised' if weight > 0 else 'minimised'})"
        for name, weight in zip(results.settings.names, results.settings.weights, strict=True)
    ]
    halls = {label: f"{method.prefix}hall_fitness" for label, method in SEARCHES.items()}
    fronts = {
        label: evolved.phenotypes.found[hall] for label, hall in halls.items() if hall in evolved.phenotypes.found
    }
    grey = [label for label, method in SEARCHES.items() if method.grey]
    return plots.pareto_front(fronts, images, fitness, labels[0], labels[1], grey)


FIGURES: dict[str, Callable[[_Evolved], Axes | None]] = {
    "fitness": _draw_metric,
    "filmstrip": _draw_filmstrip,
    "hall_of_fame": _draw_best,
    "hypervolume": _draw_metric,
    "front_images": _draw_along_front,
    "front": _draw_fronts,
}
"""By the names of their files; the kind of archive says which a run has."""
SHOWING = ("filmstrip", "hall_of_fame", "front_images", "front")
"""Of these, what shows phenotypes."""


def _along_front(results: EvolutionResults) -> pd.DataFrame:
    """Return the rows of some images along the front of the first replicate, from end to end."""
    table = results.hall
    front = table[(table["search"] == EVOLUTION.label) & (table["replicate"] == 0)]
    return front.iloc[_evenly(len(front), FRONT)].reset_index()


def _evenly(count: int, most: int) -> np.ndarray:
    """Return `most` or fewer places among `count`, from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(int)


def _curve_label(results: EvolutionResults) -> str:
    title = results.kind.title([cut(name, _NAME) for name in results.settings.names])
    return f"{title}\n{results.doubt}".rstrip()
