"""What is printed of a run that is finished: the numbers of its files, each with the right sign and name."""

import shutil
from pathlib import Path

import pandas as pd
import pytest
from places import FORMATS

from evovae.cli import report
from evovae.runs import Run


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    return Path(shutil.copytree(FORMATS / "format-1", tmp_path / "runs"))


def test_a_training_is_told_by_minus_the_elbo_of_the_epoch_that_is_kept(runs, capsys):
    table = pd.read_csv(runs / "vae" / "history.csv")
    last = table.iloc[-1]
    report.report(Run.open(runs / "vae"))
    said = capsys.readouterr().out
    assert f"test -ELBO {-last.test_elbo:.2f} nats" in said
    assert -last.test_elbo > 0
    assert f"(reconstruction {last.test_reconstruction:.2f}, KL {last.test_kl:.2f})" in said
    assert f"epoch {last.epoch:.0f} of {last.epoch:.0f} is kept" in said


def test_an_evolution_is_told_by_the_best_of_each_replicate(runs, capsys):
    hall = pd.read_csv(runs / "eight" / "hall_of_fame.csv")
    best = hall[hall["rank"] == 0].groupby("search")
    report.report(Run.open(runs / "eight"))
    summary = pd.read_csv(runs / "eight" / "summary.csv").set_index("search")
    for search, images in best:
        assert summary.loc[search, "log_prior"] == pytest.approx(images["log_prior"].mean())
        assert summary.loc[search, "mean"] == pytest.approx(images["fitness"].mean(), rel=1e-3)
    assert "of each replicate's best" in capsys.readouterr().out
