"""Run folders of every format that was ever written stay readable."""

import shutil
import sys
from pathlib import Path

import pandas as pd
import pytest
from places import FORMATS

from evovae import cli
from evovae.cli.report import summarise_evolution
from evovae.models import VAE
from evovae.runs import EvolutionResults, Run

RUNS = sorted(path.parent for path in FORMATS.glob("format-*/*/config.json"))


@pytest.fixture
def copy(tmp_path: Path, request: pytest.FixtureRequest) -> Path:
    return Path(shutil.copytree(request.param, tmp_path / request.param.name))


def evovae(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    monkeypatch.setattr(sys, "argv", ["evovae", *map(str, arguments)])
    cli.main()


def test_there_is_a_golden_run_of_each_kind() -> None:
    assert {Run.open(run).config["kind"] for run in RUNS} == {"training", "evolution"}


@pytest.mark.parametrize("copy", RUNS, indirect=True, ids=lambda path: path.name)
def test_an_old_run_can_be_drawn(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evovae(monkeypatch, "plot", copy)
    assert len(list((copy / "figures").glob("*.png"))) == 3


@pytest.mark.parametrize("copy", [run for run in RUNS if run.name != "vae"], indirect=True, ids=lambda p: p.name)
def test_an_old_evolution_can_be_summarised_and_gone_on_with(copy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = summarise_evolution(EvolutionResults(Run.open(copy))).drop(columns=["mean_low", "mean_high"])
    then = pd.read_csv(copy / "summary.csv")[now.columns]  # but for the interval, which was another
    pd.testing.assert_frame_equal(now, then, check_dtype=False, rtol=1e-6)
    before = pd.read_csv(copy / "history.csv")
    generations = before["generation"].max() + 2
    evovae(monkeypatch, "resume", copy, "--generations", generations)
    after = pd.read_csv(copy / "history.csv")
    assert after["generation"].max() == generations
    assert list(after.columns) == list(before.columns)


@pytest.mark.parametrize("copy", [run for run in RUNS if run.name == "vae"], indirect=True, ids=lambda p: p.name)
def test_an_old_vae_can_be_evolved_in(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert VAE.load(copy).config.latent_dim == 4
    small = ["--population", "4", "--generations", "1", "--replicates", "1", "--baselines"]
    evovae(monkeypatch, "evolve", "--vae", copy, "--out", tmp_path / "run", *small)
    assert Run.open(tmp_path / "run").finished
