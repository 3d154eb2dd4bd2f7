"""Whether a larger budget closes a gap: known tables in, known verdicts out."""

from itertools import product

import encoding_budgets
import pandas as pd
import pytest
from encoding_budgets import COMPARED, LATENT, MEASURES, MOST, MOST_DRAWN, TIMES
from studying import Kept

GROUPS = 5
FITNESS = {LATENT: lambda times: 10.0, "pixels": lambda times: times / 5.0, "PCA": lambda times: 10.0, "CPPN": float}
"""Pixels overtake the latent space, what that had and what it has, between 30 and 100 times the budget."""


def tell(kind: str, number: int, encoding: str, method: str, times: int, seed: int) -> dict[str, object]:
    noise = 0.01 * ((seed * (3 if encoding == LATENT else 2)) % GROUPS)
    fitness = FITNESS[encoding](times) + noise + number - 3.0 * (method != "evolution")
    row = {"kind": kind, "objective": f"{kind}:{number}", "encoding": encoding, "method": method, "times": times}
    return row | {"seed": seed, "fitness": fitness} | {name: -fitness for name in MEASURES[1:]}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    rows = []
    for kind, number, encoding, seed, times in product(("digit", "target"), range(2), MOST, range(GROUPS), TIMES):
        for method, most in (("evolution", MOST[encoding]), ("random search", MOST_DRAWN)):
            if times <= most:
                rows.append(tell(kind, number, encoding, method, times, seed))
    kept = Kept(tmp_path_factory.mktemp("budgets"))
    encoding_budgets.write_tables(pd.DataFrame(rows), kept)
    encoding_budgets.draw(pd.DataFrame(rows), kept)
    return kept.tables


def test_the_summary_is_of_groups_averaged_over_objectives(tables):
    rows = tables["summary"].set_index(["kind", "encoding", "method", "times"])
    row = rows.loc["digit", "pixels", "evolution", 30]
    assert (row["replicates"], row["fitness"]) == (GROUPS, pytest.approx(6.0 + 0.02 + 0.5))
    assert ("digit", "CPPN", "evolution", 30) not in rows.index


def test_pixels_are_behind_until_they_are_ahead_and_equals_are_undecided(tables):
    rows = tables["gaps"].set_index(["kind", "encoding", "against", "times"]).sort_index()
    for against in ("as many", "the budget"):
        pixels = rows.loc["digit", "pixels", against]
        assert pixels["fitness_verdict"].to_list() == ["behind"] * 4 + ["ahead"]
        assert pixels["held_out_verdict"].to_list() == ["ahead"] * 4 + ["behind"]
        assert (rows.loc["target", "PCA", against]["fitness_verdict"] == "undecided").all()
    assert LATENT not in rows.index.get_level_values("encoding")


def test_a_gap_is_from_the_same_group_after_as_many_evaluations_or_after_the_budget():
    rows = [
        {"kind": "digit", "encoding": encoding, "method": "evolution", "times": times, "seed": seed}
        | dict.fromkeys(COMPARED, base * times + seed)
        for (encoding, base), times, seed in product(((LATENT, 1.0), ("pixels", 2.0)), TIMES, range(2))
    ]
    found = encoding_budgets.differences(pd.DataFrame(rows)).set_index(["against", "times", "seed"])["fitness"]
    assert found["as many", 30].to_list() == [30.0, 30.0]
    assert found["the budget", 30].to_list() == [59.0, 59.0]
