"""Operators draw from the same distributions as DEAP's own, keep their invariants and own their memory."""

import dataclasses
import math
from collections.abc import Sequence
from functools import partial

import numpy as np
import pytest
import torch
from deap import tools
from refusals import refused
from scipy import stats

from evovae.evolution import (
    Population,
    cxBlend,
    cxOnePoint,
    cxSlerp,
    cxTwoPoint,
    cxUniform,
    mutGaussian,
    selTournament,
)
from evovae.streams import Streams

SIGNIFICANCE = 1e-3
SWAPS = {
    "cxOnePoint": (cxOnePoint, tools.cxOnePoint),
    "cxTwoPoint": (cxTwoPoint, tools.cxTwoPoint),
    "cxUniform 0.1": (partial(cxUniform, indpb=0.1), partial(tools.cxUniform, indpb=0.1)),
    "cxUniform 0.5": (partial(cxUniform, indpb=0.5), partial(tools.cxUniform, indpb=0.5)),
}
CROSSOVERS = {name: ours for name, (ours, _) in SWAPS.items()} | {
    "cxBlend": partial(cxBlend, alpha=0.5),
    "cxSlerp": cxSlerp,
}
swaps = pytest.mark.parametrize(("ours", "stock"), SWAPS.values(), ids=SWAPS.keys())
crossovers = pytest.mark.parametrize("mate", CROSSOVERS.values(), ids=CROSSOVERS.keys())


class Fixed:
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


def repeat_stock(operator, parents: list[list[float]], times: int) -> list[np.ndarray]:
    """The same for one of DEAP's."""
    applied = [operator(*(list(parent) for parent in parents)) for _ in range(times)]
    return [np.array(child) for child in zip(*applied, strict=True)]


def assert_same_frequencies(ours: np.ndarray, theirs: np.ndarray) -> None:
    """Compare two samples of whole numbers by a chi-square test of homogeneity."""
    values = np.union1d(ours, theirs)
    table = np.array([[(sample == value).sum() for value in values] for sample in (ours, theirs)])
    # One common value alone passes: then there is nothing to tell apart.
    assert stats.chi2_contingency(table).pvalue > SIGNIFICANCE


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
@pytest.mark.parametrize("size", [2, 5])
@pytest.mark.usefixtures("stock_random")
def test_swaps_exchange_the_same_genes_as_deaps_equally_often(ours, stock, size):
    parents = [[0.0] * size, [1.0] * size]
    first, second = repeat(ours, parents, 6000)
    np.testing.assert_array_equal(first + second, np.ones((6000, size)))
    theirs, _ = repeat_stock(stock, parents, 6000)
    patterns = 2 ** np.arange(size)
    assert_same_frequencies(first @ patterns, theirs @ patterns)  # every pattern of exchanged genes
    assert_same_frequencies(first.sum(1), theirs.sum(1))


@swaps
def test_swaps_keep_the_genes_at_every_place(ours, stock):
    parents = [[1.5, -2.0, 0.25, 8.0], [3.0, 4.0, -5.0, 0.1]]
    children = np.stack(repeat(ours, parents, 200))
    expected = np.sort(np.array(parents, dtype=np.float32), axis=0)[:, None]
    np.testing.assert_array_equal(np.sort(children, axis=0), np.broadcast_to(expected, children.shape))


@pytest.mark.parametrize("mate", [cxOnePoint, cxTwoPoint])
@pytest.mark.parametrize("extremes", [(0.0,), (1.0 - 2.0**-24,), (0.0, 1.0 - 2.0**-24), (1.0 - 2.0**-24, 0.0)])
@pytest.mark.parametrize("size", [2, 3, 1000])
def test_extreme_draws_make_cuts_inside_the_genome(mate, extremes, size):
    first, second = mate(torch.zeros(1, size), torch.ones(1, size), Fixed(extremes))
    assert 0 < first.sum() < size
    assert first[0, 0] == 0.0
    assert torch.equal(first + second, torch.ones(1, size))


@pytest.mark.parametrize(("indpb", "exchanged"), [(0.0, 0.0), (1.0, 1.0)])
def test_uniform_crossover_exchanges_nothing_or_everything_at_its_limits(indpb, exchanged):
    first, _ = repeat(partial(cxUniform, indpb=indpb), [[0.0] * 50, [1.0] * 50], 200)
    assert (first == exchanged).all()


@pytest.mark.parametrize("alpha", [0.0, 0.1, 0.5, 2.0])
@pytest.mark.usefixtures("stock_random")
def test_blending_has_deaps_distribution_for_each_gene(alpha):
    parents = [[0.0, 5.0, -1.0], [1.0, 2.0, 1.0]]
    ours = repeat(partial(cxBlend, alpha=alpha), parents, 4000)
    theirs = repeat_stock(partial(tools.cxBlend, alpha=alpha), parents, 4000)
    for our_child, their_child in zip(ours, theirs, strict=True):
        for gene in range(3):
            assert stats.ks_2samp(our_child[:, gene], their_child[:, gene]).pvalue > SIGNIFICANCE
    assert abs(stats.pearsonr(ours[0][:, 0], ours[0][:, 1]).statistic) < 0.06  # a weight for each gene


@pytest.mark.parametrize("alpha", [0.0, 0.5])
def test_blended_children_mirror_each_other_within_the_box_that_alpha_allows(alpha):
    first, second = normal(2, 500, 8), normal(2, 500, 8, seed=1)
    one, two = cxBlend(first, second, Streams(0, 2), alpha)
    torch.testing.assert_close(one + two, first + second, rtol=0, atol=1e-5)
    margin = alpha * (second - first).abs() + 1e-6
    for child in (one, two):
        assert (child >= torch.minimum(first, second) - margin).all()
        assert (child <= torch.maximum(first, second) + margin).all()


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


@pytest.mark.parametrize(
    ("first", "second"),
    [
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
    ],
)
def test_slerp_of_parallel_opposite_or_zero_parents_is_as_long_as_they_are(first, second):
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


@pytest.mark.parametrize(
    ("mu", "sigma", "indpb"),
    [(0.0, 1.0, 0.2), (1.0, 0.5, 0.7), (0, 2, 1.0), ([0.0, 3.0, -1.0], [1.0, 0.1, 2.0], 0.3), (0.0, 1.0, 0.01)],
)
@pytest.mark.usefixtures("stock_random")
def test_mutation_has_deaps_distribution_for_each_gene(mu, sigma, indpb):
    parent = [5.0, -2.0, 0.5]
    (ours,) = repeat(partial(mutGaussian, mu=mu, sigma=sigma, indpb=indpb), [parent], 5000)
    (theirs,) = repeat_stock(partial(tools.mutGaussian, mu=mu, sigma=sigma, indpb=indpb), [parent], 5000)
    changed, theirs_changed = ours != np.float32(parent), theirs != parent
    if indpb == 1.0:
        assert changed.all()
    else:
        assert_same_frequencies(changed.sum(1), theirs_changed.sum(1))
    for gene in range(3):
        our_genes, their_genes = ours[changed[:, gene], gene], theirs[theirs_changed[:, gene], gene]
        assert stats.ks_2samp(our_genes, their_genes).pvalue > SIGNIFICANCE


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
    extremes = Fixed([0.0, 1.0 - 2.0**-24, indpb, indpb * (1.0 - 2.0**-24)])
    steps = mutGaussian(torch.zeros(1, 1000), extremes, 0.0, 1.0, indpb)
    assert steps.isfinite().all()
    assert steps.abs().max() < 6.0


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


@pytest.mark.parametrize("parameters", [{"mu": [0.0, 1.0]}, {"sigma": [1.0] * 9}])
def test_one_value_a_gene_must_be_one_for_every_gene(parameters):
    with refused(str(len(next(iter(parameters.values())))), "8 genes"):
        mutGaussian(normal(2, 30, 8), Streams(0, 2), **({"mu": 0.0, "sigma": 1.0, "indpb": 0.5} | parameters))


# Crossover and mutation alike

VARIATIONS = {name: (mate, 2) for name, mate in CROSSOVERS.items()} | {
    "cxUniform 0": (partial(cxUniform, indpb=0.0), 2),
    "cxBlend 0": (partial(cxBlend, alpha=0.0), 2),
    "mutGaussian": (partial(mutGaussian, mu=0.0, sigma=1.0, indpb=0.3), 1),
    "mutGaussian indpb 0": (partial(mutGaussian, mu=0.0, sigma=1.0, indpb=0.0), 1),
    "mutGaussian sigma 0": (partial(mutGaussian, mu=0.0, sigma=0.0, indpb=1.0), 1),
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


@pytest.mark.parametrize("mate", [cxOnePoint, cxTwoPoint])
def test_a_single_gene_cannot_be_cut(mate):
    with refused("at least 2 genes, not 1", "cxUniform"):
        mate(normal(1, 4, 1), normal(1, 4, 1), Streams(0, 1))


# Selection


@pytest.mark.parametrize("weight", [1.0, -1.0])
@pytest.mark.parametrize("tournsize", [1, 2, 5])
@pytest.mark.usefixtures("stock_random")
def test_tournaments_pick_each_individual_as_often_as_deaps(weight, tournsize):
    entrants = population([3.0, -1.0, 2.0, 2.0, 7.0, 2.0, 3.0], (weight,))
    ours = winners(selTournament(entrants, 8000, tournsize))
    theirs = np.array([int(i[0]) for i in tools.selTournament(entrants.replicate(0), 8000, tournsize)])
    assert_same_frequencies(ours, theirs)


@pytest.mark.usefixtures("stock_random")
def test_tournaments_with_several_objectives_pick_as_deaps_do():
    fitness = [[1.0, 2.0], [1.0, 1.0], [3.0, 0.0], [3.0, 9.0], [1.0, 2.0], [0.0, -5.0], [3.0, 0.0]]
    entrants = population(fitness, (1.0, -0.5))
    ours = winners(selTournament(entrants, 8000, 2))
    theirs = np.array([int(i[0]) for i in tools.selTournament(entrants.replicate(0), 8000, 2)])
    assert_same_frequencies(ours, theirs)


def test_a_tournament_of_one_is_a_uniform_draw():
    chosen = winners(selTournament(population([float(i) for i in range(10)], (1.0,)), 10_000, 1))
    assert stats.chisquare(np.bincount(chosen, minlength=10)).pvalue > SIGNIFICANCE


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


@pytest.mark.parametrize("spoiled", [math.nan, math.inf, -math.inf])
def test_one_objective_that_is_not_finite_spoils_the_others(spoiled):
    entrants = population([[9.0, spoiled], [1.0, 1.0], [spoiled, 9.0], [1.0, 0.0]], (1.0, -1.0))
    assert (winners(selTournament(entrants, 200, 60)) == 3).all()


def test_where_nothing_is_finite_any_individual_may_be_selected():
    chosen = winners(selTournament(population([math.nan] * 5, (1.0,)), 500, 3))
    assert set(chosen) == set(range(5))


@pytest.mark.parametrize("weights", [(1.0,), (-2.0,), (1.0, 1.0), (1.0, -3.0), (-1.0, 1.0, 0.5)])
def test_individuals_are_ranked_in_deaps_order(weights):
    generator = torch.Generator().manual_seed(len(weights))
    fitness = torch.randint(0, 4, (40, len(weights)), generator=generator).double()
    entrants = population(fitness.tolist(), weights, replicates=2)
    for r in range(2):
        expected = [individual.fitness.values for individual in tools.selBest(entrants.replicate(r), 40)]
        ours = [individual.fitness.values for individual in entrants.best(40).replicate(r)]
        assert ours == expected


def test_selection_copies_whole_individuals_into_new_memory():
    entrants = population([3.0, 1.0, 2.0], (1.0,), replicates=2)
    entrants = dataclasses.replace(entrants, valid=torch.tensor([[True, False, True], [True, True, False]]))
    chosen = selTournament(entrants, 20, 2)
    number = chosen.genomes[..., 0].long()
    assert torch.equal(chosen.fitness[..., 0], torch.tensor([3.0, 1.0, 2.0])[number])
    assert torch.equal(chosen.valid, entrants.valid.gather(1, number))
    chosen.genomes.fill_(-1.0)
    chosen.fitness.fill_(-1.0)
    assert entrants.genomes.min() == 0.0
    assert entrants.fitness.min() == 1.0


def test_each_replicate_selects_by_its_own_numbers():
    fitness = [float(i % 7) for i in range(20)]
    together = selTournament(population(fitness, (1.0,), seed=3, replicates=5), 20, 3)
    single = population(fitness, (1.0,), seed=3)
    alone = selTournament(dataclasses.replace(single, streams=Streams(3, [4])), 20, 3)
    assert torch.equal(alone.genomes[0], together.genomes[4])
    assert not torch.equal(together.genomes[3], together.genomes[4])


def test_a_tournament_of_none_is_refused():
    with refused("tournsize is 0", "1 or more"):
        selTournament(population([1.0, 2.0], (1.0,)), 2, 0)
