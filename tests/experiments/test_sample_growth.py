"""How many images are needed: known learning curves in, known needs out; and which images a training is measured on."""

from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import sample_growth

from evovae.analysis import mean_interval
from evovae.runs import recording

SIZES = (100, 300, 1000, 3000)


def learned(classes: int, seeds: int = 5) -> pd.DataFrame:
    """Errors that fall as 0.005 + 0.5 / sqrt(n), and as 50 + 1000 / sqrt(n), for one class; twice the n for two."""
    rows = []
    for seed in range(seeds):
        for n in (*SIZES, 4000 + seed):
            root = np.sqrt(classes / n)
            row = {"classes": classes, "seed": seed, "n": n, "size": str(n) if n in SIZES else "all"}
            rows.append(row | {"test_mse": 0.005 + 0.5 * root, "test_loss": 50.0 + 1000.0 * root})
    return pd.DataFrame(rows).sort_values(["classes", "n"])


def test_the_need_is_read_off_each_curve_and_the_law_is_the_one_that_made_it():
    table = pd.concat([learned(1), learned(2)])
    found = pd.DataFrame(sample_growth.describe(table)).set_index(["classes", "quality"])
    assert len(found) == 6
    for classes in (1, 2):
        row = found.loc[(classes, "MSE 0.01")]
        exact = classes * (0.5 / 0.005) ** 2  # 10,000 and more, beyond what was measured
        assert row["needed"] == np.inf
        assert row["by_law"] == pytest.approx(exact, rel=0.01)
        law = [row["floor"], row["scale"], row["exponent"]]
        assert law == pytest.approx([0.005, 0.5 * classes**0.5, 0.5], rel=0.01)
        near = found.loc[(classes, "-ELBO +10%")]
        most = 1.1 * (50 + 1000 * (classes / 4002) ** 0.5)
        exact = classes * (1000 / (most - 50)) ** 2
        assert near["by_law"] == pytest.approx(exact, rel=0.02)
        low, high = (50 + 1000 * (classes / n) ** 0.5 for n in (1000, 3000))
        between = 1000 * 3 ** ((low - most) / (low - high))
        assert near["needed"] == pytest.approx(between, rel=1e-3), "where the line in log n meets the target"
        assert near["per_class"] == pytest.approx(near["needed"] / classes)
        assert near["needed_low"] <= near["needed"] <= near["needed_high"]
        assert near["replicates"] == 5


def test_the_interval_of_a_law_is_that_of_what_each_replicate_adds_to_it(monkeypatch):
    """Of a mean, each adds itself."""
    table = learned(1)
    table["test_mse"] += 0.001 * table["seed"] ** 2
    monkeypatch.setattr(
        sample_growth, "describe_law", lambda n, errors, measure, most, which: [errors[which, 0].mean()] * 4
    )
    row = next(sample_growth.describe(table))
    expected = mean_interval(table.loc[table["size"] == "100", "test_mse"])
    for name in ("floor", "scale", "exponent", "by_law"):
        assert [row[name], row[f"{name}_low"], row[f"{name}_high"]] == pytest.approx(list(expected))


def test_a_training_is_measured_on_test_images_of_its_classes_beside_those_it_learned(monkeypatch, tmp_path):
    asked = []

    def evaluate(vae, part, seed):
        asked.append(part)
        return SimpleNamespace(elbo=-float(len(part)))

    monkeypatch.setattr(sample_growth, "evaluate", evaluate)
    monkeypatch.setattr(
        sample_growth, "fit_until_best", lambda vae, images, held_back, config: (vae, 50, len(images) == 20)
    )
    with recording(tmp_path / "run", "cell", {}) as run:
        sample_growth.train(run, [0, 1], 20, seed=3, limit=5)
    row = run.read_table("measures.csv").iloc[0]
    assert (row["train_loss"], row["test_loss"], row["gap"]) == (20, 980 + 1135, 980 + 1135 - 20)
    assert (row["iterations"], row["capped"]) == (50, 1)
    assert 0.05 < row["test_mse"] < 0.5, "of an untrained model, between black and grey"
    assert all(set(part.labels.tolist()) == {0, 1} for part in asked)


def test_what_is_held_back_is_not_learned(digits):
    learned_from, held_back = sample_growth.split(digits.train.subset(3000, seed=0), [4, 7])
    seen, other = ({image.numpy().tobytes() for image in part.images} for part in (learned_from, held_back))
    assert not seen & other
    assert len(held_back) == pytest.approx(len(learned_from) / 9, abs=2)


def test_a_grid_is_in_the_order_of_n():
    found = sample_growth.grid(learned(1), "n")
    assert found[:, :4].tolist() == [list(SIZES)] * 5
    assert found[:, 4].tolist() == [4000, 4001, 4002, 4003, 4004]
