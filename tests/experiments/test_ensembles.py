"""VAEs trained side by side: each as if it were alone."""

from dataclasses import replace

import pytest
import torch
from methods.ensembles import fit_together
from refusals import refused

from evovae.base import Streams
from evovae.models import VAE, DivergenceError, TrainConfig, VAEConfig

MODEL = VAEConfig(
    data_shape=(3,), latent_dim=2, hidden=(6, 4), activation="tanh", likelihood="gaussian", variance=0.5, output="tanh"
)
CONFIG = TrainConfig.plain(epochs=3, batch_size=16, learning_rate=1e-2, beta=0.1, seed=4, device="cpu")
DATA = torch.rand(40, 3, generator=torch.Generator().manual_seed(1)) * 1.6 - 0.8


def trained(count: int, config: TrainConfig = CONFIG) -> tuple[list[VAE], torch.Tensor]:
    vaes = [VAE(MODEL, seed=k) for k in range(count)]
    return vaes, torch.stack(list(fit_together(vaes, DATA, config)))


def trained_alone(k: int) -> tuple[VAE, torch.Tensor]:
    """One VAE by a plain loop, with the draws of stream k."""
    vae, stream = VAE(MODEL, seed=k), Streams(CONFIG.seed, range(k, k + 1))
    adam, losses = torch.optim.Adam(vae.parameters(), lr=CONFIG.learning_rate), torch.zeros(CONFIG.epochs)
    for epoch in range(CONFIG.epochs):
        order, noise = stream.uniform(1, len(DATA)).argsort(1)[0], stream.normal(1, len(DATA), 2)[0]
        for x, drawn in zip(DATA[order].split(16), noise.split(16), strict=True):
            mean, log_variance = vae.encode(x)
            decoded = vae.decode(vae.reparameterise(mean, log_variance, drawn))
            kl = vae.kl_divergence(mean, log_variance).sum(1)
            constant = 1.5 * torch.log(torch.tensor(torch.pi))  # of a normal density with variance 1/2
            loss = ((decoded - x).square().sum(1) + constant + CONFIG.beta * kl).mean()
            adam.zero_grad()
            loss.backward()
            adam.step()
            losses[epoch] += loss.detach() * len(x) / len(DATA)
    return vae, losses


def test_each_is_trained_as_if_alone() -> None:
    vaes, losses = trained(3)
    for k, vae in enumerate(vaes):
        alone, expected = trained_alone(k)
        torch.testing.assert_close(losses[:, k], expected, rtol=1e-4, atol=1e-5)
        for weight, other in zip(vae.parameters(), alone.parameters(), strict=True):
            torch.testing.assert_close(weight, other, rtol=1e-3, atol=1e-4)


def test_they_learn_and_the_same_seed_gives_the_same_bits() -> None:
    vaes, losses = trained(2, replace(CONFIG, epochs=30))
    again, _ = trained(2, replace(CONFIG, epochs=30))
    other, _ = trained(2, replace(CONFIG, epochs=30, seed=5))
    assert (losses[-1] < losses[0] - 0.1).all()
    same = [torch.equal(a.decoder[0].weight, b.decoder[0].weight) for a, b in zip(vaes, again, strict=True)]
    assert same == [True, True]
    assert not torch.equal(vaes[0].decoder[0].weight, other[0].decoder[0].weight)


@pytest.mark.parametrize(
    ("models", "config", "words"),
    [
        ([MODEL, replace(MODEL, hidden=(5,))], CONFIG, ("differ",)),
        ([replace(MODEL, variance=None)], CONFIG, ("fixed variance",)),
        ([replace(MODEL, variational=False)], CONFIG, ("together only VAEs",)),
        ([MODEL], replace(CONFIG, schedule="one-cycle"), ("leave the rest out",)),
        ([MODEL], replace(CONFIG, samples=5), ("leave the rest out",)),
        ([replace(MODEL, data_shape=(4,))], CONFIG, ("3", "4")),
    ],
)
def test_what_cannot_be_trained_together_is_refused(
    models: list[VAEConfig], config: TrainConfig, words: tuple[str, ...]
) -> None:
    with refused(*words):
        fit_together([VAE(model) for model in models], DATA, config)


def test_a_loss_that_is_not_finite_is_told_and_not_learned() -> None:
    vaes = [VAE(MODEL, seed=0)]
    before = vaes[0].decoder[0].weight.clone()
    with pytest.raises(DivergenceError, match="lower learning rate"):
        list(fit_together(vaes, DATA, replace(CONFIG, learning_rate=1e38)))
    assert torch.equal(vaes[0].decoder[0].weight, before)
