"""Baselines spend exactly what they are given, and gradient ascent climbs where there is a slope."""

import math
from functools import partial

import numpy as np
import pytest
import torch
from evolving import Counting, assert_same, assert_same_logbook, sphere, toolbox
from refusals import refused

import evovae
from evovae import evolution, objectives
from evovae.encodings import LatentEncoding
from evovae.evolution import HallOfFame, gradient_ascent, gradient_ascent_iter, random_search, random_search_iter

# Random search


@pytest.mark.parametrize("budget", [1, 10, 11, 25, 30, 99])
def test_random_search_spends_exactly_its_budget(budget):
    objective = Counting()
    box = toolbox(objective)
    population, logbook = random_search(box.population(n=10, replicates=3), box, budget)
    assert objective.count == 3 * budget
    assert logbook[-1]["evaluations"].tolist() == [budget] * 3
    assert np.stack(logbook.select("nevals")).sum(0).tolist() == [budget] * 3
    assert len(population) == (budget - 1) % 10 + 1
    assert len(torch.cat(objective.batches).unique(dim=0)) == 3 * budget
    assert logbook.select("gen") == list(range(-(-budget // 10)))


def test_random_search_keeps_the_best_it_met():
    objective, hall = Counting(), HallOfFame(3)
    box = toolbox(objective)
    best = -math.inf
    for generation in random_search_iter(box.population(n=10), box, 95, hall):
        found = float(hall.fitness[0, 0])
        assert found >= best
        assert found == float(sphere(torch.cat(objective.batches)).max())
        assert torch.equal(sphere(generation.population.genomes), generation.population.fitness)
        best = found


def test_random_search_replicates_do_not_feel_each_other():
    box = toolbox()
    many, logbook = random_search(box.population(n=10, replicates=range(5), seed=4), box, 45)
    one, alone = random_search(box.population(n=10, replicates=range(3, 4), seed=4), box, 45)
    assert_same(one, many, slice(3, 4))
    assert_same_logbook(alone, logbook, slice(3, 4))


def test_random_search_draws_from_streams_of_its_own():
    box = toolbox()
    first = box.population(n=10, replicates=3, seed=4)
    drawn, _ = random_search(first, box, 10)
    others = [box.population(n=10, replicates=3, seed=seed) for seed in range(20)]
    assert not any(torch.isin(drawn.genomes, other.genomes).any() for other in others)


def test_random_search_refuses_to_search_nothing():
    box = toolbox()
    with refused("evaluations is 0"):
        random_search(box.population(n=10), box, 0)


# Gradient ascent


@pytest.mark.parametrize("budget", [1, 10, 25, 60])
def test_gradient_ascent_spends_exactly_its_budget(budget):
    objective = Counting()
    box = toolbox(objective)
    population, logbook = gradient_ascent(box.population(n=10, replicates=3), box, budget)
    assert objective.count == 3 * budget
    assert logbook[-1]["evaluations"].tolist() == [budget] * 3
    assert np.stack(logbook.select("nevals")).sum(0).tolist() == [budget] * 3
    assert len(population) == (budget - 1) % 10 + 1
    assert torch.equal(population.fitness, sphere(population.genomes))


@pytest.mark.parametrize(("objective", "weights"), [(sphere, (1.0,)), (lambda x: -sphere(x), (-3.0,))])
def test_gradient_ascent_climbs_to_the_top_of_the_sphere(objective, weights):
    box = toolbox(objective, weights=weights)
    start = box.population(n=5, replicates=2)
    genomes = start.genomes.clone()
    population, logbook = gradient_ascent(start, box, 5 * 400)
    assert torch.equal(start.genomes, genomes)
    assert (logbook[0]["max"] - logbook[0]["min"] > 0.1).all()
    assert population.fitness.abs().max() < 1e-4


def test_the_first_generation_is_the_population_itself_and_the_second_one_adam_step_away():
    box = toolbox()
    start = box.population(n=6, replicates=2)
    first, second = (generation.population for generation in gradient_ascent_iter(start, box, 12, learning_rate=0.05))
    assert torch.equal(first.genomes, start.genomes)
    # Adam's first step is the learning rate long in every gene, towards the top at zero.
    torch.testing.assert_close(second.genomes, start.genomes - 0.05 * start.genomes.sign(), rtol=0, atol=1e-5)


def test_gradient_ascent_stays_inside_the_bounds():
    box = toolbox(lambda x: x.sum(-1, keepdim=True), low=-1.0, high=1.0)
    population, _ = gradient_ascent(box.population(n=4), box, 4 * 60)
    assert torch.equal(population.genomes, torch.ones_like(population.genomes))


def test_a_replicate_climbs_alone_as_among_many():
    box = toolbox()
    runs = []
    for replicates in (range(6), range(4, 5)):
        hall = HallOfFame(3)
        population, logbook = gradient_ascent(box.population(n=7, replicates=replicates), box, 100, halloffame=hall)
        runs.append((population, logbook, hall))
    assert_same(runs[1][0], runs[0][0], slice(4, 5))
    assert_same_logbook(runs[1][1], runs[0][1], slice(4, 5))
    assert torch.equal(runs[1][2].genomes, runs[0][2].genomes[4:5])


def test_gradients_pass_through_a_decoder_and_climb_faster_than_random_search(digits):
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=8, hidden=(16,)), seed=1)
    box = evolution.toolbox(LatentEncoding(vae), objectives.target(digits.test.images[0]))
    start = box.population(n=10, replicates=2)
    found = {}
    for search in (gradient_ascent, random_search):
        hall = HallOfFame(1)
        search(start, box, 400, halloffame=hall)
        found[search] = hall.fitness[:, 0, 0]
        assert torch.allclose(box.evaluate(hall.genomes[:, 0])[:, 0], found[search])
    assert (found[gradient_ascent] < found[random_search]).all()
    assert all(parameter.grad is None for parameter in vae.parameters())


def test_large_populations_are_differentiated_in_small_pieces():
    objective = Counting()
    genomes = torch.randn(2500, 5, generator=torch.Generator().manual_seed(0))
    fitness, gradient = toolbox(objective).gradient(genomes)
    assert torch.equal(fitness, sphere(genomes))
    torch.testing.assert_close(gradient, -2 * genomes)
    assert max(len(batch) for batch in objective.batches) <= 1024
    assert not fitness.requires_grad


def test_where_the_gradient_is_not_finite_nobody_moves():
    box = toolbox(lambda x: x[:, :1].sqrt() + x[:, 1:].sum(-1, keepdim=True))
    start = box.population(n=20)
    population, _ = gradient_ascent(start, box, 60)
    lost = start.genomes[0, :, 0] <= 0
    assert 0 < lost.sum() < 20
    assert torch.equal(population.genomes[0, lost], start.genomes[0, lost])
    assert (population.genomes[0, ~lost] > start.genomes[0, ~lost]).all()


@pytest.mark.parametrize(
    ("objective", "weights", "words"),
    [
        (lambda x: (x > 0).sum(-1, keepdim=True).float(), (1.0,), ("no gradient", "smooth")),
        (lambda x: x[:, :2], (1.0, 1.0), ("2 objectives", "weighted sum")),
    ],
)
def test_objectives_without_a_slope_are_refused(objective, weights, words):
    box = toolbox(objective, weights=weights)
    with refused(*words):
        gradient_ascent(box.population(n=4), box, 20)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"evaluations": 0}, ("evaluations is 0", "1 or more")),
        ({"evaluations": 10, "learning_rate": 0.0}, ("learning rate is 0.0", "positive")),
        ({"evaluations": 10, "learning_rate": math.nan}, ("learning rate is nan", "positive")),
        ({"evaluations": 10, "learning_rate": "0.1"}, ("learning rate is '0.1': expected a positive number",)),
        ({"evaluations": 1e3}, ("evaluations is 1000.0: expected a whole number, 1 or more",)),
    ],
)
def test_impossible_climbs_are_refused(arguments, words):
    box = toolbox()
    with refused(*words):
        partial(gradient_ascent, box.population(n=4), box)(**arguments)


def test_a_climb_whose_last_generation_is_smaller_takes_a_traced_population():
    box = toolbox(dim=3)
    famous = evolution.HallOfFame(3)
    last, _ = evolution.gradient_ascent(box.population(n=6, replicates=2).traced(), box, 15, halloffame=famous)
    assert last.genomes.shape == (2, 3, 3)
    assert famous.fitness.isfinite().all()
