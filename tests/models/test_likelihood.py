"""Likelihoods: equal to direct computation, and right where the exact log P(x) is known."""

import dataclasses
import math

import pytest
import torch
from refusals import refused
from torch.distributions import Bernoulli, MultivariateNormal, Normal

from evovae.base import make_generator
from evovae.data import Images, to_unit
from evovae.models import VAE, VAEConfig, active_units, evaluate, iwae_bound, mean_image_loss
from evovae.models.likelihood import estimate_iwae_bound, estimate_nll, log_importance_weights

SMALL = {"data_shape": (1, 8, 8), "hidden": (16,), "latent_dim": 3}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed))


def some_images(n: int = 7) -> Images:
    pixels = torch.randint(0, 256, (n, 1, 8, 8), generator=generator(9), dtype=torch.uint8)
    return Images(pixels, torch.zeros(n, dtype=torch.int64))


def total_log_joint(vae: VAE, x: torch.Tensor, z: torch.Tensor) -> torch.Tensor:
    """log P(x, z), the long way round: x (B, V), z (k, B, D) -> (k, B)."""
    logits = torch.stack([vae.decode_logits(one) for one in z])
    if vae.config.likelihood == "bernoulli":
        given_z = Bernoulli(logits=logits).log_prob(x)
    else:
        given_z = Normal(logits, (0.5 * vae.data_log_variance).exp()).log_prob(x)
    return given_z.flatten(2).sum(2) + Normal(0.0, 1.0).log_prob(z).sum(2)


class LinearGaussian:
    """A VAE whose log P(x) is known: x = W z + b + noise, so that x is N(b, W W^T + s^2 I).

    The columns of W are orthogonal: then the exact posterior is diagonal, and an encoder can give it.
    """

    variance = 0.3

    def __init__(self, encoder: str) -> None:
        config = VAEConfig(
            (5,), latent_dim=2, hidden=(), likelihood="gaussian", variance=self.variance, output="linear"
        )
        self.vae = VAE(config).double().requires_grad_(False)
        q, _ = torch.linalg.qr(randn(5, 2).double())
        w, b = q * torch.tensor([1.5, 0.7], dtype=torch.float64), randn(5, seed=1).double()
        self.vae.decoder[0].weight.copy_(w)
        self.vae.decoder[0].bias.copy_(b)
        self.marginal = MultivariateNormal(b, w @ w.T + self.variance * torch.eye(5))
        posterior_variance = 1 / (1 + (w * w).sum(0) / self.variance)
        to_mean = posterior_variance.unsqueeze(1) * w.T / self.variance
        layer = self.vae.encoder[1]
        layer.weight.zero_()
        layer.bias.zero_()  # the prior as posterior
        if encoder != "prior":
            layer.weight[:2] = to_mean
            layer.bias[:2] = -to_mean @ b
            layer.bias[2:] = posterior_variance.log()
        if encoder == "rough":
            layer.bias += torch.tensor([0.2, -0.1, 0.5, 0.3])
        self.x = b + randn(6, 5, seed=2).double()
        self.exact = self.marginal.log_prob(self.x)


def blind_vae(mean: float = 0.0, log_variance: float = 0.0) -> tuple[VAE, float]:
    """A VAE that decodes every code to grey and so gives every binary image of 64 pixels probability 2^-64."""
    vae = VAE(VAEConfig(**SMALL)).requires_grad_(False)
    for parameter in vae.parameters():
        parameter.zero_()
    vae.encoder[-1].bias[:3] = mean
    vae.encoder[-1].bias[3:] = log_variance
    return vae, 64 * math.log(2)


# The ELBO


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_the_elbo_equals_a_direct_computation_on_the_same_noise(likelihood):
    vae, images = VAE(VAEConfig(**SMALL, likelihood=likelihood)), some_images()
    found = evaluate(vae, images, samples=3, seed=4)
    x, noise = to_unit(images.images), make_generator(4, 2)
    with torch.no_grad():
        mean, log_variance = vae.encode(x)
        posterior = Normal(mean, (0.5 * log_variance).exp())
        kl = torch.distributions.kl_divergence(posterior, Normal(0.0, 1.0)).sum(1).mean()
        errors = []
        for _ in range(3):
            z = mean + posterior.scale * torch.randn(7, 3, generator=noise)
            if likelihood == "bernoulli":
                p = vae.decode(z)
                errors.append(-(x * p.log() + (1 - x) * (1 - p).log()).sum((1, 2, 3)).mean())
            else:
                errors.append(-Normal(vae.decode(z), 1.0).log_prob(x).sum((1, 2, 3)).mean())
    assert found.reconstruction == pytest.approx(sum(errors).item() / 3, rel=1e-5)
    assert found.kl == pytest.approx(kl.item(), rel=1e-5)
    assert found.elbo == -(found.reconstruction + found.kl)
    assert (found.images, found.samples) == (7, 3)


@pytest.mark.parametrize("batch_size", [1, 2, 3, 7, 100])
def test_the_batch_size_changes_nothing_but_the_noise(batch_size):
    vae, images = VAE(VAEConfig(**SMALL)).requires_grad_(False), some_images()
    vae.encoder[-1].bias[3:] = -40  # next to no noise in z
    vae.encoder[-1].weight[3:] = 0
    found, whole = evaluate(vae, images, batch_size=batch_size), evaluate(vae, images)
    assert found.reconstruction == pytest.approx(whole.reconstruction, rel=1e-5)
    assert found.kl == pytest.approx(whole.kl, rel=1e-5)
    assert found.active_units == whole.active_units


def test_a_seed_decides_the_estimate_and_more_samples_steady_it():
    vae, images = VAE(VAEConfig(**SMALL)), some_images()
    assert evaluate(vae, images, seed=1) == evaluate(vae, images, seed=1)
    one, many = (torch.tensor([evaluate(vae, images, samples=k, seed=s).elbo for s in range(20)]) for k in (1, 50))
    assert one.std() > 0
    assert many.std() < one.std() / 3
    assert many.mean().item() == pytest.approx(one.mean().item(), abs=4 * one.std().item() / 20**0.5)


def test_dynamic_binarisation_draws_the_pixels_from_the_grey_values(monkeypatch):
    vae, images = VAE(VAEConfig(**SMALL)), some_images(500)
    seen, encode = [], vae.posterior
    monkeypatch.setattr(vae, "posterior", lambda x: (seen.append(x), encode(x))[1])
    for seed in (0, 0, 1):
        assert evaluate(vae, images, "dynamic", seed=seed).binarisation == "dynamic"
    first, again, other = seen
    assert set(first.unique().tolist()) == {0.0, 1.0}
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    grey = to_unit(images.images)
    bright = first.bool()
    assert grey[bright].mean().item() == pytest.approx(2 / 3, abs=0.01)  # E[x^2] / E[x] of even grey values
    assert grey[~bright].mean().item() == pytest.approx(1 / 3, abs=0.01)


@pytest.mark.parametrize("convention", ["grey", "dynamic", "static"])
def test_every_figure_says_its_convention(convention):
    vae, images = VAE(VAEConfig(**SMALL)), some_images().binarised(0)
    for estimate in (
        evaluate(vae, images, convention),
        estimate_nll(vae, images, 2, convention),
        estimate_iwae_bound(vae, images, 2, convention),
    ):
        assert estimate.binarisation == convention
        assert estimate.images == 7


def test_a_plain_autoencoder_has_a_reconstruction_error_alone():
    vae, images = VAE(VAEConfig(**SMALL, variational=False)), some_images()
    found = evaluate(vae, images)
    x = to_unit(images.images)
    with torch.no_grad():
        error = vae.reconstruction_error(vae.decode_logits(vae.encode(x)[0]), x).mean().item()
    assert (found.kl, found.elbo) == (0.0, -found.reconstruction)
    assert found.reconstruction == pytest.approx(error, rel=1e-5)
    for estimate in (estimate_nll, estimate_iwae_bound):
        with refused("plain autoencoder", "evaluate()"):
            estimate(vae, images, 2)


# Importance sampling


@pytest.mark.parametrize("likelihood", ["bernoulli", "gaussian"])
def test_importance_weights_are_joint_over_posterior(likelihood):
    config = VAEConfig((6,), latent_dim=3, hidden=(8,), likelihood=likelihood, output="sigmoid", variance=None)
    if likelihood == "gaussian":
        config = dataclasses.replace(config, output="linear")
    vae, x, noise = VAE(config).requires_grad_(False), (randn(4, 6) > 0).float(), randn(5, 4, 3, seed=1)
    mean, log_variance = vae.encode(x)
    scale = (0.5 * log_variance).exp()
    z = mean + scale * noise
    expected = total_log_joint(vae, x, z) - Normal(mean, scale).log_prob(z).sum(2)
    found = log_importance_weights(vae, x, noise)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    # With one sample the bound is the ELBO, with more the logarithm of the mean weight.
    torch.testing.assert_close(iwae_bound(vae, x, noise[:1]), expected[0], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(iwae_bound(vae, x, noise), expected.exp().mean(0).log(), rtol=1e-4, atol=1e-4)


def test_with_the_exact_posterior_one_sample_gives_the_exact_likelihood():
    model = LinearGaussian("exact")
    for seed in range(3):
        found = iwae_bound(model.vae, model.x, randn(1, 6, 2, seed=seed).double())
        torch.testing.assert_close(found, model.exact)


@pytest.mark.parametrize("encoder", ["prior", "rough"])
def test_importance_sampling_converges_to_the_exact_likelihood(encoder):
    model = LinearGaussian(encoder)
    for k, most in ((1000, 1.0), (100_000, 0.1)):
        noise = randn(k, 6, 2, seed=5).double()
        weights = log_importance_weights(model.vae, model.x, noise).exp()
        error = weights.std(0) / weights.mean(0) / k**0.5  # of the mean weight, as a part of it; of its logarithm
        assert error.max() < most
        assert ((iwae_bound(model.vae, model.x, noise) - model.exact).abs() < 5 * error).all()


def test_the_expected_bound_grows_with_the_number_of_samples_up_to_the_likelihood():
    model = LinearGaussian("rough")
    bounds = []
    for k in (1, 5, 50):
        draws = [iwae_bound(model.vae, model.x, randn(k, 6, 2, seed=s).double()).mean() for s in range(500)]
        bounds.append(torch.stack(draws).mean().item())
    assert bounds == sorted(bounds)
    assert bounds[0] < bounds[1] - 0.05
    assert bounds[2] < model.exact.mean().item() < bounds[2] + 0.05


def test_the_bound_of_one_sample_is_the_elbo_on_average():
    vae, images = VAE(VAEConfig(**SMALL)), some_images(1)
    many = Images(images.images.expand(20_000, -1, -1, -1), torch.zeros(20_000, dtype=torch.int64))
    assert estimate_iwae_bound(vae, many, 1).value == pytest.approx(evaluate(vae, many).elbo, abs=0.2)


def test_the_gradient_of_the_bound_reaches_every_weight():
    vae = VAE(VAEConfig((6,), latent_dim=3, hidden=(8,)))
    iwae_bound(vae, torch.rand(4, 6, generator=generator()), randn(5, 4, 3)).sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in vae.parameters())


@pytest.mark.parametrize(("samples", "chunk"), [(1, 5000), (10, 3), (10, 10), (10, 25), (7, 1), (4, 8)])
def test_no_sample_is_lost_and_at_most_a_chunk_is_decoded_at_once(monkeypatch, samples, chunk):
    vae, exact = blind_vae()
    decoded, decode_logits = [], vae.decode_logits
    monkeypatch.setattr(vae, "decode_logits", lambda z: (decoded.append(len(z)), decode_logits(z))[1])
    images = some_images(5)
    nll = estimate_nll(vae, images, samples, chunk=chunk)
    assert nll.value == pytest.approx(exact, rel=1e-6)
    assert max(decoded) <= chunk
    assert sum(decoded) == samples * len(images)
    assert (nll.kind, nll.images, nll.samples) == ("nll", 5, samples)
    bound = estimate_iwae_bound(vae, images, samples, chunk=chunk)
    assert (bound.kind, bound.value) == ("iwae-bound", pytest.approx(-exact, rel=1e-6))


@pytest.mark.parametrize("chunk", [7, 500, 100_000])
def test_the_estimate_does_not_depend_on_the_chunk_beyond_its_noise(chunk):
    vae, exact = blind_vae(mean=0.6, log_variance=0.3)
    assert estimate_nll(vae, some_images(5), 2000, chunk=chunk).value == pytest.approx(exact, abs=0.05)
    one = estimate_nll(vae, some_images(4000), 1, chunk=chunk).value  # is above it by the KL divergence, 0.61 nats
    assert one == pytest.approx(exact + 1.5 * (math.exp(0.3) + 0.36 - 1.0 - 0.3), abs=0.1)


def test_the_estimate_is_the_mean_of_the_bounds_on_the_same_noise():
    vae, images = VAE(VAEConfig(**SMALL)), some_images(4)
    x, noise = to_unit(images.images), torch.randn(6, 4, 3, generator=make_generator(8, 2))
    expected = iwae_bound(vae, x, noise).mean().item()
    assert estimate_iwae_bound(vae, images, 6, seed=8, chunk=24).value == pytest.approx(expected, rel=1e-5)
    assert estimate_nll(vae, images, 6, seed=8, chunk=24).value == pytest.approx(-expected, rel=1e-5)


# Active units


def test_units_whose_mean_varies_by_more_than_a_hundredth_are_active():
    sign = torch.tensor([1.0, -1.0, 1.0, -1.0]).unsqueeze(1)
    means = 5 + sign * torch.tensor([0.0, 0.09, 0.11, 2.0])  # variances 0, 0.0081, 0.0121 and 4
    assert active_units(means).tolist() == [False, False, True, True]
    assert not active_units(means[:1]).any()


def test_evaluation_counts_active_units_over_all_batches():
    vae, _ = blind_vae()
    for layer in (vae.encoder[1], vae.encoder[3]):
        layer.weight[0] = 1.0  # the first unit's mean follows the ink; the others' stand still
    dark_and_bright = Images(
        torch.tensor([0, 255], dtype=torch.uint8).view(2, 1, 1, 1).expand(2, 1, 8, 8), some_images(2).labels
    )
    assert evaluate(vae, dark_and_bright, batch_size=1).active_units == 1


# Refusals


@pytest.mark.parametrize("estimate", [evaluate, estimate_nll, estimate_iwae_bound])
def test_what_cannot_be_estimated_is_refused(estimate):
    vae, images = VAE(VAEConfig(**SMALL)), some_images()
    for samples in (0, -1):
        with refused("samples", str(samples), "1 or more"):
            estimate(vae, images, samples=samples)
    for count in (0, -5):
        name = "batch_size" if estimate is evaluate else "chunk"
        with refused(name, str(count), "1 or more"):
            estimate(vae, images, samples=2, **{name: count})
    with refused("'sharp'", "grey, dynamic, static"):
        estimate(vae, images, samples=2, binarisation="sharp")
    with refused("static", "grey", "binarised"):
        estimate(vae, images, samples=2, binarisation="static")
    with refused("(7, 1, 8, 8)", "(B, 1, 9, 9)"):
        estimate(VAE(VAEConfig(data_shape=(1, 9, 9))), images, samples=2)


def test_the_blind_loss_is_that_of_a_decoder_whose_biases_give_the_mean_image_and_whose_code_says_nothing():
    train, test = some_images(40), some_images(7)
    vae = VAE(VAEConfig(**SMALL))
    for parameter in vae.parameters():
        parameter.data.zero_()  # the posterior is the prior
    vae.decoder[-2].bias.data = torch.logit(to_unit(train.images).mean(0).flatten())
    found = evaluate(vae, test)
    assert found.kl == 0
    assert mean_image_loss(train, test) == pytest.approx(-found.elbo, rel=1e-5)
