"""Fitness keeps the precision that the objective gives it."""

import numpy as np
import pytest
import torch
from evolving import sphere, toolbox

from evovae import evolution
from evovae.encodings import VectorEncoding
from evovae.evolution import Bridge, EarlyStopping, HallOfFame, Population
from evovae.objectives import ink, weighted_sum

OFFSET = 1e8


def far(x: torch.Tensor) -> torch.Tensor:
    return OFFSET + x.double().square().sum(1, keepdim=True)


def test_an_offset_does_not_stall_the_search() -> None:
    box = toolbox(far, 5, weights=(-1.0,))
    box.register("mutate", evolution.mutGaussian, mu=0.0, sigma=0.05, indpb=0.4)
    famous = HallOfFame(1)
    population = box.population(n=100, replicates=3, seed=1)
    last, logbook = evolution.eaSimple(population, box, 0.5, 0.4, 60, halloffame=famous)
    assert last.fitness.dtype == torch.float64
    _, book = evolution.eaSimple(
        toolbox(lambda x: x.double().square().sum(1), 5, weights=(-1.0,), mutate=box.mutate).population(100, 3, 1),
        toolbox(lambda x: x.double().square().sum(1), 5, weights=(-1.0,), mutate=box.mutate),
        0.5,
        0.4,
        60,
    )
    assert ((famous.fitness - OFFSET) < 0.02).all(), "float32 knows no distance below 4"
    np.testing.assert_allclose(logbook[-1]["min"] - OFFSET, book[-1]["min"], atol=1e-6)


@pytest.mark.parametrize("weight", [1e-50, 1e40])
def test_weights_of_any_size_select(weight: float) -> None:
    box, plain = (toolbox(sphere, 5, weights=(w,)) for w in (weight, 1.0))
    ours, _ = evolution.eaSimple(box.population(n=30), box, 0.5, 0.5, 10)
    theirs, _ = evolution.eaSimple(plain.population(n=30), plain, 0.5, 0.5, 10)
    assert torch.equal(ours.genomes, theirs.genomes)


def test_a_small_term_of_a_sum_is_not_lost() -> None:
    images = torch.rand(6, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    found = weighted_sum([(1e-46, ink())], "small")(images)
    assert found.dtype == torch.float64
    torch.testing.assert_close(found * 1e46, ink()(images).double(), rtol=1e-12, atol=0)


def test_values_beyond_float32_are_finite() -> None:
    box = toolbox(lambda x: 1e39 * x.double().sum(1), 3)
    _, logbook = evolution.eaSimple(box.population(n=20), box, 0.5, 0.5, 3)
    assert logbook[-1]["nonfinite"] == 0
    assert logbook[-1]["max"] > 1e39


def test_two_objectives_that_differ_beyond_float32_are_no_ties() -> None:
    def close(x: torch.Tensor) -> torch.Tensor:
        x = x.double()
        return torch.stack((OFFSET + x[:, 0], OFFSET - x[:, 0]), dim=1)

    box = toolbox(close, 2, weights=(1.0, 1.0), select=evolution.selNSGA2)
    box.register("mutate", evolution.mutGaussian, mu=0.0, sigma=0.5, indpb=1.0)
    last, logbook = evolution.eaMuPlusLambda(box.population(n=16), box, 16, 16, 0.5, 0.5, 2)
    assert last.fitness[0, :, 0].unique().numel() == 16
    assert logbook[-1]["front"] == 16


def test_a_target_that_float32_does_not_know_is_reached_when_it_is() -> None:
    def counting(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, 0] > 1.0, 16_777_217, 16_776_216 + 1000)  # whole numbers

    stop = EarlyStopping(target=16_777_217)
    box = toolbox(counting, 2)
    population = Population.unevaluated(torch.zeros(1, 4, 2), (1.0,), box.population(n=1).streams)
    *_, last = stop(evolution.eaSimple_iter(population, box, 0.0, 0.0, 3))
    assert stop.reason is None
    assert last.gen == 3
    stop = EarlyStopping(target=0.1)
    box = toolbox(lambda x: torch.full((len(x),), 0.1), 2, weights=(-1.0,))
    list(stop(evolution.eaSimple_iter(box.population(n=4), box, 0.5, 0.5, 3)))
    assert stop.reason == "every replicate has reached 0.1", "a float32 objective is held to float32's 0.1"


def test_the_bridge_gives_each_individual_its_own_value() -> None:
    bridge = Bridge(VectorEncoding(2), far, (-1.0,))
    values = [value for (value,) in bridge.map(bridge.evaluate, [[0.1, 0.0], [0.2, 0.0], [0.3, 0.0], [0.4, 0.0]])]
    assert values == sorted(set(values))


def test_float32_objectives_keep_float32() -> None:
    box = toolbox(sphere, 3)
    last, _ = evolution.eaSimple(box.population(n=10), box, 0.5, 0.5, 2)
    assert last.fitness.dtype == torch.float32


def test_the_default_dtype_of_torch_is_of_no_consequence() -> None:
    def run() -> Population:
        box = toolbox(lambda x: -x.square().sum(1), 4, -2.0, 2.0)
        evolution.SeparableCMAES(box.population(n=6, replicates=2), 0.3).register(box)
        evolution.eaGenerateUpdate(box, 3)
        population = box.population(n=12, replicates=2, seed=1)
        return evolution.eaMuPlusLambda(population, box, 12, 12, 0.5, 0.3, 4)[0]

    plain = run()
    torch.set_default_dtype(torch.float64)
    try:
        other = run()
    finally:
        torch.set_default_dtype(torch.float32)
    assert torch.equal(plain.genomes, other.genomes)
    assert plain.fitness.dtype == other.fitness.dtype == torch.float32
