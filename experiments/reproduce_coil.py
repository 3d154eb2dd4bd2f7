"""Does a genetic algorithm in a learned latent space keep the constraints that one on the variables cannot?

COIL (Bentley, Lim, Gaier and Tran 2022, "COIL: constrained optimization in learned latent space", GECCO Companion),
constraint C1: minimise the sum of squares of 1 to 10 variables in [-50, 50] where they must sum to 45 each or more. The
optimum is 2025 for each variable. `evovae/coil.py` is the method; the set-up is that of the authors' code. A pipeline
is data, ten VAEs of which the best is taken, and 100 replicates of the search in its latent space; beside it are 100 of
the same genetic algorithm on the variables. The published runs (experiments/published/coil_c1.csv, 100 a cell) are of
one pipeline, whose VAE all 100 share.

    python experiments/reproduce_coil.py --workers 2    ten pipelines of ten sizes: about 10 minutes on two cores
    python experiments/reproduce_coil.py --smoke        seconds, leaving no results

`--problem c2` has the authors' second constraint, that each variable be 8 to 10 more than the one before; its published
runs are at hand as a figure only, so that ours stand alone.

Run by run, the published distances from the optimum and from the constraint are compared with those of our first
pipeline: Kolmogorov and Smirnov's two-sample test, p adjusted for all cells of a method (Benjamini and Hochberg 1995).
For the genetic algorithm that is the rule: reproduced where neither differs (p of 0.05 or more). Two pipelines of COIL
differ by more than their runs do, so that its rule is: reproduced where the published mean lies inside the 95%
prediction interval of a further pipeline's; close where it is within a factor of 1.5 of our mean. The rules were
written before the full run, and after a trial of one pipeline with 1, 2, 3 and 10 variables.

Deviations: initial weights are normal with variance 1/N_in and biases 0 (uniform with a third of that there); the best
VAE has the least loss in its last epoch, where there only the reconstruction counts; in the last, smaller minibatch of
an epoch the KL divergence is divided by 64 as well; the loss is averaged over a minibatch, which Adam does not notice.
"""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from matplotlib.axes import Axes
from scipy import stats
from torch import Tensor

from evovae import coil, plots
from evovae.cells import Spec
from evovae.checks import require, require_whole
from evovae.errors import shown
from evovae.executors import Workers
from evovae.runs import Run
from evovae.studies import curves, start, study

PUBLISHED = Path(__file__).parent / "published"
SECONDS = {("c1", 3): 208}
"""Of the authors' code for a pipeline and the searches on the variables, on one core, by problem and size."""
FOUND, TIMES = "found.csv", "seconds.csv"
DISTANCES = ["distance_from_optimal", "distance_from_constraints"]
CELL = ["method", "variables"]
LEVEL, FACTOR = 0.05, 1.5


def c1(variables: int) -> coil.Problem:
    """Return the sum of squares where the variables sum to 45 each, or more."""
    return coil.Problem(
        dim=variables,
        low=-50.0,
        high=50.0,
        objective=lambda x: x.square().sum(-1),
        violations=lambda x: (45.0 - x).sum(-1, keepdim=True).clamp_min(0.0),
        optimum=2025.0 * variables,
    )


def c2(variables: int) -> coil.Problem:
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


PROBLEMS: dict[str, tuple[Callable[[int], coil.Problem], range]] = {"c1": (c1, range(1, 11)), "c2": (c2, range(2, 11))}
"""Each with its numbers of variables."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    pipelines: int = 10
    """Of each number of variables, with seeds from 0 up; 2 at least."""
    problem: str = "c1"
    """What is optimised: one of PROBLEMS; published runs are looked for in experiments/published/coil_NAME.csv."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_whole("pipelines", self.pipelines, 2)
        require(self.problem in PROBLEMS, f"problem is {shown(self.problem)}: expected one of {', '.join(PROBLEMS)}")


def main(arguments: Arguments) -> None:
    name = "reproduce_coil" if arguments.problem == "c1" else f"reproduce_coil_{arguments.problem}"
    with study(name, arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = results.run_all(cells(arguments, results.cells), executor)
        ours = pd.concat([run.read_table(FOUND) for run in runs], ignore_index=True)
        path = PUBLISHED / f"coil_{arguments.problem}.csv"
        published = pd.read_csv(path) if path.exists() else pd.DataFrame(columns=[*CELL, *DISTANCES])
        published = published[published["variables"].isin(ours["variables"])]
        summary = compare(ours, published)
        results.table("summary", summary)
        seen = ours.assign(violating=ours[DISTANCES[1]] > 0)
        means = seen.groupby([*CELL, "pipeline"], sort=False)[[*DISTANCES, "violating"]].mean().reset_index()
        results.table("found", means, show=False)
        seconds = pd.concat([run.read_table(TIMES) for run in runs]).groupby("variables").mean().reset_index()
        theirs = [SECONDS.get((arguments.problem, variables)) for variables in seconds["variables"]]
        results.table("seconds", seconds.drop(columns="pipeline").assign(theirs=theirs))
        results.figure("distances", draw(ours, published))


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """A pipeline for each number of variables and seed."""
    pipelines, sizes = (2, (2,)) if arguments.smoke else (arguments.pipelines, PROBLEMS[arguments.problem][1])
    for seed, variables in product(range(pipelines), sizes):
        settings = {"problem": arguments.problem, "variables": variables, "seed": seed, "smoke": arguments.smoke}
        yield Spec(folder / f"{arguments.problem} {variables} {seed}", solve, settings)


def solve(run: Run, problem: str, variables: int, seed: int, smoke: bool) -> None:
    """Fill a cell with what the replicates of both methods found, and how long each part took."""
    given = PROBLEMS[problem][0](variables)
    points, models, epochs, replicates = (500, 2, 5, 20) if smoke else (5000, 10, 200, 100)
    clock = [time.perf_counter()]
    data = coil.feasible_points(given, points, seed)
    clock.append(time.perf_counter())
    space = coil.learn(data, seed, models, epochs)
    clock.append(time.perf_counter())
    by_coil = coil.search(given, space, replicates, 2 * seed)
    clock.append(time.perf_counter())
    by_ga = coil.search(given, coil.variables(given), replicates, 2 * seed + 1)
    clock.append(time.perf_counter())
    columns = {"variables": variables, "pipeline": seed}
    found = [
        pd.DataFrame({"method": method} | columns | dict(zip(DISTANCES, map(np.asarray, distances), strict=True)))
        for method, (_, *distances) in (("coil", by_coil), ("ga", by_ga))
    ]
    run.write_table(FOUND, pd.concat(found))
    parts = dict(zip(("data", "vaes", "search", "ga"), np.diff(clock), strict=True))
    run.write_table(TIMES, pd.DataFrame([columns | parts | {"total": clock[-1] - clock[0]}]))


def compare(ours: pd.DataFrame, published: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each cell: mean, prediction interval; where runs are published, their mean, tests, verdict."""
    rows = []
    for key, mine in ours.groupby(CELL, sort=False):
        row = dict(zip(CELL, key, strict=True))
        theirs = published[(published[CELL] == pd.Series(row)).all(axis=1)]
        for name in DISTANCES:
            means = mine.groupby("pipeline")[name].mean()
            reach = stats.t.ppf(0.975, len(means) - 1) * means.std() * np.sqrt(1 + 1 / len(means))
            found = {"ours": means.mean(), "low": means.mean() - reach, "high": means.mean() + reach}
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
    """Return the verdict on a cell, by the rule that was fixed beforehand."""
    published, ours, low, high = (
        np.array([row[f"{name}_{what}"] for name in DISTANCES]) for what in ("published", "ours", "low", "high")
    )
    if row["method"] == "ga":
        same = all(row[f"{name}_p"] >= LEVEL for name in DISTANCES)
    else:
        same = bool(((low <= published) & (published <= high)).all())
    near = bool(((published <= FACTOR * ours) & (ours <= FACTOR * published)).all())
    return "reproduced" if same else "close" if near else "not reproduced"


def draw(ours: pd.DataFrame, published: pd.DataFrame) -> Axes:
    """Both distances against the number of variables, a panel for each method: ours, all pipelines, and published."""
    panels = [("coil", DISTANCES[0]), ("ga", DISTANCES[0]), ("ga", DISTANCES[1])]
    axes = plots.panels(len(panels), len(panels), 4.4, 3.4)
    names = {"coil": "COIL", "ga": "GA on the variables"}
    runs = {
        "ours": ours.assign(seed=ours.groupby(CELL).cumcount()),
        "published": published.rename(columns={"run": "seed"}),
    }
    for ax, (method, name) in zip(axes, panels, strict=True):
        tables = [table[table["method"] == method].assign(whose=whose) for whose, table in runs.items()]
        drawn = {whose: curve for table in tables for whose, curve in curves(table, "whose", "variables", name).items()}
        label = name.replace("_", " ").replace("optimal", "the optimum").replace("constraints", "the constraint")
        plots.trend(drawn, "variables", label, title=names[method], baseline="published", ax=ax)
    return axes[0]


if __name__ == "__main__":
    start(main, Arguments, __doc__)
