"""`evovae resume`: to more generations, after an early kill, with what has changed meanwhile, with a forged state."""

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import survive_faults
import torch
from refusals import refused

from evovae import runs
from evovae.base import InputError, Interrupted, files
from evovae.data import DataConfig
from evovae.models import VAE, TrainConfig, VAEConfig
from evovae.runs import CHECKPOINT, CheckpointConfig, Checkpoints, EvolveConfig, ProblemConfig, Run, figures

pytestmark = pytest.mark.early

EVERY = CheckpointConfig(checkpoint_every=1)
SMALL = {"population": 10, "replicates": 2, "hall_of_fame": 2, "device": "cpu"}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "images"
    survive_faults.write_images(folder, np.random.default_rng(0))
    return folder


@pytest.fixture(scope="module")
def vae(images: Path) -> Path:
    folder = images.parent / "vae"
    train(images, folder)
    return folder


def train(images: Path, out: Path) -> Run:
    model = VAEConfig(latent_dim=3, hidden=(8,))
    return runs.train(
        DataConfig(str(images)), model, TrainConfig(epochs=3, batch_size=50, device="cpu"), out, checkpoint=EVERY
    )


def evolve(vae: Path, out: Path, generations: int, objective: str = "ink", **settings: object) -> Run:
    config = EvolveConfig(generations=generations, **SMALL | settings)
    return runs.evolve_named(ProblemConfig(vae=str(vae), objective=objective), config, out, checkpoint=EVERY)


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Interrupt the run after so many checkpoints; 0: no more."""

    def set_stop(count: int) -> None:
        seen = [0]

        def saving(self: Checkpoints) -> None:
            save(self)
            seen[0] += 1
            if seen[0] == count:
                raise Interrupted(2)

        monkeypatch.setattr(Checkpoints, "save", saving)

    save = Checkpoints.save
    return set_stop


BASELINES = ("random-search", "gradient-ascent")


@pytest.mark.parametrize(
    "settings",
    [
        {"baselines": BASELINES},
        {"baselines": BASELINES, "algorithm": "eaGenerateUpdate"},
        {"objective": "ink,symmetry", "algorithm": "eaMuPlusLambda"},
    ],
)
@pytest.mark.parametrize("stop", [3, 8, 12, 0], ids=["evolving", "random search", "gradient ascent", "finished"])
def test_a_run_that_goes_on_longer_is_the_same_as_a_long_one(
    settings: dict, stop: int, vae: Path, tmp_path: Path, stop_at: Callable[[int], None]
) -> None:
    straight = evolve(vae, tmp_path / "straight", 9, **settings)
    stop_at(stop)
    try:
        evolve(vae, tmp_path / "run", 5, **settings)
    except Interrupted:
        assert stop
    stop_at(0)
    longer = runs.resume(tmp_path / "run", generations=9)
    assert longer.finished
    assert survive_faults.checksums(longer.folder) == survive_faults.checksums(straight.folder)


def test_a_run_that_stopped_early_does_not_go_on(vae: Path, tmp_path: Path) -> None:
    run = evolve(vae, tmp_path / "run", 20, stop_evaluations=30)
    before = survive_faults.checksums(run.folder)
    with refused("stopped early", "30 evaluations"):
        runs.resume(run.folder, generations=40)
    with refused("generations is 10", "at least the 20"):
        runs.resume(run.folder, generations=10)
    with refused("a training"):
        runs.resume(vae, generations=10)
    assert survive_faults.checksums(run.folder) == before


def test_a_finished_run_is_left_alone(vae: Path, tmp_path: Path) -> None:
    for folder in (vae, evolve(vae, tmp_path / "run", 2).folder):
        before = survive_faults.checksums(folder), Run.open(folder).environment
        runs.resume(folder)
        assert (survive_faults.checksums(folder), Run.open(folder).environment) == before


def test_a_run_without_results_says_how_to_go_on(
    vae: Path, images: Path, tmp_path: Path, stop_at: Callable[[int], None]
) -> None:
    run = evolve(vae, tmp_path / "run", 2)
    unfinished(run.folder)
    (run.folder / "population.safetensors").unlink()
    with refused("before it had results", f"evovae resume {run.folder}"):
        figures.draw(run)
    stop_at(1)
    with pytest.raises(Interrupted):
        train(images, tmp_path / "vae")
    run = Run.open(tmp_path / "vae")
    (run.folder / "history.csv").unlink()
    with refused("before it had results"):
        figures.draw(run)


def unfinished(folder: Path) -> None:
    environment = json.loads((folder / "environment.json").read_text())
    (folder / "environment.json").write_text(json.dumps(environment | {"status": "running"}))


def test_images_that_have_changed_are_noticed(vae: Path, images: Path, tmp_path: Path) -> None:
    shutil.copytree(images, tmp_path / "images")
    run = train(tmp_path / "images", tmp_path / "vae")
    unfinished(run.folder)
    data = tmp_path / "images" / "train-images-idx3-ubyte"
    content = bytearray(data.read_bytes())
    content[-1] ^= 1
    data.write_bytes(content)
    with refused("images", "have changed"):
        runs.resume(run.folder)


def test_a_run_killed_before_it_kept_its_vae_takes_the_file_that_was_named(
    vae: Path, images: Path, tmp_path: Path
) -> None:
    (tmp_path / "bare").mkdir()
    shutil.copy(vae / "vae.safetensors", tmp_path / "bare" / "mine.safetensors")
    VAE(VAEConfig(data_shape=(1, 10, 10), latent_dim=3, hidden=(8,)), seed=9).save(tmp_path / "bare/vae.safetensors")
    config = EvolveConfig(generations=2, **SMALL)
    named = ProblemConfig(vae=str(tmp_path / "bare" / "mine.safetensors"), objective="ink")
    run = runs.evolve_named(named, config, tmp_path / "run", dataset=str(images))
    before = survive_faults.checksums(run.folder)
    for name in before.keys() - {"config.json"}:
        (run.folder / name).unlink()
    unfinished(run.folder)
    runs.resume(run.folder)
    assert survive_faults.checksums(run.folder) == before


def test_a_decoder_that_fails_for_good_is_told_in_one_line(
    vae: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    decode, calls = VAE.decode, [0]

    def dying(self: VAE, z: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        if calls[0] > 2 + 3:  # the first two tell what the problem is
            raise RuntimeError("device lost")
        return decode(self, z)

    monkeypatch.setattr(VAE, "decode", dying)
    with pytest.raises(RuntimeError, match="generation 3: the decoder raised RuntimeError: device lost"):
        evolve(vae, tmp_path / "run", 20)
    assert len((tmp_path / "run" / "history.csv").read_text().splitlines()) == 1 + 2 * 3


INNER = re.compile(r"/adam/[1-6]/|/(encoder\.3|decoder\.0)\.")
"""Of the layers of a VAE, those between the first and the last: what reads one reads them all."""


def forgeries(tensor: torch.Tensor) -> list[torch.Tensor | None]:
    """A state's tensor, missing and as it never is."""
    shapes = [tensor.flatten()[:-1], torch.cat((tensor.flatten(), tensor.flatten())), tensor.unsqueeze(0)]
    values = [torch.zeros_like(tensor), ~tensor if tensor.dtype == torch.bool else tensor.clone().fill_(255)]
    others = [tensor.to(torch.float64 if tensor.dtype != torch.float64 else torch.int64), torch.empty(0)]
    negative = [-torch.ones_like(tensor)] if tensor.dtype == torch.int64 else []
    return [None, *shapes, *values, *others, *negative]


@pytest.mark.parametrize("kind", ["training", "eaSimple", "eaGenerateUpdate", "ink,symmetry"])
def test_a_forged_state_is_refused_or_gone_on_with(
    kind: str, vae: Path, images: Path, tmp_path: Path, stop_at: Callable[[int], None]
) -> None:
    """Whatever a checkpoint says, with a checksum that is right: no other error than those that are one line."""
    stop_at(2)
    with pytest.raises(Interrupted):
        if kind == "training":
            train(images, tmp_path / "run")
        elif "," in kind:
            evolve(vae, tmp_path / "run", 3, kind, baselines=())
        else:
            evolve(vae, tmp_path / "run", 3, algorithm=kind, baselines=())
    stop_at(0)
    path = tmp_path / "run" / CHECKPOINT
    state, _ = files.load_tensors(path, "checkpoint")
    kept = {p.name: p.read_bytes() for p in (tmp_path / "run").iterdir() if p.is_file()}
    refusals = tried = 0
    for name, tensor in state.items():
        if INNER.search(name):
            continue
        for forged in forgeries(tensor):
            for file, content in kept.items():
                (tmp_path / "run" / file).write_bytes(content)
            changed = {key: value for key, value in (state | {name: forged}).items() if value is not None}
            files.save_tensors(path, "checkpoint", changed, {})
            tried += 1
            error = None
            try:
                runs.resume(tmp_path / "run")
            except (InputError, RuntimeError) as refusal:
                error = refusal
            refusals += error is not None
            assert "\n" not in str(error), (name, error)
    assert refusals > tried / 2
    assert tried > 100
