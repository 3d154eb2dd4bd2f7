"""The study of the random node: three estimators of one gradient, and measures that would see a biased one."""

import math

import pytest
import torch
from methods import gradient_estimators
from methods.gradient_estimators import compare_draws, draw_gradients, leave_one_out, surrogate
from refusals import refused
from torch import Tensor

from evovae.base import make_generator
from evovae.models import VAE, VAEConfig

ESTIMATORS = ("pathwise", "score", "leave-one-out")
LATENT, PIXELS, IMAGES = 2, 6, 3


@pytest.fixture(scope="module")
def vae() -> VAE:
    return VAE(VAEConfig(data_shape=(PIXELS,), latent_dim=LATENT, hidden=(4,)), seed=1)


@pytest.fixture(scope="module")
def x() -> Tensor:
    return torch.rand(IMAGES, PIXELS, generator=make_generator(0, 1))


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, IMAGES, LATENT, generator=make_generator(seed, 2))


@pytest.fixture(scope="module")
def reference(vae, x) -> dict[str, Tensor]:
    return draw_gradients(vae, x, noise(300, 200), "pathwise")


@pytest.mark.parametrize(("estimator", "samples"), [("pathwise", 1), ("score", 1), ("score", 4), ("leave-one-out", 2)])
def test_all_estimators_have_the_same_expectation(vae, x, reference, estimator, samples):
    for layer, draws in draw_gradients(vae, x, noise(1000, samples, seed=1), estimator).items():
        error = (draws.var(0) / len(draws) + reference[layer].var(0) / len(reference[layer])).sqrt()
        assert ((draws.mean(0) - reference[layer].mean(0)).abs() <= 4 * error).all(), layer


def test_a_baseline_that_contains_its_own_sample_would_be_seen_to_bias(vae, x, reference, monkeypatch):
    monkeypatch.setattr(gradient_estimators, "leave_one_out", lambda values: values.mean(0))
    drawn = draw_gradients(vae, x, noise(1000, 2, seed=1), "leave-one-out")
    assert all(compare_draws(draws, reference[layer])["departure"] > 10 for layer, draws in drawn.items())


def test_the_baseline_takes_most_of_the_variance_away_and_the_pathwise_gradient_has_least(vae, x):
    variance = {
        estimator: sum(draws.var(0).sum() for draws in draw_gradients(vae, x, noise(300, 4), estimator).values())
        for estimator in ESTIMATORS
    }
    assert variance["pathwise"] < variance["leave-one-out"] < variance["score"] / 5


def test_the_score_function_is_what_is_derived_by_hand(vae, x):
    """d log Q / d mean = noise / sigma, and d log Q / d log-variance = (noise^2 - 1) / 2."""
    draws = noise(4)
    mean, log_variance = (t.detach().requires_grad_() for t in vae.encode(x))
    found = torch.autograd.grad(surrogate(vae, x, mean, log_variance, draws, "leave-one-out"), (mean, log_variance))
    with torch.no_grad():
        z = mean + torch.exp(0.5 * log_variance) * draws
        f = torch.stack([vae.reconstruction_error(vae.decode_logits(one), x) for one in z])
        others = torch.stack([torch.cat([f[:k], f[k + 1 :]]).mean(0) for k in range(4)])
        weight = (f - others).unsqueeze(2) / IMAGES  # K B 1
        by_mean = (weight * draws / torch.exp(0.5 * log_variance)).mean(0)
        by_log_variance = (weight * (draws.square() - 1) / 2).mean(0)
    torch.testing.assert_close(found, (by_mean, by_log_variance), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_the_decoders_gradient_is_the_same_for_all(vae, x, estimator):
    weights = list(vae.decoder.parameters())
    found, expected = (
        torch.autograd.grad(surrogate(vae, x, *vae.encode(x), noise(4), name), weights)
        for name in (estimator, "pathwise")
    )
    torch.testing.assert_close(found, expected, rtol=0, atol=0)


def test_the_pathwise_scalar_is_the_reconstruction_error_itself(vae, x):
    mean, log_variance = vae.encode(x)
    draws = noise(4)
    z = mean + torch.exp(0.5 * log_variance) * draws
    expected = torch.stack([vae.reconstruction_error(vae.decode_logits(one), x).mean() for one in z]).mean()
    torch.testing.assert_close(surrogate(vae, x, mean, log_variance, draws, "pathwise"), expected)


def test_gradients_come_by_layer_with_the_halves_of_the_last_one_apart(vae, x):
    drawn = draw_gradients(vae, x, noise(3, 2), "score")
    half = 4 * LATENT + LATENT
    shapes = {layer: tuple(draws.shape) for layer, draws in drawn.items()}
    assert shapes == {"hidden": (3, PIXELS * 4 + 4), "mean": (3, half), "log-variance": (3, half)}
    loss = surrogate(vae, x, *vae.encode(x), noise(3, 2)[0], "score")
    last = torch.autograd.grad(loss, vae.encoder[-1].bias)[0]
    torch.testing.assert_close(drawn["mean"][0, -LATENT:], last[:LATENT])
    torch.testing.assert_close(drawn["log-variance"][0, -LATENT:], last[LATENT:])


def test_comparing_draws_finds_a_known_variance_signal_and_bias():
    generator = make_generator(0, 3)
    target = torch.full((400,), 0.5)
    unbiased = target + torch.randn(500, 400, generator=generator)
    reference = target + 0.1 * torch.randn(300, 400, generator=generator)
    found = compare_draws(unbiased, reference)
    assert found["variance"] == pytest.approx(400, rel=0.02)
    assert found["noise_to_signal"] == pytest.approx(400 / 100, rel=0.03)
    assert found["departure"] == pytest.approx(1, abs=4.5 * math.sqrt(2 / 400))
    bias = 0.1
    expected = 1 + bias**2 / (1 / 500 + 0.01 / 300)
    assert compare_draws(unbiased + bias, reference)["departure"] == pytest.approx(expected, rel=0.15)


def test_leaving_one_out_is_the_mean_of_the_others():
    values = torch.tensor([[1.0, 2.0], [3.0, 5.0], [8.0, 2.0]])
    torch.testing.assert_close(leave_one_out(values), torch.tensor([[5.5, 3.5], [4.5, 2.0], [2.0, 3.5]]))


def test_one_sample_has_no_others_to_compare_with(vae, x):
    with refused("1 sample"):
        surrogate(vae, x, *vae.encode(x), noise(1), "leave-one-out")
