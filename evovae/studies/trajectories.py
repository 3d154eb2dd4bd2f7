"""The course of a search: what its replicates had found, by the evaluations spent."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from deap import base
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from evovae import evolution
from evovae.analysis import at_evaluations
from evovae.evolution import Generation, Population
from evovae.runs import SEARCHES, EvolveConfig, Start

METHODS = tuple(SEARCHES)
CXPB, MUTPB = 0.5, 0.2
"""Probabilities to mate and to mutate, as in DEAP's examples."""


@dataclass(frozen=True, eq=False)
class Course:
    """The course of R replicates over G generations, of one objective."""

    evaluations: NDArray[np.int64]
    """(R, G): spent so far."""
    best: NDArray[np.float32]
    """(R, G): best fitness so far, times the objective's weight: larger is better."""
    genomes: Tensor
    """(G, R, D): whose that is."""
    norm: NDArray[np.float32]
    """(R, G): mean norm of the individuals' genomes."""

    def table(self, evaluations: ArrayLike) -> pd.DataFrame:
        """Return what was known after `evaluations` (K,), as columns seed (the replicate), evaluations, best and norm.

        A row for each replicate and number of evaluations; NaN before the first generation was evaluated.
        """
        points = np.asarray(evaluations)
        columns = {name: at_evaluations(self.evaluations, getattr(self, name), points) for name in ("best", "norm")}
        seed, place = np.indices((len(self.best), len(points)))
        table = {"seed": seed, "evaluations": points[place], **columns}
        return pd.DataFrame({name: values.ravel() for name, values in table.items()})

    def generation_at(self, evaluations: float) -> int:
        """Return the last generation up to which replicates had spent at most `evaluations` on average, or 0."""
        return max(0, int(np.searchsorted(self.evaluations.mean(0), evaluations, side="right")) - 1)

    def genomes_at(self, evaluations: int) -> Tensor:
        """Return whose the best fitness was (R, D) after the last generation in which each had spent at most as many.

        Those of the first generation, if that spent more.
        """
        places = np.maximum(0, (self.evaluations <= evaluations).sum(1) - 1)
        return self.genomes[torch.from_numpy(places), torch.arange(len(places))]


def follow(method: str, first: Population, toolbox: base.Toolbox, budget: int) -> Course:
    """Search from the population `first` until every replicate has spent `budget` evaluations; return the course.

    The search is one of `METHODS`. Evolution is `eaSimple`: it ends once the slowest replicate has, when others have
    spent a little more; `generation_at` and `table` read it at the budget.

    Raises:
        InputError: if the budget is below 1, or the objective has no gradient to ascend.
    """
    archive, stopping = evolution.HallOfFame(1), evolution.EarlyStopping(evaluations=budget)
    config = EvolveConfig(algorithm="eaSimple", cxpb=CXPB, mutpb=MUTPB, generations=budget)
    start = Start(first, toolbox, config, budget, archive)
    return record_course(stopping(SEARCHES[method].generations(start)), archive)


def record_course(generations: Iterable[Generation], archive: evolution.HallOfFame) -> Course:
    """Return the course of a search's `generations`, which enter their best individuals into `archive`."""
    spent, best, genomes, norms = [], [], [], []
    for generation in generations:
        spent.append(generation.evaluations)
        best.append(archive.population.wvalues[:, 0, 0])
        genomes.append(archive.genomes[:, 0])
        norms.append(generation.population.genomes.norm(dim=2).mean(1))
    evaluations, values, norm = (torch.stack(columns, 1).cpu().numpy() for columns in (spent, best, norms))
    return Course(evaluations, values, torch.stack(genomes), norm)
