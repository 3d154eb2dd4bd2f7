"""The study of crossover: where codes lie, how far a search drifts, what is drawn of it; known numbers in and out."""

from types import SimpleNamespace

import crossover
import numpy as np
import pandas as pd
import pytest
import torch
from studying import Kept

import evovae
from evovae import VAE, VAEConfig
from evovae.runs import recording
from evovae.studies.trajectories import Course

DIM = 4  # whose shell has the radius 2


@pytest.fixture
def vae(monkeypatch):
    vae = VAE(VAEConfig(latent_dim=DIM, hidden=(8,)))
    monkeypatch.setattr(VAE, "load", lambda path: vae)
    return vae


def test_codes_are_told_in_units_of_the_shell_with_what_each_support_holds_of_them(vae, monkeypatch, tmp_path):
    lengths = torch.tensor([0.5, 1.0, 2.0, 3.5, 8.0])
    codes = torch.nn.functional.one_hot(torch.zeros(5, dtype=torch.int64), DIM) * lengths.unsqueeze(1)
    monkeypatch.setattr(vae, "encode", lambda x: (codes, None))
    row = crossover.describe_codes(Kept(tmp_path), DIM)
    assert row["dim"] == DIM
    assert [row[f"norm_{q}%"] for q in (1, 50, 99)] == pytest.approx([0.26, 1.0, 3.91], abs=0.01)
    held = {support: row[f"in_{support}"] for support in ("free", "box", "ball", "shell")}
    assert held == pytest.approx({"free": 1.0, "box": 0.6, "ball": 0.8, "shell": 0.2})


@pytest.mark.parametrize(("operator", "method"), [("cxSlerp", "evolution"), (crossover.DRAWN, "random search")])
def test_a_cell_has_the_best_at_the_budget_and_norms_in_units_of_the_shell(
    vae, monkeypatch, tmp_path, operator, method
):
    generations = torch.stack([torch.full((2, DIM), norm / 2) for norm in (1.0, 6.0, 9.0)])  # G R D
    course = Course(
        evaluations=np.array([[10, 20, 40], [10, 24, 30]]),
        best=np.array([[1.0, 2.0, 3.0], [1.0, 2.5, 3.0]], dtype=np.float32),
        genomes=generations,
        norm=np.array([[1.0, 4.0, 9.0], [1.0, 5.0, 9.0]], dtype=np.float32),
    )
    asked = []
    monkeypatch.setattr(crossover, "follow", lambda *given: asked.append(given) or course)
    monkeypatch.setattr(
        crossover, "assess_images", lambda images, label, *_, real: pd.DataFrame({"label": [label] * len(images)})
    )
    monkeypatch.setattr(evovae, "judges_for", lambda images: SimpleNamespace(judge=None, held_out=None))
    cell = {"dim": DIM, "objective": "target:test/0", "operator": operator, "support": "free"}
    with recording(tmp_path / "run", "cell", {}) as run:
        crossover.search(run, **cell, population=10, budget=25, replicates=2, seed=0)
    found, drift = run.read_table("found.csv"), run.read_table("drift.csv")
    assert asked[0][0] == method
    assert asked[0][3] == 25
    assert found["norm"].tolist() == pytest.approx([3.0, 3.0]), "of the second generation: 22 evaluations on average"
    assert found["population_norm"].tolist() == pytest.approx([2.0, 2.5])
    target = evovae.objectives.target(evovae.load_images("mnist").test.images[0])
    assert found["fitness"].tolist() == pytest.approx(target(vae.decode(generations[1]))[:, 0].tolist())
    assert found["label"].tolist() == [7, 7], "the first test image shows a seven"
    last = drift[drift["evaluations"] == 25]
    assert last["norm"].tolist() == pytest.approx([2.0, 2.5])
    assert set(drift["operator"]) == {operator}


def table(objective: str, dim: int, operator: str, support: str, fitness: float, typicality: float) -> pd.DataFrame:
    cell = {"dim": dim, "objective": objective, "operator": operator, "support": support}
    return pd.DataFrame(cell | {"replicate": range(3), "fitness": fitness, "typicality": typicality})


def test_fitness_is_drawn_upwards_against_typicality_in_the_words_of_its_objective(tmp_path):
    found = pd.concat(
        [
            table("digit:3", 8, "cxBlend", "free", 30.0, 0.2),
            table("digit:3", 8, crossover.DRAWN, "free", 10.0, 0.1),
            table("target:test/0", 8, "cxBlend", "free", 0.01, 0.05),
            table("target:test/0", 8, crossover.DRAWN, "free", 0.03, 0.06),
        ]
    )
    kept = Kept(tmp_path)
    crossover.draw_cost(found, kept)
    digit, target = kept.figures["cost"].figure.axes
    assert [(ax.get_xlabel(), ax.get_ylabel()) for ax in (digit, target)] == [
        ("typicality", "log-odds"),
        ("typicality", "error"),
    ]
    assert (digit.get_yscale(), target.get_yscale()) == ("linear", "log")
    points = {tuple(line.get_xydata()[0].round(6)) for line in digit.lines if len(line.get_xydata()) == 1}
    assert points == {(0.2, 30.0), (0.1, 10.0)}


def test_drift_is_drawn_of_free_populations_alone(tmp_path):
    rows = [
        {"dim": 8, "objective": objective, "operator": operator, "support": support, "seed": seed,
         "evaluations": spent, "norm": (2.0 if support == "free" else 9.0) * spent / 100}
        for objective in ("digit:3", "target:test/0")
        for operator in ("cxBlend", crossover.DRAWN)
        for support in ("free", "ball")
        for seed in range(3)
        for spent in (100, 200)
    ]  # fmt: skip
    kept = Kept(tmp_path)
    crossover.draw_drift(pd.DataFrame(rows), kept)
    for ax in kept.figures["drift"].figure.axes:
        assert ax.get_ylabel() == "norm / sqrt(D)"
        drawn = [line.get_ydata().tolist() for line in ax.lines]
        assert drawn == [[2.0, 4.0], [2.0, 4.0]]
