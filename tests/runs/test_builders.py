"""A toolbox and limits are what the settings say, each under its own name."""

import pytest
import torch

from evovae import evolution
from evovae.base import Streams
from evovae.encodings import VectorEncoding
from evovae.evolution import Population
from evovae.objectives import ink
from evovae.runs import EvolveConfig
from evovae.runs.evolutions.builders import make_stopping, make_toolbox

MATES = {
    "cxBlend": ({"alpha": 0.1}, {"alpha": 0.1}),
    "cxSimulatedBinary": ({"eta": 3.0}, {"eta": 3.0}),
    "cxUniform": ({"swap": 0.9}, {"indpb": 0.9}),
    "cxTwoPoint": ({}, {}),
    "cxSlerp": ({}, {}),
}


@pytest.mark.parametrize("mate", MATES)
def test_a_toolbox_is_as_the_settings_say(mate: str) -> None:
    asked, given = MATES[mate]
    settings = {"select": "selTournament", "tournsize": 7, "sigma": 0.9, "indpb": 0.4, **asked}
    toolbox = make_toolbox(VectorEncoding(5), ink(), EvolveConfig(mate=mate, **settings))
    parents = torch.randn(2, 4, 5, generator=torch.Generator().manual_seed(0))
    for child, expected in zip(
        toolbox.mate(*parents.unsqueeze(1), Streams(1, 1)),
        getattr(evolution, mate)(*parents.unsqueeze(1), Streams(1, 1), **given),
        strict=True,
    ):
        assert torch.equal(child, expected)
    mutants = evolution.mutGaussian(parents, Streams(2, 2), mu=0.0, sigma=0.9, indpb=0.4)
    assert torch.equal(toolbox.mutate(parents, Streams(2, 2)), mutants)
    fitness = torch.arange(8.0).view(2, 4, 1)
    population = Population(parents, fitness, torch.ones(2, 4, dtype=torch.bool), (1.0,), Streams(3, 2))
    expected = evolution.selTournament(Population(**vars(population) | {"streams": Streams(3, 2)}), 40, tournsize=7)
    assert torch.equal(toolbox.select(population, 40).genomes, expected.genomes)


def test_limits_are_those_of_the_settings() -> None:
    limits = {"target": 1.5, "stagnation": 3, "evaluations": 70, "seconds": 9.0}
    stopping = make_stopping(EvolveConfig(**{f"stop_{name}": value for name, value in limits.items()}))
    assert {name: getattr(stopping, name) for name in limits} == limits
