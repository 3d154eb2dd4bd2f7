"""Constrained optimisation in a learned latent space: its data, its duels, and what it is for."""

from dataclasses import replace

import pytest
import reproduce_coil
import torch
from methods import coil
from published.coil import c1, c2
from refusals import refused

from evovae.base import Streams

PROBLEM = c1(2)


@pytest.fixture(scope="module")
def points() -> torch.Tensor:
    return coil.feasible_points(PROBLEM, 400, seed=3)


def test_points_keep_the_constraints_and_do_not_depend_on_how_many_there_are(points: torch.Tensor) -> None:
    assert points.shape == (400, 2)
    assert ((points >= -1) & (points <= 1)).all()
    assert (PROBLEM.violations(PROBLEM.scaled(points)) == 0).all()
    assert torch.equal(coil.feasible_points(PROBLEM, 7, seed=3), points[:7])
    assert not torch.equal(coil.feasible_points(PROBLEM, 7, seed=4), points[:7])


@pytest.mark.parametrize("variables", [2, 3, 10])
def test_points_of_a_problem_that_can_draw_them_are_drawn(variables: int) -> None:
    problem = c2(variables)
    points = coil.feasible_points(problem, 300, seed=1)
    assert points.shape == (300, variables)
    assert ((points >= -1) & (points <= 1)).all()
    torch.testing.assert_close(
        problem.violations(problem.scaled(points)), torch.zeros(300, 1).double(), atol=1e-4, rtol=0
    )
    assert torch.equal(coil.feasible_points(problem, 300, seed=1), points)
    assert (problem.objective(problem.scaled(points)) > problem.optimum - 1e-3).all()


@pytest.mark.parametrize("variables", [1, 2, 3, 10])
def test_the_optima_of_the_published_problems_keep_their_constraints(variables: int) -> None:
    first, second = c1(variables), c2(variables)
    steps = torch.arange(variables).double()
    for problem, best in ((first, torch.full((variables,), 45.0)), (second, 8.0 * (steps - steps.mean()))):
        assert problem.violations(best).sum() == 0
        assert problem.objective(best) == problem.optimum
    for step, violation in ((8.0, 0.0), (10.0, 0.0), (7.5, 0.5), (10.5, 0.5)):
        assert second.violations(step * steps) == violation * (variables - 1), "8 to 10 more than the one before"
    crowded = second.violations(torch.zeros(variables))
    assert crowded == 8.0 * (variables - 1)
    assert second.violations(12.0 * steps) == 2.0 * (variables - 1)


def test_a_search_for_data_ends_at_the_first_generation_after_the_initial_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everything keeps the constraints, the initial generation does, too, and does not count."""
    taken, search = [], coil.evolution.eaSimple_iter

    def watched(*arguments):
        for generation in search(*arguments):
            taken.append(generation.population.best().genomes[:, 0])
            yield generation

    monkeypatch.setattr(coil.evolution, "eaSimple_iter", watched)
    free = replace(PROBLEM, violations=lambda x: torch.zeros_like(x))
    points = coil.feasible_points(free, 5, seed=0)
    assert len(taken) == 2
    assert torch.equal(points, taken[1][:5])


def test_a_distance_from_the_optimum_has_no_sign() -> None:
    far = replace(PROBLEM, optimum=1e6)
    found = coil.search(far, coil.variables(far), replicates=2, seed=0)
    assert torch.equal(found.distance_from_optimum, (1e6 - far.objective(found.points)))
    assert (found.distance_from_optimum > 0).all()


def test_constraints_that_nothing_keeps_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(coil, "DATA_GENERATIONS", 2)
    never = coil.Problem(2, -50.0, 50.0, PROBLEM.objective, lambda x: x.square().sum(-1, keepdim=True) + 1.0, 0.0)
    with refused("hardly any search"):
        coil.feasible_points(never, 1, seed=0)


def test_a_variable_that_never_changes_is_refused() -> None:
    with refused("the same in all points"):
        coil.learn(torch.tensor([[0.5, 0.1], [0.5, 0.3]]), seed=0, models=1, epochs=1)


def test_the_best_of_the_models_is_taken_and_its_points_fill_the_range_of_the_data(monkeypatch) -> None:
    given = []

    def end_with(vaes, data, config):
        given[:] = vaes
        assert data.aminmax(dim=0).min.tolist() == [-1.0, -1.0]
        assert data.aminmax(dim=0).max.tolist() == [1.0, 1.0]
        yield torch.tensor([0.0, 9.0, 9.0])
        yield torch.tensor([3.0, 1.0, 2.0])  # the last epoch counts

    monkeypatch.setattr(coil, "fit_together", end_with)
    points = torch.tensor([[0.5, -0.2], [0.9, 0.4], [0.6, 0.0]])
    space = coil.learn(points, seed=2, models=3, epochs=2)
    genomes = torch.linspace(-2, 2, 21).unsqueeze(1).expand(-1, 2)
    decoded = given[1].decode(genomes)
    expected = torch.tensor([0.5, -0.2]) + (decoded + 1) / 2 * torch.tensor([0.4, 0.6])
    torch.testing.assert_close(space.to_unit(space.encoding.decode(genomes)), expected)


def test_equal_violations_give_the_point_to_the_second_as_in_the_authors_code() -> None:
    fitness = fought([1.0] * 6, [5.0] * 6)
    assert ((fitness >= 1.0) & (fitness <= 2.0)).all()
    assert fitness.mean() == pytest.approx(1.5, abs=0.05), "one of two gets it"


def fought(objective: list[float], violation: list[float]) -> torch.Tensor:
    """Mean fitness over replicates of individuals that have these objectives and violations."""
    streams = Streams(0, 200)
    values = torch.tensor(objective).expand(200, -1), torch.tensor(violation).expand(200, -1).unsqueeze(2)
    return coil.duel(*values, streams)


def test_who_is_best_in_all_wins_every_duel_and_who_is_worst_loses_it() -> None:
    fitness = fought([1.0, 2.0, 3.0, 4.0, 5.0, 6.0], [0.0] * 6)
    assert (fitness[:, 0] == 2.0).all(), "a point for the objective and one for the constraint"
    assert (fitness[:, -1] == 1.0).all(), "one for the constraint alone"
    assert (fitness.mean(0).diff() < 0).all()


def test_of_those_that_keep_no_constraint_the_one_that_violates_less_wins() -> None:
    fitness = fought([1.0] * 6, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0])
    assert (fitness[:, 0] == 2.0).all(), "equal objectives give both a point"
    assert (fitness[:, -1] == 1.0).all()


def test_whoever_keeps_a_constraint_gets_its_point() -> None:
    fitness = fought([1.0] * 6, [0.0, 0.0, 0.0, 4.0, 5.0, 6.0])
    assert (fitness[:, :3] == 2.0).all()
    assert (fitness[:, 5] == 1.0).all()


def test_a_duel_needs_enough_individuals() -> None:
    with refused("4 individuals"):
        fought([1.0] * 4, [0.0] * 4)


def test_the_parts_of_all_pipelines_draw_from_seeds_of_their_own_and_methods_keep_their_names(monkeypatch) -> None:
    drawn = []

    def search(problem, space, replicates, seed):
        drawn.append(seed)
        distance = torch.full((replicates,), 1.0 if space == "learned" else 2.0)
        return coil.Outcome(torch.zeros(replicates, 2), distance, distance + 2)

    monkeypatch.setattr(coil, "feasible_points", lambda problem, count, seed: drawn.append(seed) or "data")
    monkeypatch.setattr(coil, "learn", lambda data, seed, models, epochs: drawn.append(seed) or "learned")
    monkeypatch.setattr(coil, "search", search)
    for seed in range(5):
        found, seconds = reproduce_coil.pipeline(PROBLEM, seed, smoke=True)
    assert len(set(drawn)) == len(drawn) == 20
    means = found.groupby("method")[reproduce_coil.DISTANCES].mean()
    assert means.loc["coil"].tolist() == [1.0, 3.0]
    assert means.loc["ga"].tolist() == [2.0, 4.0]
    assert seconds["total"] == pytest.approx(sum(seconds[part] for part in ("data", "vaes", "search", "ga")))


def test_all_of_the_models_are_others(monkeypatch: pytest.MonkeyPatch, points: torch.Tensor) -> None:
    made = []

    def fit(vaes, data, config):
        made.extend(vae.encoder[1].weight.clone() for vae in vaes)
        yield torch.arange(float(len(vaes)))

    monkeypatch.setattr(coil, "fit_together", fit)
    for seed in (0, 1):
        coil.learn(points[:9], seed, models=3)
    assert len(torch.stack(made).flatten(1).unique(dim=0)) == 6


def test_the_latent_space_keeps_constraints_that_the_variables_do_not(points: torch.Tensor) -> None:
    space = coil.learn(points, seed=0, models=2, epochs=30)
    found, plain = (coil.search(PROBLEM, where, 30, seed=1) for where in (space, coil.variables(PROBLEM)))
    assert found.points.shape == (30, 2)
    torch.testing.assert_close(found.distance_from_optimum, (found.points.square().sum(-1) - PROBLEM.optimum).abs())
    assert found.violation.median() < 1.0
    assert plain.violation.median() > 20.0
    assert torch.equal(found.points, coil.search(PROBLEM, space, 30, seed=1).points)
    assert not torch.equal(found.points, coil.search(PROBLEM, space, 30, seed=2).points)


def test_a_replicate_is_the_same_alone_and_among_others() -> None:
    many, few = (coil.search(PROBLEM, coil.variables(PROBLEM), count, seed=5) for count in (6, 2))
    assert torch.equal(many.points[:2], few.points)
