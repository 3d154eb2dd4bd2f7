"""What fills a role is checked when it answers, and the message names role and generation."""

import pickle
from collections.abc import Callable

import pytest
import torch
from deap import tools
from evolving import Counting, sphere, toolbox

import evovae
from evovae import evolution, objectives
from evovae.base import InputError
from evovae.data import ImageSet
from evovae.encodings import VectorEncoding
from evovae.evolution import EvaluationError, HallOfFame


def run(role: str, operator: Callable[..., object], weights: tuple[float, ...] = (1.0,), replicates: int = 2) -> None:
    box = toolbox(lambda x: x[:, : len(weights)], 5, weights=weights)
    box.register(role, operator)
    evolution.eaSimple(box.population(n=6, replicates=replicates), box, 0.9, 0.9, 2)


@pytest.mark.parametrize(
    ("role", "operator", "message"),
    [
        (
            "evaluate",
            lambda g: g[:, :2],
            r"generation 0: the role 'evaluate' gave .*\(12, 2\) for 12 .*expected .*\(12, 1\)",
        ),
        ("evaluate", lambda g: g.sum(1).tolist(), "generation 0: the role 'evaluate' gave list"),
        ("evaluate", lambda g: g.sum(), r"generation 0: the role 'evaluate' gave .*shape \(\)"),
        ("mutate", lambda g, random: (g,), "generation 1: the role 'mutate' gave tuple: expected a tensor"),
        ("mutate", lambda g, random: None, "generation 1: the role 'mutate' gave NoneType: expected a tensor of shape"),
        ("mutate", lambda g, random: g[:, :3], r"the role 'mutate' gave .*, 3\): expected a tensor of shape .*, 5\)"),
        ("mutate", lambda g, random: g.double(), "gave torch.float64 .* expected .* torch.float32"),
        ("mate", lambda a, b, random: (a,), "generation 1: the role 'mate' gave 1 children: expected 2 tensors"),
        ("mate", lambda a, b, random: a, "generation 1: the role 'mate' gave torch.float32 .* expected 2 tensors"),
        ("select", lambda population, k: population.genomes, "generation 1: the role 'select' gave torch.float32"),
        ("select", lambda population, k: None, "generation 1: the role 'select' gave NoneType: expected a Population"),
    ],
)
def test_an_answer_of_another_kind_is_refused(role: str, operator: Callable[..., object], message: str) -> None:
    with pytest.raises(InputError, match=message) as error:
        run(role, operator)
    assert "\n" not in str(error.value)


def test_a_column_for_two_objectives_is_not_spread_over_both() -> None:
    with pytest.raises(InputError, match=r"'evaluate' gave .*shape \(12,\) .*expected a tensor of shape \(12, 2\)"):
        run("evaluate", lambda genomes: genomes[:, 0], weights=(1.0, -1.0))


def test_a_misspelt_parameter_is_named_with_its_role() -> None:
    box = toolbox(sphere, 5)
    box.register("mutate", evolution.mutGaussian, mu=0.0, sigm=1.0, indpb=0.2)
    with pytest.raises(EvaluationError, match=r"generation 1: the role 'mutate' raised TypeError: .*'sigm'"):
        evolution.eaSimple(box.population(n=6), box, 0.5, 0.9, 2)


def test_one_number_for_each_will_do_for_a_single_objective_and_a_graph_is_left_behind() -> None:
    weight = torch.ones(5, requires_grad=True)
    box = toolbox(lambda x: -(x.square() * weight).sum(1), 5)
    box.register("evaluate", lambda genomes: -(genomes.square() * weight).sum(1))
    population, _ = evolution.eaSimple(box.population(n=6, replicates=3), box, 0.5, 0.5, 2)
    assert population.fitness.shape == (3, 6, 1)
    assert not population.fitness.requires_grad
    torch.testing.assert_close(population.fitness.squeeze(2), -population.genomes.square().sum(2))


def test_evaluate_is_not_asked_about_nobody() -> None:
    counting = Counting()
    box = toolbox(counting, 5)
    evolution.eaSimple(box.population(n=6), box, 0.0, 0.0, 3)
    assert [len(batch) for batch in counting.batches] == [6]


def test_a_hall_of_fame_of_deaps_is_refused_at_once() -> None:
    box = toolbox(sphere, 5)
    with pytest.raises(
        InputError, match=r"halloffame is a deap.tools.support.HallOfFame: expected evolution.HallOfFame"
    ):
        evolution.eaSimple_iter(box.population(n=6), box, 0.5, 0.5, 3, tools.HallOfFame(1))
    with pytest.raises(InputError, match=r"halloffame is a builtins.list"):
        evolution.random_search_iter(box.population(n=6), box, 6, halloffame=[])


def test_map_is_no_role_of_whole_populations() -> None:
    box = toolbox(sphere, 5)
    with pytest.raises(InputError, match=r"map is no role of whole populations: .* evolution.Bridge"):
        box.register("map", lambda function, individuals: [])


def test_decorators_of_deap_are_refused_and_ones_own_are_used() -> None:
    box = toolbox(sphere, 5)
    with pytest.raises(InputError, match=r"DEAP's DeltaPenalty .* use constraints or"):
        box.decorate("evaluate", tools.DeltaPenalty(lambda individual: True, 0.0))
    with pytest.raises(InputError, match=r"DEAP's History .* use Population.traced"):
        box.decorate("mate", tools.History().decorator)
    box.decorate("mutate", lambda mutate: lambda *given, **parameters: mutate(*given, **parameters).clamp(-1.0, 1.0))
    population, _ = evolution.eaSimple(box.population(n=50), box, 0.0, 1.0, 1)
    assert population.genomes.abs().max() <= 1.0


def test_bounds_hold_for_seeds_a_later_project_and_a_copied_toolbox() -> None:
    from copy import copy

    box = copy(toolbox(lambda x: x.sum(1), 3))
    population = box.population(n=20, replicates=2).seeded(torch.full((2, 3), 5.0))
    box.register("project", lambda genomes: genomes.clamp(-1.0, 1.0))
    for search in (
        evolution.eaSimple_iter(population, box, 0.5, 0.5, 5),
        evolution.random_search_iter(population, box, 90),
    ):
        famous = HallOfFame(3)
        for generation in search:
            famous.update(generation.offspring)
        assert famous.genomes.abs().max() <= 1.0
    evolution.gradient_ascent(population, box, 60, halloffame=(famous := HallOfFame(3)))
    assert famous.genomes.abs().max() <= 1.0


def test_a_toolbox_goes_through_a_pickle_and_evolves_the_same(digits: ImageSet) -> None:
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=4, hidden=(8,)), seed=1)
    box = evolution.toolbox(evovae.LatentEncoding(vae), objectives.target(digits.test.images[0]))
    box.register("mutate", evolution.mutGaussian, mu=0.0, sigma=0.3, indpb=0.5)
    again = pickle.loads(pickle.dumps(box))
    one, other = (evolution.eaSimple(b.population(n=8, replicates=2), b, 0.5, 0.5, 3)[0] for b in (box, again))
    assert torch.equal(one.genomes, other.genomes)
    bridge = pickle.loads(pickle.dumps(evolution.Bridge(box.encoding, objectives.ink())))
    (value,) = bridge.evaluate(one.replicate(0)[0])
    assert 0 < value < 1


def test_genes_that_are_no_numbers_never_win_whatever_evaluates_them() -> None:
    box = toolbox(sphere, 3, evaluate=lambda genomes: torch.ones(len(genomes), 1))
    population = box.population(n=4).seeded(torch.tensor([[0.0, torch.nan, 0.0], [torch.inf, 0.0, 0.0]]))
    assert evolution.evaluate(population, box).fitness[0, :, 0].isnan().tolist() == [True, True, False, False]


@pytest.mark.parametrize("strange", ["genome", "phenotype"])
def test_genes_that_are_no_numbers_never_win(strange: str) -> None:
    class Decoder(VectorEncoding):
        def _decode(self, genomes: torch.Tensor) -> torch.Tensor:
            return torch.where(genomes[:, :1] > 0, torch.nan, genomes) if strange == "phenotype" else genomes

    box = evolution.toolbox(Decoder(3), lambda x: (x.nan_to_num() >= 0.5).sum(1))  # counts, and so sees nothing
    population = box.population(n=400)
    if strange == "genome":
        mutate = evolution.mutGaussian
        box.register("mutate", lambda g, r: torch.where(g[:, :1] > 0, torch.inf, mutate(g, r, 0.0, 1.0, 0.5)))
    famous = HallOfFame(1)
    *_, last = evolution.eaSimple_iter(population, box, 0.5, 0.9, 3, famous)
    odd = last.population.genomes[..., 0] > 0 if strange == "phenotype" else ~last.population.genomes.isfinite().all(2)
    assert last.statistics()["nonfinite"] == odd.sum()
    assert (odd.sum() > 0) == (strange == "phenotype") or odd.any()
    assert famous.genomes.isfinite().all()
    assert last.population.fitness[odd].isnan().all()
