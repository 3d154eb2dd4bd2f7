"""Problems of one's own in recorded runs: any decoder, any objective, in Python and by name on the command line."""

import hashlib
import importlib
import json
import math
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pandas as pd
import pytest
import torch
from refusals import refused
from torch import Tensor

import evovae
from evovae import evolution, objectives
from evovae.base import Interrupted, files
from evovae.data import Images, ImageSet
from evovae.encodings import DecoderEncoding, Uniform, VectorEncoding
from evovae.objectives import Realism
from evovae.runs import (
    EvolutionResults,
    EvolutionSettings,
    EvolveConfig,
    Phenotypes,
    Problem,
    ProblemConfig,
    Run,
    evolve_named,
    resume,
)

DIM, SHAPE = 6, (3, 4, 5)
SMALL = EvolveConfig(population=8, generations=5, replicates=2, baselines=("random-search",), device="cpu")
MATRIX = torch.linspace(-1, 1, DIM * math.prod(SHAPE)).reshape(DIM, -1).sin()


def paint(codes: Tensor) -> Tensor:
    """Return colour images in [-1, 1] of codes (B, D)."""
    return torch.tanh(codes @ MATRIX).unflatten(1, SHAPE)


def redness(images: Tensor) -> Tensor:
    return images[:, 0].mean((1, 2))


def painted() -> DecoderEncoding:
    return DecoderEncoding(paint, DIM, SHAPE, range=(-1, 1))


def colour_images() -> ImageSet:
    """Pictures of the painted shape, of one class."""
    pixels = torch.arange(30 * math.prod(SHAPE)).remainder(251).byte().reshape(30, *SHAPE)
    part = Images(pixels, torch.zeros(30, dtype=torch.int64))
    return ImageSet("painted", part, part, ("painted",))


def settings_of(run: Run) -> EvolutionSettings:
    assert isinstance(run.settings, EvolutionSettings)
    return run.settings


def results_of(run: Run) -> dict[str, bytes]:
    """Return all that a run found."""
    names = ("history.csv", "baseline.csv", "hall_of_fame.csv", "population.safetensors", "problem.safetensors")
    return {name: (run.folder / name).read_bytes() for name in names}


# A run made in Python


def test_a_problem_in_python_leaves_a_whole_run_folder(tmp_path: Path) -> None:
    run = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "run")
    assert run.finished
    assert {path.name for path in run.figures.iterdir()} == {"fitness.png", "filmstrip.png", "hall_of_fame.png"}
    assert settings_of(run).problem is None
    assert settings_of(run).names == ("redness",)
    history = pd.read_csv(run.folder / "history.csv")
    last = history[history["generation"] == 5]
    assert (last["best"].to_numpy() > history[history["generation"] == 0]["best"].to_numpy()).all()
    assert "typicality" in run.environment["not_measured"]


def test_a_notebook_shows_where_a_run_is_and_its_figures(tmp_path: Path) -> None:
    run = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "a <b> run")
    shown = run._repr_html_()
    assert "a &lt;b&gt; run: evolution, finished" in shown
    assert shown.count("data:image/png;base64,iVBOR") == 3
    assert Run(tmp_path / "none")._repr_html_() == f"<p>{tmp_path / 'none'}: None, unknown</p>"


def test_what_is_recorded_is_what_the_same_search_finds_unrecorded(tmp_path: Path) -> None:
    encoding = painted()
    run = evovae.evolve(Problem(encoding, redness), SMALL, tmp_path / "run")
    toolbox = evolution.toolbox(encoding, redness)
    population = toolbox.population(8, replicates=2, seed=0)
    population, _ = evolution.eaSimple(population, toolbox, cxpb=0.5, mutpb=0.2, ngen=5)
    kept = files.load_tensors(run.folder / "population.safetensors", "population")[0]
    assert torch.equal(kept["genomes"], population.genomes)
    assert torch.equal(kept["fitness"], population.fitness)


@pytest.mark.parametrize("after", [1, 3, 7])
def test_a_run_in_python_that_was_cut_is_resumed_to_the_bit(tmp_path: Path, after: int) -> None:
    whole = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "whole")
    calls = 0

    def stopping(images: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        if calls == 2 + after:  # the first two ask what it is
            raise KeyboardInterrupt
        return redness(images)

    with pytest.raises(Interrupted, match=r"evovae\.resume\('.*cut', problem\)"):
        evovae.evolve(Problem(painted(), stopping, name="redness"), SMALL, tmp_path / "cut")
    with refused("made in Python", "evovae.resume"):
        resume(tmp_path / "cut")
    run = evovae.resume(tmp_path / "cut", Problem(painted(), redness))
    assert run.finished
    assert results_of(run) == results_of(whole)


def test_a_run_is_resumed_to_more_generations_as_if_it_had_been_longer(tmp_path: Path) -> None:
    from dataclasses import replace

    short = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "run")
    evovae.resume(short.folder, Problem(painted(), redness), generations=9)
    whole = evovae.evolve(Problem(painted(), redness), replace(SMALL, generations=9), tmp_path / "whole")
    assert results_of(short) == results_of(whole)


def test_another_problem_is_refused_by_what_is_other(tmp_path: Path) -> None:
    evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "run")

    def resumed(encoding: Any, objective: Callable[..., Tensor], **more: Any) -> None:
        resume(tmp_path / "run", Problem(encoding, objective, **more), generations=9)

    with refused("other phenotypes"):
        resumed(DecoderEncoding(lambda z: paint(-z), DIM, SHAPE, range=(-1, 1)), redness)
    with refused("other fitness"):
        resumed(painted(), lambda images: 2 * redness(images), name="redness")
    with refused("weights", "(-1.0,)"):
        resumed(painted(), redness, weights=[-1.0])
    with refused("objectives", "blue"):
        resumed(painted(), redness, name="blue")
    with refused("other images"):
        resumed(painted(), redness, realism=Realism(images=colour_images()))
    with refused("other genomes"):
        resumed(DecoderEncoding(lambda z: paint(z[:, :6]), 7, SHAPE, range=(-1, 1)), redness)


def test_initial_genomes_begin_every_replicate(tmp_path: Path) -> None:
    from dataclasses import replace

    initial = torch.full((2, DIM), 0.25)
    config = replace(SMALL, seeded=True, generations=0)
    run = evovae.evolve(Problem(painted(), redness), config, tmp_path / "run", initial=initial)
    kept = files.load_tensors(run.folder / "population.safetensors", "population")[0]["genomes"]
    assert (kept[:, :2] == 0.25).all()
    evovae.resume(run.folder, Problem(painted(), redness), generations=1)
    with refused("seeded is False"):
        evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "other", initial=initial)
    with refused("initial genomes"):
        evovae.evolve(Problem(painted(), redness), config, tmp_path / "other", initial=torch.zeros(2, 3))
    assert not (tmp_path / "other").exists()


# What an objective may be


def test_an_objective_may_ask_for_populations_draws_or_to_be_asked_again(tmp_path: Path) -> None:
    seen: set[tuple[int, ...]] = set()

    def apart(images: Tensor) -> Tensor:
        """Novelty: distance to the mean of the population."""
        seen.add(tuple(images.shape[:2]))
        return (images - images.mean(1, keepdim=True)).flatten(2).norm(dim=2)

    def noisy(images: Tensor, random: Any) -> Tensor:
        return redness(images) + 0.01 * random.normal(len(images), 1)[:, 0]

    noisy.random = True  # type: ignore[attr-defined]
    run = evovae.evolve(Problem(painted(), apart, population=True), SMALL, tmp_path / "apart")
    assert run.finished
    assert (2, 8) in seen
    once = evovae.evolve(Problem(painted(), noisy), SMALL, tmp_path / "noisy")
    again = evovae.evolve(Problem(painted(), noisy), SMALL, tmp_path / "again")
    assert results_of(once) == results_of(again)
    history = pd.read_csv(once.folder / "history.csv")
    assert (history["nevals"] == 8).all()


def test_several_objectives_have_names_and_weights(tmp_path: Path) -> None:
    def colours(images: Tensor) -> Tensor:
        return images.mean((2, 3))[:, :2]

    run = evovae.evolve(Problem(painted(), colours, weights=(1.0, -1.0)), SMALL, tmp_path / "run")
    assert settings_of(run).names == ("colours_0", "colours_1")
    assert settings_of(run).weights == (1.0, -1.0)
    assert (run.figures / "front.png").exists()
    colours.names = ("red", "green")  # type: ignore[attr-defined]
    assert Problem(painted(), colours).objective.names == ("red", "green")


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        (lambda images: images, ("gives", "(2, 3, 4, 5)", "(B, M) or (B,)")),
        (lambda images: 1.0, ("gives float",)),
        (lambda images: images.mean(), ("gives",)),
        (lambda images: images.flatten(1)[:, :0], ("gives",)),
        (lambda images: torch.complex(redness(images), redness(images)), ("complex",)),
        (lambda images: images @ torch.ones(99), ("raised RuntimeError", "test_problem.py")),
        (3, ("is int", "expected a function")),
    ],
)
def test_an_objective_that_is_none_is_refused_at_once(objective: Any, words: tuple[str, ...]) -> None:
    with refused("objective", *words):
        Problem(painted(), objective)


def test_names_and_weights_must_be_as_many_as_the_objectives() -> None:
    with refused("weights", "expected 1"):
        Problem(painted(), redness, weights=(1.0, 1.0))

    def named(images: Tensor) -> Tensor:
        return redness(images)

    named.names = ("a", "b")  # type: ignore[attr-defined]
    with refused("names", "expected 1"):
        Problem(painted(), named)


def test_gradients_are_known_to_pass_or_not(tmp_path: Path) -> None:
    from dataclasses import replace

    def counted(images: Tensor) -> Tensor:
        return (images > 0.5).flatten(1).sum(1)

    def by_numpy(images: Tensor) -> Tensor:
        return torch.from_numpy(images.numpy().mean((1, 2, 3)))

    assert Problem(painted(), redness).objective.smooth
    climbing = replace(SMALL, baselines=("gradient-ascent",))
    for objective in (counted, by_numpy):
        with refused("no gradient to ascend"):
            evovae.evolve(Problem(painted(), objective), climbing, tmp_path / "run")
        assert not (tmp_path / "run").exists()
    assert evovae.evolve(Problem(painted(), redness), climbing, tmp_path / "run").finished


def test_objectives_with_needs_stand_alone() -> None:
    alone = objectives.custom(lambda x, random: redness(x), torch.full((2, *SHAPE), 0.5), "noisy", random=True)
    with refused("noisy needs draws"):
        objectives.weighted_sum([(1.0, alone), (1.0, objectives.ink())], "sum")
    drifting = objectives.custom(redness, torch.full((2, *SHAPE), 0.5), reevaluate=True)
    assert objectives.several([drifting, objectives.ink()]).reevaluate


# Other phenotypes than images


def test_vectors_evolve_in_a_recorded_run(tmp_path: Path) -> None:
    encoding = VectorEncoding(3, low=[0.0, -1.0, -math.inf], high=[1.0, 1.0, math.inf])
    run = evovae.evolve(Problem(encoding, lambda x: -(x - 0.5).square().sum(1)), SMALL, tmp_path / "run")
    assert settings_of(run).evolution.sigma is None  # one for each gene
    assert float(EvolutionResults(run).curve("evolution").values[:, -1].max()) > -0.5


def test_the_sigma_of_the_encoding_is_recorded(tmp_path: Path) -> None:
    encoding = DecoderEncoding(paint, DIM, SHAPE, prior=Uniform(DIM, -2, 2), range=(-1, 1))
    run = evovae.evolve(Problem(encoding, redness), SMALL, tmp_path / "run")
    assert settings_of(run).evolution.sigma == pytest.approx(0.4)


def test_the_names_of_curves_stand_in_the_figures(tmp_path: Path, monkeypatch: Any) -> None:
    encoding = DecoderEncoding(lambda z: z.unflatten(1, (2, 3)), DIM, (2, 3), range=None, labels=("left", "right"))
    run = evovae.evolve(Problem(encoding, lambda x: x.mean((1, 2))), SMALL, tmp_path / "run")
    drawn: list[Any] = []
    monkeypatch.setattr(evovae.plots, "save", lambda axes, path: drawn.append(axes))
    evovae.runs.figures.draw(Run.open(run.folder))
    texts = [{text.get_text() for text in axes.texts} for axes in drawn]
    assert sum({"left", "right"} <= found for found in texts) == 2, "filmstrip and hall of fame"
    for wrong, shape in ((("left",), (2, 3)), (("a", "b", "c", "d", "e", "f"), (6,))):
        with refused("labels are", "one for each curve"):
            DecoderEncoding(lambda z, shape=shape: z.unflatten(1, shape), DIM, shape, range=None, labels=wrong)


def test_phenotypes_that_cannot_be_drawn_evolve_all_the_same(tmp_path: Path) -> None:
    encoding = DecoderEncoding(lambda z: z.sigmoid().repeat(1, 4).unflatten(1, (2, 3, 4)), DIM, (2, 3, 4))
    run = evovae.evolve(Problem(encoding, lambda x: x.mean((1, 2, 3))), SMALL, tmp_path / "run")
    assert [path.name for path in run.figures.iterdir()] == ["fitness.png"]
    assert not Phenotypes(EvolutionResults(run)).there


# What is kept of phenotypes


def test_a_run_is_drawn_again_without_its_generator(tmp_path: Path) -> None:
    encoding = painted()
    run = evovae.evolve(Problem(encoding, redness), SMALL, tmp_path / "run")
    before = {path.name: path.read_bytes() for path in run.figures.iterdir()}
    results = EvolutionResults(Run.open(run.folder))
    phenotypes = Phenotypes(results)
    rows = results.hall.query("search == 'evolution' and rank == 0").reset_index()
    images, fitness = phenotypes.best(rows)
    found = files.load_tensors(run.folder / "population.safetensors", "population")[0]
    expected = encoding.decode(found["hall_genomes"][:, 0])
    assert torch.allclose(images, expected, atol=0.5 / 255 + 1e-6)
    assert torch.allclose(fitness[:, 0], redness(expected), atol=1e-6)
    assert torch.allclose(
        phenotypes.at([0, 5], 2),
        encoding.decode(found["frame_genomes"][:, [0, 5]].flatten(0, 1)).unflatten(0, (2, 2)),
        atol=0.5 / 255 + 1e-6,
    )
    evovae.runs.figures.draw(run)
    assert {path.name: path.read_bytes() for path in run.figures.iterdir()} == before


def test_of_many_moments_those_are_kept_that_fit(tmp_path: Path) -> None:
    with mock.patch("evovae.runs.folders.phenotypes.MAX_BYTES", 3 * 2 * math.prod(SHAPE)):
        run = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "run")
    assert Phenotypes(EvolutionResults(run)).moments == [0, 2, 5]


# Realism without a judge


def test_references_tell_a_copy_from_what_is_new(tmp_path: Path) -> None:
    known = paint(torch.randn(50, DIM, generator=torch.Generator().manual_seed(0))).add(1).div(2)
    compared = objectives.References(known).compare(torch.cat([known[:3], 1 - known[:3]]))
    assert compared["nearest_reference"][:3].tolist() == [0, 0, 0]
    assert compared["novelty"][:3].tolist() == [0, 0, 0]
    brute = (1 - known[:3]).flatten(1)[:, None] - known.flatten(1)
    assert torch.allclose(compared["nearest_reference"][3:], brute.square().mean(2).sqrt().amin(1))
    realism = Realism(references=known, discriminator=lambda images: images.mean((1, 2, 3)))
    problem = Problem(painted(), redness, realism=realism, measures=lambda images: images.mean((2, 3)))
    run = evovae.evolve(problem, SMALL, tmp_path / "run")
    hall = pd.read_csv(run.folder / "hall_of_fame.csv")
    assert {"nearest_reference", "novelty", "discriminator", "measure_0", "measure_2", "log_prior"} <= set(hall)
    assert hall["novelty"].between(0, 1).all()
    assert np.allclose(hall["discriminator"], hall[["measure_0", "measure_1", "measure_2"]].mean(axis=1), atol=1e-5)
    assert run.environment["not_measured"].keys() == {"held_out", "typicality"}


def test_what_does_not_fit_the_phenotypes_is_refused_at_once() -> None:
    with refused("references have shape (1, 2, 2)", "(3, 4, 5)"):
        Problem(painted(), redness, realism=Realism(references=torch.ones(9, 1, 2, 2)))
    with refused("measures are"):
        Problem(painted(), redness, measures=lambda images: images)
    with refused("references are"):
        Problem(painted(), redness, realism=Realism(references=torch.ones(1, *SHAPE)))


# By name, with files of one's own


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A file with a generator and objectives."""
    path = tmp_path / "mine.py"
    path.write_text(
        """
import torch
from evovae import DecoderEncoding

MATRIX = torch.linspace(-1, 1, 6 * 60).reshape(6, -1).sin()


def generator():
    return DecoderEncoding(lambda z: torch.tanh(z @ MATRIX).unflatten(1, (3, 4, 5)), 6, (3, 4, 5), range=(-1, 1))


def redness(images):
    return images[:, 0].mean((1, 2))


def gap(images):
    return (images[:, 1] - images[:, 2]).square().mean((1, 2))


gap.weights = (-1.0,)
"""
    )
    return path


def named(own: Path, objective: str = "redness", **more: Any) -> ProblemConfig:
    spec = "+".join(f"{own}:{name}" for name in objective.split("+"))
    return ProblemConfig(generator=f"{own}:generator", objective=spec, **more)


def test_a_generator_and_an_objective_are_named_by_file(own: Path, tmp_path: Path) -> None:
    run = evolve_named(named(own), SMALL, tmp_path / "run")
    same = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "same")
    assert results_of(run) == results_of(same)
    (source,) = json.loads((run.folder / "config.json").read_text())["sources"]
    assert source == {"named": str(own), "path": str(own), "sha256": hashlib.sha256(own.read_bytes()).hexdigest()}


def test_a_run_is_resumed_from_another_folder_than_it_was_begun_in(own: Path, tmp_path: Path, monkeypatch: Any) -> None:
    whole = evolve_named(named(own), SMALL, tmp_path / "whole")
    relative = ProblemConfig(generator="mine.py:generator", objective="mine.py:redness")
    monkeypatch.chdir(own.parent)
    cut(relative, tmp_path / "cut")
    (tmp_path / "away").mkdir()
    monkeypatch.chdir(tmp_path / "away")
    assert results_of(resume(tmp_path / "cut")) == results_of(whole)


def test_named_files_in_sums_lists_and_with_weights(own: Path, tmp_path: Path) -> None:
    run = evolve_named(named(own, "redness+gap"), SMALL, tmp_path / "sum")
    assert settings_of(run).weights == (1.0,)
    both = ProblemConfig(generator=f"{own}:generator", objective=f"{own}:redness,{own}:gap,0.5*ink")
    assert settings_of(evolve_named(both, SMALL, tmp_path / "both")).weights == (1.0, -1.0, 1.0)
    turned = named(own, weights=(-1.0,))
    assert settings_of(evolve_named(turned, SMALL, tmp_path / "turned")).weights == (-1.0,)


def cut(problem: ProblemConfig, out: Path) -> None:
    with pytest.raises(Interrupted), mock.patch("evovae.runs.searching._search", side_effect=KeyboardInterrupt):
        evolve_named(problem, SMALL, out)


def test_a_named_run_is_resumed_and_a_changed_file_is_refused_by_name(own: Path, tmp_path: Path) -> None:
    whole = evolve_named(named(own), SMALL, tmp_path / "whole")
    cut(named(own), tmp_path / "cut")
    assert results_of(resume(tmp_path / "cut")) == results_of(whole)
    cut(named(own), tmp_path / "other")
    own.write_text(own.read_text().replace("images[:, 0].mean", "images[:, 1].mean"))
    with refused("mine.py has changed", "--changed"):
        resume(tmp_path / "other")
    own.write_text(own.read_text() + "\n\nredness.weights = (-1.0,)\n")
    with refused("weights (-1.0,)", "expected (1.0,)"):
        resume(tmp_path / "other", changed=True)
    own.write_text(own.read_text().replace("redness.weights = (-1.0,)", ""))
    run = resume(tmp_path / "other", changed=True)
    assert run.environment["resumed"][-1]["changed"] == [str(own)]
    assert results_of(run) != results_of(whole)


def test_code_is_not_run_because_a_run_folder_names_it(own: Path, tmp_path: Path, monkeypatch: Any) -> None:
    cut(named(own), tmp_path / "run")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "elsewhere"))  # another user's
    with refused("is code", "--trust"):
        resume(tmp_path / "run")
    assert resume(tmp_path / "run", trust=True).finished
    evovae.runs.figures.draw(Run.open(tmp_path / "run"))


@pytest.mark.parametrize("hidden", [False, True])
def test_no_module_is_imported_because_a_run_folder_names_it(
    own: Path, tmp_path: Path, monkeypatch: Any, hidden: bool
) -> None:
    """Not its package either, and not one that lies elsewhere under the name of what is the user's own."""
    for place in ("home", "sent"):
        package = tmp_path / place / "painter"
        package.mkdir(parents=True)
        (package / "__init__.py").write_text(f"import pathlib; pathlib.Path({str(tmp_path / place)!r}, 'ran').touch()")
        shutil.copy(own, package / "mine.py")
    monkeypatch.syspath_prepend(tmp_path / "home")
    problem = ProblemConfig(generator="painter.mine:generator", objective="painter.mine:redness")
    cut(problem, tmp_path / "run")
    assert (tmp_path / "home" / "ran").exists()
    for name in ("painter", "painter.mine"):
        sys.modules.pop(name)
    monkeypatch.syspath_prepend(tmp_path / "sent")
    if hidden:  # a run that says nothing of its files
        config = json.loads((tmp_path / "run" / "config.json").read_text())
        (tmp_path / "run" / "config.json").write_text(json.dumps(config | {"sources": []}))
    with refused("is code", "--trust"):
        resume(tmp_path / "run")
    assert not (tmp_path / "sent" / "ran").exists()
    assert "painter" not in sys.modules
    monkeypatch.setattr(sys, "path", [place for place in sys.path if place != str(tmp_path / "sent")])
    importlib.invalidate_caches()
    if not hidden:
        assert resume(tmp_path / "run").finished
        for name in ("painter", "painter.mine"):
            sys.modules.pop(name)


@pytest.mark.parametrize(
    ("objective", "words"),
    [
        ("mine.py:rednes", ("has no 'rednes'", "redness")),
        ("none.py:redness", ("there is no file",)),
        ("mine.py:MATRIX", ("expected a function",)),
    ],
)
def test_an_objective_with_a_wrong_name_is_refused(
    own: Path, tmp_path: Path, objective: str, words: tuple[str, ...]
) -> None:
    config = ProblemConfig(generator=f"{own}:generator", objective=f"{own.parent}/{objective}")
    with refused(*words):
        evolve_named(config, SMALL, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_named_objectives_that_need_images_say_so(own: Path, tmp_path: Path) -> None:
    for objective in ("digit:8", "target:test/7", "class:three"):
        with refused("--dataset"):
            evolve_named(ProblemConfig(generator=f"{own}:generator", objective=objective), SMALL, tmp_path / "run")
    with refused("--vae", "--generator"):
        evolve_named(ProblemConfig(objective="ink"), SMALL, tmp_path / "run")


# Encodings without a model


@pytest.mark.parametrize("encoding", ["pixels", "pca", "cppn"])
def test_encodings_without_a_model_are_named(tmp_path: Path, encoding: str) -> None:
    config = ProblemConfig(encoding=encoding, objective="ink", components=5)  # type: ignore[arg-type]
    with refused("--dataset"):
        evolve_named(config, SMALL, tmp_path / "run")
    run = evolve_named(config, SMALL, tmp_path / "run", dataset="mnist")
    hall = pd.read_csv(run.folder / "hall_of_fame.csv")
    assert {"held_out", "typicality"} <= set(hall)
    assert run.environment["not_measured"].keys() == {"novelty", "discriminator"}
    cut_short = tmp_path / "cut"
    with pytest.raises(Interrupted), mock.patch("evovae.runs.searching._search", side_effect=KeyboardInterrupt):
        evolve_named(config, SMALL, cut_short, dataset="mnist")
    assert results_of(resume(cut_short)) == results_of(run)


def test_older_runs_are_read(tmp_path: Path) -> None:
    """Once objective and support stood among the settings of the search, and the VAE beside them."""
    run = evovae.evolve(Problem(painted(), redness), SMALL, tmp_path / "run")
    config = json.loads((run.folder / "config.json").read_text())
    del config["problem"], config["sources"], config["measures"]
    config |= {"vae": "/some/where", "data": {"dataset": "mnist"}}
    config["evolution"] |= {"objective": "digit:3", "support": "shell"}
    (run.folder / "config.json").write_text(json.dumps(config))
    settings = settings_of(Run.open(run.folder))
    assert settings.problem == ProblemConfig(vae="/some/where", objective="digit:3", support="shell")
