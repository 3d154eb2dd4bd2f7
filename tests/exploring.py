"""What the explorer's tests share: a small VAE in a folder, runs beside it, and what is explored there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest import mock

from fastapi import FastAPI
from fastapi.testclient import TestClient

from evovae import runs
from evovae.explorer import make_app, workspace
from evovae.models import VAE, VAEConfig
from evovae.runs import CheckpointConfig, EvolveConfig, IlluminateConfig, ProblemConfig

DIM = 4
PORT = 8000


def make_folder(root: Path) -> Path:
    """Fill `root` with a VAE and an evolution, and return the VAE's path."""
    (root / "vae").mkdir()
    VAE(VAEConfig(latent_dim=DIM, hidden=(16,))).save(root / "vae" / "vae.safetensors")
    small = EvolveConfig(population=6, generations=5, replicates=2, baselines=())
    runs.evolve_named(ProblemConfig(vae=str(root / "vae"), objective="ink"), small, root / "light", dataset="mnist")
    return root / "vae"


def illuminate(vae: Path, out: Path, measures: str = "slant,thickness", grid: tuple[int, ...] = (6, 5)) -> Path:
    """Fill a small archive in the folder `out`, with a checkpoint for each of 4 generations."""
    small = IlluminateConfig(
        grid=grid, generations=4, replicates=2, emitters=2, batch_size=6, baselines=(), judges=False, device="cpu"
    )
    named = ProblemConfig(vae=str(vae), objective="lightness", measures=measures)
    checkpoint = CheckpointConfig(checkpoint_every=1)
    return runs.illuminate_named(named, small, out, dataset="mnist", checkpoint=checkpoint).folder


def explore(vae: Path) -> workspace.Explored:
    """Explore it with few test images, of which a map is made in a moment."""
    with mock.patch.object(workspace, "TEST_IMAGES", 60):
        return workspace.explore(vae, dataset="mnist")


@contextmanager
def visiting(app: FastAPI) -> Iterator[TestClient]:
    """A program on this machine that speaks to the server."""
    with TestClient(app, base_url=f"http://127.0.0.1:{PORT}", raise_server_exceptions=True) as client:
        yield client


@contextmanager
def serving(vae: Path) -> Iterator[TestClient]:
    """The explorer of a VAE, and its client."""
    with visiting(make_app(explore(vae))) as client:
        yield client


def ask(client: TestClient, method: str, path: str, status: int = 200, **body: Any) -> Any:
    """Return what the server answers, which must be of this `status`, and of a refusal one line."""
    answer = client.request(method.upper(), f"/api/{path}", **body)
    assert answer.status_code == status, answer.text
    found = answer.json()
    if status >= 400:
        assert list(found) == ["detail"]
        assert "\n" not in found["detail"]
    return found
