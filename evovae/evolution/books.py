"""DEAP's statistics and logbook over replicates: every value is an array with one entry for each of them."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from typing import Any

import numpy as np
from deap import tools

from evovae.errors import InputError, shown
from evovae.evolution.population import Population

MOST_SHOWN = 3  # replicates of which a line of the logbook shows each


def compile_statistics(stats: tools.Statistics | tools.MultiStatistics, population: Population) -> dict[str, Any]:
    """Compile DEAP's statistics on each replicate's list of individuals.

    Returns:
        For each statistic an array (R, ...) over replicates. Of `MultiStatistics` a dictionary of these for each of its
        parts, which a logbook takes for a chapter.

    Raises:
        InputError: if a statistic has not as many values of each replicate.
    """
    return _stack([stats.compile(population.replicate(r)) for r in range(population.replicates)])


def record(logbook: tools.Logbook, columns: Mapping[str, Any], compiled: Mapping[str, Any]) -> None:
    """Enter a generation: its `columns`, and what `compile_statistics` gave, parts of `MultiStatistics` as chapters.

    As in DEAP a chapter holds the columns as well. But where both use a name the chapter's own value stays there, which
    `Logbook.record` would replace: `min` and `max` are columns, and what chapters are made for.
    """
    chapters = {name: value for name, value in compiled.items() if isinstance(value, dict)}
    line = {**columns, **{name: value for name, value in compiled.items() if name not in chapters}}
    logbook.header = [*line, *sorted(chapters)]
    logbook.record(**_legible(line))
    for name, chapter in chapters.items():
        logbook.chapters[name].header = list(chapter)
        logbook.chapters[name].record(**_legible({**line, **chapter}))


class _Replicates(np.ndarray):
    """Values (R, ...) that a logbook prints in one line, and for one replicate like a number of DEAP's."""

    def __format__(self, spec: str) -> str:
        shown = [_show(value) for value in np.asarray(self)]
        return " ".join(shown if len(shown) <= MOST_SHOWN else (shown[0], "...", shown[-1]))

    def __array_wrap__(self, array: np.ndarray, *_: Any) -> Any:
        return np.asarray(array)[()]  # what is computed from the values are plain arrays and numbers


def _legible(line: Mapping[str, Any]) -> dict[str, Any]:
    arrays = {name: value.view(_Replicates) for name, value in line.items() if np.ndim(value) > 0}
    return {**line, **arrays}


def _show(value: Any) -> str:
    if np.ndim(value) > 0:
        return f"[{' '.join(map(_show, value))}]"
    return f"{value:n}" if isinstance(value, float | np.floating) else f"{value}"


def _stack(compiled: list[dict[str, Any]]) -> dict[str, Any]:
    names = compiled[0].keys()
    if any(of_one.keys() != names for of_one in compiled):
        raise InputError(
            f"statistics are {shown([list(of_one) for of_one in compiled])}: expected the same of each replicate"
        )
    return {name: _over_replicates(name, [of_one[name] for of_one in compiled]) for name in names}


def _over_replicates(name: str, values: list[Any]) -> Any:
    if isinstance(values[0], dict):
        return _stack(values)
    try:
        return np.array(values)
    except ValueError as error:
        lengths = [len(value) if isinstance(value, Sized) else 1 for value in values]
        raise InputError(f"the statistic {name} has lengths {shown(lengths)}: expected one shape for all") from error
