"""The domains on which quality diversity is compared, and a cell of a study that fills archives of one.

Fontaine et al. 2020, "Covariance matrix adaptation for the rapid illumination of behavior space", sec. 4 (linear
projection); Vassiliades and Mouret 2018 (arm); Fontaine and Nikolaidis 2023, "Covariance matrix adaptation
MAP-annealing" (plateau).
"""

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import pandas as pd

import evovae
from evovae import evolution
from evovae.runs import Run

import torch
from torch import Tensor
from torch.nn import functional

BOUND = 5.12
SHIFT = 0.4 * BOUND
"""Where sphere and Rastrigin have their optimum, in every gene."""
FOUND, CURVES = "found.csv", "curves.csv"
POINTS = 50
"""Of a curve."""


@dataclass(frozen=True)
class Domain:
    """What is illuminated."""

    objective: Callable[[Tensor], Tensor]
    """Genomes (B, D) -> (B, 1); the best is 100."""
    measures: Callable[[Tensor], Tensor]
    """Genomes (B, D) -> (B, 2)."""
    reach: float
    """Both measures range from minus this to this."""
    scale: float = 1.0
    """The objective's gradient is that of the raw function, of which the published code takes it, over this."""

    @property
    def ranges(self) -> tuple[tuple[float, float], tuple[float, float]]:
        """Of both measures."""
        return (-self.reach, self.reach), (-self.reach, self.reach)


def linear_projection(raw: Callable[[Tensor], Tensor], dim: int) -> Domain:
    """Return a domain whose measures are sums of the genes' halves, and whose objective is `raw`, brought to 0 to 100.

    Args:
        raw: genomes (B, D) -> (B,), to be minimised, 0 at best; what it is at the corner -5.12 counts as 0.
        dim: number of genes D.
    """
    worst = float(raw(torch.full((1, dim), -BOUND)))
    return Domain(
        objective=lambda genomes: (100.0 * (1.0 - raw(genomes) / worst)).unsqueeze(1),
        measures=lambda genomes: clipped(genomes).unflatten(1, (2, -1)).sum(2),
        reach=dim / 2 * BOUND,
        scale=worst / 100.0,
    )


def clipped(genomes: Tensor) -> Tensor:
    """Return genes x as they are within the bounds, and 5.12 / x beyond."""
    far = functional.hardshrink(genomes, BOUND)  # 0 within the bounds
    return genomes - far + BOUND * far / far.square().clamp_min(1.0)


def sphere(genomes: Tensor) -> Tensor:
    """Return the squared distance (B,) of genomes (B, D) from the optimum."""
    return (genomes - SHIFT).square().sum(1)


def rastrigin(genomes: Tensor) -> Tensor:
    """Return Rastrigin's function (B,) of genomes (B, D), shifted to the optimum."""
    away = genomes - SHIFT
    return 10.0 * genomes.shape[1] + (away.square() - 10.0 * (2.0 * math.pi * away).cos()).sum(1)


def plateau(dim: int) -> Domain:
    """Return the domain in which all genomes within the bounds are equally good."""
    flat = linear_projection(sphere, dim)
    return Domain(
        objective=lambda genomes: 100.0 - (genomes.abs() - BOUND).clamp_min(0.0).square().mean(1, keepdim=True),
        measures=flat.measures,
        reach=flat.reach,
    )


def arm(dim: int) -> Domain:
    """Return the planar arm: genes are angles of joints, all alike at best, and measures are where its end lies."""

    def measures(genomes: Tensor) -> Tensor:
        angles = genomes.cumsum(1)
        return torch.stack((angles.cos().sum(1), angles.sin().sum(1)), 1)

    return Domain(
        objective=lambda genomes: 100.0 * (1.0 - genomes.var(1, unbiased=False, keepdim=True)),
        measures=measures,
        reach=float(dim),
        scale=1.0 / 100.0,
    )


DOMAINS: dict[str, Callable[[int], Domain]] = {
    "sphere": lambda dim: linear_projection(sphere, dim),
    "Rastrigin": lambda dim: linear_projection(rastrigin, dim),
    "plateau": plateau,
    "arm": arm,
}


def fill(
    run: Run,
    domain: Domain,
    dim: int,
    archive: evolution.EliteArchive,
    emitter: evolution.Emitter,
    generations: int,
    replicates: range,
    columns: dict[str, str],
) -> None:
    """Fill a cell with what archives of `replicates` come to: scores at the end, and on the way.

    QD scores are over the number of cells, coverage is in percent, `seconds` are of the processor, for each replicate.
    """
    toolbox = evolution.toolbox(evovae.VectorEncoding(dim), domain.objective, measures=domain.measures)
    steps = evolution.illuminate_iter(toolbox, archive, emitter, generations, replicates)
    start, curves = time.process_time(), []
    for step in steps:
        if (step.gen + 1) * POINTS // generations > step.gen * POINTS // generations:
            curves.append(scores(archive, replicates, columns).assign(evaluations=step.evaluations.numpy()))
    seconds = (time.process_time() - start) / len(replicates)
    run.write_table(FOUND, curves[-1].assign(seconds=seconds))
    run.write_table(CURVES, pd.concat(curves, ignore_index=True))


def scores(archive: evolution.EliteArchive, replicates: range, columns: dict[str, str]) -> pd.DataFrame:
    """Return a row for each replicate: `columns`, replicate, qd_score, coverage and best."""
    return pd.DataFrame(
        {
            **columns,
            "replicate": list(replicates),
            "qd_score": archive.norm_qd_score.numpy(),
            "coverage": 100.0 * archive.coverage.numpy(),
            "best": archive.best.numpy(),
        }
    )
