"""Realism: measures that the search never saw, equal to direct computation and absent where they mean nothing."""

import math

import pytest
import torch
from precision import default_dtype
from torch import nn

from evovae.data import Images, ImageSet, corrupt, load_images, to_unit
from evovae.encodings import CPPNEncoding, LatentEncoding, PCAEncoding, PixelEncoding, VectorEncoding
from evovae.models import VAE, TrainConfig, VAEConfig, evaluate, fit
from evovae.objectives import Judges, RealImages, assess_images, measure_realism


class Stub(nn.Module):
    """A judge of three classes with a random linear layer."""

    def __init__(self, seed: int, pixels: int = 36) -> None:
        super().__init__()
        generator = torch.Generator().manual_seed(seed)
        self.matrix = torch.randn(pixels, 3, generator=generator, dtype=torch.float32)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.matrix

    def features(self, x: torch.Tensor) -> torch.Tensor:
        return x.flatten(1) @ self.matrix


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
    assert list(table.columns) == ["predicted", "held_out", "log_prior"]
    images = encoding.decode(genomes(40))
    predicted = [int(Stub(2)(image.unsqueeze(0)).argmax()) for image in images]
    assert table.predicted.tolist() == predicted
    assert len(set(predicted)) > 1
    held_out = [Stub(1)(image.unsqueeze(0)).softmax(1)[0, k].item() for image, k in zip(images, predicted, strict=True)]
    assert table.held_out.tolist() == pytest.approx(held_out, rel=1e-5)
    assert table.held_out.between(0, 1).all()


def test_log_prior_is_counted_per_gene_and_falls_far_from_the_prior():
    table = measure_realism(latent(), torch.tensor([[0.0, 0, 0], [1, 1, 1], [5, 0, 0]]), None)
    at_zero = -0.5 * math.log(2 * math.pi)
    assert table.log_prior.tolist() == pytest.approx([at_zero, at_zero - 0.5, at_zero - 25 / 6])
    assert measure_realism(latent(), genomes(2000), None).log_prior.mean() == pytest.approx(-1.42, abs=0.03)


def test_without_judges_their_columns_are_absent():
    assert list(measure_realism(latent(), genomes(1), None).columns) == ["log_prior"]


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


ENCODINGS = {
    "pixel": lambda: PixelEncoding((1, 6, 6)),
    "pca": lambda: PCAEncoding(torch.rand(50, 1, 6, 6, generator=torch.Generator().manual_seed(0)), 4),
    "cppn": lambda: CPPNEncoding((1, 6, 6)),
    "latent": latent,
}


def real_images() -> RealImages:
    pixels = torch.randint(0, 256, (200, 1, 6, 6), generator=torch.Generator().manual_seed(6)).to(torch.uint8)
    labels = torch.arange(200) % 3
    parts = (slice(150), slice(150, None))
    return RealImages(ImageSet("noise", *(Images(pixels[part], labels[part]) for part in parts), ("a", "b", "c")))


@pytest.mark.parametrize("build", ENCODINGS.values(), ids=ENCODINGS.keys())
def test_the_images_of_any_encoding_are_held_against_real_ones(build):
    encoding, real = build(), real_images()
    drawn = encoding.sample(6, torch.Generator().manual_seed(1))
    table = measure_realism(encoding, drawn, JUDGES, real)
    told = ["pixel_typicality", "feature_typicality", "typicality"]
    assert list(table.columns) == ["predicted", "held_out", "log_prior", *told]
    with torch.no_grad():
        expected = real.typicality(encoding.decode(drawn), JUDGES.held_out)
    assert all(table[name].tolist() == expected[name].tolist() for name in told)
    assert table.log_prior.tolist() == pytest.approx((encoding.log_prior(drawn) / encoding.dim).tolist())


def test_without_judges_there_is_typicality_by_pixels():
    encoding = latent()
    table = measure_realism(encoding, genomes(3), None, real_images())
    assert list(table.columns) == ["log_prior", "pixel_typicality", "typicality"]


@pytest.mark.parametrize("n", [1, 7])
def test_there_is_a_row_of_plain_numbers_for_each_genome(n):
    table = measure_realism(latent(), genomes(n).requires_grad_(), JUDGES)
    assert len(table) == n
    assert [str(kind) for kind in table.dtypes] == ["int64", "float32", "float32"]


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
    held = assess_images(images, 2, JUDGES, vae, seed=4, real=real_images())
    assert list(held) == [*seen, "pixel_typicality", "feature_typicality", "typicality"]


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
