"""What the measurements of speed make of the seconds: known ones in, known figures out."""

from itertools import product

import numpy as np
import pandas as pd
import pytest
import speed_coil
import speed_evolution
import speed_judges
import speed_training
import torch
from studying import keep_results

from evovae.data import ImageSet
from evovae.objectives import Reliability


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch):
    monkeypatch.setattr(torch, "set_num_threads", lambda count: None)


def test_the_notebooks_time_is_that_of_all_its_iterations_and_a_model_that_explains_less_has_no_ratio(
    monkeypatch, tmp_path, capsys
):
    kept = keep_results(monkeypatch, speed_training, tmp_path)
    monkeypatch.setattr(speed_training, "time_notebook", lambda digits, iterations: 0.01 * iterations)
    ends = {
        "default configuration": [(20.0, 105.4), (25.0, 105.1)],
        "notebook's network": [(200.0, 105.5), (125.0, 100)],
    }
    plain = [(40.0, 104.0), (100.0, 106.0)]
    monkeypatch.setattr(speed_training, "time_ours", lambda digits, name, seed, smoke: ends[name][seed])
    monkeypatch.setattr(speed_training, "time_plain", lambda digits, seed, smoke: plain[seed])
    speed_training.main(speed_training.Arguments(rounds=2, iterations=500))
    table = kept.tables["training"]
    assert table["notebook_seconds"].tolist() == pytest.approx([1000.0] * 6), "100,000 iterations of 0.01 s"
    assert table["plain_seconds"].tolist() == [40.0] * 3 + [100.0] * 3
    ratios = table.set_index(["ours", "round"])["ratio"]
    assert ratios["default configuration"].tolist() == pytest.approx([50.0, 40.0])
    assert ratios["notebook's network"].tolist() == pytest.approx([np.nan, 8.0], nan_ok=True)
    assert ratios[speed_training.PLAIN].tolist() == pytest.approx([25.0, np.nan], nan_ok=True)
    assert "the library alone: 3.0 times faster (2.0 to 4.0)" in capsys.readouterr().out


def few(digits: ImageSet, count: int) -> ImageSet:
    part = digits.train.subset(count)
    return ImageSet("few", part, part, digits.classes)


def test_a_training_is_timed_with_its_evaluation_and_tells_minus_the_elbo(monkeypatch, digits):
    clock = iter([10.0, 13.0])
    monkeypatch.setattr(speed_training.time, "perf_counter", lambda: next(clock))
    model = speed_training.evovae.VAEConfig(latent_dim=2, hidden=(4,))
    config = speed_training.evovae.TrainConfig(iterations=1, device="cpu")
    monkeypatch.setitem(speed_training.OURS, "small", (model, config))
    seconds, loss = speed_training.time_ours(few(digits, 64), "small", 0, smoke=False)
    assert seconds == 3.0
    assert 400 < loss < 700, "of an untrained model: 784 pixels of about log 2"


def test_the_plain_loop_learns_and_tells_minus_the_elbo(digits):
    seconds, loss = speed_training.time_plain(few(digits, 1000), 0, smoke=False)
    assert seconds > 0
    assert 100 < loss < 300, "of an untrained model 543: 784 pixels of log 2"


def seconds_of_generations(individuals: tuple[int, ...], rounds: int = 3) -> pd.DataFrame:
    """The second round is as it should be; the first takes half of it, and the third ten times."""
    usual = {"decode": 2.0, "ours": 1.0, "ours, everybody crossed": 4.0, "DEAP": 30.0, "DEAP, batched map": 8.0}
    usual |= {"EvoTorch": 6.0, "EvoTorch, children only": 3.0}
    rows = [
        (number, n, name, seconds * (0.5, 1.0, 10.0)[number] * (1.0 if name == "ours" else 1 + 0.1 * number))
        for number, n, (name, seconds) in product(range(rounds), individuals, usual.items())
    ]
    return pd.DataFrame(rows, columns=["round", "individuals", "contender", "seconds"])


def test_ratios_are_of_one_round_and_told_as_their_median():
    rows = pd.DataFrame(speed_evolution.ratios(seconds_of_generations((1000,)))).set_index("what")
    expected = {
        "generation / decoding everyone": 1 / 2.2,
        "DEAP / ours, a generation": 33.0,
        "DEAP, batched map / ours, a generation": 8.8,
        "EvoTorch / ours, a generation": 6.6,
        "EvoTorch, children only / ours, a generation": 3.3,
        "EvoTorch, children only, everybody crossed / ours, a generation": 0.75,
    }
    assert rows["median"].to_dict() == pytest.approx(expected)
    assert rows.loc["DEAP / ours, a generation", ["least", "most", "seconds"]].tolist() == pytest.approx([30, 36, 1])
    assert rows["reach"].tolist() == pytest.approx([0.75, 14, 6, 2, np.nan, np.nan], nan_ok=True)
    assert (rows["individuals"] == 1000).all()


def test_a_peer_that_is_not_installed_has_empty_rows_and_sizes_that_were_not_measured_none():
    seconds = seconds_of_generations((100,))
    rows = pd.DataFrame(speed_evolution.ratios(seconds[~seconds["contender"].str.startswith("EvoTorch")]))
    assert rows["individuals"].tolist() == [100] * 4
    empty = rows[rows["what"].str.contains("not installed")]
    assert len(empty) == 3
    assert empty["median"].isna().all()


def test_a_step_is_timed_over_as_many_as_fill_the_time(monkeypatch):
    clock = iter(np.arange(0.0, 10.0, 0.25))
    monkeypatch.setattr(speed_evolution.time, "perf_counter", lambda: next(clock))
    assert speed_evolution.time_step(iter([None] * 9), 1.0, torch.device("cpu")) == 0.25
    assert speed_evolution.time_step(iter([None] * 9), 0.0, torch.device("cpu")) == 0.25


def test_selections_must_choose_the_same(monkeypatch):
    row = speed_evolution.compare_selection(2, 20, 2)
    assert row["median"] > 0
    take_first = lambda population, k: population.take(torch.arange(k).unsqueeze(0))  # noqa: E731
    monkeypatch.setattr(speed_evolution.evolution, "selNSGA2", take_first)
    with pytest.raises(RuntimeError, match="other survivors"):
        speed_evolution.compare_selection(1, 20, 2)


def test_a_pipeline_of_coil_is_held_against_all_that_the_published_figure_is_of(monkeypatch, tmp_path):
    kept = keep_results(monkeypatch, speed_coil, tmp_path)
    parts = {"data": 4.0, "vaes": 10.0, "search": 1.0, "ga": 1.0, "total": 16.0}
    monkeypatch.setattr(speed_coil, "pipeline", lambda problem, seed, smoke: (None, parts))
    speed_coil.main(speed_coil.Arguments(rounds=2))
    assert kept.tables["coil"]["theirs"].tolist() == [208, 208]
    assert kept.tables["coil"]["ratio"].tolist() == [13.0, 13.0]
    assert kept.tables["coil"]["round"].tolist() == [0, 1]


def test_judges_are_told_with_what_they_read_of_either_split(monkeypatch, tmp_path):
    kept = keep_results(monkeypatch, speed_judges, tmp_path)

    class Round:
        step = 7

    monkeypatch.setattr(speed_judges, "train_judge", lambda judge, images, seed, most: iter([Round(), Round()]))
    monkeypatch.setattr(speed_judges, "measure", lambda judge, images: Reliability(10, test=0.9, chance=0.1, train=1.0))
    speed_judges.main(speed_judges.Arguments(datasets=("mnist",), steps=(50, 70)))
    table = kept.tables["judges"]
    assert table["most_steps"].tolist() == [50, 50, 70, 70]
    assert table["steps"].tolist() == [7] * 4
    assert table["role"].tolist() == ["judge", "heldout"] * 2
    assert set(zip(table["test_accuracy"], table["training_accuracy"], strict=True)) == {(0.9, 1.0)}
