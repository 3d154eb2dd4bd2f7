"""Runs and their judges: identity is content, only what is needed is trained, and nobody is trusted unseen."""

import contextlib
import io
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from making import draw_pictures

from evovae import cli, runs
from evovae.base import files
from evovae.data import DataConfig, load_images
from evovae.encodings import LatentEncoding
from evovae.models import VAE, TrainConfig, VAEConfig
from evovae.objectives import JudgeStore, JudgeTraining, judges_for
from evovae.objectives.judges import training
from evovae.objectives.judges.judge import log_odds
from evovae.runs import EvolutionResults, Run, Search, figures
from evovae.runs.figures import draw

SMALL = ["--population", "6", "--generations", "2", "--replicates", "1", "--hall-of-fame", "2", "--device", "cpu"]


def command(*arguments: object) -> tuple[int, str, str]:
    """Run the program; return its status, what it printed, and its errors and remarks without empty lines."""
    out, err, status = io.StringIO(), io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        patch.setattr(sys, "argv", ["evovae", *map(str, arguments)])
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
    said = [line for line in err.getvalue().splitlines() if line.startswith("evovae:")]
    return status, out.getvalue(), "\n".join(said)


@pytest.fixture(autouse=True)
def trainings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[str]:
    """What is done one after another: the roles whose judges are trained, and "search"; an empty cache."""
    done: list[str] = []
    train, run = JudgeStore._train, Search.run
    monkeypatch.setattr(training, "MAX_STEPS", 60)
    monkeypatch.setattr(training, "ROUND", 20)
    monkeypatch.setattr(JudgeStore, "_train", lambda self, role: done.append(role) or train(self, role))
    monkeypatch.setattr(Search, "run", lambda self, *rest: done.append("search") or run(self, *rest))
    monkeypatch.setattr(figures, "draw", lambda run: [])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return done


@pytest.fixture
def vae(tmp_path: Path) -> Path:
    """A VAE of such pictures, which lie beside it."""
    draw_pictures(tmp_path / "bars")
    model, config = VAEConfig(latent_dim=2, hidden=(8,)), TrainConfig(iterations=20, device="cpu")
    return runs.train(DataConfig(str(tmp_path / "bars")), model, config, tmp_path / "vae").folder


def evolve(vae: Path, out: str, *options: object) -> tuple[int, str, str]:
    return command("evolve", "--vae", vae, "--out", vae.parent / out, *SMALL, *options)


def test_an_objective_without_a_judge_is_searched_for_before_any_is_trained(vae: Path, trainings: list[str]) -> None:
    assert evolve(vae, "run", "--objective", "ink")[0] == 0
    assert trainings == ["search", "search", "judge", "heldout"]
    assert {"predicted", "held_out"} <= set(pd.read_csv(vae.parent / "run" / "hall_of_fame.csv"))


def test_an_objective_gets_the_judge_that_it_asks_and_no_other(vae: Path, trainings: list[str]) -> None:
    assert evolve(vae, "run", "--objective", "class:standing+0.1*ink", "--baselines")[0] == 0
    assert trainings == ["judge", "search", "heldout"]
    assert evolve(vae, "front", "--objective", "class:lying,ink", "--baselines")[0] == 0
    assert trainings[3:] == ["search"]


def test_runs_without_judges_train_none(vae: Path, trainings: list[str]) -> None:
    assert evolve(vae, "run", "--objective", "ink", "--no-judges", "--baselines")[0] == 0
    assert evolve(vae, "asked", "--objective", "class:standing", "--no-judges", "--baselines")[0] == 0
    assert trainings == ["search", "judge", "search"]
    assert not (vae.parent / "run" / "judges.json").exists()
    assert "predicted" not in pd.read_csv(vae.parent / "asked" / "hall_of_fame.csv")
    assert EvolutionResults(Run.open(vae.parent / "asked")).judges.keys() == {"judge"}
    assert evolve(vae, "judged", "--objective", "ink", "--baselines")[0] == 0
    assert evolve(vae, "again", "--objective", "ink", "--no-judges", "--baselines")[0] == 0
    assert not (vae.parent / "again" / "judges.json").exists(), "though both are there"
    assert "held_out" not in pd.read_csv(vae.parent / "again" / "hall_of_fame.csv")


def test_fitness_is_the_judges_and_realism_the_held_out_ones(vae: Path) -> None:
    assert evolve(vae, "run", "--objective", "class:standing", "--baselines")[0] == 0
    images, run = load_images(vae.parent / "bars"), Run.open(vae.parent / "run")
    judges, k = judges_for(images, run.folder), images.classes.index("standing")
    results = EvolutionResults(run)
    genomes, fitness = results.members(results.population(), results.hall)
    with torch.no_grad():
        decoded = LatentEncoding(VAE.load(run.folder)).decode(genomes)
        odds, others = (log_odds(judge(decoded), k) for judge in judges)
        believed = judges.held_out(decoded).softmax(1)
    torch.testing.assert_close(fitness[:, 0], odds, rtol=1e-4, atol=1e-4)
    assert (odds - others).abs().max() > 0.01
    seen = [images.classes.index(name) for name in results.hall["predicted"]]
    expected = believed.gather(1, torch.tensor(seen).unsqueeze(1))[:, 0]
    assert results.hall["held_out"].to_numpy() == pytest.approx(expected.numpy(), abs=1e-4)


def test_a_new_vae_of_the_same_pictures_finds_their_judges(vae: Path, trainings: list[str]) -> None:
    assert evolve(vae, "one", "--objective", "class:standing")[0] == 0
    moved = str(shutil.move(vae.parent / "bars", vae.parent / "elsewhere"))
    config = TrainConfig(iterations=1, seed=1, device="cpu")
    runs.train(DataConfig(moved), VAEConfig(latent_dim=2, hidden=(8,)), config, vae.parent / "vae2")
    trainings.clear()
    assert evolve(vae.parent / "vae2", "two", "--objective", "class:standing")[0] == 0
    assert set(trainings) == {"search"}
    for place in (vae, vae.parent / "vae2", vae.parent / "one", vae.parent / "two"):
        assert (place / "judge.safetensors").read_bytes() == (vae / "judge.safetensors").read_bytes()


def test_pictures_that_changed_since_the_vae_learned_them_are_refused_or_taken_by_name(
    vae: Path, trainings: list[str]
) -> None:
    assert evolve(vae, "before", "--objective", "class:standing")[0] == 0
    shutil.move(vae.parent / "bars" / "lying" / "0.png", vae.parent / "bars" / "standing" / "corrected.png")
    status, printed, said = evolve(vae, "run", "--objective", "class:standing")
    assert (status, printed) == (2, "")
    assert said.count("\n") == 0
    assert "have changed since" in said
    assert f"--dataset {vae.parent / 'bars'}" in said
    assert not (vae.parent / "run").exists()
    trainings.clear()
    status, printed, _ = evolve(vae, "run", "--objective", "class:standing", "--dataset", vae.parent / "bars")
    assert status == 0
    assert "has learned other images" in printed
    assert [word for word in trainings if word != "search"] == ["judge", "heldout"], "labels are others"


def test_a_vae_whose_pictures_moved_is_told_where_they_are(vae: Path) -> None:
    moved = shutil.move(vae.parent / "bars", vae.parent / "elsewhere")
    status, _, said = evolve(vae, "run", "--objective", "ink", "--no-judges")
    assert (status, said.count("\n")) == (2, 0)
    assert "not there any more" in said
    assert "--dataset" in said
    status, _, said = evolve(vae, "run", "--objective", "target:test/1", "--no-judges", "--dataset", moved)
    assert (status, said) == (0, ""), "they are the same"


@pytest.mark.parametrize("kind", ["evolution", "training"])
def test_a_run_that_moved_with_its_pictures_goes_on_if_they_are_the_same(vae: Path, kind: str) -> None:
    place = vae.parent
    if kind == "evolution":
        assert evolve(vae, "run", "--objective", "class:standing", "--baselines")[0] == 0
        more: list[object] = ["--generations", "4"]
    else:
        shutil.copytree(vae, place / "run")
        environment = files.read_json(place / "run" / "environment.json")
        files.write_json(place / "run" / "environment.json", environment | {"status": "interrupted"})
        more = []
    shutil.rmtree(vae)
    moved, run = shutil.move(place / "bars", place / "new bars"), shutil.move(place / "run", place / "new run")
    status, _, said = command("resume", run, *more)
    assert (status, said.count("\n"), "--dataset" in said) == (2, 0, True)
    draw_pictures(place / "others", colour=False)
    status, _, said = command("resume", run, *more, "--dataset", place / "others")
    assert (status, said.count("\n")) == (2, 0)
    assert "are others than those that the run began with" in said
    assert command("resume", run, *more, "--dataset", moved)[0] == 0
    assert Run.open(run).finished
    assert Run.open(run).settings.data.dataset == str(moved)
    assert kind == "training" or Run.open(run).history["generation"].max() == 4


def test_what_is_known_of_the_judges_stands_in_the_run_and_is_printed(vae: Path) -> None:
    status, printed, _ = evolve(vae, "run", "--objective", "class:standing")
    assert status == 0
    found = EvolutionResults(Run.open(vae.parent / "run")).judges
    assert found["judge"].objective
    assert not found["heldout"].objective
    assert found["judge"].test == 1
    assert "judge: right on 100.0% of 8 test images" in printed


def test_a_judge_that_counts_for_little_says_so_beside_every_figure(vae: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)
    for number in range(40):
        names = ["lying", "standing"]
        rng.shuffle(names)
        (vae.parent / "noise" / "lying").mkdir(parents=True, exist_ok=True)
        (vae.parent / "noise" / "standing").mkdir(exist_ok=True)
        for name, to in zip(names, ("lying", "standing"), strict=True):
            shutil.copy(vae.parent / "bars" / name / f"{number}.png", vae.parent / "noise" / to / f"{number}.png")
    status, printed, _ = evolve(vae, "run", "--objective", "class:standing", "--dataset", vae.parent / "noise")
    assert status == 0
    run = Run.open(vae.parent / "run")
    assert EvolutionResults(run).judges["judge"].doubt == "no better than chance"
    assert "class:standing (judge no better than chance)" in printed
    assert "held-out judge's probability (judge no better than chance, held-out judge no better" in printed
    titles: list[str] = []
    monkeypatch.setattr(
        "evovae.analysis.plots.save", lambda axes, path: titles.append(axes.get_title("left") + axes.get_ylabel())
    )
    draw(run)
    assert sum("no better than chance" in title for title in titles) == 2, titles
    assert EvolutionResults(run).doubt == "(judge no better than chance)"


def test_a_judge_in_training_that_is_interrupted_goes_on_and_the_run_is_the_same(
    vae: Path, monkeypatch: pytest.MonkeyPatch, trainings: list[str]
) -> None:
    step, steps = JudgeTraining.step, []

    def interrupt(self: JudgeTraining) -> object:
        steps.append(self.iteration)
        if len(steps) == 30:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(JudgeTraining, "step", interrupt)
    status, _, said = evolve(vae, "run", "--objective", "class:standing")
    assert (status, said.count("\n")) == (130, 0)
    assert f"evovae resume {vae.parent / 'run'}" in said
    assert "search" not in trainings
    assert command("resume", vae.parent / "run")[0] == 0
    assert steps[30] == 30
    shutil.rmtree(vae.parent / "cache")
    for judge in vae.glob("*.safetensors"):
        if judge.name != "vae.safetensors":
            judge.unlink()
    assert evolve(vae, "whole", "--objective", "class:standing")[0] == 0
    for name in ("judge.safetensors", "heldout.safetensors", "history.csv", "hall_of_fame.csv", "judges.json"):
        assert (vae.parent / "whole" / name).read_bytes() == (vae.parent / "run" / name).read_bytes()
