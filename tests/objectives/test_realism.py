"""Realism: measures that the search never saw, equal to direct computation and absent where they mean nothing."""

import math

import pytest
import torch
from precision import default_dtype
from refusals import refused
from torch import nn

from evovae.data import corrupt, load_images, to_unit
from evovae.encodings import CPPNEncoding, LatentEncoding, PCAEncoding, PixelEncoding, VectorEncoding
from evovae.models import VAE, TrainConfig, VAEConfig, evaluate, fit
from evovae.objectives import Judges, assess_images, measure_realism


class Stub(nn.Module):
    """A judge of three classes with a random linear layer."""

    def __init__(self, seed: int, pixels: int = 36) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.matrix = torch.randn(pixels, 3, generator=generator, dtype=torch.float32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return (x.flatten(1) - 0.5) @ self.matrix  # of grey, which all say nothing of


JUDGES = Judges(Stub(2), Stub(1))


def genomes(n: int, dim: int = 3) -> torch.Tensor:
    return torch.randn(n, dim, generator=torch.Generator().manual_seed(5), dtype=torch.float32)


def latent(variational: bool = True) -> LatentEncoding:
    vae = VAE(VAEConfig((1, 6, 6), latent_dim=3, hidden=(8,), variational=variational))
    if not variational:
        vae.fit_codes(4 + 2 * genomes(50))
    return LatentEncoding(vae)


def test_the_judges_are_asked_apart():
    encoding = latent()
    table = measure_realism(encoding, genomes(40), JUDGES)
    assert list(table.columns) == ["predicted", "held_out", "log_prior", "reconstruction_distance"]
    images = encoding.decode(genomes(40))
    predicted = [int(Stub(2)(image.unsqueeze(0)).argmax()) for image in images]
    assert table.predicted.tolist() == predicted
    assert len(set(predicted)) > 1
    held_out = [Stub(1)(image.unsqueeze(0)).softmax(1)[0, k].item() for image, k in zip(images, predicted, strict=True)]
    assert table.held_out.tolist() == pytest.approx(held_out, rel=1e-5)
    assert table.held_out.between(0, 1).all()


@pytest.mark.parametrize("variational", [True, False], ids=["vae", "plain autoencoder"])
def test_reconstruction_distance_is_that_of_the_image_to_its_own_reconstruction(variational):
    encoding = latent(variational)
    table = measure_realism(encoding, genomes(6), None)
    with torch.no_grad():
        images = encoding.decode(genomes(6))
        again = encoding.vae.decode(encoding.vae.encode(images)[0])
    expected = [((a - b) ** 2).mean().sqrt().item() for a, b in zip(images, again, strict=True)]
    assert table.reconstruction_distance.tolist() == pytest.approx(expected, rel=1e-4)
    assert (table.reconstruction_distance > 0).all()


def test_log_prior_is_counted_per_gene_and_falls_far_from_the_prior():
    table = measure_realism(latent(), torch.tensor([[0.0, 0, 0], [1, 1, 1], [5, 0, 0]]), None)
    at_zero = -0.5 * math.log(2 * math.pi)
    assert table.log_prior.tolist() == pytest.approx([at_zero, at_zero - 0.5, at_zero - 25 / 6])
    assert measure_realism(latent(), genomes(2000), None).log_prior.mean() == pytest.approx(-1.42, abs=0.03)


def test_without_judges_their_columns_are_absent():
    assert list(measure_realism(latent(), genomes(1), None).columns) == ["log_prior", "reconstruction_distance"]


@pytest.mark.parametrize(
    ("bounds", "log_prior"), [((None, None), -0.5 * math.log(2 * math.pi)), ((-2, 2), -math.log(4))]
)
def test_vectors_have_a_prior_alone(bounds, log_prior):
    table = measure_realism(VectorEncoding(4, *bounds), torch.zeros(3, 4), None)
    assert list(table.columns) == ["log_prior"]
    assert table.log_prior.tolist() == pytest.approx([log_prior] * 3)


def test_judges_may_be_asked_about_vectors_too():
    table = measure_realism(VectorEncoding(36), genomes(5, 36), JUDGES)
    assert list(table.columns) == ["predicted", "held_out", "log_prior"]
    assert table.predicted.tolist() == Stub(2)(genomes(5, 36)).argmax(1).tolist()


def distance(vae: VAE, phenotypes: torch.Tensor) -> list[float]:
    """From each of `phenotypes` to its reconstruction, one after the other."""
    pairs = [(x, vae.decode(vae.encode(x.unsqueeze(0))[0])[0]) for x in phenotypes]
    return [((x - again) ** 2).mean().sqrt().item() for x, again in pairs]


ENCODINGS = {
    "pixel": lambda: PixelEncoding((1, 6, 6)),
    "pca": lambda: PCAEncoding(torch.rand(50, 1, 6, 6, generator=torch.Generator().manual_seed(0)), 4),
    "cppn": lambda: CPPNEncoding((1, 6, 6)),
    "latent": latent,
}


@pytest.mark.parametrize("build", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_one_vae_measures_the_images_of_any_encoding(build):
    encoding, other = build(), VAE(VAEConfig((1, 6, 6), latent_dim=2, hidden=(8,)), seed=9)
    drawn = encoding.sample(6, torch.Generator().manual_seed(1))
    table = measure_realism(encoding, drawn, JUDGES, other)
    assert list(table.columns) == ["predicted", "held_out", "log_prior", "reconstruction_distance"]
    with torch.no_grad():
        expected = distance(other, encoding.decode(drawn))
    assert table.reconstruction_distance.tolist() == pytest.approx(expected, rel=1e-4)
    assert table.log_prior.tolist() == pytest.approx((encoding.log_prior(drawn) / encoding.dim).tolist())


@pytest.mark.parametrize("name", ["pixel", "pca", "cppn"])
def test_without_a_vae_there_is_no_reconstruction(name):
    encoding = ENCODINGS[name]()
    table = measure_realism(encoding, encoding.sample(2, torch.Generator().manual_seed(1)), JUDGES)
    assert list(table.columns) == ["predicted", "held_out", "log_prior"]


def test_vectors_of_a_vae_are_reconstructed_by_it():
    vae = VAE(VAEConfig((5,), latent_dim=3, hidden=(8,), likelihood="gaussian", output="tanh"))
    encoding = VectorEncoding(3, -2.0, 2.0, vae=vae)
    table = measure_realism(encoding, genomes(6), None)
    assert table.reconstruction_distance.tolist() == pytest.approx(distance(vae, encoding.decode(genomes(6))), rel=1e-4)


def test_a_vae_of_another_shape_is_refused():
    with refused("(2, 1, 5, 5)", "(B, 1, 6, 6)"):
        measure_realism(PixelEncoding((1, 5, 5)), torch.zeros(2, 25), None, latent().vae)


@pytest.mark.parametrize("n", [1, 7])
def test_there_is_a_row_of_plain_numbers_for_each_genome(n):
    table = measure_realism(latent(), genomes(n).requires_grad_(), JUDGES)
    assert len(table) == n
    assert [str(kind) for kind in table.dtypes] == ["int64", "float32", "float32", "float32"]


def test_scrutiny_is_that_of_judges_and_of_a_vae_that_made_nothing():
    images, vae = torch.rand(5, 1, 6, 6, generator=torch.Generator().manual_seed(3)), latent().vae
    seen = assess_images(images, 2, JUDGES, vae, seed=4)
    for name in ("judge", "held_out"):
        expected = getattr(JUDGES, name)(images).softmax(1)[:, 2]
        assert seen[name].tolist() == expected.tolist()
    distance = (vae.reconstruct(images) - images).square().mean((1, 2, 3)).sqrt()
    assert seen["distance"].tolist() == distance.tolist()
    bound = evaluate(vae, images, samples=500).elbo
    assert bound < seen["log_likelihood"].mean() < bound + 5
    assert assess_images(images, 2, JUDGES, vae, seed=4).equals(seen)


def test_realism_is_the_same_whatever_torchs_default_type():
    def seen() -> list:
        images, encoding = latent().decode(genomes(6)), latent()
        return [measure_realism(encoding, genomes(6), JUDGES), assess_images(images, 1, JUDGES, encoding.vae)]

    expected = seen()
    with default_dtype(torch.float64):
        found = seen()
    assert all(one.equals(other) for one, other in zip(found, expected, strict=True))


def test_a_clean_image_is_likelier_than_a_noisy_one_to_a_vae_trained_on_such():
    digits = load_images("mnist").train.subset(500)
    vae = VAE(VAEConfig(latent_dim=4, hidden=(64,)))
    for _ in fit(vae, digits, TrainConfig(epochs=15, batch_size=50, learning_rate=3e-3)):
        pass
    clean = to_unit(digits.images[:20])
    noisy = corrupt(clean, "gaussian", 0.5, torch.Generator().manual_seed(1))
    judges = Judges(Stub(2, 784), Stub(1, 784))
    seen, spoilt = (assess_images(images, 0, judges, vae) for images in (clean, noisy))
    assert (seen["log_likelihood"] > spoilt["log_likelihood"]).all()
    assert (seen["distance"] < spoilt["distance"]).all()
