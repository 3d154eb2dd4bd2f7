"""Genomes stay where they may be, come from the prior they claim to come from, and decode to what they stand for."""

import functools
import math
import pickle
from dataclasses import dataclass, replace
from itertools import product

import numpy as np
import pytest
import torch
from deap import base
from precision import default_dtype
from refusals import refused
from scipy import stats

import evovae
from evovae import evolution
from evovae.base import Streams
from evovae.encodings import (
    SUPPORTS,
    CPPNEncoding,
    DecoderEncoding,
    Encoding,
    FittedNormal,
    LatentEncoding,
    PCAEncoding,
    PixelEncoding,
    PolicyEncoding,
    StandardNormal,
    Uniform,
    VectorEncoding,
)
from evovae.evolution import Population

DIM = 32
SHAPE = (3, 5, 4)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def even(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def pictures(n: int = 100) -> torch.Tensor:
    """Images (n, *SHAPE) of bytes whose pixels hang together, so that their components have unlike variances."""
    pixels = math.prod(SHAPE)
    logits = normal(n, 20) @ (normal(20, pixels, seed=1) * torch.linspace(0.5, 0.1, 20, dtype=torch.float32)[:, None])
    return (torch.sigmoid(logits) * 255).round().to(torch.uint8).view(n, *SHAPE)


def image_vae(dim: int = DIM, variational: bool = True) -> evovae.VAE:
    vae = evovae.VAE(evovae.VAEConfig(SHAPE, latent_dim=dim, hidden=(8,), variational=variational), seed=3)
    if not variational:
        vae.fit_codes(normal(500, dim) @ normal(dim, dim, seed=1) + 2.0)
    return vae


def vector_vae(dim: int = 3, variational: bool = True) -> evovae.VAE:
    settings = {"likelihood": "gaussian", "output": "tanh", "variational": variational}
    vae = evovae.VAE(evovae.VAEConfig((7,), latent_dim=dim, hidden=(8,), **settings), seed=3)
    if not variational:
        vae.fit_codes(normal(500, dim) @ normal(dim, dim, seed=1) + 2.0)
    return vae


@dataclass(frozen=True)
class Case:
    encoding: Encoding
    phenotype: tuple[int, ...]
    low: float
    high: float
    gene: stats.rv_continuous
    """The prior of each gene."""


def decoder(prior: StandardNormal | Uniform) -> DecoderEncoding:
    layer = torch.nn.utils.skip_init(torch.nn.Linear, 6, math.prod(SHAPE))
    layer.load_state_dict({"weight": normal(math.prod(SHAPE), 6, seed=4), "bias": normal(math.prod(SHAPE), seed=5)})
    module = torch.nn.Sequential(layer, torch.nn.Tanh(), torch.nn.Unflatten(1, SHAPE)).float()
    return DecoderEncoding(module, 6, SHAPE, prior=prior, range=(-1, 1))


@functools.cache
def case(name: str) -> Case:
    kind, _, support = name.partition(" ")
    images = (SHAPE, 0.0, 1.0, stats.norm())
    everywhere = (-math.inf, math.inf)
    match kind:
        case "latent":
            return Case(LatentEncoding(image_vae(), support), *images)
        case "autoencoder":
            return Case(LatentEncoding(image_vae(variational=False)), *images)
        case "pca":
            return Case(PCAEncoding(pictures(), 6, support), *images)
        case "cppn":
            return Case(CPPNEncoding(SHAPE, (7, 5), support), *images)
        case "pixel":
            return Case(PixelEncoding(SHAPE), SHAPE, 0.0, 1.0, stats.uniform(0, 1))
        case "policy":
            policy = PolicyEncoding(3, 2, (4,), support=support)
            return Case(policy, (policy.dim,), -math.inf, math.inf, stats.norm())
        case "vector":
            return Case(VectorEncoding(6), (6,), *everywhere, stats.norm())
        case "bounded":
            return Case(VectorEncoding(6, -1.0, 3.0), (6,), *everywhere, stats.uniform(-1, 4))
        case "coil":
            return Case(VectorEncoding(3, -2.0, 2.0, vae=vector_vae()), (7,), -1.0, 1.0, stats.uniform(-2, 4))
        case "decoder":
            return Case(decoder(StandardNormal(6, support)), *images)
        case "fitted":
            return Case(decoder(FittedNormal(normal(50, 6) + 1.0, support)), *images)
        case "even":
            return Case(decoder(Uniform(6, -1.0, 1.0)), *images[:3], stats.uniform(-1, 2))
    raise AssertionError(name)


KINDS = ("latent", "pca", "cppn", "decoder", "fitted", "policy")
NORMAL = [f"{kind} {support}" for kind in KINDS for support in SUPPORTS]
NAMES = [*NORMAL, "autoencoder", "pixel", "vector", "bounded vector", "coil", "even"]


@pytest.fixture(params=NAMES)
def each(request: pytest.FixtureRequest) -> Case:
    return case(request.param)


def genomes_of(encoding: Encoding, n: int, seed: int = 0) -> torch.Tensor:
    return encoding.sample(n, torch.Generator().manual_seed(seed))


# What every encoding promises


def test_samples_come_from_the_generator_and_lie_inside_the_support(each):
    drawn = [genomes_of(each.encoding, 20, seed) for seed in (1, 1, 2)]
    assert drawn[0].shape == (20, each.encoding.dim)
    assert drawn[0].device == each.encoding.device == torch.device("cpu")
    assert torch.equal(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(each.encoding.project(drawn[0]), drawn[0])


@pytest.mark.parametrize("name", ["latent free", "pca free", "cppn free", "pixel", "vector", "bounded vector", "coil"])
def test_samples_have_the_distribution_of_the_prior(name):
    genes = genomes_of(case(name).encoding, 1000)[:, :6]
    assert stats.kstest(genes.flatten().numpy(), case(name).gene.cdf).pvalue > 1e-3
    assert (genes.T.corrcoef() - torch.eye(genes.shape[1])).abs().max() < 0.12  # four standard errors


def test_projection_is_idempotent_and_changes_nothing_in_place(each):
    for scale in (1e-6, 1.0, 30.0, 1e6):
        genomes = normal(2, 50, each.encoding.dim) * scale
        kept = genomes.clone()
        projected = each.encoding.project(genomes)
        assert torch.equal(genomes, kept), scale
        assert projected.shape == genomes.shape, scale
        assert torch.equal(each.encoding.project(projected), projected), scale


def test_log_prior_is_that_of_independent_genes(each):
    for batch in ((), (5,), (2, 3)):
        genomes = genomes_of(each.encoding, max(1, math.prod(batch))).view(*batch, each.encoding.dim)
        expected, found = each.gene.logpdf(genomes.double().numpy()).sum(-1), each.encoding.log_prior(genomes).numpy()
        assert np.isfinite(expected).all(), batch
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-5, err_msg=str(batch))


def test_phenotypes_have_their_shape_and_range_however_far_out_the_genome(each):
    for scale in (1.0, 100.0):
        phenotypes = each.encoding.decode(normal(7, each.encoding.dim) * scale)
        assert phenotypes.shape == (7, *each.phenotype), scale
        assert phenotypes.device == each.encoding.device, scale
        assert phenotypes.dtype == torch.float32, scale
        assert phenotypes.min() >= each.low, scale
        assert phenotypes.max() <= each.high, scale
        assert phenotypes.std(0).max() > 0.0, scale


def test_phenotypes_are_new_memory(each):
    genomes = genomes_of(each.encoding, 5)
    kept = genomes.clone()
    each.encoding.decode(genomes).fill_(0.25)
    assert torch.equal(genomes, kept)


def test_a_phenotype_is_the_same_in_any_batch(each):
    genomes = genomes_of(each.encoding, 9)
    together = each.encoding.decode(genomes)
    alone = torch.cat([each.encoding.decode(genome.unsqueeze(0)) for genome in genomes])
    torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)
    assert each.encoding.decode(genomes[:0]).shape == (0, *each.phenotype)


def test_gradients_flow_back_to_each_genome_by_itself(each):
    inner = 0.2 * normal(4, each.encoding.dim) + each.gene.mean()
    direction, weights = normal(2, each.encoding.dim, seed=1)[:1], normal(1, *each.phenotype, seed=2)
    genomes = inner.clone().requires_grad_()
    (each.encoding.decode(genomes) * weights).flatten(1).sum(1)[1:].sum().backward()
    slope = (genomes.grad * direction).sum(1)
    ahead, behind = (each.encoding.decode(inner + step * direction) for step in (1e-2, -1e-2))
    expected = ((ahead - behind) * weights).flatten(1).sum(1) / 2e-2
    expected[0] = 0.0
    assert (genomes.grad[1:].abs().sum(1) > 0).all()
    torch.testing.assert_close(slope, expected, rtol=0.02, atol=0.02 * expected.abs().max().item())


def test_only_the_genomes_are_open_to_gradients(each):
    assert not each.encoding.decode(genomes_of(each.encoding, 2)).requires_grad


def test_genomes_of_another_shape_are_refused(each):
    for extra in ((2, 1), (1, 2, 0), (0,)):
        shape = (*extra[:-1], each.encoding.dim + extra[-1])
        with refused(str(shape), f"(B, {each.encoding.dim})"):
            each.encoding.decode(torch.zeros(shape))


def test_evolution_stays_in_the_support_and_climbs(each):
    box = evolution.toolbox(each.encoding, lambda phenotypes: phenotypes.flatten(1).mean(1, keepdim=True))
    first = box.population(n=20, seed=1)
    last, logbook = evolution.eaSimple(first, box, cxpb=0.5, mutpb=0.5, ngen=8)
    assert logbook[-1]["mean"] > logbook[0]["mean"]
    torch.testing.assert_close(each.encoding.project(last.genomes), last.genomes, rtol=1e-5, atol=1e-6)


def evolved(encoding: Encoding) -> list[torch.Tensor]:
    """Genomes, phenotypes and log-priors of a small evolution, generation by generation."""
    box, streams = base.Toolbox(), Streams(3, 2)
    box.register("mate", evolution.cxBlend, alpha=0.5)
    box.register("mutate", evolution.mutGaussian, mu=0.0, sigma=encoding.sigma, indpb=0.2)
    box.register("project", encoding.project)
    genomes = torch.stack([encoding.sample(6, stream) for stream in streams])
    population, kept = Population.unevaluated(genomes, (1.0,), streams), []
    for _ in range(4):
        phenotypes = encoding.decode(population.genomes.flatten(0, 1))
        fitness = phenotypes.flatten(1).mean(1).view(2, 6, 1)
        kept += [population.genomes, phenotypes, encoding.log_prior(population.genomes)]
        population = replace(population, fitness=fitness, valid=torch.ones_like(population.valid))
        population = evolution.varAnd(evolution.selTournament(population, 6, 3), box, 0.5, 0.5)
    return kept


@pytest.mark.parametrize("name", NAMES)
def test_a_search_gives_the_same_bits_whatever_torchs_default_type(name):
    expected = evolved(case(name).encoding)
    with default_dtype(torch.float64):
        found = evolved(case.__wrapped__(name).encoding)
    assert {values.dtype for values in found} == {torch.float32}
    assert all(torch.equal(*pair) for pair in zip(found, expected, strict=True))


def test_an_encoding_that_was_pickled_is_the_same(each):
    again = pickle.loads(pickle.dumps(each.encoding))
    assert (again.dim, again.sigma, again.device) == (each.encoding.dim, each.encoding.sigma, each.encoding.device)
    assert all(torch.equal(*pair) for pair in zip(evolved(again), evolved(each.encoding), strict=True))


# Priors and supports


@pytest.mark.parametrize("support", SUPPORTS)
def test_projection_ends_inside_the_support(support):
    for scale in (1e-6, 0.1, 1.0, 30.0, 1e6):
        projected = StandardNormal(DIM, support).project(normal(50, DIM) * scale)
        norm = projected.double().norm(dim=-1)
        inside = {
            "free": projected.isfinite().all(-1),
            "box": (projected.abs() <= 3.0).all(-1),
            "ball": norm <= math.sqrt(stats.chi2(DIM).ppf(0.99)) * (1 + 1e-6),
            "shell": (norm - math.sqrt(DIM)).abs() <= 1e-5 * math.sqrt(DIM),
        }
        assert inside[support].all(), scale


@pytest.mark.parametrize("prior", [*(StandardNormal(2, support) for support in SUPPORTS), Uniform(2, -1.0, 2.0)])
def test_projection_moves_to_the_nearest_point(prior):
    genomes = normal(40, 2) * 4
    elsewhere = prior.project(normal(4000, 2, seed=1) * 3)
    nearest = torch.cdist(genomes, elsewhere).amin(1)
    moved = (prior.project(genomes) - genomes).norm(dim=1)
    assert (moved <= nearest + 1e-4).all()


@pytest.mark.parametrize("support", ["free", "box", "ball"])
def test_projection_leaves_inner_points_untouched(support):
    genomes = normal(50, DIM) * 0.5
    assert torch.equal(StandardNormal(DIM, support).project(genomes), genomes)


def test_the_box_clips_each_gene_by_itself():
    genomes = torch.tensor([[-9.0, -3.0, 0.5, 3.0, 3.1]])
    assert StandardNormal(5, "box").project(genomes).tolist() == [[-3.0, -3.0, 0.5, 3.0, 3.0]]


@pytest.mark.parametrize("support", SUPPORTS)
def test_projecting_twice_gives_the_bits_of_once(support):
    for dim, dtype in product((1, 2, 3, 50, 784, 5000), (torch.float32, torch.float64)):
        prior = StandardNormal(dim, support)
        scales = torch.logspace(-20, 15, 36, dtype=dtype).view(-1, 1, 1)
        near = normal(2000, dim).to(dtype) * (1 + 1e-6 * normal(2000, 1, seed=1).to(dtype))
        near = near / near.norm(dim=1, keepdim=True) * prior.radius
        for genomes in (normal(20, dim).to(dtype) * scales, near, torch.zeros(2, dim, dtype=dtype)):
            once = prior.project(genomes)
            assert once.isfinite().all(), (dim, dtype)
            assert torch.equal(prior.project(once), once), (dim, dtype)


@pytest.mark.parametrize("support", ["ball", "shell"])
def test_ball_and_shell_keep_the_direction(support):
    genomes = normal(50, DIM) * 20
    cosine = torch.cosine_similarity(genomes, StandardNormal(DIM, support).project(genomes), dim=1)
    torch.testing.assert_close(cosine, torch.ones(50))


@pytest.mark.parametrize("support", SUPPORTS)
@pytest.mark.parametrize("dim", [1, DIM, 1000])
def test_the_zero_vector_stays_finite(support, dim):
    assert StandardNormal(dim, support).project(torch.zeros(1, dim)).isfinite().all()


@pytest.mark.parametrize("dim", [1, 2, DIM, 200])
def test_the_ball_holds_99_percent_of_the_prior(dim):
    norms = normal(20_000, dim).double().norm(dim=1)
    inside = int((norms <= StandardNormal(dim, "ball").radius).sum())
    assert stats.binomtest(inside, 20_000, 0.99).pvalue > 1e-3


def test_bounds_clip_and_have_no_density_outside():
    encoding = VectorEncoding(2, -1.0, 3.0)
    genomes = torch.tensor([[0.0, 3.0], [-1.0, 5.0], [-7.0, 2.0], [math.nan, 0.0]])
    assert encoding.project(genomes[:3]).tolist() == [[0.0, 3.0], [-1.0, 3.0], [-1.0, 2.0]]
    assert encoding.log_prior(genomes).tolist() == pytest.approx([-2 * math.log(4.0), *[-math.inf] * 3])


MIXED = {"low": [-1.0, 0.0, -math.inf, -math.inf], "high": [2.0, math.inf, 3.0, math.inf]}


def test_each_gene_has_bounds_of_its_own():
    encoding = VectorEncoding(4, **MIXED)
    genomes = genomes_of(encoding, 4000)
    spread = (stats.uniform(-1, 3), stats.halfnorm(), None, stats.norm())
    for gene, distribution in zip((genomes[:, 0], genomes[:, 1], None, genomes[:, 3]), spread, strict=True):
        if distribution is not None:
            assert stats.kstest(gene.numpy(), distribution.cdf).pvalue > 1e-3
    assert stats.kstest((3.0 - genomes[:, 2]).numpy(), stats.halfnorm().cdf).pvalue > 1e-3
    assert (genomes.T.corrcoef() - torch.eye(4)).abs().max() < 0.07
    expected = sum(
        (
            stats.uniform(-1, 3).logpdf(genomes[:, 0]),
            stats.halfnorm().logpdf(genomes[:, 1]),
            stats.halfnorm().logpdf(3.0 - genomes[:, 2]),
            stats.norm().logpdf(genomes[:, 3]),
        )
    )
    np.testing.assert_allclose(encoding.log_prior(genomes), expected, rtol=1e-4, atol=1e-5)
    outside = torch.tensor([[-1.1, 1.0, 0.0, 0.0], [0.0, -0.1, 0.0, 0.0], [0.0, 1.0, 3.1, 0.0], [0.0, 1.0, 0.0, 1e9]])
    assert encoding.log_prior(outside).isfinite().tolist() == [False, False, False, True]
    assert encoding.project(5 * torch.tensor([[-1.0] * 4, [1.0] * 4])).tolist() == [
        [-1.0, 0.0, -5.0, -5.0],
        [2.0, 5.0, 3.0, 5.0],
    ]
    assert encoding.sigma == pytest.approx((0.3, 0.5, 0.5, 0.5))


def test_one_bound_may_stand_for_all_genes():
    above, below = VectorEncoding(3, low=2.0), VectorEncoding(3, high=[1.0, 2.0, 3.0])
    assert above.sigma == 0.5
    assert stats.kstest(genomes_of(above, 700).flatten().numpy(), stats.halfnorm(2.0).cdf).pvalue > 1e-3
    assert above.project(torch.tensor([[1.0, 2.0, 1e30]])).tolist() == [[2.0, 2.0, float(np.float32(1e30))]]
    assert below.project(torch.full((1, 3), 9.0)).tolist() == [[1.0, 2.0, 3.0]]
    assert (genomes_of(below, 700) <= torch.tensor([1.0, 2.0, 3.0])).all()
    assert VectorEncoding(2, 0.0, [1.0, 10.0]).sigma == pytest.approx((0.1, 1.0))


@pytest.mark.parametrize("as_given", [list, tuple, np.array, torch.tensor])
def test_bounds_that_are_equal_for_all_genes_are_those_of_two_numbers(as_given):
    numbers, each_gene = VectorEncoding(3, -0.3, 0.353), VectorEncoding(3, as_given([-0.3] * 3), as_given([0.353] * 3))
    drawn = genomes_of(numbers, 50)
    expected = torch.rand(50, 3, generator=torch.Generator().manual_seed(0)) * (0.353 + 0.3) - 0.3
    assert torch.equal(drawn, expected.clamp(-0.3, 0.353))
    if as_given is not torch.tensor:  # which rounds them to float32
        assert torch.equal(genomes_of(each_gene, 50), drawn)
    torch.testing.assert_close(each_gene.log_prior(drawn[:9]), numbers.log_prior(drawn[:9]))
    assert each_gene.sigma == pytest.approx((numbers.sigma,) * 3)


def test_evolution_keeps_to_bounds_of_every_kind():
    encoding = VectorEncoding(4, **MIXED)
    box = evolution.toolbox(encoding, lambda x: x.clamp(max=10.0).sum(1, keepdim=True))
    last, _ = evolution.eaSimple(box.population(n=40, seed=1), box, cxpb=0.5, mutpb=0.5, ngen=100)
    best = last.best().genomes[0, 0].tolist()
    assert best[0] == 2.0
    assert best[2] == 3.0
    assert min(best[1], best[3]) > 5.0
    assert torch.equal(encoding.project(last.genomes), last.genomes)


def test_draws_rounded_over_a_bound_are_brought_back(monkeypatch):
    monkeypatch.setattr(torch, "rand", lambda *shape, **_: torch.full(shape, 1 - 2.0**-24))  # the largest there is
    encoding = VectorEncoding(3, 0.3, 0.353)
    assert encoding.log_prior(genomes_of(encoding, 1)).isfinite()


@pytest.mark.parametrize("build", [lambda s: LatentEncoding(image_vae(), s), lambda s: CPPNEncoding(SHAPE, support=s)])
def test_an_unknown_support_is_refused(build):
    with refused("support is 'cube'", "box"):
        build("cube")


# Latent vectors


def test_a_latent_genome_is_the_latent_vector():
    encoding, genomes = LatentEncoding(image_vae()), normal(7, DIM)
    assert torch.equal(encoding.decode(genomes), encoding.vae.decode(genomes))


@pytest.mark.parametrize(
    "encoding", [LatentEncoding(image_vae()), VectorEncoding(3, vae=vector_vae())], ids=["latent", "vector"]
)
def test_the_model_is_frozen(encoding):
    assert not encoding.vae.training
    assert not any(parameter.requires_grad for parameter in encoding.vae.parameters())


def test_an_autoencoders_genomes_are_its_standardised_codes():
    vae = image_vae(3, variational=False)
    mixing = torch.tensor([[2.0, 0.0, 0.0], [1.0, 0.5, 0.0], [-1.0, 0.3, 3.0]])
    codes = normal(5000, 3) @ mixing.T + torch.tensor([5.0, -2.0, 0.0])
    vae.fit_codes(codes)
    encoding = LatentEncoding(vae, "free")
    assert torch.equal(encoding.decode(torch.zeros(1, 3)), vae.decode(codes.double().mean(0).float()[None]))
    drawn = vae.codes_from_noise(genomes_of(encoding, 20_000, seed=4))
    torch.testing.assert_close(drawn.mean(0), codes.mean(0), rtol=0, atol=0.1)
    torch.testing.assert_close(drawn.T.cov(), codes.T.cov(), rtol=0.05, atol=0.1)
    genomes = normal(7, 3)
    assert torch.equal(encoding.decode(genomes), vae.decode(vae.codes_from_noise(genomes)))


@pytest.mark.parametrize("variational", [True, False], ids=["vae", "plain autoencoder"])
def test_images_encode_to_the_genomes_of_their_reconstructions(variational):
    encoding = LatentEncoding(image_vae(4, variational))
    genomes = encoding.encode(pictures(30))
    assert genomes.shape == (30, 4)
    again = encoding.vae.reconstruct(pictures(30) / 255)
    torch.testing.assert_close(encoding.decode(genomes), again, rtol=1e-4, atol=1e-5)
    if variational:
        torch.testing.assert_close(genomes, encoding.vae.encode(pictures(30) / 255)[0])


# Pixels


def test_a_pixel_genome_is_the_image():
    encoding, images = PixelEncoding(SHAPE), even(7, *SHAPE)
    assert encoding.dim == 60
    assert torch.equal(encoding.encode(images), images.flatten(1))
    assert torch.equal(encoding.decode(images.flatten(1)), images)
    assert torch.equal((encoding.decode(encoding.encode(pictures())) * 255).round().to(torch.uint8), pictures())


def test_pixels_are_clipped_when_decoded_too():
    genomes = torch.tensor([[-0.5, 0.0, 0.25, 1.0, 7.0]])
    assert PixelEncoding((1, 1, 5)).decode(genomes).flatten().tolist() == [0.0, 0.0, 0.25, 1.0, 1.0]


# Principal components


def singular_vectors(images: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mean, components and standard deviations by numpy's singular value decomposition of the centred images."""
    flat = images.flatten(1).double().numpy() / 255
    _, values, components = np.linalg.svd(flat - flat.mean(0), full_matrices=False)
    return flat.mean(0), components, values / math.sqrt(len(flat))


def test_components_are_those_of_a_singular_value_decomposition():
    encoding = PCAEncoding(pictures(), 6)
    mean, components, std = singular_vectors(pictures())
    np.testing.assert_allclose(encoding.mean, mean, rtol=1e-5)
    np.testing.assert_allclose(encoding.std, std[:6], rtol=1e-5)
    largest = np.abs(components).argmax(1)
    turned = components * np.sign(components[np.arange(60), largest])[:, None]
    np.testing.assert_allclose(encoding.components, turned[:6], atol=1e-5)
    assert encoding.explained == pytest.approx((std[:6] ** 2).sum() / (std**2).sum())


def test_a_genome_counts_standard_deviations_from_the_mean():
    mean, components, std = singular_vectors(pictures())
    encoding, genomes = PCAEncoding(pictures(), 6), normal(7, 6)
    signs = np.sign((encoding.components.numpy() * components[:6]).sum(1))
    expected = np.clip(mean + (genomes.numpy() * signs * std[:6]) @ components[:6], 0.0, 1.0)
    np.testing.assert_allclose(encoding.decode(genomes).flatten(1), expected, atol=1e-5)


def test_scores_of_the_images_are_standardised():
    genomes = PCAEncoding(pictures(), 6).encode(pictures())
    torch.testing.assert_close(genomes.mean(0), torch.zeros(6), rtol=0, atol=1e-4)
    torch.testing.assert_close(genomes.T.cov(correction=0), torch.eye(6), rtol=0, atol=1e-4)


def test_encoding_undoes_decoding():
    encoding, genomes = PCAEncoding(pictures(), 6), 0.3 * normal(7, 6)
    images = encoding.decode(genomes)
    assert images.min() > 0.0  # no clamp to undo
    assert images.max() < 1.0
    torch.testing.assert_close(encoding.encode(images), genomes, rtol=1e-4, atol=1e-4)


def test_the_fit_depends_neither_on_chunks_nor_on_the_kind_of_number(monkeypatch):
    whole = PCAEncoding(pictures(), 6)
    monkeypatch.setattr("evovae.encodings.pca.CHUNK", 7)
    for images in (pictures(), pictures() / 255):
        chunked = PCAEncoding(images, 6)
        for name in ("mean", "std", "components"):
            torch.testing.assert_close(getattr(chunked, name), getattr(whole, name), rtol=1e-4, atol=1e-5)


def test_components_beyond_what_the_images_vary_along_are_refused():
    images = pictures(10)  # ten points span nine directions
    assert PCAEncoding(images, 9).explained == pytest.approx(1.0)
    with refused("dim is 10", "at most 9"):
        PCAEncoding(images, 10)
    with refused("dim is 1", "at most 0"):
        PCAEncoding(images[:1], 1)


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (pictures()[0], ("(3, 5, 4)", "(N, C, H, W)")),
        (pictures()[:0], ("(0, 3, 5, 4)", "(N, C, H, W)")),
        (pictures().float(), ("[0, 1]", "scaled")),
        (torch.full((5, *SHAPE), math.nan), ("[0, 1]",)),
        (pictures().long(), ("int64", "uint8")),
    ],
)
def test_principal_components_need_images(images, words):
    with refused(*words):
        PCAEncoding(images, 2)


@pytest.mark.parametrize("encoding", [PCAEncoding(pictures(), 6), PixelEncoding(SHAPE)], ids=["pca", "pixel"])
def test_images_of_another_shape_are_not_encoded(encoding):
    with refused("(7, 3, 4, 5)", "(B, 3, 5, 4)"):
        encoding.encode(pictures(7).view(7, 3, 4, 5))


# Compositional pattern-producing networks


def draw(genome: np.ndarray, shape: tuple[int, int, int], hidden: tuple[int, ...]) -> np.ndarray:
    """One image, pixel by pixel and unit by unit."""
    channels, height, width = shape
    image = np.empty(shape)
    for row in range(height):
        for column in range(width):
            x, y = (2 * column + 1 - width) / max(height, width), (2 * row + 1 - height) / max(height, width)
            values, genes = [x, y, math.hypot(x, y)], iter(genome)
            for units in (*hidden, channels):
                inputs = [*values, 1.0]
                sums = [4 / math.sqrt(len(inputs)) * sum(next(genes) * v for v in inputs) for _ in range(units)]
                thirds = np.repeat([0, 1, 2], [(units + 2) // 3, (units + 1) // 3, units // 3])
                values = [
                    (math.sin, lambda s: math.exp(-s * s), math.tanh)[k](s) for k, s in zip(thirds, sums, strict=True)
                ]
            image[:, row, column] = [1 / (1 + math.exp(-s)) for s in sums]
            assert next(genes, None) is None
    return image


@pytest.mark.parametrize("hidden", [(7, 5), (6,), (2, 4, 3), (1,)])
@pytest.mark.parametrize("shape", [(3, 5, 4), (1, 3, 6), (1, 1, 1)])
def test_a_network_draws_as_it_would_unit_by_unit(shape, hidden):
    encoding = CPPNEncoding(shape, hidden)
    genomes = genomes_of(encoding, 3)
    expected = np.stack([draw(genome, shape, hidden) for genome in genomes.double().numpy()])
    np.testing.assert_allclose(encoding.decode(genomes), expected, atol=1e-4)


def test_a_network_draws_the_same_at_any_resolution():
    small, large = CPPNEncoding((1, 14, 10)), CPPNEncoding((1, 42, 30))
    genomes = genomes_of(small, 5)
    torch.testing.assert_close(large.decode(genomes)[..., 1::3, 1::3], small.decode(genomes), rtol=1e-4, atol=1e-4)


def test_many_large_images_are_drawn_in_pieces_that_change_nothing():
    encoding = CPPNEncoding((1, 64, 64))
    genomes = genomes_of(encoding, 20)
    together = encoding.decode(genomes)  # eight at a time
    torch.testing.assert_close(together[[0, 7, 8, 19]], encoding.decode(genomes[[0, 7, 8, 19]]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("hidden", [(16, 16), (64, 64), (16,)])
def test_random_networks_draw_images_that_are_neither_blank_nor_noise_nor_alike(hidden):
    encoding = CPPNEncoding((1, 28, 28), hidden)
    images = encoding.decode(genomes_of(encoding, 200))
    contrast = images.flatten(1).std(1)
    step = (images[..., 1:] - images[..., :-1]).square().mean((1, 2, 3)).sqrt()
    assert (contrast > 0.05).float().mean() > 0.95
    assert contrast.median() > 0.2
    assert (step / contrast).quantile(0.95) < 1.0  # independent pixels: 1.41
    assert images.std(0).min() > 0.2


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((SHAPE, ()), ("hidden is empty",)),
        ((SHAPE, (16, 0)), ("hidden is 0", "1 or more")),
        (((28, 28),), ("(28, 28)", "(C, H, W)")),
        (((1, 28, 0),), ("width is 0",)),
        (((1, 2.5, 28),), ("height is 2.5",)),
    ],
)
def test_networks_without_units_or_pixels_are_refused(arguments, words):
    with refused(*words):
        CPPNEncoding(*arguments)


def test_pixels_need_a_shape():
    with refused("(28, 28)", "(C, H, W)"):
        PixelEncoding((28, 28))


# Vectors


def test_a_vector_is_its_own_phenotype():
    genomes = normal(4, 6)
    assert torch.equal(VectorEncoding(6).decode(genomes), genomes)


def test_without_bounds_vectors_may_go_anywhere():
    genomes = normal(4, 6) * 1e9
    assert torch.equal(VectorEncoding(6).project(genomes), genomes)


def test_the_suggested_mutation_grows_with_the_bounds():
    assert VectorEncoding(2).sigma == 0.5
    assert VectorEncoding(2, 0.0, 10.0).sigma == pytest.approx(1.0)


@pytest.mark.parametrize("variational", [True, False], ids=["vae", "plain autoencoder"])
def test_a_vector_vae_decodes_genomes_within_their_bounds(variational):
    vae = vector_vae(variational=variational)
    encoding, genomes = VectorEncoding(3, -2.0, 2.0, vae=vae), 3 * normal(9, 3)
    assert encoding.project(genomes).abs().max() == 2.0
    assert torch.equal(encoding.decode(genomes), vae.decode(vae.codes_from_noise(genomes)))


@pytest.mark.parametrize(
    ("dim", "vae", "words"),
    [(DIM, image_vae(), ("images", "LatentEncoding")), (4, vector_vae(), ("dim is 4", "expected 3"))],
)
def test_a_vae_of_images_or_of_another_size_decodes_no_vectors(dim, vae, words):
    with refused(*words):
        VectorEncoding(dim, vae=vae)
    assert vae.training


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((0,), ("dim is 0", "1 or more")),
        ((3, [0.0, 1.0]), ("low is [0.0, 1.0]", "one for each of 3 genes")),
        ((2, 0.0, [[1.0, 1.0]]), ("high is [[1.0, 1.0]]", "a number")),
        ((2, "0"), ("low is '0'", "a number")),
        ((2, [0.0, None]), ("low is [0.0, None]", "a number")),
        ((2, [0.0, 3.0], [1.0, 2.0]), ("bounds are 3.0 and 2.0", "low < high")),
        ((2, 1.0, 1.0), ("1.0", "low < high")),
        ((2, 3.0, 1.0), ("3.0", "low < high")),
        ((2, math.nan, 1.0), ("nan", "low < high")),
        ((2, math.inf), ("inf and inf", "low < high")),
        ((2, None, -math.inf), ("-inf and -inf", "low < high")),
        ((2, -1e39), ("-1e+39 and inf", "float32")),
        ((2, -3e38, 3e38), ("-3e+38 and 3e+38", "float32")),
        ((2, 1.0, 1.0 + 1e-12), ("1.000000000001", "float32")),
        ((2, None, None, "abacus"), ("'abacus'", "cpu")),
    ],
)
def test_vectors_without_genes_or_with_impossible_bounds_are_refused(arguments, words):
    with refused(*words):
        VectorEncoding(*arguments)
