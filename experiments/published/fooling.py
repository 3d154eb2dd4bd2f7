"""Published confidences in fooling images, and the rules, fixed before the full run, that hold ours against them."""

import numpy as np
import pandas as pd

from evovae.analysis import Interval, statistics
from evovae.studies import NOT_REPRODUCED, REPRODUCED, figure_row, grade, tally, verdict_row

PYRIBS = (0.949, 0.721, 0.981, 0.987, 0.981, 0.918, 0.976, 0.967, 0.999, 0.915)
"""Confidence by digit, of pyribs' one run."""
SURE, EARLY, GENERATIONS = 0.9999, 50, 200
"""Confidence, and the generations before and at which Nguyen et al. report it."""
EVALUATIONS = 900_000
"""Of pyribs' example."""
NEAR, NOT_FAR = 0.05, 0.15
"""Distances of a confidence up to which it is reproduced, and close."""
SPEEDS = ["early", "sure_from", "median"]
NGUYEN_SOURCE, PYRIBS_SOURCE = "Nguyen et al. 2015", "pyribs' example"


def speeds(history: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each set-up and replicate: how soon its digits were sure.

    Columns of `history`: setup, seed, digit, generation, confidence. Columns returned: setup, seed, `early`, the digits
    that were sure before generation 50, `sure_from`, the generation from which the median digit was (NaN: never), and
    `median`, its confidence after the last generation.
    """
    rows = []
    for (setup, seed), group in history.groupby(["setup", "seed"], sort=False):
        best = group[group["generation"] < EARLY].groupby("digit")["confidence"].max()
        median = group.groupby("generation")["confidence"].median()
        sure_from = median.index[median >= SURE].min()
        rows.append((setup, seed, (best >= SURE).sum(), sure_from, median.iloc[-1]))
    return pd.DataFrame(rows, columns=["setup", "seed", *SPEEDS])


def judge_speed(replicates: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each of Nguyen et al.'s two figures: the median replicate, its interval, and the verdict.

    `replicates` are those of `speeds`, of one set-up.
    """
    figures = [
        (f"digits at {SURE:.2%} before generation {EARLY}", "some", replicates["early"], 1),
        (f"median confidence at generation {GENERATIONS}", f"{SURE:.2%}", replicates["median"], SURE),
    ]
    rows = []
    for result, published, values, least in figures:
        ours = statistics.median_interval(values)
        row = {"result": result, "published": published, "replicates": len(values)}
        row |= dict(zip(("ours", "low", "high"), ours, strict=True))
        rows.append(row | {"verdict": REPRODUCED if ours.estimate >= least else NOT_REPRODUCED})
    return pd.DataFrame(rows)


def judge_digits(table: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each digit of pyribs' example: confidence there, ours with its interval, and the verdict.

    `table` has the means over replicates: columns digit, from 0 to 9 in this order, and confidence.
    """
    distances = (table["confidence"] - np.array(PYRIBS)).abs()
    return table.assign(published=PYRIBS, verdict=[grade(distance, NEAR, NOT_FAR) for distance in distances])


def verdicts(speed: pd.DataFrame, digits: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rows of both sources, of what `judge_speed` and `judge_digits` gave."""
    rows = [
        figure_row(
            f"fooling images, {found['result']}",
            NGUYEN_SOURCE,
            found["published"],
            Interval(found["ours"], found["low"], found["high"]),
            found["verdict"],
            form,
        )
        for found, form in zip(speed.to_dict("records"), (".0f", ".4%"), strict=True)
    ]
    theirs, ours = (f"{min(values):.2f} to {max(values):.2f}" for values in (PYRIBS, digits["confidence"]))
    result = f"fooling images, confidence by digit after {EVALUATIONS:,} evaluations"
    return [*rows, verdict_row(result, PYRIBS_SOURCE, theirs, ours, tally(digits["verdict"]))]
