"""Which confidence interval of a handful of replicates covers what it says?

Most studies have three to twenty replicates, and say by an interval how sure they are. Here its truth is known: samples
of 2, 3, 5, 10 and 20 from distributions of unit deviation, where there is one: normal; exponential and lognormal (sigma
1), skewed; Student's t with 3 degrees of freedom, heavy-tailed; two camps, N(-1, 0.3) and N(1, 0.3), bimodal. Of each
sample seven intervals of 95%: the percentile and the BCa bootstrap of the interquartile mean and of the mean, Student's
t of the mean, the same of the interquartile mean by winsorised deviations (Tukey and McLaughlin 1963), and the range.
The truth is what the statistic is on average over a million samples of that size; of the range, the median.

The interval score (Gneiting and Raftery 2007) is the width and 40 times what the truth lies outside by: the less, the
better, and best for the interval whose ends are the true quantiles. It is told in multiples of Student's.

A study of searches in learned spaces has two kinds of replicates: models, and searches with each. Of five models with
four searches each, normal, the models' own effects with 0, 1 and 4 times the variance of searches: Student's t of the
five means over a model's searches, the percentile bootstrap of models and their searches, and Student's t of all twenty
searches as if each had a model of its own. Expect the first to cover, the bootstrap to cover too little for the same
reason as above, and the last only where models do not differ.

The rule, written before the run. An interval holds if it covers in 93% or more of the samples from a normal
distribution, whatever their size. The house takes that which holds and has the least score, as a multiple of Student's,
in the geometric mean over all distributions and sizes. Expect the bootstraps not to hold: their ends lie within the
range of two or three values.

    python experiments/interval_coverage.py            about 3 minutes on one core
    python experiments/interval_coverage.py --smoke    seconds, leaving no results
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from methods.intervals import CONFIDENCE, bootstrap, extremes, hierarchical, iqm, winsorised
from numpy.typing import NDArray

from evovae.analysis import Interval, mean_interval, plots
from evovae.base import require_counts
from evovae.studies import start, study

Sample = NDArray[np.float64]
SIZES = (2, 3, 5, 10, 20)
STUDENT = "Student's t, mean"


def two_camps(generator: np.random.Generator, size: tuple[int, int]) -> Sample:
    return generator.choice((-1.0, 1.0), size) + generator.normal(0.0, 0.3, size)


DISTRIBUTIONS: dict[str, Callable[[np.random.Generator, tuple[int, int]], Sample]] = {
    "normal": lambda generator, size: generator.normal(size=size),
    "exponential": lambda generator, size: generator.exponential(size=size),
    "lognormal": lambda generator, size: generator.lognormal(size=size),
    "t with 3 df": lambda generator, size: generator.standard_t(3, size),
    "two camps": two_camps,
}
LEAST = 0.93
MODELS, SEARCHES, BETWEEN = 5, 4, (0.0, 1.0, 4.0)
"""Of a study with models, and the variance between these over that between searches."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    samples: int = 4000
    """Of each size and distribution."""
    resamples: int = 1000
    """Of each bootstrap."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        require_counts(self, "samples", "resamples")


def main(arguments: Arguments) -> None:
    sizes = SIZES[:3] if arguments.smoke else SIZES
    samples, resamples, many = (50, 100, 1000) if arguments.smoke else (arguments.samples, arguments.resamples, 10**6)
    rows = []
    with study("interval_coverage", arguments.smoke) as results:
        for number, (name, draw) in enumerate(DISTRIBUTIONS.items()):
            for size in sizes:
                generator = np.random.default_rng((number, size))
                truths = expectations(draw(generator, (size, many)))
                values = draw(generator, (size, samples))
                for interval, (statistic, find) in intervals(resamples).items():
                    found = describe(find(values), truths[statistic])
                    rows.append({"distribution": name, "replicates": size, "interval": interval} | found)
        table = pd.DataFrame(rows)
        cells = ["distribution", "replicates"]
        of_student = table[table["interval"] == STUDENT].set_index(cells)["score"]
        table["times_students"] = table["score"] / of_student.reindex(table.set_index(cells).index).to_numpy()
        results.table("summary", table, show=False)
        results.table("choice", choose(table))
        results.figure("coverage", draw_coverage(table))
        results.table("hierarchy", cover_models(samples, resamples))


def intervals(resamples: int) -> dict[str, tuple[str, Callable[[Sample], Interval]]]:
    """Return by name what each interval is of, and how it is found in samples (R, K)."""
    found: dict[str, tuple[str, Callable[[Sample], Interval]]] = {STUDENT: ("mean", mean_interval)}
    found["Student's t, IQM"] = ("iqm", winsorised)
    for method in ("percentile", "BCa"):
        for statistic, function in (("mean", np.mean), ("iqm", iqm)):
            find = partial(bootstrap, statistic=function, method=method, resamples=resamples)
            found[f"{method} bootstrap, {statistic.replace('iqm', 'IQM')}"] = (statistic, find)
    return found | {"range": ("median", extremes)}


def cover_models(samples: int, resamples: int) -> pd.DataFrame:
    """Return how intervals of several searches with each of several models cover the mean, which is 0."""
    find: dict[str, Callable[[Sample], Interval]] = {
        "Student's t, means of models": lambda values: mean_interval(values.mean(axis=1)),
        "percentile bootstrap, models and searches": partial(hierarchical, resamples=resamples),
        "Student's t, all searches": lambda values: mean_interval(values.reshape(-1, values.shape[2])),
    }
    rows = []
    for between in BETWEEN:
        generator = np.random.default_rng((len(DISTRIBUTIONS), int(between)))
        models = generator.normal(0.0, np.sqrt(between), (MODELS, 1, samples))
        values = models + generator.normal(size=(MODELS, SEARCHES, samples))
        for name, own in find.items():
            row = {"models": MODELS, "searches": SEARCHES, "between": between, "interval": name}
            rows.append(row | describe(own(values), 0.0))
    return pd.DataFrame(rows)


def expectations(values: Sample) -> dict[str, float]:
    """Return what each statistic is on average of samples (R, K); the median, of all their values."""
    return {"mean": values.mean(), "iqm": iqm(values).mean(), "median": np.median(values)}


def describe(found: Interval, truth: float) -> dict[str, float]:
    """Return how often intervals cover the truth, how wide they are, and their score; none at all covers nothing."""
    width, missed = found.high - found.low, np.maximum(found.low - truth, truth - found.high).clip(0.0)
    known = np.isfinite(width)
    score = np.mean((width + 2.0 / (1.0 - CONFIDENCE) * missed)[known]) if known.any() else np.nan
    return {"covers": np.mean(known & (missed == 0.0)), "width": np.mean(width[known]), "score": score}


def choose(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each interval, by score: its least coverage, how far it scores, and whether it holds."""
    rows = []
    for name, group in table.groupby("interval", sort=False):
        normal = group.loc[group["distribution"] == "normal", "covers"].min()
        row = {"interval": name, "least_normal": normal, "least": group["covers"].min()}
        rows.append(row | {"score": np.exp(np.log(group["times_students"]).mean()), "holds": normal >= LEAST})
    return pd.DataFrame(rows).sort_values(["holds", "score"], ascending=[False, True])


def draw_coverage(table: pd.DataFrame) -> Axes:
    """Draw how often each interval covers, against the number of replicates, a panel for each distribution."""
    axes = plots.panels(len(DISTRIBUTIONS), 3, 4.4, 3.2)
    for ax, (name, group) in zip(axes, table.groupby("distribution", sort=False), strict=True):
        drawn = {
            str(interval): (rows["replicates"].to_numpy(), rows["covers"].to_numpy()[None])
            for interval, rows in group.groupby("interval", sort=False)
        }
        ax.axhline(CONFIDENCE, color="black", linewidth=0.8, linestyle="--")
        plots.trend(drawn, "replicates", "share that covers", "log", title=str(name), ax=ax)
    return axes[0]


if __name__ == "__main__":
    start(main, Arguments, __doc__)
