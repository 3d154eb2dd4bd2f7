"""Published figures of importance-weighted autoencoders, and the rules that hold ours against them."""

from itertools import product

import pandas as pd

from evovae.analysis import Interval, statistics
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


def epochs_until(stage: int) -> int:
    """Return the epochs up to the end of a stage, counted from 0."""
    return (3 ** (stage + 1) - 1) // 2


def judge_orders(found: pd.DataFrame) -> list[dict[str, str]]:
    """Return a row for each order that is published of IWAEs with k = 5 and k = 1: of their NLL and active units.

    Columns of `found`: model, k, epochs, nll, active_units; a row for each model that was trained.
    """
    truncated = "" if found["epochs"].min() == epochs_until(STAGES - 1) else ", runs truncated"
    rows = []
    for name, result, sign, form in (
        ("nll", "IWAE, k = 5 below k = 1 in NLL", -1, ".2f"),
        ("active_units", "IWAE, active units, k = 5 above k = 1", 1, ".1f"),
    ):
        five, one = (found.loc[(found["model"] == "IWAE") & (found["k"] == k), name].to_numpy() for k in (5, 1))
        (mine, *mine_ends), (other, *other_ends) = statistics.mean_interval(five), statistics.mean_interval(one)
        theirs = " and ".join(str(PUBLISHED["IWAE", k][FIGURES.index(name)]) for k in (5, 1))
        verdict = f"order {REPRODUCED if (sign * five).min() > (sign * one).max() else NOT_REPRODUCED}"
        ends = ", ".join(f"{low:{form}} to {high:{form}}" for low, high in (mine_ends, other_ends))
        rows.append(verdict_row(result, SOURCE, theirs, f"{mine:{form}} and {other:{form}}", verdict + truncated, ends))
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
