"""A replicate is DEAP's list of individuals: its tools, its operators and its habits work on it."""

import copy
import dataclasses
import itertools
import math
import multiprocessing
import pickle
import random
from operator import attrgetter

import numpy as np
import pytest
import torch
from deap import algorithms, base, creator, tools
from evolving import case
from refusals import refused

from evovae.base import Streams
from evovae.evolution import Population

creator.create("PopulationFitness", base.Fitness, weights=(1.0, -2.0))
creator.create("PopulationList", list, fitness=creator.PopulationFitness)

SELECTIONS = {
    "selBest": tools.selBest,
    "selWorst": tools.selWorst,
    "selTournament": lambda individuals, k: tools.selTournament(individuals, k, tournsize=3),
    "selDoubleTournament": lambda individuals, k: tools.selDoubleTournament(individuals, k, 3, 1.4, True),
    "selLexicase": tools.selLexicase,
    "selNSGA2": tools.selNSGA2,
    "selNSGA2 log": lambda individuals, k: tools.selNSGA2(individuals, k, nd="log"),
    "selNSGA3": lambda individuals, k: tools.selNSGA3(individuals, k, tools.uniform_reference_points(2, 12)),
    "selSPEA2": tools.selSPEA2,
    "selTournamentDCD": lambda individuals, k: tools.selTournamentDCD(tools.selNSGA2(individuals, 24), k),
}


def population(weights: tuple[float, ...] = (1.0, -2.0), n: int = 24, replicates: int = 3) -> Population:
    """Random genomes with coarse fitness (so that some are equal), of which every sixth is not evaluated yet."""
    generator = torch.Generator().manual_seed(8)
    genomes = torch.randn(replicates, n, 5, generator=generator)
    fitness = torch.randint(-4, 5, (replicates, n, len(weights)), generator=generator) / 4
    valid = torch.arange(n).expand(replicates, n) % 6 != 5
    return Population(genomes, fitness, valid, weights, Streams(0, replicates))


def evaluated(weights: tuple[float, ...] = (1.0, -2.0)) -> Population:
    drawn = population(weights)
    return Population(drawn.genomes, drawn.fitness, torch.ones_like(drawn.valid), weights, drawn.streams)


def stock(individuals: list) -> list:
    """The same individuals as a DEAP program would have made them."""
    made = [creator.PopulationList(individual) for individual in individuals]
    for ours, theirs in zip(individuals, made, strict=True):
        if ours.fitness.valid:
            theirs.fitness.values = ours.fitness.values
    return made


def content(individuals) -> list:
    return [(list(individual), individual.fitness.values) for individual in individuals]


def test_a_replicate_holds_its_own_genomes_and_fitness():
    drawn = population()
    for r in range(3):
        individuals = drawn.replicate(r)
        assert isinstance(individuals, list)
        assert all(isinstance(i, list) and isinstance(i.fitness, base.Fitness) for i in individuals)
        assert [list(i) for i in individuals] == drawn.genomes[r].tolist()
        assert [i.fitness.valid for i in individuals] == drawn.valid[r].tolist()
        known = [tuple(f) for f, valid in zip(drawn.fitness[r].tolist(), drawn.valid[r], strict=True) if valid]
        assert [i.fitness.values for i in individuals if i.fitness.valid] == known
        assert {i.fitness.weights for i in individuals} == {(1.0, -2.0)}


def test_a_replicate_shares_no_memory_with_its_population():
    drawn = population()
    genomes, fitness = drawn.genomes.clone(), drawn.fitness.clone()
    for individual in drawn.replicate(0):
        individual[0] = 99.0
        individual.fitness.values = (9.0, 9.0)
    assert torch.equal(drawn.genomes, genomes)
    assert torch.equal(drawn.fitness, fitness)


@pytest.mark.parametrize(
    "clone",
    [copy.deepcopy, base.Toolbox().clone, lambda one: pickle.loads(pickle.dumps(one))],
    ids=["deepcopy", "clone", "pickle"],
)
def test_a_clone_is_an_individual_of_its_own(clone):
    one = evaluated().replicate(0)[0]
    before = content([one])
    other = clone(one)
    assert type(other) is type(one)
    assert type(other.fitness) is type(one.fitness)
    assert content([other]) == before
    del other.fitness.values
    other[0] = 7.0
    assert not other.fitness.valid
    assert content([one]) == before
    other.fitness.values = (1.0, 2.0)
    assert other.fitness.valid
    assert other.fitness.values == (1.0, 2.0)


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_individuals_are_pickled_with_all_that_tools_keep_in_them(protocol):
    individuals = population().replicate(0)
    tools.emo.assignCrowdingDist([one for one in individuals if one.fitness.valid])
    individuals[0].note = "kept"
    again = pickle.loads(pickle.dumps(individuals, protocol))
    assert content(again) == content(individuals)
    assert {type(one.fitness) for one in again} == {type(one.fitness) for one in individuals}
    assert [one.fitness.valid for one in again] == [one.fitness.valid for one in individuals]
    assert [vars(one.fitness) for one in again] == [vars(one.fitness) for one in individuals]
    assert "crowding_dist" in vars(again[0].fitness)
    assert again[0].note == "kept"


def test_individuals_go_to_another_process_and_back():
    individuals = evaluated().replicate(0)
    hall = tools.HallOfFame(3)
    hall.update(individuals)
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        varied = pool.map(copy.deepcopy, [*individuals, *hall])
    assert content(varied) == content([*individuals, *hall])
    assert all(type(one.fitness) is type(individuals[0].fitness) for one in varied)
    assert content(tools.selNSGA2(varied[:24], 8)) == content(tools.selNSGA2(individuals, 8))


def test_fitness_is_compared_as_deap_compares_it():
    individuals = evaluated().replicate(0)
    for a, a_stock in zip(individuals, stock(individuals), strict=True):
        for b, b_stock in zip(individuals, stock(individuals), strict=True):
            for question in ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__", "dominates"):
                ours = getattr(a.fitness, question)(b.fitness)
                assert ours == getattr(a_stock.fitness, question)(b_stock.fitness)
                assert ours == getattr(a.fitness, question)(b_stock.fitness)
    assert max(individuals, key=attrgetter("fitness")).fitness.values[0] == 1.0


@pytest.mark.parametrize("select", SELECTIONS.values(), ids=SELECTIONS.keys())
@pytest.mark.usefixtures("stock_random")
def test_deaps_selections_choose_the_same_as_among_stock_individuals(select):
    individuals = evaluated().replicate(1)
    state, numpy_state = random.getstate(), np.random.get_state()  # noqa: NPY002 - selNSGA3 draws from it
    try:
        chosen = []
        for candidates in (individuals, stock(individuals)):
            random.setstate(state)
            np.random.seed(3)  # noqa: NPY002
            chosen.append(content(select(candidates, 8)))
    finally:
        np.random.set_state(numpy_state)  # noqa: NPY002
    assert chosen[0] == chosen[1]
    assert len(chosen[0]) == 8


@pytest.mark.parametrize("archive", [lambda: tools.HallOfFame(5), tools.ParetoFront], ids=["HallOfFame", "ParetoFront"])
def test_deaps_archives_keep_the_same_as_of_stock_individuals(archive):
    ours, theirs = archive(), archive()
    for r in range(3):
        individuals = evaluated().replicate(r)
        ours.update(individuals)
        theirs.update(stock(individuals))
        individuals[0][0] = 99.0  # an archive keeps copies
    assert content(ours) == content(theirs)
    assert 0 < len(ours) < 24


def test_deaps_statistics_and_logbook_take_a_replicate():
    fitness = tools.Statistics(attrgetter("fitness.values"))
    gene = tools.Statistics(lambda individual: individual[0])
    stats = tools.MultiStatistics(fitness=fitness, gene=gene)
    stats.register("avg", np.mean, axis=0)
    stats.register("max", np.max, axis=0)
    drawn, logbook = evaluated(), tools.Logbook()
    for r in range(3):
        logbook.record(gen=r, **stats.compile(drawn.replicate(r)))
    np.testing.assert_allclose(logbook.chapters["fitness"].select("avg"), drawn.fitness.mean(1), rtol=1e-6)
    np.testing.assert_array_equal(logbook.chapters["gene"].select("max"), drawn.genomes[..., 0].amax(1))
    assert logbook.chapters["gene"].select("gen") == [0, 1, 2]


@pytest.mark.usefixtures("stock_random")
def test_deaps_variation_works_on_a_replicate_and_makes_fitness_invalid():
    drawn = evaluated()
    individuals = drawn.replicate(0)
    box = base.Toolbox()
    box.register("mate", tools.cxTwoPoint)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=1.0, indpb=0.5)
    for offspring in (algorithms.varAnd(individuals, box, 0.5, 0.3), algorithms.varOr(individuals, box, 24, 0.5, 0.3)):
        assert len(offspring) == 24
        parents = {tuple(individual) for individual in individuals}
        changed = [child for child in offspring if not child.fitness.valid]
        assert 0 < len(changed) < 24
        assert all(tuple(child) in parents for child in offspring if child.fitness.valid)
    assert content(individuals) == content(drawn.replicate(0))


@pytest.mark.parametrize("weights", [(1.0,), (-1.0,), (1.0, -2.0), (-0.5, 3.0)])
def test_fitness_that_is_not_finite_wins_nowhere_in_deap(weights):
    for hole, place in itertools.product((math.nan, math.inf, -math.inf), (0, -1)):
        with case(f"{hole} in objective {place}"):
            assert_that_no_hole_wins(hole, weights, place)


def assert_that_no_hole_wins(hole, weights, place):
    drawn = evaluated(weights)
    fitness = drawn.fitness.clone()
    fitness[0, ::2, place] = hole
    individuals = Population(drawn.genomes, fitness, drawn.valid, weights, drawn.streams).replicate(0)
    hollow, sound = individuals[::2], individuals[1::2]
    assert all(individual.fitness.valid for individual in individuals)
    assert all(i.fitness.values == tuple(f) for i, f in zip(sound, fitness[0, 1::2].tolist(), strict=True))
    for bad in hollow:
        assert all(good.fitness > bad.fitness for good in sound)
        assert all(good.fitness.dominates(bad.fitness) for good in sound)
    hall, front = tools.HallOfFame(12), tools.ParetoFront()
    hall.update(individuals)
    front.update(individuals)
    survivors = [hall, front, tools.selBest(individuals, 12), tools.selNSGA2(individuals, 12)]
    genomes = [list(individual) for individual in sound]
    assert all(list(individual) in genomes for kept in survivors for individual in kept)
    assert max(individuals, key=attrgetter("fitness")) in sound


def test_each_replicate_takes_its_own_individuals():
    genomes = torch.arange(12.0).view(3, 4, 1)
    people = Population.unevaluated(genomes, (1.0,), Streams(0, 3))
    chosen = people.take(torch.tensor([[0, 3], [2, 2], [1, 0]]))
    assert chosen.genomes[..., 0].tolist() == [[0.0, 3.0], [6.0, 6.0], [9.0, 8.0]]


@pytest.mark.parametrize("count", [0, 1, 24])
def test_given_genomes_take_the_first_places_of_each_replicate(count):
    drawn, given = population(), torch.randn(count, 5, generator=torch.Generator().manual_seed(3))
    seeded = drawn.seeded(given)
    assert all(torch.equal(replicate, given) for replicate in seeded.genomes[:, :count])
    assert not seeded.valid[:, :count].any()
    for name in ("genomes", "fitness", "valid"):
        assert torch.equal(getattr(seeded, name)[:, count:], getattr(drawn, name)[:, count:])
    assert seeded.fitness.shape == drawn.fitness.shape
    assert seeded.streams is drawn.streams
    seeded.genomes.zero_()
    assert drawn.genomes.any()
    assert count == 0 or given.any()


@pytest.mark.parametrize("shape", [(25, 5), (2, 4), (5,)], ids=str)
def test_given_genomes_that_do_not_fit_are_refused(shape):
    with refused(f"genomes is Tensor of shape {shape}: expected a tensor (K, 5), K at most 24"):
        population().seeded(torch.zeros(shape))


def test_given_genomes_that_are_no_tensor_are_refused():
    with refused("genomes is [[0.0, 0.0, 0.0, 0.0, 0.0]]: expected a tensor (K, 5), K at most 24"):
        population().seeded([[0.0] * 5])


@pytest.mark.parametrize("k", [-1, 1.5, None])
def test_a_number_of_the_best_that_is_none_is_refused(k):
    with refused(f"k is {k}: expected a whole number, 0 or more"):
        population().best(k)


@pytest.mark.parametrize("r", [3, -4, 0.0, None])
def test_a_replicate_that_is_not_there_is_refused(r):
    with refused(f"r is {r}: expected a whole number, -3 to 2"):
        population().replicate(r)
    assert content(evaluated().replicate(-1)) == content(evaluated().replicate(2))


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (population((1.0, 2.0)), "other has weights (1.0, 2.0): expected weights (1.0, -2.0)"),
        (population((1.0,)), "other has weights (1.0,): expected weights (1.0, -2.0)"),
        (population(replicates=1), "other has 1 replicates: expected 3 replicates"),
        (dataclasses.replace(population(), genomes=torch.zeros(3, 24, 4)), "other has 4 genes: expected 5 genes"),
    ],
    ids=["weights", "objectives", "replicates", "genes"],
)
def test_populations_of_another_kind_do_not_join(other, words):
    with refused(words):
        population().join(other)


def test_populations_of_any_two_sizes_join():
    joined = population().join(population(n=2))
    assert torch.equal(joined.genomes, torch.cat((population().genomes, population(n=2).genomes), dim=1))
