"""Objectives that need the whole population, that are random, or whose fitness does not last."""

import pytest
import torch

from evovae import evolution
from evovae.base import Draws, InputError
from evovae.encodings import VectorEncoding
from evovae.evolution import Population


def novelty(phenotypes: torch.Tensor) -> torch.Tensor:
    return torch.cdist(phenotypes, phenotypes).mean(2, keepdim=True)  # R N 1


@pytest.mark.parametrize("replicates", [1, 3])
def test_an_objective_that_needs_the_whole_population_gets_each_replicate_whole(replicates: int) -> None:
    seen: list[tuple[int, ...]] = []

    def watching(phenotypes: torch.Tensor) -> torch.Tensor:
        seen.append(tuple(phenotypes.shape))
        return novelty(phenotypes)

    box = evolution.toolbox(VectorEncoding(4), watching, population=True)
    population = box.population(n=1500, replicates=replicates)
    last, logbook = evolution.eaSimple(population, box, 0.2, 0.1, 3)
    assert seen == [(replicates, 1500, 4)] * 4, "undivided, once a generation"
    torch.testing.assert_close(last.fitness, novelty(last.genomes))
    assert logbook[-1]["nevals"] == 1500 if replicates == 1 else (logbook[-1]["nevals"] == 1500).all()


def test_elites_meet_the_others_of_their_generation() -> None:
    box = evolution.toolbox(VectorEncoding(2), novelty, population=True)
    *_, last = evolution.eaSimple_iter(box.population(n=30, replicates=2), box, 0.5, 0.5, 5, elites=5)
    torch.testing.assert_close(last.population.fitness, novelty(last.population.genomes))


def test_a_random_objective_draws_from_the_replicates_own_streams() -> None:
    def noisy(phenotypes: torch.Tensor, random: Draws) -> torch.Tensor:
        return -phenotypes.square().sum(1, keepdim=True) + random.normal(len(phenotypes), 1)

    def run(replicates: int | range) -> Population:
        box = evolution.toolbox(VectorEncoding(3), noisy, random=True)
        return evolution.eaSimple(box.population(n=20, replicates=replicates, seed=4), box, 0.5, 0.3, 4)[0]

    together, alone = run(3), run(range(1, 2))
    assert torch.equal(together.genomes[1:2], alone.genomes)
    assert torch.equal(together.fitness[1:2], alone.fitness)
    assert not torch.equal(together.fitness[0], together.fitness[1])


def test_fitness_that_does_not_last_is_found_anew_for_everybody() -> None:
    time = 0

    def drifting(phenotypes: torch.Tensor) -> torch.Tensor:
        nonlocal time
        time += 1
        return torch.full((len(phenotypes),), float(time))

    box = evolution.toolbox(VectorEncoding(3), drifting, reevaluate=True)
    for search in (
        evolution.eaSimple_iter(box.population(n=50), box, 0.1, 0.1, 3, elites=10),
        evolution.eaMuPlusLambda_iter(box.population(n=50), box, 50, 50, 0.1, 0.1, 3),
    ):
        for generation in search:
            assert (generation.population.fitness == time).all(), "nobody lives on an old fitness"


def test_a_gradient_needs_a_plain_objective() -> None:
    box = evolution.toolbox(VectorEncoding(3), novelty, population=True)
    with pytest.raises(InputError, match="needs the whole population, or is random: a gradient climbs a plain one"):
        evolution.gradient_ascent(box.population(n=4), box, 8)
