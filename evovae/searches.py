"""What is kept of a search while it runs, and what of it goes into the run folder."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from deap import base
from torch import Tensor

from evovae import files
from evovae.encodings import LatentEncoding
from evovae.evolution import Generation, HallOfFame, ParetoFront, Population, hypervolume
from evovae.judges import Judges
from evovae.progress import track
from evovae.realism import realism
from evovae.runs import HALL_OF_FAME, HISTORY, POPULATION, Run
from evovae.streams import Streams

FRAMES = 101
"""Moments at most whose best genomes are kept for the filmstrip, beside the last."""
FRONT = 200
"""Individuals of a front at most that are written, well spread."""
REFERENCE_DRAWS = 1000


class Place(NamedTuple):
    """Where a run folder keeps a search."""

    table: str
    """File of its history."""
    prefix: str
    """Of its tensors in the population file."""


PLACES = {
    "evolution": Place(HISTORY, ""),
    "random search": Place("baseline.csv", "baseline_"),
    "gradient ascent": Place("gradient.csv", "gradient_"),
}


class Search:
    """What is kept of a search while it runs: history, archive, the best of each moment, the last population.

    Args:
        names: of the M objectives.
        archive: where the best individuals are kept.
        reference: with several objectives, the point up to which the archive's hypervolume is measured.

    The history has what `Generation.statistics` tells of the population, and what was found so far, also by those that
    did not survive: `best`, or the `hypervolume` of several objectives.
    """

    def __init__(self, names: tuple[str, ...], archive: HallOfFame, reference: Sequence[float] | None = None) -> None:
        self.names, self.archive, self.reference = names, archive, reference
        self.rows: list[dict[str, np.ndarray]] = []
        self.frames: list[tuple[int, Tensor, Tensor]] = []
        self.population: Population | None = None
        self._stride = 1

    def follow(self, generations: Iterator[Generation], label: str, total: int) -> None:
        """Run the search to its end, of at most `total` generations, showing progress."""
        with track(label, total) as advance:
            for done, generation in enumerate(generations, start=1):
                statistics = generation.statistics()
                if self.reference is None:
                    statistics["best"] = self.archive.fitness[:, 0, 0].cpu().numpy()
                    state = f"best {self.archive.fitness[:, 0, 0].nanmean():.4g}"
                else:
                    statistics["hypervolume"] = hypervolume(self.archive.population, self.reference).cpu().numpy()
                    state = f"hypervolume {statistics['hypervolume'].mean():.4g}"
                self.rows.append({"generation": np.full_like(statistics["nevals"], generation.gen)} | statistics)
                if generation.gen % self._stride == 0 and len(self.frames) >= FRAMES:
                    # Nobody knows when a run will stop: every other one goes.
                    self.frames, self._stride = self.frames[::2], 2 * self._stride
                if generation.gen % self._stride == 0:
                    self._keep_frame(generation)
                self.population = generation.population
                advance(done, state)
            if self.rows and self.frames[-1][0] != generation.gen:
                self._keep_frame(generation)

    def found(self) -> Population:
        """What is worth writing: the hall of fame, or of the front as many as show it."""
        if self.reference is None:
            return self.archive.population
        front = ParetoFront(FRONT)
        front.update(self.archive.population)
        return front.population

    @property
    def evaluations(self) -> int:
        """Evaluations so far of the replicate that spent most."""
        return int(self.rows[-1]["evaluations"].max())

    def table(self) -> pd.DataFrame:
        """The history: one row per replicate and generation; with several objectives a column for each."""
        frames = []
        for row in self.rows:
            columns = {"replicate": np.arange(len(row["nevals"]))}
            for name, values in row.items():
                split = values.T if values.ndim == 2 else [values]
                suffixes = [f"_{objective}" for objective in self.names] if values.ndim == 2 else [""]
                columns |= {name + suffix: column for suffix, column in zip(suffixes, split, strict=True)}
            frames.append(pd.DataFrame(columns))
        return pd.concat(frames, ignore_index=True)

    def _keep_frame(self, generation: Generation) -> None:
        best = generation.population.best()
        self.frames.append((generation.gen, best.genomes[:, 0], best.fitness[:, 0]))


def reference_point(toolbox: base.Toolbox, weights: Sequence[float], device: torch.device) -> list[float]:
    """Return the worst value of each objective among 1,000 draws from the prior: where hypervolumes are measured from.

    Always the same draws: runs of other seeds and sizes can be compared. Without a finite fitness among them it is 0.
    """
    fitness: Tensor = toolbox.evaluate(toolbox.sample(REFERENCE_DRAWS, Streams(0, [1], device))[0])
    worst = []
    for values, weight in zip(fitness.double().T, weights, strict=True):
        known = values[values.isfinite()]
        worst.append(0.0 if len(known) == 0 else float(known.min() if weight > 0 else known.max()))
    return worst


def write_searches(run: Run, searches: dict[str, Search], encoding: LatentEncoding, judges: Judges | None) -> None:
    """Write history, hall of fame and population of `searches`, by their names in `PLACES`, into `run`."""
    tensors: dict[str, Tensor] = {}
    halls = []
    for label, search in searches.items():
        table, prefix = PLACES[label]
        generations, genomes, fitness = zip(*search.frames, strict=True)
        found = search.found()
        tensors |= {
            f"{prefix}hall_genomes": found.genomes,
            f"{prefix}hall_fitness": found.fitness,
            f"{prefix}frame_generations": torch.tensor(generations),
            f"{prefix}frame_genomes": torch.stack(genomes, 1),  # R T D
            f"{prefix}frame_fitness": torch.stack(fitness, 1),  # R T M
        }
        halls.append(_hall_table(label, search.names, found, encoding, judges))
        run.write_table(table, search.table())
        if label == "evolution" and search.population is not None:
            tensors |= {"genomes": search.population.genomes, "fitness": search.population.fitness}
    reference = searches["evolution"].reference
    files.save_tensors(run.folder / POPULATION, "population", tensors, {"reference": reference and list(reference)})
    run.write_table(HALL_OF_FAME, pd.concat(halls, ignore_index=True))


def _hall_table(
    label: str, names: tuple[str, ...], found: Population, encoding: LatentEncoding, judges: Judges | None
) -> pd.DataFrame:
    genomes, fitness = found.genomes, found.fitness
    replicates, size = genomes.shape[:2]
    table = pd.DataFrame(
        {
            "search": label,
            "replicate": np.repeat(np.arange(replicates), size),
            "rank": np.tile(np.arange(size), replicates),
        }
    )
    names = names if len(names) > 1 else ("fitness",)
    table[list(names)] = fitness.flatten(0, 1).cpu().numpy()
    table = pd.concat([table, realism(encoding, genomes.flatten(0, 1), judges)], axis=1)
    return table[table[names[0]].notna()]  # a replicate may have met fewer individuals than the archive holds
