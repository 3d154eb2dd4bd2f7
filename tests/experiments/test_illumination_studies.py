"""The domains of quality diversity, the rule for published scores, and what is made of measured speeds."""

import math

import numpy as np
import pandas as pd
import pytest
import speed_illumination
import torch
from methods import illumination
from published.illumination import compare, published, verdicts
from torch import Tensor

DIM = 6


def points(*values: float) -> Tensor:
    return torch.tensor([[value] * DIM for value in values])


@pytest.mark.parametrize(
    ("name", "best", "worst"),
    [("sphere", 2.048, -5.12), ("Rastrigin", 2.048, -5.12), ("arm", 0.7, None), ("plateau", -4.9, None)],
)
def test_objectives_are_100_at_best_and_0_at_the_corner(name: str, best: float, worst: float | None) -> None:
    domain = illumination.DOMAINS[name](DIM)
    assert domain.objective(points(best)).tolist() == [[pytest.approx(100.0, abs=1e-4)]]
    around = points(best) + 0.3 * torch.randn(50, DIM, generator=torch.Generator().manual_seed(0))
    assert (domain.objective(around) <= 100.0 + 1e-4).all()
    if worst is not None:
        assert domain.objective(points(worst)).tolist() == [[pytest.approx(0.0, abs=1e-4)]]
    if name == "arm":
        spread = torch.tensor([[1.0, -1.0] * 3])
        assert domain.objective(spread).tolist() == [[pytest.approx(0.0, abs=1e-4)]]
    if name == "plateau":
        assert domain.objective(points(6.12)).tolist() == [[pytest.approx(99.0, abs=1e-3)]]


def test_measures_are_sums_of_halves_that_turn_back_beyond_the_bounds() -> None:
    domain = illumination.DOMAINS["sphere"](DIM)
    genomes = torch.tensor([[1.0, 2.0, 3.0, -1.0, -2.0, 0.0], [10.24, 0.0, 0.0, -51.2, 5.12, 0.0]])
    torch.testing.assert_close(domain.measures(genomes), torch.tensor([[6.0, -3.0], [0.5, 5.02]]))
    assert domain.ranges == ((-15.36, 15.36), (-15.36, 15.36))


def test_the_arm_ends_where_its_joints_turn_it() -> None:
    domain = illumination.DOMAINS["arm"](4)
    straight, turned = domain.measures(torch.tensor([[0.0] * 4, [math.pi / 2, 0.0, 0.0, -math.pi / 2]]))
    torch.testing.assert_close(straight, torch.tensor([4.0, 0.0]))
    torch.testing.assert_close(turned, torch.tensor([1.0, 3.0]), atol=1e-5, rtol=0)
    assert domain.ranges[0] == (-4.0, 4.0)


@pytest.mark.parametrize("name", ["sphere", "arm"])
def test_the_scale_takes_the_gradient_to_that_of_the_raw_function(name: str) -> None:
    domain = illumination.DOMAINS[name](DIM)
    genomes = torch.linspace(-1, 1, DIM).unsqueeze(0).requires_grad_()
    (gradient,) = torch.autograd.grad(domain.objective(genomes).sum(), genomes)
    raw = -2 * (genomes - 2.048) if name == "sphere" else -2 * (genomes - genomes.mean()) / DIM
    torch.testing.assert_close(gradient * domain.scale, raw.detach(), atol=1e-5, rtol=1e-5)


def test_numpys_sphere_and_its_gradients_are_the_domains() -> None:
    genomes = np.random.default_rng(0).normal(0, 4, (30, DIM))
    domain = illumination.DOMAINS["sphere"](DIM)
    objective, measures = speed_illumination.sphere(genomes)
    tensor = torch.from_numpy(genomes).requires_grad_()
    np.testing.assert_allclose(domain.objective(tensor)[:, 0].detach(), objective, rtol=1e-4)
    np.testing.assert_allclose(domain.measures(tensor).detach(), measures, rtol=1e-5)
    gradients = speed_illumination.sphere_gradients(genomes)
    for row, column in enumerate((domain.objective(tensor)[:, 0], *domain.measures(tensor).T)):
        (slope,) = torch.autograd.grad(column.sum(), tensor, retain_graph=True)
        np.testing.assert_allclose(slope, gradients[:, row], rtol=1e-4, atol=1e-9)


@pytest.mark.parametrize(
    ("qd_score", "coverage", "verdict"),
    [
        (64.86, 83.31, "reproduced"),
        (64.86 * 1.029, 83.31, "reproduced"),
        (64.86, 83.31 * 0.969, "close"),
        (64.86 * 1.089, 83.31, "close"),
        (64.86, 83.31 * 0.909, "not reproduced"),
    ],
)
def test_a_cell_is_reproduced_within_three_percent_and_close_within_nine(qd_score, coverage, verdict) -> None:
    rows = {
        "domain": "sphere",
        "algorithm": "CMA-MAE",
        "replicate": range(3),
        "qd_score": qd_score,
        "coverage": coverage,
    }
    summary = compare(pd.DataFrame(rows), "CMA-MAE")
    assert summary["verdict"].tolist() == [verdict]
    tally, figure = verdicts(summary, "CMA-MAE", [("sphere", "CMA-MAE")])
    assert tally["verdict"] == f"1 {verdict}"
    assert figure["reference"] == "64.86"
    assert figure["verdict"] == verdict


def test_small_figures_may_lie_three_tenths_apart_and_what_was_not_published_has_no_verdict() -> None:
    rows = [
        {"domain": domain, "algorithm": "MAP-Elites", "replicate": replicate, "qd_score": score, "coverage": 1.17}
        for domain, score in (("sphere", 1.04 + 0.29), ("Rastrigin", 5.0))
        for replicate in range(2)
    ]
    summary = compare(pd.DataFrame(rows), "DQD")
    assert summary["verdict"].tolist() == ["reproduced", ""]
    assert verdicts(summary, "DQD", [])[0]["result"] == "DQD, 1 cells, QD score and coverage"


def test_published_tables_are_whole() -> None:
    assert len(published("CMA-MAE")) == 12
    assert len(published("DQD")) == 14
    assert published("DQD").notna().all(axis=None)


def test_speeds_are_medians_and_ratios_of_their_round() -> None:
    row = speed_illumination.describe([(40.0, 10.0), (30.0, 10.0), (50.0, 20.0)])
    assert row == {"evovae": 40.0, "pyribs": 10.0, "ratio": 3.0, "least": 2.5, "most": 4.0}
    row = speed_illumination.describe_parts([(0.6, 0.5), (0.5, 0.5), (1.0, 0.5)])
    assert row == {
        "seconds_generation": 0.6,
        "seconds_decoding_and_judging": 0.5,
        "ratio": pytest.approx(1.2),
        "least": 1.0,
        "most": 2.0,
    }
