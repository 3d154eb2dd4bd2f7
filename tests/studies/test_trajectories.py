"""A search is followed to its budget, and what it had found can be looked up by evaluations."""

import numpy as np
import pytest
import torch

from evovae import VectorEncoding, evolution
from evovae.base import InputError
from evovae.studies import METHODS, follow


def sphere(weight: float = -1.0):
    """A toolbox that minimises the squared norm, or maximises its negative, and its first population."""
    toolbox = evolution.toolbox(
        VectorEncoding(5), lambda x: -weight * x.square().sum(1, keepdim=True), weights=(weight,)
    )
    return toolbox.population(n=20, replicates=3, seed=1), toolbox


@pytest.mark.parametrize("method", METHODS)
def test_a_course_keeps_the_best_so_far_and_whose_it_is(method):
    first, toolbox = sphere()
    course = follow(method, first, toolbox, 200)
    replicates, generations = course.best.shape
    assert course.genomes.shape == (generations, replicates, 5)
    assert (np.diff(course.best) >= 0).all()
    fitness = toolbox.evaluate(course.genomes.flatten(0, 1)).view(generations, replicates)
    np.testing.assert_array_equal(course.best.T, -fitness.numpy())  # minimised: larger is better here
    assert course.best[:, 0].tolist() == (-first.genomes.square().sum(2)).amax(1).tolist() or method == "random search"


@pytest.mark.parametrize("method", METHODS)
def test_a_search_ends_once_its_slowest_replicate_has_spent_the_budget(method):
    first, toolbox = sphere()
    evaluations = follow(method, first, toolbox, 205).evaluations
    assert (evaluations[:, 0] == 20).all()
    assert (evaluations[:, -1] >= 205).all()
    assert (evaluations[:, -2] < 205).any()
    assert evaluations[:, -1].max() == 205 or method == "evolution"


def test_maximising_gives_the_course_of_minimising_the_negative():
    down, up = (follow("evolution", *sphere(weight), 200) for weight in (-1.0, 1.0))
    np.testing.assert_array_equal(down.best, up.best)
    assert torch.equal(down.genomes, up.genomes)


def test_evolution_mates_and_mutates_as_often_as_deaps_examples():
    course = follow("evolution", *sphere(), 300)
    first, toolbox = sphere()
    _, logbook = evolution.eaSimple(first, toolbox, cxpb=0.5, mutpb=0.2, ngen=course.best.shape[1] - 1)
    np.testing.assert_array_equal(course.evaluations.T, logbook.select("evaluations"))
    np.testing.assert_array_equal(course.best.T, -np.minimum.accumulate(logbook.select("min")))


def test_the_norm_is_that_of_the_whole_population():
    first, toolbox = sphere()
    course = follow("evolution", first, toolbox, 100)
    assert course.norm[:, 0].tolist() == first.genomes.norm(dim=2).mean(1).tolist()
    assert (course.norm[:, -1] != course.genomes[-1].norm(dim=1).numpy()).all(), "not that of the best alone"


def test_a_generation_of_replicates_that_spend_differently_is_found_by_their_average():
    course = follow("evolution", *sphere(), 200)
    assert len(set(course.evaluations[:, 3])) > 1
    average = course.evaluations.mean(0)
    for generation in (1, 3):
        assert course.generation_at(average[generation]) == generation
        assert course.generation_at(average[generation] - 0.01) == generation - 1


def test_a_generation_is_found_by_what_was_spent_until_it():
    course = follow("random search", *sphere(), 100)
    assert [course.generation_at(spent) for spent in (1, 20, 39, 40, 100, 1000)] == [0, 0, 0, 1, 4, 4]


def test_the_table_has_the_last_known_value_of_each_replicate():
    course = follow("evolution", *sphere(), 100)
    table = course.table([10, 20, 90])
    assert table["seed"].tolist() == [0, 0, 0, 1, 1, 1, 2, 2, 2]
    assert table["evaluations"].tolist() == [10, 20, 90] * 3
    assert table["best"].isna().tolist() == [True, False, False] * 3
    late = table[table["evaluations"] == 90]
    for row in late.to_dict("records"):
        known = course.evaluations[row["seed"]] <= 90
        assert row["best"] == course.best[row["seed"], known][-1]
        assert row["norm"] == course.norm[row["seed"], known][-1]


def test_a_budget_is_at_least_one():
    with pytest.raises(InputError, match="evaluations"):
        follow("evolution", *sphere(), 0)


def test_genomes_at_a_number_of_evaluations_are_those_within_it_of_each_replicate():
    course = follow("evolution", *sphere(), 200)
    for evaluations in (0, 20, 60, int(course.evaluations[0, 3]), 200):
        genomes, table = course.genomes_at(evaluations), course.table([evaluations])
        for replicate, best in enumerate(table["best"].fillna(dict(enumerate(course.best[:, 0])))):
            assert -genomes[replicate].square().sum() == pytest.approx(best)
