"""The explorer of a generator that is no VAE: colour images or curves, with no encoder, no judges and no image set."""

import base64
import io
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from events import wait_for
from exploring import ask, make_folder, visiting
from fastapi.testclient import TestClient
from making import draw_pictures
from PIL import Image
from refusals import refused

import evovae
from evovae import runs
from evovae.base import files
from evovae.encodings import Encoding, Uniform, VectorEncoding
from evovae.explorer import make_app, workspace
from evovae.explorer.drawing import Drawing
from evovae.explorer.gene_space import DIRECTIONS, MOST_SLIDERS, GeneSpace
from evovae.explorer.jury import Jury
from evovae.explorer.session import Session
from evovae.runs import ENVIRONMENT, POPULATION, EvolveConfig, ProblemConfig, Run, genomes

CODE = """
import math
from pathlib import Path

import torch
import evovae
from evovae.encodings import Uniform, VectorEncoding

Path({ran!r}).touch()


class Paint(torch.nn.Module):
    def __init__(self, *shape):
        super().__init__()
        size = math.prod(shape)
        self.register_buffer("colours", torch.linspace(-3.0, 3.0, 3 * size).sin().reshape(3, size) * 5)
        self.shape = shape

    def forward(self, codes):
        return (codes @ self.colours).sigmoid().unflatten(1, self.shape)

    def encode(self, images):
        return torch.linalg.lstsq(self.colours.T, images.clamp(1e-4, 1 - 1e-4).logit().flatten(1).T).solution.T


def colours():
    return evovae.DecoderEncoding(Paint(3, 4, 5), 3, (3, 4, 5))


def known():
    paint = Paint(3, 16, 16)
    return evovae.DecoderEncoding(paint, 3, (3, 16, 16), encode=paint.encode)


def waves(codes):
    times = torch.linspace(0, 6.0, 50)
    return torch.stack([(codes[:, :20].sum(1, keepdim=True) + lead * times).sin() for lead in (1, 2)], 1)


def curves():
    return evovae.DecoderEncoding(waves, 600, (2, 50), prior=Uniform(600, -1.0, 1.0), range=None)


def clips():
    return evovae.DecoderEncoding(lambda codes: codes.new_ones(len(codes), 2, 3, 4, 5), 3, (2, 3, 4, 5))


def wide():
    return VectorEncoding(70_000)
"""
SMALL = EvolveConfig(population=4, generations=2, replicates=2, baselines=())
BYTES = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def code(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("generators")
    path = folder / "mine.py"
    path.write_text(CODE.format(ran=str(folder / "ran")))
    return path


@contextmanager
def exploring(named: str, root: Path, **more: Any) -> Iterator[TestClient]:
    root.mkdir(parents=True, exist_ok=True)
    with visiting(make_app(workspace.explore(generator=named, runs=root, **more))) as client:
        yield client


@pytest.fixture
def colours(code: Path, tmp_path: Path) -> Iterator[TestClient]:
    with exploring(f"{code}:colours", tmp_path / "runs") as client:
        yield client


@pytest.fixture
def curves(code: Path, tmp_path: Path) -> Iterator[TestClient]:
    with exploring(f"{code}:curves", tmp_path / "runs") as client:
        yield client


def pixels(card: dict[str, Any]) -> np.ndarray:
    channels, height, width = card["shape"]
    return np.frombuffer(base64.b64decode(card["pixels"]), np.uint8).reshape(height, width, channels)


def decoded(named: str, genes: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        images = evovae.encodings.load_generator(named).decode(genes)
    return (images * 255).round().byte().permute(0, 2, 3, 1).numpy()


def test_what_is_missing_is_told_and_not_shown(colours: TestClient) -> None:
    model = ask(colours, "get", "model")
    assert model["no_map"] == "There is no map: this generator has no encoder that says where known images lie."
    assert (model["test_images"], model["encodes"], model["classes"]) == (0, False, [])
    assert model["judges"] == "none"
    assert "no image set" in model["judges_word"]
    assert model["not_typical"] == "there is no image set to compare with"
    assert model["objectives"] == ["ink", "symmetry", "boldness", "lightness"]
    assert [unit["unit"] for unit in model["units"]] == [0, 1, 2]
    assert model["units"][0]["activity"] is None
    for path in ("test/0", "map?method=pca"):
        assert "There is no map" in ask(colours, "get", path, 422)["detail"]
    ask(colours, "post", "map/decode", 422, json={"method": "pca", "x": 0, "y": 0})
    assert "no encoder" in ask(colours, "post", "encode", 422, content=b"x", headers=BYTES)["detail"]
    ask(colours, "post", "moved", 422, json={"genome": None, "moves": [[0.0] * DIRECTIONS]})


def test_images_are_what_the_generator_decodes(colours: TestClient, code: Path) -> None:
    genes = torch.tensor([[0.5, -1.0, 2.0], [0.0, 0.0, 0.0]])
    cards = ask(colours, "post", "images", json={"genomes": genes.tolist()})["cards"]
    np.testing.assert_array_equal([pixels(card) for card in cards], decoded(f"{code}:colours", genes))
    assert cards[0]["shape"] == [3, 4, 5]
    assert (cards[0]["predicted"], cards[0]["typicality"]) == (None, None)
    assert cards[1]["log_prior"] == pytest.approx(-0.919, abs=1e-3)


def test_images_are_bred_kept_and_opened_again(colours: TestClient, code: Path, tmp_path: Path) -> None:
    session = ask(colours, "post", "sessions", json={"seed": 0})["id"]
    body = {"generation": 0, "selected": [1, 4], "sigma": 0.3, "crossover": "cxBlend"}
    bred = ask(colours, "post", f"sessions/{session}/breed", json=body)
    genome = bred["individuals"][7]["genome"]
    ask(colours, "post", f"sessions/{session}/favourites", json={"genome": genome, "origin": "generation 2"})
    for kind in ("json", "safetensors"):
        path = tmp_path / f"kept.{kind}"
        path.write_bytes(colours.get(f"/api/sessions/{session}/favourites/file?format={kind}").content)
        kept = genomes.read_genomes(path, evovae.encodings.load_generator(f"{code}:colours"))
        assert kept.tolist() == [genome]
    picture = Image.open(io.BytesIO(colours.get(f"/api/sessions/{session}/favourites/0/file?format=png").content))
    assert picture.size == (40, 32)
    saved = colours.get(f"/api/sessions/{session}/file").content
    assert ask(colours, "post", "sessions/open", content=saved, headers=BYTES)["favourites"][0]["genome"] == genome
    with exploring(f"{code}:colours", tmp_path / "runs") as again:
        assert ask(again, "get", f"sessions/{session}")["favourites"][0]["genome"] == genome
    with exploring(f"{code}:curves", tmp_path / "runs") as other:
        ask(other, "get", f"sessions/{session}", 404)
        assert (
            "another VAE or generator"
            in ask(other, "post", "sessions/open", 422, content=saved, headers=BYTES)["detail"]
        )


def test_an_evolution_begins_with_a_favourite_and_is_watched(code: Path, tmp_path: Path) -> None:
    with exploring(f"{code}:colours", tmp_path / "runs") as client:
        session = ask(client, "post", "sessions", json={"seed": 1})["id"]
        first = ask(client, "get", f"sessions/{session}/generations/0")["individuals"][0]
        ask(client, "post", f"sessions/{session}/favourites", json={"genome": first["genome"], "origin": "x"})
        body = {"favourites": [0], "use": "target", "generations": 1, "population": 4, "replicates": 2}
        started = ask(client, "post", f"sessions/{session}/evolve", json=body)
        assert started["command"].startswith(f"evovae evolve --generator {code}:colours --genomes")

        def find() -> list[dict]:
            return [run for run in ask(client, "get", "runs")["runs"] if run["status"] == "finished"]

        wait_for(find, every=0.2)
        (run,) = find()
        assert run["compatible"]
        assert ask(client, "get", f"runs/{run['key']}")["note"] == ""
        frame = ask(client, "get", f"runs/{run['key']}/frames/1")
        found = client.post("/api/images", json={"genomes": [card["genome"] for card in frame["cards"]]}).json()
        assert [card["pixels"] for card in frame["cards"]] == [card["pixels"] for card in found["cards"]]
        code_named = ask(
            client,
            "post",
            f"sessions/{session}/evolve",
            422,
            json=body | {"use": "initial", "objective": f"{code}:waves"},
        )
        assert "is code: it can only be named in a command" in code_named["detail"]


def test_runs_of_others_are_shown_without_their_code(code: Path, tmp_path: Path) -> None:
    root = tmp_path / "runs"
    vae = make_folder(tmp_path)
    gone = tmp_path / "gone.py"
    gone.write_text(CODE.format(ran=str(tmp_path / "ran")))
    runs.evolve_named(ProblemConfig(generator=f"{gone}:colours", objective="ink"), SMALL, root / "paint")
    shown = Run.open(root / "paint")
    gone.unlink()
    (tmp_path / "ran").unlink()
    with mock.patch.object(workspace, "TEST_IMAGES", 60):
        apps = [
            workspace.explore(vae, dataset="mnist", runs=root),
            workspace.explore(generator=f"{code}:curves", runs=root),
        ]
    for explored in apps:
        with visiting(make_app(explored)) as client:
            (run,) = ask(client, "get", "runs")["runs"]
            assert not run["compatible"]
            whole = ask(client, "get", "runs/paint")
            assert whole["frames"] == [0, 1, 2]
            assert "no meaning here" in whole["note"]
            cards = ask(client, "get", "runs/paint/frames/2")["cards"]
            expected = decoded(f"{code}:colours", runs.EvolutionResults(shown).population()["frame_genomes"][:, 2])
            np.testing.assert_array_equal([pixels(card) for card in cards], expected)
            assert [card["genome"] for card in cards] == [[], []]
            ask(client, "get", "runs/paint/frames/3", 422)
    (root / "paint" / POPULATION).unlink()
    files.write_json(root / "paint" / ENVIRONMENT, shown.environment | {"status": "interrupted"})
    with exploring(f"{code}:curves", root) as client:
        whole = ask(client, "get", "runs/paint")
        assert (whole["frames"], "when the run is finished" in whole["note"]) == ([], True)
        ask(client, "get", "runs/paint/frames/0", 422)
    with exploring(f"{code}:colours", root) as client:
        whole = ask(client, "get", "runs/paint")
        assert (whole["frames"], whole["compatible"]) == ([0, 1, 2], True)
        assert ask(client, "get", "runs/paint/frames/2")["cards"][0]["genome"] != []
    assert not (tmp_path / "ran").exists()


def test_curves_of_many_genes_move_along_directions(curves: TestClient) -> None:
    model = ask(curves, "get", "model")
    assert (model["directions"], model["curves"], len(model["units"])) == (True, True, DIRECTIONS)
    assert model["objectives"] == []
    assert "makes curves" in model["no_map"]
    (centre,) = ask(curves, "post", "moved", json={"genome": None, "moves": [[0.0] * DIRECTIONS]})["cards"]
    assert np.frombuffer(base64.b64decode(centre["genome"]), "<f4").tolist() == [0.0] * 600
    assert centre["shape"] == [1, 128, 256]
    step = [[0.0] * DIRECTIONS, [2.0] + [0.0] * (DIRECTIONS - 1)]
    cards = ask(curves, "post", "moved", json={"genome": centre["genome"], "moves": step})["cards"]
    assert cards[0]["pixels"] == centre["pixels"]
    assert cards[1]["pixels"] != centre["pixels"]
    (again,) = ask(curves, "post", "images", json={"genomes": [cards[1]["genome"]]})["cards"]
    assert again == cards[1]
    for damaged in ("", "AAAA", "é", centre["genome"][:-8], [0.0] * 600):
        ask(curves, "post", "images", 422, json={"genomes": [damaged]})
    far = base64.b64encode(np.full(600, 101, "<f4").tobytes()).decode()
    assert "beyond 100" in ask(curves, "post", "images", 422, json={"genomes": [far]})["detail"]


def test_curves_are_bred_and_kept(curves: TestClient, code: Path, tmp_path: Path) -> None:
    session = ask(curves, "post", "sessions", json={"seed": 0})["id"]
    body = {"generation": 0, "selected": [0], "sigma": 0.3, "crossover": "none"}
    bred = ask(curves, "post", f"sessions/{session}/breed", json=body)["individuals"]
    assert len({one["pixels"] for one in bred}) == 20
    ask(curves, "post", f"sessions/{session}/favourites", json={"genome": bred[3]["genome"], "origin": "x"})
    (tmp_path / "kept.json").write_bytes(curves.get(f"/api/sessions/{session}/favourites/file?format=json").content)
    kept = genomes.read_genomes(tmp_path / "kept.json", evovae.encodings.load_generator(f"{code}:curves"))
    assert base64.b64encode(kept.numpy().tobytes()).decode() == bred[3]["genome"]
    body = {"favourites": [0], "use": "target"}
    assert "(2, 50)" in ask(curves, "post", f"sessions/{session}/evolve", 422, json=body)["detail"]
    picture = Image.open(io.BytesIO(curves.get(f"/api/sessions/{session}/favourites/0/file?format=png").content))
    assert picture.size == (256, 128)


def test_an_encoder_and_images_make_a_map(code: Path, tmp_path: Path) -> None:
    draw_pictures(tmp_path / "bars")
    jury = Jury(None, [], torch.device("cpu"))
    with mock.patch("evovae.explorer.workspace.Jury", return_value=jury):  # which would be trained
        explored = workspace.explore(generator=f"{code}:known", dataset=str(tmp_path / "bars"), runs=tmp_path)
    with visiting(make_app(explored)) as client:
        model = ask(client, "get", "model")
        assert (model["no_map"], model["encodes"]) == ("", True)
        assert model["units"][0]["activity"] >= model["units"][1]["activity"]
        ask(client, "get", "map?method=pca")
        known = ask(client, "get", "test/1")
        content = client.get("/api/test/1/picture").content
        brought = ask(client, "post", "encode", content=content, headers=BYTES)
        assert brought["original"] == known["original"]
        np.testing.assert_allclose(brought["card"]["genome"], known["card"]["genome"], rtol=1e-3, atol=1e-3)
    with exploring(f"{code}:known", tmp_path) as client:
        assert "give one with --dataset" in ask(client, "get", "model")["no_map"]


@pytest.mark.parametrize(
    ("named", "words"),
    [
        ("clips", ("(2, 3, 4, 5)", "cannot be shown")),
        ("wide", ("70000 genes", "65536")),
    ],
)
def test_what_cannot_be_shown_is_refused_at_start(
    named: str, words: tuple[str, ...], code: Path, tmp_path: Path
) -> None:
    with refused(*words):
        workspace.explore(generator=f"{code}:{named}", runs=tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_curves_have_no_image_set(code: Path, tmp_path: Path) -> None:
    with refused("makes no images"):
        workspace.explore(generator=f"{code}:curves", dataset="mnist", runs=tmp_path)


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--vae", "vae", "--generator", "mine.py:colours"), "a VAE and a generator are given"),
        (("--vae", "vae", "--range", "-1", "1"), "no effect without --generator"),
        (("--generator", "nowhere.py:colours"), "nowhere.py"),
    ],
)
def test_options_that_do_not_fit_end_in_one_line(words: tuple[str, ...], expected: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "evovae", "explore", "--no-browser", "--port", "0", *words]
    ended = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, check=False)
    assert ended.returncode == 2
    assert expected in ended.stderr
    assert ended.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_a_narrow_peak_is_seen_and_lines_have_no_gaps() -> None:
    curve = torch.zeros(1, 5000)
    curve[0, 2503] = 1.0
    drawing = Drawing(torch.stack([curve[0], torch.linspace(-1, 1, 5000)]))
    (image,) = drawing.draw(curve)[:, 0].numpy()
    dark = image < 128
    assert dark.any(0).all(), "each column has its part of the line"
    rows = np.flatnonzero(dark[:, 2503 * 256 // 4999])
    assert rows.min() < 10
    assert rows.max() >= np.flatnonzero(dark[:, 0]).min()
    assert np.ptp(np.flatnonzero(dark[:, 60])) < 3


@pytest.mark.parametrize("shape", [(7,), (2, 2), (12, 300)])
def test_curves_of_any_length_are_drawn(shape: tuple[int, ...]) -> None:
    examples = torch.randn(3, *shape, generator=torch.Generator().manual_seed(0))
    examples[0, ..., 0] = float("nan")
    drawing = Drawing(examples)
    drawn = drawing.draw(examples)
    assert tuple(drawn.shape) == (3, *drawing.shape)
    assert drawn.dtype == torch.uint8
    constant = Drawing(torch.ones(2, *shape))
    assert (constant.draw(torch.ones(1, *shape)) < 128).any()


@pytest.mark.parametrize("shape", [(1,), (13, 50), (2, 8, 8), (1, 8, 513), (1, 2, 3, 4)])
def test_other_phenotypes_are_not_drawn(shape: tuple[int, ...]) -> None:
    with refused(str(shape), "cannot be shown"):
        Drawing(torch.zeros(2, *shape))


def test_sliders_reach_as_far_as_the_prior() -> None:
    space = GeneSpace(vectors(Uniform(3, [0.0, -2.0, -float("inf")], [10.0, float("inf"), 5.0])))
    assert [(one.low, one.high, one.even) for one in space.sliders] == [
        (0.0, 10.0, True),
        (-2.0, 2.0, False),
        (1.0, 5.0, False),
    ]
    for one in space.sliders:
        assert list(one.quantiles) == sorted(one.quantiles)
        assert one.low <= one.quantiles[0]
        assert one.quantiles[-1] <= one.high
    assert GeneSpace(vectors(Uniform(1, 0.0, 360.0))).read([[360.0]]).tolist() == [[360.0]]


def test_directions_are_orthogonal_and_reach_where_the_prior_is() -> None:
    encoding = VectorEncoding(MOST_SLIDERS + 1)
    space = GeneSpace(encoding)
    assert space.directions is not None
    products = space.directions @ space.directions.T
    torch.testing.assert_close(products, products.diagonal().diag(), atol=1e-3, rtol=0)
    moves = torch.randn(200, DIRECTIONS, generator=torch.Generator().manual_seed(0))
    lengths, usual = (x.norm(dim=1).mean() for x in (space.move(None, moves), encoding.sample(200, torch.Generator())))
    assert float(lengths / usual) == pytest.approx(1, abs=0.05)


def vectors(prior: Uniform) -> Encoding:
    return evovae.DecoderEncoding(lambda codes: codes, prior.dim, (prior.dim,), prior=prior, range=None)


def test_mutation_is_as_strong_as_the_genes_are_wide() -> None:
    session = Session(vectors(Uniform(50, 0.0, 100.0)), seed=0)
    session.start(torch.full((1, 50), 50.0), "x", 0.5)
    moved = session.genomes[-19:] - 50.0
    assert float(moved.std()) == pytest.approx(10.0, rel=0.1)


def test_a_session_stays_as_small_as_its_file_may_be() -> None:
    session = Session(VectorEncoding(60_000), seed=0)
    with refused("genomes take", "begin another"):
        for _ in range(30):
            session.draw()
    assert 5 < len(session.generations) < 15
