"""The explorer's endpoints, as its page asks them; and as others do who must not be answered."""

import base64
import io
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from events import wait_for
from exploring import DIM, ask, explore, make_folder, serving, visiting
from fastapi.testclient import TestClient
from PIL import Image

from evovae.data import DataConfig, Images, ImageSet, load_images
from evovae.encodings import LatentEncoding
from evovae.explorer import make_app, workspace
from evovae.models import VAE
from evovae.objectives import ROLES, Judge, JudgeStore, RealImages, judges_for, target
from evovae.runs import Run
from evovae.runs.genomes import read_genomes

BYTES = {"content-type": "application/octet-stream"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("explorer")
    return make_folder(root)


@pytest.fixture(scope="module")
def client(folder: Path) -> Iterator[TestClient]:
    with serving(folder) as client:
        yield client


@pytest.fixture
def session(client: TestClient) -> str:
    return ask(client, "post", "sessions", json={"seed": 0})["id"]


def pixels(text: str) -> np.ndarray:
    return np.frombuffer(base64.b64decode(text), np.uint8).reshape(28, 28)


def decoded(folder: Path, genomes: torch.Tensor) -> np.ndarray:
    with torch.no_grad():
        images = LatentEncoding(VAE.load(folder)).decode(genomes)
    return (images * 255).round().byte()[:, 0].numpy()


def test_the_page_and_its_files_come_from_here_alone(client: TestClient) -> None:
    page = client.get("/")
    assert page.status_code == 200
    assert "default-src 'self'" in page.headers["content-security-policy"]
    assert "https://" not in page.text.replace("https://www.w3.org", "")
    assert client.get("/static/main.js").headers["content-type"].startswith("text/javascript")
    for path in ("/static/..%2fserver.py", "/static/%2e%2e/server.py", "/static/nothing.js", "/docs"):
        assert client.get(path).status_code == 404


def test_images_are_what_the_vae_decodes_with_their_realism(client: TestClient, folder: Path) -> None:
    genomes = torch.randn(3, DIM, generator=torch.Generator().manual_seed(0))
    cards = ask(client, "post", "images", json={"genomes": genomes.tolist()})["cards"]
    np.testing.assert_array_equal([pixels(card["pixels"]) for card in cards], decoded(folder, genomes))
    expected = LatentEncoding(VAE.load(folder)).log_prior(genomes) / DIM
    torch.testing.assert_close(torch.tensor([card["log_prior"] for card in cards]), expected)
    assert all(0 <= card["held_out"] <= 1 and card["predicted"] in range(10) for card in cards)
    expected = RealImages(load_images("mnist")).typicality(
        LatentEncoding(VAE.load(folder)).decode(genomes), judges_for(load_images("mnist")).held_out
    )
    assert [card["typicality"] for card in cards] == pytest.approx(expected["typicality"].tolist(), abs=0.003)


def test_a_picture_and_the_same_test_image_are_encoded_alike(client: TestClient) -> None:
    known = ask(client, "get", "test/7")
    content = client.get("/api/test/7/picture").content
    brought = ask(client, "post", "encode", content=content, headers=BYTES)
    assert brought["original"] == known["original"]
    np.testing.assert_allclose(brought["card"]["genome"], known["card"]["genome"], atol=1e-5)
    assert (known["label"], known["index"]) == (9, 7)


def test_the_map_leads_back_to_the_images_on_it(client: TestClient) -> None:
    found = ask(client, "get", "map?method=pca")
    points = np.frombuffer(base64.b64decode(found["points"]), "<f4").reshape(-1, 2)
    assert points.min() == 0
    assert points.max() == 1
    x, y = map(float, points[11])
    place = ask(client, "post", "map/decode", json={"method": "pca", "x": x, "y": y})
    assert place["neighbours"][0] == 11
    assert place["card"]["pixels"] == ask(client, "get", "test/11")["card"]["pixels"]


def test_the_map_by_tsne_comes_and_is_kept(client: TestClient, folder: Path) -> None:
    wait_for(lambda: ask(client, "get", "map?method=pca")["tsne"] != "computing", every=0.1)
    assert ask(client, "get", "map?method=pca")["tsne"] == "ready"
    points = ask(client, "get", "map?method=tsne")["points"]
    again = explore(folder)
    again.known.atlas.start()
    assert again.known.atlas.state == "ready"
    assert base64.b64encode(again.known.atlas.points("tsne").numpy().tobytes()).decode() == points
    again.close()


@pytest.mark.parametrize("kind", ["linear", "spherical"])
def test_a_path_begins_and_ends_at_its_ends(client: TestClient, kind: str) -> None:
    first, last = [2.0, 0, 0, 0], [0, 2.0, 0, 0]
    cards = ask(client, "post", "path", json={"first": first, "last": last, "kind": kind, "steps": 5})["cards"]
    np.testing.assert_allclose([cards[0]["genome"], cards[-1]["genome"]], [first, last], atol=1e-6)
    middle = np.linalg.norm(cards[2]["genome"])
    assert middle == pytest.approx(2.0 if kind == "spherical" else 2**0.5, abs=1e-5)


def test_breeding_goes_on_and_back(client: TestClient, session: str) -> None:
    body = {"generation": 0, "selected": [3, 5], "sigma": 0.3, "crossover": "cxBlend"}
    bred = ask(client, "post", f"sessions/{session}/breed", json=body)
    assert [one["number"] for one in bred["individuals"][:2]] == [3, 5]
    first = ask(client, "get", f"sessions/{session}/generations/0")
    assert first["selected"] == [3, 5]
    line = ask(client, "get", f"sessions/{session}/lineage/{bred['individuals'][-1]['number']}")["individuals"]
    assert {one["generation"] for one in line} == {0, 1}
    begun = ask(
        client, "post", f"sessions/{session}/start", json={"genomes": [[1.0] * DIM], "origin": "map", "sigma": 0.1}
    )
    assert begun["individuals"][0]["genome"] == [1.0] * DIM
    ask(client, "post", f"sessions/{session}/draw")
    hows = [one["how"] for one in ask(client, "get", f"sessions/{session}")["generations"]]
    assert hows == ["drawn", "bred", "started", "drawn"]


def test_tabs_have_sessions_of_their_own(client: TestClient, session: str) -> None:
    other = ask(client, "post", f"sessions/{session}/copy")["id"]
    ask(client, "post", f"sessions/{other}/draw")
    assert len(ask(client, "get", f"sessions/{session}")["generations"]) == 1
    assert len(ask(client, "get", f"sessions/{other}")["generations"]) == 2


def test_a_saved_session_opens_again(client: TestClient, session: str) -> None:
    ask(client, "post", f"sessions/{session}/favourites", json={"genome": [0.5] * DIM, "origin": "sliders"})
    saved = client.get(f"/api/sessions/{session}/file").content
    opened = ask(client, "post", "sessions/open", content=saved, headers=BYTES)
    assert opened["favourites"][0]["genome"] == [0.5] * DIM
    assert opened["id"] != session
    damaged = saved[:-1] + bytes([saved[-1] ^ 1])
    for content in (damaged, b"", b"nothing", (Path(__file__)).read_bytes()):
        ask(client, "post", "sessions/open", 422, content=content, headers=BYTES)


def test_what_was_done_is_there_after_a_kill(folder: Path) -> None:
    with serving(folder) as client:
        identity = ask(client, "post", "sessions", json={})["id"]
        ask(client, "post", f"sessions/{identity}/favourites", json={"genome": [0.25] * DIM, "origin": "x"})
        with visiting(make_app(explore(folder))) as another:  # from the files, as they are while the first still runs
            assert ask(another, "get", f"sessions/{identity}")["favourites"][0]["genome"] == [0.25] * DIM


def test_favourites_are_exported(client: TestClient, session: str, folder: Path, tmp_path: Path) -> None:
    genomes = torch.randn(2, DIM, generator=torch.Generator().manual_seed(1))
    for genome in genomes.tolist():
        ask(client, "post", f"sessions/{session}/favourites", json={"genome": genome, "origin": "x"})
    for kind in ("json", "safetensors"):
        for which, expected in (("favourites/file", genomes), ("favourites/1/file", genomes[1:])):
            path = tmp_path / f"kept.{kind}"
            path.write_bytes(client.get(f"/api/sessions/{session}/{which}?format={kind}").content)
            assert torch.equal(read_genomes(path, LatentEncoding(VAE.load(folder))), expected)
    picture = Image.open(io.BytesIO(client.get(f"/api/sessions/{session}/favourites/0/file?format=png").content))
    small = np.asarray(picture.convert("L").resize((28, 28), Image.Resampling.NEAREST))
    np.testing.assert_array_equal(small, decoded(folder, genomes[:1])[0])
    ask(client, "delete", f"sessions/{session}/favourites/0")
    assert ask(client, "get", f"sessions/{session}/favourites/0/file?format=json", 422)


def test_an_evolution_is_watched(client: TestClient, folder: Path) -> None:
    (seen,) = [run for run in ask(client, "get", "runs")["runs"] if run["name"] == "light"]
    assert (seen["status"], seen["generation"], seen["compatible"]) == ("finished", 5, True)
    whole = ask(client, "get", f"runs/{seen['key']}")
    history = Run.open(folder.parent / "light").history
    assert whole["curves"][0]["best"][1] == history[history["replicate"] == 1]["best"].tolist()
    assert whole["frames"] == [0, 1, 2, 3, 4, 5]
    frame = ask(client, "get", f"runs/{seen['key']}/frames/5")
    assert [row[0] for row in frame["fitness"]] == pytest.approx([best[-1] for best in whole["curves"][0]["best"]])
    ask(client, "get", f"runs/{seen['key']}/frames/6", 422)
    ask(client, "get", "runs/..%2f..", 404)
    ask(client, "get", "runs/nothing", 404)
    ask(client, "post", f"runs/{seen['key']}/stop", 422)


@pytest.mark.parametrize("use", ["target", "initial"])
def test_a_favourite_starts_an_evolution(client: TestClient, session: str, folder: Path, use: str) -> None:
    """Its fitness says that the favourite was the target, or among the first."""
    genome = [1.0, -1.0, 0.5, 0.0]
    ask(client, "post", f"sessions/{session}/favourites", json={"genome": genome, "origin": "x"})
    small = {"objective": "ink", "generations": 2, "population": 4, "replicates": 2}
    started = ask(client, "post", f"sessions/{session}/evolve", json={"favourites": [0], "use": use} | small)
    ask(client, "post", f"sessions/{session}/evolve", 409, json={"favourites": [0], "use": use} | small)
    assert started["command"].startswith("evovae evolve --vae ")

    def find() -> list[dict]:
        found = [run for run in ask(client, "get", "runs")["runs"] if run["key"] == started["key"]]
        return [run for run in found if run["status"] == "finished"]

    wait_for(find, every=0.2)
    assert find()[0]["started_here"]
    frame = ask(client, "get", f"runs/{started['key']}/frames/0")
    images = torch.from_numpy(decoded(folder, torch.tensor([genome]))).unsqueeze(1)
    if use == "target":
        shown = torch.from_numpy(np.stack([pixels(card["pixels"]) for card in frame["cards"]])).unsqueeze(1) / 255
        assert target(images[0])(shown)[:, 0].tolist() == pytest.approx([row[0] for row in frame["fitness"]], abs=1e-3)
    else:
        assert min(row[0] for row in frame["fitness"]) >= float(images.double().mean() / 255) - 1e-3
    # The process ends a moment after its run.
    wait_for(lambda: client.post(f"/api/runs/{started['key']}/stop").status_code == 422, every=0.1)


FOREIGN = [
    ({"host": "evil.example:8000"}, 421),
    ({"host": "127.0.0.1:9"}, 421),
    ({"host": "127.0.0.1"}, 421),
    ({"host": ""}, 421),
    ({"origin": "http://evil.example"}, 403),
    ({"origin": "null"}, 403),
    ({"origin": "http://127.0.0.1:9"}, 403),
    ({"sec-fetch-site": "cross-site"}, 403),
    ({"sec-fetch-site": "same-site"}, 403),
]


@pytest.mark.parametrize(("headers", "status"), FOREIGN)
def test_other_pages_are_not_answered(client: TestClient, headers: dict[str, str], status: int) -> None:
    ask(client, "get", "model", status, headers=headers)
    ask(client, "post", "sessions", status, headers=headers, json={})


def test_the_own_page_is_answered(client: TestClient) -> None:
    for host in ("127.0.0.1:8000", "localhost:8000"):
        own = {"host": host, "origin": f"http://{host}", "sec-fetch-site": "same-origin"}
        ask(client, "get", "model", headers=own)
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    assert client.get("/", headers=visit).status_code == 200


GENOME = [0.0] * DIM


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("images", {}),
        ("images", {"genomes": []}),
        ("images", {"genomes": [GENOME] * 65}),
        ("images", {"genomes": [[0.0]]}),
        ("images", {"genomes": [[1e9] * DIM]}),
        ("images", {"genomes": [["x"] * DIM]}),
        ("path", {"first": GENOME, "last": [0.0], "kind": "linear", "steps": 5}),
        ("path", {"first": GENOME, "last": GENOME, "kind": "round", "steps": 5}),
        ("path", {"first": GENOME, "last": GENOME, "kind": "linear", "steps": 1}),
        ("map/decode", {"method": "umap", "x": 0, "y": 0}),
        ("map/decode", {"method": "pca", "x": 1e9, "y": 0}),
        ("map/decode", {"method": "pca", "x": True, "y": 0}),
        ("sessions", {"seed": False}),
        ("sessions", {"seed": "1"}),
        ("sessions", {"seed": -1}),
        ("sessions", {"seed": 2**63}),
        ("sessions/SESSION/breed", {"generation": 0, "selected": [99], "sigma": 0.3, "crossover": "none"}),
        ("sessions/SESSION/breed", {"generation": 9, "selected": [1], "sigma": 0.3, "crossover": "none"}),
        ("sessions/SESSION/breed", {"generation": 0, "selected": [1], "sigma": 9, "crossover": "none"}),
        ("sessions/SESSION/breed", {"generation": 0, "selected": [1], "sigma": 0.3, "crossover": "cxMagic"}),
        ("sessions/SESSION/favourites", {"genome": GENOME, "origin": "x" * 41}),
        ("sessions/SESSION/favourites", {"genome": GENOME, "origin": "a\nb"}),
        ("sessions/SESSION/evolve", {"favourites": [0], "use": "target"}),
        ("sessions/SESSION/start", {"genomes": [GENOME] * 21, "origin": "x", "sigma": 0.1}),
    ],
)
def test_bad_input_is_told_in_one_line(client: TestClient, session: str, path: str, body: dict[str, Any]) -> None:
    ask(client, "post", path.replace("SESSION", session), 422, json=body)


@pytest.mark.parametrize(
    "path", ["map?method=pca&colour=red", "map?method=pca&=", "model?x=1", "test/+0.0", "test/-1", "test/1_0"]
)
def test_addresses_that_fit_nowhere_are_refused(client: TestClient, path: str) -> None:
    ask(client, "get", path, 422)


@pytest.mark.parametrize(
    "settings",
    [
        {"objective": "beauty"},
        {"objective": "digit:11"},
        {"population": 1},
        {"generations": -1},
        {"replicates": 1000},
        {"use": "target", "favourites": [0, 1]},
    ],
)
def test_an_evolution_that_cannot_be_is_refused(client: TestClient, session: str, settings: dict[str, Any]) -> None:
    for value in (0.0, 1.0):
        ask(client, "post", f"sessions/{session}/favourites", json={"genome": [value] * DIM, "origin": "x"})
    ask(client, "post", f"sessions/{session}/evolve", 422, json={"favourites": [0], "use": "initial"} | settings)


@pytest.mark.parametrize(
    "content", ['{"genomes": [[NaN, 0, 0, 0]]}', "[" * 100_000, '{"genomes": [[1e999]]}', "\xff", '"\\ud800"']
)
def test_what_is_no_json_is_refused(client: TestClient, content: str) -> None:
    answer = client.post("/api/images", content=content.encode("latin-1"), headers={"content-type": "application/json"})
    assert answer.status_code in (400, 422)
    assert list(answer.json()) == ["detail"]


def test_half_a_character_is_refused(client: TestClient, session: str) -> None:
    content = b'{"genome": [0, 0, 0, 0], "origin": "\\ud800"}'
    headers = {"content-type": "application/json"}
    ask(client, "post", f"sessions/{session}/favourites", 422, content=content, headers=headers)


def test_large_bodies_are_refused_whether_they_tell_their_size_or_not(client: TestClient) -> None:
    ask(client, "post", "images", 413, content=b" " * (1 << 20) + b" ")
    ask(client, "post", "encode", 413, content=(b" " * (1 << 20) for _ in range(33)), headers=BYTES)


def test_unknown_sessions_are_not_found(client: TestClient) -> None:
    ask(client, "get", "sessions/" + "A" * 22, 404)
    ask(client, "get", "sessions/short", 422)
    ask(client, "get", "sessions/..%2f..%2fetc", 404)


NAMES = ("Größe", 'a+b, "c"', "猫", "8", "\udcff", "a\nb", *(f"class {k}" for k in range(300)))


def named_set() -> ImageSet:
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (len(NAMES), 1, 28, 28), dtype=torch.uint8, generator=generator)
    both = Images(images, torch.arange(len(NAMES)))
    return ImageSet("named", both, both, NAMES)


def test_classes_of_any_name_and_number_are_shown_and_can_be_asked_for(folder: Path) -> None:
    judges = {role: Judge(kind, (1, 28, 28), len(NAMES)).eval() for role, (kind, _) in ROLES.items()}
    with (
        mock.patch.object(workspace, "choose_images", return_value=(DataConfig(), named_set(), False)),
        mock.patch.object(JudgeStore, "_find", lambda _, role: judges[role]),
        visiting(make_app(workspace.explore(folder, dataset="mnist"))) as client,
    ):
        model = ask(client, "get", "model")
        assert model["classes"][:6] == ["Größe", 'a+b, "c"', "猫", "8", "\ufffd", "a\ufffdb"]
        assert model["objectives"][:5] == [
            *("class:Größe", 'class:"a+b, ""c"""', "class:猫", "digit:8", "class:class 0"),
        ]
        labels = np.frombuffer(base64.b64decode(ask(client, "get", "map?method=pca")["labels"]), "<i4")
        assert labels.tolist() == list(range(len(NAMES)))
        assert ask(client, "get", "test/299")["label"] == 299
        session = ask(client, "post", "sessions", json={"seed": 0})["id"]
        ask(client, "post", f"sessions/{session}/favourites", json={"genome": [0.0] * DIM, "origin": "x"})
        for objective, words in (("digit:3", "the classes are Größe"), (f"target:{__file__}", "train/INDEX")):
            asked = {"favourites": [0], "use": "initial", "objective": objective}
            refusal = ask(client, "post", f"sessions/{session}/evolve", 422, json=asked)
            assert words in refusal["detail"]
