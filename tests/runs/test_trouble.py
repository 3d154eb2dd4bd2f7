"""Objectives and decoders that misbehave: the run names the generation and the culprit, and keeps what it has."""

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from evolving import sphere, toolbox
from refusals import refused

from evovae import cli, evolution, objectives
from evovae.evolution import EvaluationError
from evovae.models import VAE, VAEConfig
from evovae.objectives import Objective

SMALL = ["--population", "6", "--generations", "5", "--replicates", "2", "--hall-of-fame", "2", "--device", "cpu"]


@pytest.fixture
def vae(tmp_path: Path) -> Path:
    VAE(VAEConfig(latent_dim=2, hidden=(4,)), seed=0).save(tmp_path / "vae.safetensors")
    return tmp_path / "vae.safetensors"


@pytest.fixture
def evolve(vae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """Evolve from the command line for an objective that is ink, but goes through `spoil(images, fitness, call)`."""

    def run(spoil: Callable[[torch.Tensor, torch.Tensor, int], torch.Tensor], *options: str) -> int:
        calls = [0]

        def spoiled(x: torch.Tensor) -> torch.Tensor:
            calls[0] += 1  # the first tells this problem from others
            return spoil(x, x.flatten(1).mean(1, keepdim=True), calls[0] - 1)

        broken = Objective(("broken",), (1.0,), spoiled)
        monkeypatch.setitem(objectives.REGISTRY, "broken", ("broken", lambda argument, context: broken))
        words = ["evolve", "--vae", str(vae), "--dataset", "mnist", "--objective", "broken", "--out"]
        monkeypatch.setattr(sys, "argv", ["evovae", *words, str(tmp_path / "run"), *SMALL, "--baselines", *options])
        try:
            cli.main()
        except SystemExit as end:
            return int(end.code or 0)
        return 0

    return run


def raises(x: torch.Tensor, fitness: torch.Tensor, call: int) -> torch.Tensor:
    if call == 3:
        raise ValueError("boom")
    return fitness


def misshapen(x: torch.Tensor, fitness: torch.Tensor, call: int) -> torch.Tensor:
    return fitness[1:] if call == 3 else fitness


@pytest.mark.parametrize(
    ("spoil", "word"), [(raises, "raised ValueError: boom"), (misshapen, "gave torch.float32 of shape")]
)
def test_an_objective_that_fails_ends_the_run_with_its_name_and_the_generation(
    spoil: Callable, word: str, evolve: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evolve(spoil) == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evovae: ")]
    assert "generation 2: the objective broken" in line
    assert word in line
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert list(history["generation"].unique()) == [0, 1], "what there was of the generations before is kept"
    assert (tmp_path / "run" / "population.safetensors").exists()
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["status"] == "failed"


def test_a_search_that_diverges_ends_the_run_and_keeps_what_it_found(
    evolve: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lost_after_two(x: torch.Tensor, fitness: torch.Tensor, call: int) -> torch.Tensor:
        return torch.cat((fitness[:6], torch.full_like(fitness[6:], torch.nan))) if call > 2 else fitness

    assert evolve(lost_after_two, "--algorithm", "eaGenerateUpdate") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evovae: ")]
    assert "SeparableCMAES diverged in replicate 1" in line
    assert "at update 3" in line
    assert "a smaller sigma" in line
    history = pd.read_csv(tmp_path / "run" / "history.csv")
    assert list(history["generation"].unique()) == [0, 1, 2]
    assert history["best"].notna().all()
    assert (tmp_path / "run" / "population.safetensors").exists()
    environment = json.loads((tmp_path / "run" / "environment.json").read_text())
    assert environment["status"] == "failed"
    assert "generation 2, 6 of 12 individuals" in environment["nonfinite"]["evolution"]


def spoil_some(value: float) -> Callable:
    def spoil(x: torch.Tensor, fitness: torch.Tensor, call: int) -> torch.Tensor:
        return torch.cat((fitness[:1] * 0 + value, fitness[1:])) if call == 3 else fitness

    return spoil


@pytest.mark.parametrize(("value", "word"), [(torch.nan, "nan"), (torch.inf, "inf"), (-torch.inf, "-inf")])
def test_fitness_that_is_not_finite_is_named_and_never_wins(
    value: float, word: str, evolve: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evolve(spoil_some(value)) == 0
    printed = capsys.readouterr().out
    assert "evolution: generation 2, 1 of 12 individuals: the objective broken gives " + word in printed
    assert pd.read_csv(tmp_path / "run" / "history.csv")["best"].notna().all()


def test_fitness_that_is_not_finite_stops_the_run_where_that_is_asked(
    evolve: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert evolve(spoil_some(torch.nan), "--stop-nonfinite") == 1
    (line,) = [line for line in capsys.readouterr().err.splitlines() if line.startswith("evovae: ")]
    assert "generation 2" in line
    assert "objective broken gives nan" in line
    assert pd.read_csv(tmp_path / "run" / "history.csv")["generation"].max() == 2


@pytest.mark.parametrize("options", [[], ["--stop-nonfinite"]])
def test_a_decoder_that_gives_nan_is_told_from_the_objective(
    options: list[str],
    evolve: Callable[..., int],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    decode = VAE.decode
    monkeypatch.setattr(
        VAE, "decode", lambda self, z: torch.where(z[:, :1, None, None] > 0, torch.nan, decode(self, z))
    )
    assert evolve(lambda x, fitness, call: fitness, *options) == bool(options)
    printed = capsys.readouterr()
    assert "generation 0, " in (printed.err if options else printed.out)
    assert "of 12 individuals: the decoder gives" in (printed.err if options else printed.out)


def test_in_the_library_errors_name_generation_and_culprit_too() -> None:
    def fails(x: torch.Tensor) -> torch.Tensor:
        if len(x) < 10:  # not all change
            raise ZeroDivisionError("by nothing")
        return sphere(x)

    box = toolbox(fails)
    with pytest.raises(EvaluationError, match="generation 1: the objective raised ZeroDivisionError: by nothing"):
        evolution.eaSimple(box.population(n=10), box, 0.5, 0.2, 5)
    box = toolbox(lambda x: sphere(x)[1:])
    with refused("generation 0", "the objective gave torch.float32 of shape"):
        evolution.eaSimple(box.population(n=10), box, 0.5, 0.2, 5)
