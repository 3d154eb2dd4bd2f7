"""Four algorithms of quality diversity on a grid of 100 x 100 cells, as published in 2023: ours and those of pyribs."""

from typing import Any, Literal

import numpy as np

from evovae import evolution

CELLS, EMITTERS, BATCH = 100, 15, 36
MAP_ELITES, LINE, CMA_ME, CMA_MAE = "MAP-Elites", "MAP-Elites (line)", "CMA-ME", "CMA-MAE"
Range = tuple[float, float]


def grid(algorithm: str, ranges: tuple[Range, Range]) -> evolution.GridArchive:
    """Return the archive of an algorithm."""
    return evolution.GridArchive((CELLS, CELLS), ranges, **thresholds(algorithm))


def thresholds(algorithm: str) -> dict[str, Any]:
    """Return how the thresholds of cells move; the worst objective is 0."""
    return {"learning_rate": 0.01, "threshold_min": 0.0} if algorithm == CMA_MAE else {}


def ranker(algorithm: str) -> Literal["imp", "2imp"]:
    """Return what candidates are ranked by."""
    return "imp" if algorithm == CMA_MAE else "2imp"


def emitter(algorithm: str, sigma: float, batch: int = BATCH) -> evolution.Emitter:
    """Return what proposes the genomes of an algorithm: `EMITTERS` times `batch` in a generation."""
    if algorithm == MAP_ELITES:
        return evolution.GaussianEmitter(sigma, EMITTERS * batch)
    if algorithm == LINE:
        return evolution.IsoLineEmitter(sigma, 0.2, EMITTERS * batch)
    return evolution.EvolutionStrategyEmitter(sigma, batch, EMITTERS, ranker(algorithm), "mu", "basic", x0=0)


def pyribs_scheduler(
    algorithm: str, dim: int, ranges: tuple[Range, Range], sigma: float, batch: int = BATCH, seed: int = 0
) -> Any:
    """Return pyribs' scheduler of the same, with the best of each cell as `result_archive`."""
    from ribs.archives import GridArchive
    from ribs.emitters import EvolutionStrategyEmitter, GaussianEmitter, IsoLineEmitter
    from ribs.schedulers import Scheduler

    common: dict[str, Any] = {"solution_dim": dim, "dims": (CELLS, CELLS), "ranges": ranges}
    archive = GridArchive(**common, **thresholds(algorithm))
    passive = GridArchive(**common) if algorithm == CMA_MAE else None
    emitters: list[Any]
    if algorithm in (MAP_ELITES, LINE):
        draws = np.random.default_rng(seed).normal(size=(100, dim))
        settings: dict[str, Any] = {"initial_solutions": draws, "batch_size": EMITTERS * batch, "seed": seed}
        plain = GaussianEmitter(archive, sigma=sigma, **settings)
        emitters = [plain if algorithm == MAP_ELITES else IsoLineEmitter(archive, iso_sigma=sigma, **settings)]
    else:
        adapts: dict[str, Any] = {"x0": np.zeros(dim), "selection_rule": "mu", "restart_rule": "basic"}
        adapts |= {"ranker": ranker(algorithm), "sigma0": sigma, "batch_size": batch}
        seeds = np.random.SeedSequence(seed).generate_state(EMITTERS).tolist()
        emitters = [EvolutionStrategyEmitter(archive, seed=each, **adapts) for each in seeds]
    return Scheduler(archive, emitters, result_archive=passive)
