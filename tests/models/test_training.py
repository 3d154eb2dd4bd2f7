"""The training loop: what it yields, what it minimises, and what it leaves behind."""

import math
from dataclasses import replace

import pytest
import torch
from refusals import refused

from evovae.data import Images, ImageSet, to_unit
from evovae.models import VAE, DivergenceError, TrainConfig, VAEConfig, fit, likelihood, losses, training
from evovae.models.schedules import beta, iterations_in, learning_rate

MODEL = VAEConfig(latent_dim=4, hidden=(32,))
CONFIG = TrainConfig(
    epochs=3, batch_size=64, learning_rate=5e-3, device="cpu", seed=5, precision="float32", validation_images=0
)
PLAIN = TrainConfig.plain(epochs=3, batch_size=64, learning_rate=5e-3, device="cpu", seed=5)


@pytest.fixture(scope="module")
def few(digits: ImageSet) -> Images:
    """A few hundred training digits."""
    return digits.train.subset(300, seed=0)


def trained(config: TrainConfig, images: Images, model: VAEConfig = MODEL) -> tuple[VAE, list[training.Epoch]]:
    vae = VAE(model, seed=config.seed)
    return vae, list(fit(vae, images, config))


def same_weights(a: VAE, b: VAE) -> bool:
    theirs = b.state_dict()
    return all(torch.equal(tensor, theirs[name]) for name, tensor in a.state_dict().items())


def test_a_record_a_epoch_and_the_elbo_grows(few: Images) -> None:
    _, records = trained(CONFIG, few)
    assert [r.epoch for r in records] == [1, 2, 3]
    assert [r.iterations for r in records] == [5, 10, 15], "300 images in minibatches of 64: the last is smaller"
    assert records[0].elbo < records[1].elbo < records[2].elbo
    assert all(r.elbo == -(r.reconstruction + r.kl) for r in records)


def test_the_same_seed_gives_the_same_bits_and_another_does_not(few: Images) -> None:
    first, records = trained(CONFIG, few)
    second, again = trained(CONFIG, few)
    third, _ = trained(replace(CONFIG, seed=6), few)
    assert same_weights(first, second)
    assert records == again
    assert not same_weights(first, third)


@pytest.mark.parametrize("bound", ["elbo", "iwae"])
def test_the_loss_is_the_negative_bound_on_the_same_draws(few: Images, bound: str) -> None:
    vae, x = VAE(MODEL), to_unit(few.images[:8])
    config = replace(CONFIG, bound=bound, samples=6)
    loss, reconstruction, kl = losses.loss_terms(vae, x, config, 1.0, torch.Generator().manual_seed(3))
    weights = likelihood.log_importance_weights(
        vae, x, torch.randn(6, 8, 4, generator=torch.Generator().manual_seed(3))
    )
    if bound == "iwae":
        torch.testing.assert_close(loss, -(weights.logsumexp(0) - math.log(6)).mean())
    else:
        torch.testing.assert_close(loss, reconstruction + kl)
        assert loss.item() == pytest.approx(-weights.mean().item(), rel=0.02), "only the draws of the KL differ"


def test_an_iwae_reaches_a_tighter_bound_than_a_vae(few: Images) -> None:
    config = replace(CONFIG, epochs=150, samples=8, learning_rate=1.6e-2)
    models = {bound: trained(replace(config, bound=bound), few)[0] for bound in ("elbo", "iwae")}
    found = {bound: likelihood.estimate_iwae_bound(vae, few, 8).value for bound, vae in models.items()}
    assert found["iwae"] > found["elbo"] + 0.5


def test_stopping_to_look_changes_nothing(few: Images) -> None:
    undisturbed, _ = trained(CONFIG, few)
    watched = VAE(MODEL, seed=CONFIG.seed)
    for _ in fit(watched, few, CONFIG):
        likelihood.evaluate(watched, few, samples=2, seed=9)
    assert same_weights(undisturbed, watched)


def test_iterations_cut_the_last_epoch_short(few: Images) -> None:
    config = replace(CONFIG, iterations=7)
    _, records = trained(config, few)
    assert [r.iterations for r in records] == [5, 7]
    assert iterations_in(config, len(few)) == 7
    assert iterations_in(CONFIG, len(few)) == 15


def test_a_subset_is_trained_on_when_asked_for(few: Images) -> None:
    _, records = trained(replace(CONFIG, train_images=65, epochs=1), few)
    assert records[0].iterations == 2
    with refused("301"):
        trained(replace(CONFIG, train_images=301), few)


def test_one_step_follows_the_gradient_of_the_elbo(few: Images) -> None:
    """The step that Adam takes first is the learning rate times the sign of the gradient of the -ELBO."""
    config = replace(PLAIN, iterations=1, batch_size=300, learning_rate=1e-3)
    vae = VAE(MODEL, seed=0)
    before = {name: p.detach().clone() for name, p in vae.named_parameters()}
    list(fit(vae, few, config))
    moved = torch.cat([(p.detach() - before[name]).flatten() for name, p in vae.named_parameters()])

    expected = VAE(MODEL, seed=0)
    x = to_unit(few.images)
    total = torch.zeros(())
    for seed in range(60):
        mean, log_variance = expected.encode(x)
        noise = torch.randn(mean.shape, generator=torch.Generator().manual_seed(seed))
        logits = expected.decode_logits(expected.reparameterise(mean, log_variance, noise))
        total = (
            total
            + expected.reconstruction_error(logits, x).mean()
            + expected.kl_divergence(mean, log_variance).sum(1).mean()
        )
    total.backward()
    gradient = torch.cat([p.grad.flatten() for p in expected.parameters() if p.grad is not None])
    large = gradient.abs() > gradient.abs().quantile(0.5)
    assert (moved[large].sign() == -gradient[large].sign()).float().mean() > 0.97


@pytest.mark.parametrize("warmup", [0.0, 0.5, 1.0])
def test_beta_grows_evenly_over_its_warm_up(warmup: float) -> None:
    config = replace(CONFIG, beta=2.0, beta_warmup=warmup)
    assert beta(config, 1.0) == 2.0
    assert beta(config, warmup) == 2.0
    if warmup:
        assert beta(config, 0.0) == 0.0
        assert beta(config, warmup / 2) == pytest.approx(1.0)


def test_the_learning_rate_rises_once_and_falls_to_zero() -> None:
    rates = [learning_rate(CONFIG, i / 100) for i in range(101)]
    top = rates.index(max(rates))
    assert rates[top] == pytest.approx(CONFIG.learning_rate)
    assert rates[: top + 1] == sorted(rates[: top + 1])
    assert rates[top:] == sorted(rates[top:], reverse=True)
    assert rates[0] == 0.0
    assert rates[-1] == 0.0
    constant = replace(CONFIG, schedule="constant")
    assert {learning_rate(constant, i / 10) for i in range(11)} == {CONFIG.learning_rate}


def test_more_beta_buys_less_kl(few: Images) -> None:
    loose, tight = (trained(replace(CONFIG, epochs=20, beta=b), few)[1][-1].kl for b in (0.1, 10.0))
    assert tight < loose / 2


@pytest.mark.parametrize("config", [
    replace(CONFIG, binarisation="dynamic"),
    replace(CONFIG, binarisation="static"),
    replace(CONFIG, corruption="gaussian"),
    replace(CONFIG, corruption="masking", corruption_level=0.5),
    replace(CONFIG, corruption="salt-and-pepper"),
    replace(CONFIG, precision="bfloat16"),
])  # fmt: skip
def test_every_way_to_meet_the_images_trains(config: TrainConfig, few: Images) -> None:
    _, records = trained(config, few)
    plain = trained(CONFIG, few)[1]
    assert records[-1].elbo > records[0].elbo
    assert records != plain


def test_denoising_asks_for_the_clean_image(few: Images) -> None:
    """With every pixel masked the encoder knows nothing, and the best answer is the mean image."""
    config = replace(CONFIG, epochs=30, corruption="masking", corruption_level=1.0)
    vae, _ = trained(config, few)
    decoded = vae.reconstruct(torch.zeros(1, 1, 28, 28))
    assert (decoded - to_unit(few.images).mean(0)).abs().mean() < 0.05


@pytest.mark.parametrize("model", [
    replace(MODEL, network="conv", channels=(4, 8)),
    replace(MODEL, likelihood="gaussian"),
    replace(MODEL, activation="tanh", initialisation="glorot"),
])  # fmt: skip
def test_every_kind_of_model_learns(model: VAEConfig, few: Images) -> None:
    records = trained(CONFIG, few, model)[1]
    assert records[-1].elbo > records[0].elbo


def test_a_plain_autoencoder_has_no_kl_and_gets_a_prior_for_its_codes(few: Images) -> None:
    vae, records = trained(CONFIG, few, replace(MODEL, variational=False))
    assert all(r.kl == 0 for r in records)
    codes, _ = vae.encode(to_unit(few.images))
    torch.testing.assert_close(vae.code_mean, codes.mean(0), rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(
        vae.code_cholesky @ vae.code_cholesky.T, torch.cov(codes.T, correction=0), rtol=0.01, atol=0.01
    )


def test_plain_vectors_can_be_learned() -> None:
    generator = torch.Generator().manual_seed(0)
    data = (torch.randn(500, 1, generator=generator) * torch.tensor([0.5, -0.3, 0.1])).clamp(-1.0, 1.0)
    model = VAEConfig(data_shape=(3,), latent_dim=2, hidden=(16,), likelihood="gaussian", variance=0.01, output="tanh")
    vae = VAE(model, seed=0)
    records = list(fit(vae, data, replace(CONFIG, epochs=60)))
    assert records[-1].elbo > records[0].elbo
    assert (vae.reconstruct(data) - data).square().mean() < 0.05 * data.square().mean()


def test_a_loss_that_is_not_finite_stops_and_keeps_the_last_good_state(
    few: Images, monkeypatch: pytest.MonkeyPatch
) -> None:
    vae = VAE(MODEL, seed=0)
    records = fit(vae, few, PLAIN)
    next(records)
    good = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    monkeypatch.setattr(vae, "kl_divergence", lambda mean, log_variance: mean * math.nan)
    with pytest.raises(DivergenceError, match=r"epoch 2 .*iterations 6 to 10"):
        next(records)
    assert all(torch.equal(tensor, good[name]) for name, tensor in vae.state_dict().items())


def test_a_run_that_diverges_in_an_epoch_cut_short_names_the_right_iterations(few: Images) -> None:
    config = replace(PLAIN, iterations=7)
    vae = VAE(MODEL, seed=0)
    records = fit(vae, few, config)
    next(records)
    with torch.no_grad():
        next(vae.parameters()).fill_(math.nan)
    with pytest.raises(DivergenceError, match=r"epoch 2 \(iterations 6 to 7\)"):
        next(records)


def test_a_last_step_that_ruins_the_weights_is_taken_back(few: Images) -> None:
    vae = VAE(MODEL, seed=0)
    records = fit(vae, few, replace(PLAIN, learning_rate=1e20, batch_size=300))
    start = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    with pytest.raises(DivergenceError, match="epoch 1"):
        list(records)
    assert all(torch.equal(tensor, start[name]) for name, tensor in vae.state_dict().items())


@pytest.mark.parametrize(
    ("data", "config", "word"),
    [
        (torch.zeros(5, 3, dtype=torch.float64), CONFIG, "float32"),
        (torch.zeros(0, 3), CONFIG, "at least 1"),
        (torch.zeros(5, 3), replace(CONFIG, train_images=2), "train images"),
        (torch.zeros(5, 3), replace(CONFIG, binarisation="dynamic"), "binarisation"),
        (torch.full((5, 3), 1.5), CONFIG, "[0, 1]"),
    ],
)
def test_vectors_that_the_settings_do_not_suit_are_refused(data: torch.Tensor, config: TrainConfig, word: str) -> None:
    with refused(word):
        fit(VAE(VAEConfig(data_shape=(3,), latent_dim=2, hidden=(4,))), data, config)


def test_images_of_another_shape_are_refused_at_once(few: Images) -> None:
    with refused("(1, 28, 28)", "(1, 16, 16)"):
        fit(VAE(VAEConfig(data_shape=(1, 16, 16), hidden=(8,))), few, CONFIG)
