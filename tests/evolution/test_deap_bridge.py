"""Stock DEAP programs decode a whole generation at once, and find what they would have found without."""

import array
import functools
import random
from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
import torch
from deap import algorithms, base, cma, creator, tools
from evolving import case
from refusals import refused

import evovae
from evovae import evolution, objectives
from evovae.encodings import LatentEncoding, VectorEncoding

DIM = 6

creator.create("BridgeFitness", base.Fitness, weights=(-1.0,))
creator.create("BridgeList", list, fitness=creator.BridgeFitness)
creator.create("BridgeArray", array.array, typecode="d", fitness=creator.BridgeFitness)
creator.create("BridgeNumpy", np.ndarray, fitness=creator.BridgeFitness)
KINDS = [creator.BridgeList, creator.BridgeArray]


class Watched(VectorEncoding):
    """An encoding that keeps the batches it was asked to decode."""

    def __init__(self, low: float | None = None, high: float | None = None) -> None:
        super().__init__(DIM, low, high)
        self.batches: list[torch.Tensor] = []

    def decode(self, genomes: torch.Tensor) -> torch.Tensor:
        self.batches.append(genomes.clone())
        return genomes

    @property
    def sizes(self) -> list[int]:
        return [len(batch) for batch in self.batches]


def square(x: torch.Tensor) -> torch.Tensor:
    """Objectives of whole numbers are the same whatever the batch."""
    return x.square().sum(1, keepdim=True)


def genomes(n: int, seed: int = 0) -> list[list[float]]:
    return np.random.default_rng(seed).integers(-9, 10, (n, DIM)).astype(float).tolist()


def squares(rows) -> list[tuple[float]]:
    return [(sum(gene * gene for gene in row),) for row in rows]


def registered(bridge: evolution.Bridge) -> base.Toolbox:
    box = base.Toolbox()
    box.register("evaluate", bridge.evaluate)
    box.register("map", bridge.map)
    return box


# One batch


@pytest.mark.parametrize("kind", [list, tuple, partial(array.array, "d"), np.array, *KINDS, creator.BridgeNumpy])
def test_all_individuals_are_decoded_at_once_and_come_back_in_order(kind):
    encoding, rows = Watched(), genomes(50)
    box = registered(evolution.Bridge(encoding, square))
    fitness = box.map(box.evaluate, [kind(row) for row in rows])
    assert list(fitness) == squares(rows)
    assert all(type(value) is float for values in fitness for value in values)
    assert encoding.sizes == [50]
    assert encoding.batches[0].dtype == torch.float32


@pytest.mark.parametrize("function", ["registered", "bare", "registered twice"])
def test_evaluate_is_known_however_it_was_registered(function):
    encoding = Watched()
    bridge = evolution.Bridge(encoding, square)
    box = registered(bridge)
    if function == "registered twice":
        box.register("evaluate", box.evaluate)
    rows = genomes(9)
    assert list(bridge.map(bridge.evaluate if function == "bare" else box.evaluate, rows)) == squares(rows)
    assert encoding.sizes == [9]


def test_a_large_population_is_decoded_in_chunks():
    encoding, rows = Watched(), genomes(2500)
    box = registered(evolution.Bridge(encoding, square))
    assert list(box.map(box.evaluate, iter(rows))) == squares(rows)
    assert encoding.sizes == [1024, 1024, 452]


def test_one_individual_is_a_batch_of_one():
    encoding = Watched()
    box = registered(evolution.Bridge(encoding, square))
    for row in genomes(3):
        assert [box.evaluate(row)] == squares([row])
    assert encoding.sizes == [1, 1, 1]


def test_nobody_costs_no_decode():
    encoding = Watched()
    box = registered(evolution.Bridge(encoding, square))
    assert list(box.map(box.evaluate, [])) == []
    assert encoding.batches == []


def test_several_objectives_come_as_tuples():
    bridge = evolution.Bridge(Watched(), lambda x: x[:, :3], weights=(-1.0, 1.0, -1.0))
    rows = genomes(4)
    assert list(bridge.map(bridge.evaluate, rows)) == [tuple(row[:3]) for row in rows]
    assert bridge.evaluate(rows[0]) == tuple(rows[0][:3])


def test_genomes_are_decoded_as_they_are_out_of_the_support():
    encoding = Watched(low=-1.0, high=1.0)
    box = registered(evolution.Bridge(encoding, square))
    rows = [[5.0, -7.0, 0.5, 0.0, 1.0, 2.0]]
    assert list(box.map(box.evaluate, rows)) == squares(rows)
    assert encoding.batches[0].tolist() == rows
    assert rows == [[5.0, -7.0, 0.5, 0.0, 1.0, 2.0]]


def test_images_are_scored_as_by_the_models_own_decoder(digits):
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=DIM, hidden=(8,)), seed=3)
    target = objectives.target(digits.test.images[42])
    box = registered(evolution.Bridge(LatentEncoding(vae), target))
    rows = genomes(7)
    with torch.no_grad():
        expected = target(vae.decode(torch.tensor(rows)))
    np.testing.assert_allclose(list(box.map(box.evaluate, rows)), expected, rtol=1e-6)


# Other functions


def test_other_functions_are_mapped_as_ever():
    encoding = Watched()
    bridge = evolution.Bridge(encoding, square)
    assert list(bridge.map(str, [1, 2])) == ["1", "2"]
    assert list(bridge.map(pow, [2, 3, 4], [5, 2])) == [32, 9]
    box = registered(bridge)
    box.register("clone", lambda individual, times: individual * times, times=2)
    assert list(box.map(box.clone, ["a", "b"])) == ["aa", "bb"]
    assert next(bridge.map(iter, ([1], [2]))).__next__() == 1  # lazily, and with any iterable
    assert encoding.batches == []


def test_the_evaluate_of_another_bridge_is_another_function():
    ours, theirs = Watched(), Watched()
    one, other = evolution.Bridge(ours, square), evolution.Bridge(theirs, lambda x: -square(x))
    rows = genomes(3)
    assert list(one.map(other.evaluate, rows)) == [(-value,) for (value,) in squares(rows)]
    assert (ours.sizes, theirs.sizes) == ([], [1, 1, 1])


# Decorators


def repaired(function: Callable) -> Callable:
    """A decorator that evaluates other genes than the individual's."""

    @functools.wraps(function)
    def wrapper(individual):
        return function([min(gene, 2.0) for gene in individual])

    return wrapper


def doubled(function: Callable) -> Callable:
    @functools.wraps(function)
    def wrapper(individual, factor=2.0):
        return tuple(factor * value for value in function(individual))

    return wrapper


def test_a_decorated_evaluate_keeps_its_decorators_and_its_batch():
    encoding, rows = Watched(), genomes(20)
    box = registered(evolution.Bridge(encoding, square))
    box.decorate("evaluate", doubled, doubled)
    assert list(box.map(box.evaluate, rows)) == [(4 * value,) for (value,) in squares(rows)]
    assert encoding.sizes == [20]


def test_arguments_that_were_registered_with_a_decorated_evaluate_reach_it():
    encoding, rows = Watched(), genomes(5)
    bridge = evolution.Bridge(encoding, square)
    box = registered(bridge)
    box.register("evaluate", doubled(bridge.evaluate), factor=3.0)
    assert list(box.map(box.evaluate, rows)) == [(3 * value,) for (value,) in squares(rows)]
    assert encoding.sizes == [5]
    factors = range(5)
    expected = [(factor * value,) for factor, (value,) in zip(factors, squares(rows), strict=True)]
    assert list(box.map(doubled(bridge.evaluate), rows, factors)) == expected


def test_arguments_that_evaluate_does_not_take_are_not_passed_over():
    bridge = evolution.Bridge(Watched(), square)
    box = registered(bridge)
    box.register("evaluate", bridge.evaluate, 3.0)
    with pytest.raises(TypeError):
        list(box.map(box.evaluate, genomes(5)))


def test_deaps_penalties_are_not_passed_over():
    encoding, rows = Watched(), genomes(20)
    box = registered(evolution.Bridge(encoding, square))
    individuals = [creator.BridgeList(row) for row in rows]
    box.decorate("evaluate", tools.DeltaPenalty(lambda individual: individual[0] > 0, 1000.0))
    fitness = [tuple(values) for values in box.map(box.evaluate, individuals)]
    expected = [value if row[0] > 0 else (1000.0,) for row, value in zip(rows, squares(rows), strict=True)]
    assert fitness == expected
    assert 0 < expected.count((1000.0,)) < 20
    assert encoding.sizes == [20]


def test_a_decorator_that_changes_genes_gets_the_fitness_of_the_changed_ones():
    encoding, rows = Watched(), [[1.0] * DIM, [1.0, 9.0, 0.0, 0.0, 0.0, 0.0]]
    box = registered(evolution.Bridge(encoding, square))
    box.decorate("evaluate", repaired)
    assert list(box.map(box.evaluate, rows)) == [(6.0,), (5.0,)]
    assert encoding.sizes == [2, 1]


def test_nothing_is_remembered_from_one_generation_to_the_next():
    encoding = Watched()
    scale = [1.0]
    box = registered(evolution.Bridge(encoding, lambda x: scale[0] * square(x)))
    box.decorate("evaluate", doubled)
    rows = [[1.0] * DIM]
    assert list(box.map(box.evaluate, rows)) == [(12.0,)]
    scale[0] = 10.0
    assert list(box.map(box.evaluate, rows)) == [(120.0,)]
    assert box.evaluate(rows[0]) == (120.0,)
    box.decorate("evaluate", lambda function: functools.wraps(function)(lambda _: 1 / 0))
    with pytest.raises(ZeroDivisionError):
        box.map(box.evaluate, rows)
    scale[0] = 1.0
    assert box.evaluate.__wrapped__.__wrapped__(rows[0]) == (6.0,)


# Refusals


NO_GENOMES = [
    ([1.0] * 5, ("has 5 genes", "6 numbers")),
    ([1.0] * 7, ("has 7 genes", "6 numbers")),
    ([], ("has 0 genes", "6 numbers")),
    (3.0, ("shape ()", "6 numbers")),
    ({1.0: 2.0}, ("shape ()", "6 numbers")),
    ("genome", ("shape ()", "6 numbers")),
    (np.zeros((DIM, 2)), ("shape (6, 2)", "6 numbers")),
    ([0.0, 1.0, "2.0", 3.0, 4.0, 5.0], ("gene '2.0'", "a number")),
    ([0.0, None, 2.0, 3.0, 4.0, 5.0], ("gene None", "a number")),
    ([0.0, 1.0, 2.0, 3.0, 4.0, [5.0]], ("gene [5.0]", "a number")),
    ([0.0, 1.0, 2.0, 3.0, 4.0, np.zeros((2, 2))], ("gene array", "a number")),
    ([0.0, 1.0, 2.0, 3.0, 4.0, 5.0j], ("gene 5j", "a number")),
]


def test_what_is_no_genome_is_refused():
    encoding = Watched()
    bridge = evolution.Bridge(encoding, square)
    for individual, words in NO_GENOMES:
        with case(str(individual)):
            with refused("individual 2 ", *words):
                bridge.map(bridge.evaluate, [*genomes(2), individual, *genomes(2)])
            with refused(*words):
                bridge.evaluate(individual)
            with refused("individual 0 ", *words):
                bridge.map(bridge.evaluate, [individual] * 6)
    assert encoding.batches == []


@pytest.mark.parametrize("kind", [bool, int, np.float32, np.int8, np.bool_])
def test_genes_may_be_numbers_of_any_kind(kind):
    rows = [[kind(place % 2) for place in range(DIM)], [kind(1)] * DIM]
    bridge = evolution.Bridge(Watched(), square)
    assert list(bridge.map(bridge.evaluate, rows)) == [(3.0,), (6.0,)]


def test_an_objective_of_the_wrong_shape_is_refused():
    bridge = evolution.Bridge(Watched(), lambda x: x[:, :2])
    with refused("shape (3, 2)", "(3, 1)"):
        bridge.map(bridge.evaluate, genomes(3))


# Whole programs


def simple(box: base.Toolbox, kind: type) -> tuple[list, tools.Logbook]:
    box.register("mate", tools.cxTwoPoint)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=1.0, indpb=0.3)
    box.register("select", tools.selTournament, tournsize=3)
    population = [kind([random.uniform(-5.0, 5.0) for _ in range(DIM)]) for _ in range(24)]
    return algorithms.eaSimple(population, box, 0.5, 0.3, 12, verbose=False)


def comma(box: base.Toolbox, kind: type) -> tuple[list, tools.Logbook]:
    box.register("mate", tools.cxBlend, alpha=0.5)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=1.0, indpb=0.3)
    box.register("select", tools.selBest)
    population = [kind([random.uniform(-5.0, 5.0) for _ in range(DIM)]) for _ in range(8)]
    return algorithms.eaMuCommaLambda(population, box, 8, 24, 0.5, 0.4, 12, verbose=False)


def strategy(box: base.Toolbox, kind: type) -> tuple[list, tools.Logbook]:
    evolve = cma.StrategyOnePlusLambda(kind([3.0] * DIM), sigma=1.0, lambda_=12)
    evolve.parent.fitness.values = (1e9,)
    box.register("generate", evolve.generate, kind)
    box.register("update", evolve.update)
    return algorithms.eaGenerateUpdate(box, 12, verbose=False)


@pytest.mark.parametrize("program", [simple, comma, strategy])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.usefixtures("stock_random")
def test_a_stock_program_finds_the_same_with_one_decode_a_generation(program, kind):
    before, numpy_before = random.getstate(), np.random.get_state()  # noqa: NPY002 - DEAP's strategies draw from it
    try:
        found = []
        for bridged in (False, True):
            random.setstate(before)
            np.random.seed(7)  # noqa: NPY002
            encoding = Watched()
            box = registered(evolution.Bridge(encoding, lambda x: x.round().square().sum(1, keepdim=True)))
            if not bridged:
                box.register("map", map)
            population, logbook = program(box, kind)
            sizes = [size for size in logbook.select("nevals") if size > 0]
            assert encoding.sizes == (sizes if bridged else [1] * sum(sizes))
            found.append(([list(i) for i in population], [i.fitness.values for i in population]))
    finally:
        np.random.set_state(numpy_before)  # noqa: NPY002
    assert found[0] == found[1]


@pytest.mark.usefixtures("stock_random")
def test_a_replicate_goes_on_in_a_stock_program():
    encoding = Watched()
    ours = evolution.toolbox(encoding, square, weights=(-1.0,))
    population, _ = evolution.eaSimple(ours.population(n=16, replicates=2), ours, 0.5, 0.3, 2)
    encoding.batches.clear()
    individuals = population.replicate(1)
    box = registered(evolution.Bridge(encoding, square))
    box.register("mate", tools.cxTwoPoint)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=0.3, indpb=0.3)
    box.register("select", tools.selTournament, tournsize=3)
    final, logbook = algorithms.eaSimple(individuals, box, 0.5, 0.3, 10, verbose=False)
    assert logbook[0]["nevals"] == 0
    assert encoding.sizes == [size for size in logbook.select("nevals") if size > 0]
    best = min(individual.fitness.values[0] for individual in final)
    assert best < -float(population.wvalues[1].max())
