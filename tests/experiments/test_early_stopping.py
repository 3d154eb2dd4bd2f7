"""Early stopping: what it keeps is the best that it met, and a small set is left before it is learned by heart."""

from dataclasses import replace
from types import SimpleNamespace

import pytest
import torch
from methods import early_stopping
from methods.early_stopping import EVALUATE_EVERY, fit_until_best

import evovae
from evovae.data import Images
from evovae.models import DivergenceError, TrainConfig, VAEConfig, evaluate

CONFIG = VAEConfig(data_shape=(1, 4, 4), latent_dim=4, hidden=(64,))


@pytest.fixture
def parts() -> tuple[Images, Images]:
    """A few images of noise, which can only be learned by heart, and others."""
    pixels = torch.randint(0, 256, (80, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(1))
    labels = torch.zeros(80, dtype=torch.int64)
    return Images(pixels[:16], labels[:16]), Images(pixels[16:], labels[16:])


def config(iterations: int) -> TrainConfig:
    return TrainConfig.plain(iterations=iterations, batch_size=16, learning_rate=1e-2, device="cpu")


def test_patience_ends_before_the_images_are_learned_by_heart(parts):
    vae = evovae.VAE(CONFIG)
    best = fit_until_best(vae, *parts, config(3000), patience=200)
    assert not best.capped
    assert 0 < best.iteration < 2800
    assert evaluate(best.vae, parts[1]).elbo > evaluate(vae, parts[1]).elbo


def test_patience_is_counted_from_the_best_that_was_met(parts, monkeypatch):
    met = []

    def worse_each_time(vae, images, seed):
        met.append(images)
        return SimpleNamespace(elbo=-100.0 - len(met))

    monkeypatch.setattr(early_stopping, "evaluate", worse_each_time)
    best = fit_until_best(evovae.VAE(CONFIG), *parts, config(3000), patience=200)
    assert (best.iteration, best.capped) == (EVALUATE_EVERY, False)
    assert len(met) == (EVALUATE_EVERY + 200) / EVALUATE_EVERY
    assert all(images is parts[1] for images in met)


def test_the_limit_ends_it_and_says_so_and_the_same_seed_gives_the_same_bits(parts):
    runs = [fit_until_best(evovae.VAE(CONFIG), *parts, config(EVALUATE_EVERY // 2)) for _ in range(2)]
    assert runs[0].capped
    assert runs[0].iteration == EVALUATE_EVERY // 2
    for one, other in zip(runs[0].vae.parameters(), runs[1].vae.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0)


def test_a_training_that_diverges_says_so_and_gives_no_best(parts):
    far = replace(config(200), learning_rate=1e30, precision="float32")
    with pytest.raises(DivergenceError):
        fit_until_best(evovae.VAE(CONFIG), *parts, far)


def test_a_loss_of_the_validation_images_that_is_not_finite_is_a_divergence(parts):
    far = replace(config(2 * EVALUATE_EVERY), batch_size=8, learning_rate=1e30, precision="float32")
    many = Images(parts[0].images.repeat(40, 1, 1, 1), parts[0].labels.repeat(40))  # the first epoch is not over
    with pytest.raises(DivergenceError, match="validation images"):
        fit_until_best(evovae.VAE(CONFIG), many, parts[1], far)
