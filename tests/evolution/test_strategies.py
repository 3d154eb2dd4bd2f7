"""Strategies asked and told: DEAP's own in numbers and in success, and replicates that do not feel each other."""

import itertools
import math
from dataclasses import replace

import cma as pycma
import numpy as np
import pytest
import torch
from deap import base, cma, tools
from evolving import Counting, assert_same, assert_same_logbook, sphere, toolbox
from refusals import refused
from scipy import stats

from evovae.base import Streams, make_generator, seeded_numpy
from evovae.evolution import (
    CMAES,
    HallOfFame,
    Individual,
    Population,
    SearchError,
    SeparableCMAES,
    StockStrategies,
    eaGenerateUpdate,
    eaGenerateUpdate_iter,
)
from evovae.evolution.strategies import NormalStrategy

SIGNIFICANCE = 1e-3


def separable(population: Population) -> SeparableCMAES:
    return SeparableCMAES(population, sigma=0.7, lambda_=10)


def deaps(population: Population) -> StockStrategies:
    return StockStrategies(population, lambda mean: cma.Strategy(mean, sigma=0.7, lambda_=10))


def full(population: Population) -> CMAES:
    return CMAES(population, sigma=0.7, lambda_=10)


each = pytest.mark.parametrize("make", [separable, full, deaps])
bounded = pytest.mark.parametrize("make", [separable, deaps])


def searching(make, replicates: int | range = 3, objective=sphere, dim: int = 5, **settings) -> base.Toolbox:
    box = toolbox(objective, dim=dim, **settings)
    make(box.population(n=10, replicates=replicates, seed=3)).register(box)
    return box


def stretched(x: torch.Tensor) -> torch.Tensor:
    """An ellipsoid whose axes differ by a factor of 1000 in length, minimised."""
    scale = torch.logspace(0, 3, x.shape[1], dtype=x.dtype)
    return (x * scale).square().sum(-1, keepdim=True)


# Each


@each
def test_a_replicate_alone_equals_the_same_among_many(make):
    runs = []
    for replicates in (range(6), range(4, 5), range(2, 4)):
        hall = HallOfFame(2)
        runs.append((*eaGenerateUpdate(searching(make, replicates), 15, halloffame=hall), hall))
    for run, rows in ((runs[1], slice(4, 5)), (runs[2], slice(2, 4))):
        assert_same(run[0], runs[0][0], rows)
        assert_same_logbook(run[1], runs[0][1], rows)
        assert torch.equal(run[2].genomes, runs[0][2].genomes[rows])


@each
def test_the_sphere_is_climbed_to_its_top(make):
    _, logbook = eaGenerateUpdate(searching(make), 120)
    assert (logbook[-1]["max"] > -1e-6).all()
    assert (logbook[0]["max"] < -0.1).all()


@each
def test_a_minimised_objective_is_minimised(make):
    _, logbook = eaGenerateUpdate(searching(make, objective=lambda x: -sphere(x), weights=(-2.0,)), 120)
    assert (logbook[-1]["min"] < 1e-6).all()


@each
def test_logbooks_count_from_generation_zero_as_deaps_do(make):
    objective = Counting()
    population, logbook = eaGenerateUpdate(searching(make, objective=objective), 4)
    assert logbook.select("gen") == [0, 1, 2, 3]
    assert [entry["nevals"].tolist() for entry in logbook] == [[10] * 3] * 4
    assert logbook[-1]["evaluations"].tolist() == [40] * 3
    assert objective.count == 120
    assert torch.equal(population.fitness, sphere(population.genomes))


@each
def test_calling_again_goes_on_from_the_strategys_state(make):
    whole, _ = eaGenerateUpdate(searching(make), 9)
    box = searching(make)
    eaGenerateUpdate(box, 4)
    rest, _ = eaGenerateUpdate(box, 5)
    assert_same(rest, whole)


@bounded
def test_genomes_are_projected_before_they_are_evaluated(make):
    box = searching(make, objective=lambda x: x.sum(-1, keepdim=True), low=-0.5, high=0.5)
    for generation in eaGenerateUpdate_iter(box, 40):
        assert generation.population.genomes.abs().max() <= 0.5
    assert (generation.population.fitness.amax(1) > 2.4).all()


@each
def test_fitness_that_is_not_finite_leads_nowhere(make):
    def objective(x: torch.Tensor) -> torch.Tensor:
        fitness = sphere(x)
        fitness[x[:, 0] > 0.3] = math.nan
        fitness[x[:, 1] > 0.3] = math.inf
        return fitness

    _, logbook = eaGenerateUpdate(searching(make, objective=objective), 150)
    assert (logbook[0]["nonfinite"] > 0).any()
    assert (logbook[-1]["max"] > -1e-5).all()


@each
def test_using_a_strategy_moves_no_stream_of_the_population_it_was_made_from(make):
    box = toolbox()
    population, fresh = (box.population(n=10, replicates=2, seed=4) for _ in range(2))
    make(population).register(box)
    eaGenerateUpdate(box, 3)
    assert torch.equal(population.streams.uniform(2, 9), fresh.streams.uniform(2, 9))


@each
def test_seeds_differ(make):
    runs = []
    for seed in (1, 2):
        box = toolbox()
        make(replace(box.population(n=10), streams=Streams(seed, 1))).register(box)
        runs.append(eaGenerateUpdate(box, 1)[0].genomes)
    assert not torch.isin(runs[0], runs[1]).any()


def downhill(x: torch.Tensor) -> torch.Tensor:
    """A plane without a bottom, minimised; no number is too large for it."""
    return x.double().sum(-1, keepdim=True)


def generations_until_it_stops(box: base.Toolbox, most: int = 3000) -> tuple[list, str]:
    """The generations that there were, and the message of the error that ended them."""
    done = []
    with pytest.raises(SearchError) as caught:
        done.extend(eaGenerateUpdate_iter(box, most))
    message = str(caught.value)
    assert "\n" not in message
    assert "bound the genes, give a smaller sigma" in message
    return done, message


@each
def test_a_search_without_a_minimum_stops_and_says_so(make):
    box = searching(make, objective=downhill, dim=2, weights=(-1.0,))
    with pytest.raises(
        SearchError, match=r"^generation [0-9]+: (SeparableCMAES|CMAES|Strategy) diverged in replicate [0-2]: .*; bound"
    ):
        eaGenerateUpdate(box, 3000)


@each
def test_a_step_size_beyond_all_numbers_stops_the_search(make):
    population = toolbox().population(n=10, replicates=2, seed=3)
    stock = lambda mean: cma.Strategy(mean, sigma=1e30, lambda_=10)  # noqa: E731
    far = SeparableCMAES(population, 1e30, 10) if make is separable else StockStrategies(population, stock)
    box = toolbox()
    far.register(box)
    done, message = generations_until_it_stops(box)
    assert len(done) <= 1
    assert "diverged in replicate 0" in message


@each
@pytest.mark.parametrize("lost", [0, 2])
def test_where_nobody_has_a_finite_fitness_the_search_stops(make, lost):
    """Of three replicates one leaves the ground that its objective knows, after five generations."""
    calls = [0]

    def objective(x: torch.Tensor) -> torch.Tensor:
        calls[0] += 1
        fitness = sphere(x)
        if calls[0] > 5:
            fitness[10 * lost : 10 * lost + 10] = math.nan
        return fitness

    done, message = generations_until_it_stops(searching(make, objective=objective))
    assert f"diverged in replicate {lost}" in message
    assert len(done) >= 5
    assert all(generation.population.genomes.isfinite().all() for generation in done)


def test_no_generations_are_refused():
    with refused("ngen is 0", "1 or more"):
        eaGenerateUpdate(searching(separable), 0)


# Separable CMA-ES


def test_individuals_are_drawn_from_the_normal_distribution_of_the_strategy():
    box = toolbox(dim=3)
    strategy = SeparableCMAES(box.population(n=10, replicates=2), sigma=2.0, lambda_=4000)
    strategy.centroid = torch.tensor([[1.0, -5.0, 0.0], [0.0, 0.0, 7.0]], dtype=torch.float64)
    strategy.diagonal = torch.tensor([[1.0, 4.0, 0.25], [1.0, 1.0, 1.0]], dtype=torch.float64)
    genomes = strategy.generate().genomes.double()
    standard = (genomes - strategy.centroid.unsqueeze(1)) / (2.0 * strategy.diagonal.sqrt()).unsqueeze(1)
    for gene in standard.flatten(0, 1).T:
        assert stats.kstest(gene.numpy(), "norm").pvalue > SIGNIFICANCE
    assert np.abs(np.corrcoef(standard[0].T) - np.eye(3)).max() < 0.07


@pytest.mark.parametrize("dim", [1, 4, 12])
@pytest.mark.parametrize("lambda_", [6, 14])
@pytest.mark.parametrize("offset", [0.0, 1000.0])  # from afar, steps grow too long to be learned from
def test_an_update_is_deaps_with_the_diagonal_of_pycmas_matrix(dim, lambda_, offset):
    # DEAP's strategy with our learning rates is told the same; its matrix is pycma's, cut to the diagonal.
    box = toolbox(stretched, dim=dim, weights=(-1.0,))
    start = box.population(n=10)
    ours = SeparableCMAES(replace(start, genomes=start.genomes + offset), sigma=0.7, lambda_=lambda_)
    rates = {"ccov1": ours._rank_one, "ccovmu": ours._rank_mu}
    theirs = cma.Strategy(ours.centroid[0].tolist(), 0.7, lambda_=lambda_, **rates)
    assert theirs.mueff == pytest.approx(ours._mass)
    matrix, diagonal = pycma.sampler.GaussFullSampler(dim), np.ones(dim)
    for count in range(25):
        learned = tell_both(ours, theirs, box, count)
        matrix.C = np.diag(diagonal)
        matrix.update_now(-1)
        matrix.update(*learned)
        diagonal = matrix.variances.copy()
        axes = np.argsort(diagonal)
        theirs.C, theirs.diagD, theirs.B = np.diag(diagonal), np.sqrt(diagonal[axes]), np.eye(dim)[:, axes]
        theirs.BD = theirs.B * theirs.diagD
        np.testing.assert_allclose(ours.centroid[0], theirs.centroid, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(ours.diagonal[0], diagonal, rtol=1e-7)
        np.testing.assert_allclose(float(ours.sigma), theirs.sigma, rtol=1e-7)


def tell_both(
    ours: NormalStrategy, theirs: cma.Strategy, box: base.Toolbox, count: int
) -> tuple[list[np.ndarray], list[float], float]:
    """Let both learn from what ours generates, in update `count`; return what pycma's matrix is to learn from."""
    generated = ours.generate()
    fitness = box.evaluate(generated.genomes[0]).unsqueeze(0)
    told = replace(generated, fitness=fitness, valid=torch.ones_like(generated.valid))
    ours.update(told)
    genomes, order = told.genomes[0].double().numpy(), fitness[0, :, 0].argsort(stable=True)
    steps = (genomes[order] - theirs.centroid) / theirs.sigma
    theirs.update([Individual(list(genes), i.fitness) for genes, i in zip(genomes, told.replicate(0), strict=True)])
    length = np.linalg.norm(theirs.ps) / math.sqrt(1 - (1 - theirs.cs) ** (2 * count + 2)) / theirs.chiN
    stalled = float(length >= 1.4 + 2 / (theirs.dim + 1)) * theirs.ccov1 * theirs.cc * (2 - theirs.cc)
    return [theirs.pc, *steps], [theirs.ccov1, *pycmas_rates(ours, theirs.dim, ours.lambda_)], stalled


def pycmas_rates(ours: NormalStrategy, dim: int, lambda_: int) -> np.ndarray:
    """pycma's weights of all ranks for our learning rates, times that of the rank-mu update."""
    weights = pycma.recombination_weights.RecombinationWeights(lambda_)
    weights.finalize_negative_weights(dim, ours._rank_one, ours._rank_mu)
    return ours._rank_mu * np.array(weights)


@pytest.mark.parametrize("dim", [1, 2, 10, 32, 1000])
@pytest.mark.parametrize("lambda_", [4, 5, 13, 100, 3000])
def test_the_weights_of_all_ranks_are_pycmas(dim, lambda_):
    ours = SeparableCMAES(toolbox(dim=dim).population(n=4), 1.0, lambda_)
    np.testing.assert_allclose(ours._rates, pycmas_rates(ours, dim, lambda_), rtol=1e-12, atol=1e-15)
    assert ours._recombination.sum() == pytest.approx(1.0)


@pytest.mark.parametrize("dim", [1, 2, 10])
@pytest.mark.parametrize("lambda_", [2, 3, 6, 100])
@pytest.mark.parametrize("far", [0.0, 1e-30, 1.0, 1e15])
def test_no_step_to_the_worse_half_takes_a_variance_away(dim, lambda_, far):
    """At the worst all of them lie on one axis."""
    strategy = SeparableCMAES(toolbox(dim=dim).population(n=4), 1.0, lambda_)
    strategy.centroid.zero_()
    for _ in range(3):
        before, told = strategy.diagonal, strategy.generate()
        genomes = told.genomes.clone()
        genomes[:, lambda_ // 2 :] = 0.0
        genomes[:, lambda_ // 2 :, 0] = far
        fitness = -torch.arange(lambda_, dtype=torch.float32).view(1, -1, 1)
        strategy.update(replace(told, genomes=genomes, fitness=fitness, valid=torch.ones_like(told.valid)))
        assert (strategy.diagonal > 1e-3 * before).all()
        assert (strategy.diagonal < 10.0 * before).all()


def evaluations_of_ours(strategy, value, dim: int, begin: float, replicates: int) -> list[float]:
    """How many each replicate takes from `begin`, with a first step of 0.5, until `value` is 1e-8, or inf."""
    box = toolbox(value, dim=dim, weights=(-1.0,))
    start = box.population(n=4, replicates=replicates, seed=1)
    strategy(replace(start, genomes=torch.full_like(start.genomes, begin)), 0.5).register(box)
    best, spent = [], []
    for generation in eaGenerateUpdate_iter(box, 1000):
        best.append(generation.population.fitness.amin((1, 2)))
        spent.append(generation.evaluations)
    spent.append(torch.full((replicates,), math.inf))
    return torch.stack(spent)[(torch.stack(best) > 1e-8).sum(0), torch.arange(replicates)].tolist()


def evaluations_of_pycma(value, dim: int, begin: float, runs: int, **options: bool) -> list[float]:
    """The same of pycma's, run by run."""
    options = {"seed": math.nan, "verbose": -9, "ftarget": 1e-8, "tolfun": 0, "tolfunhist": 0, **options}
    counts = []
    for seed in range(1, runs + 1):
        with seeded_numpy(make_generator(seed)):
            search = pycma.CMAEvolutionStrategy([begin] * dim, 0.5, options)
            search.optimize(lambda x: float(value(torch.from_numpy(x))))
        counts.append(search.countevals if search.best.f <= 1e-8 else math.inf)
    return counts


@pytest.mark.parametrize(("axes", "dim"), [(0.0, 10), (6.0, 10), (6.0, 32)])
def test_as_few_evaluations_as_pycmas_reach_the_bottom_of_an_ellipsoid(axes, dim):
    scale = 10.0 ** (axes * np.arange(dim) / (dim - 1))

    def ellipsoid(x: torch.Tensor) -> torch.Tensor:
        return (x.double().square() * torch.from_numpy(scale)).sum(-1, keepdim=True)

    ours = evaluations_of_ours(SeparableCMAES, ellipsoid, dim, 1.0, replicates=10)
    theirs = evaluations_of_pycma(ellipsoid, dim, 1.0, runs=5, CMA_diagonal=True)
    assert np.mean(ours) < 1.08 * np.mean(theirs)


@pytest.mark.parametrize("dim", [1, 4, 12])
@pytest.mark.parametrize("lambda_", [6, 14])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_an_update_of_the_full_matrix_is_deaps_with_pycmas_matrix(dim, lambda_, offset):
    def turned(x: torch.Tensor) -> torch.Tensor:
        return stretched(x @ rotation)

    rotation = torch.linalg.qr(torch.randn(dim, dim, generator=make_generator(3), dtype=torch.float32))[0]
    box = toolbox(turned, dim=dim, weights=(-1.0,))
    start = box.population(n=10)
    ours = CMAES(replace(start, genomes=start.genomes + offset), sigma=0.7, lambda_=lambda_)
    rates = {"ccov1": ours._rank_one, "ccovmu": ours._rank_mu, "cs": ours._rate_sigma, "ccum": ours._rate_path}
    theirs = cma.Strategy(ours.centroid[0].tolist(), 0.7, lambda_=lambda_, damps=ours._damping, **rates)
    matrix = pycma.sampler.GaussFullSampler(dim)
    matrix.C = np.eye(dim)  # it begins with axes that are not quite equal
    matrix.update_now(-1)
    for count in range(25):
        learned = tell_both(ours, theirs, box, count)
        matrix.update(*learned)
        matrix.update_now(-1)
        theirs.C, theirs.diagD, theirs.B = matrix.C, matrix.D, matrix.B
        theirs.BD = theirs.B * theirs.diagD
        scale = np.abs(matrix.C).max()
        np.testing.assert_allclose(ours.centroid[0], theirs.centroid, rtol=1e-6, atol=1e-9)
        np.testing.assert_allclose(ours.covariance[0], matrix.C, rtol=1e-6, atol=1e-6 * scale)
        np.testing.assert_allclose(float(ours.sigma), theirs.sigma, rtol=1e-6)


@pytest.mark.parametrize("dim", [2, 5, 20, 100])
def test_learning_rates_of_the_full_matrix_are_pycmas(dim):
    ours = CMAES(toolbox(dim=dim).population(n=4), 1.0)
    theirs = pycma.CMAEvolutionStrategy([0.0] * dim, 1.0, {"verbose": -9, "seed": math.nan})
    assert ours.lambda_ == theirs.popsize
    assert ours._rank_one == pytest.approx(theirs.sp.c1)
    assert ours._rank_mu == pytest.approx(theirs.sp.cmu)
    assert ours._rate_path == pytest.approx(theirs.sp.cc)
    np.testing.assert_allclose(ours._rates, pycmas_rates(ours, dim, ours.lambda_), rtol=1e-12, atol=1e-15)


def test_individuals_of_the_full_strategy_are_drawn_from_its_normal_distribution():
    strategy = CMAES(toolbox(dim=3).population(n=10, replicates=2), sigma=2.0, lambda_=20_000)
    covariance = torch.tensor([[4.0, 1.5, 0.0], [1.5, 1.0, 0.0], [0.0, 0.0, 0.25]], dtype=torch.float64)
    variances, strategy._axes[1] = torch.linalg.eigh(covariance)
    strategy._scales[1] = variances.sqrt()
    drawn = strategy.generate().genomes.double()
    for r, expected in enumerate((torch.eye(3), covariance)):
        np.testing.assert_allclose(torch.cov(drawn[r].T), 4.0 * expected.numpy(), atol=0.25)
        np.testing.assert_allclose(drawn[r].mean(0), strategy.centroid[r], atol=0.15)


def test_the_full_strategy_refuses_genomes_that_a_support_has_moved():
    box = searching(full, low=-0.1, high=0.1)
    with refused("free"):
        eaGenerateUpdate(box, 5)


@pytest.mark.parametrize("name", ["ellipsoid", "rosenbrock"])
def test_as_few_evaluations_as_pycmas_find_what_takes_a_full_matrix(name):
    dim = 6
    rotation = torch.linalg.qr(torch.randn(dim, dim, generator=make_generator(5), dtype=torch.float64))[0]
    scale = torch.logspace(0, 3, dim, dtype=torch.float64)

    def value(x: torch.Tensor) -> torch.Tensor:
        x = x.double()
        if name == "ellipsoid":
            return (x @ rotation * scale).square().sum(-1, keepdim=True)
        return (100.0 * (x[..., 1:] - x[..., :-1].square()).square() + (1.0 - x[..., :-1]).square()).sum(
            -1, keepdim=True
        )

    begin = 1.0 if name == "ellipsoid" else 0.0
    ours = evaluations_of_ours(CMAES, value, dim, begin, replicates=12)
    theirs = evaluations_of_pycma(value, dim, begin, runs=7)
    assert np.median(ours) < 1.1 * np.median(theirs)


def test_learning_rates_grow_by_a_third_of_the_dimension():
    box = toolbox(dim=13)
    ours, theirs = SeparableCMAES(box.population(n=4), 1.0, 8), cma.Strategy([0.0] * 13, 1.0, lambda_=8)
    assert ours._rank_one == pytest.approx(theirs.ccov1 * 5)
    assert ours._rank_mu == pytest.approx(theirs.ccovmu * 5)
    assert SeparableCMAES(box.population(n=4), 1.0).lambda_ == cma.Strategy([0.0] * 13, 1.0).lambda_
    few = SeparableCMAES(toolbox(dim=100).population(n=4), 1.0, 2000)
    assert few._rank_one + few._rank_mu <= 1.0


def test_stretched_axes_are_learned_sooner_than_by_full_cma_es():
    found = {}
    for name, make in (("separable", separable), ("full", deaps)):
        box = searching(make, objective=stretched, dim=12, weights=(-1.0,))
        hall = HallOfFame(1)
        eaGenerateUpdate(box, 200, halloffame=hall)
        found[name] = hall.fitness.amax()
    assert found["separable"] < 0.05 * found["full"]


def test_the_search_starts_at_the_mean_of_each_replicates_population():
    population = toolbox().population(n=10, replicates=3)
    strategy = SeparableCMAES(population, sigma=0.1)
    torch.testing.assert_close(strategy.centroid.float(), population.genomes.mean(1))
    drawn = strategy.generate().genomes
    assert (drawn - population.genomes.mean(1, keepdim=True)).abs().max() < 0.6


@pytest.mark.parametrize("dim", [2, 10, 32])
def test_a_diverging_distribution_is_finite_to_the_last_generation(dim):
    box = searching(lambda population: SeparableCMAES(population, 0.7), 1, downhill, dim, weights=(-1.0,))
    done, message = generations_until_it_stops(box)
    assert f"at update {len(done)} its" in message
    assert 100 < len(done) < 1000
    assert done[-2].population.fitness.isfinite().any()
    make = lambda population: SeparableCMAES(population, 0.7)  # noqa: E731
    one, again = (searching(make, 1, downhill, dim, weights=(-1.0,)) for _ in range(2))
    state = next(itertools.islice(eaGenerateUpdate_iter(one, 3000), len(done) - 1, None)).state()
    with pytest.raises(SearchError, match=f"generation {len(done)}"):
        next(eaGenerateUpdate_iter(again, 3000, state=state))


def test_a_search_that_has_come_down_to_a_point_stays_there():
    make = lambda population: SeparableCMAES(population, 0.7, lambda_=100)  # noqa: E731
    box = searching(make, 2, downhill, 2, low=-1.0, high=1.0, weights=(-1.0,))
    last, _ = eaGenerateUpdate(box, 700)
    torch.testing.assert_close(last.genomes, torch.full_like(last.genomes, -1.0), rtol=0, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"sigma": 0.0}, ("sigma is 0.0", "positive")),
        ({"sigma": 1e39}, ("sigma is 1e+39", "1.2e-38 to 3.4e+38")),
        ({"sigma": math.nan}, ("sigma is nan", "positive")),
        ({"sigma": 1.0, "lambda_": 1}, ("lambda_ is 1", "2 or more")),
    ],
)
def test_impossible_strategies_are_refused(settings, words):
    with refused(*words):
        SeparableCMAES(toolbox().population(n=4), **settings)


def test_several_objectives_have_no_cma_es():
    box = toolbox(lambda x: x[:, :2], weights=(1.0, 1.0))
    with refused("2 objectives", "selNSGA2"):
        SeparableCMAES(box.population(n=4), sigma=1.0)


@pytest.mark.parametrize(("lambda_", "lost", "words"), [(10, "rates", "no rates"), (12, "", "shape (10,)")])
def test_a_state_of_other_ranks_or_of_a_version_without_active_weights_is_refused(lambda_, lost, words):
    population = toolbox().population(n=10)
    state = separable(population).state()
    with refused("the state has", words):
        SeparableCMAES(population, 0.7, lambda_).restore({k: v for k, v in state.items() if k != lost})


# DEAP's strategies


def test_eigenvalues_that_cannot_be_found_end_the_search_with_the_replicate_that_has_none():
    class Lost(cma.Strategy):
        def update(self, individuals):
            self.C = self.C + (math.nan if self.centroid[0] > 0 else 0.0)
            np.linalg.eigh(self.C)

    box = toolbox(dim=3)
    start = box.population(n=4, replicates=2, seed=1)
    start = replace(start, genomes=start.genomes.abs() * torch.tensor([-1.0, 1.0]).view(2, 1, 1))
    StockStrategies(start, lambda mean: Lost(mean, sigma=0.5, lambda_=6)).register(box)
    with pytest.raises(
        SearchError, match=r"^generation 0: Lost diverged in replicate 1: Eigenvalues did not converge; bound the"
    ):
        eaGenerateUpdate(box, 3)


def test_deaps_strategy_draws_what_it_would_draw_with_numpys_seed():
    population = toolbox().population(n=10, replicates=2, seed=5)
    drawn = deaps(population).generate().genomes
    generator = population.streams.clone()[1]
    seed = int(torch.randint(2**32, (), generator=generator))
    noise = np.random.RandomState(seed).standard_normal((10, 5))
    expected = population.genomes[1].double().mean(0).numpy() + 0.7 * noise
    np.testing.assert_allclose(drawn[1], expected, rtol=0, atol=1e-6)


def test_any_strategy_of_deaps_kind_will_do():
    class Best:
        """Draws around the best individual so far."""

        def __init__(self, mean: list[float]) -> None:
            self.best, self.value = np.array(mean), -math.inf

        def generate(self, ind_init):
            return [ind_init(self.best + 0.3 * np.random.standard_normal(5)) for _ in range(20)]  # noqa: NPY002

        def update(self, individuals):
            (best,) = tools.selBest(individuals, 1)
            if best.fitness.values[0] > self.value:
                self.best, self.value = np.array(best), best.fitness.values[0]

    box = searching(lambda population: StockStrategies(population, Best))
    population, logbook = eaGenerateUpdate(box, 60)
    assert population.genomes.shape == (3, 20, 5)
    best = np.max(logbook.select("max"), axis=0)
    assert (best > -0.2).all()
    assert (best > logbook[0]["max"]).all()
