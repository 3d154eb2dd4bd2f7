"""Kept genomes come back to the last bit, belong to one VAE, and are what an evolution begins with or aims at."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import survive_faults
import torch
from refusals import refused

from evovae import runs
from evovae.base import Interrupted, files
from evovae.data import DataConfig
from evovae.encodings import LatentEncoding
from evovae.models import VAE, TrainConfig, VAEConfig
from evovae.runs import CheckpointConfig, Checkpoints, EvolveConfig, ProblemConfig, Run
from evovae.runs.genomes import GENOMES_FILE, MOST_GENOMES, digest_of, read_genomes, to_json, to_safetensors

SMALL = VAEConfig(data_shape=(1, 8, 8), hidden=(4,), latent_dim=3)
FORMATS = {"json": to_json, "safetensors": to_safetensors}
WRITERS = pytest.mark.parametrize("ending", FORMATS)


def draw(count: int, dim: int = 3) -> torch.Tensor:
    return torch.randn(count, dim, generator=torch.Generator().manual_seed(5))


def write(folder: Path, ending: str, genomes: torch.Tensor, vae: VAE) -> Path:
    path = folder / f"kept.{ending}"
    path.write_bytes(FORMATS[ending](genomes, digest_of(vae)))
    return path


# The file


@WRITERS
def test_kept_genomes_come_back_to_the_last_bit(tmp_path, ending):
    vae = VAE(SMALL)
    odd = torch.tensor([[0.1, -0.0, 1e-45], [torch.finfo(torch.float32).max, 1 / 3, -100.0]])
    genomes = torch.cat((draw(200), odd))
    found = read_genomes(write(tmp_path, ending, genomes, vae), LatentEncoding(vae))
    assert torch.equal(found.view(torch.int32), genomes.view(torch.int32))


@WRITERS
def test_the_same_genomes_give_the_same_bytes(ending):
    genomes = draw(7)
    assert FORMATS[ending](genomes, "a") == FORMATS[ending](genomes.clone(), "a")


def test_an_ending_may_be_in_capitals(tmp_path):
    vae = VAE(SMALL)
    path = write(tmp_path, "json", draw(2), vae).rename(tmp_path / "KEPT.JSON")
    assert torch.equal(read_genomes(path, LatentEncoding(vae)), draw(2))


def test_a_digest_tells_vaes_apart_and_outlives_a_file(tmp_path):
    vae = VAE(SMALL)
    vae.save(tmp_path / "vae.safetensors")
    assert digest_of(VAE.load(tmp_path / "vae.safetensors")) == digest_of(VAE(SMALL)) == digest_of(vae)
    others = [VAE(SMALL, seed=1), VAE(VAEConfig(**(vars(SMALL) | {"activation": "tanh"}))), VAE(SMALL)]
    with torch.no_grad():
        next(others[2].parameters()).flatten()[0] += 1e-6
    assert len({digest_of(other) for other in (vae, *others)}) == 4


@WRITERS
@pytest.mark.parametrize(
    ("genomes", "word"),
    [
        (draw(2, dim=4), "D = 3"),
        (torch.zeros(0, 3), "float32 K D"),
        (torch.tensor([[0.0, torch.nan, 0.0]]), "not finite"),
        (torch.tensor([[0.0, 0.0, torch.inf]]), "not finite"),
        (torch.zeros(MOST_GENOMES + 1, 3), "at most 10000"),
        (torch.zeros(3), "float32 K D"),
    ],
    ids=["another D", "empty", "nan", "infinite", "too many", "one dimension"],
)
def test_genomes_that_do_not_fit_are_refused(tmp_path, ending, genomes, word):
    path = write(tmp_path, ending, genomes, VAE(SMALL))
    with refused(str(path), word):
        read_genomes(path, LatentEncoding(VAE(SMALL)))


@WRITERS
def test_genomes_of_another_vae_are_refused(tmp_path, ending):
    path = write(tmp_path, ending, draw(2), VAE(SMALL, seed=1))
    with refused(str(path), "another VAE"):
        read_genomes(path, LatentEncoding(VAE(SMALL)))


@WRITERS
def test_a_missing_or_damaged_file_is_refused(tmp_path, ending):
    with refused("none", "not there"):
        read_genomes(tmp_path / f"none.{ending}", LatentEncoding(VAE(SMALL)))
    path = write(tmp_path, ending, draw(2), VAE(SMALL))
    path.write_bytes(path.read_bytes()[:-5])
    with refused(str(path)):
        read_genomes(path, LatentEncoding(VAE(SMALL)))


def test_files_of_other_kinds_are_refused(tmp_path):
    vae = VAE(SMALL)
    vae.save(tmp_path / "vae.safetensors")
    with refused("vae.safetensors", "kind 'vae'", "genomes"):
        read_genomes(tmp_path / "vae.safetensors", LatentEncoding(vae))
    with refused("kept.png", ".json or .safetensors"):
        read_genomes(tmp_path / "kept.png", LatentEncoding(vae))


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"evovae": "session"}, "'session' under evovae"),
        ({"format": 2}, "2 under format"),
        ({"vae": None}, "another VAE, None"),
        ({"genomes": None}, "no rows of numbers"),
        ({"genomes": [[1.0, 2.0, 3.0], [1.0]]}, "no rows of numbers"),
        ({"genomes": [["1", "2", "3"]]}, "no rows of numbers"),
        ({"genomes": [[10**400, 0, 0]]}, "no rows of numbers"),
        ({"genomes": {"0": [1.0, 2.0, 3.0]}}, "no rows of numbers"),
        ({"genomes": [[1e300, 0, 0]]}, "kept.json"),
        ({"genomes": [[[1.0, 2.0, 3.0]]]}, "float32 K D"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_json_that_holds_no_genomes_is_refused(tmp_path, changes, word):
    path = write(tmp_path, "json", draw(2), VAE(SMALL))
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes))
    with refused(str(path), word):
        read_genomes(path, LatentEncoding(VAE(SMALL)))


def test_more_json_than_is_read_is_not_written(tmp_path):
    with refused("9000 genomes", "safetensors"):
        to_json(draw(9000, dim=32), "digest")


# An evolution from them

BASELINES = ("random-search", "gradient-ascent")


@pytest.fixture(scope="module")
def vae(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data")
    survive_faults.write_images(folder / "images", np.random.default_rng(0))
    data, model = DataConfig(str(folder / "images")), VAEConfig(latent_dim=3, hidden=(8,))
    training = TrainConfig(epochs=1, batch_size=50, device="cpu")
    return runs.train(data, model, training, folder / "vae").folder


@pytest.fixture
def kept(vae: Path, tmp_path: Path) -> Path:
    """Three genomes, of which the last lies outside the ball."""
    genomes = draw(3)
    genomes[2] *= 100
    return write(tmp_path, "json", genomes, VAE.load(vae))


def evolve(vae: Path, out: Path, kept: Path | None = None, generations: int = 3, **settings) -> Run:
    small = {"population": 6, "replicates": 2, "device": "cpu", "baselines": BASELINES}
    asked = {name: settings.pop(name) for name in ("objective", "support") if name in settings}
    named = ProblemConfig(vae=str(vae), **{"objective": "ink"} | asked)
    config = EvolveConfig(generations=generations, **small | settings)
    return runs.evolve_named(named, config, out, checkpoint=CheckpointConfig(checkpoint_every=1), genomes_path=kept)


def last_genomes(run: Run) -> torch.Tensor:
    return files.load_tensors(run.folder / "population.safetensors", "population")[0]["genomes"]


def test_a_seeded_population_begins_with_the_genomes_and_goes_on_with_its_draws(vae, kept, tmp_path):
    seeded = last_genomes(evolve(vae, tmp_path / "seeded", kept, 0, seeded=True))
    drawn = last_genomes(evolve(vae, tmp_path / "drawn", generations=0))
    given = LatentEncoding(VAE.load(vae)).project(read_genomes(kept, LatentEncoding(VAE.load(vae))))
    assert given[2].norm() < 4
    assert all(torch.equal(replicate, given) for replicate in seeded[:, :3])
    assert torch.equal(seeded[:, 3:], drawn[:, 3:])


def test_random_search_draws_the_same_whatever_the_evolution_began_with(vae, kept, tmp_path):
    settings = {"algorithm": "eaMuPlusLambda", "mutpb": 0.5}  # as many evaluations whatever happens
    runs = [
        evolve(vae, tmp_path / "seeded", kept, seeded=True, **settings),
        evolve(vae, tmp_path / "drawn", **settings),
    ]
    tables = [run.read_table("baseline.csv") for run in runs]
    assert tables[0].equals(tables[1])
    assert not runs[0].history.equals(runs[1].history)


def test_a_kept_genome_can_be_the_target(vae, kept, tmp_path):
    run = evolve(vae, tmp_path / "run", kept, 0, objective="target:genome/1", seeded=True, support="free")
    assert run.settings.names == ("target:genome/1",)
    fitness = files.load_tensors(run.folder / "population.safetensors", "population")[0]["fitness"]
    assert (fitness[:, 1, 0] < 1e-12).all()
    assert (fitness[:, 0, 0] > 1e-6).all()


@pytest.fixture
def stop_at(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    """Interrupt the run after so many checkpoints; 0: no more."""
    save = Checkpoints.save

    def set_stop(count: int) -> None:
        seen = [0]

        def saving(self: Checkpoints) -> None:
            save(self)
            seen[0] += 1
            if seen[0] == count:
                raise Interrupted(2)

        monkeypatch.setattr(Checkpoints, "save", saving)

    return set_stop


@pytest.mark.parametrize(
    "settings",
    [{"seeded": True}, {"objective": "target:genome/2"}, {"seeded": True, "algorithm": "eaGenerateUpdate"}],
    ids=["seeded", "target", "CMA-ES"],
)
@pytest.mark.parametrize("stop", [1, 3, 6, 10], ids=["begun", "evolving", "random search", "gradient ascent"])
def test_a_run_goes_on_from_its_folder_alone(vae, kept, tmp_path, stop_at, stop, settings):
    straight = evolve(vae, tmp_path / "straight", kept, **settings)
    stop_at(stop)
    with pytest.raises(Interrupted):
        evolve(vae, tmp_path / "run", kept, **settings)
    stop_at(0)
    kept.unlink()
    run = runs.resume(tmp_path / "run")
    assert survive_faults.checksums(run.folder) == survive_faults.checksums(straight.folder)
    assert torch.equal(read_genomes(run.folder / GENOMES_FILE, LatentEncoding(VAE.load(vae)))[:2], draw(3)[:2])


def test_a_run_killed_before_it_kept_anything_takes_the_file_that_was_named(vae, kept, tmp_path):
    run = evolve(vae, tmp_path / "run", kept, seeded=True)
    before = survive_faults.checksums(run.folder)
    shutil.rmtree(run.folder / "figures", ignore_errors=True)
    for name in before.keys() - {"config.json"}:
        (run.folder / name).unlink()
    environment = json.loads((run.folder / "environment.json").read_text())
    (run.folder / "environment.json").write_text(json.dumps(environment | {"status": "running"}))
    runs.resume(run.folder)
    assert survive_faults.checksums(run.folder) == before


def test_a_run_may_be_replaced_by_one_that_begins_with_its_genomes(vae, kept, tmp_path):
    run = evolve(vae, tmp_path / "run", kept, seeded=True)
    named = ProblemConfig(vae=str(vae), objective="target:genome/0")
    config = EvolveConfig(generations=0, population=6, replicates=1, device="cpu")
    again = runs.evolve_named(named, config, run.folder, overwrite=True, genomes_path=run.folder / GENOMES_FILE)
    encoding = LatentEncoding(VAE.load(vae))
    assert torch.equal(read_genomes(again.folder / GENOMES_FILE, encoding), read_genomes(kept, encoding))


def test_genomes_that_are_given_need_a_use_and_a_use_needs_genomes(vae, kept, tmp_path):
    for genomes, settings, words in (
        (None, {"seeded": True}, ("--genomes",)),
        (None, {"objective": "target:genome/0"}, ("'genome/0'", "--genomes")),
        (kept, {}, ("no effect",)),
        (kept, {"seeded": True, "population": 2}, ("population is 2", "3 genomes")),
        (kept, {"objective": "ssim:genome/3"}, ("'genome/3'", "0 to 2")),
    ):
        with refused(*words):
            evolve(vae, tmp_path / "run", genomes, **settings)
        assert not (tmp_path / "run").exists()
