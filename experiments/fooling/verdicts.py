"""How far what was found agrees with what was published, by rules that were fixed before the full run."""

import numpy as np
import pandas as pd

from evovae import statistics
from evovae.studies import intervals

PYRIBS = (0.949, 0.721, 0.981, 0.987, 0.981, 0.918, 0.976, 0.967, 0.999, 0.915)
"""Confidence by digit, of pyribs' one run."""
SURE, EARLY = 0.9999, 50
REPRODUCED, CLOSE = 0.05, 0.15


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
        rows.append(row | {"verdict": "reproduced" if ours.estimate >= least else "not reproduced"})
    return pd.DataFrame(rows)


def judge_digits(found: pd.DataFrame) -> pd.DataFrame:
    """Return a row for each digit of pyribs' example: confidence there, ours with its interval, and the verdict.

    Columns of `found`: digit from 0 to 9 in this order, confidence; a row for each digit and replicate.
    """
    table = intervals(found, ["digit"], ["confidence"])
    distance = (table["confidence"] - np.array(PYRIBS)).abs()
    verdict = np.select([distance <= REPRODUCED, distance <= CLOSE], ["reproduced", "close"], "not reproduced")
    return table.assign(published=PYRIBS, verdict=verdict)
