"""How fast is a generation, against the decoder alone, stock DEAP, DEAP with a batched map, and EvoTorch?

The decoder is 32-512-784, fitness the error to an image. Everybody starts from an evaluated population, in turns in one
process; the figures are medians over rounds of ratios within a round. A generation of ours includes its statistics.

DEAP runs the same GA (tournaments of 3, blend crossover 0.5, Gaussian mutation 0.2); the 60% that change are evaluated.
EvoTorch's GA has another way: it crosses everybody (at one point), mutates as many genes, lets parents and children
compete, and as it comes evaluates parents again, 2 N decodes. So it meets ours three times: as both come, with children
alone evaluated, and so against ours with everybody crossed, where both decode N. Besides: 100 replicates at once,
against ours one after another and against stock DEAP with a plain Python fitness; a single one, where DEAP has little
to do and we are expected to be slower (a ratio below 1); NSGA-II selection, a million genomes. Expect the figures in
the column `reach`, where there is one.

    python experiments/speed_evolution.py                  about 2 minutes on two cores, with nothing else running
    python experiments/speed_evolution.py --device cuda
    python experiments/speed_evolution.py --smoke          seconds, leaving no results
"""

import itertools
import logging
import multiprocessing
import random
import resource
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
from deap import algorithms as stock
from deap import base, tools

import evovae
from evovae import evolution, objectives
from evovae.analysis import plots
from evovae.base import Streams, resolve_device, synchronise
from evovae.evolution import Bridge, Individual, Population
from evovae.studies import start, study

import torch
from torch import Tensor

try:
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # of torch.jit, which it still uses
        import evotorch
        from evotorch.algorithms import GeneticAlgorithm
        from evotorch.operators import GaussianMutation, OnePointCrossOver
except ImportError:
    evotorch = None

GENES, CXPB, MUTPB = 32, 0.5, 0.2
REACH = {  # (ours against, individuals): the figure to reach, at most for decode, at least for the others
    **dict.fromkeys([("decode", 1000), ("decode", 10_000)], 0.75),
    ("decode", 100): 1.2,
    ("DEAP", 1000): 14,
    ("DEAP", 10_000): 25,
    ("DEAP, batched map", 1000): 6,
    ("DEAP, batched map", 10_000): 9,
    **{("EvoTorch", n): 2 for n in (100, 1000, 10_000)},
    **{("EvoTorch, children only", n): np.nan for n in (100, 1000, 10_000)},
    **{("EvoTorch, children only, everybody crossed", n): np.nan for n in (100, 1000, 10_000)},
}


@dataclass(frozen=True)
class Arguments:
    """Settings of the measurement."""

    rounds: int = 5
    """Times that each is measured, in turns."""
    seconds: float = 0.5
    """How long a measurement takes at least, if a single generation does not take longer."""
    threads: int = 2
    """Threads of torch."""
    device: str = "auto"
    """auto (CUDA when present, else the CPU), cpu, cuda, cuda:1, ..."""
    smoke: bool = False
    """Run in seconds, leaving no results."""


class Problem:
    """What all of them search: the latent space of a VAE (its weights do not matter here), for an image."""

    def __init__(self, device: torch.device) -> None:
        vae = evovae.VAE(evovae.VAEConfig(latent_dim=GENES, hidden=(512,))).to(device)
        self.device, self.encoding = device, evovae.LatentEncoding(vae, support="free")
        self.objective = objectives.target(evovae.load_images("mnist").test.images[42])
        self.toolbox = evolution.toolbox(self.encoding, self.objective)

    def population(self, n: int) -> Population:
        """Return `n` evaluated individuals."""
        return evolution.evaluate(self.toolbox.population(n=n), self.toolbox)


def decode(problem: Problem, n: int) -> Iterator[None]:
    genomes = problem.population(n).genomes[0]
    while True:
        problem.toolbox.evaluate(genomes)
        yield


def ours(problem: Problem, n: int, cxpb: float = CXPB) -> Iterator[None]:
    for generation in evolution.eaSimple_iter(problem.population(n), problem.toolbox, cxpb, MUTPB, 10**9):
        generation.statistics()
        yield


def deap(problem: Problem, n: int, batched: bool) -> Iterator[None]:
    box, bridge = base.Toolbox(), Bridge(problem.encoding, problem.objective)
    box.register("evaluate", bridge.evaluate)
    box.register("mate", tools.cxBlend, alpha=0.5)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=0.5, indpb=0.2)
    box.register("select", tools.selTournament, tournsize=3)
    if batched:
        box.register("map", bridge.map)
    individuals = problem.population(n).replicate(0)
    while True:
        individuals, _ = stock.eaSimple(individuals, box, CXPB, MUTPB, 1, verbose=False)
        yield


def evotorch_ga(problem: Problem, n: int, re_evaluate: bool) -> Iterator[None]:
    @evotorch.decorators.vectorized
    @torch.no_grad()
    def fitness(genomes: Tensor) -> Tensor:
        return problem.objective(problem.encoding.decode(genomes.as_subclass(Tensor))).squeeze(1)

    searched = evotorch.Problem(
        "min", fitness, solution_length=GENES, initial_bounds=(-3.0, 3.0), device=problem.device, seed=0
    )
    operators = [
        OnePointCrossOver(searched, tournament_size=3),
        GaussianMutation(searched, stdev=0.5, mutation_probability=MUTPB * 0.2),  # of a gene
    ]
    search = GeneticAlgorithm(searched, operators=operators, popsize=n, re_evaluate=re_evaluate)
    while True:
        search.step()
        yield


CONTENDERS: dict[str, Callable[[Problem, int], Iterator[None]]] = {
    "decode": decode,
    "ours": ours,
    "ours, everybody crossed": partial(ours, cxpb=1.0),
    "DEAP, batched map": partial(deap, batched=True),
    "DEAP": partial(deap, batched=False),
    "EvoTorch": partial(evotorch_ga, re_evaluate=True),  # as it comes: parents are evaluated again
    "EvoTorch, children only": partial(evotorch_ga, re_evaluate=False),
}


def time_step(steps: Iterator[None], seconds: float, device: torch.device) -> float:
    """Return the seconds that a step takes, averaged over at least this number of seconds."""
    synchronise(device)
    start = time.perf_counter()
    for count in itertools.count(1):
        next(steps)
        synchronise(device)
        if (spent := time.perf_counter() - start) >= seconds:
            return spent / count
    raise AssertionError


def compare_generations(arguments: Arguments, device: torch.device, sizes: list[int]) -> pd.DataFrame:
    """Return seconds a generation by round, individuals and contender."""
    problem, rows = Problem(device), []
    contenders = {name: c for name, c in CONTENDERS.items() if evotorch is not None or "EvoTorch" not in name}
    for n in sizes:
        running = {name: contender(problem, n) for name, contender in contenders.items()}
        for steps in running.values():
            next(steps)  # warms up
            next(steps)
        for number in range(arguments.rounds):
            for name, steps in running.items():
                rows.append((number, n, name, time_step(steps, arguments.seconds, device)))
    return pd.DataFrame(rows, columns=["round", "individuals", "contender", "seconds"])


def ratios(seconds: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a row for each figure to reach: ours as a part of decoding, and as many times faster than the others."""
    table = seconds.pivot(index=["individuals", "round"], columns="contender", values="seconds")
    rows = []
    for (peer, n), reach in REACH.items():
        if n not in table.index.get_level_values(0):
            continue
        name, crossed = peer.removesuffix(", everybody crossed"), peer.endswith("everybody crossed")
        if name not in table:
            rows.append(describe(f"generation against {peer}: not installed", n, reach, [np.nan], [np.nan]))
            continue
        mine, theirs = table.loc[n, "ours, everybody crossed" if crossed else "ours"], table.loc[n, name]
        found = mine / theirs if peer == "decode" else theirs / mine
        what = "generation / decoding everyone" if peer == "decode" else f"{peer} / ours, a generation"
        rows.append(describe(what, n, reach, found, mine))
    return rows


def compare_replicates(rounds: int, replicates: int, device: torch.device) -> list[dict[str, Any]]:
    """Return the rows of COIL's problem in three variables (Bentley et al. 2022), 50 generations of 20.

    Replicates together against one after another, against as many runs of stock DEAP, and one against one of DEAP's.
    """

    def fitness(x: Tensor) -> Tensor:
        missing = (45.0 - x).sum(-1, keepdim=True).clamp_min(0.0)
        return x.square().sum(-1, keepdim=True) + 1000.0 * missing

    box = evolution.toolbox(evovae.VectorEncoding(3, -50.0, 50.0, device), fitness, weights=(-1.0,))

    def seconds(which: range) -> float:
        population = box.population(n=20, replicates=which)
        start = time.perf_counter()
        evolution.eaSimple(population, box, CXPB, MUTPB, ngen=50)
        synchronise(device)
        return time.perf_counter() - start

    seconds(range(2))
    together, apart, alone, deaps = [], [], [], []
    for _ in range(rounds):
        together.append(seconds(range(replicates)))
        each = [seconds(range(r, r + 1)) for r in range(replicates)]
        apart.append(sum(each))
        alone.append(np.median(each))
        deaps.append(np.median([time_stock_coil(box.population(n=20)) for _ in range(min(replicates, 10))]))
    one, many = np.divide(deaps, alone), replicates * np.divide(deaps, together)
    return [
        describe(f"{replicates} replicates one after another / together", 20, 20, np.divide(apart, together), together),
        describe(f"DEAP, {replicates} runs / ours, {replicates} replicates together", 20, np.nan, many, together),
        describe("DEAP, one run / ours, one replicate", 20, np.nan, one, alone),
    ]


def time_stock_coil(population: Population) -> float:
    """Return the seconds of one run of stock DEAP on that problem, from `population`, with bounds by a decorator."""

    def fitness(x: list[float]) -> tuple[float]:
        return (sum(gene * gene for gene in x) + 1000.0 * max(0.0, sum(45.0 - gene for gene in x)),)

    def bounded(operator: Callable[..., Any]) -> Callable[..., Any]:
        def vary(*args: Any, **kwargs: Any) -> Any:
            children = operator(*args, **kwargs)
            for child in children:
                child[:] = [min(50.0, max(-50.0, gene)) for gene in child]
            return children

        return vary

    box = base.Toolbox()
    box.register("evaluate", fitness)
    box.register("mate", tools.cxBlend, alpha=0.5)
    box.register("mutate", tools.mutGaussian, mu=0.0, sigma=0.5, indpb=0.2)
    box.register("select", tools.selTournament, tournsize=3)
    for name in ("mate", "mutate"):
        box.decorate(name, bounded)
    individuals = population.replicate(0)
    start = time.perf_counter()
    stock.eaSimple(individuals, box, CXPB, MUTPB, 50, verbose=False)
    return time.perf_counter() - start


def compare_selection(rounds: int, size: int, objectives_: int) -> dict[str, Any]:
    """Return the row of NSGA-II selection of half of `size` individuals; both must choose the same."""
    weights = (-1.0,) * objectives_
    fitness = torch.rand(1, size, objectives_, generator=torch.Generator().manual_seed(0))
    valid = torch.ones(1, size, dtype=torch.bool)
    population = Population(torch.zeros(1, size, 1), fitness, valid, weights, Streams(0, 1))
    individuals = population.replicate(0)
    mine, theirs = [], []
    for _ in range(rounds):
        start = time.perf_counter()
        selected = evolution.selNSGA2(population, size // 2)
        middle = time.perf_counter()
        expected = tools.selNSGA2(individuals, size // 2, nd="log")
        mine.append(middle - start)
        theirs.append(time.perf_counter() - middle)
    survivors: list[list[Individual]] = [selected.replicate(0), expected]
    chosen = [sorted(individual.fitness.values for individual in some) for some in survivors]
    if chosen[0] != chosen[1]:
        raise RuntimeError(f"NSGA-II with {objectives_} objectives chose other survivors than DEAP's")
    return describe(f"DEAP / ours, selNSGA2 of {objectives_} objectives", size, 1, np.divide(theirs, mine), mine)


def measure_memory(n: int, threads: int, device: str) -> tuple[float, float]:
    """Return the seconds of a generation of `n` genomes, the least of three, and this process's peak in GB."""
    torch.set_num_threads(threads)
    where = resolve_device(device)
    steps = ours(Problem(where), n)
    next(steps)
    least = min(time_step(steps, 0.5, where) for _ in range(3))
    on_device = torch.cuda.max_memory_allocated(where) if where.type == "cuda" else 0
    return least, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + on_device) / 1e9


def measure_scale(arguments: Arguments, sizes: tuple[int, int]) -> list[dict[str, Any]]:
    """Return the rows of many genomes, each measured in a process of its own."""
    rows = []
    context = multiprocessing.get_context("spawn")
    for n in sizes:
        with ProcessPoolExecutor(1, context) as pool:
            rows.append(pool.submit(measure_memory, n, arguments.threads, arguments.device).result())
    (small, _), (large, peak) = rows
    linear = large / small / (sizes[1] / sizes[0])
    return [
        describe(f"time of a genome among {sizes[1]:,} / among {sizes[0]:,}", sizes[1], 1.25, [linear], [large]),
        describe("peak memory of the process, GB", sizes[1], 4, [peak], [large]),
    ]


def describe(what: str, individuals: int, reach: float, found: Any, seconds: Any) -> dict[str, Any]:
    """Return a row of the table: the median of what was found, its range over rounds, and our median seconds."""
    return {
        "what": what,
        "individuals": individuals,
        "reach": reach,
        "median": np.median(found),
        "least": np.min(found),
        "most": np.max(found),
        "seconds": np.median(seconds),
    }


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1 if arguments.smoke else arguments.threads)
    random.seed(0)  # stock DEAP draws from it
    device = resolve_device(arguments.device)
    logging.getLogger("evotorch").setLevel(logging.WARNING)
    if evotorch is None:
        print("EvoTorch is not installed (pip install evotorch): its rows are empty")
    if arguments.smoke:
        arguments = Arguments(rounds=1, seconds=0.0, threads=1, device=arguments.device, smoke=True)
        sizes, scale, selection, replicates = [100], (100, 1000), 40, 2
    else:
        sizes, scale, selection, replicates = [100, 300, 1000, 3000, 10_000], (10_000, 1_000_000), 4000, 100
    with study("speed", arguments.smoke, provenance="evolution_provenance.json") as results:
        memory = measure_scale(arguments, scale)  # first: a child's peak begins at its parent's
        seconds = compare_generations(arguments, device, sizes)
        rows = ratios(seconds)
        rows += compare_replicates(arguments.rounds, replicates, device)
        rows += [compare_selection(arguments.rounds, selection, m) for m in (2, 3)]
        table = pd.DataFrame(rows + memory)
        results.table("evolution", table.assign(threads=arguments.threads, device=str(device)))
        shown = seconds[seconds["contender"] != "ours, everybody crossed"]
        medians = shown.groupby(["contender", "individuals"], sort=False)["seconds"].median()
        rates = {
            name: (n := medians[name].index.to_numpy(), n / medians[name].to_numpy())
            for name in medians.index.get_level_values(0).unique()
        }
        results.figure("evolution", plots.throughput(rates, limit="decode"))


if __name__ == "__main__":
    start(main, Arguments, __doc__)
