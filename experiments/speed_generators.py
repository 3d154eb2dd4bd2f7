"""What does a generation cost beside what it takes a generator that others made to show everybody, and to score them?

One generation of `eaSimple` (with its statistics), over decoding and scoring the whole population once, in pairs within
one process and one thread; the figures are medians over rounds. Six in ten individuals change in a generation (cxpb
0.5, mutpb 0.2), and they alone are decoded: expect ratios around 0.6, and more where decoding takes little or genes are
many. Seconds are of a phenotype, decoded among the others and scored.

    python experiments/speed_generators.py            about a minute on one core, with nothing else running
    python experiments/speed_generators.py --smoke    seconds, leaving no results, without those that are not installed

The generators say how they are installed, or trained.
"""

import itertools
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

import numpy as np
import pandas as pd

import evovae
from evovae import evolution
from evovae.base import require_counts
from evovae.encodings import Encoding
from evovae.studies import start, study

import torch
from torch import Tensor

CASES = {("faces", "likeness"): 100, ("heartbeats", "heart_rate"): 20, ("mnist_gan", "discriminator"): 100}
"""By generator and objective, individuals."""
CXPB, MUTPB = 0.5, 0.2


@dataclass(frozen=True)
class Arguments:
    """Settings of the measurement."""

    rounds: int = 5
    """Times that each is measured, in turns."""
    seconds: float = 0.5
    """How long a measurement takes at least, if doing it once does not take longer."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no measurement."""
        require_counts(self, "rounds")


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    rows = []
    with study("speed", arguments.smoke, provenance="generators_provenance.json") as results:
        for (name, objective), individuals in CASES.items():
            module = import_module(f"generators.{name}")
            try:
                encoding = module.generator()
            except evovae.InputError as error:
                if not arguments.smoke:
                    raise
                print(error)
                continue
            rounds, size, seconds = (
                (1, 4, 0.0) if arguments.smoke else (arguments.rounds, individuals, arguments.seconds)
            )
            pairs = measure(encoding, getattr(module, objective), size, rounds, seconds)
            rows.append({"generator": name, "objective": objective, "individuals": size, "genes": encoding.dim})
            rows[-1] |= describe(size, pairs)
        results.table("generators", pd.DataFrame(rows))


def measure(
    encoding: Encoding, objective: Callable[[Tensor], Tensor], individuals: int, rounds: int, seconds: float
) -> list[tuple[float, float]]:
    """Return the seconds of decoding and scoring everybody, and of a generation, for each round."""
    toolbox = evolution.toolbox(encoding, objective)
    population = evolution.evaluate(toolbox.population(n=individuals), toolbox)
    steps = evolution.eaSimple_iter(population, toolbox, CXPB, MUTPB, 10**9)

    def step() -> None:
        next(steps).statistics()

    step()  # warms up
    step()
    everybody = population.genomes[0]
    return [(time_one(lambda: toolbox.evaluate(everybody), seconds), time_one(step, seconds)) for _ in range(rounds)]


def time_one(do: Callable[[], Any], seconds: float) -> float:
    """Return the seconds that `do` takes, averaged over at least this number of seconds."""
    begin = time.perf_counter()
    for count in itertools.count(1):
        do()
        if (spent := time.perf_counter() - begin) >= seconds:
            return spent / count
    raise AssertionError


def describe(individuals: int, pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return what a row says of the seconds of each round: medians, and the range of the ratio."""
    once, generation = np.array(pairs).T
    ratio = generation / once
    return {
        "seconds_each": float(np.median(once)) / individuals,
        "seconds_generation": float(np.median(generation)),
        "ratio": float(np.median(ratio)),
        "least": ratio.min(),
        "most": ratio.max(),
    }


if __name__ == "__main__":
    start(main, Arguments, __doc__)
