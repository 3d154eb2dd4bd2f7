"""COIL's two constraints, the runs that were published, and the rules that hold ours against them.

`reproduce_coil.py` tells when the rules were written.
"""

from collections.abc import Callable
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
"""Of the authors' code for a pipeline and the searches on the variables, on one core, by problem and size."""
METHODS = {"coil": "COIL", "ga": "GA on the variables"}
CELL = ["method", "variables"]
DISTANCES = ["distance_from_optimal", "distance_from_constraints"]
LEVEL, FACTOR = 0.05, 1.5
SMALL = 0.5
"""What means may lie apart to be close where they are nearly 0, as the distances from a constraint that is kept."""
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


def compare(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell: mean, prediction interval; where runs are published, their mean, tests, verdict."""
    rows = []
    for key, mine in ours.groupby(CELL, sort=False):
        row = dict(zip(CELL, key, strict=True))
        theirs = published[(published[CELL] == pd.Series(row)).all(axis=1)]
        for name in DISTANCES:
            means = mine.groupby("pipeline")[name].mean()
            reach = stats.t.ppf(0.975, len(means) - 1) * means.std() * np.sqrt(1 + 1 / len(means))
            found = {"ours": means.mean(), "low": max(0.0, means.mean() - reach), "high": means.mean() + reach}
            if len(theirs):
                same = stats.ks_2samp(mine.loc[mine["pipeline"] == 0, name], theirs[name])
                found = {"published": theirs[name].mean()} | found | {"p": same.pvalue}
            row |= {f"{name}_{what}": value for what, value in found.items()}
        rows.append(row)
    table = pd.DataFrame(rows)
    if published.empty:
        return table
    values = [f"{name}_p" for name in DISTANCES]
    for _, group in table.groupby("method"):
        adjusted = stats.false_discovery_control(group[values].to_numpy(), axis=None)
        table.loc[group.index, values] = adjusted.reshape(-1, len(values))
    return table.assign(verdict=[judge(row) for row in table.to_dict("records")])


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
        rows.append(figure_row(result, SOURCE, f"{cell[f'{name}_published']:.1f}", ours, cell["verdict"], ".1f"))
    for method, group in cells.groupby("method"):
        sizes = group["variables"]
        result = f"{METHODS[str(method)]}, the same, {sizes.min()} to {sizes.max()} variables"
        means = (group[f"{name}_{who}"] for who in ("published", "ours"))
        published, found = (f"{of_sizes.min():.0f} to {of_sizes.max():.0f}" for of_sizes in means)
        told = tally(group["verdict"])
        if missed := [str(size) for size in sizes[group["verdict"] != REPRODUCED]]:
            told += f" ({', '.join(missed)})"
        if method == "coil":
            told += f"; run by run {(group[f'{name}_p'] < LEVEL).sum()} differ"
        rows.append(verdict_row(result, SOURCE, published, found, told))
    return rows
