"""An illumination's archive is shown as a map, while it grows, after it was stopped, and of any generator."""

import base64
import contextlib
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from exploring import ask, illuminate, make_folder, serving, visiting
from fastapi.testclient import TestClient
from refusals import refused

from evovae import runs
from evovae.base import files
from evovae.encodings import LatentEncoding
from evovae.explorer import archive_watcher, make_app, run_watcher, workspace
from evovae.explorer.archive_watcher import read_archive
from evovae.models import VAE, VAEConfig
from evovae.runs import (
    ARCHIVE,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    PREVIOUS,
    Checkpoints,
    IlluminateConfig,
    IlluminationResults,
    ProblemConfig,
    Run,
)

PAINT = """
import torch
import evovae


def paint(codes):
    shape = (3, 8, 200)
    waves = torch.linspace(0, 6, 3 * 8 * 200).reshape(shape)
    return (codes[:, :1].reshape(-1, 1, 1, 1) / 4 + waves).sin() / 2 + 0.5


def waves():
    return evovae.DecoderEncoding(paint, 4, (3, 8, 200))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of a VAE, with an evolution and two illuminations beside it. Shared: look, do not write."""
    vae = make_folder(tmp_path_factory.mktemp("explorer"))
    illuminate(vae, vae.parent / "kinds")
    illuminate(vae, vae.parent / "line", "class", (10,))
    return vae


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with serving(folder) as client:
        yield client


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    """A finished illumination to write to."""
    return Path(shutil.copytree(folder.parent / "kinds", tmp_path / "run"))


def numbers(text: str, kind: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), kind)


def elites(run: Path, replicate: int) -> tuple[np.ndarray, np.ndarray, torch.Tensor]:
    """Cells, objective and genomes, by cell."""
    found = IlluminationResults(Run(run)).elites("illumination")
    known = found.cells[replicate] >= 0
    return found.cells[replicate][known], found.objective[replicate][known], found.genomes[replicate][known]


def pixels(images: torch.Tensor) -> list[bytes]:
    return [image.tobytes() for image in (images.movedim(1, -1) * 255).round().byte().numpy()]


def shown(cards: list[Any]) -> list[bytes]:
    return [base64.b64decode(card["pixels"]) for card in cards]


def test_the_map_has_the_elites_of_the_run(client: TestClient, folder: Path) -> None:
    (run,) = [one for one in ask(client, "get", "runs")["runs"] if one["name"] == "kinds"]
    assert (run["kind"], run["generation"], run["generations"], run["measures"]) == (
        "illumination",
        4,
        4,
        ["slant", "thickness"],
    )
    whole = ask(client, "get", "runs/kinds")
    assert (whole["archive"], whole["frames"], whole["note"]) == (True, [], "")
    history = Run(folder.parent / "kinds").read_table("history.csv")
    coverage, score = whole["curves"]
    for curve, column in ((coverage, "coverage"), (score, "qd_score")):
        assert curve["best"][1] == history[history["replicate"] == 1][column].tolist()
    for replicate in range(2):
        cells, objective, _ = elites(folder.parent / "kinds", replicate)
        found = ask(client, "get", f"runs/kinds/archives/{replicate}")
        assert [(axis["name"], axis["places"]) for axis in found["axes"]] == [("slant", 6), ("thickness", 5)]
        assert (found["label"], found["cells"], found["filled"]) == ("lightness", 30, len(cells))
        assert numbers(found["places"], "<i4").tolist() == cells.tolist()
        np.testing.assert_allclose(numbers(found["objective"], "<f4"), objective, rtol=1e-6)


def test_pictures_and_elites_are_what_the_vae_decodes(client: TestClient, folder: Path) -> None:
    cells, objective, genomes = elites(folder.parent / "kinds", 1)
    with torch.no_grad():
        expected = pixels(LatentEncoding(VAE.load(folder)).decode(genomes))
    places = cells[::-1].tolist()
    found = ask(client, "post", "runs/kinds/archives/1/pictures", json={"places": places})
    assert shown(found["pictures"]) == expected[::-1]
    elite = ask(client, "get", f"runs/kinds/archives/1/elites/{cells[2]}")
    assert (elite["objective"], shown([elite["card"]])) == (objective[2], [expected[2]])
    assert len(elite["measures"]) == 2
    assert elite["card"]["predicted"] is not None
    session = ask(client, "post", "sessions", json={"seed": 0})["id"]
    parents = {"genomes": [elite["card"]["genome"]], "origin": "kinds, archive", "sigma": 0.3}
    bred = ask(client, "post", f"sessions/{session}/start", json=parents)
    assert shown(bred["individuals"][:1]) == [expected[2]]


def test_one_measure_makes_a_line_of_named_cells(client: TestClient) -> None:
    (axis,) = ask(client, "get", "runs/line/archives/0")["axes"]
    assert axis["cells"] == [str(digit) for digit in range(10)]


def test_of_further_measures_and_of_finer_grids_the_best_is_shown(folder: Path, tmp_path: Path) -> None:
    run = illuminate(folder, tmp_path / "run", "slant,thickness,boldness", (4, 4, 3))
    cells, objective, _ = elites(run, 0)
    with mock.patch.object(archive_watcher, "MOST_ALONG", 2):
        found = read_archive(run).replicate(0)
    places = cells // 3 // 8 * 2 + cells // 3 % 4 // 2
    assert found.filled == len(cells)
    assert found.places.tolist() == sorted(set(places.tolist()))
    assert found.objective.tolist() == [objective[places == place].max() for place in found.places]


@pytest.mark.parametrize(
    "path",
    [
        "archives/2",
        "archives/-1",
        "archives/x",
        "archives/0?x=1",
        "archives/0/elites/x",
        "archives/0/elites/30",
    ],
)
def test_what_no_archive_has_is_refused(client: TestClient, path: str) -> None:
    ask(client, "get", f"runs/kinds/{path}", 422)
    ask(client, "get", f"runs/nothing/{path}", 422 if "x" in path or "-" in path else 404)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"places": []},
        {"places": [30]},
        {"places": [-1]},
        {"places": ["0"]},
        {"places": [2**40]},
        {"places": [0] * 65},
    ],
)
def test_pictures_of_what_is_not_there_are_refused(client: TestClient, body: dict[str, Any]) -> None:
    ask(client, "post", "runs/kinds/archives/0/pictures", 422, json=body)


def test_an_evolution_has_no_archive(client: TestClient) -> None:
    assert not ask(client, "get", "runs/light")["archive"]
    ask(client, "get", "runs/light/archives/0", 422)


def test_an_archive_is_followed_at_every_checkpoint(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run, seen = tmp_path / "run", []
    save: Callable[[Checkpoints], None] = Checkpoints.save

    def saving(self: Checkpoints) -> None:
        save(self)
        seen.append((run_watcher.describe(run).generation, read_archive(run).replicate(1).filled))
        (run / CHECKPOINT).rename(run / "hidden")  # as while the next is being written
        with refused() if len(seen) == 1 else contextlib.nullcontext():
            assert read_archive(run).replicate(1).filled == seen[-2][1]
        (run / "hidden").rename(run / CHECKPOINT)

    monkeypatch.setattr(Checkpoints, "save", saving)
    illuminate(folder, run)
    history = Run(run).read_table("history.csv")
    coverage = history[history["replicate"] == 1]["coverage"].tolist()
    filled = [round(30 * share) for share in coverage]
    assert seen == [*enumerate(filled, 1), (4, filled[-1])], "the last is written once more at the end"
    assert read_archive(run).replicate(1).places.tolist() == elites(run, 1)[0].tolist()


def test_a_run_that_was_stopped_has_the_archive_of_its_checkpoint(copied: Path) -> None:
    before = read_archive(copied)
    files.write_json(copied / ENVIRONMENT, Run(copied).environment | {"status": "interrupted"})
    (copied / ARCHIVE).unlink()
    after = read_archive(copied)
    for one, other in zip(before.replicates, after.replicates, strict=True):
        assert one.places.tolist() == other.places.tolist()
        assert torch.equal(one.genomes, other.genomes)


@pytest.mark.parametrize("damage", ["missing", "cut", "index", "count", "gene", "grid"])
def test_damaged_archives_are_none_yet(damage: str, copied: Path) -> None:
    (copied / ARCHIVE).unlink()
    tensors, config = files.load_tensors(copied / CHECKPOINT, "checkpoint")
    prefix = "illumination/last/more/archive/result/"
    if damage == "grid":
        settings = Run(copied).config
        files.write_json(copied / CONFIG, settings | {"illumination": settings["illumination"] | {"grid": [6]}})
    elif damage == "missing":
        (copied / CHECKPOINT).unlink()
    elif damage == "cut":
        (copied / CHECKPOINT).write_bytes((copied / CHECKPOINT).read_bytes()[:1000])
    else:
        name, value = {"index": ("index", 30), "count": ("count", 31), "gene": ("genomes", float("nan"))}[damage]
        tensors[prefix + name][0] = value
        files.save_tensors(copied / CHECKPOINT, "checkpoint", tensors, config)
    with refused(str(copied)):
        read_archive(copied)
    assert not (copied / PREVIOUS).exists()


def test_archives_of_other_models_are_shown(client: TestClient, folder: Path, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    VAE(VAEConfig(latent_dim=3, hidden=(8,))).save(tmp_path / "other" / "vae.safetensors")
    run = illuminate(tmp_path / "other", folder.parent / "other-kinds")
    (tmp_path / "mine.py").write_text(PAINT)
    named = ProblemConfig(generator=f"{tmp_path / 'mine.py'}:waves", objective="ink", measures="boldness")
    small = IlluminateConfig(grid=(60,), generations=8, replicates=2, emitters=2, batch_size=20, baselines=())
    paint = runs.illuminate_named(named, small, folder.parent / "paint").folder
    try:
        assert "no meaning here" in ask(client, "get", "runs/other-kinds")["note"]
        cells, _, genomes = elites(run, 0)
        with torch.no_grad():
            expected = pixels(LatentEncoding(VAE.load(run)).decode(genomes[:1]))
        found = ask(client, "post", "runs/other-kinds/archives/0/pictures", json={"places": cells[:1].tolist()})
        assert shown(found["pictures"]) == expected
        assert "whose pictures the run keeps" in ask(client, "get", "runs/paint")["note"]
        first, second = (ask(client, "get", f"runs/paint/archives/{replicate}") for replicate in range(2))
        kept, places = numbers(first["pictured"], "<i4").tolist(), numbers(first["places"], "<i4").tolist()
        assert 0 < len(kept) < len(places)
        assert second["pictured"] == ""
        (unknown, *_) = set(places) - set(kept)
        ask(client, "post", "runs/paint/archives/0/pictures", 422, json={"places": [unknown]})
        assert ask(client, "get", f"runs/paint/archives/0/elites/{unknown}")["card"] is None
        with visiting(make_app(workspace.explore(generator=str(named.generator), runs=folder.parent))) as own:
            assert ask(own, "get", "runs/paint/archives/0")["pictured"] is None
            seen = [
                ask(one, "post", "runs/paint/archives/0/pictures", json={"places": kept})["pictures"]
                for one in (client, own)
            ]
            assert seen[0][0]["shape"] == [3, 4, 96], "it is made smaller for the map"
            distance = [np.frombuffer(b"".join(shown(one)), np.uint8).astype(int) for one in seen]
            assert np.abs(distance[0] - distance[1]).max() <= 1
            for one in (client, own):
                card = ask(one, "get", f"runs/paint/archives/0/elites/{kept[0]}")["card"]
                assert (card["shape"], card["genome"] == []) == ([3, 8, 200], one is client)
    finally:
        shutil.rmtree(run)
        shutil.rmtree(paint)
