"""Whole evolutions: DEAP's meaning, replicates that do not affect each other, and logbooks that add up."""

import dataclasses
import math
import random
from collections.abc import Callable
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
from evovae import evolution
from evovae.base import Streams
from evovae.encodings import LatentEncoding
from evovae.evolution import HallOfFame, Population, eaSimple, eaSimple_iter, random_search, variation

SIGNIFICANCE = 1e-3
CROSSOVERS = {
    "cxOnePoint": evolution.cxOnePoint,
    "cxTwoPoint": evolution.cxTwoPoint,
    "cxUniform": partial(evolution.cxUniform, indpb=0.3),
    "cxBlend": partial(evolution.cxBlend, alpha=0.5),
    "cxSlerp": evolution.cxSlerp,
}


def latent_toolbox(support: str) -> base.Toolbox:
    vae = evovae.VAE(evovae.VAEConfig(data_shape=(1, 4, 4), latent_dim=6, hidden=(8,)), seed=3)
    return evolution.toolbox(LatentEncoding(vae, support), lambda images: images.flatten(1).amax(1, keepdim=True))


# Replicates and repetitions


@pytest.mark.parametrize("mate", CROSSOVERS.values(), ids=CROSSOVERS.keys())
def test_a_replicate_alone_equals_the_same_among_many(mate):
    box = toolbox(mate=mate)
    runs = []
    for replicates in (range(8), range(5, 6), range(2, 4)):
        hall = HallOfFame(3)
        population = box.population(n=21, replicates=replicates, seed=7)
        runs.append((*eaSimple(population, box, 0.6, 0.4, 8, halloffame=hall), hall))
    for run, rows in ((runs[1], slice(5, 6)), (runs[2], slice(2, 4))):
        assert_same(run[0], runs[0][0], rows)
        assert_same_logbook(run[1], runs[0][1], rows)
        assert torch.equal(run[2].genomes, runs[0][2].genomes[rows])
    assert not torch.equal(runs[0][0].genomes[0], runs[0][0].genomes[1])


@pytest.mark.parametrize(
    "search", [partial(eaSimple, cxpb=0.5, mutpb=0.5, ngen=5), partial(random_search, evaluations=90)]
)
def test_the_same_call_twice_gives_the_same_bits_and_changes_no_input(search):
    box = toolbox()
    population = box.population(n=20, replicates=3, seed=1)
    genomes, fitness = population.genomes.clone(), population.fitness.clone()
    results = [search(population, box) for _ in range(2)]
    assert_same(results[0][0], results[1][0])
    assert_same_logbook(results[0][1], results[1][1])
    assert torch.equal(population.genomes, genomes)
    assert torch.equal(population.fitness.isnan(), fitness.isnan())
    assert not population.valid.any()
    fresh = box.population(n=20, replicates=3, seed=1)
    assert torch.equal(population.streams.uniform(3, 5), fresh.streams.uniform(3, 5))


@pytest.mark.parametrize(
    "search", [partial(eaSimple, cxpb=0.5, mutpb=0.5, ngen=5), partial(random_search, evaluations=90)]
)
def test_seeds_differ_and_global_random_numbers_do_not_matter(search):
    box, results = toolbox(), []
    for seed, elsewhere in ((1, 1), (1, 2), (2, 1)):
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(elsewhere)
            results.append(search(box.population(n=20, replicates=2, seed=seed), box)[0].genomes)
    assert torch.equal(results[0], results[1])
    assert not torch.equal(results[0], results[2])


@pytest.mark.parametrize("mate", CROSSOVERS.values(), ids=CROSSOVERS.keys())
@pytest.mark.parametrize("n", [2, 7, 24])
def test_packed_variation_equals_masked_variation(monkeypatch, mate, n):
    # A device that must not be waited for varies and decodes everyone and masks the result.
    box = toolbox(low=-1.0, high=1.0, mate=mate)
    results = []
    for free in (True, False):
        monkeypatch.setattr(variation, "counts_are_free", lambda tensor, free=free: free)
        results.append(eaSimple(box.population(n=n, replicates=3, seed=4), box, 0.5, 0.3, 6))
    assert_same(*(population for population, _ in results))
    assert_same_logbook(*(logbook for _, logbook in results))


@pytest.mark.parametrize("free", [True, False])
@pytest.mark.parametrize("n", [8, 9])
def test_variation_leaves_the_parents_as_they_were_and_marks_all_children(monkeypatch, free, n):
    monkeypatch.setattr(variation, "counts_are_free", lambda tensor: free)
    box = toolbox()
    parents = evolution.evaluate(box.population(n=n, replicates=3), box)
    kept = dataclasses.replace(parents, genomes=parents.genomes.clone(), valid=parents.valid.clone())
    offspring = evolution.varAnd(parents, box, 0.5, 0.3)
    assert_same(parents, kept)
    changed = (offspring.genomes != parents.genomes).any(-1)
    assert changed.any()
    assert not changed.all()
    assert not (changed & offspring.valid).any()


@pytest.mark.parametrize("support", ["box", "ball", "shell"])
def test_packed_and_masked_variation_project_alike(monkeypatch, support):
    # Images are decoded in batches of other sizes, so that fitness may differ in the last bit: compare one generation.
    box = latent_toolbox(support)
    population = evolution.evaluate(box.population(n=15, replicates=2, seed=4), box)
    results = []
    for free in (True, False):
        monkeypatch.setattr(variation, "counts_are_free", lambda tensor, free=free: free)
        offspring = dataclasses.replace(population, streams=population.streams.clone())
        results.append(evolution.varAnd(offspring, box, 0.5, 0.5))
    assert_same(*results)


def test_a_run_in_two_parts_equals_the_run_in_one():
    box = toolbox()
    population = box.population(n=15, replicates=3, seed=1)
    whole, logbook = eaSimple(population, box, 0.5, 0.2, 7)
    half, _ = eaSimple(population, box, 0.5, 0.2, 3)
    rest, continued = eaSimple(half, box, 0.5, 0.2, 4)
    assert_same(rest, whole)
    for name in ("nevals", "mean"):
        np.testing.assert_array_equal(continued.select(name)[1:], logbook.select(name)[4:])


# What is evaluated


@pytest.mark.parametrize("n", [20, 21])
@pytest.mark.parametrize(("cxpb", "mutpb"), [(0.5, 0.2), (0.0, 0.3), (0.7, 0.0), (0.0, 0.0), (1.0, 1.0)])
def test_only_changed_genomes_are_decoded_and_nevals_counts_them(n, cxpb, mutpb):
    objective = Counting()
    box = toolbox(objective)
    seen: set[tuple[float, ...]] = set()
    for generation in eaSimple_iter(box.population(n=n, replicates=4, seed=2), box, cxpb, mutpb, 6):
        decoded = {tuple(genome) for batch in objective.batches for genome in batch.tolist()}
        nevals = generation.statistics()["nevals"]
        assert nevals.sum() == objective.count
        assert nevals.tolist() == generation.nevals.tolist()
        assert all(len(batch) > 0 for batch in objective.batches)
        everyone = {tuple(genome) for genome in generation.population.genomes.flatten(0, 1).tolist()}
        assert everyone <= seen | decoded
        seen |= decoded
        objective.batches.clear()
    if cxpb == mutpb == 0:
        assert (nevals == 0).all()
    if cxpb == mutpb == 1:
        assert (nevals == n).all()


@pytest.mark.parametrize(
    ("n", "cxpb", "mutpb"), [(20, 0.5, 0.2), (7, 0.5, 0.2), (20, 1.0, 0.0), (7, 1.0, 0.0), (8, 0.1, 0.9)]
)
def test_as_many_are_evaluated_as_in_deap_on_average(n, cxpb, mutpb):
    box = toolbox(dim=2)
    _, logbook = eaSimple(box.population(n=n, replicates=150, seed=3), box, cxpb, mutpb, 10)
    nevals = np.stack(logbook.select("nevals"))[1:].mean(0)
    paired = n - n % 2
    expected = paired * (1 - (1 - cxpb) * (1 - mutpb)) + (n - paired) * mutpb
    if nevals.std() == 0:
        assert nevals[0] == expected
    else:
        assert stats.ttest_1samp(nevals, expected).pvalue > SIGNIFICANCE


def test_evaluations_are_the_running_sum_of_nevals():
    box = toolbox()
    _, logbook = eaSimple(box.population(n=10, replicates=3), box, 0.5, 0.2, 6)
    np.testing.assert_array_equal(logbook.select("evaluations"), np.cumsum(logbook.select("nevals"), axis=0))


@pytest.mark.parametrize("mate", CROSSOVERS.values(), ids=CROSSOVERS.keys())
def test_fitness_belongs_to_its_genome(mate):
    box = toolbox(low=-1.0, high=1.0, mate=mate)
    for generation in eaSimple_iter(box.population(n=13, replicates=3), box, 0.5, 0.3, 6):
        population = generation.population
        assert population.valid.all()
        assert torch.equal(box.evaluate(population.genomes.flatten(0, 1)).view(3, 13, 1), population.fitness)


def test_unchanged_individuals_keep_their_fitness_where_everyone_is_decoded(monkeypatch):
    monkeypatch.setattr(variation, "counts_are_free", lambda tensor: False)
    ages = iter(range(100))
    box = toolbox(lambda x: torch.full((len(x), 1), float(next(ages))))  # the generation of the last evaluation
    for generation in eaSimple_iter(box.population(n=20, replicates=2), box, 0.3, 0.2, 4):
        now = generation.population.fitness[..., 0] == generation.gen
        assert torch.equal(now.sum(1), generation.nevals)
    assert generation.nevals.min() > 0
    assert generation.nevals.max() < 20


def test_an_evaluated_population_is_not_evaluated_again():
    objective = Counting()
    box = toolbox(objective)
    population, _ = eaSimple(box.population(n=10, replicates=2), box, 0.5, 0.2, 2)
    objective.batches.clear()
    hall = HallOfFame(3)
    again, logbook = eaSimple(population, box, 0.5, 0.2, 0, halloffame=hall)
    assert not objective.batches
    assert (logbook[0]["nevals"] == 0).all()
    assert_same(again, population)
    assert torch.equal(hall.fitness[:, 0], population.fitness.amax(1))


def test_genomes_stay_inside_the_support():
    box = toolbox(low=-0.3, high=0.3)
    for generation in eaSimple_iter(box.population(n=20, replicates=2), box, 0.9, 0.9, 5):
        assert generation.population.genomes.abs().max() <= 0.3
    box = latent_toolbox("shell")
    population, _ = eaSimple(box.population(n=20, replicates=2), box, 0.9, 0.9, 5)
    torch.testing.assert_close(population.genomes.norm(dim=-1), torch.full((2, 20), math.sqrt(6)))


def test_large_populations_are_evaluated_in_small_pieces_with_the_same_result():
    objective = Counting()
    genomes = torch.randn(2500, 5, generator=torch.Generator().manual_seed(0))
    assert torch.equal(toolbox(objective).evaluate(genomes), sphere(genomes))
    assert torch.equal(torch.cat(objective.batches), genomes)
    assert max(len(batch) for batch in objective.batches) <= 1024


# Edges


@pytest.mark.parametrize("n", [2, 3, 9])
@pytest.mark.parametrize(("cxpb", "mutpb"), [(0.0, 0.0), (1.0, 0.0), (0.0, 1.0), (1.0, 1.0), (0.5, 0.5)])
def test_small_and_odd_populations_at_the_limits_of_the_probabilities(n, cxpb, mutpb):
    box = toolbox()
    population, logbook = eaSimple(box.population(n=n, replicates=2), box, cxpb, mutpb, 4)
    assert population.genomes.shape == (2, n, 5)
    assert population.fitness.isfinite().all()
    assert len(logbook) == 5


def test_without_variation_only_initial_genomes_survive_and_the_best_takes_over():
    box = toolbox()
    first = box.population(n=16, replicates=3)
    population, logbook = eaSimple(first, box, 0.0, 0.0, 30)
    for r in range(3):
        best = first.genomes[r][sphere(first.genomes[r]).argmax()]
        assert (population.genomes[r] == best).all()
    assert (logbook[-1]["std"] == 0.0).all()


def test_no_generations_give_the_evaluated_initial_population():
    box = toolbox()
    first = box.population(n=6, replicates=2)
    population, logbook = eaSimple(first, box, 0.5, 0.2, 0)
    assert torch.equal(population.genomes, first.genomes)
    assert torch.equal(population.fitness, sphere(first.genomes))
    assert logbook.select("gen") == [0]


@pytest.mark.parametrize("weights", [(1.0,), (-1.0,)])
def test_fitness_that_is_not_finite_is_counted_and_never_wins(weights):
    def objective(x: torch.Tensor) -> torch.Tensor:
        fitness = x.square().sum(-1, keepdim=True)
        fitness[x[:, 0] > 0.8] = math.nan
        fitness[x[:, 0] < -0.8] = math.inf
        fitness[x[:, 1] < -0.8] = -math.inf
        return fitness

    box = toolbox(objective, weights=weights)
    hall, met = HallOfFame(4), 0
    best = torch.full((3,), -math.inf)
    for generation in eaSimple_iter(box.population(n=20, replicates=3), box, 0.5, 0.4, 8, halloffame=hall):
        fitness, columns = generation.population.fitness[..., 0].numpy(), generation.statistics()
        met += int(columns["nonfinite"].sum())
        np.testing.assert_array_equal(columns["nonfinite"], (~np.isfinite(fitness)).sum(1))
        for r, row in enumerate(fitness):
            known = row[np.isfinite(row)].astype(np.float64)
            expected = {"min": known.min(), "mean": known.mean(), "max": known.max(), "std": known.std()}
            assert {name: columns[name][r] for name in expected} == pytest.approx(expected)
        weighted = generation.population.wvalues[..., 0]
        best = torch.maximum(best, weighted.amax(1))
        assert generation.population.best(1).fitness.isfinite().all()
        assert torch.equal(hall.fitness[:, 0, 0] * weights[0], best)
        assert hall.fitness.isfinite().all()
    assert met > 20


def test_a_replicate_without_any_finite_fitness_runs_to_the_end_beside_the_others():
    def objective(x: torch.Tensor) -> torch.Tensor:
        return torch.where(x[:, :1] > 500.0, math.nan, sphere(x))

    box = toolbox(objective)
    first = box.population(n=8, replicates=2)
    first = dataclasses.replace(first, genomes=first.genomes + torch.tensor([1000.0, 0.0]).view(2, 1, 1))
    hall = HallOfFame(3)
    _, logbook = eaSimple(first, box, 0.5, 0.5, 5, halloffame=hall)
    assert [entry["nonfinite"].tolist() for entry in logbook] == [[8, 0]] * 6
    for name in ("min", "mean", "max", "std"):
        assert np.isnan(logbook[-1][name]).tolist() == [True, False]
    assert hall.fitness.isnan().all(1).flatten().tolist() == [True, False]


@pytest.mark.parametrize(
    "objective",
    [lambda x: x.sum(-1)[1:], lambda x: x[:, :2], lambda x: x[:1, :1], lambda x: x.sum(), lambda x: x[:, :0]],
)
def test_an_objective_of_the_wrong_shape_is_refused(objective):
    box = toolbox(objective)
    with refused("shape", "(6, 1)"):
        eaSimple(box.population(n=6), box, 0.5, 0.2, 1)


@pytest.mark.parametrize("name", ["cxpb", "mutpb"])
def test_a_probability_out_of_range_is_refused(name):
    box = toolbox()
    population = box.population(n=6)
    for value in (-0.1, 1.5, math.nan, "0.5", None, [0.5]):
        given = {"cxpb": 0.5, "mutpb": 0.5} | {name: value}
        for vary in (partial(eaSimple, ngen=1), evolution.varAnd, partial(evolution.varOr, lambda_=4)):
            with case(f"{name} {value}"), refused(f"{name} is {value!r}: expected a probability from 0 to 1"):
                vary(population, box, **given)


def test_variation_by_or_refuses_shares_of_more_than_all():
    box = toolbox()
    with refused("cxpb and mutpb are 0.6 and 0.5", "at most 1"):
        evolution.varOr(box.population(n=6), box, 4, 0.6, 0.5)


def test_negative_generations_are_refused():
    box = toolbox()
    with refused("ngen is -1", "0 or more"):
        eaSimple(box.population(n=6), box, 0.5, 0.5, -1)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n": 2.5}, ("population is 2.5", "1 or more")),
        ({"n": 0}, ("population is 0", "1 or more")),
        ({"n": 5, "replicates": [3, 3]}, ("[3, 3]", "each once")),
        ({"n": 5, "replicates": 0}, ("replicates is 0", "1 or more")),
        ({"n": 5, "seed": -1}, ("seed is -1", "0 or more")),
        ({"n": 5, "seed": None}, ("seed is None: expected a whole number, 0 or more",)),
        ({"n": 5, "seed": 1.5}, ("seed is 1.5: expected a whole number, 0 or more",)),
        ({"n": 5, "replicates": 2.0}, ("replicates is 2.0: expected a whole number, 1 or more",)),
        ({"n": "5"}, ("population is '5': expected a whole number, 1 or more",)),
    ],
)
def test_populations_that_cannot_be_are_refused(arguments, words):
    with refused(*words):
        toolbox().population(**arguments)


# Books


def test_the_logbook_is_deaps_with_one_entry_a_generation():
    box = toolbox()
    population, logbook = eaSimple(box.population(n=10, replicates=3), box, 0.5, 0.2, 7)
    assert isinstance(logbook, tools.Logbook)
    assert logbook.select("gen") == list(range(8))
    assert logbook.header[:2] == ["gen", "nevals"]
    for entry in logbook:
        assert {values.shape for name, values in entry.items() if name != "gen"} == {(3,)}
    np.testing.assert_array_equal(logbook[-1]["max"], population.fitness.amax((1, 2)).numpy())


def test_statistics_equal_numpys_on_deaps_individuals():
    box = toolbox()
    for generation in eaSimple_iter(box.population(n=11, replicates=3), box, 0.5, 0.2, 3):
        columns = generation.statistics()
        for r in range(3):
            values = [individual.fitness.values[0] for individual in generation.population.replicate(r)]
            expected = {"min": np.min(values), "mean": np.mean(values), "max": np.max(values), "std": np.std(values)}
            assert {name: columns[name][r] for name in expected} == pytest.approx(expected, rel=1e-12)


def test_deaps_statistics_are_compiled_for_each_replicate():
    statistics = tools.Statistics(lambda individual: individual.fitness.values[0])
    statistics.register("average", np.mean)
    statistics.register("worst", min)
    box = toolbox()
    population, logbook = eaSimple(box.population(n=10, replicates=3), box, 0.5, 0.2, 4, stats=statistics)
    np.testing.assert_allclose(logbook.select("average"), logbook.select("mean"), rtol=1e-12)
    np.testing.assert_array_equal(logbook.select("worst"), logbook.select("min"))
    assert logbook[-1]["average"][2] == statistics.compile(population.replicate(2))["average"]


@pytest.mark.parametrize(
    "search", [partial(eaSimple, cxpb=0.5, mutpb=0.5, ngen=3), partial(random_search, evaluations=40)]
)
def test_only_a_verbose_run_prints_a_line_a_generation(capsys, search):
    box = toolbox()
    search(box.population(n=10), box)
    assert capsys.readouterr().out == ""
    search(box.population(n=10), box, verbose=True)
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split()[:2] == ["gen", "nevals"]
    assert len(lines) == 5


def test_deaps_tools_accept_a_replicate():
    box = toolbox(lambda x: torch.stack((x[:, 0], x.abs().sum(1)), dim=1), weights=(1.0, -1.0))
    population, _ = eaSimple(box.population(n=30, replicates=2), box, 0.5, 0.2, 1)
    individuals = population.replicate(1)
    assert [list(individual) for individual in individuals] == population.genomes[1].tolist()
    assert [list(i.fitness.values) for i in individuals] == population.fitness[1].tolist()
    hall, front = tools.HallOfFame(3), tools.ParetoFront()
    hall.update(individuals)
    front.update(individuals)
    different = dict.fromkeys(i.fitness.values for i in tools.selBest(individuals, 30))
    assert [i.fitness.values for i in hall] == list(different)[:3]
    assert not any(a.fitness.dominates(b.fitness) for a in individuals for b in front)
    assert len(tools.selNSGA2(individuals, 5)) == 5
    clone = base.Toolbox().clone(individuals[0])
    del clone.fitness.values
    assert individuals[0].fitness.valid


def test_an_unevaluated_individual_has_no_valid_fitness_in_deaps_eyes():
    population = toolbox().population(n=4)
    assert not any(individual.fitness.valid for individual in population.replicate(0))


# Against DEAP


def stock_runs(mate: Callable, runs: int, n: int, dim: int, ngen: int) -> tuple[np.ndarray, ...]:
    """Best and mean final fitness, and evaluations, of DEAP's own eaSimple on the sphere."""
    maximise = type("Maximise", (base.Fitness,), {"weights": (1.0,)})

    class Individual(list):
        def __init__(self, genes: list[float]) -> None:
            super().__init__(genes)
            self.fitness = maximise()

    box = base.Toolbox()
    box.register("evaluate", lambda individual: (-sum(gene * gene for gene in individual),))
    box.register("mate", mate)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=0.5, indpb=0.2)
    box.register("select", tools.selTournament, tournsize=3)
    found = []
    for _ in range(runs):
        population = [Individual([random.gauss(0.0, 1.0) for _ in range(dim)]) for _ in range(n)]
        population, logbook = stock.eaSimple(population, box, 0.5, 0.2, ngen, verbose=False)
        values = [individual.fitness.values[0] for individual in population]
        found.append((max(values), np.mean(values), sum(logbook.select("nevals"))))
    return tuple(np.array(column) for column in zip(*found, strict=True))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (partial(evolution.cxBlend, alpha=0.5), partial(tools.cxBlend, alpha=0.5)),
        (evolution.cxTwoPoint, tools.cxTwoPoint),
        (partial(evolution.cxUniform, indpb=0.5), partial(tools.cxUniform, indpb=0.5)),
    ],
    ids=["cxBlend", "cxTwoPoint", "cxUniform"],
)
@pytest.mark.usefixtures("stock_random")
def test_the_sphere_is_climbed_as_well_as_by_stock_deap(ours, theirs):
    box = toolbox(dim=6, mate=ours)
    population, logbook = eaSimple(box.population(n=20, replicates=400, seed=6), box, 0.5, 0.2, 12)
    nevals = np.stack(logbook.select("nevals")).sum(0)
    results = (logbook[-1]["max"], logbook[-1]["mean"], nevals)
    for one, other in zip(results, stock_runs(theirs, 40, 20, 6, 12), strict=True):
        assert stats.ks_2samp(one, other).pvalue > SIGNIFICANCE
        assert stats.mannwhitneyu(one, other).pvalue > SIGNIFICANCE
    assert np.median(population.fitness.amax((1, 2)).numpy()) > np.median(logbook[0]["max"])


def test_several_objectives_evolve_in_lexicographic_order():
    box = toolbox(lambda x: torch.stack((x[:, 0].round(), x[:, 1:].square().sum(1)), dim=1), weights=(1.0, -1.0))
    hall = HallOfFame(5)
    population, logbook = eaSimple(box.population(n=40, replicates=3), box, 0.5, 0.4, 12, halloffame=hall)
    assert population.fitness.shape == (3, 40, 2)
    assert {entry[name].shape for entry in logbook for name in ("min", "mean", "max", "std")} == {(3, 2)}
    assert logbook[0]["nevals"].shape == logbook[0]["nonfinite"].shape == (3,)
    for r in range(3):
        best = tools.selBest(population.replicate(r), 5)
        ours = [individual.fitness.values for individual in population.best(5).replicate(r)]
        assert ours == [individual.fitness.values for individual in best]
        assert tuple(hall.fitness[r, 0].tolist()) >= (best[0].fitness.values[0], -math.inf)
    last, first = (logbook[gen]["max"][:, 0] for gen in (-1, 0))
    assert (last >= first).all()
    assert last.sum() > first.sum()


# Hall of fame


@pytest.mark.parametrize("maxsize", [1, 2, 5, 40])
@pytest.mark.parametrize(
    ("objective", "weights", "bound", "ties"),
    [
        (sphere, (1.0,), 3.0, False),
        (lambda x: x.square().sum(-1, keepdim=True), (-1.0,), 3.0, False),
        (lambda x: x.sum(-1, keepdim=True), (1.0,), 0.1, True),  # ends in a corner: many equal genomes
        (lambda x: x.sum(-1, keepdim=True).mul(4).round(), (1.0,), 1.0, True),  # and many equal fitnesses
        (lambda x: torch.stack((x[:, 0].round(), x[:, 1]), 1), (1.0, -1.0), 1.0, True),
    ],
    ids=["sphere", "minimised", "corner", "steps", "two objectives"],
)
def test_the_hall_of_fame_equals_deaps(objective, weights, bound, ties, maxsize):
    # This mutation changes no gene at all in two of three mutants: they are evaluated again, and equal to others.
    mutate = partial(evolution.mutGaussian, mu=0.0, sigma=0.5, indpb=0.1)
    box = toolbox(objective, 3, -bound, bound, weights, mate=CROSSOVERS["cxUniform"], mutate=mutate)
    ours, theirs = HallOfFame(maxsize), [tools.HallOfFame(maxsize) for _ in range(3)]
    repeated = 0
    for generation in eaSimple_iter(box.population(n=16, replicates=3, seed=2), box, 0.5, 0.5, 12, halloffame=ours):
        repeated += 16 - len(generation.population.genomes[0].unique(dim=0))
        for r, hall in enumerate(theirs):
            hall.update(generation.population.replicate(r))
            members = len(hall)
            expected = torch.tensor([individual.fitness.values for individual in hall])
            assert torch.equal(ours.fitness[r, :members], expected)
            assert ours.fitness[r, members:].isnan().all()
            genomes = ours.genomes[r, :members]
            assert torch.equal(box.evaluate(genomes), expected)
            assert len(genomes.unique(dim=0)) == members
            # Which of several genomes with the same fitness is in, and in what order, is an accident of insertion.
            if not ties:
                assert torch.equal(genomes, torch.tensor([list(individual) for individual in hall]))
    assert repeated > 50
    assert ours.genomes.shape[1] == maxsize


def test_equals_do_not_change_a_full_hall_of_fame():
    box, hall = toolbox(lambda x: torch.ones(len(x), 1)), HallOfFame(3)
    generations = eaSimple_iter(box.population(n=12, replicates=2), box, 0.5, 0.5, 5, halloffame=hall)
    members = next(generations).population.genomes[:, :3]
    for generation in generations:
        assert torch.equal(hall.genomes, members)
        hall.update(generation.population)
        assert torch.equal(hall.genomes, members)


def test_of_equal_genomes_with_another_fitness_each_time_the_hall_keeps_the_best():
    genomes = torch.tensor([1.0, 2.0, 3.0, 3.0]).view(1, 4, 1)
    fitness = torch.tensor([5.0, 6.0, 1.0, 9.0]).view(1, 4, 1)
    hall = HallOfFame(2)
    hall.update(Population(genomes, fitness, torch.ones(1, 4, dtype=torch.bool), (1.0,), Streams(0, 1)))
    assert hall.fitness.flatten().tolist() == [9.0, 6.0]


def test_places_that_nobody_fills_are_empty_in_deaps_eyes():
    genomes = torch.tensor([[[1.0], [1.0], [1.0]], [[1.0], [2.0], [3.0]]])
    hall = HallOfFame(5)
    hall.update(Population(genomes, -genomes, torch.ones(2, 3, dtype=torch.bool), (1.0,), Streams(0, 2)))
    valid = [[individual.fitness.valid for individual in hall.population.replicate(r)] for r in range(2)]
    assert valid == [[True, False, False], [True, True, True]]


def test_copies_of_the_best_leave_room_for_the_second_best_in_the_hall_of_fame():
    genomes = torch.tensor([[[1.0, 0.0]] * 9 + [[2.0, 0.0]] * 9 + [[3.0, -0.0], [3.0, 0.0]]])
    hall = HallOfFame(4)
    hall.update(Population(genomes, sphere(genomes), torch.ones(1, 20, dtype=torch.bool), (1.0,), Streams(0, 1)))
    assert hall.genomes[0, :3].tolist() == [[1.0, 0.0], [2.0, 0.0], [3.0, 0.0]]
    assert hall.fitness[0, :3, 0].tolist() == [-1.0, -4.0, -9.0]
    assert hall.fitness[0, 3:].isnan().all()


def test_only_finite_fitness_enters_the_hall_of_fame_and_keeps_no_equal_genome_out():
    genomes = torch.tensor([[[0.0, 0.0], [7.0, 1.0], [2.0, 0.0], [0.0, 0.0], [5.0, 0.0], [2.0, 0.0]]])
    fitness = torch.tensor([math.inf, math.nan, -math.inf, 1.0, math.nan, 2.0]).view(1, 6, 1)
    hall = HallOfFame(6)
    for _ in range(2):
        hall.update(Population(genomes, fitness, torch.ones(1, 6, dtype=torch.bool), (1.0,), Streams(0, 1)))
        assert hall.genomes[0, :2].tolist() == [[2.0, 0.0], [0.0, 0.0]]
        assert hall.fitness[0, :2, 0].tolist() == [2.0, 1.0]
        assert hall.fitness[0, 2:].isnan().all()


def test_a_hall_of_fame_may_hold_fewer_than_its_size():
    box, hall = toolbox(), HallOfFame(10)
    population, _ = eaSimple(box.population(n=4, replicates=2), box, 0.5, 0.5, 0, halloffame=hall)
    assert hall.genomes.shape == (2, 4, 5)
    assert torch.equal(hall.fitness, population.best(4).fitness)


def test_an_empty_hall_of_fame_and_one_without_places_are_refused():
    for ask in (lambda hall: hall.genomes, lambda hall: hall.fitness):
        with refused("empty"):
            ask(HallOfFame(3))
    for maxsize in (0, 2.5, None):
        with refused(f"maxsize is {maxsize}: expected a whole number, 1 or more"):
            HallOfFame(maxsize)


# Toolbox


@pytest.mark.parametrize("vary", [evolution.varAnd, partial(evolution.varOr, lambda_=30)])
def test_what_has_changed_has_no_fitness_until_it_is_evaluated(vary):
    box = toolbox(mutate=lambda genomes, random: genomes + 1000.0)
    parents = evolution.evaluate(box.population(n=16, replicates=2), box)
    offspring = vary(parents, box, cxpb=0.0, mutpb=0.5)
    assert torch.equal(offspring.fitness.isnan().squeeze(2), ~offspring.valid)
    assert offspring.best(1).valid.all()
    assert offspring.best(1).genomes.max() < 100.0


def test_evaluation_keeps_no_graph_of_what_the_objective_computed():
    weight = torch.ones(5, 1, requires_grad=True)
    box = toolbox(lambda x: x @ weight)
    assert not evolution.evaluate(box.population(n=4), box).fitness.requires_grad


@pytest.mark.parametrize("weights", [(0.0,), (math.nan,), (math.inf,), (), -1.0, ("much",)])
def test_weights_that_rank_nothing_are_refused(weights):
    with refused("weights are", "other than 0"):
        toolbox(weights=weights)


def test_weights_may_be_any_numbers():
    population = toolbox(weights=np.array([-2])).population(n=4)
    assert population.weights == (-2.0,)
    assert population.wvalues.dtype == torch.float64


def test_populations_compare_by_identity():
    population = toolbox().population(n=4)
    assert population == population
    assert population != dataclasses.replace(population)


def test_the_toolbox_is_deaps_and_its_roles_can_be_replaced():
    used = []

    def mutate(genomes: torch.Tensor, random: object) -> torch.Tensor:
        used.append(len(genomes))
        return genomes + 1.0

    box = toolbox(mutate=mutate)
    assert isinstance(box, base.Toolbox)
    first = box.population(n=6)
    population, _ = eaSimple(first, box, 0.0, 1.0, 1)
    assert used == [6]
    nearest = torch.cdist(population.genomes[0] - 1.0, first.genomes[0]).amin(1)
    assert nearest.max() < 1e-5


def test_weights_are_the_objectives_own_unless_given():
    objective = Counting()
    assert toolbox(objective).population(n=4).weights == (1.0,)
    objective.weights = (-1.0,)
    assert toolbox(objective).population(n=4).weights == (-1.0,)
    assert toolbox(objective, weights=(2.0,)).population(n=4).weights == (2.0,)
