"""The comparison of encodings: known tables in, known figures out."""

from itertools import product

import compare_encodings
import numpy as np
import pandas as pd
import pytest
from compare_encodings import ENCODINGS, MEASURES, MOMENTS, REAL
from studying import Kept

METHODS = ("evolution", "random search")
REPLICATES = 5


def tell(kind: str, number: int, encoding: str, method: str, moment: float, replicate: int) -> dict[str, object]:
    """What a replicate found: the better the later in the list of encodings, the second objective worse by 1."""
    rank = ENCODINGS.index(encoding) if encoding in ENCODINGS else 9
    fitness = 10.0 * rank + 100.0 * moment + replicate - (method != "evolution") * 5.0 - number
    reached = (300.0, 500.0, np.inf)[number] if encoding == "PCA" else 100.0 + replicate
    row = {"kind": kind, "objective": f"{kind}:{number}", "encoding": encoding, "method": method, "moment": moment}
    row |= {"replicate": replicate, "reached": np.nan if encoding == REAL else reached, "fitness": fitness}
    return row | {name: fitness / 1000 for name in MEASURES[1:]}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    evolved = product(("digit", "target"), range(3), ENCODINGS, METHODS, MOMENTS, range(REPLICATES))
    real = product(("digit", "target"), range(3), (REAL,), (REAL,), (1.0,), range(REPLICATES))
    kept = Kept(tmp_path_factory.mktemp("encodings"))
    compare_encodings.write_tables(pd.DataFrame([tell(*key) for key in (*evolved, *real)]), kept)
    return kept.tables


def test_the_summary_averages_a_replicate_over_objectives_first(tables):
    summary = tables["summary"].set_index(["kind", "encoding", "method", "moment"])
    row = summary.loc["digit", "pixels", "evolution", 0.3]
    assert row["fitness"] == pytest.approx(30 + 30 + 2 - 1), "the mean replicate, the middle objective"
    assert row["fitness_low"] <= row["fitness"] <= row["fitness_high"]
    assert row["fitness_high"] - row["fitness_low"] <= REPLICATES - 1
    assert row["held_out"] == pytest.approx(0.061)
    assert ("target", REAL, REAL, 1.0) in summary.index


def test_each_objective_is_told_at_the_end_of_the_budget(tables):
    rows = tables["objectives"].set_index(["objective", "encoding", "method"])
    assert rows.loc[("digit:2", "VAE latent", "evolution"), "fitness"] == pytest.approx(100 + 2 - 2)
    assert rows.loc[("digit:2", "VAE latent", "random search"), "fitness"] == pytest.approx(100 + 2 - 2 - 5)
    assert len(rows) == 6 * (len(ENCODINGS) * len(METHODS) + 1)


def test_the_time_to_a_quality_is_the_median_over_objectives_and_counts_those_that_reach_it(tables):
    rows = tables["evaluations"].set_index(["kind", "encoding", "method"])
    pca, cppn = (rows.loc[("digit", encoding, "evolution")] for encoding in ("PCA", "CPPN"))
    assert (pca["evaluations"], pca["low"], pca["high"]) == (500, 500, 500), "300, 500 and never"
    assert pca["reached"] == pytest.approx(2 / 3)
    assert cppn["evaluations"] == 102
    assert cppn["reached"] == 1
    assert REAL not in rows.index.get_level_values("encoding")


def test_the_better_encoding_improves_on_the_worse(tables):
    rows = tables["improvement"].set_index(["kind", "encoding", "than"])["probability"]
    assert len(rows) == 2 * len(ENCODINGS) * (len(ENCODINGS) - 1)
    for kind, (worse, one), (better, other) in product(("digit", "target"), *[list(enumerate(ENCODINGS))] * 2):
        if worse < better:
            assert rows[kind, other, one] == 1.0
            assert rows[kind, one, other] == 0.0
