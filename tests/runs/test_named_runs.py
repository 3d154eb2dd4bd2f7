"""Runs of image sets whose classes have any name: names in tables, figures and reports, and targets that are kept."""

import json
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from refusals import refused

from evovae import runs
from evovae.base import Interrupted, files
from evovae.cli import report
from evovae.data import DataConfig
from evovae.models import TrainConfig, VAEConfig
from evovae.objectives import ROLES, Judge, JudgeStore
from evovae.runs import EvolutionResults, EvolveConfig, ProblemConfig, Run, figures
from evovae.runs.problems.targets import TARGETS_FILE, kept_targets

NAMES = ("$5", "Größe", "a+b", "a,b", 'say "a"', "x$y$z", "猫", "nan")
SMALL = VAEConfig(latent_dim=3, hidden=(8,))


SMALL_EVOLUTION = EvolveConfig(population=8, generations=3, replicates=2, baselines=(), device="cpu")


def evolve(vae: Path, objective: str, out: Path, config: EvolveConfig = SMALL_EVOLUTION) -> runs.Run:
    return runs.evolve_named(ProblemConfig(vae=str(vae), objective=objective), config, out)


def make_pictures(folder: Path, classes: tuple[str, ...], count: int = 4) -> None:
    random = np.random.default_rng(0)
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(count):
            pixels = random.integers(0, 256, (12, 12), dtype=np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


def train(folder: Path, out: Path, seed: int = 0, model: VAEConfig = SMALL) -> Run:
    return runs.train(DataConfig(str(folder)), model, TrainConfig(epochs=3, device="cpu", seed=seed), out)


def untrained(store: JudgeStore, role: str) -> Judge:
    """A judge that costs no time: each role sees another class in most images."""
    kind, seed = ROLES[role]
    return store._learn(role, Judge(kind, store._images.shape, len(store._images.classes), seed), keep=False)


@pytest.fixture(autouse=True)
def _judges_cost_no_time() -> Iterator[None]:
    with mock.patch.object(JudgeStore, "_train", untrained):
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("named")
    make_pictures(root / "pictures", NAMES)
    train(root / "pictures", root / "vae")
    return root


# Names


def test_names_of_any_letters_go_the_whole_way(root: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert Run.open(root / "vae").settings.classes == tuple(sorted(NAMES))
    assert json.loads((root / "vae" / "config.json").read_text())["classes"] == sorted(NAMES)
    for number, objective in enumerate(
        ("class:größe", "class:a+b,class:$5,class:a,b", '0.5*class:猫+class:"say ""a"""')
    ):
        run = evolve(root / "vae", objective, tmp_path / f"{number}")
        assert set(EvolutionResults(run).hall["predicted"]) <= set(NAMES)
        report.report(run)
        assert f"classes: {', '.join(sorted(NAMES))}\n" in capsys.readouterr().out
        assert all(path.is_file() for path in figures.draw(run))
        again = runs.resume(run.folder, generations=5)
        assert EvolutionResults(again).hall["predicted"].isin(NAMES).all()


def test_a_judge_sees_names_and_an_older_run_has_numbers(root: Path, tmp_path: Path) -> None:
    run = evolve(root / "vae", "ink", tmp_path / "run")
    named = EvolutionResults(run).hall
    content = json.loads((run.folder / "config.json").read_text())
    del content["classes"]
    (run.folder / "config.json").write_text(json.dumps(content))
    numbers = named.assign(predicted=[sorted(NAMES).index(name) for name in named["predicted"]])
    numbers.to_csv(run.folder / "hall_of_fame.csv", index=False)
    assert EvolutionResults(run).hall["predicted"].to_list() == [str(number) for number in numbers["predicted"]]
    figures.draw(run)
    runs.resume(run.folder, generations=4)
    assert run.settings.classes == tuple(sorted(NAMES))
    assert EvolutionResults(run).hall["predicted"].isin(NAMES).all()
    named.assign(predicted="nobody").to_csv(run.folder / "hall_of_fame.csv", index=False)
    with refused("hall_of_fame.csv", "'nobody'"):
        _ = EvolutionResults(run).hall


def test_a_class_that_is_not_there_is_refused_and_nothing_is_written(root: Path, tmp_path: Path) -> None:
    for objective in ("class:dog", "digit:3"):
        with refused(objective.partition(":")[2], "$5, Größe, a+b"):
            evolve(root / "vae", objective, tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("folder", ["made", "made/only"], ids=["one class", "no classes"])
def test_pictures_of_one_class_or_of_none_are_evolved_without_judges(tmp_path: Path, folder: str) -> None:
    make_pictures(tmp_path / "made", ("only",), 6)
    vae = train(tmp_path / folder, tmp_path / "vae")
    run = evolve(vae.folder, "ink", tmp_path / "run")
    assert "predicted" not in EvolutionResults(run).hall
    assert len(figures.draw(run)) == 3
    for objective in ("class:only", "class:x", "digit:0"):
        with refused(objective, "one class"):
            evolve(vae.folder, objective, tmp_path / "other")


def test_a_name_that_no_line_can_hold_is_written_so_that_one_can(tmp_path: Path) -> None:
    make_pictures(tmp_path / "pictures", ("a\nb", "c"))
    run = train(tmp_path / "pictures", tmp_path / "vae")
    assert [name.isprintable() for name in run.settings.classes] == [True, True]


# Pictures that are aimed at


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_run_goes_on_with_its_target_whatever_became_of_the_file(root: Path, tmp_path: Path, change: str) -> None:
    picture = tmp_path / "goal.png"
    shutil.copy(root / "pictures" / "猫" / "1.png", picture)
    config, objective = replace(SMALL_EVOLUTION, generations=6), f"target:{picture},ssim:{picture}"
    whole = evolve(root / "vae", objective, tmp_path / "whole", config)
    with pytest.raises(Interrupted), mock.patch("evovae.runs.searching._search", side_effect=KeyboardInterrupt):
        evolve(root / "vae", objective, tmp_path / "cut", config)
    picture.unlink()
    if change == "changed":
        shutil.copy(root / "pictures" / "$5" / "1.png", picture)
    runs.resume(tmp_path / "cut")
    for name in ("history.csv", "hall_of_fame.csv", "population.safetensors", TARGETS_FILE):
        assert (whole.folder / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()


def test_a_run_without_pictures_keeps_none(root: Path, tmp_path: Path) -> None:
    run = evolve(root / "vae", "target:test/0", tmp_path / "run")
    assert not (run.folder / TARGETS_FILE).exists()
    assert kept_targets(run.folder, (1, 12, 12)) == {}


@pytest.mark.parametrize("names", [None, [], ["a", "b"], [7], "a"])
def test_kept_targets_that_do_not_fit_are_refused(tmp_path: Path, names: object) -> None:
    tensors = {"0": torch.zeros(1, 12, 13).byte()}
    files.save_tensors(tmp_path / TARGETS_FILE, "targets", tensors, {"names": names})
    with refused(TARGETS_FILE):
        kept_targets(tmp_path, (1, 12, 12))


# Trainings compared


def test_trainings_are_compared_by_what_test_images_came_to(root: Path, tmp_path: Path) -> None:
    other = train(root / "pictures", tmp_path / "other", seed=1)
    vae = Run.open(root / "vae")
    minibatches, values = figures.training_curve(vae)
    assert minibatches.tolist() == vae.history["iterations"].tolist()
    assert values.tolist() == [(-vae.history["test_elbo"]).tolist()]
    with Image.open(figures.compare([vae, other], tmp_path / "x.png")) as picture:
        assert picture.format == "PNG"


def test_trainings_that_are_measured_otherwise_are_refused(root: Path, tmp_path: Path) -> None:
    vae = Run.open(root / "vae")
    plain = train(root / "pictures", tmp_path / "plain", model=VAEConfig(latent_dim=3, hidden=(8,), variational=False))
    evolved = evolve(root / "vae", "ink", tmp_path / "run")
    for other, words in ((plain, ("'reconstruction error'", "'-ELBO'")), (evolved, ("'evolution'", "'training'"))):
        with refused(str(other.folder), *words, "no common axis"):
            figures.compare([vae, other], tmp_path / "x.png")
    assert not (tmp_path / "x.png").exists()
    figures.compare([plain], tmp_path / "x.png")


def test_a_training_without_test_images_is_refused(root: Path, tmp_path: Path) -> None:
    run = Run.open(shutil.copytree(root / "vae", tmp_path / "vae"))
    table = pd.read_csv(run.folder / "history.csv")
    table.drop(columns=["test_elbo", "test_reconstruction", "test_kl"]).to_csv(run.folder / "history.csv", index=False)
    with refused("history.csv", "test_elbo"):
        figures.compare([run], tmp_path / "x.png")
