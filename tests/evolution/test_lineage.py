"""Who was evaluated, and whose child is who."""

import pandas as pd
import pytest
import torch
from evolving import assert_same, sphere, toolbox

from evovae import evolution
from evovae.base import InputError
from evovae.encodings import VectorEncoding


def pedigree(generations) -> tuple[pd.DataFrame, list]:
    found = list(generations)
    return pd.concat([generation.lineage() for generation in found], ignore_index=True), found


@pytest.mark.parametrize("replicates", [1, 3])
def test_every_child_has_parents_that_lived_before_it(replicates: int) -> None:
    box = toolbox(sphere, 4)
    population = box.population(n=9, replicates=replicates).traced()  # the ninth stays single
    table, generations = pedigree(evolution.eaSimple_iter(population, box, 0.6, 0.4, 8, elites=1))
    assert len(table) == int(generations[-1].evaluations.sum())
    for _, group in table.groupby("replicate"):
        assert group["number"].is_unique
        assert (group.loc[group["generation"] == 0, ["parent_0", "parent_1"]] == -1).all(axis=None)
        later = group[group["generation"] > 0]
        assert (later["parent_0"] >= 0).all()
        assert (later["parent_1"] >= 0).any()
        born = group.set_index("number")["generation"]
        for parent in ("parent_0", "parent_1"):
            known = later[later[parent] >= 0]
            assert (born.loc[known[parent]].to_numpy() < known["generation"].to_numpy()).all()


def test_children_of_crossover_lie_between_their_parents() -> None:
    box = toolbox(lambda x: x[:, :1], 1)
    box.register("mate", lambda a, b, random: ((a + b) / 2, (a + b) / 2))
    for search in (
        evolution.eaSimple_iter(box.population(n=20).traced(), box, 1.0, 0.0, 3),
        evolution.eaMuPlusLambda_iter(box.population(n=20).traced(), box, 20, 30, 1.0, 0.0, 3),
    ):
        table, _ = pedigree(search)
        fitness = table.set_index("number")["fitness"]
        children = table[table["parent_1"] >= 0]
        middle = (fitness[children["parent_0"]].to_numpy() + fitness[children["parent_1"]].to_numpy()) / 2
        pd.testing.assert_series_equal(
            children["fitness"], pd.Series(middle, children.index), check_names=False, rtol=1e-5
        )


def test_mutants_have_one_parent_and_copies_keep_their_number() -> None:
    box = toolbox(sphere, 2)
    table, generations = pedigree(evolution.eaSimple_iter(box.population(n=10).traced(), box, 0.0, 0.3, 4))
    assert (table["parent_1"] == -1).all()
    last = generations[-1]
    numbers = last.population.lineage[..., 0]
    unchanged = numbers[~last.evaluated]
    assert set(unchanged.tolist()) <= set(table["number"])
    row = table.set_index("number").loc[numbers[0].tolist()]
    assert torch.equal(torch.tensor(row["fitness"].to_numpy()), last.population.fitness[0, :, 0])


def test_tracing_changes_no_number_of_the_run_and_goes_on_from_a_state() -> None:
    def run(traced: bool, state=None):
        box = toolbox(sphere, 3)
        population = box.population(n=12, replicates=2)
        return evolution.eaSimple_iter(population.traced() if traced else population, box, 0.5, 0.5, 6, state=state)

    *_, plain = run(False)
    *_, traced = run(True)
    assert_same(plain.population, traced.population)
    *_, resumed = run(True, next(run(True)).state())
    pd.testing.assert_frame_equal(resumed.lineage(), traced.lineage())


def test_who_is_evaluated_anew_is_not_born_anew() -> None:
    box = evolution.toolbox(VectorEncoding(3), lambda x: x.sum(1), reevaluate=True)
    for search in (
        evolution.eaSimple_iter(box.population(n=10, replicates=2).traced(), box, 0.4, 0.3, 5, elites=3),
        evolution.eaMuPlusLambda_iter(box.population(n=10, replicates=2).traced(), box, 10, 12, 0.4, 0.3, 5),
    ):
        table, generations = pedigree(search)
        assert not table.duplicated(["replicate", "number"]).any()
        assert len(table) < int(generations[-1].evaluations.sum())
        last = generations[-1].population.table()
        assert set(zip(last["replicate"], last["number"], strict=True)) <= set(
            zip(table["replicate"], table["number"], strict=True)
        )


def test_who_was_evaluated_is_known() -> None:
    box = toolbox(sphere, 3)
    for generation in evolution.eaSimple_iter(box.population(n=12, replicates=3), box, 0.4, 0.2, 5):
        assert torch.equal(generation.evaluated.sum(1), generation.nevals)
    assert generation.evaluated.shape == (3, 12)


def test_without_tracing_there_is_no_lineage() -> None:
    box = toolbox(sphere, 3)
    with pytest.raises(InputError, match=r"no lineage: begin with population.traced\(\)"):
        next(evolution.eaSimple_iter(box.population(n=4), box, 0.5, 0.5, 1)).lineage()


def test_a_population_and_a_hall_of_fame_read_like_lists_of_deaps() -> None:
    box = toolbox(sphere, 3)
    famous = evolution.HallOfFame(4)
    assert (len(famous), list(famous)) == (0, [])
    population, _ = evolution.eaSimple(box.population(n=6), box, 0.5, 0.5, 2, halloffame=famous)
    assert [list(individual) for individual in population] == population.genomes[0].tolist()
    assert population[-1].fitness.values == tuple(population.fitness[0, -1].tolist())
    assert len(population[1:3]) == 2
    assert len(famous) == 4
    assert famous[0].fitness >= famous[1].fitness
    assert repr(population) == "<Population: 1 replicate of 6 individuals, 3 genes, 1 objective>"
    assert repr(famous) == "<HallOfFame: 4 of at most 4 in each replicate>"
    several = box.population(n=6, replicates=2)
    with pytest.raises(InputError, match="2 replicates: take one's list with replicate"):
        several[0]


def test_a_population_becomes_a_table() -> None:
    box = toolbox(lambda x: x[:, :2], 3, weights=(1.0, -1.0))
    population, _ = evolution.eaMuPlusLambda(
        box.population(n=4, replicates=2), toolbox(lambda x: x[:, :2], 3, weights=(1.0, -1.0)), 4, 4, 0.5, 0.5, 1
    )
    table = population.table()
    names = ["replicate", "individual", "valid", "fitness_0", "fitness_1", "gene_0", "gene_1", "gene_2"]
    assert list(table) == names
    assert "object" not in set(table.dtypes.map(str))
    assert torch.equal(torch.tensor(table["gene_1"].to_numpy()).view(2, 4), population.genomes[..., 1])
