"""Published confidences in fooling images, and the rules, fixed before the full run, that hold ours against them."""

import numpy as np
import pandas as pd

from evovae import statistics
from evovae.reproduction import NOT_REPRODUCED, REPRODUCED, figure_row, grade, tally, verdict_row
from evovae.statistics import Interval
from evovae.studies import intervals

PYRIBS = (0.949, 0.721, 0.981, 0.987, 0.981, 0.918, 0.976, 0.967, 0.999, 0.915)
"""Confidence by digit, of pyribs' one run."""
SURE, EARLY = 0.9999, 50
NEAR, NOT_FAR = 0.05, 0.15
"""Distances of a confidence up to which it is reproduced, and close."""
NGUYEN_SOURCE, PYRIBS_SOURCE = "Nguyen et al. 2015", "pyribs' example"


def judge_speed(history: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each of Nguyen et al.'s two figures: the median replicate, its interval, and the verdict.

    Columns of `history`: seed, digit, generation, confidence.
    """
    early = history[history["generation"] < EARLY].groupby(["seed", "digit"])["confidence"].max()
    last = history[history["generation"] == history["generation"].max()]
    figures = [
        (f"digits at 99.99% before generation {EARLY}", "some", (early >= SURE).groupby("seed").sum(), 1),
        ("median confidence at the end", SURE, last.groupby("seed")["confidence"].median(), SURE),
    ]
    rows = []
    for result, published, values, least in figures:
        ours = statistics.bootstrap(values.to_numpy(), np.median)
        row = {"result": result, "published": published, "replicates": len(values)}
        row |= dict(zip(("ours", "low", "high"), ours, strict=True))
        rows.append(row | {"verdict": REPRODUCED if ours.estimate >= least else NOT_REPRODUCED})
    return pd.DataFrame(rows)


def judge_digits(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each digit of pyribs' example: confidence there, ours with its interval, and the verdict.

    Columns of `found`: digit from 0 to 9 in this order, confidence; a row for each digit and replicate.
    """
    table = intervals(found, ["digit"], ["confidence"])
    distances = (table["confidence"] - np.array(PYRIBS)).abs()
    return table.assign(published=PYRIBS, verdict=[grade(distance, NEAR, NOT_FAR) for distance in distances])


def verdicts(speed: pd.DataFrame, digits: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rows of both sources, of what `judge_speed` and `judge_digits` gave."""
    early, last = (
        (Interval(found["ours"], found["low"], found["high"]), found["verdict"]) for found in speed.to_dict("records")
    )
    return [
        figure_row("fooling images, digits at 99.99% before generation 50", NGUYEN_SOURCE, "some", *early, ".0f"),
        figure_row("the same, median confidence at generation 200", NGUYEN_SOURCE, "99.99%", *last, ".4%"),
        verdict_row(
            "fooling images, confidence by digit after 900,000 evaluations",
            PYRIBS_SOURCE,
            f"{min(PYRIBS):.2f} to {max(PYRIBS):.2f}",
            f"{digits['confidence'].min():.2f} to {digits['confidence'].max():.2f}",
            tally(digits["verdict"]),
        ),
    ]
