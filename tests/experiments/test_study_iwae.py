"""The reproduction of importance-weighted autoencoders: what its stages keep."""

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest
import reproduce_iwae
import torch

import evovae
from evovae.base import Interrupted
from evovae.models import Training

CONFIG = replace(reproduce_iwae.stage_config("IWAE", 2, 1, seed=0, smoke=True), device="cpu")
MODEL = evovae.VAEConfig(latent_dim=3, hidden=(8,), activation="tanh")


@pytest.fixture(scope="module")
def images() -> evovae.data.Images:
    return evovae.load_images("mnist").train


def trained(folder: Path, images: evovae.data.Images) -> evovae.VAE:
    vae = evovae.VAE(MODEL, seed=1)
    reproduce_iwae.fit_stage(folder, vae, images, CONFIG)
    return vae


def test_a_stage_that_was_stopped_goes_on_and_ends_with_the_same_bits(images, monkeypatch, tmp_path):
    expected = trained(tmp_path / "undisturbed", images)
    step, taken = Training.step, []

    def step_and_count(self):
        taken.append(self.iteration)
        if len(taken) == 7:  # in the middle of the second of three epochs
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Training, "step", step_and_count)
    with pytest.raises(Interrupted):
        trained(tmp_path / "stopped", images)
    found = trained(tmp_path / "stopped", images)
    assert taken == list(range(15)), "no minibatch is taken twice"
    again = trained(tmp_path / "stopped", images)
    assert len(taken) == 15, "a stage that has ended is not trained again"
    for vae in (found, again):
        for name, weight in vae.state_dict().items():
            assert torch.equal(weight, expected.state_dict()[name]), name


def test_stages_are_those_of_the_paper():
    stages = [reproduce_iwae.stage_config("IWAE", 5, stage, seed=0, smoke=False) for stage in range(8)]
    assert sum(config.epochs for config in stages) == 3280 == reproduce_iwae.epochs_until(7)
    assert (stages[0].learning_rate, stages[-1].learning_rate) == pytest.approx((1e-3, 1e-4))
    assert {(config.batch_size, config.samples, config.bound, config.precision) for config in stages} == {
        (20, 5, "iwae", "float32")
    }
    rates = [config.learning_rate for config in stages]
    assert rates == pytest.approx([1e-3 * 10 ** (-stage / 7) for stage in range(8)])
    seeds = [reproduce_iwae.stage_config("VAE", 1, stage, seed, False).seed for stage in range(8) for seed in range(5)]
    assert len(set(seeds)) == 40, "no stage of any model draws what another drew"


def test_an_untrained_model_decodes_to_the_mean_image(images):
    vae = reproduce_iwae.begin(evovae.VAEConfig(latent_dim=3, hidden=(8,)), images, seed=0)
    mean = (images.images.float() / 255).mean(0)
    assert (vae.decode(torch.zeros(1, 3))[0] - mean).abs().max() < 0.002
