"""Does annealing the archive's thresholds fill it with better solutions, as published, in 100 dimensions?

CMA-MAE (Fontaine and Nikolaidis 2023, "Covariance matrix adaptation MAP-annealing", GECCO, table 1): MAP-Elites, with
and without lines, CMA-ME and CMA-MAE on sphere, Rastrigin and arm, each for 10,000 generations of 540 evaluations and a
grid of 100 x 100 cells. Scores are those of the best of each cell (a passive archive); QD scores are over all cells.

    python experiments/reproduce_cma_mae.py --workers 2    20 trials of MAP-Elites, 5 of the others: 75 minutes
    python experiments/reproduce_cma_mae.py --smoke        seconds, leaving no results

The rule, written before the full run: means are of trials; a cell is reproduced where both QD score and coverage lie
within 3% of the published mean (of 20 trials), or within 0.3 points if that is more, and close within three times that.
The plateau has no published figure here, and no verdict. Nor have the five trials of CMA-ME that pyribs itself runs
(`pip install ribs`): what a library gives today need not be what it gave when the table was made.

Deviations: genomes are float32; noise is N(0, 1) in 65,536 steps; initial draws of MAP-Elites are a generation of 100.
"""

import time
from collections.abc import Iterator
from pathlib import Path

import pandas as pd
from methods import archive_algorithms
from methods.archive_algorithms import CMA_MAE, CMA_ME, LINE, MAP_ELITES
from methods.archive_tables import Arguments, reproduce, trials_of
from methods.illumination import CURVES, DOMAINS, FOUND, POINTS, fill

from evovae.runs import Run
from evovae.studies import Spec

import torch

DIM, GENERATIONS = 100, 10_000
TRIALS = {MAP_ELITES: 20, LINE: 20, CMA_ME: 5, CMA_MAE: 5}
PYRIBS = f"{CMA_ME}, pyribs"
SHOWN = [("sphere", CMA_ME), ("sphere", CMA_MAE), ("arm", CMA_MAE)]


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """Yield those of the table, then the plateau's, then pyribs' own."""
    yield from trials_of(arguments, folder, illuminate, TRIALS, ["sphere", "Rastrigin", "arm"])
    yield from trials_of(arguments, folder, illuminate, TRIALS, ["plateau"])
    yield from trials_of(arguments, folder, by_pyribs, {PYRIBS: 5}, ["sphere", "Rastrigin"], together=1)


def illuminate(run: Run, domain: str, algorithm: str, first: int, last: int, smoke: bool) -> None:
    """Fill a cell with the scores of trials `first` up to `last`."""
    task = DOMAINS[domain](DIM)
    fill(
        run,
        task,
        DIM,
        archive_algorithms.grid(algorithm, task.ranges),
        archive_algorithms.emitter(algorithm, sigma(domain), *([12] if smoke else [])),
        generations(smoke) + (algorithm in (MAP_ELITES, LINE)),  # the initial draws are no generation of the paper's
        range(first, last),
        {"domain": domain, "algorithm": algorithm},
    )


def by_pyribs(run: Run, domain: str, algorithm: str, first: int, last: int, smoke: bool) -> None:
    """Fill a cell with the scores that pyribs comes to in one trial; `last` is the one after."""
    task, number = DOMAINS[domain](DIM), generations(smoke)
    scheduler = archive_algorithms.pyribs_scheduler(CMA_ME, DIM, task.ranges, sigma(domain), seed=first)
    begin, curve = time.process_time(), []
    for gen in range(number):
        genomes = torch.from_numpy(scheduler.ask())
        scheduler.tell(task.objective(genomes)[:, 0].numpy(), task.measures(genomes).numpy())
        if (gen + 1) * POINTS // number > gen * POINTS // number:
            found = scheduler.result_archive.stats
            row = {"domain": domain, "algorithm": algorithm, "replicate": first, "qd_score": found.norm_qd_score}
            row |= {"coverage": 100 * found.coverage, "best": found.obj_max, "evaluations": (gen + 1) * len(genomes)}
            curve.append(row)
    curves = pd.DataFrame(curve)
    run.write_table(FOUND, curves[-1:].assign(seconds=time.process_time() - begin))
    run.write_table(CURVES, curves)


def generations(smoke: bool) -> int:
    """Return how many there are in a trial."""
    return 20 if smoke else GENERATIONS


def sigma(domain: str) -> float:
    """Return the standard deviation with which genomes are varied, or a distribution begins."""
    return 0.1 if domain == "arm" else 0.5


if __name__ == "__main__":
    reproduce("reproduce_cma_mae", __doc__, "CMA-MAE", SHOWN, cells)
