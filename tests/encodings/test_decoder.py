"""Anybody's decoder is an encoding: its phenotypes are what it gives, in [0, 1], and what does not fit is refused."""

import math

import numpy as np
import pytest
import torch
from refusals import refused
from scipy import stats
from torch import nn

from evovae import evolution
from evovae.encodings import DecoderEncoding, FittedNormal, StandardNormal, Uniform


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float32)


def generator() -> nn.Sequential:
    """A small GAN's: z (B, 6, 1, 1) -> colour images (B, 3, 8, 8) in [-1, 1]; in training its images would mix."""
    with torch.random.fork_rng():  # torch's layers draw their first weights from the global generator
        layers = nn.Sequential(
            nn.ConvTranspose2d(6, 8, 4), nn.BatchNorm2d(8), nn.ReLU(), nn.ConvTranspose2d(8, 3, 4, 2, 1), nn.Tanh()
        )
    with torch.no_grad():
        for seed, weights in enumerate(layers.parameters()):
            weights.copy_(0.5 * normal(*weights.shape, seed=seed))
    return layers.float()


def gan(**settings) -> DecoderEncoding:
    return DecoderEncoding(generator(), 6, (3, 8, 8), latent_shape=(6, 1, 1), range=(-1, 1), **settings)


def waves(codes: torch.Tensor) -> torch.Tensor:
    """Curves on two leads (B, 2, 50), in no range."""
    t = torch.linspace(0, 1, 50, dtype=torch.float32)
    return codes[:, :2, None] * torch.sin(2 * math.pi * t * codes[:, 2:3, None])


def test_images_are_the_generators_brought_to_0_to_1() -> None:
    encoding, module = gan(batch_size=4), generator().eval()
    genomes = encoding.sample(11, torch.Generator().manual_seed(1))
    images = encoding.decode(genomes)
    expected = (module(genomes.view(-1, 6, 1, 1)) + 1) / 2
    torch.testing.assert_close(images, expected)
    assert images.min() >= 0
    assert images.max() <= 1
    assert encoding.shape == (3, 8, 8)


def test_a_module_is_switched_to_evaluation_and_frozen_but_gradients_reach_genomes() -> None:
    encoding = gan()
    alone = encoding.decode(genomes := normal(3, 6))[0]
    torch.testing.assert_close(alone, encoding.decode(genomes[:1])[0])
    genomes.requires_grad_()
    encoding.decode(genomes).sum().backward()
    assert (genomes.grad.abs() > 0).any(1).all()


def test_a_plain_function_that_gives_curves_evolves() -> None:
    encoding = DecoderEncoding(waves, 3, (2, 50), range=None, prior=Uniform(3, [0, 0, 1], [1, 2, 9]))
    toolbox = evolution.toolbox(encoding, lambda x: x.amax((1, 2)).unsqueeze(1), weights=(1.0,))
    population, _ = evolution.eaSimple(toolbox.population(20, 3, 0), toolbox, cxpb=0.5, mutpb=0.5, ngen=20)
    assert (population.best().fitness[:, 0, 0] > 1.8).all()
    assert encoding.sigma == pytest.approx((0.1, 0.2, 0.8))


def test_phenotypes_are_never_the_genomes_own_memory() -> None:
    encoding = DecoderEncoding(lambda codes: codes, 4, (4,), range=None)
    genomes = normal(5, 4)
    assert encoding.decode(genomes).data_ptr() != genomes.data_ptr()


@pytest.mark.parametrize("count", [1000, 3], ids=["many", "fewer than genes"])
def test_the_fitted_prior_draws_what_the_codes_are(count: int) -> None:
    codes = normal(count, 5) @ normal(5, 5, seed=1) + 3.0
    prior = FittedNormal(codes, "free")
    drawn = prior.codes(prior.sample(4000, torch.Generator().manual_seed(2)))
    np.testing.assert_allclose(drawn.mean(0), codes.mean(0), atol=0.25)
    if count > 5:
        np.testing.assert_allclose(drawn.T.cov(), codes.T.cov(), atol=0.1 * float(codes.T.cov().abs().max()))
    torch.testing.assert_close(prior.codes(prior.genomes(codes)), codes, atol=1e-2, rtol=0)
    genes = prior.sample(2000, torch.Generator().manual_seed(3))
    assert stats.kstest(genes.flatten().numpy(), stats.norm().cdf).pvalue > 1e-3


def test_an_encoder_leads_back_to_genomes_in_the_scale_of_the_prior() -> None:
    codes = normal(200, 3) * torch.tensor([1.0, 5.0, 0.2]) - 4.0
    encoding = DecoderEncoding(
        lambda z: z / 50, 3, (3,), prior=FittedNormal(codes), encode=lambda x: x * 50, range=(-2, 2)
    )
    genomes = encoding.sample(9, torch.Generator().manual_seed(0))
    torch.testing.assert_close(encoding.encode(encoding.decode(genomes)), genomes, atol=1e-3, rtol=0)
    with refused("this decoder has no encoder"):
        gan().encode(torch.zeros(1, 3, 8, 8))


def test_mutation_takes_the_priors_step_or_the_one_given() -> None:
    assert gan().sigma == 0.5
    assert gan(sigma=0.1).sigma == 0.1


ODD = {
    "no tensor": (lambda z: z.tolist(), "list"),
    "whole numbers": (lambda z: z.long(), "int64"),
    "fewer phenotypes": (lambda z: z[:1], "(1, 4)"),
    "another shape": (lambda z: z[:, :2], "(2, 2)"),
    "not finite": (lambda z: z * torch.nan, "not finite"),
    "out of range": (lambda z: z.sigmoid() + 3, "expected range 0 to 1"),
}


@pytest.mark.parametrize(("decode", "words"), ODD.values(), ids=ODD)
def test_a_decoder_that_gives_something_else_is_refused_at_once(decode, words: str) -> None:
    with refused("the decoder gives", words):
        DecoderEncoding(decode, 4, (4,))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"dim": 0}, "dim is 0"),
        ({"shape": ()}, "shape is ()"),
        ({"shape": (0,)}, "shape is 0"),
        ({"latent_shape": (2, 3)}, "expected 4 numbers in all"),
        ({"prior": StandardNormal(5, "ball")}, "the prior has 5 genes"),
        ({"range": (1, 0)}, "range is (1, 0)"),
        ({"range": (0, math.inf)}, "the least first"),
        ({"batch_size": 0}, "batch_size is 0"),
        ({"decode": 3}, "decode is int"),
    ],
)
def test_settings_that_do_not_fit_together_are_refused(settings: dict, words: str) -> None:
    given = {"decode": torch.sigmoid, "dim": 4, "shape": (4,)} | settings
    with refused(words):
        DecoderEncoding(given.pop("decode"), given.pop("dim"), given.pop("shape"), **given)


@pytest.mark.parametrize(
    "codes", [torch.ones(1, 3), torch.ones(5), torch.ones(5, 3).long(), torch.full((5, 3), torch.nan)]
)
def test_codes_that_say_nothing_are_refused(codes: torch.Tensor) -> None:
    with refused("expected finite floats (N, D)"):
        FittedNormal(codes)


def test_batches_that_do_not_fit_are_halved_and_give_the_same() -> None:
    sizes: list[int] = []

    def greedy(codes: torch.Tensor) -> torch.Tensor:
        sizes.append(len(codes))
        if len(codes) > 20:
            raise torch.OutOfMemoryError("no more")
        return codes.sigmoid()

    encoding = DecoderEncoding(greedy, 3, (3,), batch_size=100)
    genomes = torch.linspace(-1, 1, 3 * 130).reshape(-1, 3)
    sizes.clear()
    assert torch.allclose(encoding.decode(genomes), genomes.sigmoid())
    assert sizes[:3] == [100, 50, 25]
    assert max(sizes[3:]) == 12
    assert sum(sizes[3:]) == 130
    assert encoding.decode(genomes[:0]).shape == (0, 3)


def test_a_single_code_that_does_not_fit_is_an_error() -> None:
    calls: list[int] = []

    def full(codes: torch.Tensor) -> torch.Tensor:
        calls.append(len(codes))
        if len(calls) > 1:  # after the look at what it is
            raise torch.OutOfMemoryError("no more")
        return codes.sigmoid()

    encoding = DecoderEncoding(full, 3, (3,))
    with pytest.raises(torch.OutOfMemoryError):
        encoding.decode(torch.zeros(5, 3))
    assert calls == [2, 5, 2, 1]
