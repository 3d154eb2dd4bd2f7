"""The page is served while its judges are trained, says so, and shows what they think as soon as they are there."""

import threading
from pathlib import Path

import pytest
import torch
from events import wait_for
from exploring import visiting
from fastapi.testclient import TestClient
from making import draw_pictures

from evovae.explorer import make_app, workspace
from evovae.models import VAE, VAEConfig
from evovae.objectives import JudgeStore, JudgeTraining
from evovae.objectives.judges import training

GENOME = {"genomes": [[0.0, 0.0]]}


@pytest.fixture
def vae(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(training, "MAX_STEPS", 40)
    monkeypatch.setattr(training, "ROUND", 20)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    draw_pictures(tmp_path / "bars")
    (tmp_path / "vae").mkdir()
    VAE(VAEConfig(data_shape=(3, 16, 16), latent_dim=2, hidden=(8,))).save(tmp_path / "vae" / "vae.safetensors")
    return tmp_path / "vae"


def model(client: TestClient) -> dict:
    return client.get("/api/model").json()


def test_the_page_does_not_wait_for_its_judges(vae: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    go, step = threading.Event(), JudgeTraining.step
    monkeypatch.setattr(JudgeTraining, "step", lambda self: go.wait(60) and step(self))
    with visiting(make_app(workspace.explore(vae, dataset=str(vae.parent / "bars")))) as client:
        assert model(client)["judges"] == "training"
        assert model(client)["judges_word"] == "The judges are being trained."
        assert "class:standing" in model(client)["objectives"]
        (card,) = client.post("/api/images", json=GENOME).json()["cards"]
        assert (card["predicted"], card["held_out"]) == (None, None)
        go.set()
        wait_for(lambda: model(client)["judges"] != "training")
        found = model(client)
        assert found["judges"] == "ready"
        assert "of 8 test images; the held-out judge is right on" in found["judges_word"]
        (card,) = client.post("/api/images", json=GENOME).json()["cards"]
        assert card["predicted"] in (0, 1)
    again = workspace.explore(vae, dataset=str(vae.parent / "bars"))
    assert again.jury.state == "ready", "they are kept"
    again.close()


def test_a_page_that_is_closed_ends_the_training_which_goes_on_next_time(
    vae: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    steps: list[int] = []
    step = JudgeTraining.step
    monkeypatch.setattr(JudgeTraining, "step", lambda self: steps.append(self.iteration) or step(self))
    monkeypatch.setattr(training, "MAX_STEPS", 10**6)
    with visiting(make_app(workspace.explore(vae, dataset=str(vae.parent / "bars")))):
        wait_for(lambda: len(steps) >= 5)
    done = len(steps)
    store = JudgeStore(
        workspace.choose_images(VAE.load(vae), vae, str(vae.parent / "bars"), None)[1], [], torch.device("cpu")
    )
    assert store._begin("judge").iteration == done


def test_judges_that_cannot_be_trained_leave_a_page_without(vae: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: JudgeTraining) -> None:
        raise RuntimeError("no memory\nat all")

    monkeypatch.setattr(JudgeTraining, "step", fail)
    with visiting(make_app(workspace.explore(vae, dataset=str(vae.parent / "bars")))) as client:
        wait_for(lambda: model(client)["judges"] != "training")
        assert model(client)["judges_word"] == "There are no judges: no memory at all."
