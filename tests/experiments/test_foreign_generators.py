"""Generators of others, as their users write them down: what their objectives tell of phenotypes that are known."""

import shutil
import sys
from pathlib import Path
from types import SimpleNamespace

import foreign_generators
import numpy as np
import pandas as pd
import pytest
import speed_generators
import torch
import train_gan
from generators import faces, heartbeats, mnist_gan
from studying import keep_results
from torch import Tensor

import evovae
from evovae import evolution
from evovae.base import make_generator
from evovae.studies import Results


@pytest.fixture
def missing(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine on which neither package is installed, and no GAN trained."""
    monkeypatch.setitem(sys.modules, "gan_face_generate.models", None)
    monkeypatch.setattr(heartbeats, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    for cached in (faces.generator, faces.drawn, mnist_gan.load):
        cached.cache_clear()


@pytest.mark.usefixtures("missing")
@pytest.mark.parametrize(
    ("module", "told"),
    [
        (faces, "gan-face-generate is not installed: pip install --no-deps gan-face-generate==1.1.1"),
        (heartbeats, "deepfake-ecg is not installed: pip install --no-deps deepfake-ecg==1.1.2"),
        (mnist_gan, "runs/gan/mnist.safetensors is not there: run python experiments/train_gan.py, which trains it"),
    ],
    ids=["faces", "heartbeats", "mnist_gan"],
)
def test_a_generator_that_is_not_there_says_in_one_line_how_to_get_it(module, told) -> None:
    with pytest.raises(evovae.InputError) as caught:
        module.generator()
    assert str(caught.value) == told


def leads(beats_a_minute: float, height: float, t_wave: float = 0.0, baseline: float = 0.0) -> Tensor:
    """Return 8 leads of 10 s (1, 8, 5000), in mV: lead II has narrow R peaks, each with a wide T wave after it."""
    times = np.arange(5000) / 500.0
    curve = np.full(5000, baseline)
    for beat in np.arange(0.5, 9.6, 60.0 / beats_a_minute):
        curve += height * np.exp(-(((times - beat) / 0.01) ** 2))
        curve += t_wave * np.exp(-(((times - beat - 0.25) / 0.06) ** 2))
    other = torch.sin(torch.arange(5000) / 3.0)
    return torch.stack([torch.from_numpy(curve).float() if lead == 1 else other for lead in range(8)])[None]


@pytest.mark.parametrize("rate", [45.0, 72.0, 150.0])
@pytest.mark.parametrize("t_wave", [0.0, 0.7])
def test_the_heart_rate_is_that_of_narrow_peaks_in_lead_ii_alone(rate, t_wave) -> None:
    found = heartbeats.heart_rate(torch.cat([leads(rate, 0.8, t_wave), leads(60.0, 0.8)]))
    assert found.tolist() == pytest.approx([rate, 60.0], rel=0.01)


def test_r_peaks_are_as_high_as_they_rise_above_the_middle_of_the_curve() -> None:
    found = heartbeats.r_peak(torch.cat([leads(70.0, 1.2), leads(70.0, 0.4, 0.2, baseline=0.3)]))
    assert found.tolist() == pytest.approx([1.2, 0.4], abs=0.02)


def test_a_heart_that_hardly_beats_has_neither_rate_nor_height() -> None:
    silent = torch.zeros(1, 8, 5000)
    few = leads(12.0, 5.0)  # two beats in 10 s
    both = torch.cat([silent, few])
    assert heartbeats.heart_rate(both).tolist() == heartbeats.r_peak(both).tolist() == [0.0, 0.0]


def test_likeness_and_distinctness_of_flat_faces(monkeypatch) -> None:
    usual = torch.stack([torch.full((3, 64, 64), grey) for grey in (0.2, 0.4, 0.6)])  # 0.4, deviating by 0.2
    monkeypatch.setattr(faces, "drawn", lambda count, seed: usual if count == 500 else usual[:1])
    flat = torch.stack([torch.full((3, 64, 64), grey) for grey in (0.2, 0.5, 0.8)])
    assert faces.likeness(flat).tolist() == pytest.approx([0.0, 0.09, 0.36])
    assert faces.distinctness(flat).tolist() == pytest.approx([1.0, 0.5, 2.0])
    toolbox = evolution.toolbox(evovae.VectorEncoding(2), faces.likeness)
    assert toolbox.weights == (-1.0,)


def test_a_gan_is_trained_in_a_smoke_run_that_leaves_nothing(monkeypatch, tmp_path, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(train_gan.torch, "set_num_threads", lambda count: None)
    train_gan.main(train_gan.Arguments(smoke=True))
    assert "weights in" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def small(monkeypatch) -> None:
    """Networks that are soon trained."""
    monkeypatch.setattr(train_gan, "GENERATOR", (8, 16, 784))
    monkeypatch.setattr(train_gan, "DISCRIMINATOR", (784, 16, 1))


@pytest.mark.usefixtures("small")
def test_a_training_that_was_stopped_ends_with_the_same_weights(tmp_path) -> None:
    arguments = train_gan.Arguments(batch_size=50)
    for name, stops in (("whole", [3]), ("stopped", [1, 3])):
        for epochs in stops:
            train_gan.train(arguments, tmp_path / name, epochs, images=100)
    whole, stopped = ((tmp_path / name / "mnist.safetensors").read_bytes() for name in ("whole", "stopped"))
    assert whole == stopped
    first = tmp_path / "other"
    train_gan.train(train_gan.Arguments(batch_size=50, seed=1), first, 3, images=100)
    assert (first / "mnist.safetensors").read_bytes() != whole
    with pytest.raises(
        evovae.InputError, match=r"was made with .*'seed': 1.0.*: remove it to train with .*'seed': 0.0"
    ):
        train_gan.train(arguments, first, 3, images=100)


@pytest.mark.usefixtures("small")
def test_the_discriminator_learns_to_tell_and_the_generator_to_deceive() -> None:
    gan, draws = train_gan.GAN(train_gan.Arguments(learning_rate=1e-2)), make_generator(0)
    real = torch.ones(64, 784)
    losses = np.array([gan.step(real, draws) for _ in range(60)])
    assert losses[:10, 0].min() < 0.3, "it tells what is all white at once"
    drawn = gan.generator(torch.randn(64, 8, generator=draws)).tanh()
    assert drawn.mean() > 0.2, "and the generator makes white"


@pytest.mark.usefixtures("small")
def test_the_user_reads_what_the_training_wrote(monkeypatch, tmp_path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(mnist_gan, "GENERATOR", train_gan.GENERATOR)
    monkeypatch.setattr(mnist_gan, "DISCRIMINATOR", train_gan.DISCRIMINATOR)
    train_gan.train(train_gan.Arguments(batch_size=50), Path("runs/gan"), 1, images=100)
    mnist_gan.load.cache_clear()
    kept = evovae.load_state("runs/gan/mnist.safetensors")
    network = mnist_gan.load("generator", mnist_gan.GENERATOR)
    assert all(torch.equal(weights, kept[f"generator/{name}"]) for name, weights in network.state_dict().items())
    images = torch.rand(5, 1, 28, 28, generator=make_generator(0))
    verdict = mnist_gan.discriminator(images)
    assert verdict.shape == (5,)
    assert ((verdict > 0) & (verdict < 1)).all()
    mnist_gan.load.cache_clear()


def test_the_speed_of_a_generation_is_told_in_pairs(monkeypatch, tmp_path) -> None:
    kept = keep_results(monkeypatch, speed_generators, tmp_path)
    monkeypatch.setattr(speed_generators.torch, "set_num_threads", lambda count: None)
    module = SimpleNamespace(generator=lambda: evovae.VectorEncoding(3), total=lambda vectors: vectors.sum(1))
    monkeypatch.setattr(speed_generators, "import_module", lambda name: module)
    monkeypatch.setattr(speed_generators, "CASES", {("sums", "total"): 10})
    seconds = iter([2.0, 1.0, 4.0, 3.0, 2.0, 4.0])
    monkeypatch.setattr(speed_generators, "time_one", lambda do, least: next(seconds))
    speed_generators.main(speed_generators.Arguments(rounds=3))
    (row,) = kept.tables["generators"].to_dict("records")
    assert row == pytest.approx(
        {"generator": "sums", "objective": "total", "individuals": 10, "genes": 3, "seconds_each": 0.2}
        | {"seconds_generation": 3.0, "ratio": 0.75, "least": 0.5, "most": 2.0}
    )


def test_evolution_finds_more_where_the_interval_of_its_pairs_says_so(tmp_path) -> None:
    rows = []
    for objective, sign, more in (("likeness", -1.0, 1.0), ("distinctness", 1.0, 1.0), ("r_peak", 1.0, 0.0)):
        for replicate in range(5):
            start = 10.0 * replicate
            found = {"evolution": start + sign * (more + 0.1 * replicate - 0.2), "random search": start}
            rows += [
                {
                    "generator": "faces" if "ness" in objective else "heartbeats",
                    "objective": objective,
                    "search": search,
                }
                | {"replicate": replicate, "fitness": value}
                | dict.fromkeys(("likeness", "distinctness", "heart_rate", "r_peak"), 0.5)
                for search, value in found.items()
            ]
    results = Results(tmp_path, tmp_path)
    foreign_generators.write_tables(pd.DataFrame(rows), results)
    table = pd.read_csv(tmp_path / "differences.csv").set_index("objective")
    assert table["verdict"].to_dict() == {"likeness": "more", "distinctness": "more", "r_peak": "no more"}
    assert table["more"]["likeness"] == pytest.approx(1.0)
    beside = pd.read_csv(tmp_path / "heartbeats.csv").set_index("search")
    assert beside[["fitness", "heart_rate"]].loc["evolution"].tolist() == pytest.approx([20.0, 0.5])


@pytest.mark.usefixtures("missing")
def test_the_study_of_what_is_there_draws_and_tells_it(monkeypatch, tmp_path) -> None:
    kept = keep_results(monkeypatch, foreign_generators, tmp_path / "study")
    foreign_generators.main(foreign_generators.Arguments(replicates=2, smoke=True))
    assert set(kept.figures) == {"fitness", "threes"}
    assert kept.tables["threes"]["generator"].tolist() == ["vae", "vae"]
    assert kept.tables["real_threes"]["held_out"].iloc[1] > 0.9
    shutil.rmtree(tmp_path / "study")
    with pytest.raises(evovae.InputError, match="is not"):
        foreign_generators.main(foreign_generators.Arguments(replicates=2))
