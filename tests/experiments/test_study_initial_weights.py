"""Which initial weights would take the default's place: known -ELBOs in, known verdicts out."""

import initial_weights
import numpy as np
import pandas as pd
import pytest
from initial_weights import GRID, compare, holm, judge

from evovae.models import VAEConfig
from evovae.studies import intervals

SETS = ("a", "b", "c", "d")


def told(**percent: tuple[float, ...]) -> pd.DataFrame:
    """Measures of two seeds: lecun has 100 and 200 nats, others so many percent more on each set."""
    rows = []
    for scheme, added in ({"lecun": (0.0,) * 5} | percent).items():
        for (model, name), more in zip([*(("mlp", name) for name in SETS), ("conv", "a")], added, strict=True):
            for seed, nelbo in enumerate((100.0, 200.0)):
                row = {"model": model, "set": name, "scheme": scheme, "seed": seed}
                rows.append(row | {"nelbo": nelbo * (1 + more / 100)})
    return pd.DataFrame(rows)


def verdicts(**percent: tuple[float, ...]) -> pd.DataFrame:
    measures = compare(told(**percent))
    sets = measures.groupby(initial_weights.BY, sort=False)["percent"].mean().reset_index()
    fully = sets[(sets["model"] == "mlp") & (sets["scheme"] != "lecun")]
    return judge(intervals(fully, ["scheme"], ["percent"]), sets).set_index("scheme")


def test_a_difference_is_from_lecun_with_the_same_seed_on_the_same_set() -> None:
    measures = compare(told(torch=(-1.0, 2.0, 0.0, 0.0, 3.0))).set_index(["scheme", "model", "set", "seed"])
    assert measures.loc[("torch", "mlp", "b", 1), ["nats", "percent"]].to_list() == pytest.approx([4.0, 2.0])
    assert measures.loc[("torch", "conv", "a", 0), ["nats", "percent"]].to_list() == pytest.approx([3.0, 3.0])
    assert (measures.loc["lecun", ["nats", "percent"]] == 0).all(axis=None)


@pytest.mark.parametrize(
    ("percent", "verdict"),
    [
        ((-1.0, -1.1, -0.9, -1.0, 0.9), "better"),
        ((-1.0, -1.1, -0.9, -1.0, 1.1), "not shown better"),  # too bad on one set
        ((-1.0, -3.0, 1.0, 0.9, 0.0), "not shown better"),  # too far apart
        ((0.5, 0.6, 0.4, 0.5, 0.0), "not shown better"),  # surely worse
    ],
)
def test_a_scheme_is_better_if_it_surely_is_on_average_and_bad_on_no_set(percent, verdict) -> None:
    found = verdicts(torch=percent, he=(0.0, 0.1, -0.1, 0.0, 0.0), glorot=(5.0, 1.0, 1.0, 1.0, 1.0))
    assert found.loc["torch", "verdict"] == verdict
    assert found.loc["torch", "percent"] == pytest.approx(np.mean(percent[:4])), "conv has no part in the mean"
    assert found.loc["glorot", ["worst", "worst_set"]].to_list() == [pytest.approx(5.0), "mlp, a"]


def test_p_values_are_adjusted_for_their_number() -> None:
    assert holm(np.array([0.03, 0.01, 0.6])) == pytest.approx([0.06, 0.03, 0.6])
    assert holm(np.array([0.04, 0.03, 0.02])) == pytest.approx([0.06, 0.06, 0.06])
    assert holm(np.array([0.5, 0.6, 0.7])) == pytest.approx([1.0, 1.0, 1.0])


def test_nine_sets_are_for_the_verdict_and_the_default_is_what_it_is_measured_against() -> None:
    assert len(GRID["mlp"]) == 9
    assert VAEConfig().initialisation in initial_weights.SCHEMES
