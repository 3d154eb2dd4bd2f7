"""Whether what was found counts as reproduced: the rules of the experiments that set published results beside ours."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

sys.path.append(str(Path(__file__).parents[1] / "experiments"))
import reproduce_coil
import reproduce_example
from fooling.verdicts import PYRIBS, judge_digits, judge_speed


@pytest.mark.parametrize(
    ("shift", "verdict"), [(0.45, "reproduced"), (-0.45, "reproduced"), (0.9, "close"), (1.1, "not reproduced")]
)
def test_the_examples_vae_is_reproduced_within_half_a_nat_and_close_within_one(shift, verdict):
    losses = reproduce_example.PUBLISHED + shift + np.array([-0.2, -0.1, 0.1, 0.2])
    table = reproduce_example.judge(pd.DataFrame({"weights": "torch's", "test_loss": losses}))
    (row,) = table.to_dict("records")
    assert row["verdict"] == verdict
    assert row["ours"] == pytest.approx(losses.mean())
    assert losses.min() <= row["low"] < row["ours"] < row["high"] <= losses.max()


def fooled(early, last, seeds=3):
    """Ten digits, of which the first `early` are sure at generation 49 and the others at 50, ending with `last`."""
    rows = [
        {"seed": seed, "digit": digit, "generation": generation, "confidence": confidence}
        for seed in range(seeds)
        for digit in range(10)
        for generation, confidence in ((1, 0.2), (49, 0.9999 if digit < early else 0.99), (50, 0.9999), (200, last))
    ]
    return pd.DataFrame(rows)


def test_nguyens_figures_are_reproduced_by_one_early_digit_and_a_sure_median():
    assert judge_speed(fooled(1, 0.9999))["verdict"].tolist() == ["reproduced", "reproduced"]
    table = judge_speed(fooled(0, 0.9998))
    assert table["verdict"].tolist() == ["not reproduced", "not reproduced"]
    assert table["ours"].tolist() == [0, 0.9998]
    assert judge_speed(fooled(4, 0.9999))["ours"].tolist() == [4, 0.9999]


def test_nguyens_figures_are_those_of_the_median_replicate_with_an_interval_over_replicates():
    tables = [fooled(early, 0.999 + early / 10_000, seeds=1).assign(seed=early) for early in range(1, 10)]
    count, median = judge_speed(pd.concat(tables)).to_dict("records")
    assert (count["ours"], count["replicates"]) == (5, 9)
    assert 1 <= count["low"] < 5 < count["high"] <= 9
    assert median["ours"] == pytest.approx(0.9995)
    assert median["low"] < median["ours"] < median["high"]


def test_a_digit_of_pyribs_is_reproduced_within_a_twentieth_and_close_within_three():
    shifts = np.array([0, 0.04, -0.04, -0.06, -0.14, 0.06, -0.16, -0.5, 0, 0.049])
    found = pd.DataFrame({"digit": list(range(10)) * 4, "confidence": list(np.array(PYRIBS) + shifts) * 4})
    near, close, far = "reproduced", "close", "not reproduced"
    assert judge_digits(found)["verdict"].tolist() == [near] * 3 + [close] * 3 + [far] * 2 + [near] * 2


def runs_of(method, factor=1.0, pipelines=1, spread=0.0, seed=0):
    """100 runs a pipeline, about 100 from the optimum and 50 from the constraint, `factor` times as far."""
    generator = np.random.default_rng(seed)
    level = generator.normal(1.0, spread, (pipelines, 1))  # a pipeline's runs share it
    near = [100 * factor, 50 * factor] * (level + generator.normal(0.0, 0.1, (pipelines, 100)))[..., None]
    table = pd.DataFrame(near.reshape(-1, 2), columns=list(reproduce_coil.DISTANCES))
    return table.assign(method=method, variables=3, pipeline=np.repeat(np.arange(pipelines), 100))


@pytest.mark.parametrize(("factor", "verdict"), [(1.0, "reproduced"), (1.3, "close"), (3.0, "not reproduced")])
@pytest.mark.parametrize(("method", "pipelines", "spread"), [("ga", 1, 0.0), ("coil", 10, 0.05)])
def test_coils_cells_are_compared_by_runs_for_the_ga_and_by_pipelines_for_coil(
    method, pipelines, spread, factor, verdict
):
    ours = runs_of(method, pipelines=pipelines, spread=spread)
    (row,) = reproduce_coil.compare(ours, runs_of(method, factor, seed=1)).to_dict("records")
    assert row["verdict"] == verdict


def test_one_more_pipeline_of_coil_may_lie_where_its_runs_would_be_told_apart():
    ours, published = runs_of("coil", pipelines=10, spread=0.05), runs_of("coil", 1.07, seed=1)
    (row,) = reproduce_coil.compare(ours, published).to_dict("records")
    assert row["verdict"] == "reproduced"
    assert reproduce_coil.judge(row | {"method": "ga"}) == "close"


def test_runs_that_nobody_published_stand_alone():
    table = reproduce_coil.compare(runs_of("coil", pipelines=3, spread=0.05), runs_of("coil").iloc[:0])
    assert [name for name in table if "published" in name or name.endswith("_p") or name == "verdict"] == []
    assert table["distance_from_optimal_low"].iloc[0] < 100 < table["distance_from_optimal_high"].iloc[0]


def test_the_tests_of_all_sizes_of_a_method_are_corrected_together():
    name = reproduce_coil.DISTANCES[0]
    ours, published = runs_of("ga"), runs_of("ga", 1.05, seed=1)
    alone = reproduce_coil.compare(ours, published)[f"{name}_p"].iloc[0]
    sizes = range(1, 11)
    many = reproduce_coil.compare(
        pd.concat([ours.assign(variables=v) for v in sizes]),
        pd.concat([(published if v == 3 else ours).assign(variables=v) for v in sizes]),
    )
    assert many.loc[many["variables"] == 3, f"{name}_p"].iloc[0] > alone
    assert (many.loc[many["variables"] != 3, "verdict"] == "reproduced").all()
