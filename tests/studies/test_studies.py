"""What studies share: tables of intervals, and the curves that are drawn."""

import math
from importlib import import_module
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from places import ROOT
from refusals import refused

from evovae.analysis import statistics
from evovae.studies import curves, intervals
from evovae.studies.script import results_folder

generator = np.random.default_rng(4)
TABLE = pd.DataFrame(
    [
        {
            "model": model,
            "size": size,
            "seed": seed,
            "error": generator.random(),
            "gap": generator.random(),
            "failed": size > seed,
        }
        for model in ("vae", "ae")
        for size in (8, 2)
        for seed in range(5)
    ]
)


def test_intervals_are_of_means_and_shares_of_each_group_in_their_order():
    found = intervals(TABLE, ["model", "size"], ["error", "gap", "failed"])
    assert list(zip(found["model"], found["size"], strict=True)) == [("vae", 8), ("vae", 2), ("ae", 8), ("ae", 2)]
    assert found["replicates"].tolist() == [5] * 4
    for row in found.to_dict("records"):
        group = TABLE[(TABLE["model"] == row["model"]) & (TABLE["size"] == row["size"])]
        for name in ("error", "gap", "failed"):
            find = statistics.share_interval if name == "failed" else statistics.mean_interval
            expected = find(group[name].to_numpy())
            assert (row[name], row[f"{name}_low"], row[f"{name}_high"]) == tuple(expected)


def test_curves_have_a_row_for_each_seed_and_a_column_for_each_x_in_order():
    drawn = curves(TABLE, "model", "size", "error")
    assert list(drawn) == ["vae", "ae"]
    sizes, values = drawn["ae"]
    assert sizes.tolist() == [2, 8]
    of_ae = TABLE[TABLE["model"] == "ae"].set_index(["size", "seed"])["error"]
    assert values[3].tolist() == [of_ae[2, 3], of_ae[8, 3]]


BAD = {
    "sample_growth": [{"seeds": 0}],
    "latent_size": [{"seeds": -1}],
    "denoising": [{"seeds": 0}],
    "optimisers": [{"vaes": 0}, {"replicates": 0}, {"budget": 0}],
    "latent_map": [{"seeds": 0}, {"images": 0}, {"images": 10_001}],
    "initialisation": [{"seeds": 0}],
    "reparameterisation": [
        {"seeds": 0}, {"iterations": 9}, {"samples": (1, 0)}, {"samples": ()}, {"repetitions": 1}, {"images": 10_001},
        {"rates": ()}, {"rates": (0.0,)}, {"rates": (math.nan,)},
    ],
    "compare_encodings": [
        {"digits": ()}, {"digits": (10,)}, {"digits": (3, 3)}, {"groups": 0}, {"replicates": 0}, {"population": 0},
        {"budget": 0}, {"seed": -1},
    ],
    "encoding_budgets": [{"digits": (3, 3)}, {"groups": 0}, {"population": 0}, {"budget": 0}],
    "reproduce_notebook": [{"seeds": 0}],
    "reproduce_example": [{"seeds": 0}],
    "reproduce_iwae": [{"seeds": 0}],
    "reproduce_cma_mae": [{"trials": -1}],
    "reproduce_dqd": [{"trials": -1}],
    "reproduce_swing_up": [{"seeds": 0}],
    "reproduce_lsi": [{"trials": 0}],
    "honest_illumination": [{"models": 0}],
    "speed_illumination": [{"rounds": 0}],
    "latent_diversity": [{"seeds": 0}],
    "pyribs_parity": [{"batches": 0}],
    "reproduce_coil": [{"pipelines": 1}, {"problem": "c3"}],
    "reproduce_fooling": [{"seeds": 0}],
    "speed_judges": [{"steps": ()}, {"steps": (0,)}],
    "speed_busy": [{"rounds": 0}, {"spins": ()}, {"limit": 0}],
    "speed_coil": [{"rounds": 0}],
    "crossover": [
        {"dims": ()}, {"dims": (0,)}, {"dims": (8, 8)}, {"objectives": ()}, {"objectives": ("ink",)},
        {"objectives": ("digit:3", "digit:3")}, {"objectives": ("target:test/x",)}, {"population": 0}, {"seed": -1},
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_a_study_refuses_what_makes_none_in_one_line_that_names_it(name):
    arguments = import_module(f"experiments.{name}").Arguments
    arguments()
    for options in BAD[name]:
        with refused(next(iter(options))):
            arguments(**options)


def test_results_are_left_in_the_checkout_or_below_the_current_folder(tmp_path):
    checkout = ROOT
    assert results_folder(checkout) == checkout / "results"
    site = tmp_path / "lib" / "site-packages"
    site.mkdir(parents=True)
    assert results_folder(site) == Path("results")
