"""The searches of a run are those that its settings ask for: same seed, same bits as the algorithm called by hand."""

import pytest
import torch

from evovae import evolution
from evovae.encodings import VectorEncoding
from evovae.evolution import HallOfFame, Population, SeparableCMAES
from evovae.objectives import Objective
from evovae.runs import EvolveConfig
from evovae.runs.evolutions.builders import make_toolbox
from evovae.runs.searches import BASELINES, EVOLUTION, Start

SPHERE = Objective(("sphere",), (1.0,), lambda x: -x.square().sum(-1, keepdim=True))
SETTINGS = {"population": 6, "generations": 4, "replicates": 2, "cxpb": 0.6, "mutpb": 0.3, "device": "cpu"}


def begin(config: EvolveConfig, evaluations: int = 0) -> Start:
    toolbox = make_toolbox(VectorEncoding(3), SPHERE, config)
    population = toolbox.population(config.population, config.replicates, config.seed)
    return Start(population, toolbox, config, evaluations, HallOfFame(1))


def assert_same(found: Population, expected: Population) -> None:
    assert torch.equal(found.genomes, expected.genomes)
    assert torch.equal(found.fitness, expected.fitness)


@pytest.mark.parametrize("algorithm", ["eaSimple", "eaMuPlusLambda", "eaMuCommaLambda", "eaGenerateUpdate"])
def test_an_evolution_is_the_algorithm_built_as_asked(algorithm: str) -> None:
    more = {"eaSimple": {"elites": 2}, "eaGenerateUpdate": {"sigma": 0.3}}.get(algorithm, {"offspring": 9})
    start = begin(EvolveConfig(algorithm=algorithm, select="selTournament", **SETTINGS, **more))
    *_, last = EVOLUTION.generations(start)
    first, toolbox, _, _, _, _ = begin(start.config)
    rates = {"cxpb": 0.6, "mutpb": 0.3, "ngen": 4}
    if algorithm == "eaSimple":
        expected, _ = evolution.eaSimple(first, toolbox, elites=2, **rates)
    elif algorithm == "eaGenerateUpdate":
        SeparableCMAES(first, sigma=0.3, lambda_=6).register(toolbox)
        expected, _ = evolution.eaGenerateUpdate(toolbox, ngen=5)
    else:
        expected, _ = getattr(evolution, algorithm)(first, toolbox, mu=6, lambda_=9, **rates)
    assert last.gen == 4
    assert_same(last.population, expected)
    assert len(start.archive) == 1


@pytest.mark.parametrize(
    ("name", "search"), [("random-search", "random_search"), ("gradient-ascent", "gradient_ascent")]
)
def test_a_baseline_spends_what_it_is_given(name: str, search: str) -> None:
    start = begin(EvolveConfig(algorithm="eaSimple", select="selTournament", **SETTINGS), evaluations=15)
    *_, last = BASELINES[name].generations(start)
    assert last.evaluations.tolist() == [15, 15]
    first, toolbox, *_ = begin(start.config)
    expected, _ = getattr(evolution, search)(first, toolbox, 15)
    assert_same(last.population, expected)
