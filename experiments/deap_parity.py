"""Do evovae's operators do what DEAP's do?

Every operator that both have is applied many times to the same parents, or to the same population, as DEAP's function
of that name with the same parameters, and the outcomes are compared: gene by gene where it changed
(Kolmogorov-Smirnov); which genes change together, genes of both children jointly and whole outcomes (chi-square); and
to the bit, in float32, where nothing is left to chance. Everything was fixed beforehand, the significance too: 1% for
the whole table, shared evenly by its tests (Bonferroni). Every check should pass.

    python experiments/deap_parity.py            about a minute on one core
    python experiments/deap_parity.py --smoke    seconds, leaving no results
"""

import random
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from deap import tools
from scipy import stats

from evovae import evolution
from evovae.base import Streams
from evovae.studies import start, study

import torch

SIGNIFICANCE = 0.01
REPLICATES = 100
DEAPS_OWN = {"selNSGA2": {"nd": "log"}}

Operator = Callable[..., Any]
Row = tuple[str, str, int, float, float | str]
"""Test, what is compared, draws, statistic, and p-value or whether all is equal."""
Check = Callable[[Operator, Operator, Any, int, Streams], Iterator[Row]]
"""From our operator, DEAP's, what they are given, the draws and where ours come from."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the experiment."""

    draws: int = 100_000
    """How often each operator is applied; a multiple of 100, the replicates that share them."""
    seed: int = 0
    """Seed of our draws and of DEAP's."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


def main(arguments: Arguments) -> None:
    with study("deap_parity", arguments.smoke) as results:
        table = compare(CASES, 1000 if arguments.smoke else arguments.draws, arguments.seed)
        results.table("summary", table)
    print(f"{(table.verdict == 'passes').sum()} of {len(table)} checks pass")


def compare(cases: Collection[tuple[Check, str, dict[str, Any], Any]], draws: int, seed: int) -> pd.DataFrame:
    """Return a table with one row for each check. DEAP draws from Python's global random numbers, seeded here."""
    random.seed(seed)
    streams = Streams(seed, REPLICATES)
    rows = []
    for check, name, parameters, given in cases:
        ours = partial(getattr(evolution, name), **parameters)
        stock = partial(getattr(tools, name), **parameters, **DEAPS_OWN.get(name, {}))
        described = ", ".join(f"{key}={value}" for key, value in parameters.items())
        rows += [(name, described, *row) for row in check(ours, stock, given, draws, streams)]
    table = pd.DataFrame(rows, columns=["operator", "parameters", "test", "compared", "draws", "statistic", "p_value"])
    p = pd.to_numeric(table.p_value, errors="coerce")
    passes = np.where(p.isna(), table.p_value == "equal", p >= SIGNIFICANCE / max(p.count(), 1))
    return table.assign(verdict=np.where(passes, "passes", "fails"))


def whole(operator: Operator, stock: Operator, parents: Any, draws: int, streams: Streams) -> Iterator[Row]:
    """Compare all genes of all children at once, where these can be counted."""
    ours, theirs = vary(operator, parents, draws, streams), vary_stock(stock, parents, draws)
    yield "chi-square", f"{len(parents[0])} genes of all children jointly", draws, *chi_square(ours, theirs)


def certain(operator: Operator, stock: Operator, parents: Any, draws: int, streams: Streams) -> Iterator[Row]:
    """Compare children that hang on no draw."""
    yield equality("children", vary(operator, parents, REPLICATES, streams), vary_stock(stock, parents, REPLICATES))


def by_gene(operator: Operator, stock: Operator, parents: Any, draws: int, streams: Streams) -> Iterator[Row]:
    """Compare which genes change, what they become, and how genes and children hang together."""
    samples = vary(operator, parents, draws, streams), vary_stock(stock, parents, draws)
    genes, before = len(parents[0]), np.array(parents, dtype=np.float32).ravel()
    changed = [sample != before for sample in samples]
    yield "chi-square", "which genes of all children change", draws, *chi_square(*changed)
    for column in np.flatnonzero(changed[0].any(0) & changed[1].any(0)):
        new = [sample[mask[:, column], column] for sample, mask in zip(samples, changed, strict=True)]
        compared = f"gene {column % genes + 1} of child {column // genes + 1}, where changed"
        yield "Kolmogorov-Smirnov", compared, draws, *stats.ks_2samp(*new)
    pair = np.arange(len(before)) % genes < 2
    edges = np.quantile(np.concatenate(samples)[:, pair], [0.2, 0.4, 0.6, 0.8], axis=0)
    fifths = [(sample[:, pair, None] > edges.T).sum(2) for sample in samples]
    yield "chi-square", "genes 1 and 2 of all children jointly, in fifths", draws, *chi_square(*fifths)


def by_chance(operator: Operator, stock: Operator, given: Any, draws: int, streams: Streams) -> Iterator[Row]:
    """Compare who is selected, three at a time."""
    fitness, weights = given
    population = numbered(torch.tensor([fitness] * REPLICATES), weights, streams)
    ours = np.concatenate([numbers(operator(population, 3)) for _ in range(draws // REPLICATES)])
    individuals = population.replicate(0)
    theirs = np.array([[i[0] for i in stock(individuals, 3)] for _ in range(draws)])
    yield "chi-square", f"3 selected by weights {weights}, in order", draws, *chi_square(ours, theirs)


def ranked(operator: Operator, stock: Operator, weights: Any, draws: int, streams: Streams) -> Iterator[Row]:
    """Compare who is selected where fitness alone decides; one individual is the best in all, others tie."""
    fitness = torch.randint(0, 6, (REPLICATES, 30, len(weights)), generator=torch.Generator().manual_seed(0)).float()
    fitness[:, 17] = 9.0 * torch.tensor(weights).sign()
    population = numbered(fitness, weights, streams)
    for k in (1, 10, 30):
        theirs = np.array([[i[0] for i in stock(population.replicate(r), k)] for r in range(REPLICATES)])
        yield equality(f"{k} of 30 selected by weights {weights}, in order", numbers(operator(population, k)), theirs)


def vary(operator: Operator, parents: list[list[float]], draws: int, streams: Streams) -> np.ndarray:
    """Return the children of `draws` applications of ours, float32 (draws, children * genes)."""
    repeated = [torch.tensor(parent).expand(REPLICATES, draws // REPLICATES, -1) for parent in parents]
    children = operator(*repeated, streams)
    return torch.cat(children if isinstance(children, tuple) else (children,), dim=2).flatten(0, 1).numpy()


def vary_stock(operator: Operator, parents: list[list[float]], draws: int) -> np.ndarray:
    """Return the same of DEAP's, rounded to float32."""
    return np.array([np.concatenate(operator(*map(list, parents))) for _ in range(draws)], dtype=np.float32)


def numbered(fitness: torch.Tensor, weights: tuple[float, ...], streams: Streams) -> evolution.Population:
    """Return individuals with the `fitness` (R, N, M), whose only gene is their number."""
    valid = torch.ones(fitness.shape[:2], dtype=torch.bool)
    return evolution.Population(valid.cumsum(1).unsqueeze(2).float(), fitness, valid, weights, streams)


def numbers(selected: evolution.Population) -> np.ndarray:
    """Return who was selected, (R, k)."""
    return selected.genomes[..., 0].numpy()


def chi_square(ours: np.ndarray, theirs: np.ndarray) -> tuple[float, float]:
    """Test whether rows of `ours` and `theirs` are equally frequent, rare ones together: statistic and p-value."""
    outcomes, which = np.unique(np.concatenate((ours, theirs)), axis=0, return_inverse=True)
    table = np.stack([np.bincount(half, minlength=len(outcomes)) for half in np.split(which.ravel(), [len(ours)])])
    rare = table.sum(0) < 20
    table = np.column_stack((table[:, ~rare], table[:, rare].sum(1)))
    return stats.chi2_contingency(table[:, table.any(0)])[:2]


def equality(compared: str, ours: np.ndarray, theirs: np.ndarray) -> Row:
    """Count the rows that differ."""
    differ = int((ours != theirs).any(1).sum())
    return "equality", compared, len(ours), differ, "differ" if differ else "equal"


# Two genes inside, in either order and one on a bound; one near a bound; one in which the parents agree.
PARENTS = [[0.5, -1.0, 1.75, 0.25], [-0.25, 0.5, 1.0, 0.25]]
BOX = {"low": [-1.0, -1.0, -2.0, -1.0], "up": 2.0}
TWO, FIVE = ([[1.0 + gene for gene in range(n)], [11.0 + gene for gene in range(n)]] for n in (2, 5))
ONE = [[3.0], [0.5], [2.0], [2.0], [0.0], [6.0]]
THREE = [[3.0, 1.0, 0.5], [3.0, 2.0, 5.0], [1.0, 0.5, 5.0], [0.5, 0.0, 1.0], [3.0, 1.0, 0.5], [2.0, 0.25, 4.5]]
SINGLE, LEAST, MIXED = (ONE, (1.0,)), (ONE, (-1.0,)), (THREE, (2.0, -1.0, 0.5))

CASES: list[tuple[Check, str, dict[str, Any], Any]] = [
    (whole, "cxOnePoint", {}, TWO),
    (whole, "cxOnePoint", {}, FIVE),
    (whole, "cxTwoPoint", {}, TWO),
    (whole, "cxTwoPoint", {}, FIVE),
    (whole, "cxUniform", {"indpb": 0.1}, FIVE),
    (whole, "cxUniform", {"indpb": 0.5}, FIVE),
    (certain, "cxUniform", {"indpb": 0.0}, FIVE),
    (certain, "cxUniform", {"indpb": 1.0}, FIVE),
    (by_gene, "cxBlend", {"alpha": 0.0}, PARENTS),
    (by_gene, "cxBlend", {"alpha": 0.5}, PARENTS),
    (by_gene, "cxSimulatedBinary", {"eta": 0.0}, PARENTS),
    (by_gene, "cxSimulatedBinary", {"eta": 2.0}, PARENTS),
    (by_gene, "cxSimulatedBinary", {"eta": 20.0}, PARENTS),
    (certain, "cxSimulatedBinary", {"eta": 1e16}, PARENTS),
    (by_gene, "cxSimulatedBinaryBounded", {"eta": 0.0, **BOX}, PARENTS),
    (by_gene, "cxSimulatedBinaryBounded", {"eta": 2.0, **BOX}, PARENTS),
    (by_gene, "cxSimulatedBinaryBounded", {"eta": 20.0, **BOX}, PARENTS),
    (whole, "cxSimulatedBinaryBounded", {"eta": 1e16, "low": 0.0, "up": 20.0}, FIVE),
    (by_gene, "mutGaussian", {"mu": 0.0, "sigma": 1.0, "indpb": 0.02}, PARENTS[:1]),
    (by_gene, "mutGaussian", {"mu": 1.0, "sigma": 0.5, "indpb": 0.7}, PARENTS[:1]),
    (by_gene, "mutGaussian", {"mu": [0.0, 3.0, -1.0, 0.5], "sigma": [1.0, 0.1, 2.0, 1.0], "indpb": 0.3}, PARENTS[:1]),
    (certain, "mutGaussian", {"mu": 0.0, "sigma": 1.0, "indpb": 0.0}, PARENTS[:1]),
    (certain, "mutGaussian", {"mu": [0.5, 0.0, -1.0, 2.0], "sigma": 0.0, "indpb": 1.0}, PARENTS[:1]),
    (by_gene, "mutPolynomialBounded", {"eta": 0.0, **BOX, "indpb": 0.5}, PARENTS[:1]),
    (by_gene, "mutPolynomialBounded", {"eta": 2.0, **BOX, "indpb": 0.02}, PARENTS[:1]),
    (by_gene, "mutPolynomialBounded", {"eta": 20.0, **BOX, "indpb": 0.3}, PARENTS[:1]),
    (certain, "mutPolynomialBounded", {"eta": 2.0, **BOX, "indpb": 0.0}, PARENTS[:1]),
    (certain, "mutPolynomialBounded", {"eta": 1e16, **BOX, "indpb": 1.0}, PARENTS[:1]),
    (whole, "mutShuffleIndexes", {"indpb": 0.2}, FIVE[:1]),
    (whole, "mutShuffleIndexes", {"indpb": 1.0}, FIVE[:1]),
    (whole, "mutShuffleIndexes", {"indpb": 0.5}, TWO[:1]),
    (certain, "mutShuffleIndexes", {"indpb": 0.0}, FIVE[:1]),
    (by_chance, "selRandom", {}, SINGLE),
    (by_chance, "selTournament", {"tournsize": 1}, SINGLE),
    (by_chance, "selTournament", {"tournsize": 2}, SINGLE),
    (by_chance, "selTournament", {"tournsize": 5}, LEAST),
    (by_chance, "selTournament", {"tournsize": 2}, MIXED),
    (by_chance, "selRoulette", {}, SINGLE),
    (by_chance, "selRoulette", {}, MIXED),
    (by_chance, "selStochasticUniversalSampling", {}, SINGLE),
    (by_chance, "selStochasticUniversalSampling", {}, MIXED),
    (by_chance, "selLexicase", {}, LEAST),
    (by_chance, "selLexicase", {}, MIXED),
    (by_chance, "selEpsilonLexicase", {"epsilon": 0.5}, MIXED),
    (by_chance, "selEpsilonLexicase", {"epsilon": 2.0}, MIXED),
    (ranked, "selLexicase", {}, (1.0, -1.0, 0.5)),
    (ranked, "selEpsilonLexicase", {"epsilon": 0.5}, (1.0, -1.0, 0.5)),
    (ranked, "selBest", {}, (1.0,)),
    (ranked, "selBest", {}, (-1.0, 0.5, 1.0)),
    (ranked, "selWorst", {}, (-1.0,)),
    (ranked, "selWorst", {}, (1.0, -2.0, 1.0)),
    (ranked, "selNSGA2", {}, (1.0, -1.0)),
    (ranked, "selNSGA2", {}, (-1.0, 0.5, 1.0)),
]


if __name__ == "__main__":
    start(main, Arguments, __doc__)
