"""DEAP's statistics and logbook over replicates: every value is an array with one entry for each of them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sized
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import torch
from deap import tools
from torch import Tensor

from evovae.base import InputError, shown
from evovae.evolution.operators.multiobjective import nondominated_rank
from evovae.evolution.population import Population

if TYPE_CHECKING:
    import pandas as pd

Statistics: TypeAlias = tools.Statistics | tools.MultiStatistics

MOST_SHOWN = 3  # replicates of which a line of the logbook shows each


def summarise(population: Population) -> dict[str, Tensor]:
    """Return what `Generation.statistics` says about the fitness of a population, on its device."""
    finite = population.finite.unsqueeze(2)
    fitness = torch.where(finite, population.fitness.double(), 0.0)
    count = finite.sum(1)
    mean = fitness.sum(1) / count  # 0 / 0 is NaN, and so are all columns without a finite fitness
    spread = torch.where(finite, fitness - mean.unsqueeze(1), 0.0).square_()
    low = torch.where(finite, fitness, math.inf).amin(1)
    high = torch.where(finite, fitness, -math.inf).amax(1)
    known = count > 0
    values = {
        "min": torch.where(known, low, math.nan),
        "mean": mean,
        "max": torch.where(known, high, math.nan),
        "std": (spread.sum(1) / count).sqrt_(),
    }
    single = len(population.weights) == 1
    columns = {name: value[:, 0] if single else value for name, value in values.items()}
    columns["nonfinite"] = len(population) - count[:, 0]
    if population.violation is not None:
        columns["feasible"] = population.feasible.double().mean(1)
    if not single:
        columns["front"] = ((nondominated_rank(population) == 0) & population.finite).sum(1)
    return columns


def compile_statistics(stats: Statistics, population: Population) -> dict[str, Any]:
    """Compile DEAP's statistics on each replicate's list of individuals.

    Returns:
        For each statistic an array (R, ...) over replicates. Of `MultiStatistics` a dictionary of these for each of its
        parts, which a logbook takes for a chapter.

    Raises:
        InputError: if a statistic has not the same number of values in each replicate.
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


def tabulate(logbook: tools.Logbook) -> pd.DataFrame:
    """Return a row for each generation and replicate of a logbook: `gen`, `replicate`, and a number in each column.

    Values of several objectives are columns NAME_0, NAME_1, ...; those of a chapter CHAPTER_NAME. For one replicate
    `pandas.DataFrame(logbook)` does the same, without the chapters.
    """
    import pandas as pd

    frames = []
    for index, line in enumerate(logbook):
        values = {name: value for name, value in line.items() if name != "gen"}
        for name, chapter in logbook.chapters.items():
            values |= {f"{name}_{key}": chapter[index][key] for key in chapter.header}
        replicates = np.size(line["nevals"])
        columns: dict[str, Any] = {"gen": line["gen"], "replicate": np.arange(replicates)}
        for name, value in values.items():
            split = np.reshape(np.asarray(value), (replicates, -1)).T
            columns |= {name if len(split) == 1 else f"{name}_{m}": column for m, column in enumerate(split)}
        frames.append(pd.DataFrame(columns))
    return pd.concat(frames, ignore_index=True)


class _Replicates(np.ndarray):
    """Values (R, ...) that a logbook prints in one line, each as a number of DEAP's or as the format says."""

    def __format__(self, spec: str) -> str:
        shown = [_show(value, spec) for value in np.asarray(self)]
        return " ".join(shown if len(shown) <= MOST_SHOWN else (shown[0], "...", shown[-1]))

    def __array_wrap__(self, array: np.ndarray, *_: Any) -> Any:
        return np.asarray(array)[()]  # what is computed from the values are plain arrays and numbers


def _legible(line: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values of a line as they are printed: of one replicate its own, a number or an array of them."""
    return {name: value if np.ndim(value) == 0 else _of_replicates(value) for name, value in line.items()}


def _of_replicates(values: np.ndarray) -> Any:
    if len(values) > 1:
        return values.view(_Replicates)
    return values[0].item() if np.ndim(values[0]) == 0 else values[0].view(_Replicates)


def _show(value: Any, spec: str) -> str:
    if np.ndim(value) > 0:
        return f"[{' '.join(_show(one, spec) for one in value)}]"
    if isinstance(value, str) and not spec:
        return value
    return format(value, spec or ("n" if isinstance(value, float | np.floating) else ""))


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
