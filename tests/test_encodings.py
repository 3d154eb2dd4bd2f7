"""Genomes stay where they may be, come from the prior they claim to come from, and decode to images."""

import math

import pytest
import torch
from refusals import refused
from scipy import stats

import evovae
from evovae.encodings import SUPPORTS, LatentEncoding, VectorEncoding

DIM = 32


def latent(support="ball", dim=DIM, **settings) -> LatentEncoding:
    config = evovae.VAEConfig(data_shape=(1, 4, 4), latent_dim=dim, hidden=(8,), **settings)
    return LatentEncoding(evovae.VAE(config, seed=3), support)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def is_inside(encoding: LatentEncoding, genomes: torch.Tensor) -> torch.Tensor:
    norm = genomes.double().norm(dim=-1)
    return {
        "free": genomes.isfinite().all(-1),
        "box": (genomes.abs() <= 3.0).all(-1),
        "ball": norm <= encoding.radius * (1 + 1e-6),
        "shell": (norm - math.sqrt(encoding.dim)).abs() <= 1e-5 * math.sqrt(encoding.dim),
    }[encoding.support]


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("scale", [1e-6, 0.1, 1.0, 30.0, 1e6])
def test_projection_ends_inside_the_support_and_is_idempotent(support, scale):
    encoding = latent(support)
    genomes = normal(2, 50, DIM) * scale
    kept = genomes.clone()
    projected = encoding.project(genomes)
    assert torch.equal(genomes, kept)
    assert projected.shape == genomes.shape
    assert is_inside(encoding, projected).all()
    torch.testing.assert_close(encoding.project(projected), projected, rtol=1e-6, atol=0)


@pytest.mark.parametrize("support", SUPPORTS)
def test_projection_moves_to_the_nearest_point(support):
    encoding = latent(support, dim=2)
    genomes = normal(40, 2) * 4
    elsewhere = encoding.project(normal(4000, 2, seed=1) * 3)
    nearest = torch.cdist(genomes, elsewhere).amin(1)
    moved = (encoding.project(genomes) - genomes).norm(dim=1)
    assert (moved <= nearest + 1e-4).all()


@pytest.mark.parametrize("support", ["free", "box", "ball"])
def test_projection_leaves_inner_points_untouched(support):
    genomes = normal(50, DIM) * 0.5
    assert torch.equal(latent(support).project(genomes), genomes)


def test_the_box_clips_each_gene_by_itself():
    genomes = torch.tensor([[-9.0, -3.0, 0.5, 3.0, 3.1]])
    assert latent("box", dim=5).project(genomes).tolist() == [[-3.0, -3.0, 0.5, 3.0, 3.0]]


@pytest.mark.parametrize("support", ["ball", "shell"])
def test_ball_and_shell_keep_the_direction(support):
    genomes = normal(50, DIM) * 20
    cosine = torch.cosine_similarity(genomes, latent(support).project(genomes), dim=1)
    torch.testing.assert_close(cosine, torch.ones(50))


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("dim", [1, DIM, 1000])
def test_the_zero_vector_stays_finite(support, dim):
    assert latent(support, dim=dim).project(torch.zeros(1, dim)).isfinite().all()


@pytest.mark.parametrize("dim", [1, 2, DIM, 200])
def test_the_ball_holds_99_percent_of_the_prior(dim):
    norms = normal(20_000, dim).double().norm(dim=1)
    inside = int((norms <= latent("ball", dim=dim).radius).sum())
    assert stats.binomtest(inside, 20_000, 0.99).pvalue > 1e-3


@pytest.mark.parametrize("shape", [(DIM,), (5, DIM), (2, 3, DIM)])
def test_log_prior_is_that_of_independent_normals(shape):
    genomes = normal(*shape) * 2
    expected = torch.distributions.Normal(0.0, 1.0).log_prob(genomes).sum(-1)
    torch.testing.assert_close(latent().log_prior(genomes), expected)
    torch.testing.assert_close(VectorEncoding(DIM).log_prior(genomes), expected)


@pytest.mark.parametrize(
    "encoding", [*(latent(support) for support in SUPPORTS), VectorEncoding(DIM), VectorEncoding(DIM, -1.0, 3.0)]
)
def test_samples_come_from_the_generator_and_lie_inside_the_support(encoding):
    drawn = [encoding.sample(20, torch.Generator().manual_seed(seed)) for seed in (1, 1, 2)]
    assert drawn[0].shape == (20, encoding.dim)
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    torch.testing.assert_close(encoding.project(drawn[0]), drawn[0], rtol=1e-6, atol=0)


@pytest.mark.parametrize("encoding", [latent("free"), VectorEncoding(DIM)])
def test_unbounded_samples_are_standard_normal(encoding):
    genomes = encoding.sample(500, torch.Generator().manual_seed(0))
    assert stats.kstest(genomes.flatten().numpy(), "norm").pvalue > 1e-3


@pytest.mark.parametrize("support", SUPPORTS)
def test_images_are_decoded_into_zero_to_one_however_far_out_the_genome(support):
    encoding = latent(support)
    images = encoding.decode(normal(7, DIM) * 100)
    assert images.shape == (7, 1, 4, 4)
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    assert images.std() > 0.0


def test_a_latent_genome_is_the_latent_vector():
    encoding, genomes = latent(), normal(7, DIM)
    assert torch.equal(encoding.decode(genomes), encoding.vae.decode(genomes))


def test_the_model_is_frozen():
    encoding = latent()
    assert not encoding.vae.training
    assert not any(parameter.requires_grad for parameter in encoding.vae.parameters())
    assert not encoding.decode(normal(2, DIM)).requires_grad


def test_an_autoencoders_genomes_are_its_standardised_codes():
    encoding = latent("free", dim=3, variational=False)
    mixing = torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-1.0, 0.3, 3.0]])
    codes = normal(5000, 3) @ mixing.T + torch.tensor([5.0, -2.0, 0.0])
    encoding.vae.fit_codes(codes)
    assert torch.equal(encoding.decode(torch.zeros(1, 3)), encoding.vae.decode(codes.double().mean(0).float()[None]))
    drawn = encoding.vae.codes_from_noise(encoding.sample(20_000, torch.Generator().manual_seed(4)))
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), rtol=0.05, atol=0.1)
    genomes = normal(7, 3)
    assert torch.equal(encoding.decode(genomes), encoding.vae.decode(encoding.vae.codes_from_noise(genomes)))


def test_an_unknown_support_is_refused():
    with refused("support is 'cube'", "box"):
        latent("cube")


def test_a_vector_is_its_own_phenotype():
    genomes = normal(4, 6)
    assert torch.equal(VectorEncoding(6).decode(genomes), genomes)


def test_without_bounds_vectors_may_go_anywhere():
    genomes = normal(4, 6) * 1e9
    assert torch.equal(VectorEncoding(6).project(genomes), genomes)


def test_bounded_samples_are_even_between_the_bounds():
    genomes = VectorEncoding(3, -2.0, 6.0).sample(2000, torch.Generator().manual_seed(0))
    assert all(stats.kstest(gene.numpy(), "uniform", args=(-2.0, 8.0)).pvalue > 1e-3 for gene in genomes.T)


def test_bounds_clip_and_have_an_even_prior():
    encoding = VectorEncoding(2, -1.0, 3.0)
    genomes = torch.tensor([[0.0, 3.0], [-1.0, 5.0], [-7.0, 2.0]])
    assert encoding.project(genomes).tolist() == [[0.0, 3.0], [-1.0, 3.0], [-1.0, 2.0]]
    assert encoding.log_prior(genomes).tolist() == pytest.approx([-2 * math.log(4.0), -math.inf, -math.inf])


def test_the_suggested_mutation_grows_with_the_bounds():
    assert 0.0 < VectorEncoding(2, 0.0, 1.0).sigma < 1.0
    assert VectorEncoding(2, 0.0, 10.0).sigma == pytest.approx(10 * VectorEncoding(2, 0.0, 1.0).sigma)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), ("dim is 0", "1 or more")),
        ((2, 0.0), ("give both or neither",)),
        ((2, None, 1.0), ("give both or neither",)),
        ((2, 1.0, 1.0), ("1.0", "low < high")),
        ((2, 3.0, 1.0), ("3.0", "low < high")),
        ((2, math.nan, 1.0), ("nan", "low < high")),
        ((2, -math.inf, 1.0), ("-inf", "finite")),
    ],
)
def test_vectors_without_genes_or_with_impossible_bounds_are_refused(arguments, words):
    with refused(*words):
        VectorEncoding(*arguments)
