"""Does annealing the archive's thresholds fill it with better solutions, as published, in 100 dimensions?

CMA-MAE (Fontaine and Nikolaidis 2023, "Covariance matrix adaptation MAP-annealing", GECCO, table 1): MAP-Elites, with
and without lines, CMA-ME and CMA-MAE on sphere, Rastrigin and arm, each for 10,000 generations of 540 evaluations and a
grid of 100 x 100 cells. Scores are those of the best of each cell (a passive archive); QD scores are over all cells.

    python experiments/reproduce_cma_mae.py --workers 2    20 trials of MAP-Elites, 5 of the others: 60 minutes
    python experiments/reproduce_cma_mae.py --smoke        seconds, leaving no results

The rule, written before the full run: means are of trials; a cell is reproduced where both QD score and coverage lie
within 3% of the published mean (of 20 trials), or within 0.3 points if that is more, and close within three times that.
The plateau has no published figure here, and no verdict.

Deviations: genomes are float32; noise is N(0, 1) in 65,536 steps; initial draws of MAP-Elites are a generation of 100.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pandas as pd
from methods.illumination import CURVES, DOMAINS, FOUND, fill
from published.illumination import compare, draw, verdicts

from evovae import evolution
from evovae.base import require_counts
from evovae.runs import Run
from evovae.studies import VERDICTS, Spec, Workers, gather, start, study

TABLE = "CMA-MAE"
DIM, GENERATIONS, CELLS = 100, 10_000, 100
EMITTERS, BATCH = 15, 36
TRIALS = {"MAP-Elites": 20, "MAP-Elites (line)": 20, "CMA-ME": 5, "CMA-MAE": 5}
TOGETHER = 5
"""Trials of a cell, side by side."""
SHOWN = [("sphere", "CMA-ME"), ("sphere", "CMA-MAE"), ("arm", "CMA-MAE")]


@dataclass(frozen=True)
class Arguments:
    """Settings of the study."""

    where: Workers = field(default_factory=Workers)
    trials: int = 0
    """Of each algorithm, in fives; 0 for those of the docstring."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no study."""
        if self.trials:
            require_counts(self, "trials")


def main(arguments: Arguments) -> None:
    with study("reproduce_cma_mae", arguments.smoke) as results:
        with arguments.where.executor() as executor:
            runs = results.run_all(cells(arguments, results.cells), executor)
        summary = compare(results.rows("replicates", gather(runs, FOUND)), TABLE)
        results.table("summary", summary)
        results.table(VERDICTS, pd.DataFrame(verdicts(summary, TABLE, SHOWN)))
        results.figure("curves", draw(gather(runs, CURVES)))


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """Some trials of an algorithm on a domain; those with published figures first."""
    domains = sorted(DOMAINS, key=lambda name: name == "plateau")
    for first, domain, algorithm in product(range(0, max(arguments.trials, 20), TOGETHER), domains, TRIALS):
        trials = 2 if arguments.smoke else arguments.trials or TRIALS[algorithm]
        if first < trials:
            settings = {"domain": domain, "algorithm": algorithm, "first": first, "smoke": arguments.smoke}
            settings["last"] = min(first + TOGETHER, trials)
            yield Spec(folder / f"{domain} {algorithm} {first}", illuminate, settings)


def illuminate(run: Run, domain: str, algorithm: str, first: int, last: int, smoke: bool) -> None:
    """Fill a cell with the scores of trials `first` up to `last`."""
    generations, batch = (20, 12) if smoke else (GENERATIONS, BATCH)
    task = DOMAINS[domain](DIM)
    anneals = {"learning_rate": 0.01, "threshold_min": 0.0} if algorithm == "CMA-MAE" else {}
    archive = evolution.GridArchive((CELLS, CELLS), task.ranges, **anneals)
    fill(
        run,
        task,
        DIM,
        archive,
        emitter(algorithm, 0.1 if domain == "arm" else 0.5, batch),
        generations + algorithm.startswith("MAP"),  # the initial draws are no generation of the paper's
        range(first, last),
        {"domain": domain, "algorithm": algorithm},
    )


def emitter(algorithm: str, sigma: float, batch: int) -> evolution.Emitter:
    """Return what proposes the genomes of an algorithm."""
    if algorithm == "MAP-Elites":
        return evolution.GaussianEmitter(sigma, EMITTERS * batch)
    if algorithm == "MAP-Elites (line)":
        return evolution.IsoLineEmitter(sigma, 0.2, EMITTERS * batch)
    anneals = algorithm == "CMA-MAE"
    return evolution.EvolutionStrategyEmitter(sigma, batch, EMITTERS, "imp" if anneals else "2imp", "mu", "basic", x0=0)


if __name__ == "__main__":
    start(main, Arguments, __doc__)
