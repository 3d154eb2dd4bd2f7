"""Do gradients of objective and measures fill an archive in 1,000 dimensions, as published, where nothing else does?

Differentiable quality diversity (Fontaine and Nikolaidis 2021, NeurIPS, table 1): seven methods on sphere and arm, each
for 10,000 generations of 36 evaluations and a grid of 100 x 100 cells. QD scores are over all cells.

    python experiments/reproduce_dqd.py --workers 2 --trials 5 --without CMA-ME    47 minutes beside other work
    python experiments/reproduce_dqd.py --workers 2                                20 trials, 5 of CMA-ME: not run yet
    python experiments/reproduce_dqd.py --smoke                                    seconds, leaving no results

The rule, written before the full run, is that of `reproduce_cma_mae.py`: means are of trials; a cell is reproduced
where both QD score and coverage lie within 3% of the published mean (of 20 trials), or within 0.3 points if that is
more, and close within three times that. Rastrigin has no published figure here, no verdict, and five trials.

Settings are those of the authors' code: OG-MAP-Elites and OMG-MEGA branch from 18 elites, which count as evaluations
with their 18 children; OMG-MEGA's elites have no noise; the objective's gradient is that of the raw function, before it
is brought to 0 to 100; CMA-MEGA restarts where a generation brings no improvement.

Deviations: genomes are float32; noise is N(0, 1) in 65,536 steps; initial draws are a generation of 100; a generation
enters the archive as one batch (the points of the gradients before), where there it is one genome after the other.
"""

from collections.abc import Callable, Iterator
from pathlib import Path

from methods.archive_tables import Arguments, reproduce, trials_of
from methods.illumination import DOMAINS, Domain, fill

from evovae import evolution
from evovae.runs import Run
from evovae.studies import Spec

DIM, GENERATIONS, CELLS, BATCH = 1000, 10_000, 100, 36
TRIALS = {"MAP-Elites": 20, "MAP-Elites (line)": 20, "OG-MAP-Elites": 20, "OMG-MEGA": 20}
TRIALS |= {"CMA-MEGA": 20, "CMA-MEGA (Adam)": 20, "CMA-ME": 5}
UNPUBLISHED = 5
"""Trials of what no figure was published for."""
SHOWN = [("sphere", "OMG-MEGA"), ("sphere", "CMA-MEGA"), ("arm", "CMA-MEGA")]


def cells(arguments: Arguments, folder: Path) -> Iterator[Spec]:
    """Yield those of the table, then Rastrigin's."""
    yield from trials_of(arguments, folder, illuminate, TRIALS, ["sphere", "arm"])
    yield from trials_of(arguments, folder, illuminate, dict.fromkeys(TRIALS, UNPUBLISHED), ["Rastrigin"])


def illuminate(run: Run, domain: str, algorithm: str, first: int, last: int, smoke: bool) -> None:
    """Fill a cell with the scores of trials `first` up to `last`."""
    dim, generations = (20, 30) if smoke else (DIM, GENERATIONS)
    task = DOMAINS[domain](dim)
    fill(
        run,
        task,
        dim,
        evolution.GridArchive((CELLS, CELLS), task.ranges),
        EMITTERS[algorithm](task, domain == "arm"),
        generations + (not algorithm.startswith("CMA")),  # the initial draws are no generation of the paper's
        range(first, last),
        {"domain": domain, "algorithm": algorithm},
    )


def branching(task: Domain, is_arm: bool, measures: bool) -> evolution.Emitter:
    """Return OG-MAP-Elites, or OMG-MEGA."""
    if measures:
        return evolution.GradientOperatorEmitter(0.0, 1.0 if is_arm else 10.0, True, True, batch_size=BATCH // 2)
    sigma, step = (0.1, 100.0) if is_arm else (0.5, 0.5)
    return evolution.GradientOperatorEmitter(sigma, step * task.scale, batch_size=BATCH // 2)


def arborescence(is_arm: bool, optimiser: str) -> evolution.Emitter:
    """Return CMA-MEGA; the point that it evaluates is one of the batch."""
    steps = {"ascent": 1.0, "adam": 0.002}
    return evolution.GradientArborescenceEmitter(
        0.05 if is_arm else 10.0,
        steps[optimiser],
        BATCH - 1,
        restart_rule="no_improvement",
        optimiser="adam" if optimiser == "adam" else "ascent",
        x0=0,
    )


def sigma(is_arm: bool) -> float:
    """Return the standard deviation of the noise."""
    return 0.1 if is_arm else 0.5


EMITTERS: dict[str, Callable[[Domain, bool], evolution.Emitter]] = {
    "MAP-Elites": lambda task, is_arm: evolution.GaussianEmitter(sigma(is_arm), BATCH),
    "MAP-Elites (line)": lambda task, is_arm: evolution.IsoLineEmitter(sigma(is_arm), 0.2, BATCH),
    "CMA-ME": lambda task, is_arm: evolution.EvolutionStrategyEmitter(sigma(is_arm), BATCH, 1, x0=0),
    "OG-MAP-Elites": lambda task, is_arm: branching(task, is_arm, measures=False),
    "OMG-MEGA": lambda task, is_arm: branching(task, is_arm, measures=True),
    "CMA-MEGA": lambda task, is_arm: arborescence(is_arm, "ascent"),
    "CMA-MEGA (Adam)": lambda task, is_arm: arborescence(is_arm, "adam"),
}


if __name__ == "__main__":
    reproduce("reproduce_dqd", __doc__, "DQD", SHOWN, cells)
