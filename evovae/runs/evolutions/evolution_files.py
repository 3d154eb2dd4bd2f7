"""What searches leave in a run folder, written."""

from __future__ import annotations

from typing import cast

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evovae.base import files
from evovae.evolution import HallOfFame, Population
from evovae.objectives import Judges
from evovae.runs.evolutions.archive_kinds import ArchiveKind
from evovae.runs.folders.folder import HALL_OF_FAME, POPULATION, Run
from evovae.runs.folders.phenotypes import to_keep
from evovae.runs.problems.problem import Problem
from evovae.runs.problems.reported import report_on
from evovae.runs.recorder import Search
from evovae.runs.searches import EVOLUTION, SEARCHES


def write_searches(
    run: Run,
    searches: dict[str, Search],
    *,
    kind: ArchiveKind,
    problem: Problem,
    judges: Judges | None,
) -> None:
    """Write all that those `searches` found, which have begun, into `run`."""
    tensors: dict[str, Tensor] = {}
    halls = []
    for label, search in searches.items():
        prefix = SEARCHES[label].prefix
        generations, genomes, fitness = zip(*search.frames, strict=True)
        found = kind.found(cast(HallOfFame, search.archive))
        tensors |= {
            f"{prefix}hall_genomes": found.genomes,
            f"{prefix}hall_fitness": found.fitness,
            f"{prefix}frame_generations": torch.tensor(generations),
            f"{prefix}frame_genomes": torch.stack(genomes, 1),  # R T D
            f"{prefix}frame_fitness": torch.stack(fitness, 1),  # R T M
        }
        halls.append(
            _hall_table(
                label, found, kind.fitness, report_on(problem, found.genomes.flatten(0, 1), judges, problem.measured)
            )
        )
        if label == EVOLUTION.label:
            population = cast(Population, search.population)
            tensors |= {"genomes": population.genomes, "fitness": population.fitness}
            tensors |= to_keep(problem.encoding, found.genomes, tensors["frame_genomes"])
    reference = searches[EVOLUTION.label].reference
    settings: dict[str, object] = {"reference": reference and list(reference)}
    settings |= {"labels": list(problem.encoding.labels)} if problem.encoding.labels else {}
    files.save_tensors(run.folder / POPULATION, "population", tensors, settings)
    run.write_table(HALL_OF_FAME, pd.concat(halls, ignore_index=True))


def _hall_table(label: str, found: Population, columns: tuple[str, ...], believed: pd.DataFrame) -> pd.DataFrame:
    fitness = found.fitness
    replicates, size = fitness.shape[:2]
    table = pd.DataFrame(
        {
            "search": label,
            "replicate": np.repeat(np.arange(replicates), size),
            "rank": np.tile(np.arange(size), replicates),
        }
    )
    table[list(columns)] = fitness.flatten(0, 1).cpu().numpy()
    table = pd.concat([table, believed], axis=1)
    return table[table[columns[0]].notna()]  # a replicate may have met fewer individuals than the archive holds
