"""Illuminations in recorded runs: what they hold, that they go on where they were left, their figures and refusals."""

import dataclasses
import json
import math
import shutil
import typing
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from refusals import refused
from torch import Tensor

import evovae
from evovae import evolution
from evovae.base import files, make_generator
from evovae.cli import report
from evovae.encodings import DecoderEncoding
from evovae.objectives import Measures
from evovae.runs import IlluminateConfig, IlluminationResults, Problem, Run, figures
from evovae.runs.config import CheckpointConfig
from evovae.runs.folders.checkpoints import read_checkpoint
from evovae.runs.illuminations import illumination_figures
from evovae.runs.illuminations.algorithms import ILLUMINATIONS
from evovae.runs.illuminations.illumination import default_grid
from evovae.runs.illuminations.illumination_config import Illumination
from evovae.runs.illuminations.measured_ranges import measured_ranges
from evovae.runs.illuminations.tiles import best_in_blocks, plane

DIM, SHAPE = 5, (3, 6, 7)
SMALL = IlluminateConfig(generations=4, replicates=2, emitters=2, batch_size=6, initial=20, grid=(6, 5), device="cpu")
MATRIX = torch.linspace(-1, 1, DIM * math.prod(SHAPE)).reshape(DIM, -1).mul(9).sin()
FILES = ("history.csv", "baseline.csv", "archive.safetensors", "archive.csv", "checkpoint.safetensors")
FIGURES = ("progress", "archive", "elites")


def paint(codes: Tensor) -> Tensor:
    """Return colour pictures in [-1, 1] of codes (B, D)."""
    return torch.tanh(codes @ MATRIX).unflatten(1, SHAPE)


def redness(images: Tensor) -> Tensor:
    return images[:, 0].mean((1, 2))


def halves(images: Tensor) -> Tensor:
    """Return how light the upper and the left half are, (B, 2)."""
    return torch.stack((images[:, :, :3].mean((1, 2, 3)), images[..., :3].mean((1, 2, 3))), 1)


DRAW = figures.draw


@pytest.fixture(autouse=True)
def _figures_cost_no_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(figures, "draw", lambda run: [])


def problem(objective: Callable = redness, measures: Any = halves, **more: Any) -> Problem:
    return Problem(DecoderEncoding(paint, DIM, SHAPE, range=(-1, 1)), objective, measures=measures, **more)


def config(algorithm: str = "cmaMAE", **more: Any) -> IlluminateConfig:
    return dataclasses.replace(SMALL, algorithm=algorithm, **more)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A finished one. Shared: look, do not write."""
    return evovae.illuminate(problem(), SMALL, tmp_path_factory.mktemp("runs") / "run")


# What a run holds


def test_a_run_holds_what_it_promises(run: Run) -> None:
    assert run.finished
    history = run.history
    assert list(history) == [
        *("replicate", "generation", "nevals", "evaluations", "min", "mean", "max", "std", "nonfinite"),
        *("coverage", "qd_score", "norm_qd_score", "best"),
    ]
    assert len(history) == 2 * 4
    assert (history.groupby("replicate")["nevals"].cumsum() == history["evaluations"]).all()
    assert (history.groupby("replicate")["coverage"].diff().dropna() >= 0).all()
    assert np.allclose(history["qd_score"] / 30, history["norm_qd_score"])
    spent = [pd.read_csv(run.folder / name)["evaluations"].max() for name in ("history.csv", "baseline.csv")]
    assert spent == [48, 48], "random search has as many evaluations"
    assert {path.stem for path in run.figures.iterdir()} == set(FIGURES)
    config = json.loads((run.folder / "config.json").read_text())
    assert config["kind"] == "illumination"
    assert config["measures"] == ["measure_0", "measure_1"]
    settings = config["illumination"]
    assert None not in settings.values(), "all is said that was left open"
    assert settings["grid"] == [6, 5]
    assert run.settings.illumination.spans[0][0] < run.settings.illumination.spans[0][1]


def test_the_archive_is_that_of_the_engine(run: Run) -> None:
    settings = run.settings.illumination
    archive = evolution.GridArchive((6, 5), settings.spans, 0.01, settings.threshold_min, settings.qd_offset)
    emitter = evolution.EvolutionStrategyEmitter(0.5, 6, 2, "imp", "mu", "basic")
    toolbox = evolution.toolbox(problem().encoding, redness, measures=halves)
    evolution.illuminate(toolbox, archive, emitter, ngen=4, replicates=2, seed=0)
    elites = IlluminationResults(run).elites("illumination")
    for replicate in range(2):
        ours, known = archive.table(replicate), elites.cells[replicate] >= 0
        assert ours["index"].tolist() == elites.cells[replicate][known].tolist()
        assert ours["objective"].tolist() == elites.objective[replicate][known].tolist()
        assert np.array_equal(ours[["measures_0", "measures_1"]], elites.measures[replicate][known])
    last = run.history.groupby("replicate").last()
    assert np.allclose(last["coverage"], archive.coverage, atol=1e-8)
    assert np.allclose(last["qd_score"], archive.qd_score)


def test_the_table_of_elites_has_those_of_the_file_with_their_realism(run: Run) -> None:
    table, tensors = (
        pd.read_csv(run.folder / "archive.csv"),
        files.load_tensors(run.folder / "archive.safetensors", "archive")[0],
    )
    genes = [f"solution_{d}" for d in range(DIM)]
    assert list(table) == [
        *("search", "replicate", *genes, "objective", "measures_0", "measures_1", "index", "log_prior"),
    ]
    for label, prefix in (("illumination", ""), ("random search", "baseline_")):
        known = tensors[f"{prefix}index"] >= 0
        rows = table[table["search"] == label]
        assert rows["index"].tolist() == tensors[f"{prefix}index"][known].tolist()
        genomes = tensors[f"{prefix}genomes"][known]
        assert np.allclose(rows[genes], genomes)
        images = problem().encoding.decode(genomes)
        assert np.allclose(rows["objective"], redness(images), atol=1e-6)
        assert np.allclose(rows[["measures_0", "measures_1"]], halves(images), atol=1e-6)
    assert len(IlluminationResults(run).table) == len(table)


def test_genes_are_left_out_of_a_table_that_they_would_make_large(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("evovae.runs.illuminations.illumination_files.MOST_GENES", 10)
    found = evovae.illuminate(problem(), SMALL, tmp_path / "run")
    assert "solution_0" not in pd.read_csv(found.folder / "archive.csv")


def test_the_range_of_a_measure_is_its_own_or_found_among_draws(tmp_path: Path) -> None:
    def one(images: Tensor) -> Tensor:
        return images.mean((1, 2, 3))

    def known(images: Tensor) -> Tensor:
        return images[:, 0].mean((1, 2))

    known.ranges = ((0.25, 0.75),)  # type: ignore[attr-defined]
    found = evovae.illuminate(problem(measures=one), config(grid=None), tmp_path / "found").settings.illumination
    draws = one(problem().encoding.decode(problem().encoding.sample(1000, torch.Generator().manual_seed(0))))
    low, high = found.spans[0]
    assert 0 < low < float(draws.mean()) < high < 1
    assert found.grid == (100,)
    own = evovae.illuminate(problem(measures=known), config(grid=(9,)), tmp_path / "own").settings.illumination
    assert own.ranges == (0.25, 0.75)
    given = evovae.illuminate(problem(measures=known), config(grid=(9,), ranges=(0.0, 2.0)), tmp_path / "given")
    assert given.settings.illumination.ranges == (0.0, 2.0)


def test_a_range_reaches_a_tenth_beyond_what_was_found() -> None:
    made = problem(measures=lambda images: images.mean((1, 2, 3)))
    low, high = measured_ranges(made.measures, made)
    found = made.measured(made.encoding.decode(made.encoding.sample(1000, make_generator(0))))["measure_0"]
    spread = float(found.max() - found.min())
    assert (low, high) == pytest.approx((float(found.min()) - 0.1 * spread, float(found.max()) + 0.1 * spread))


def test_the_qd_score_counts_from_the_worst_of_draws_unless_said(tmp_path: Path, run: Run) -> None:
    assert 0 < run.settings.illumination.qd_offset < 0.5
    for weight, limits in ((-1.0, (-1.0, -0.5)), (2.0, (0.0, 1.0))):
        found = evovae.illuminate(problem(weights=(weight,)), SMALL, tmp_path / f"{weight}")
        assert limits[0] < found.settings.illumination.qd_offset < limits[1]
        assert found.settings.illumination.threshold_min == found.settings.illumination.qd_offset
        assert (found.history.groupby("replicate")["coverage"].last() > 0).all()
    zero = evovae.illuminate(problem(), config(qd_offset=0.0, baselines=()), tmp_path / "zero")
    best, score = zero.history[["best", "qd_score"]].iloc[-1]
    assert score > best > 0


# Algorithms


def test_every_algorithm_of_the_register_can_be_asked_for() -> None:
    assert typing.get_args(Illumination) == tuple(ILLUMINATIONS)


@pytest.mark.parametrize("algorithm", ILLUMINATIONS)
def test_a_run_that_was_cut_is_resumed_to_the_bit(tmp_path: Path, algorithm: str) -> None:
    whole = evovae.illuminate(problem(), config(algorithm), tmp_path / "whole")
    for after in (0, 3, 6) if algorithm == "cmaMAE" else (3, 6):
        out, calls = tmp_path / f"{after}", 0

        def stopping(images: Tensor, after: int = after) -> Tensor:
            nonlocal calls
            calls += len(images) > 2  # the first two ask what it is
            if calls == 1 + after:  # at 0 it asks for the worst of draws
                raise KeyboardInterrupt
            return redness(images)

        with pytest.raises(KeyboardInterrupt):
            every = CheckpointConfig(checkpoint_every=1)
            evovae.illuminate(problem(stopping, name="redness"), config(algorithm), out, checkpoint=every)
        assert not Run.open(out).finished
        evovae.resume(out, problem())
        for name in FILES:
            assert (out / name).read_bytes() == (whole.folder / name).read_bytes(), (after, name)


@pytest.mark.parametrize("algorithm", ["cmaMAE", "mapElitesLine"])
def test_a_longer_run_is_the_one_that_was_longer_from_the_beginning(tmp_path: Path, algorithm: str) -> None:
    whole = evovae.illuminate(problem(), config(algorithm, generations=7), tmp_path / "whole")
    evovae.illuminate(problem(), config(algorithm), tmp_path / "run")
    found = evovae.resume(tmp_path / "run", problem(), generations=7)
    for name in FILES:
        assert (found.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    with refused("generations is 3: expected at least the 7"):
        evovae.resume(tmp_path / "run", problem(), generations=3)


def test_a_replicate_is_the_same_alone(tmp_path: Path, run: Run) -> None:
    alone = evovae.illuminate(problem(), config(replicates=1), tmp_path / "run")
    both = run.history
    pd.testing.assert_frame_equal(alone.history, both[both["replicate"] == 0].reset_index(drop=True))


def test_a_resumed_run_needs_the_same_measures(run: Run) -> None:
    copied = shutil.copytree(run.folder, run.folder.parent / "copied")
    with refused("other measures"):
        evovae.resume(copied, problem(measures=lambda images: 0.5 * halves(images)), generations=9)
    named = Measures(("up", "left"), halves, (None, None), (None, None))
    with refused("measures", "('up', 'left')"):
        evovae.resume(copied, problem(measures=named), generations=9)
    assert read_checkpoint(Run(copied)) is not None


# Figures


def test_figures_are_redrawn_from_the_files_alone(run: Run, tmp_path: Path) -> None:
    copied = Run.open(shutil.copytree(run.folder, tmp_path / "run"))
    before = {path.name: path.read_bytes() for path in copied.figures.iterdir()}
    for path in copied.figures.iterdir():
        path.unlink()
    assert {path.stem for path in DRAW(copied)} == set(FIGURES)
    assert {path.name: path.read_bytes() for path in copied.figures.iterdir()} == before


@pytest.mark.parametrize(("count", "replicates"), [(1, 2), (2, 1), (3, 2)])
def test_any_number_of_measures_and_of_replicates_is_drawn(tmp_path: Path, count: int, replicates: int) -> None:
    def measures(images: Tensor) -> Tensor:
        return images.flatten(1)[:, :count]

    found = evovae.illuminate(problem(measures=measures), config(grid=None, replicates=replicates), tmp_path / "run")
    grid = found.settings.illumination.grid
    assert grid == {1: (100,), 2: (100, 100), 3: (22, 22, 22)}[count]
    for path in DRAW(found):
        assert path.stat().st_size < 300_000
    report.report(found)


def test_phenotypes_that_are_curves_are_drawn_and_others_are_not(tmp_path: Path) -> None:
    for shape, drawn in (((12,), True), ((2, 6), True), ((2, 2, 3), False)):
        encoding = DecoderEncoding(
            lambda z, shape=shape: (z @ MATRIX[:, :12]).sigmoid().unflatten(1, shape), DIM, shape
        )
        made = Problem(encoding, lambda x: x.flatten(1).mean(1), measures=lambda x: x.flatten(1)[:, :2])
        found = evovae.illuminate(made, SMALL, tmp_path / f"{len(shape)}")
        assert ("elites" in illumination_figures.draw_figures(IlluminationResults(found))) == drawn


def test_runs_are_compared_and_where_they_have_the_same_cells_so_is_each_of_these(run: Run, tmp_path: Path) -> None:
    same = evovae.illuminate(problem(), config("mapElites", ranges=run.settings.illumination.ranges), tmp_path / "same")
    coarse = evovae.illuminate(problem(), config(grid=(5, 6)), tmp_path / "coarse")
    widths = []
    for other in (same, coarse):
        with Image.open(figures.compare([run, other], tmp_path / "x.png")) as picture:
            widths.append(picture.width)
    assert widths[0] > 1.3 * widths[1], "a map of the difference is beside the curves"
    fine = evovae.illuminate(problem(), config(grid=(9, 9)), tmp_path / "fine")
    with refused("has cells 81, not 30", "no common axis"):
        figures.compare([run, fine], tmp_path / "y.png")


def test_a_map_shows_the_best_elite_of_each_block() -> None:
    index = np.array([0, 1, 6, 7, 35])
    objective = np.array([1.0, 2.0, 4.0, 3.0, 0.0])
    found = best_in_blocks(index, objective, (6, 6), most=3)
    assert (found.rows.tolist(), found.places.tolist(), found.blocks) == ([2, 4], [[0, 0], [2, 2]], (3, 3))
    assert plane(np.array([0, 5, 59]), (3, 4, 5))[0].tolist() == [[0, 0], [0, 1], [2, 3]]
    assert plane(np.array([7]), (9,)) == (pytest.approx(np.array([[7, 0]])), (9, 1))


def test_a_grid_has_fewer_cells_along_each_of_many_measures() -> None:
    assert default_grid((None,)) == (100,)
    assert default_grid((None, None)) == (100, 100)
    assert default_grid((10, 4)) == (10, 4)
    assert default_grid((10, None)) == (10, 100)
    assert default_grid((None,) * 4) == (10,) * 4
    assert default_grid((None,) * 20) == (2,) * 20


def test_a_search_that_finds_no_elite_ends_with_an_empty_archive(tmp_path: Path) -> None:
    def nothing(images: Tensor) -> Tensor:
        return images[:, 0].mean((1, 2)) * math.nan if len(images) > 2 else redness(images)

    found = evovae.illuminate(problem(nothing), config(qd_offset=0.0), tmp_path / "run")
    assert found.history["coverage"].eq(0).all()
    assert [path.stem for path in DRAW(found)] == ["progress"]
    report.report(found)


# Refusals


@pytest.mark.parametrize(
    ("made", "wrong", "words"),
    [
        ({"measures": None}, {}, ("no measures",)),
        ({"objective": lambda x: x.mean((2, 3))}, {}, ("3 objectives are too many", "+")),
        ({}, {"grid": (5,)}, ("grid is (5,)", "measure_0, measure_1")),
        ({}, {"ranges": (0.0, 1.0)}, ("ranges is (0.0, 1.0)", "two numbers for each of measure_0")),
        ({}, {"grid": (10**6, 10**7)}, ("GiB",)),
        ({"objective": lambda x: (x[:, 0] > 0.5).float().mean((1, 2))}, {"algorithm": "cmaMEGA"}, ("no gradient",)),
        ({"measures": lambda x: (x > 0.5).float().mean((2, 3))}, {"algorithm": "cmaMAEGA", "grid": None}, ("cmaMAE",)),
        ({"measures": Measures(("n",), halves, (None,), (4,))}, {"grid": (5,)}, ("5 cells for n", "expected 4")),
    ],
)
def test_what_does_not_fit_is_refused_and_nothing_written(
    tmp_path: Path, made: dict[str, Any], wrong: dict[str, Any], words: tuple[str, ...]
) -> None:
    with refused(*words):
        evovae.illuminate(problem(**made), dataclasses.replace(SMALL, **wrong), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_a_measure_that_is_never_finite_needs_ranges(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="measure_0 has no finite value"):
        evovae.illuminate(problem(measures=lambda x: x.mean((1, 2, 3)) * math.nan), config(grid=(9,)), tmp_path / "run")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("archive.safetensors", lambda kept: kept | {"index": kept["index"] + 30}),
        ("archive.safetensors", lambda kept: kept | {"objective": kept["objective"][:1]}),
        ("archive.safetensors", lambda kept: kept | {"tile_places": kept["tile_places"] + 9}),
        ("archive.safetensors", lambda kept: {name: kept[name] for name in kept if name != "measures"}),
    ],
)
def test_damaged_results_are_refused(run: Run, tmp_path: Path, name: str, change: Callable) -> None:
    copied = Run.open(shutil.copytree(run.folder, tmp_path / "run"))
    kept, more = files.load_tensors(copied.folder / name, "archive")
    files.save_tensors(copied.folder / name, "archive", change(kept), more)
    with refused(name):
        DRAW(copied)


def test_a_table_of_elites_that_does_not_fit_is_refused(run: Run, tmp_path: Path) -> None:
    copied = Run.open(shutil.copytree(run.folder, tmp_path / "run"))
    table = pd.read_csv(copied.folder / "archive.csv")
    for wrong in (table.assign(replicate=7), table.assign(search="luck"), table.drop(columns="index")):
        wrong.to_csv(copied.folder / "archive.csv", index=False)
        with refused("archive.csv"):
            report.report(copied)
