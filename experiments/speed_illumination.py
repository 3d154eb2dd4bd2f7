"""How many evaluations does a second of the processor give: evovae's 20 trials side by side, or pyribs, trial by trial?

Both do the same on the sphere (`methods/illumination.py`, pyribs with its function in numpy): a grid of 100 x 100, 15
emitters of 36 genomes in 100 dimensions for MAP-Elites, with and without lines, CMA-ME and CMA-MAE (one emitter of 540
where they have no distribution), and one of 36 in 1,000 dimensions for CMA-MEGA. Archives are filled for a while before
anything is measured. In turns within one process and on one thread, by the process's own time; figures are medians
over rounds, with the least and the most ratio. Expect evovae four times as fast with MAP-Elites, whose noise it draws
from a table, three times with CMA-ES, where decomposing matrices is half of the work in both, and twice with gradients.

Latent space illumination has no peer here: its row is the time of a generation over that of decoding and judging its
genomes alone. The first rows are what memory a long run takes, after a tenth of it and at its end.

    python experiments/speed_illumination.py            ten minutes, with nothing else running; needs pyribs
    python experiments/speed_illumination.py --smoke    seconds, leaving no results
"""

import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from methods import archive_algorithms
from methods.archive_algorithms import BATCH, CELLS, CMA_MAE, CMA_ME, LINE, MAP_ELITES
from methods.illumination import BOUND, DOMAINS, SHIFT

import evovae
from evovae import evolution, objectives
from evovae.base import require_counts
from evovae.studies import start, study

import torch

TRIALS, WARM, SIGMA = 20, 200, 0.5
CMA_MEGA = "CMA-MEGA"
MEASURED = {MAP_ELITES: 200, LINE: 200, CMA_ME: 60, CMA_MAE: 60, CMA_MEGA: 200}
"""Generations in a round."""
LONG = 10**7
"""Evaluations of the long run."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the measurement."""

    rounds: int = 5
    """Times that each is measured, in turns."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what makes no measurement."""
        require_counts(self, "rounds")


def main(arguments: Arguments) -> None:
    torch.set_num_threads(1)
    smoke, rounds = arguments.smoke, 1 if arguments.smoke else arguments.rounds
    with study("speed", smoke, provenance="illumination_provenance.json") as results:
        # First: the most memory that the process ever had is what is read.
        results.table("illumination_memory", pd.DataFrame(memory(2000 if smoke else LONG)))
        rows = []
        for algorithm, generations in MEASURED.items():
            trials, dim = (2, 10) if smoke else (TRIALS, 1000 if algorithm == CMA_MEGA else 100)
            ours, theirs = evovae_step(algorithm, dim, trials), pyribs_step(algorithm, dim)
            pairs = in_turns(ours, theirs, 1 if smoke else WARM, 2 if smoke else generations, rounds)
            rows.append({"algorithm": algorithm, "genes": dim, "trials": trials} | describe(pairs))
        results.table("illumination", pd.DataFrame(rows))
        results.table("latent_illumination", pd.DataFrame([describe_parts(latent_parts(smoke, rounds))]))


def evovae_step(algorithm: str, dim: int, trials: int) -> Callable[[], int]:
    """Return what makes a generation of all trials, and returns how many evaluations that were."""
    task = DOMAINS["sphere"](dim)
    if algorithm == CMA_MEGA:
        emitter: evolution.Emitter = evolution.GradientArborescenceEmitter(10.0, 1.0, BATCH - 1, x0=0)
    else:
        emitter = archive_algorithms.emitter(algorithm, SIGMA)
    toolbox = evolution.toolbox(evovae.VectorEncoding(dim), task.objective, measures=task.measures)
    archive = archive_algorithms.grid(algorithm, task.ranges)
    steps = evolution.illuminate_iter(toolbox, archive, emitter, 10**9, trials)
    return lambda: next(steps).offspring.valid.numel()


def pyribs_step(algorithm: str, dim: int) -> Callable[[], int]:
    """Return what makes a generation of one trial with pyribs, and returns how many evaluations that were."""
    ranges = DOMAINS["sphere"](dim).ranges
    if algorithm == CMA_MEGA:
        scheduler = pyribs_gradients(dim, ranges)
    else:
        scheduler = archive_algorithms.pyribs_scheduler(algorithm, dim, ranges, SIGMA)

    def step() -> int:
        points = 0
        if algorithm == CMA_MEGA:
            asked = scheduler.ask_dqd()
            scheduler.tell_dqd(*sphere(asked), sphere_gradients(asked))
            points = len(asked)
        asked = scheduler.ask()
        scheduler.tell(*sphere(asked))
        return points + len(asked)

    return step


def pyribs_gradients(dim: int, ranges: tuple[tuple[float, float], tuple[float, float]]) -> Any:
    """Return pyribs' scheduler of CMA-MEGA."""
    from ribs.archives import GridArchive
    from ribs.emitters import GradientArborescenceEmitter
    from ribs.schedulers import Scheduler

    archive = GridArchive(solution_dim=dim, dims=(CELLS, CELLS), ranges=ranges)
    adapts: dict[str, Any] = {"x0": np.zeros(dim), "selection_rule": "mu", "restart_rule": "basic"}
    adapts |= {"lr": 1.0, "grad_opt": "gradient_ascent", "batch_size": BATCH - 1, "seed": 0}
    return Scheduler(archive, [GradientArborescenceEmitter(archive, sigma0=10.0, **adapts)])


def sphere(genomes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return objective (B,) and measures (B, 2) of `genomes` (B, D), as numpy does it."""
    worst = genomes.shape[1] * (BOUND + SHIFT) ** 2
    objective = 100.0 * (1.0 - np.square(genomes - SHIFT).sum(1) / worst)
    clipped, far = genomes.copy(), np.abs(genomes) > BOUND
    clipped[far] = BOUND / genomes[far]
    return objective, clipped.reshape(len(genomes), 2, -1).sum(2)


def sphere_gradients(genomes: np.ndarray) -> np.ndarray:
    """Return the gradients (B, 3, D) of objective and measures."""
    count, dim = genomes.shape
    gradients = np.zeros((count, 3, dim))
    gradients[:, 0] = -200.0 * (genomes - SHIFT) / (dim * (BOUND + SHIFT) ** 2)
    slopes, far = np.ones_like(genomes), np.abs(genomes) > BOUND
    slopes[far] = -BOUND / np.square(genomes[far])
    gradients[:, 1, : dim // 2], gradients[:, 2, dim // 2 :] = slopes[:, : dim // 2], slopes[:, dim // 2 :]
    return gradients


def in_turns(
    ours: Callable[[], int], theirs: Callable[[], int], warm: int, generations: int, rounds: int
) -> list[tuple[float, float]]:
    """Return evaluations a second of the processor, ours and theirs, for each round."""
    for step in (ours, theirs):
        rate(step, warm)
    return [(rate(ours, generations), rate(theirs, generations)) for _ in range(rounds)]


def rate(step: Callable[[], int], generations: int) -> float:
    """Return the evaluations a second of the processor, over so many generations."""
    begin = time.process_time()
    evaluations = sum(step() for _ in range(generations))
    return evaluations / (time.process_time() - begin)


def describe(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return what a row says of the evaluations a second in each round: medians, and the range of the ratio."""
    ours, theirs = np.array(pairs).T
    ratio = ours / theirs
    return {
        "evovae": float(np.median(ours)),
        "pyribs": float(np.median(theirs)),
        "ratio": float(np.median(ratio)),
        "least": float(ratio.min()),
        "most": float(ratio.max()),
    }


def latent_parts(smoke: bool, rounds: int) -> list[tuple[float, float]]:
    """Return the seconds of a generation of latent space illumination, and of decoding and judging it, each round."""
    judge = evovae.judges_for(evovae.load_images("mnist")).judge
    vae = evovae.VAE(evovae.VAEConfig(latent_dim=32), seed=0)  # its time does not depend on what it has learned
    measures = objectives.measures("boldness", "lightness")
    toolbox = evolution.toolbox(evovae.LatentEncoding(vae), objectives.digit(judge, 8), measures=measures)
    trials = 2 if smoke else 5
    emitter = evolution.EvolutionStrategyEmitter(0.2, 30, 5)
    steps = evolution.illuminate_iter(
        toolbox, evolution.GridArchive((200, 200), ((0, 784), (0.5, 1.0))), emitter, 10**9, trials
    )
    generations = 2 if smoke else 60
    for _ in range(generations):
        genomes = next(steps).offspring.genomes.flatten(0, 1)
    pairs = []
    for _ in range(rounds):
        begin = time.process_time()
        for _ in range(generations):
            next(steps)
        middle = time.process_time()
        for _ in range(generations):
            toolbox.evaluate(genomes)
        pairs.append(((middle - begin) / generations, (time.process_time() - middle) / generations))
    return pairs


def describe_parts(pairs: list[tuple[float, float]]) -> dict[str, float]:
    """Return what the row says of the seconds of a generation, and of decoding and judging alone, in each round."""
    generation, alone = np.array(pairs).T
    ratio = generation / alone
    return {
        "seconds_generation": float(np.median(generation)),
        "seconds_decoding_and_judging": float(np.median(alone)),
        "ratio": float(np.median(ratio)),
        "least": float(ratio.min()),
        "most": float(ratio.max()),
    }


def memory(evaluations: int) -> list[dict[str, float]]:
    """Return rows: evaluations of MAP-Elites so far, and the most memory of the process, in MB."""
    step, done, rows = evovae_step("MAP-Elites (line)", 10, 2), 0, []
    for part in (evaluations // 10, evaluations):
        while done < part:
            done += step()
        rows.append({"evaluations": done, "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024})
    return rows


if __name__ == "__main__":
    start(main, Arguments, __doc__)
