"""The VAE: shapes, noise with a gradient, distances that are log-likelihoods, and a prior for plain autoencoders."""

import math

import pytest
import torch
from precision import default_dtype
from refusals import refused
from torch.distributions import Normal, kl_divergence
from torch.nn import functional

from evovae.models import VAE, VAEConfig

SMALL = {"hidden": (16,), "channels": (4, 8), "latent_dim": 3}
VECTOR = {**SMALL, "data_shape": (9,), "likelihood": "gaussian"}
CONFIGS = {
    "mlp": VAEConfig(**SMALL),
    "mlp odd": VAEConfig(**SMALL, data_shape=(1, 17, 23)),
    "mlp without hidden layer": VAEConfig(data_shape=(2, 3, 5), latent_dim=1, hidden=()),
    "conv": VAEConfig(**SMALL, network="conv"),
    "conv odd": VAEConfig(**SMALL, data_shape=(1, 17, 23), network="conv"),
    "conv smallest": VAEConfig(**SMALL, data_shape=(3, 4, 5), network="conv"),
    "conv 32 colour": VAEConfig(**SMALL, data_shape=(3, 32, 32), network="conv"),
    "conv 64 colour": VAEConfig(data_shape=(3, 64, 64), network="conv", channels=(2, 3, 4, 5), hidden=(), latent_dim=6),
    "vector": VAEConfig(**VECTOR, output="linear"),
    "vector tanh": VAEConfig(**VECTOR, output="tanh", activation="tanh", variance=0.5),
    "autoencoder": VAEConfig(**SMALL, network="conv", variational=False),
}


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def randn(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=generator(seed), dtype=torch.float32)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=generator(seed), dtype=torch.float32)


def weights(vae: VAE) -> dict[str, torch.Tensor]:
    return vae.state_dict()


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_data_of_any_shape_and_batch_size_is_encoded_and_decoded(config):
    vae = VAE(config)
    for n in (1, 7, 64):
        x = rand(n, *config.data_shape)
        mean, log_variance = vae.encode(x)
        assert mean.shape == log_variance.shape == (n, config.latent_dim)
        z = vae.reparameterise(mean, log_variance, randn(n, config.latent_dim))
        assert vae.decode(z).shape == vae.decode_logits(z).shape == vae.reconstruct(x).shape == x.shape
        assert vae.reconstruction_error(vae.decode_logits(z), x).shape == (n,)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_vae_made_or_loaded_is_the_same_whatever_torchs_default_type(config, tmp_path):
    vae, path = VAE(config, seed=3), tmp_path / "vae.safetensors"
    if not config.variational:
        vae.fit_codes(randn(50, config.latent_dim))
    vae.save(path)
    x, z = rand(4, *config.data_shape), randn(4, config.latent_dim)
    expected = (vae.decode(z), *vae.encode(x), vae.sample_prior(5, generator()), vae.reconstruction_error(x, x))
    with default_dtype(torch.float64):
        made = VAE(config, seed=3)
        if not config.variational:
            made.fit_codes(randn(50, config.latent_dim))
        for one in (made, VAE.load(path)):
            found = (one.decode(z), *one.encode(x), one.sample_prior(5, generator()), one.reconstruction_error(x, x))
            assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))
            assert {values.dtype for values in (*found, *weights(one).values())} == {torch.float32}


@pytest.mark.parametrize(
    ("output", "low", "high"), [("sigmoid", 0.0, 1.0), ("tanh", -1.0, 1.0), ("linear", -math.inf, math.inf)]
)
def test_decoded_means_stay_in_the_range_of_the_output(output, low, high):
    vae = VAE(VAEConfig(**VECTOR, output=output))
    logits, decoded = (f(100 * randn(50, 3)) for f in (vae.decode_logits, vae.decode))
    assert logits.abs().max() > 20
    assert low <= decoded.min() < decoded.max() <= high
    expected = {"sigmoid": torch.sigmoid, "tanh": torch.tanh, "linear": torch.clone}[output](logits)
    torch.testing.assert_close(decoded, expected)


@pytest.mark.parametrize("kind", ["mlp", "conv"])
def test_images_are_in_the_unit_range_however_far_the_code(kind):
    images = VAE(CONFIGS[kind]).decode(1000 * randn(20, 3))
    assert images.min() >= 0
    assert images.max() <= 1
    assert images.std() > 0.3  # both ends are reached


@pytest.mark.parametrize("kind", ["mlp", "conv", "vector"])
def test_data_of_another_shape_is_refused(kind):
    config = CONFIGS[kind]
    shape = config.data_shape
    for wrong in [shape, (2, *shape[:-1], shape[-1] + 1), (2, 2, *shape), (2, *shape, 1), (2,), ()]:
        with refused(str(wrong), f"expected (B, {', '.join(map(str, shape))})"):
            VAE(config).encode(torch.zeros(wrong))


@pytest.mark.parametrize("wrong", [(3,), (2, 4), (2, 2), (2, 3, 1), ()])
def test_codes_of_another_shape_are_refused(wrong):
    vae = VAE(CONFIGS["conv"])
    for decode in (vae.decode, vae.decode_logits):
        with refused(str(wrong), "expected (B, 3)"):
            decode(torch.zeros(wrong))


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_a_seed_decides_every_weight_and_no_global_state_is_touched(config):
    before = torch.get_rng_state()
    first, again, other = (weights(VAE(config, seed)) for seed in (5, 5, 6))
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(first[name], again[name]) for name in first)
    drawn = [name for name in first if name.endswith("weight")]
    assert drawn
    assert not any(torch.equal(first[name], other[name]) for name in drawn)
    assert all(tensor.isfinite().all() for tensor in first.values())


def test_the_notebook_s_network_is_784_128_100():
    vae = VAE(VAEConfig.notebook())
    layers = [784 * 128 + 128, 128 * 200 + 200, 100 * 128 + 128, 128 * 784 + 784]
    assert sum(p.numel() for p in vae.parameters()) == sum(layers) == 240_344
    assert vae.encoder[1].weight.var().item() == pytest.approx(2 / 784, rel=0.05)


@pytest.mark.parametrize(
    ("variance", "trained"), [(None, 1), (0.5, 0)], ids=["a learned variance is trained", "a fixed one is not"]
)
def test_a_gaussian_likelihood_has_one_variance(variance, trained):
    bernoulli, gaussian = VAEConfig(**SMALL), VAEConfig(**SMALL, likelihood="gaussian", variance=variance)
    counts = [sum(p.numel() for p in VAE(c).parameters() if p.requires_grad) for c in (bernoulli, gaussian)]
    assert counts[1] - counts[0] == trained


# The noise


def test_reparameterised_draws_have_the_mean_and_the_variance_asked_for():
    mean, variance = torch.tensor([1.0, -2.0, 0.0]), torch.tensor([4.0, 0.01, 1.0])
    z = VAE.reparameterise(mean, variance.log(), randn(100_000, 3))
    torch.testing.assert_close(z.mean(0), mean, atol=0.03, rtol=0)
    torch.testing.assert_close(z.var(0), variance, atol=0, rtol=0.03)


def test_the_gradient_reaches_mean_and_log_variance():
    mean, log_variance = randn(5, 3, seed=1).requires_grad_(), randn(5, 3, seed=2).requires_grad_()
    noise = randn(5, 3, seed=3)
    VAE.reparameterise(mean, log_variance, noise).sum().backward()
    torch.testing.assert_close(mean.grad, torch.ones(5, 3))
    # d sigma / d log sigma^2 = sigma / 2
    torch.testing.assert_close(log_variance.grad, (0.5 * (0.5 * log_variance).exp() * noise).detach())


def test_zero_variance_gives_the_mean():
    mean = randn(4, 3)
    assert torch.equal(VAE.reparameterise(mean, torch.full((4, 3), -math.inf), randn(2, 4, 3)), mean.expand(2, 4, 3))


def test_a_training_step_moves_every_parameter():
    for name in ("conv", "vector"):
        vae, x = VAE(CONFIGS[name]), rand(8, *CONFIGS[name].data_shape)
        mean, log_variance = vae.encode(x)
        z = vae.reparameterise(mean, log_variance, randn(8, 3))
        error = vae.reconstruction_error(vae.decode_logits(z), x)
        (error + vae.kl_divergence(mean, log_variance).sum(1)).mean().backward()
        assert all(p.grad is not None and p.grad.any() for p in vae.parameters())


def test_kl_divergence_is_that_of_two_normal_distributions():
    mean, log_variance = 3 * randn(50, 4, seed=1), 3 * randn(50, 4, seed=2)
    expected = kl_divergence(Normal(mean, (0.5 * log_variance).exp()), Normal(0.0, 1.0))
    torch.testing.assert_close(VAE.kl_divergence(mean, log_variance), expected)
    assert not VAE.kl_divergence(torch.zeros(2, 4), torch.zeros(2, 4)).any()


# The distance between data and reconstruction


def test_bernoulli_error_is_the_cross_entropy_summed_over_pixels():
    vae = VAE(VAEConfig(**SMALL))
    logits, x = 5 * randn(6, 1, 28, 28), rand(6, 1, 28, 28)
    expected = functional.binary_cross_entropy(logits.double().sigmoid(), x.double(), reduction="none").sum((1, 2, 3))
    torch.testing.assert_close(vae.reconstruction_error(logits, x), expected.float(), rtol=1e-5, atol=1e-3)


@pytest.mark.parametrize(
    ("logit", "pixel", "error"),
    [(1000, 0, 1000), (1000, 1, 0), (1000, 0.5, 500), (-1000, 0, 0), (-1000, 1, 1000), (-1000, 0.25, 250)],
)
def test_bernoulli_error_is_stable_for_large_logits(logit, pixel, error):
    vae = VAE(VAEConfig(**SMALL, data_shape=(1,)))
    logits = torch.tensor([[float(logit)]], requires_grad=True)
    found = vae.reconstruction_error(logits, torch.tensor([[float(pixel)]]))
    found.sum().backward()
    assert found.item() == pytest.approx(error, abs=1e-4)
    assert logits.grad.item() == pytest.approx((logit > 0) - pixel, abs=1e-6)


def test_bernoulli_error_pulls_the_reconstruction_towards_the_data():
    logits = torch.cat((5 * randn(1, 8), torch.zeros(1, 8)), dim=1).requires_grad_()  # a fresh decoder may put out 0
    x = rand(1, 16)
    VAE(VAEConfig(**SMALL, data_shape=(16,))).reconstruction_error(logits, x).sum().backward()
    torch.testing.assert_close(logits.grad, (logits.sigmoid() - x).detach())


@pytest.mark.parametrize("output", ["sigmoid", "tanh", "linear"])
@pytest.mark.parametrize("variance", [0.04, 2.0, None], ids=["small", "large", "learned"])
def test_gaussian_error_is_the_negative_log_density(output, variance):
    vae = VAE(VAEConfig(**VECTOR, output=output, variance=variance))
    if variance is None:
        variance = 0.3
        with torch.no_grad():
            vae.data_log_variance.fill_(math.log(variance))
    z, x = randn(6, 3), randn(6, 9, seed=1)
    expected = -Normal(vae.decode(z), math.sqrt(variance)).log_prob(x).sum(1)
    torch.testing.assert_close(vae.reconstruction_error(vae.decode_logits(z), x), expected, rtol=1e-5, atol=1e-4)


def test_the_best_learned_variance_is_the_mean_squared_error():
    vae = VAE(VAEConfig(**VECTOR, output="linear"))
    logits, x = randn(6, 9), randn(6, 9, seed=1)
    with torch.no_grad():
        vae.data_log_variance.copy_((logits - x).square().mean().log())
    vae.reconstruction_error(logits, x).sum().backward()
    assert vae.data_log_variance.grad.item() == pytest.approx(0, abs=1e-4)


@pytest.mark.parametrize("kind", ["conv", "vector"])
def test_many_draws_are_compared_with_one_batch(kind):
    vae, shape = VAE(CONFIGS[kind]), CONFIGS[kind].data_shape
    logits, x = randn(5, 2, *shape), rand(2, *shape)
    each = torch.stack([vae.reconstruction_error(one, x) for one in logits])
    torch.testing.assert_close(vae.reconstruction_error(logits, x), each)


# The prior


def test_a_vae_s_prior_is_standard_normal():
    vae = VAE(VAEConfig(**SMALL))
    z = vae.sample_prior(50_000, generator(3))
    torch.testing.assert_close(z.mean(0), torch.zeros(3), atol=0.03, rtol=0)
    torch.testing.assert_close(z.T.cov(), torch.eye(3), atol=0.03, rtol=0)
    assert torch.equal(vae.sample_prior(4, generator(3)), vae.sample_prior(4, generator(3)))


def test_a_plain_autoencoder_s_code_is_a_point():
    vae = VAE(CONFIGS["autoencoder"])
    mean, log_variance = vae.encode(rand(5, 1, 28, 28))
    assert log_variance.eq(-math.inf).all()
    assert torch.equal(vae.reparameterise(mean, log_variance, randn(5, 3)), mean)


def test_the_prior_fitted_to_codes_has_their_mean_and_covariance():
    vae = VAE(CONFIGS["autoencoder"])
    codes = randn(2000, 3) @ torch.tensor([[2.0, 0, 0], [1.5, 0.5, 0], [-1, 0.2, 0.1]]).T + torch.tensor([5.0, -3, 0])
    vae.fit_codes(codes)
    z = vae.sample_prior(100_000, generator(3))
    torch.testing.assert_close(z.mean(0), codes.mean(0), atol=0.03, rtol=0)
    torch.testing.assert_close(z.T.cov(), codes.T.cov(), atol=0.06, rtol=0)
    torch.testing.assert_close(vae.codes_from_noise(torch.zeros(1, 3)), codes.mean(0, keepdim=True))
    cholesky = vae.codes_from_noise(torch.eye(3)) - codes.mean(0)
    torch.testing.assert_close(cholesky.T @ cholesky, codes.T.cov(correction=0), atol=1e-3, rtol=0)


@pytest.mark.parametrize(
    "codes", [torch.ones(20, 3), randn(20, 1) * torch.ones(3), randn(1, 3), randn(20, 3) * torch.tensor([1.0, 0, 1e4])]
)
def test_a_prior_is_fitted_to_degenerate_codes_too(codes):
    vae = VAE(CONFIGS["autoencoder"])
    vae.fit_codes(codes)
    z = vae.sample_prior(1000, generator())
    assert z.isfinite().all()
    torch.testing.assert_close(z.std(0), codes.std(0, correction=0), rtol=0.1, atol=0.2)


def test_a_single_latent_variable_s_prior_can_be_fitted():
    vae = VAE(VAEConfig(data_shape=(4,), hidden=(), latent_dim=1, variational=False))
    vae.fit_codes(3 * randn(500, 1) + 7)
    z = vae.sample_prior(10_000, generator())
    assert (z.mean().item(), z.std().item()) == (pytest.approx(7, abs=0.3), pytest.approx(3, abs=0.3))


def test_fitting_the_prior_keeps_no_gradient():
    vae = VAE(CONFIGS["autoencoder"])
    vae.fit_codes(vae.encode(rand(8, 1, 28, 28))[0])
    assert not vae.sample_prior(2, generator()).requires_grad
