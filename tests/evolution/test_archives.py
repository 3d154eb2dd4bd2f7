"""Fronts, crowding and survivors are DEAP's, volumes are true, and an archive keeps all that nothing dominates."""

import dataclasses
import itertools
import math

import numpy as np
import pytest
import torch
from deap import tools
from deap.tools import emo
from evolving import case
from refusals import refused

from evovae import evolution
from evovae.base import Streams
from evovae.encodings import VectorEncoding
from evovae.evolution import (
    HallOfFame,
    ParetoFront,
    Population,
    crowding_distance,
    eaSimple,
    eaSimple_iter,
    hypervolume,
    nondominated_rank,
    selNSGA2,
)
from evovae.evolution.archives.hall_of_fame import hash_genes

# Powers of two: dividing by them again, as DEAP does, leaves no rounding to decide between equals.
WEIGHTS = [(1.0,), (1.0, -1.0), (-64.0, 0.5), (1.0, 1.0, -8.0), (-1.0, 0.5, 2.0, -1.0)]
KINDS = {
    "no ties": lambda rng, shape: rng.normal(size=shape),
    "some ties": lambda rng, shape: rng.integers(0, 12, shape),
    "many ties": lambda rng, shape: rng.integers(0, 3, shape),
    "one front": lambda rng, shape: np.moveaxis(rng.dirichlet(np.ones(shape[2]), shape[:2]), -1, 2),
}
weighted = pytest.mark.parametrize("weights", WEIGHTS, ids=str)
EACH = [(weights, kind) for weights in WEIGHTS for kind in KINDS]


def population(fitness, weights: tuple[float, ...], genomes=None) -> Population:
    """Individuals with `fitness` (R, N, M), whose only gene is their number unless `genomes` (R, N, D) are given."""
    values = torch.as_tensor(np.asarray(fitness, dtype=np.float32))
    genomes = (
        np.broadcast_to(np.arange(values.shape[1])[:, None], (*values.shape[:2], 1)) if genomes is None else genomes
    )
    genomes = torch.as_tensor(np.array(genomes, dtype=np.float32))
    valid = torch.ones(values.shape[:2], dtype=torch.bool)
    return Population(genomes, values, valid, weights, Streams(0, len(values)))


def drawn(kind, weights: tuple[float, ...], n: int = 40, replicates: int = 3, seed: int = 0) -> Population:
    return population(kind(np.random.default_rng(seed), (replicates, n, len(weights))), weights)


def numbers(individuals) -> list[int]:
    return [int(individual[0]) for individual in individuals]


def dominates(one: np.ndarray, other: np.ndarray) -> bool:
    return bool((one >= other).all() and (one > other).any())


def assert_memory_is_its_own(new: Population, old: Population) -> None:
    for name in ("genomes", "fitness", "valid"):
        assert getattr(new, name).untyped_storage().data_ptr() != getattr(old, name).untyped_storage().data_ptr()


# Fronts


def test_fronts_are_deaps():
    for weights, kind in EACH:
        with case(f"{kind}, weights {weights}"):
            people = drawn(KINDS[kind], weights)
            rank = nondominated_rank(people)
            assert rank.dtype == torch.int64
            for r in range(3):
                individuals = people.replicate(r)
                ours = [(rank[r] == front).nonzero().flatten().tolist() for front in range(int(rank[r].max()) + 1)]
                assert [sorted(numbers(front)) for front in tools.sortNondominated(individuals, 40)] == ours
                if len(weights) > 1:  # with one objective it fails
                    assert [sorted(numbers(front)) for front in tools.sortLogNondominated(individuals, 40)] == ours


def test_everyone_is_dominated_from_the_front_before_and_from_no_later_one():
    for weights, kind in EACH:
        with case(f"{kind}, weights {weights}"):
            people = drawn(KINDS[kind], weights)
            people.fitness[0, 5, -1] = math.nan
            people.fitness[1, :20, 0] = -math.inf
            rank, values = nondominated_rank(people).numpy(), people.wvalues.numpy()
            for r, i in itertools.product(range(3), range(40)):
                above = {int(rank[r, j]) for j in range(40) if dominates(values[r, j], values[r, i])}
                assert above == set(range(rank[r, i]))


@weighted
def test_fitness_that_is_not_finite_ranks_last_whatever_its_other_objectives(weights):
    people = drawn(KINDS["no ties"], weights)
    best = 1e6 * np.sign(weights)
    for i, wrong in enumerate((math.nan, math.inf, -math.inf)):
        people.fitness[1, i] = torch.as_tensor(best)
        people.fitness[1, i, -1] = wrong
    rank = nondominated_rank(people)[1]
    assert rank[:3].tolist() == [int(rank[3:].max()) + 1] * 3
    hopeless = dataclasses.replace(people, fitness=torch.full_like(people.fitness, math.nan))
    assert not nondominated_rank(hopeless).any()


@pytest.mark.parametrize(("kind", "step"), [(np.float32, 2**-23), (np.float64, 2**-52)])
def test_weights_of_any_size_never_round_two_fitnesses_into_one(kind, step):
    values = torch.from_numpy(kind(1.9) + kind(step) * np.arange(50, dtype=kind)).view(1, 50, 1).expand(-1, -1, 2)
    people = dataclasses.replace(population(np.zeros((1, 50, 2)), (0.3, 0.7)), fitness=values)
    assert nondominated_rank(people)[0].tolist() == list(range(49, -1, -1))


# Genomes


def test_genomes_that_differ_in_signs_alone_are_told_apart():
    count, genes = 2**18, 28
    number = torch.arange(count) * 2654435761 % 2**genes  # an odd factor: all are different
    positive = (number.unsqueeze(1) >> torch.arange(genes) & 1).bool()
    hashes = hash_genes(torch.where(positive, 2.0, -2.0).unsqueeze(0))
    assert len(hashes.unique()) == count


# Crowding


def test_crowding_distances_are_deaps_in_every_front():
    for weights, kind in EACH:
        with case(f"{kind}, weights {weights}"):
            people = drawn(KINDS[kind], weights)
            rank = nondominated_rank(people)
            distance = crowding_distance(people.fitness, rank)
            assert distance.dtype == torch.float64
            for r in range(3):
                individuals = people.replicate(r)
                for front in range(int(rank[r].max()) + 1):
                    members = (rank[r] == front).nonzero().flatten().tolist()
                    emo.assignCrowdingDist([individuals[i] for i in members])
                    theirs = [individuals[i].fitness.crowding_dist for i in members]
                    np.testing.assert_allclose(distance[r, members], theirs, rtol=1e-12)


def test_crowding_is_in_units_of_each_objectives_range_and_without_range_nothing():
    x = torch.tensor([0.0, 1.0, 3.0, 4.0, 10.0])
    fitness = torch.stack((x, -1e6 * x, torch.full_like(x, 7.0)), dim=1).view(1, 5, 3)
    rank = torch.zeros(1, 5, dtype=torch.int64)
    expected = [math.inf, 2 * 0.3 / 3, 2 * 0.3 / 3, 2 * 0.7 / 3, math.inf]
    assert crowding_distance(fitness, rank)[0].tolist() == pytest.approx(expected)
    assert crowding_distance(fitness[:, :2], rank[:, :2]).isinf().all()
    assert crowding_distance(fitness[:, :1], rank[:, :1]).isinf().all()


def test_what_is_not_finite_has_no_extent():
    fitness = torch.tensor([[[math.nan, 1.0], [math.inf, 2.0], [-math.inf, 9.0], [0.0, math.nan]]])
    assert crowding_distance(fitness, torch.zeros(1, 4, dtype=torch.int64)).tolist() == [[math.inf, 0.0, 0.0, math.inf]]


# Survival


def test_survivors_and_their_order_are_deaps():
    for (weights, kind), k in itertools.product(EACH, (0, 1, 7, 20, 39, 40, 50)):
        with case(f"{kind}, weights {weights}, k {k}"):
            people = drawn(KINDS[kind], weights)
            before = people.fitness.clone()
            chosen = selNSGA2(people, k)
            sort = "standard" if len(weights) == 1 else "log"
            for r in range(3):
                theirs = tools.selNSGA2(people.replicate(r), k, nd=sort) if k else []
                assert numbers(chosen.genomes[r]) == numbers(theirs)
                assert torch.equal(chosen.fitness[r], people.fitness[r, numbers(theirs)])
            assert torch.equal(people.fitness, before)
            assert_memory_is_its_own(chosen, people)


@pytest.mark.parametrize("weights", [(-0.3, 7.0), (0.1, -100.0, 3.0)])
def test_survivors_are_deaps_for_weights_of_any_size(weights):
    people = drawn(KINDS["no ties"], weights)
    for r in range(3):
        assert numbers(selNSGA2(people, 15).genomes[r]) == numbers(tools.selNSGA2(people.replicate(r), 15, nd="log"))


def test_only_finite_fitness_survives_while_there_is_any():
    people = drawn(KINDS["no ties"], (1.0, -1.0))
    people.fitness[0, ::2, 0] = math.nan
    people.fitness[0, 1, 1] = -math.inf
    assert selNSGA2(people, 19).fitness[0].isfinite().all()
    assert selNSGA2(people, 20).fitness[0].isfinite().all(1).sum() == 19


@weighted
def test_what_a_replicate_gets_does_not_depend_on_the_others(weights):
    people = drawn(KINDS["some ties"], weights, replicates=4)
    for r in range(4):
        alone = population(people.fitness[r : r + 1], weights)
        rank = nondominated_rank(people)
        assert torch.equal(nondominated_rank(alone)[0], rank[r])
        assert torch.equal(
            crowding_distance(alone.fitness, rank[r : r + 1])[0], crowding_distance(people.fitness, rank)[r]
        )
        assert torch.equal(selNSGA2(alone, 15).genomes[0], selNSGA2(people, 15).genomes[r])
        reference = [float(-9.0 * np.sign(weight)) for weight in weights]
        assert hypervolume(alone, reference)[0] == hypervolume(people, reference)[r] > 0


def test_a_negative_number_of_survivors_is_refused():
    with refused("k is -1", "0 or more"):
        selNSGA2(drawn(KINDS["no ties"], (1.0, 1.0)), -1)


# Hypervolume


@weighted
def test_the_hypervolume_is_that_of_the_union_of_boxes(weights):
    people = drawn(KINDS["no ties"], weights, n=8)
    signs = np.sign(weights)
    reference = 1.5 * -signs
    points = people.fitness.double().numpy() * signs
    for r, volume in enumerate(hypervolume(people, reference.tolist()).tolist()):
        expected = 0.0
        for size in range(1, 9):  # inclusion and exclusion: boxes meet in the box of their smallest sides
            for boxes in itertools.combinations(points[r], size):
                expected -= (-1) ** size * np.prod((np.min(boxes, axis=0) + 1.5).clip(min=0.0))
        assert volume == pytest.approx(expected, rel=1e-9)
        assert volume > 0


def test_a_staircase_has_its_steps_as_area_in_the_objectives_own_units():
    x = np.arange(1.0, 11.0)
    stairs = np.stack((x, 11.0 - x), axis=1)[None]  # under it 10 + 9 + ... + 1 unit squares
    assert hypervolume(population(stairs, (1.0, 1.0)), (0.0, 0.0)).tolist() == [55.0]
    assert hypervolume(population(stairs * [1.0, 100.0], (0.01, 50.0)), (0.0, 0.0)).tolist() == [5500.0]
    assert hypervolume(population(stairs, (-1.0, -3.0)), (11.0, 11.0)).tolist() == [55.0]
    assert hypervolume(population(stairs * [1.0, -1.0], (1.0, -1.0)), (0.0, 0.0)).tolist() == [55.0]


def test_only_finite_points_better_than_the_reference_add_volume():
    fitness = [[[2.0, 3.0], [math.inf, 9.0], [9.0, math.nan], [9.0, 0.5], [1.0, 99.0], [-5.0, 50.0]]] * 2
    fitness[1] = [[0.0, 0.0]] * 6
    volume = hypervolume(population(fitness, (1.0, 1.0)), (1.0, 1.0))
    assert volume.dtype == torch.float64
    assert volume.tolist() == [2.0, 0.0]
    assert hypervolume(population(np.full((1, 3, 1), math.nan), (-1.0,)), [1.0]).tolist() == [0.0]
    for m in (1, 2, 3):
        assert hypervolume(population(np.empty((2, 0, m)), (1.0,) * m), [0.0] * m).tolist() == [0.0, 0.0]


@pytest.mark.parametrize("reference", [(0.0,), (0.0, 0.0, 1), (0.0, math.nan), (math.inf, 0.0), (), None, ("a", 0)])
def test_a_reference_that_is_no_point_is_refused(reference):
    with refused(f"reference is {reference}", "2 finite values"):
        hypervolume(drawn(KINDS["no ties"], (1.0, 1.0)), reference)


# The archive


def two_corners(weights: tuple[float, ...]):
    """Coarse genomes in [0, 1]^3, so that many are equal, and more still have equal fitness."""

    def objectives(x: torch.Tensor) -> torch.Tensor:
        columns = ((x - corner).square().sum(1) for corner in (0.0, 1.0, torch.tensor([1.0, 0.0, 0.0])))
        return torch.stack(list(columns)[: len(weights)], dim=1) * -torch.tensor(weights).sign()

    box = evolution.toolbox(VectorEncoding(3, 0.0, 1.0), objectives, weights)
    box.register("project", lambda genomes: (genomes.clamp(0.0, 1.0) * 4).round() / 4)
    return box


def assert_padded(front: ParetoFront, r: int, members: int) -> None:
    assert front.fitness[r, :members].isfinite().all()
    assert front.fitness[r, members:].isnan().all()


@pytest.mark.parametrize("weights", [(-1.0,), (1.0, -1.0), (-1.0, -0.5, 2.0)], ids=str)
def test_the_archive_holds_what_deaps_holds_after_every_generation(weights):
    box = two_corners(weights)
    ours, theirs = ParetoFront(), [tools.ParetoFront() for _ in range(3)]
    repeats = dropped = 0
    sizes = set()
    for generation in eaSimple_iter(box.population(n=30, replicates=3, seed=5), box, 0.5, 0.6, 10, halloffame=ours):
        for r, front in enumerate(theirs):
            previous = {tuple(member) for member in front}
            front.update(generation.population.replicate(r))
            members = len(front)
            assert_padded(ours, r, members)
            fitness = list(map(tuple, ours.fitness[r, :members].tolist()))
            # Individuals of equal fitness come in any order.
            assert fitness == [member.fitness.values for member in front]
            genomes = set(map(tuple, ours.genomes[r, :members].tolist()))
            assert genomes == {tuple(member) for member in front}
            assert len(genomes) == members
            sizes.add(members)
            dropped += len(previous - genomes)
            repeats += members - len(set(fitness))
        assert ours.genomes.shape[:2] == (3, max(map(len, theirs)))
    assert dropped > 0
    assert len(weights) == 1 or (repeats > 5 and len(sizes) > 3)


def test_only_equal_genomes_of_equal_fitness_are_the_same():
    genomes = [[[1.0], [1.0], [1.0], [2.0], [-0.0], [0.0]]]
    front = ParetoFront()
    for _ in range(2):
        front.update(population([[[3.0, 1], [3, 1], [1, 3], [3, 1], [2, 2], [2, 2]]], (1.0, 1.0), genomes))
        assert front.genomes[0].flatten().tolist() == [1.0, 2.0, 0.0, 1.0]
        assert front.fitness[0].tolist() == [[3, 1], [3, 1], [2, 2], [1, 3]]


def test_the_best_in_the_first_objective_comes_first_whichever_way_is_better():
    line = np.array([[[2.0, 2.0], [3.0, 3.0], [1.0, 1.0]]])
    for weights, expected in (((1.0, -1.0), [3.0, 2.0, 1.0]), ((-1.0, 1.0), [1.0, 2.0, 3.0])):
        front = ParetoFront()
        front.update(population(line, weights))
        assert front.fitness[0, :, 0].tolist() == expected


def test_only_finite_fitness_enters_the_archive():
    front = ParetoFront()
    nothing = population(np.full((2, 3, 2), math.nan), (1.0, 1.0))
    front.update(nothing)
    assert front.fitness.shape == (2, 1, 2)
    assert front.fitness.isnan().all()
    front.update(population([[[math.inf, 0], [1, math.nan], [1, 1]], [[1, 2], [2, 1], [-math.inf, 9]]], (1.0, 1.0)))
    assert front.fitness[0, 0].tolist() == [1, 1]
    assert front.fitness[1].tolist() == [[2, 1], [1, 2]]
    assert_padded(front, 0, 1)
    front.update(nothing)
    assert front.fitness.shape == (2, 2, 2)


@pytest.mark.parametrize("maxsize", [None, 6])
def test_a_replicates_archive_is_the_same_alone_and_among_many(maxsize):
    box = two_corners((1.0, -1.0, 2.0))
    fronts = []
    for replicates in (range(5), range(3, 4)):
        fronts.append(ParetoFront(maxsize))
        eaSimple(box.population(n=24, replicates=replicates, seed=2), box, 0.5, 0.6, 6, halloffame=fronts[-1])
    many, one = fronts
    members = one.fitness.shape[1]
    assert torch.equal(many.genomes[3, :members], one.genomes[0])
    assert torch.equal(many.fitness[3, :members], one.fitness[0])
    assert_padded(many, 3, members)


def test_the_archive_owns_its_memory():
    people = drawn(KINDS["one front"], (1.0, 1.0))
    front = ParetoFront()
    front.update(people)
    genomes, fitness = front.genomes.clone(), front.fitness.clone()
    assert_memory_is_its_own(front.population, people)
    people.genomes.zero_()
    people.fitness.zero_()
    assert torch.equal(front.genomes, genomes)
    assert torch.equal(front.fitness, fitness)


def test_a_full_archive_drops_one_of_each_close_pair_and_keeps_the_ends():
    x = np.sort(np.concatenate((np.arange(10.0), np.arange(10.0) + 0.01)))
    x = np.random.default_rng(0).permutation(x)
    front = ParetoFront(10)
    for half in (x[:10], x[10:]):
        front.update(population(np.stack((half, -half), axis=1)[None], (1.0, 1.0)))
    kept = front.fitness[0, :, 0].numpy()
    assert kept.tolist() == sorted(kept, reverse=True)
    assert kept.round().tolist() == list(range(9, -1, -1))
    assert kept[[0, -1]].tolist() == pytest.approx([9.01, 0.0])


@pytest.mark.parametrize("weights", [(1.0, 1.0), (1.0, -1.0, 1.0)])
def test_a_bounded_archive_stays_mutually_nondominated_and_within_its_size(weights):
    bounded, free = ParetoFront(8), ParetoFront()
    rng = np.random.default_rng(3)
    for _ in range(6):
        values = rng.normal(size=(2, 30, len(weights)))
        values *= np.sign(weights) / np.linalg.norm(values, axis=2, keepdims=True)
        people = population(values, weights, rng.normal(size=(2, 30, 2)))
        bounded.update(people)
        free.update(people)
        assert bounded.fitness.shape[1] <= 8
    assert free.fitness.shape[1] > 20
    for r in range(2):
        members = bounded.fitness[r].numpy() * np.sign(weights)
        assert not any(dominates(a, b) for a, b in itertools.permutations(members, 2))
        everyone = free.fitness[r].numpy() * np.sign(weights)
        np.testing.assert_array_equal(np.nanmax(members, axis=0), np.nanmax(everyone, axis=0))


def test_an_archive_that_is_not_full_is_not_thinned():
    people = drawn(KINDS["one front"], (1.0, 1.0), n=12)
    bounded, free = ParetoFront(12), ParetoFront()
    bounded.update(people)
    free.update(people)
    assert torch.equal(bounded.genomes, free.genomes)


@pytest.mark.parametrize("maxsize", [1, 2, 3])
def test_an_archive_smaller_than_the_number_of_ends_still_fills(maxsize):
    front = ParetoFront(maxsize)
    for seed in range(3):
        front.update(drawn(KINDS["one front"], (1.0, 1.0, 1.0), seed=seed))
        assert front.fitness.shape == (3, maxsize, 3)
        assert front.fitness.isfinite().all()


def test_the_volume_of_an_archive_is_that_of_all_it_was_given():
    front, given = ParetoFront(), []
    for seed in range(3):
        given.append(drawn(KINDS["no ties"], (1.0, -2.0), seed=seed))
        front.update(given[-1])
    everyone = population(torch.cat([people.fitness for people in given], dim=1), (1.0, -2.0))
    assert hypervolume(front.population, (-3.0, 3.0)).tolist() == hypervolume(everyone, (-3.0, 3.0)).tolist()


def test_an_archive_without_members_or_places_is_refused():
    for ask in (lambda front: front.genomes, lambda front: front.fitness):
        with refused("empty"):
            ask(ParetoFront())
    with refused("maxsize is 0", "1 or more"):
        ParetoFront(0)
    assert isinstance(ParetoFront(), HallOfFame)


def test_an_archive_tells_its_own_metrics() -> None:
    hall, front = HallOfFame(2), ParetoFront()
    hall.update(population([[[1.0], [3.0], [2.0]]], (1.0,)))
    assert {name: values.tolist() for name, values in hall.metrics().items()} == {"best": [3.0]}
    front.update(population([[[1.0, 2.0], [2.0, 1.0], [0.5, 0.5]]], (1.0, 1.0)))
    assert {name: values.tolist() for name, values in front.metrics((0.0, 0.0)).items()} == {"hypervolume": [3.0]}
    assert front.metrics() == {}
