"""Defaults that hold: what training does on pictures that nobody tuned it for, when to stop, and when it fails."""

import math
from dataclasses import replace

import pytest
import torch
from refusals import refused

from evovae.base import make_generator
from evovae.data import Images, ImageSet, to_unit
from evovae.models import (
    VAE,
    DivergenceError,
    Schedule,
    TrainConfig,
    Training,
    VAEConfig,
    evaluate,
    fit,
    mean_image_loss,
    suggest_rate,
)
from evovae.models.likelihood import moments
from evovae.models.optimisers import MAX_RATE, StableAdam
from evovae.models.schedules import iterations_in
from evovae.models.validation import Validation, split

MODEL = VAEConfig(latent_dim=4, hidden=(32,))
CONFIG = TrainConfig(epochs=6, batch_size=64, device="cpu", seed=5, precision="float32")


@pytest.fixture(scope="module")
def few(digits: ImageSet) -> Images:
    return digits.train.subset(400, seed=0)


def blobs(n: int, size: int, seed: int = 0) -> Images:
    """Colour pictures: a soft disc of any colour anywhere, on a bright ground of any colour."""
    generator = make_generator(seed)
    colours = torch.rand(n, 2, 3, 1, 1, generator=generator) * torch.tensor([1.0, 0.4]).view(1, 2, 1, 1, 1)
    places, widths = torch.rand(n, 2, generator=generator), 0.1 + 0.2 * torch.rand(n, 1, 1, generator=generator)
    grid = torch.linspace(0, 1, size)
    distance = (grid.view(1, -1, 1) - places[:, :1, None]) ** 2 + (grid.view(1, 1, -1) - places[:, 1:, None]) ** 2
    disc = torch.exp(-distance / widths**2).unsqueeze(1)
    pixels = disc * colours[:, 0] + (1 - disc) * (0.6 + colours[:, 1])
    return Images((pixels.clamp(0, 1) * 255).to(torch.uint8), torch.zeros(n, dtype=torch.int64))


@pytest.mark.parametrize(
    ("model", "size"),
    [
        (VAEConfig(latent_dim=8), 24),
        (VAEConfig(latent_dim=8, likelihood="gaussian"), 24),
        (VAEConfig(latent_dim=8, variational=False), 24),
        (VAEConfig(latent_dim=8, network="conv", channels=(8, 16), hidden=(64,)), 24),
        (VAEConfig(latent_dim=8, hidden=(64,)), 64),
    ],
)
def test_the_defaults_learn_bright_colour_pictures(model: VAEConfig, size: int) -> None:
    """On such pictures a rate that suits MNIST's thin strokes ends in numbers of twenty-five digits."""
    train, test = blobs(300, size), blobs(100, size, seed=1)
    model = replace(model, data_shape=train.shape)
    vae = VAE(model, seed=0)
    records = list(fit(vae, train, TrainConfig(iterations=120, device="cpu")))
    assert not any(record.diverged for record in records)
    mean_picture = mean_image_loss(train, test, model)
    assert -evaluate(vae, test).elbo < mean_picture - 0.01 * abs(mean_picture)


def test_a_small_set_is_seen_more_often_than_a_large_one() -> None:
    default = TrainConfig()
    assert iterations_in(default, 10_000) == 23 * 40, "as many epochs as 900 minibatches take"
    assert iterations_in(default, 200_000) == 4 * 782
    assert iterations_in(default, 30) == 900
    assert iterations_in(replace(default, epochs=3), 30) == 3


def test_the_learning_rate_falls_with_the_size_of_the_data() -> None:
    small, large = (VAEConfig(data_shape=(3, size, size)) for size in (32, 64))
    assert suggest_rate(small) == pytest.approx(0.36 / 3072**0.5)
    assert suggest_rate(large) == pytest.approx(suggest_rate(small) / 2)
    assert suggest_rate(replace(large, network="conv")) == suggest_rate(large) / 2
    assert suggest_rate(replace(large, variational=False)) == suggest_rate(large) / 2
    assert suggest_rate(replace(large, likelihood="gaussian")) == suggest_rate(large) / 2
    assert suggest_rate(VAEConfig(data_shape=(2,))) == MAX_RATE


def test_gradients_out_of_proportion_are_cut_and_others_are_not() -> None:
    generator = make_generator(0)
    parameters = [torch.nn.Parameter(torch.zeros(100)) for _ in range(2)]
    stable, plain = StableAdam([parameters[0]], lr=0.1), torch.optim.Adam([parameters[1]], lr=0.1)
    for size in (1.0, 0.5, 0.25):
        gradient = torch.randn(100, generator=generator).sign() * size
        for parameter, adam in zip(parameters, (stable, plain), strict=True):
            parameter.grad = gradient.clone()
            adam.step()
    assert torch.equal(*parameters), "as small as expected, or smaller"
    expected = (stable.state[parameters[0]]["exp_avg_sq"] / (1 - 0.999**3)).mean().sqrt().item()
    parameters[0].grad = torch.randn(100, generator=generator).sign() * 1000.0
    stable.step()
    assert parameters[0].grad.abs().mean().item() == pytest.approx(expected, rel=0.01)
    learned = stable.state[parameters[0]]["exp_avg_sq"] / (1 - 0.999**4)
    assert learned.max().item() <= 1.0, "the outlier is not taken for what is to be expected"


def test_held_out_images_are_not_learned_from_and_keep_their_classes(digits: ImageSet) -> None:
    images = digits.train.subset(500, seed=1)
    train, held_out = split(images, TrainConfig())
    assert (len(train), len(held_out)) == (450, 50)
    both = torch.cat([train, held_out]).flatten(1)
    assert torch.equal(both.unique(dim=0), images.images.flatten(1).unique(dim=0))
    assert [len(part) for part in split(digits.train, TrainConfig())] == [59_000, 1000]
    assert [len(part) for part in split(images.subset(9), TrainConfig())] == [9, 0]
    assert len(split(images, TrainConfig(validation_images=7))[1]) == 7
    label_of = {
        image.numpy().tobytes(): label for image, label in zip(images.images, images.labels.tolist(), strict=True)
    }
    counts = torch.tensor([label_of[image.numpy().tobytes()] for image in held_out]).bincount(minlength=10)
    assert (counts - images.labels.bincount(minlength=10) / 10).abs().max() < 1, "of each class its part"
    with refused("validation images", "500"):
        split(images, TrainConfig(validation_images=500))
    with refused("auto", "held out"):
        split(images.subset(9), TrainConfig(epochs="auto"))


def test_the_model_with_the_least_loss_on_held_out_images_is_kept(few: Images) -> None:
    """Learned by heart: the last model is worse than one before."""
    config = replace(CONFIG, epochs=60, learning_rate=1e-2, schedule="constant")
    vae, seen = VAE(MODEL, seed=0), {}
    training = Training(vae, few.subset(100), config)
    while not training.done:
        if (record := training.step()) is not None and not math.isnan(record.validation):
            seen[record.validation] = {name: tensor.clone() for name, tensor in vae.state_dict().items()}
    assert min(seen) < list(seen)[-1]
    training.keep_best()
    assert all(torch.equal(tensor, seen[min(seen)][name]) for name, tensor in vae.state_dict().items())


def test_the_validation_is_the_whole_negative_elbo_of_what_is_held_out(few: Images) -> None:
    vae = VAE(MODEL, seed=0)
    *_, record = fit(vae, few, replace(CONFIG, epochs=20, beta_warmup=1.0, validation_images=200))
    held_out = split(few, replace(CONFIG, validation_images=200))[1]
    found = evaluate(vae, Images(held_out, torch.zeros(200, dtype=torch.int64)), samples=20)
    assert found.kl > 0.02 * found.reconstruction
    assert record.validation == pytest.approx(-found.elbo, rel=0.01)


class Scripted(Validation):
    """A validation whose losses are given."""

    def __init__(self, few: Images, config: TrainConfig) -> None:
        self.next = 100.0
        train, held_out = split(few, config)
        super().__init__(VAE(MODEL), train, held_out, config, lambda data: self.next)

    def see(self, iteration: int, loss: float) -> bool:
        self.next = loss
        self.look(iteration, 0.0)
        return self.exhausted(iteration)


def test_a_quarter_of_the_time_so_far_a_hundred_minibatches_and_three_looks_are_patience_enough(few: Images) -> None:
    late, early, seldom = (Scripted(few, CONFIG) for _ in range(3))
    assert not any(late.see(iteration, 2000.0 - iteration) for iteration in range(25, 1001, 25))
    assert [late.see(iteration, 1500.0) for iteration in (1100, 1200, 1330, 1340)] == [False, False, False, True]
    assert not early.see(30, 50.0)
    assert [early.see(iteration, 50.0) for iteration in (60, 90, 120, 130, 131)] == [False] * 4 + [True]
    assert not seldom.see(100, 50.0)
    assert [seldom.see(iteration, 60.0) for iteration in (500, 1000, 1500)] == [False, False, True]


def test_whatever_is_better_pays_and_starts_patience_anew(few: Images) -> None:
    found = Scripted(few, CONFIG)
    losses = [(100, 90.0), (200, 95.0), (300, 95.0), (400, 89.9), (500, 95.0), (510, 95.0), (520, 95.0)]
    assert [found.see(*one) for one in losses] == [False] * 7, "each is in time"
    assert found.best == 89.9
    assert found.see(540, 95.0)


def test_the_minibatches_of_an_epoch_are_counted_with_the_smaller_last_one() -> None:
    schedule = Schedule(TrainConfig(epochs=30, restarts=(10, 20), batch_size=10, learning_rate=1.0), 95)
    assert schedule.per_epoch == 10
    assert schedule.ends == [100, 200, 300]


def test_training_ends_early_when_held_out_images_find_no_better_model(few: Images) -> None:
    config = replace(CONFIG, epochs=400, learning_rate=1e-2)
    training = Training(VAE(replace(MODEL, hidden=(256,)), seed=0), few.subset(80), config)
    rates = []
    while not training.done:
        if (record := training.step()) is not None:
            rates.append(record.learning_rate)
    assert training.schedule.annealing
    assert training.iteration == training.schedule.total < 800
    assert rates[-1] < 0.1 * max(rates), "the rate fell to zero all the same"


def test_the_length_of_a_training_can_be_found(few: Images) -> None:
    config = replace(CONFIG, epochs="auto", batch_size=200)
    vae = VAE(MODEL, seed=0)
    records = list(fit(vae, few, config))
    assert 100 < records[-1].iterations < iterations_in(config, 360)
    assert records[-1].learning_rate < 0.1 * max(record.learning_rate for record in records)
    mean_picture = mean_image_loss(few, few, MODEL)
    best = min(record.validation for record in records if not math.isnan(record.validation))
    earlier = [r.validation for r in records if r.iterations < 0.75 * records[-1].iterations]
    before = min(loss for loss in earlier if not math.isnan(loss))
    assert before - best < 0.1 * (mean_picture - best), "it went on until little was gained"


def test_the_rate_rises_and_falls_anew_after_each_restart() -> None:
    schedule = Schedule(TrainConfig(epochs=30, restarts=(10,), batch_size=10, learning_rate=1.0), 100)
    rates = [schedule.at(i)[1] for i in range(300)]
    assert rates[0] == rates[100] == 0.0
    assert max(rates[:100]) == pytest.approx(1.0)
    assert max(rates[100:]) == pytest.approx(1.0)
    assert rates[99] < 0.02


def test_a_divergence_goes_back_and_lowers_the_rate_once(few: Images, monkeypatch: pytest.MonkeyPatch) -> None:
    vae = VAE(MODEL, seed=0)
    training = Training(vae, few, replace(CONFIG, epochs=12))
    while training.iteration != 30:
        training.step()
    highest, divergence = training.schedule.highest, vae.kl_divergence
    monkeypatch.setattr(vae, "kl_divergence", lambda mean, log_variance: divergence(mean, log_variance) * math.nan)
    record = None
    while record is None or not record.diverged:
        record = training.step() or record
    monkeypatch.undo()
    assert math.isnan(record.elbo)
    assert all(tensor.isfinite().all() for tensor in vae.state_dict().values())
    assert training.schedule.highest == highest / 4
    while not training.done:
        record = training.step() or record
    assert math.isfinite(record.elbo)
    monkeypatch.setattr(vae, "kl_divergence", lambda mean, log_variance: mean * math.nan)
    again = Training(vae, few, replace(CONFIG, epochs=60))
    with pytest.raises(DivergenceError, match=r"diverged in epoch \d+ .* lower learning rate"):
        while True:
            again.step()
    assert all(tensor.isfinite().all() for tensor in vae.state_dict().values())


def test_an_autoencoder_whose_weights_are_ruined_comes_back_too(few: Images) -> None:
    vae = VAE(replace(MODEL, variational=False), seed=0)
    training = Training(vae, few, replace(CONFIG, epochs=12))
    while training.iteration != 30:
        training.step()
    with torch.no_grad():
        next(vae.parameters()).fill_(math.nan)
    record = None
    while not training.done:
        record = training.step() or record
        if record is not None and record.diverged:
            break
    assert record is not None
    assert record.diverged
    assert all(tensor.isfinite().all() for tensor in vae.state_dict().values())


def test_a_learned_variance_is_that_of_what_is_held_out(few: Images) -> None:
    vae = VAE(replace(MODEL, likelihood="gaussian"), seed=0)
    list(fit(vae, few, replace(CONFIG, epochs=30)))
    _, held_out = split(few, CONFIG)
    x = to_unit(held_out)
    error = (vae.reconstruct(x) - x).square().mean()
    assert vae.data_log_variance.exp().item() == pytest.approx(error.item(), rel=0.2)


def test_the_encoder_reads_data_minus_their_mean(few: Images) -> None:
    vae = VAE(MODEL, seed=0)
    Training(vae, few, CONFIG)
    mean, squares = moments(split(few, CONFIG)[0])
    torch.testing.assert_close(vae.data_mean, mean.float())
    assert squares.shape == (1, 28, 28)
    plain = Training(VAE(MODEL, seed=0), few, TrainConfig.plain(epochs=1, learning_rate=1e-3, device="cpu"))
    assert not plain.vae.data_mean.any()
    for code, of_nothing in zip(
        vae.encode(mean.float().unsqueeze(0)), vae.encoder(torch.zeros(1, 1, 28, 28)).chunk(2, dim=1), strict=True
    ):
        torch.testing.assert_close(code, of_nothing)


def test_the_mean_picture_is_worth_its_cross_entropy(few: Images) -> None:
    mean, x = to_unit(few.images).mean(0), to_unit(few.images)
    entropy = torch.nn.functional.binary_cross_entropy(mean.expand_as(x), x, reduction="sum") / len(x)
    assert mean_image_loss(few, few) == pytest.approx(entropy.item(), rel=1e-4)
    variance = (x - mean).square().mean().item()
    gaussian = 784 / 2 * (math.log(2 * math.pi * variance) + 1)
    assert mean_image_loss(few, few, VAEConfig(likelihood="gaussian")) == pytest.approx(gaussian, rel=1e-4)


@pytest.mark.parametrize("place", [(2, 0, 3, 4), (0, 0, 0, 0)])
@pytest.mark.parametrize(
    ("value", "words"), [(math.nan, ("nan", "finite")), (3.0, ("3", "[0, 1]", "255")), (-0.5, ("-0.5", "[0, 1]"))]
)
def test_the_first_bad_number_is_named(place: tuple[int, ...], value: float, words: tuple[str, ...]) -> None:
    vae = VAE(VAEConfig(data_shape=(1, 8, 8), latent_dim=2, hidden=(4,)))
    x = torch.full((3, 1, 8, 8), 0.5)
    x[place] = value
    for look in (vae.encode, vae.reconstruct, lambda data: evaluate(vae, data)):
        with refused(f"[{', '.join(map(str, place))}]", *words):
            look(x)


def test_a_gaussian_with_a_bounded_output_refuses_what_it_cannot_give_back() -> None:
    model = VAEConfig(data_shape=(3,), latent_dim=2, hidden=(4,), likelihood="gaussian")
    with refused("[1, 2]", "2.5", "sigmoid"):
        fit(VAE(model), torch.tensor([[0.0, 0.5, 1.0], [0.0, 0.5, 2.5]]), CONFIG)
    assert list(fit(VAE(replace(model, output="linear")), torch.full((20, 3), 2.5), CONFIG))
