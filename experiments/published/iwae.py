"""Published figures of importance-weighted autoencoders, and the rules that hold ours against them."""

from itertools import product

import pandas as pd

from evovae.analysis import Interval
from evovae.studies import NOT_REPRODUCED, REPRODUCED, figure_row, grade, verdict_row

SOURCE = "Burda et al. 2016, table 1"
PUBLISHED = {
    ("IWAE", 1): (86.76, 19),
    ("VAE", 5): (86.47, 20),
    ("VAE", 50): (86.35, 20),
    ("IWAE", 5): (85.54, 22),
    ("IWAE", 50): (84.78, 25),
}
"""NLL in nats, and active units of 50."""
MODEL, FIGURES = ["model", "k"], ["nll", "active_units"]
NEAR, NOT_FAR = {"nll": 0.3, "active_units": 1.0}, {"nll": 1.0, "active_units": 3.0}
"""Distances up to which a figure is reproduced, and close."""
STAGES = 8
ORDERS = [
    ("IWAE, k = 5 before k = 1", ("IWAE", 5), ("IWAE", 1)),
    ("k = 5, IWAE before VAE", ("IWAE", 5), ("VAE", 5)),
]
"""Which models are better than which by what was published: of lower NLL, with more active units."""


def epochs_until(stage: int) -> int:
    """Return the epochs up to the end of a stage, counted from 0."""
    return (3 ** (stage + 1) - 1) // 2


def judge_orders(found: pd.DataFrame) -> list[dict[str, str]]:
    """Return a row for each of the orders that is published of models that were trained, with the range of either.

    Columns of `found`: model, k, epochs, nll, active_units; a row for each model that was trained.
    """
    truncated = "" if found["epochs"].min() == epochs_until(STAGES - 1) else ", runs truncated"
    rows = []
    for (result, better, worse), (name, sign, form) in product(
        ORDERS, (("nll", -1, ".2f"), ("active_units", 1, ".1f"))
    ):
        mine, other = (found.loc[(found[MODEL] == list(kind)).all(axis=1), name] for kind in (better, worse))
        if mine.empty or other.empty:
            continue
        theirs = " and ".join(str(PUBLISHED[kind][FIGURES.index(name)]) for kind in (better, worse))
        ours = f"{mine.mean():{form}} and {other.mean():{form}}"
        verdict = f"order {REPRODUCED if (sign * mine).min() > (sign * other).max() else NOT_REPRODUCED}"
        ends = ", ".join(f"{values.min():{form}} to {values.max():{form}}" for values in (mine, other))
        what = f"{result}: {name.replace('_', ' ').replace('nll', 'NLL')}"
        rows.append(verdict_row(what, SOURCE, theirs, ours, verdict + truncated, f"{ends} (range)"))
    return rows


def judge_figures(summary: pd.DataFrame) -> list[dict[str, str]]:
    """Return a row for each published figure of the whole schedule."""
    rows = []
    for found, (name, form) in product(summary.to_dict("records"), (("nll", ".2f"), ("active_units", ".1f"))):
        ours, published = (found[name], found[f"{name}_low"], found[f"{name}_high"]), found[f"{name}_published"]
        verdict = grade(abs(ours[0] - published), NEAR[name], NOT_FAR[name])
        result = f"{found['model']}, k = {found['k']}, {name.replace('_', ' ').replace('nll', 'NLL')}"
        rows.append(figure_row(result, SOURCE, f"{published:g}", Interval(*ours), verdict, form))
    return rows
