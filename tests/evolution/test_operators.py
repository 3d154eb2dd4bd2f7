"""Operators keep their invariants and own their memory; that they do what DEAP's do is in test_deap_parity.py."""

import dataclasses
import itertools
import math
from collections.abc import Sequence
from fractions import Fraction
from functools import partial

import numpy as np
import pytest
import torch
from deap import tools
from evolving import case
from refusals import refused
from scipy import stats

from evovae import evolution
from evovae.base import Draws, Streams
from evovae.encodings import VectorEncoding
from evovae.evolution import (
    Population,
    clip,
    cxBlend,
    cxOnePoint,
    cxSimulatedBinary,
    cxSimulatedBinaryBounded,
    cxSlerp,
    cxTwoPoint,
    cxUniform,
    mutGaussian,
    mutPolynomialBounded,
    mutShuffleIndexes,
    reflect,
    selBest,
    selEpsilonLexicase,
    selLexicase,
    selRandom,
    selRoulette,
    selStochasticUniversalSampling,
    selTournament,
    selWorst,
)
from evovae.evolution.operators import selection
from evovae.evolution.operators.parameters import integers

SIGNIFICANCE = 1e-3
LAST = 1.0 - 2.0**-24  # the largest draw
SWAPS = {
    "cxOnePoint": cxOnePoint,
    "cxTwoPoint": cxTwoPoint,
    "cxUniform": partial(cxUniform, indpb=0.5),
    "cxSimulatedBinaryBounded": partial(cxSimulatedBinaryBounded, eta=1e16, low=-10.0, up=10.0),
}
BOX = {"low": [-6.0] * 8, "up": 6.0}
CROSSOVERS = SWAPS | {
    "cxBlend": partial(cxBlend, alpha=0.5),
    "cxSimulatedBinary": partial(cxSimulatedBinary, eta=5.0),
    "cxSimulatedBinaryBounded": partial(cxSimulatedBinaryBounded, eta=5.0, **BOX),
    "cxSlerp": cxSlerp,
}
MUTATIONS = {
    "mutGaussian": partial(mutGaussian, mu=0.0, sigma=1.0, indpb=0.3),
    "mutPolynomialBounded": partial(mutPolynomialBounded, eta=0.7, **BOX, indpb=0.3),
    "mutShuffleIndexes": partial(mutShuffleIndexes, indpb=0.3),
}
SELECTIONS = {
    "selBest": selBest,
    "selEpsilonLexicase": partial(selEpsilonLexicase, epsilon=1.0),
    "selLexicase": selLexicase,
    "selRandom": selRandom,
    "selRoulette": selRoulette,
    "selStochasticUniversalSampling": selStochasticUniversalSampling,
    "selTournament": partial(selTournament, tournsize=3),
    "selWorst": selWorst,
}
swaps = pytest.mark.parametrize("mate", SWAPS.values(), ids=SWAPS.keys())
crossovers = pytest.mark.parametrize("mate", CROSSOVERS.values(), ids=CROSSOVERS.keys())
selections = pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS.keys())
roulettes = pytest.mark.parametrize("select", [selRoulette, selStochasticUniversalSampling])


class Fixed(Draws):
    """A source of numbers that repeats the given ones: for draws too rare to wait for."""

    def __init__(self, numbers: Sequence[float] | torch.Tensor) -> None:
        self.numbers = torch.as_tensor(numbers)

    def uniform(self, *shape: int) -> torch.Tensor:
        count = math.prod(shape)
        return self.numbers.repeat(-(-count // len(self.numbers)))[:count].view(shape)


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def repeat(operator, parents: list[list[float]], times: int, seed: int = 0) -> list[np.ndarray]:
    """The children of `times` applications of one of our operators to the same parents, each (times, D)."""
    tensors = [torch.tensor(parent).expand(1, times, -1) for parent in parents]
    children = operator(*tensors, Streams(seed, 1))
    return [child[0].numpy() for child in (children if isinstance(children, tuple) else (children,))]


def population(fitness: list, weights: tuple[float, ...], seed: int = 0, replicates: int = 1) -> Population:
    """Individuals whose only gene is their number, with the given `fitness` (N, M)."""
    values = torch.tensor(fitness).view(1, -1, len(weights)).expand(replicates, -1, -1)
    genomes = torch.arange(float(values.shape[1])).view(1, -1, 1).expand(replicates, -1, 1)
    valid = torch.ones(values.shape[:2], dtype=torch.bool)
    return Population(genomes, values, valid, weights, Streams(seed, replicates))


def winners(selected: Population) -> np.ndarray:
    return selected.genomes.flatten().long().numpy()


# Crossover


@swaps
def test_swaps_keep_the_genes_at_every_place(mate):
    parents = [[1.5, -2.0, 0.25, 8.0], [3.0, 4.0, -5.0, 0.1]]
    children = np.stack(repeat(mate, parents, 200))
    expected = np.sort(np.array(parents, dtype=np.float32), axis=0)[:, None]
    np.testing.assert_array_equal(np.sort(children, axis=0), np.broadcast_to(expected, children.shape))


@pytest.mark.parametrize("mate", [cxOnePoint, cxTwoPoint])
def test_extreme_draws_make_cuts_inside_the_genome(mate):
    for extremes, size in itertools.product([(0.0,), (LAST,), (0.0, LAST), (LAST, 0.0)], [2, 3, 1000]):
        first, second = mate(torch.zeros(1, size), torch.ones(1, size), Fixed(extremes))
        assert 0 < first.sum() < size, (extremes, size)
        assert first[0, 0] == 0.0, (extremes, size)
        assert torch.equal(first + second, torch.ones(1, size)), (extremes, size)


@pytest.mark.parametrize(("indpb", "exchanged"), [(0.0, 0.0), (1.0, 1.0)])
def test_uniform_crossover_exchanges_nothing_or_everything_at_its_limits(indpb, exchanged):
    first, _ = repeat(partial(cxUniform, indpb=indpb), [[0.0] * 50, [1.0] * 50], 200)
    assert (first == exchanged).all()


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_blended_children_mirror_each_other_within_the_box_that_alpha_allows(alpha):
    first, second = normal(2, 500, 8), normal(2, 500, 8, seed=1)
    one, two = cxBlend(first, second, Streams(0, 2), alpha)
    torch.testing.assert_close(one + two, first + second, rtol=0, atol=1e-5)
    margin = alpha * (second - first).abs() + 1e-6
    for child in (one, two):
        assert (child >= torch.minimum(first, second) - margin).all()
        assert (child <= torch.maximum(first, second) + margin).all()
    place = ((one - first) / (second - first)).double().flatten()[(second - first).flatten().abs() > 0.1]
    evenly = stats.kstest(place.numpy(), stats.uniform(-alpha, 1.0 + 2.0 * alpha).cdf)
    assert evenly.pvalue > SIGNIFICANCE, "from one end of the box to the other"


def test_simulated_binary_children_mirror_each_other_and_a_huge_eta_changes_nothing():
    first, second = normal(2, 500, 8), normal(2, 500, 8, seed=1)
    one, two = cxSimulatedBinary(first, second, Streams(0, 2), 1.0)
    torch.testing.assert_close(one + two, first + second, rtol=1e-4, atol=1e-4)
    assert (one != first).float().mean() > 0.99
    for draws in (Streams(0, 2), Fixed([0.0, LAST])):
        one, two = cxSimulatedBinary(first, second, draws, 1e16)
        assert torch.equal(one, first)
        assert torch.equal(two, second)


@pytest.mark.parametrize("eta", [0.0, 1.0, 20.0])
def test_bounded_crossover_chooses_half_of_the_genes_and_keeps_to_their_bounds(eta):
    low, up = torch.linspace(-3.0, 0.5, 8), np.linspace(0.75, 3.0, 8)
    first, second = (clip(normal(2, 500, 8, seed=seed), low, up) for seed in (0, 1))  # many on a bound
    children = cxSimulatedBinaryBounded(first, second, Streams(0, 2), eta, low, up)
    for child, parent in zip(children, (first, second), strict=True):
        assert torch.equal(clip(child, low, up), child)
        changed = (child != parent)[first != second]
        assert abs(changed.float().mean() - 0.5) < 0.03
    assert torch.equal(children[0][first == second], first[first == second])
    for draws in ([0.1, LAST], [0.1, 0.0], [0.3, LAST], [0.3, 0.0]):
        for child in cxSimulatedBinaryBounded(first, second, Fixed(draws), eta, low, up):
            assert torch.equal(clip(child, low, up), child)


@pytest.mark.parametrize(
    ("operator", "arity"),
    [
        (partial(cxSimulatedBinaryBounded, eta=2.0, low=-1.0, up=1.0), 2),
        (partial(mutPolynomialBounded, eta=2.0, low=-1.0, up=1.0, indpb=0.5), 1),
    ],
)
def test_genes_out_of_bounds_count_as_on_them_where_they_are_chosen(operator, arity):
    parents = [normal(2, 500, 8, seed=seed) * 5 for seed in range(arity)]
    children = vary(operator, parents, Streams(0, 2))
    inside = vary(operator, [clip(parent, -1.0, 1.0) for parent in parents], Streams(0, 2))
    for child, expected, parent in zip(children, inside, parents, strict=True):
        outside, kept = parent.abs() > 1.0, child == parent
        assert outside.float().mean() > 0.5
        assert 0.4 < kept[outside].float().mean() < 0.6
        assert torch.equal(child[~kept], expected[~kept])


@pytest.mark.parametrize("dim", [2, 3, 100])
def test_slerp_keeps_the_norm_between_the_parents(dim):
    first, second = normal(1, 300, dim) * 3, normal(1, 300, dim, seed=1)
    norms = torch.stack((first.norm(dim=-1), second.norm(dim=-1)))
    children = torch.stack([child.norm(dim=-1) for child in cxSlerp(first, second, Streams(0, 1))])
    assert (children >= norms.amin(0) * (1 - 1e-4)).all()
    assert (children <= norms.amax(0) * (1 + 1e-4)).all()
    torch.testing.assert_close(children.sum(0), norms.sum(0))


def test_slerp_stays_on_the_shell():
    shell = [torch.nn.functional.normalize(normal(1, 300, 64, seed=seed), dim=-1) * 8 for seed in (0, 1)]
    for child in cxSlerp(*shell, Streams(0, 1)):
        torch.testing.assert_close(child.norm(dim=-1), torch.full((1, 300), 8.0))


def test_slerp_walks_the_arc_evenly_and_its_children_mirror_each_other():
    def angle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.acos(torch.cosine_similarity(a.double(), b.double(), dim=-1))

    first, second = normal(1, 3000, 20), normal(1, 3000, 20, seed=1)
    one, two = cxSlerp(first, second, Streams(0, 1))
    whole = angle(first, second)
    torch.testing.assert_close(angle(first, one) + angle(one, second), whole, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(angle(first, one), angle(two, second), rtol=1e-4, atol=2e-4)
    assert stats.kstest((angle(first, one) / whole).flatten().numpy(), "uniform").pvalue > SIGNIFICANCE


DEGENERATE = [
    ([0.0, 0.0], [0.0, 0.0]),
    ([0.0, 0.0], [3.0, 4.0]),
    ([3.0, 4.0], [0.0, 0.0]),
    ([3.0, 4.0], [3.0, 4.0]),
    ([3.0, 4.0], [6.0, 8.0]),
    ([3.0, 4.0], [-3.0, -4.0]),
    ([3.0, 4.0], [-6.0, -8.0]),
    ([3.0, 4.0], [3.0, 4.000001]),
    ([3.0, 4.0], [-3.0, -4.000001]),
    ([3.0, 4.0], [-3.0, -4.001]),
    ([1e-30, 0.0], [0.0, 1e-30]),
    ([1e15, 0.0], [0.0, 1e15]),
]


def test_slerp_of_parallel_opposite_or_zero_parents_is_as_long_as_they_are():
    for first, second in DEGENERATE:
        with case(f"{first} and {second}"):
            shortest, longest = sorted((math.hypot(*first), math.hypot(*second)))
            for child in repeat(cxSlerp, [first, second], 500):
                assert np.isfinite(child).all()
                norms = np.linalg.norm(child.astype(np.float64), axis=1)
                assert (norms >= shortest * (1 - 1e-4) - 1e-20).all()
                assert (norms <= longest * (1 + 1e-4)).all()


@crossovers
def test_equal_parents_have_children_like_themselves(mate):
    parents = normal(2, 30, 8)
    for child in mate(parents, parents.clone(), Streams(0, 2)):
        torch.testing.assert_close(child, parents)


# Mutation


@pytest.mark.parametrize("indpb", [1e-4, 1e-3, 0.05, 0.2])
def test_every_draw_below_indpb_together_makes_the_normal_distribution(indpb):
    # All multiples of 2^-24 below indpb, once each: what mutation would draw, without waiting for it.
    count = math.ceil(indpb * 2**24)
    every = torch.arange(count) * 2.0**-24
    steps = mutGaussian(torch.zeros(1, count), Fixed(every), 0.0, 1.0, indpb)[0].double().numpy()
    assert stats.kstest(steps, "norm").statistic < 1.0 / count + 1e-6
    assert steps.mean() == pytest.approx(0.0, abs=2e-3)
    assert steps.std() == pytest.approx(1.0, abs=5e-3)
    rarest = stats.norm.ppf(0.5 / count)  # one draw in `count` may lie this far out, and none farther
    assert rarest - 0.1 < steps.min()
    assert steps.max() < -rarest + 0.1


@pytest.mark.parametrize("indpb", [1e-12, 1e-4, 0.2, 1.0])
def test_extreme_draws_make_finite_mutations(indpb):
    extremes = Fixed([0.0, LAST, indpb, indpb * LAST])
    steps = mutGaussian(torch.zeros(1, 1000), extremes, 0.0, 1.0, indpb)
    assert steps.isfinite().all()
    assert steps.abs().max() < 6.0


def test_a_mutation_is_added_to_the_gene_with_the_mean_and_deviation_asked_for():
    genomes = torch.full((1, 20_000, 2), 7.0)
    step = mutGaussian(genomes, Streams(1, 1), mu=[3.0, -1.0], sigma=[0.5, 2.0], indpb=0.25)[0] - 7.0
    for gene, mean, deviation in ((0, 3.0, 0.5), (1, -1.0, 2.0)):
        moved = step[:, gene][step[:, gene] != 0]
        assert len(moved) == pytest.approx(5000, abs=300)
        assert stats.kstest(moved.numpy(), stats.norm(mean, deviation).cdf).pvalue > SIGNIFICANCE


def test_a_gene_on_its_bound_mutates_inwards_as_often_as_it_stays():
    genomes = torch.tensor([-1.0, 1.0]).expand(1, 4000, 2)
    mutants = mutPolynomialBounded(genomes, Streams(0, 1), eta=2.0, low=-1.0, up=1.0, indpb=1.0)[0]
    assert (mutants.abs() <= 1.0).all()
    for gene, inwards in enumerate((mutants[:, 0] > -1.0, mutants[:, 1] < 1.0)):
        assert inwards.float().mean().item() == pytest.approx(0.5, abs=0.05), gene
    assert (mutants - genomes[0]).abs().amax(0).min() > 1.0, "as far as to the other half"


def test_whole_numbers_are_drawn_evenly_from_the_first_to_the_last():
    draws = torch.arange(1000) / 1000
    assert integers(3, 7, draws).bincount().tolist() == [0, 0, 0] + [200] * 5
    assert integers(3, 7, torch.tensor([0.0, LAST])).tolist() == [3, 7]


def test_mutation_changes_genes_and_individuals_independently():
    (mutants,) = repeat(partial(mutGaussian, mu=0.0, sigma=1.0, indpb=1.0), [[0.0] * 4], 5000)
    assert np.abs(np.corrcoef(mutants.T) - np.eye(4)).max() < 0.06
    assert abs(stats.pearsonr(mutants[:-1, 0], mutants[1:, 0]).statistic) < 0.06


@pytest.mark.parametrize(("sigma", "indpb"), [(0.0, 1.0), (1.0, 0.0), (0.0, 0.0)])
def test_mutation_without_strength_or_probability_changes_nothing(sigma, indpb):
    genomes = normal(2, 30, 8)
    mutants = mutGaussian(genomes, Streams(0, 2), 0.0, sigma, indpb)
    assert torch.equal(mutants, genomes)
    assert mutants.data_ptr() != genomes.data_ptr()


@pytest.mark.parametrize("eta", [0.0, 1.0, 20.0])
@pytest.mark.parametrize("indpb", [1e-6, 0.3, 1.0])
def test_polynomial_mutation_keeps_to_the_bounds_and_reaches_them(eta, indpb):
    low, up = [-1.0, 0.0, 2.0], np.array([1.0, 0.5, 5.0])
    genomes = torch.tensor([[-1.0, 0.25, 5.0]]).expand(500, -1)
    for draws in (Fixed([0.0]), Fixed([indpb * LAST]), Streams(0, 500)):
        mutants = mutPolynomialBounded(genomes, draws, eta, low, up, indpb)
        assert torch.equal(clip(mutants, low, up), mutants)
    assert (mutPolynomialBounded(genomes, Fixed([0.0]), 0.0, low, up, 1.0)[:, 1] < 1e-6).all()
    assert (mutPolynomialBounded(genomes, Fixed([LAST]), 0.0, low, up, 1.0)[:, 1] > 0.5 - 1e-6).all()


@pytest.mark.parametrize("size", [2, 3, 50])
def test_shuffling_keeps_every_gene_and_exchanges_as_many_as_it_is_asked_to(size):
    genomes = normal(1, 2000, size)
    mutants = mutShuffleIndexes(genomes, Streams(0, 1), 0.1)
    assert torch.equal(mutants.sort(dim=-1).values, genomes.sort(dim=-1).values)
    untouched = (mutants == genomes).all(-1).float().mean()
    # Without an exchange nothing moves; one exchange moves two genes, of two genes two move none.
    expected = 0.9**size + (0.1**2 if size == 2 else 0.0)
    assert abs(untouched - expected) < 0.03


def test_two_genes_that_both_are_exchanged_come_back():
    genomes = normal(1, 20, 2)
    assert torch.equal(mutShuffleIndexes(genomes, Streams(0, 1), 1.0), genomes)


# Crossover and mutation alike

WITHIN_BOUNDS = {
    "cxSimulatedBinary": (cxSimulatedBinary, 2),
    "cxSimulatedBinaryBounded": (partial(cxSimulatedBinaryBounded, low=-1.6e38, up=1.6e38), 2),
    "cxSimulatedBinaryBounded one-sided": (partial(cxSimulatedBinaryBounded, low=0.0, up=1e-44), 2),
    "mutPolynomialBounded": (partial(mutPolynomialBounded, low=-1.6e38, up=1.6e38, indpb=1.0), 1),
    "mutPolynomialBounded one-sided": (partial(mutPolynomialBounded, low=0.0, up=1e-44, indpb=0.5), 1),
}


@pytest.mark.parametrize(("operator", "arity"), WITHIN_BOUNDS.values(), ids=WITHIN_BOUNDS.keys())
def test_no_genes_and_no_draws_make_nan(operator, arity):
    extremes = torch.tensor([0.0, -0.0, 1e-45, 1e-44, 1e-20, 0.3, 1.0, 1.0 + 2e-7, -1.6e38, 1.6e38, -3e38, 3e38])
    parents = [p.flatten().unsqueeze(0) for p in torch.meshgrid(extremes, extremes, indexing="ij")][:arity]
    series = [0.0], [LAST], [0.25], [0.5], [0.0, LAST], [LAST, 0.0], [2.0**-24, 0.5 - 2.0**-25]
    for eta, draws in itertools.product((0.0, 1.0, 30.0, 1e6, 1e16), series):
        children = vary(partial(operator, eta=eta), parents, Fixed(draws))
        assert not any(child.isnan().any() for child in children), (eta, draws)


FORMS = {
    "list": list,
    "array": np.array,
    "tensor": torch.tensor,
    "double": lambda values: torch.tensor(values, dtype=torch.float64),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_one_value_a_gene_may_come_in_any_form(form):
    low, up = [-3.0, -2.5, -4.0], [3.0, 2.25, 3.5]
    genomes = clip(normal(1, 50, 3), low, up)
    for operator, names in [
        (partial(mutGaussian, indpb=0.5), ("mu", "sigma")),
        (partial(mutPolynomialBounded, eta=2.0, indpb=0.5), ("low", "up")),
    ]:
        formed = operator(genomes, Streams(0, 1), **dict(zip(names, (form(low), form(up)), strict=True)))
        for gene, numbers in enumerate(zip(low, up, strict=True)):
            expected = operator(genomes, Streams(0, 1), **dict(zip(names, numbers, strict=True)))
            assert torch.equal(formed[..., gene], expected[..., gene])
            assert not torch.equal(formed, expected)


@pytest.mark.parametrize("form", [np.float32, np.float64, np.array, torch.tensor])
def test_one_value_for_all_genes_may_come_in_any_form(form):
    genomes = normal(1, 50, 3)
    expected = mutGaussian(genomes, Streams(0, 1), 0.5, 2.0, 0.5)
    assert torch.equal(mutGaussian(genomes, Streams(0, 1), form(0.5), form(2.0), 0.5), expected)
    assert torch.equal(reflect(genomes, form(-0.5), form(0.25)), reflect(genomes, -0.5, 0.25))


REFUSED = {
    "cxUniform indpb": (partial(cxUniform, indpb=1.5), 2, ("indpb is 1.5", "probability")),
    "cxBlend alpha": (partial(cxBlend, alpha=-0.5), 2, ("alpha is -0.5", "0 or more")),
    "cxBlend alpha infinite": (partial(cxBlend, alpha=math.inf), 2, ("alpha is inf", "finite")),
    "cxSimulatedBinary eta": (partial(cxSimulatedBinary, eta=-1.0), 2, ("eta is -1", "0 or more")),
    "cxSimulatedBinaryBounded eta": (
        partial(cxSimulatedBinaryBounded, eta=math.nan, low=0.0, up=1.0),
        2,
        ("eta is nan",),
    ),
    "cxSimulatedBinaryBounded bounds": (
        partial(cxSimulatedBinaryBounded, eta=1.0, low=[0.0] * 8, up=[1.0] * 7 + [0.0]),
        2,
        ("bounds are 0 and 0",),
    ),
    "mutGaussian indpb": (partial(mutGaussian, mu=0.0, sigma=1.0, indpb=-0.1), 1, ("indpb is -0.1", "probability")),
    "mutGaussian sigma": (partial(mutGaussian, mu=0.0, sigma=-1.0, indpb=0.5), 1, ("sigma is -1", "0 or more")),
    "mutGaussian sigmas": (
        partial(mutGaussian, mu=0.0, sigma=torch.tensor([1.0] * 7 + [-2.0]), indpb=0.0),
        1,
        ("sigma is -2",),
    ),
    "mutGaussian mus": (partial(mutGaussian, mu=[0.0, 1.0], sigma=1.0, indpb=0.5), 1, ("mu has shape (2,)", "8 genes")),
    "mutGaussian 9 sigmas": (partial(mutGaussian, mu=0.0, sigma=np.ones(9), indpb=0.5), 1, ("(9,)", "8 genes")),
    "mutPolynomialBounded bounds": (
        partial(mutPolynomialBounded, eta=1.0, low=1.0, up=-1.0, indpb=0.0),
        1,
        ("bounds are 1 and -1", "low < up"),
    ),
    "mutPolynomialBounded infinite": (
        partial(mutPolynomialBounded, eta=1.0, low=-math.inf, up=1.0, indpb=0.5),
        1,
        ("bounds are -inf and 1", "finite"),
    ),
    "mutPolynomialBounded indpb": (
        partial(mutPolynomialBounded, eta=1.0, low=0.0, up=1.0, indpb=2.0),
        1,
        ("indpb is 2.0",),
    ),
    "mutShuffleIndexes indpb": (partial(mutShuffleIndexes, indpb=math.nan), 1, ("indpb is nan", "probability")),
    "indpb text": (partial(cxUniform, indpb="0.5"), 2, ("indpb is '0.5': expected a probability from 0 to 1",)),
    "indpb None": (partial(mutGaussian, mu=0.0, sigma=1.0, indpb=None), 1, ("indpb is None: expected a probability",)),
    "indpbs": (partial(mutGaussian, mu=0.0, sigma=1.0, indpb=[0.5] * 8), 1, ("indpb is [0.5, ", "a probability")),
    "indpbs in a tensor": (
        partial(mutShuffleIndexes, indpb=torch.ones(8)),
        1,
        ("indpb is Tensor of shape (8,): expected a probability",),
    ),
    "alphas": (partial(cxBlend, alpha=[0.5, 0.5]), 2, ("alpha is [0.5, 0.5]: expected a finite number, 0 or more",)),
    "eta text": (partial(cxSimulatedBinary, eta="20"), 2, ("eta is '20': expected a finite number, 0 or more",)),
    "eta None": (
        partial(mutPolynomialBounded, eta=None, low=0.0, up=1.0, indpb=0.5),
        1,
        ("eta is None: expected a finite number, 0 or more",),
    ),
    "sigma text": (
        partial(mutGaussian, mu=0.0, sigma="0.5", indpb=0.5),
        1,
        ("sigma is '0.5': expected a number, or one value a gene",),
    ),
    "sigma None": (
        partial(mutGaussian, mu=0.0, sigma=None, indpb=0.5),
        1,
        ("sigma is None: expected a number, or one value a gene",),
    ),
    "2 sigmas": (
        partial(mutGaussian, mu=0.0, sigma=[1.0, 2.0], indpb=0.5),
        1,
        ("sigma has shape (2,) for 8 genes: expected a number, or one value a gene",),
    ),
    "ragged sigmas": (
        partial(mutGaussian, mu=0.0, sigma=[[1.0], [1.0, 2.0]], indpb=0.5),
        1,
        ("sigma is [[1.0], [1.0, 2.0]]: expected a number",),
    ),
    "mu text": (partial(mutGaussian, mu="0", sigma=1.0, indpb=0.5), 1, ("mu is '0': expected a number",)),
    "a mu None": (
        partial(mutGaussian, mu=[None] + [0.0] * 7, sigma=1.0, indpb=0.5),
        1,
        ("mu is [None, 0.0, ", "expected a number, or one value a gene"),
    ),
    "up None": (
        partial(mutPolynomialBounded, eta=1.0, low=0.0, up=None, indpb=0.5),
        1,
        ("up is None: expected a number, or one value a gene",),
    ),
}


def test_a_parameter_out_of_its_range_is_refused():
    for name, (operator, arity, words) in REFUSED.items():
        with case(name), refused(*words):
            operator(*[normal(2, 30, 8)] * arity, Streams(0, 2))


@pytest.mark.parametrize("form", [np.float32, torch.tensor])
def test_one_number_may_come_in_any_form(form):
    first, second = normal(1, 50, 3), normal(1, 50, 3, seed=1)
    for operator, name, number in ((cxUniform, "indpb", 0.25), (cxBlend, "alpha", 0.5), (cxSimulatedBinary, "eta", 2)):
        expected = operator(first, second, Streams(0, 1), **{name: number})
        for one, other in zip(operator(first, second, Streams(0, 1), **{name: form(number)}), expected, strict=True):
            assert torch.equal(one, other)


VARIATIONS = {name: (mate, 2) for name, mate in CROSSOVERS.items()}
VARIATIONS |= {name: (mutate, 1) for name, mutate in MUTATIONS.items()}
VARIATIONS |= {
    "cxUniform 0": (partial(cxUniform, indpb=0.0), 2),
    "cxBlend 0": (partial(cxBlend, alpha=0.0), 2),
    "mutGaussian indpb 0": (partial(mutGaussian, mu=0.0, sigma=1.0, indpb=0.0), 1),
    "mutGaussian sigma 0": (partial(mutGaussian, mu=0.0, sigma=0.0, indpb=1.0), 1),
    "mutPolynomialBounded indpb 0": (partial(mutPolynomialBounded, eta=5.0, low=-4.0, up=4.0, indpb=0.0), 1),
    "mutShuffleIndexes indpb 0": (partial(mutShuffleIndexes, indpb=0.0), 1),
}
variations = pytest.mark.parametrize(("operator", "arity"), VARIATIONS.values(), ids=VARIATIONS.keys())


def vary(operator, parents, random) -> tuple[torch.Tensor, ...]:
    children = operator(*parents, random)
    return children if isinstance(children, tuple) else (children,)


@variations
def test_children_share_no_memory_with_parents_or_each_other(operator, arity):
    parents = [normal(2, 30, 8, seed=seed) for seed in range(arity)]
    kept = [parent.clone() for parent in parents]
    children = vary(operator, parents, Streams(0, 2))
    copies = [child.clone() for child in children]
    assert all(torch.equal(parent, copy) for parent, copy in zip(parents, kept, strict=True))
    for parent in parents:
        parent.fill_(math.nan)
    assert all(torch.equal(child, copy) for child, copy in zip(children, copies, strict=True))
    children[0].fill_(math.nan)
    assert torch.equal(children[-1], copies[-1]) or arity == 1


@variations
def test_each_replicate_is_varied_by_its_own_numbers(operator, arity):
    parents = [normal(1, 30, 8, seed=seed).expand(4, -1, -1) for seed in range(arity)]
    together = vary(operator, parents, Streams(0, 4))
    alone = vary(operator, [parent[2:3] for parent in parents], Streams(0, [2]))
    assert all(torch.equal(one[0], many[2]) for one, many in zip(alone, together, strict=True))


@variations
def test_packed_individuals_have_the_children_of_the_dense_population(operator, arity):
    parents = [normal(3, 30, 8, seed=seed) for seed in range(arity)]
    dense = vary(operator, parents, Streams(0, 3))
    chosen = torch.tensor([0, 1, 17, 29, 30, 62, 89])
    packed = vary(operator, [p.flatten(0, 1)[chosen] for p in parents], Streams(0, 3).select(chosen, 30))
    assert all(torch.equal(a, b.flatten(0, 1)[chosen]) for a, b in zip(packed, dense, strict=True))


@variations
def test_an_individual_has_the_same_children_wherever_it_stands(operator, arity):
    # The last elements of a tensor may meet other instructions than those before them.
    parents = [normal(1, 400, 8, seed=seed) for seed in range(arity)]
    together = vary(operator, parents, Streams(0, 1))
    for i in range(400):
        alone = vary(operator, [p[0, i : i + 1] for p in parents], Streams(0, 1).select(torch.tensor([i]), 400))
        assert all(torch.equal(one[0], many[0, i]) for one, many in zip(alone, together, strict=True))


@pytest.mark.parametrize("mate", [cxOnePoint, cxTwoPoint])
def test_a_single_gene_cannot_be_cut(mate):
    with refused("at least 2 genes, not 1", "cxUniform"):
        mate(normal(1, 4, 1), normal(1, 4, 1), Streams(0, 1))


def test_a_single_gene_cannot_be_exchanged():
    with refused("at least 2 genes, not 1", "mutGaussian"):
        mutShuffleIndexes(normal(1, 4, 1), Streams(0, 1), 0.0)


# Bounds


@pytest.mark.parametrize("form", [float, np.float64, torch.tensor])
@pytest.mark.parametrize(("low", "up"), [(-1.0, 1.0), (0.1, 0.7), (1e6, 1e6 + 1), (-3.0, 1e-3), (-1e38, 1e38)])
def test_reflection_is_that_of_two_mirrors_and_clipping_goes_to_the_nearest(low, up, form):
    low, up = form(low), form(up)
    scales = 10.0 ** torch.linspace(-10, 37.5, 2000)
    ends = torch.tensor([[float(low), float(up), -3.4e38, 3.4e38, 0.0, 1e-45]])
    genomes = torch.cat((normal(1, 2000) * scales, ends), dim=1)
    reflected, clipped = reflect(genomes, low, up), clip(genomes, low, up)
    least, most = float(np.float32(low)), float(np.float32(up))
    start, width = Fraction(float(low)), Fraction(float(up)) - Fraction(float(low))
    for gene, mirrored, cut in zip(*(values[0].tolist() for values in (genomes, reflected, clipped)), strict=True):
        assert least <= mirrored <= most
        assert cut == min(max(gene, least), most)
        if least <= gene <= most:
            assert mirrored == gene
        elif abs(gene) < 1e6 * width or width == 2:  # beyond, rounding the bounds decides where huge genes come to lie
            phase = (Fraction(gene) - start) % (2 * width)
            expected = float(start + min(phase, 2 * width - phase))
            assert mirrored == pytest.approx(expected, rel=1e-6, abs=1e-6 * float(width))


def test_reflection_ends_inside_where_float64_rounds_outwards():
    gene = torch.tensor([0.2 + 2.0**-54], dtype=torch.float64)
    assert gene > 0.2
    assert reflect(gene, -0.1, 0.2) <= 0.2


@pytest.mark.parametrize("project", [clip, reflect])
def test_bounds_may_differ_from_gene_to_gene(project):
    genomes = normal(2, 50, 3) * 5
    low, up = [-1.0, 0.0, 2.0], torch.tensor([1.0, 0.5, 5.0])
    projected = project(genomes, low, up)
    for gene in range(3):
        assert torch.equal(projected[..., gene], project(genomes[..., gene : gene + 1], low[gene], up[gene])[..., 0])


@pytest.mark.parametrize("project", [clip, reflect])
def test_bounds_fill_the_role_project(project):
    toolbox = evolution.toolbox(VectorEncoding(4), lambda x: x.sum(1, keepdim=True))
    toolbox.register("project", project, low=-0.5, up=[0.5, 1.0, 1.5, 2.0])
    population = toolbox.population(n=20, seed=0)
    searches = (
        partial(evolution.eaSimple, cxpb=0.2, mutpb=0.2, ngen=8),
        partial(evolution.random_search, evaluations=60),
        partial(evolution.gradient_ascent, evaluations=60),
    )
    for search in searches:
        hall = evolution.HallOfFame(5)
        found, _ = search(population, toolbox, halloffame=hall)
        for genomes in (population.genomes, found.genomes, hall.genomes):
            assert torch.equal(clip(genomes, -0.5, [0.5, 1.0, 1.5, 2.0]), genomes)


NO_BOUNDS = [
    (1.0, 1.0, "bounds are 1 and 1"),
    (0.1, 0.1 + 1e-12, "bounds are 0.1 and 0.1"),
    ([0.0, 2.0, 0.0], torch.ones(3), "bounds are 2 and 1"),
    (0.0, math.inf, "bounds are 0 and inf"),
    (math.nan, 1.0, "bounds are nan and 1"),
    (-3e38, 3e38, "bounds are -3e+38 and 3e+38"),
    ([0.0, 0.0], 1.0, "low has shape (2,)"),
    (0.0, None, "up is None: expected a number, or one value a gene"),
    ("0", 1.0, "low is '0': expected a number, or one value a gene"),
    ([0.0, None, 0.0], 1.0, "low is [0.0, None, 0.0]: expected a number, or one value a gene"),
]


@pytest.mark.parametrize("project", [clip, reflect])
def test_bounds_that_hold_nothing_are_refused(project):
    for low, up, words in NO_BOUNDS:
        with case(words), refused(words, "expected"):
            project(normal(1, 4, 3), low, up)


# Selection


@pytest.mark.parametrize(("weight", "best"), [(1.0, 4), (-1.0, 1), (0.01, 4), (-20.0, 1)])
def test_a_large_tournament_picks_the_best(weight, best):
    chosen = selTournament(population([3.0, -1.0, 2.0, 2.0, 7.0], (weight,), replicates=3), 50, 100)
    assert (winners(chosen) == best).all()
    assert chosen.fitness.shape == (3, 50, 1)


@pytest.mark.parametrize("weights", [(1.0,), (-1.0,)])
def test_a_fitness_that_is_not_finite_never_beats_one_that_is(weights):
    entrants = population([math.nan, math.inf, -math.inf, 0.5, math.nan, -1e30], weights)
    best = 3 if weights[0] > 0 else 5
    assert (winners(selTournament(entrants, 200, 60)) == best).all()
    assert winners(entrants.best(2)).tolist() == ([3, 5] if weights[0] > 0 else [5, 3])
    assert winners(selBest(entrants, 6)).tolist() == ([3, 5] if weights[0] > 0 else [5, 3]) + [0, 1, 2, 4]
    assert winners(selWorst(entrants, 6)).tolist() == [0, 1, 2, 4] + ([5, 3] if weights[0] > 0 else [3, 5])
    assert (winners(selLexicase(entrants, 200)) == best).all()
    assert set(winners(selEpsilonLexicase(entrants, 200, 3e38))) == {3, 5}


@pytest.mark.parametrize("spoiled", [math.nan, math.inf, -math.inf])
def test_one_objective_that_is_not_finite_spoils_the_others(spoiled):
    entrants = population([[9.0, spoiled], [1.0, 1.0], [spoiled, 9.0], [1.0, 0.0]], (1.0, -1.0))
    for select in (partial(selTournament, tournsize=60), selLexicase, partial(selEpsilonLexicase, epsilon=0.5)):
        assert (winners(select(entrants, 200)) == 3).all()
    for select in (selRoulette, selStochasticUniversalSampling):
        assert set(winners(select(entrants, 200))) == {1, 3}


@selections
def test_where_nothing_is_finite_any_individual_may_be_selected(select):
    chosen = select(population([math.nan] * 5, (1.0,)), 500)
    assert set(winners(chosen)) == set(range(5))


@pytest.mark.parametrize("weights", [(1.0,), (-2.0,), (1.0, 1.0), (1.0, -3.0), (-1.0, 1.0, 0.5)])
def test_individuals_are_ranked_in_deaps_order(weights):
    generator = torch.Generator().manual_seed(len(weights))
    fitness = torch.randint(0, 4, (40, len(weights)), generator=generator).double()
    entrants = population(fitness.tolist(), weights, replicates=2)
    for r in range(2):
        expected = [individual.fitness.values for individual in tools.selBest(entrants.replicate(r), 40)]
        ours = [individual.fitness.values for individual in entrants.best(40).replicate(r)]
        assert ours == expected


@selections
def test_selection_copies_whole_individuals_into_new_memory(select):
    entrants = population([3.0, 1.0, 2.0], (1.0,), replicates=2)
    entrants = dataclasses.replace(entrants, valid=torch.tensor([[True, False, True], [True, True, False]]))
    chosen = select(entrants, 20)
    number = chosen.genomes[..., 0].long()
    assert torch.equal(chosen.fitness[..., 0], torch.tensor([3.0, 1.0, 2.0])[number])
    assert torch.equal(chosen.valid, entrants.valid.gather(1, number))
    chosen.genomes.fill_(-1.0)
    chosen.fitness.fill_(-1.0)
    assert entrants.genomes.min() == 0.0
    assert entrants.fitness.min() == 1.0


@selections
def test_each_replicate_selects_by_its_own_numbers(select):
    fitness = torch.rand(20, 3, generator=torch.Generator().manual_seed(0)).tolist()
    together = select(population(fitness, (1.0, -1.0, 2.0), seed=3, replicates=5), 15)
    single = population(fitness, (1.0, -1.0, 2.0), seed=3)
    alone = select(dataclasses.replace(single, streams=Streams(3, [4])), 15)
    assert torch.equal(alone.genomes[0], together.genomes[4])
    if select not in (selBest, selWorst):
        assert len({tuple(numbers) for numbers in together.genomes[..., 0].tolist()}) > 1


@selections
def test_none_may_be_selected_but_not_fewer_or_a_part(select):
    entrants = population([1.0, 2.0], (1.0,), replicates=3)
    assert select(entrants, 0).genomes.shape == (3, 0, 1)
    for k in (-1, 2.5, True, None, [2]):
        with refused(f"k is {k}: expected a whole number, 0 or more"):
            select(entrants, k)


def test_as_many_as_there_are_are_the_best_and_the_worst():
    entrants = population([2.0, 3.0, 2.0, 1.0, 3.0], (-1.0,))
    assert winners(selBest(entrants, 99)).tolist() == [3, 0, 2, 1, 4]
    assert winners(selWorst(entrants, 99)).tolist() == [1, 4, 0, 2, 3]


def test_a_tournament_of_none_is_refused():
    for tournsize in (0, 2.0, None):
        with refused(f"tournsize is {tournsize}: expected a whole number, 1 or more"):
            selTournament(population([1.0, 2.0], (1.0,)), 2, tournsize)


@pytest.mark.parametrize("epsilon", [-1.0, None, [0.5, 0.5]])
def test_an_epsilon_that_is_no_distance_is_refused(epsilon):
    with refused(f"epsilon is {str(epsilon).removesuffix('.0')}: expected a finite number, 0 or more"):
        selEpsilonLexicase(population([1.0, 2.0], (1.0,)), 2, epsilon)


@roulettes
@pytest.mark.parametrize("draws", [[0.0], [LAST], [0.0, LAST], [LAST, 0.0]])
def test_a_roulette_never_stops_at_nothing(select, draws):
    entrants = population([0.0, math.nan, 3.0, 0.0, 1e-38, math.inf, 0.0], (1.0,))
    chosen = winners(select(dataclasses.replace(entrants, streams=Fixed(draws)), 999))
    assert set(chosen) <= {2, 4}


@roulettes
@pytest.mark.parametrize(("fitness", "equals"), [([0.0, math.nan, 0.0, 0.0], [0, 2, 3]), ([math.nan] * 3, [0, 1, 2])])
def test_a_roulette_of_zeros_is_an_even_draw(select, fitness, equals):
    chosen = winners(select(population(fitness, (1.0,)), 3000))
    assert set(chosen) == set(equals)
    assert stats.chisquare(np.bincount(chosen)[equals]).pvalue > SIGNIFICANCE


@roulettes
def test_a_roulette_counts_small_shares_beside_large_ones(select):
    entrants = population([2.0**24, 1.0], (1.0,))
    chosen = winners(select(dataclasses.replace(entrants, streams=Fixed([0.0])), 1))
    assert chosen.tolist() == [1]  # the pointer stands at the very end


@roulettes
def test_a_roulette_refuses_what_has_no_share(select):
    with refused("-1.0", "maximises", "selTournament"):
        select(population([1.0, 2.0], (-1.0,)), 2)
    with refused("-0.5", "0 or more", "selTournament"):
        select(population([1.0, -0.5], (1.0,)), 2)


def test_universal_sampling_selects_each_as_often_as_its_share_says_to_within_one():
    shares = torch.rand(50, generator=torch.Generator().manual_seed(0))
    for k in (1, 7, 333):
        chosen = selStochasticUniversalSampling(population(shares.tolist(), (1.0,), replicates=20), k)
        counts = torch.stack([numbers.bincount(minlength=50) for numbers in chosen.genomes[..., 0].long()])
        assert ((counts - k * shares / shares.sum()).abs() < 1.0).all()
        assert (chosen.fitness[:, :-1] >= chosen.fitness[:, 1:]).all()  # best first


def test_lexicase_in_parts_is_the_same_selection(monkeypatch):
    fitness = torch.randint(0, 3, (30, 4), generator=torch.Generator().manual_seed(0)).float().tolist()
    entrants = population(fitness, (1.0, -1.0, 2.0, 1.0), replicates=3)
    whole = selLexicase(dataclasses.replace(entrants, streams=Streams(0, 3)), 40)
    monkeypatch.setattr(selection, "CHUNK", 7 * 3 * 30)
    parts = selLexicase(dataclasses.replace(entrants, streams=Streams(0, 3)), 40)
    assert torch.equal(whole.genomes, parts.genomes)


def test_epsilon_is_in_the_objectives_units_and_its_edge_counts_as_within():
    entrants = population([[1.0], [0.75], [0.7], [1.5]], (-10.0,))
    assert set(winners(selEpsilonLexicase(entrants, 300, 0.3))) == {1, 2}
    assert set(winners(selEpsilonLexicase(population([[1.0], [0.75], [0.5]], (10.0,)), 300, 0.25))) == {0, 1}
    with refused("epsilon is -1", "0 or more"):
        selEpsilonLexicase(entrants, 2, -1.0)
