"""Constraints: violations beside objectives, and Deb's rules in every selection."""

import numpy as np
import pytest
import torch
from deap import cma
from evolving import toolbox

from evovae import evolution
from evovae.base import InputError
from evovae.encodings import PixelEncoding, VectorEncoding
from evovae.evolution import HallOfFame, ParetoFront, Population
from evovae.objectives import Objective, penalised


def constrained(objective, constraints, dim: int = 3, weights: tuple[float, ...] = (1.0,)):
    return evolution.toolbox(VectorEncoding(dim, -2.0, 2.0), objective, weights, constraints=constraints)


def population_of(fitness: list[list[float]], violation: list[float], weights: tuple[float, ...]) -> Population:
    size = len(fitness)
    genomes = torch.arange(size, dtype=torch.float32).view(1, size, 1)
    box = toolbox(dim=1)
    return Population(
        genomes,
        torch.tensor([fitness]),
        torch.ones(1, size, dtype=torch.bool),
        weights,
        box.population(n=1).streams,
        torch.tensor([violation], dtype=torch.float64),
    )


def test_debs_rules_order_individuals() -> None:
    population = population_of([[9.0], [1.0], [5.0], [2.0], [torch.nan]], [0.5, 0.0, 0.1, 0.0, 0.0], (1.0,))
    order = population.best(5).genomes[0, :, 0].tolist()
    assert order == [3, 1, 2, 0, 4], "feasible by fitness, then by violation, and last what is not finite"


def test_the_rules_hold_for_fitness_and_violations_of_any_size() -> None:
    population = population_of([[-1e38], [1e38], [1e38], [1e38]], [0.0, 1e-9, 1e9, torch.inf], (1.0,))
    assert population.best(4).genomes[0, :, 0].tolist() == [0, 1, 2, 3]


def test_feasible_ones_dominate_and_come_first_in_nsga2() -> None:
    fitness = [[1.0, 1.0], [5.0, 5.0], [0.0, 3.0], [9.0, 9.0]]
    population = population_of(fitness, [0.0, 0.2, 0.0, 0.1], (1.0, 1.0))
    assert evolution.nondominated_rank(population)[0].tolist() == [0, 2, 0, 1]
    chosen = evolution.selNSGA2(population, 3).genomes[0, :, 0].tolist()
    assert sorted(chosen[:2]) == [0, 2]
    assert chosen[2] == 3


def test_a_search_ends_where_the_constraint_allows() -> None:
    box = constrained(lambda x: x.sum(1), lambda x: x.square().sum(1) - 1.0)  # best within the unit ball: sqrt(3)
    famous = HallOfFame(1)
    population = box.population(n=200, replicates=4, seed=0)
    last, logbook = evolution.eaSimple(population, box, 0.5, 0.4, 60, halloffame=famous, elites=1)
    norms = famous.genomes.square().sum(2)
    assert (norms <= 1.0).all()
    np.testing.assert_allclose(famous.fitness.flatten(), 3**0.5, atol=0.05)
    assert logbook[0]["feasible"].shape == (4,)
    assert (logbook[0]["feasible"] < 0.2).all()
    assert (logbook[-1]["feasible"] > logbook[0]["feasible"]).all()
    np.testing.assert_allclose(logbook[-1]["feasible"], (last.violation == 0).double().mean(1))


def test_violations_of_several_constraints_are_summed_and_kept_ones_add_nothing() -> None:
    box = constrained(lambda x: x.sum(1), lambda x: torch.stack((x[:, 0] - 1.0, -5.0 - x[:, 1]), dim=1))
    population = Population.unevaluated(torch.tensor([[[1.5, 0, 0], [0, -2, 0]]]), (1.0,), box.population(n=1).streams)
    assert evolution.evaluate(population, box).violation.tolist() == [[0.5, 0.0]]


def test_a_front_of_constrained_objectives_keeps_feasible_ones() -> None:
    box = constrained(lambda x: x[:, :2], lambda x: x.square().sum(1) - 1.0, weights=(1.0, 1.0))
    box.register("select", evolution.selNSGA2)
    front = ParetoFront()
    evolution.eaMuPlusLambda(box.population(n=60, seed=2), box, 60, 60, 0.5, 0.4, 20, halloffame=front)
    assert len(front) > 5
    assert (front.genomes.square().sum(2) <= 1.0).all()


def test_a_constrained_run_goes_on_bit_for_bit() -> None:
    def run(state=None):
        box = constrained(lambda x: x.sum(1), lambda x: x.square().sum(1) - 1.0)
        return evolution.eaSimple_iter(box.population(n=20, replicates=2), box, 0.5, 0.4, 8, elites=2, state=state)

    *_, whole = run()
    *_, rest = run(next(run()).state())
    assert torch.equal(rest.population.genomes, whole.population.genomes)
    assert torch.equal(rest.population.violation, whole.population.violation)


@pytest.mark.parametrize(
    "select", [evolution.selRoulette, evolution.selStochasticUniversalSampling, evolution.selLexicase]
)
def test_selections_that_know_no_constraints_say_so(select) -> None:
    with pytest.raises(InputError, match="knows no constraints: use selTournament"):
        select(population_of([[1.0], [2.0]], [0.0, 0.0], (1.0,)), 2)


def test_a_penalty_moves_fitness_against_its_weight() -> None:
    both = Objective(("high", "low"), (1.0, -2.0), lambda x: x[:, :2])
    found = penalised(both, lambda x: torch.stack((x[:, 2], -x[:, 2]), dim=1), 10.0)
    x = torch.tensor([[1.0, 2.0, 0.0], [1.0, 2.0, 0.5], [1.0, 2.0, -0.5]])
    assert found(x).tolist() == [[1.0, 2.0], [-4.0, 7.0], [-4.0, 7.0]]
    box = evolution.toolbox(VectorEncoding(3), found)
    population, _ = evolution.eaSimple(box.population(n=60, seed=1), box, 0.5, 0.4, 30)
    assert population.genomes[..., 2].abs().mean() < 0.1
    with pytest.raises(InputError, match="coefficient is -1"):
        penalised(both, lambda x: x, -1.0)


def test_what_knows_no_constraints_says_so() -> None:
    box = constrained(lambda x: x.sum(1), lambda x: x.square().sum(1) - 1.0)
    population = box.population(n=6)
    with pytest.raises(InputError, match=r"a gradient knows no constraints: climb with objectives.penalised"):
        evolution.gradient_ascent(population, box, 12)
    evolution.StockStrategies(population, lambda mean: cma.Strategy(mean, 0.5, lambda_=6)).register(box)
    with pytest.raises(InputError, match="DEAP's strategies know no constraints"):
        evolution.eaGenerateUpdate(box, 2)


@pytest.mark.parametrize("replicates", [1, 100])
def test_colour_pictures_of_two_objectives_under_a_constraint(replicates: int) -> None:
    """Light and dark at once, compared with everybody, where red must not be the strongest."""

    def light(x: torch.Tensor) -> torch.Tensor:  # R N C H W
        mean = x.flatten(2).mean(2)
        return torch.stack((mean, (mean - mean.mean(1, keepdim=True)).abs()), dim=2)

    def not_red(x: torch.Tensor) -> torch.Tensor:
        return x[:, :, 0].flatten(2).mean(2) - x[:, :, 1:].flatten(2).mean(2)

    box = evolution.toolbox(PixelEncoding((3, 8, 8)), light, (1.0, 1.0), constraints=not_red, population=True)
    box.register("select", evolution.selNSGA2)
    population = box.population(n=8, replicates=replicates).traced()
    *_, last = evolution.eaMuPlusLambda_iter(population, box, 8, 8, 0.5, 0.4, 4, ParetoFront())
    assert last.statistics()["feasible"].shape == (replicates,)
    assert last.population.fitness.shape == (replicates, 8, 2)
    assert last.lineage()["replicate"].nunique() == replicates


def test_constraints_of_a_wrong_shape_are_refused() -> None:
    box = constrained(lambda x: x.sum(1), lambda x: x.sum())
    with pytest.raises(InputError, match=r"generation 0: the constraints gave .* expected violations"):
        evolution.eaSimple(box.population(n=4), box, 0.5, 0.5, 1)
