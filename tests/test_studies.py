"""What studies share: tables of intervals, and the curves that are drawn."""

import numpy as np
import pandas as pd

from evovae import statistics
from evovae.studies import curves, intervals

generator = np.random.default_rng(4)
TABLE = pd.DataFrame(
    [
        {"model": model, "size": size, "seed": seed, "error": generator.random(), "gap": generator.random()}
        for model in ("vae", "ae")
        for size in (8, 2)
        for seed in range(5)
    ]
)


def test_intervals_are_the_bootstrap_of_each_group_in_their_order():
    found = intervals(TABLE, ["model", "size"], ["error", "gap"])
    assert list(zip(found["model"], found["size"], strict=True)) == [("vae", 8), ("vae", 2), ("ae", 8), ("ae", 2)]
    assert found["replicates"].tolist() == [5] * 4
    for row in found.to_dict("records"):
        group = TABLE[(TABLE["model"] == row["model"]) & (TABLE["size"] == row["size"])]
        for name in ("error", "gap"):
            expected = statistics.bootstrap(group[name].to_numpy())
            assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == tuple(expected)


def test_curves_have_a_row_for_each_seed_and_a_column_for_each_x_in_order():
    drawn = curves(TABLE, "model", "size", "error")
    assert list(drawn) == ["vae", "ae"]
    sizes, values = drawn["ae"]
    assert sizes.tolist() == [2, 8]
    of_ae = TABLE[TABLE["model"] == "ae"].set_index(["size", "seed"])["error"]
    assert values[3].tolist() == [of_ae[2, 3], of_ae[8, 3]]
