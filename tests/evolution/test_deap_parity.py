"""The study that compares our operators with DEAP's: all agree, none is left out, and a wrong one would be seen."""

import importlib.util
from types import SimpleNamespace

import pytest
import torch
from deap import tools
from places import EXPERIMENTS

from evovae import evolution

SCRIPT = EXPERIMENTS / "deap_parity.py"
SPECIFICATION = importlib.util.spec_from_file_location("deap_parity", SCRIPT)
deap_parity = importlib.util.module_from_spec(SPECIFICATION)
SPECIFICATION.loader.exec_module(deap_parity)

DRAWS = 5000
SHARED = [n for n in evolution.__all__ if n.startswith(("cx", "mut", "sel")) and hasattr(tools, n)]
RIGHT = SimpleNamespace(**{name: getattr(evolution, name) for name in SHARED})
"""As they are, whatever a test puts in their places."""


@pytest.mark.usefixtures("stock_random")
def test_every_operator_that_deap_has_does_what_deaps_does():
    table = deap_parity.compare(deap_parity.CASES, DRAWS, seed=1)
    assert set(table.operator) == set(SHARED)
    assert (table.verdict == "passes").all(), table[table.verdict != "passes"].to_string()


def one_weight_a_pair(first, second, random, alpha):
    step = (random.uniform(*first.shape[:-1], 1) * (1 + 2 * alpha) - alpha) * (second - first)
    return first + step, second - step


def lower_child_first(first, second, random, **parameters):
    one, two = RIGHT.cxSimulatedBinaryBounded(first, second, random, **parameters)
    return torch.minimum(one, two), torch.maximum(one, two)


def all_genes_or_none(genomes, random, mu, sigma, indpb):
    changed = random.uniform(*genomes.shape[:-1], 1) < indpb
    return torch.where(changed, RIGHT.mutGaussian(genomes, random, mu, sigma, 1.0), genomes)


def exchanged_with_any(genomes, random, indpb):
    mutants, size = genomes.clone(), genomes.shape[-1]
    lottery, partners = random.uniform(*genomes.shape), (random.uniform(*genomes.shape) * size).long()
    for i in range(size):
        j = torch.where(lottery[..., i] < indpb, partners[..., i], i).unsqueeze(-1)
        gene = mutants[..., i : i + 1].clone()
        mutants[..., i : i + 1] = mutants.gather(-1, j)
        mutants.scatter_(-1, j, gene)
    return mutants


def last_of_equals(population, k):
    mirrored = population.take(torch.arange(len(population)).flip(0).expand(population.replicates, -1))
    return RIGHT.selBest(mirrored, k)


WRONG = {
    "cxOnePoint": RIGHT.cxTwoPoint,
    "cxTwoPoint": RIGHT.cxOnePoint,
    "cxUniform": lambda *parents, indpb: RIGHT.cxUniform(*parents, indpb=0.9 * indpb),
    "cxBlend": one_weight_a_pair,
    "cxSimulatedBinary": lambda *parents, eta: RIGHT.cxSimulatedBinary(*parents, eta=eta + 1),
    "cxSimulatedBinaryBounded": lower_child_first,
    "mutGaussian": all_genes_or_none,
    "mutPolynomialBounded": lambda *given, eta, **others: RIGHT.mutPolynomialBounded(*given, eta=eta + 1, **others),
    "mutShuffleIndexes": exchanged_with_any,
    "selBest": last_of_equals,
    "selEpsilonLexicase": lambda population, k, epsilon: RIGHT.selLexicase(population, k),
    "selLexicase": lambda population, k: RIGHT.selTournament(population, k, 50),
    "selNSGA2": RIGHT.selBest,
    "selRandom": lambda population, k: RIGHT.selTournament(population, k, 2),
    "selRoulette": lambda population, k: RIGHT.selTournament(population, k, 2),
    "selStochasticUniversalSampling": RIGHT.selRoulette,
    "selTournament": lambda population, k, tournsize: RIGHT.selTournament(population, k, tournsize + 1),
    "selWorst": RIGHT.selBest,
}


@pytest.mark.parametrize("name", SHARED)
@pytest.mark.usefixtures("stock_random")
def test_an_operator_that_does_something_else_is_seen(name, monkeypatch):
    monkeypatch.setattr(evolution, name, WRONG[name])
    table = deap_parity.compare([case for case in deap_parity.CASES if case[1] == name], DRAWS, seed=1)
    assert (table.verdict == "fails").any()
