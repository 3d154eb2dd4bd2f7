"""COIL's two constraints, the runs that were published, and the rules that hold ours against them.

`reproduce_coil.py` tells when the rules were written.
"""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
from methods.coil import Problem
from scipy import stats

from evovae.analysis import Interval
from evovae.studies import CLOSE, NOT_REPRODUCED, REPRODUCED, figure_row, tally, verdict_row

import torch
from torch import Tensor

SOURCE = "Bentley et al. 2022"
SECONDS = {("c1", 3): 208}
"""Of the authors' code for a pipeline and the searches on the variables, on one core, by problem and size.

Where the figure comes from is not on record.
"""
METHODS = {"coil": "COIL", "ga": "GA on the variables"}
CELL = ["method", "variables"]
DISTANCES = ["distance_from_optimal", "distance_from_constraints"]
LEVEL, FACTOR = 0.05, 1.5
SMALL = 0.5
"""What means may lie apart to be close where they are nearly 0, as the distances from a constraint that is kept."""
WITHIN = 0.25
"""Part of the published mean that another may lie apart from it and be equivalent; or `SMALL`, if that is more."""
SHOWN = (3, 10)
"""Numbers of variables that have a row of their own in the table of all reproductions."""


def c1(variables: int) -> Problem:
    """Return the sum of squares where the variables sum to 45 each, or more."""
    return Problem(
        dim=variables,
        low=-50.0,
        high=50.0,
        objective=lambda x: x.square().sum(-1),
        violations=lambda x: (45.0 - x).sum(-1, keepdim=True).clamp_min(0.0),
        optimum=2025.0 * variables,
    )


def c2(variables: int) -> Problem:
    """Return the sum of squares where each variable is 8 to 10 more than the one before."""

    def violations(x: Tensor) -> Tensor:
        return ((x.diff(dim=-1) - 9.0).abs() - 1.0).clamp_min(0.0).sum(-1, keepdim=True)

    def draw(count: int, generator: torch.Generator) -> Tensor:
        found = torch.empty(0, variables)
        while len(found) < count:  # the variable in the middle anywhere, the others outwards from it
            steps = 8.0 + 2.0 * torch.rand(count, variables - 1, generator=generator)
            points = torch.cat((torch.zeros(count, 1), steps.cumsum(1)), dim=1)
            middle = points[:, [(variables - 1) // 2]]
            points += 100.0 * torch.rand(count, 1, generator=generator) - 50.0 - middle
            found = torch.cat((found, points[(points[:, 0] >= -50.0) & (points[:, -1] <= 50.0)]))
        return found[:count]

    nearest = 8.0 * (torch.arange(variables) - (variables - 1) / 2)
    return replace(c1(variables), violations=violations, optimum=nearest.square().sum().item(), draw=draw)


PROBLEMS: dict[str, tuple[Callable[[int], Problem], range]] = {"c1": (c1, range(1, 11)), "c2": (c2, range(2, 11))}
"""Each with its numbers of variables."""


def published_runs(problem: str) -> pd.DataFrame:
    """Return the published runs of a problem, none where there are none at hand.

    Columns: method, variables, run, distance_from_optimal, distance_from_constraints.
    """
    path = Path(__file__).parent / f"coil_{problem}.csv"
    return pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*CELL, "run", *DISTANCES])


def describe_pipelines(runs: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell and pipeline: its mean distances, and the share of its runs that violate."""
    seen = runs.assign(violating=runs[DISTANCES[1]] > 0)
    return seen.groupby([*CELL, "pipeline"], sort=False)[[*DISTANCES, "violating"]].mean().reset_index()


def runs_to_test(runs: pd.DataFrame) -> pd.DataFrame:
    """Return the runs that stand for themselves: all of the GA, and of COIL those of the first pipeline."""
    return runs[(runs["method"] == "ga") | (runs["pipeline"] == 0)]


def compare(pipelines: pd.DataFrame, runs: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell: mean, prediction interval; where runs are published, their mean, tests, verdict.

    Args:
        pipelines: as of `describe_pipelines`.
        runs: as of `runs_to_test`.
        published: as of `published_runs`.
    """
    rows = []
    for key, mine in pipelines.groupby(CELL, sort=False):
        row = dict(zip(CELL, key, strict=True))
        own, theirs = (table[(table[CELL] == pd.Series(row)).all(axis=1)] for table in (runs, published))
        for name in DISTANCES:
            means = mine[name]
            reach = stats.t.ppf(0.975, len(means) - 1) * means.std() * np.sqrt(1 + 1 / len(means))
            found = {"ours": means.mean(), "low": max(0.0, means.mean() - reach), "high": means.mean() + reach}
            if len(theirs):
                same = stats.ks_2samp(own[name], theirs[name])
                found = {"published": theirs[name].mean()} | found | {"p": same.pvalue}
                found["equivalence_p"] = equivalence(means if row["method"] == "coil" else own[name], theirs[name])
            row |= {f"{name}_{what}": value for what, value in found.items()}
        rows.append(row)
    table = pd.DataFrame(rows)
    if published.empty:
        return table
    for kind in ("p", "equivalence_p"):
        values = [f"{name}_{kind}" for name in DISTANCES]
        for _, group in table.groupby("method"):
            adjusted = stats.false_discovery_control(group[values].to_numpy(), axis=None)
            table.loc[group.index, values] = adjusted.reshape(-1, len(values))
    equivalent = (table[values] < LEVEL).all(axis=1)
    return table.assign(equivalent=equivalent, verdict=[judge(row) for row in table.to_dict("records")])


def equivalence(ours: "pd.Series[float]", published: "pd.Series[float]") -> float:
    """Return how probable means would be as near as these if they lay apart by a margin or more, at the least.

    Two one-sided t tests (Schuirmann 1987), the margin `WITHIN` of the published mean, or `SMALL`. `ours` are runs, as
    the published ones are, and the test is Welch's; or means of ten pipelines or so, of which one published its runs.
    """
    margin = max(WITHIN * published.mean(), SMALL)
    if len(ours) < len(published):  # a further pipeline's mean scatters as ours do
        error, freedom = ours.std() * np.sqrt(1 + 1 / len(ours)), len(ours) - 1.0
    else:
        parts = np.array([values.var() / len(values) for values in (ours, published)])
        degrees = np.array([len(ours), len(published)]) - 1.0
        error, freedom = np.sqrt(parts.sum()), parts.sum() ** 2 / (parts**2 / degrees).sum()
    difference = ours.mean() - published.mean()
    with np.errstate(divide="ignore"):  # without any scatter it is sure
        return float(max(stats.t.sf((difference + s * margin) * s / error, freedom) for s in (1.0, -1.0)))


def judge(row: dict[str, float]) -> str:
    """Return the verdict on a cell."""
    published, ours, low, high = (
        np.array([row[f"{name}_{what}"] for name in DISTANCES]) for what in ("published", "ours", "low", "high")
    )
    if row["method"] == "ga":
        same = all(row[f"{name}_p"] >= LEVEL for name in DISTANCES)
    else:
        same = bool(((low <= published) & (published <= high)).all())
    near = (published <= FACTOR * ours) & (ours <= FACTOR * published) | (abs(published - ours) <= SMALL)
    return REPRODUCED if same else CLOSE if near.all() else NOT_REPRODUCED


def verdicts(cells: pd.DataFrame) -> list[dict[str, str]]:
    """Return rows for COIL's distance from the optimum at the sizes of `SHOWN`, and for all sizes of each method."""
    name, rows = DISTANCES[0], []
    for cell in cells[(cells["method"] == "coil") & cells["variables"].isin(SHOWN)].to_dict("records"):
        ours = Interval(*(cell[f"{name}_{what}"] for what in ("ours", "low", "high")))
        result = f"COIL, distance from the optimum, {cell['variables']} variables"
        told = cell["verdict"] + (", equivalent" if cell["equivalent"] else ", not shown equivalent")
        rows.append(figure_row(result, SOURCE, f"{cell[f'{name}_published']:.1f}", ours, told, ".1f"))
    for method, group in cells.groupby("method"):
        sizes = group["variables"]
        result = f"{METHODS[str(method)]}, the same, {sizes.min()} to {sizes.max()} variables"
        means = (group[f"{name}_{who}"] for who in ("published", "ours"))
        published, found = (f"{of_sizes.min():.0f} to {of_sizes.max():.0f}" for of_sizes in means)
        told = tally(group["verdict"])
        missed = sizes[group["verdict"] != REPRODUCED]
        told += f" ({listed(missed)})" if len(missed) else ""
        same = group["equivalent"]
        told += f"; {same.sum()} equivalent" + ("" if same.all() else f" (not {listed(sizes[~same])})")
        if method == "coil":
            told += f"; run by run {(group[f'{name}_p'] < LEVEL).sum()} differ"
        rows.append(verdict_row(result, SOURCE, published, found, told))
    return rows


def listed(sizes: Iterable[int]) -> str:
    """Return sizes in words, such as 1, 2, 9."""
    return ", ".join(map(str, sizes))
