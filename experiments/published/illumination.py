"""Published scores of quality diversity, and the rule that holds ours against them.

`reproduce_cma_mae.py` and `reproduce_dqd.py` tell when the rule was written.
"""

from pathlib import Path

import pandas as pd
from matplotlib.axes import Axes

from evovae.analysis import plots, statistics
from evovae.studies import figure_row, grade, intervals, tally, verdict_row

SOURCES = {"CMA-MAE": "Fontaine and Nikolaidis 2023, table 1", "DQD": "Fontaine and Nikolaidis 2021, table 1"}
CELL, FIGURES = ["domain", "algorithm"], ["qd_score", "coverage"]
PART, LEAST = 0.03, 0.3
"""A mean is reproduced where it lies within this part of the published one, or this many points, if that is more."""
CLOSE = 3.0
"""It is close within so many times that."""


def published(table: str) -> pd.DataFrame:
    """Return the published means of 20 trials: domain, algorithm, qd_score, coverage."""
    found = pd.read_csv(Path(__file__).parent / "qd_tables.csv")
    return found[found["table"] == table].rename(columns={"coverage_percent": "coverage"})[[*CELL, *FIGURES]]


def compare(rows: pd.DataFrame, table: str) -> pd.DataFrame:
    """Return a row for each domain and algorithm of `rows`, one row a trial: intervals, what was published, verdict.

    The distance is the larger of two, of QD score and coverage, in units of what counts as reproduced.
    """
    ours = intervals(rows, CELL, FIGURES)
    found = ours.merge(published(table), on=CELL, how="left", suffixes=("", "_published"))
    distances = [
        (found[name] - found[f"{name}_published"]).abs() / (PART * found[f"{name}_published"]).clip(lower=LEAST)
        for name in FIGURES
    ]
    found["distance"] = pd.concat(distances, axis=1).max(axis=1)
    known = found["distance"].notna()
    found["verdict"] = [
        grade(d, 1.0, CLOSE) if there else "" for d, there in zip(found["distance"], known, strict=True)
    ]
    return found


def verdicts(summary: pd.DataFrame, table: str, shown: list[tuple[str, str]]) -> list[dict[str, str]]:
    """Return rows for the table of all reproductions: the tally, and the QD scores of the cells that are `shown`."""
    judged = summary[summary["verdict"] != ""]
    cells = f"{len(judged)} cells, QD score and coverage"
    rows = [verdict_row(f"{table}, {cells}", SOURCES[table], "", "", tally(judged["verdict"]))]
    for domain, algorithm in shown:
        (found,) = judged[(judged[CELL] == [domain, algorithm]).all(axis=1)].to_dict("records")
        ours = statistics.Interval(*(found[f"qd_score{end}"] for end in ("", "_low", "_high")))
        name = f"{algorithm} on {domain}, QD score"
        rows.append(
            figure_row(name, SOURCES[table], f"{found['qd_score_published']:.2f}", ours, found["verdict"], ".2f")
        )
    return rows


def draw(curves: pd.DataFrame) -> Axes:
    """QD score against evaluations, a panel for each domain and a curve for each algorithm."""
    domains = list(curves["domain"].unique())
    axes = plots.panels(len(domains), min(len(domains), 4), 4.2, 3.4)
    for ax, domain in zip(axes, domains, strict=True):
        drawn = {}
        for name, group in curves[curves["domain"] == domain].groupby("algorithm", sort=False):
            values = group.pivot(index="replicate", columns="evaluations", values="qd_score")
            drawn[str(name)] = (values.columns.to_numpy(), values.to_numpy())
        plots.trend(drawn, "evaluations", "QD score / cells", title=domain, ax=ax)
    return axes[0]
