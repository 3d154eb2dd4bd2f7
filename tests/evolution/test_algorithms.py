"""DEAP's other algorithms on whole populations: the same logbooks, survivors and climbs as the originals."""

import itertools
import math
import random
from functools import partial

import numpy as np
import pytest
import torch
from deap import algorithms as stock
from deap import base, tools
from evolving import Counting, assert_same, assert_same_logbook, case, sphere, toolbox
from refusals import refused
from scipy import stats

import evovae
from evovae import evolution, objectives
from evovae.base import InputError
from evovae.encodings import LatentEncoding
from evovae.evolution import (
    EarlyStopping,
    HallOfFame,
    collect,
    eaMuCommaLambda,
    eaMuCommaLambda_iter,
    eaMuPlusLambda,
    eaMuPlusLambda_iter,
    eaSimple,
    eaSimple_iter,
    variation,
    varOr,
)
from evovae.evolution.population import ranking

SIGNIFICANCE = 1e-3
PLUS = partial(eaMuPlusLambda, mu=12, lambda_=20, cxpb=0.5, mutpb=0.3, ngen=6)
COMMA = partial(eaMuCommaLambda, mu=12, lambda_=20, cxpb=0.5, mutpb=0.3, ngen=6)
ELITIST = partial(eaSimple, cxpb=0.5, mutpb=0.3, ngen=6, elites=3)
algorithms = pytest.mark.parametrize("algorithm", [PLUS, COMMA, ELITIST], ids=["plus", "comma", "elitist"])


def two_sides(x: torch.Tensor) -> torch.Tensor:
    """Squared distances from (1, 0, ...) and from (-1, 0, ...): the front lies between (Schaffer 1985)."""
    centre = torch.zeros_like(x)
    centre[:, 0] = 1.0
    return torch.stack(((x - centre).square().sum(1), (x + centre).square().sum(1)), dim=1)


# All of them


@algorithms
def test_a_replicate_alone_equals_the_same_among_many(algorithm):
    box, runs = toolbox(), []
    for replicates in (range(7), range(5, 6), range(2, 4)):
        hall = HallOfFame(3)
        runs.append((*algorithm(box.population(n=12, replicates=replicates, seed=7), box, halloffame=hall), hall))
    for run, rows in ((runs[1], slice(5, 6)), (runs[2], slice(2, 4))):
        assert_same(run[0], runs[0][0], rows)
        assert_same_logbook(run[1], runs[0][1], rows)
        assert torch.equal(run[2].genomes, runs[0][2].genomes[rows])


@algorithms
def test_through_a_decoder_a_replicate_alone_equals_the_same_among_many_to_rounding(algorithm, digits):
    # A batch of another size may round otherwise, and one flipped comparison makes another search: few generations.
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=6, hidden=(32,)), seed=3)
    box = evolution.toolbox(LatentEncoding(vae), objectives.target(digits.test.images[0]))
    many, one = (algorithm(box.population(n=12, replicates=r, seed=7), box, ngen=3) for r in (range(7), range(5, 6)))
    torch.testing.assert_close(one[0].genomes[0], many[0].genomes[5], rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(one[0].fitness[0], many[0].fitness[5], rtol=1e-5, atol=1e-6)
    assert [entry["nevals"] for entry in one[1]] == [entry["nevals"][5] for entry in many[1]]


@algorithms
def test_the_same_call_twice_gives_the_same_bits_and_changes_no_input(algorithm):
    box = toolbox()
    start = box.population(n=12, replicates=2, seed=1)
    genomes = start.genomes.clone()
    first, second = (algorithm(start, box) for _ in range(2))
    assert_same(first[0], second[0])
    assert_same_logbook(first[1], second[1])
    assert torch.equal(start.genomes, genomes)


@algorithms
def test_packed_variation_equals_masked_variation(monkeypatch, algorithm):
    box, results = toolbox(low=-1.0, high=1.0), []
    for free in (True, False):
        monkeypatch.setattr(variation, "counts_are_free", lambda tensor, free=free: free)
        results.append(algorithm(box.population(n=12, replicates=3, seed=4), box))
    assert_same(results[0][0], results[1][0])
    assert_same_logbook(results[0][1], results[1][1])


@algorithms
def test_only_changed_genomes_are_decoded_and_fitness_belongs_to_its_genome(algorithm):
    objective = Counting()
    box = toolbox(objective, low=-1.0, high=1.0)
    population, logbook = algorithm(box.population(n=12, replicates=3), box)
    assert population.valid.all()
    assert torch.equal(population.fitness, sphere(population.genomes))
    assert sum(logbook.select("nevals")).sum() == objective.count
    np.testing.assert_array_equal(logbook.select("evaluations"), np.cumsum(logbook.select("nevals"), axis=0))
    assert logbook[0]["nevals"].tolist() == [12] * 3
    assert all((entry["nevals"] < 20).all() for entry in logbook)


@algorithms
def test_the_hall_of_fame_sees_offspring_that_do_not_survive(algorithm):
    objective = Counting()
    hall, box = HallOfFame(1), toolbox(objective)
    algorithm(box.population(n=12, replicates=1), box, halloffame=hall)
    assert float(hall.fitness) == float(sphere(torch.cat(objective.batches)).max())


# varOr


@pytest.mark.parametrize(("cxpb", "mutpb"), [(0.5, 0.3), (1.0, 0.0), (0.0, 1.0), (0.0, 0.0), (0.2, 0.8)])
@pytest.mark.parametrize("free", [True, False])
def test_offspring_are_crossed_or_mutated_or_copied_as_often_as_asked(monkeypatch, free, cxpb, mutpb):
    monkeypatch.setattr(variation, "counts_are_free", lambda tensor: free)
    swap = lambda first, second, random: (first * 10, second * 10)  # noqa: E731
    box = toolbox(mate=swap, mutate=lambda genomes, random: genomes + 1000.0)
    parents = evolution.evaluate(box.population(n=8, replicates=2), box)
    parents.genomes.copy_(torch.arange(1.0, 9.0).view(1, 8, 1).expand(2, 8, 5))
    offspring = varOr(parents, box, 3000, cxpb, mutpb)
    gene = offspring.genomes[..., 0]
    copied, crossed, mutated = gene < 9, (gene >= 10) & (gene < 100), gene > 1000
    assert torch.equal(offspring.valid, copied)
    assert (copied | crossed | mutated).all()
    for which, share in ((crossed, cxpb), (mutated, mutpb)):
        assert stats.binomtest(int(which.sum()), 6000, share).pvalue > SIGNIFICANCE
    # Every parent is as likely as another, in all three.
    number = torch.where(mutated, gene - 1000, torch.where(crossed, gene / 10, gene))
    assert stats.chisquare(np.bincount(number.long().flatten(), minlength=9)[1:]).pvalue > SIGNIFICANCE


def test_nobody_mates_with_itself():
    pairs = []

    def mate(first, second, random):
        pairs.append(torch.cat((first[:, :1], second[:, :1]), dim=1))
        return first.clone(), second.clone()

    box = toolbox(mate=mate)
    parents = box.population(n=4)
    parents.genomes.copy_(torch.arange(4.0).view(1, 4, 1).expand(1, 4, 5))
    varOr(parents, box, 6000, 1.0, 0.0)
    counts = np.bincount((pairs[0] @ torch.tensor([4.0, 1.0])).long(), minlength=16).reshape(4, 4)
    assert (counts.diagonal() == 0).all()
    assert stats.chisquare(counts[~np.eye(4, dtype=bool)]).pvalue > SIGNIFICANCE


def test_offspring_share_no_memory_with_their_parents():
    box = toolbox()
    parents = evolution.evaluate(box.population(n=6, replicates=2), box)
    kept = parents.genomes.clone()
    offspring = varOr(parents, box, 9, 0.3, 0.3)
    offspring.genomes.fill_(math.nan)
    offspring.fitness.fill_(math.nan)
    assert torch.equal(parents.genomes, kept)
    assert parents.fitness.isfinite().all()


# Survivors


def test_plus_keeps_the_best_of_parents_and_offspring_and_comma_of_offspring_alone():
    met: list[torch.Tensor] = []
    box = toolbox(select=lambda population, k: met.append(population.fitness) or evolution.selBest(population, k))
    start = box.population(n=10, replicates=2)
    plus = list(eaMuPlusLambda_iter(start, box, 10, 16, 0.5, 0.3, 8))
    assert {len(found[0]) for found in met} == {26}
    for before, after, pool in zip(plus, plus[1:], met, strict=False):
        assert torch.equal(pool[:, :10], before.population.fitness)
        assert torch.equal(after.population.fitness, pool.sort(dim=1, descending=True).values[:, :10])
    met.clear()
    comma = list(eaMuCommaLambda_iter(start, box, 10, 16, 0.5, 0.3, 8))
    assert {len(found[0]) for found in met} == {16}
    assert {len(generation.population) for generation in comma} == {10}


def test_mu_may_differ_from_the_initial_size():
    box = toolbox()
    population, _ = eaMuPlusLambda(box.population(n=30, replicates=2), box, 5, 11, 0.5, 0.3, 3)
    assert population.genomes.shape == (2, 5, 5)


@pytest.mark.parametrize("elites", [1, 4, 19])
def test_elites_pass_unchanged_and_are_not_evaluated_again(elites):
    box = toolbox(mutate=lambda genomes, random: genomes + 100.0)  # everything new is worse
    runs = list(eaSimple_iter(box.population(n=20, replicates=3), box, 0.0, 1.0, 5, elites=elites))
    best = runs[0].population.best(elites)
    for generation in runs[1:]:
        assert torch.equal(generation.population.best(elites).genomes, best.genomes)
        assert generation.nevals.tolist() == [20 - elites] * 3
        assert len(generation.population) == 20


def test_with_elites_the_best_never_gets_worse():
    box = toolbox()
    _, logbook = eaSimple(box.population(n=10, replicates=5), box, 0.9, 0.9, 30, elites=1)
    assert (np.diff(logbook.select("max"), axis=0) >= 0).all()
    _, without = eaSimple(box.population(n=10, replicates=5), box, 0.9, 0.9, 30)
    assert (np.diff(without.select("max"), axis=0) < 0).any()


# Against DEAP


def stock_run(name: str, ngen: int) -> tuple[float, float, int]:
    maximise = type("Maximise", (base.Fitness,), {"weights": (1.0,)})

    class Individual(list):
        def __init__(self, genes: list[float]) -> None:
            super().__init__(genes)
            self.fitness = maximise()

    box = base.Toolbox()
    box.register("evaluate", lambda individual: (-sum(gene * gene for gene in individual),))
    box.register("mate", tools.cxBlend, alpha=0.5)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=0.5, indpb=0.2)
    box.register("select", tools.selTournament, tournsize=3)
    population = [Individual([random.gauss(0.0, 1.0) for _ in range(5)]) for _ in range(12)]
    run = getattr(stock, name)
    population, logbook = run(population, box, 12, 20, 0.5, 0.3, ngen, verbose=False)
    values = [individual.fitness.values[0] for individual in population]
    return max(values), float(np.mean(values)), sum(logbook.select("nevals"))


@pytest.mark.parametrize("algorithm", [eaMuPlusLambda, eaMuCommaLambda])
@pytest.mark.usefixtures("stock_random")
def test_the_sphere_is_climbed_as_by_stock_deap(algorithm):
    box = toolbox()
    _, logbook = algorithm(box.population(n=12, replicates=400, seed=6), box, 12, 20, 0.5, 0.3, 12)
    mine = (logbook[-1]["max"], logbook[-1]["mean"], sum(logbook.select("nevals")))
    theirs = zip(*(stock_run(algorithm.__name__, 12) for _ in range(60)), strict=True)
    for one, other in zip(mine, theirs, strict=True):
        assert stats.ks_2samp(one, other).pvalue > SIGNIFICANCE
        assert stats.mannwhitneyu(one, other).pvalue > SIGNIFICANCE


# Several objectives


def test_nsga2_finds_the_whole_front_and_its_logbook_tells():
    box = toolbox(two_sides, weights=(-1.0, -1.0), select=evolution.selNSGA2)
    start = box.population(n=40, replicates=3)
    archive = evolution.ParetoFront(maxsize=40)
    generations = eaMuPlusLambda_iter(start, box, 40, 40, 0.6, 0.3, 60, halloffame=archive)
    population, logbook = collect(generations, reference=(5.0, 5.0))
    # On the front f2 = (2 - sqrt(f1))^2 between (0, 4) and (4, 0), which dominates 67/3 of the 25 up to (5, 5).
    first, second = population.fitness.unbind(2)
    assert ((first.sqrt() + second.sqrt() - 2.0).abs() < 0.1).all()
    whole = 25 - 8 / 3
    for entry in logbook:
        assert entry["hypervolume"].shape == entry["front"].shape == (3,)
        assert (entry["hypervolume"] < whole).all()
    assert (logbook[-1]["hypervolume"] > 0.95 * whole).all()
    # Crowding decides who goes when the front is full, and may cost a little of the volume.
    assert (np.diff(logbook.select("hypervolume"), axis=0) > -0.5).all()
    assert (logbook[-1]["front"] > 35).all()
    assert (archive.fitness.amin(1) < 0.1).all()
    sizes = [len(tools.sortNondominated(population.replicate(r), 40)[0]) for r in range(3)]
    assert logbook[-1]["front"].tolist() == sizes


def test_individuals_with_an_objective_that_is_not_finite_are_in_no_front_and_no_mean():
    def objective(x: torch.Tensor) -> torch.Tensor:
        return torch.stack((x[:, 0] + 100.0, torch.where(x[:, 0] > 0.0, math.nan, x[:, 1])), dim=1)

    box = toolbox(objective, weights=(1.0, 1.0), select=evolution.selNSGA2)
    start = box.population(n=30, replicates=3)
    start.genomes[2, :, 0] = 1.0
    generation = next(eaMuPlusLambda_iter(start, box, 30, 30, 0.5, 0.3, 0))
    columns, fitness = generation.statistics(reference=(0.0, -9.0)), generation.population.fitness.double()
    assert columns["nonfinite"].tolist() == fitness.isnan().any(2).sum(1).tolist()
    assert columns["front"][2] == columns["hypervolume"][2] == 0
    assert np.isnan(columns["max"][2]).all()
    for r in range(2):
        known = fitness[r][fitness[r].isfinite().all(1)].numpy()
        assert 0 < len(known) < 30
        for name in ("min", "mean", "max", "std"):
            np.testing.assert_allclose(columns[name][r], getattr(known, name)(0))


def test_one_objective_has_no_front_in_its_logbook():
    _, logbook = eaSimple(toolbox().population(n=6), toolbox(), 0.5, 0.2, 1)
    assert not {"front", "hypervolume"} & set(logbook[0])


# Early stopping


def run(stop: EarlyStopping, box: base.Toolbox | None = None, **settings) -> list[evolution.Generation]:
    box = box or toolbox()
    return list(stop(eaSimple_iter(box.population(n=20, replicates=3), box, 0.5, 0.3, 60, **settings)))


def test_a_run_stops_when_the_last_replicate_has_reached_the_target():
    stop, whole = EarlyStopping(target=-0.5), run(EarlyStopping())
    generations = run(stop)
    best = np.maximum.accumulate([generation.statistics()["max"] for generation in whole])
    expected = int((best >= -0.5).all(1).argmax())
    assert 0 < expected < 60
    assert generations[-1].gen == expected
    assert "reached -0.5" in str(stop.reason)
    assert_same(generations[-1].population, whole[expected].population)


def test_a_replicate_that_reached_the_target_once_has_reached_it():
    # Everything is mutated far away in each generation: no replicate is at its best when the last one is.
    box = toolbox(mutate=lambda genomes, random: random.normal(*genomes.shape) * 3.0)
    start, stop = box.population(n=20, replicates=4, seed=3), EarlyStopping(target=-3.0)
    start.genomes.add_(10.0)
    generations = list(stop(eaSimple_iter(start, box, 0.0, 1.0, 400)))
    best = np.stack([generation.statistics()["max"] for generation in generations])
    assert (best.max(0) >= -3.0).all()
    assert 1 <= (best[-1] >= -3.0).sum() < 4
    assert stop.reason is not None


def test_a_target_is_reached_by_offspring_that_do_not_survive():
    # The best of parents and offspring is lost at once.
    box = toolbox(select=lambda pool, k: pool.take(ranking(pool.wvalues)[:, 1 : k + 1]))
    whole = list(eaMuPlusLambda_iter(box.population(n=10, seed=3), box, 10, 10, 0.5, 0.5, 20))
    survivors = max(float(g.population.fitness.max()) for g in whole)
    offspring = max(float(g.offspring.fitness.max()) for g in whole)
    assert offspring > survivors
    stop = EarlyStopping(target=(offspring + survivors) / 2)
    list(stop(eaMuPlusLambda_iter(box.population(n=10, seed=3), box, 10, 10, 0.5, 0.5, 20)))
    assert stop.reason is not None


def test_the_reason_is_known_at_the_last_generation():
    stop = EarlyStopping(evaluations=50)
    reasons = [stop.reason for _ in stop(eaSimple_iter(toolbox().population(n=20), toolbox(), 0.5, 0.3, 60))]
    assert reasons[:-1] == [None] * (len(reasons) - 1)
    assert "50 evaluations" in str(reasons[-1])


def test_a_target_of_a_minimised_objective_is_reached_from_above():
    stop, box = EarlyStopping(target=0.5), toolbox(lambda x: -sphere(x), weights=(-1.0,))
    last = run(stop, box)[-1]
    assert 0 < last.gen < 60
    assert (last.population.fitness.amin(1) <= 0.5).any()


def test_a_run_stops_after_so_many_generations_without_a_better_one():
    stop, box = EarlyStopping(stagnation=4), toolbox(lambda x: x.sum(-1, keepdim=True), low=-1.0, high=1.0)
    generations = run(stop, box, elites=1)
    best = np.stack([generation.statistics()["max"] for generation in generations])
    improved = (np.diff(best, axis=0) > 0).any(1).nonzero()[0].max() + 1
    assert generations[-1].gen == improved + 4 < 60
    assert "4 generations" in str(stop.reason)


def test_a_run_stops_when_every_replicate_has_spent_its_evaluations():
    stop = EarlyStopping(evaluations=100)
    generations = run(stop)
    assert (generations[-1].evaluations >= 100).all()
    assert not (generations[-2].evaluations >= 100).all()
    assert "100 evaluations" in str(stop.reason)


def test_a_run_stops_when_its_time_has_passed(monkeypatch):
    clock = itertools.count(step=10)  # ten seconds pass from one look at the clock to the next
    monkeypatch.setattr("time.monotonic", lambda: next(clock))
    stop = EarlyStopping(seconds=45)
    assert len(run(stop)) == 5
    assert stop.reason == "45 seconds have passed"


def test_without_conditions_and_where_none_is_met_a_run_goes_to_its_end():
    for stop in (EarlyStopping(), EarlyStopping(target=1.0, stagnation=100, evaluations=10**6, seconds=1e6)):
        assert len(run(stop)) == 61
        assert stop.reason is None


def test_stopping_can_be_used_again_and_anew():
    stop = EarlyStopping(evaluations=50)
    first, second = run(stop), run(stop)
    assert len(first) == len(second)
    population, logbook = collect(stop(eaSimple_iter(toolbox().population(n=20), toolbox(), 0.5, 0.3, 60)))
    assert len(logbook) < 61
    assert len(population) == 20


# Refusals


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"target": math.nan}, ("target is nan", "finite")),
        ({"stagnation": 0}, ("stagnation is 0", "1 or more")),
        ({"evaluations": 0}, ("evaluations is 0", "1 or more")),
        ({"seconds": 0.0}, ("seconds is 0.0", "positive")),
        ({"seconds": math.nan}, ("seconds is nan", "positive")),
        ({"target": [1.0, 2.0]}, ("target is [1.0, 2.0]: expected a finite fitness",)),
        ({"target": "0.5"}, ("target is '0.5': expected a finite fitness",)),
        ({"stagnation": [5]}, ("stagnation is [5]: expected a whole number, 1 or more",)),
        ({"evaluations": 1e6}, ("evaluations is 1000000.0: expected a whole number, 1 or more",)),
        ({"seconds": "60"}, ("seconds is '60': expected a positive number",)),
    ],
)
def test_impossible_conditions_are_refused(settings, words):
    with refused(*words):
        EarlyStopping(**settings)


def test_what_are_no_generations_is_refused():
    box = toolbox()
    generations = list(eaSimple_iter(box.population(n=4), box, 0.5, 0.3, 2))
    with refused("generations is a list: expected those of eaSimple_iter or the like"):
        list(EarlyStopping(evaluations=1)(generations))
    assert [generation.gen for generation in EarlyStopping()(iter(generations))] == [0, 1, 2]
    with refused("generations has a Population: expected those of eaSimple_iter or the like"):
        collect(eaSimple(box.population(n=4), box, 0.5, 0.3, 2))


@pytest.mark.parametrize("settings", [{"target": 1.0}, {"stagnation": 3}])
def test_of_several_objectives_there_is_no_best_to_stop_at(settings):
    box = toolbox(two_sides, weights=(-1.0, -1.0))
    with refused("several objectives"):
        run(EarlyStopping(**settings), box)


IMPOSSIBLE = [
    ({"cxpb": 0.6, "mutpb": 0.5}, ("0.6 and 0.5", "at most 1")),
    ({"cxpb": -0.1}, ("cxpb is -0.1", "from 0 to 1")),
    ({"mutpb": math.nan}, ("mutpb is nan", "from 0 to 1")),
    ({"mu": 0}, ("mu is 0", "1 or more")),
    ({"mu": 1}, ("mu is 1", "nobody to mate with")),
    ({"lambda_": 7.5}, ("lambda_ is 7.5", "whole number")),
    ({"mu": None}, ("mu is None", "whole number")),
    ({"cxpb": "0.5"}, ("cxpb is '0.5'", "from 0 to 1")),
    ({"lambda_": 0}, ("lambda_ is 0", "1 or more")),
    ({"ngen": -1}, ("ngen is -1", "0 or more")),
]


@pytest.mark.parametrize("algorithm", [eaMuPlusLambda, eaMuCommaLambda])
def test_impossible_numbers_are_refused(algorithm):
    box = toolbox()
    sound = {"mu": 4, "lambda_": 8, "cxpb": 0.5, "mutpb": 0.3, "ngen": 1}
    for settings, words in IMPOSSIBLE:
        with case(str(settings)), refused(*words):
            algorithm(box.population(n=4), box, **(sound | settings))


@pytest.mark.parametrize("algorithm", [eaMuPlusLambda_iter, eaMuCommaLambda_iter])
def test_a_mistake_is_refused_at_the_call_and_not_when_generations_are_asked_for(algorithm):
    box = toolbox()
    population = box.population(n=6)
    for wrong in (
        lambda: algorithm(population, box, 4, 8, 0.5, 0.3, -1),
        lambda: eaSimple_iter(population, box, 0.5, 0.3, -1),
        lambda: evolution.random_search_iter(population, box, 0),
        lambda: evolution.gradient_ascent_iter(population, box, 10, learning_rate=-1.0),
        lambda: evolution.eaGenerateUpdate_iter(box, 0),
    ):
        with pytest.raises(InputError):
            wrong()


@pytest.mark.parametrize("algorithm", [eaMuPlusLambda, eaMuCommaLambda])
def test_a_single_parent_climbs_by_mutation_alone(algorithm):
    # (1 + 10) and (1, 10): the first evolution strategies.
    box = toolbox(select=evolution.selBest)
    population, logbook = algorithm(box.population(n=1, replicates=4), box, 1, 10, 0.0, 1.0, 60)
    assert population.genomes.shape == (4, 1, 5)
    assert (logbook[-1]["max"] > logbook[0]["max"]).all()
    with refused("nobody to mate with"):
        varOr(population, box, 4, 0.5, 0.5)


@pytest.mark.parametrize("algorithm", [eaMuPlusLambda, eaMuCommaLambda])
@pytest.mark.parametrize(("cxpb", "mutpb"), [(1.0, 0.0), (0.0, 1.0)])
def test_genomes_stay_inside_the_support(algorithm, cxpb, mutpb):
    box = toolbox(lambda x: x.sum(-1, keepdim=True), low=-0.3, high=0.3)
    population, _ = algorithm(box.population(n=20, replicates=2), box, 20, 30, cxpb, mutpb, 6)
    assert population.genomes.abs().max() <= 0.3


def test_comma_needs_as_many_offspring_as_survivors():
    box = toolbox()
    with refused("lambda_ is 7", "mu (8)"):
        eaMuCommaLambda(box.population(n=8), box, 8, 7, 0.5, 0.3, 1)


@pytest.mark.parametrize("elites", [-1, 6, 1.5, None])
def test_elites_must_leave_room_for_offspring(elites):
    box = toolbox()
    with refused(f"elites is {elites}: expected a whole number, 0 to 5"):
        eaSimple(box.population(n=6), box, 0.5, 0.2, 1, elites=elites)
