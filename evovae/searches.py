"""What is kept of a search while it runs, and what of it goes into the run folder."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evovae import files
from evovae.encodings import LatentEncoding
from evovae.evolution import Generation, HallOfFame, Population
from evovae.judges import Judges
from evovae.progress import track
from evovae.realism import realism
from evovae.runs import BASELINE, HALL_OF_FAME, HISTORY, POPULATION, Run

FRAMES = 101
"""Moments at most whose best genomes are kept for the filmstrip."""


class Search:
    """What is kept of a search while it runs: history, hall of fame, the best of each moment, the last population."""

    def __init__(self, names: tuple[str, ...], size: int) -> None:
        self.names = names
        self.hall_of_fame = HallOfFame(size)
        self.rows: list[dict[str, np.ndarray]] = []
        self.frames: list[tuple[int, Tensor, Tensor]] = []
        self.population: Population | None = None

    def follow(self, generations: Iterator[Generation], label: str, total: int) -> None:
        """Run the search to its end, showing progress."""
        frames = set(np.linspace(0, total - 1, min(FRAMES, total)).round().astype(int).tolist())
        with track(label, total) as advance:
            for generation in generations:
                statistics = generation.statistics()
                self.rows.append({"generation": np.full_like(statistics["nevals"], generation.gen)} | statistics)
                self.population = generation.population
                if generation.gen in frames:
                    best = generation.population.best()
                    self.frames.append((generation.gen, best.genomes[:, 0], best.fitness[:, 0]))
                advance(generation.gen + 1, f"best {self.hall_of_fame.fitness[:, 0, 0].nanmean():.4g}")

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


def write_searches(run: Run, searches: dict[str, Search], encoding: LatentEncoding, judges: Judges | None) -> None:
    """Write history, hall of fame and population of `searches`, named "evolution" and "random search", into `run`."""
    tensors: dict[str, Tensor] = {}
    halls = []
    for label, search in searches.items():
        prefix = "" if label == "evolution" else "baseline_"
        hall = search.hall_of_fame
        generations, genomes, fitness = zip(*search.frames, strict=True)
        tensors |= {
            f"{prefix}hall_genomes": hall.genomes,
            f"{prefix}hall_fitness": hall.fitness,
            f"{prefix}frame_generations": torch.tensor(generations),
            f"{prefix}frame_genomes": torch.stack(genomes, 1),  # R T D
            f"{prefix}frame_fitness": torch.stack(fitness, 1),  # R T M
        }
        halls.append(_hall_table(label, search, encoding, judges))
        run.write_table(BASELINE if prefix else HISTORY, search.table())
        if not prefix and search.population is not None:
            tensors |= {"genomes": search.population.genomes, "fitness": search.population.fitness}
    files.save_tensors(run.folder / POPULATION, "population", tensors, {})
    run.write_table(HALL_OF_FAME, pd.concat(halls, ignore_index=True))


def _hall_table(label: str, search: Search, encoding: LatentEncoding, judges: Judges | None) -> pd.DataFrame:
    genomes, fitness = search.hall_of_fame.genomes, search.hall_of_fame.fitness
    replicates, size = genomes.shape[:2]
    table = pd.DataFrame(
        {
            "search": label,
            "replicate": np.repeat(np.arange(replicates), size),
            "rank": np.tile(np.arange(size), replicates),
        }
    )
    names = search.names if len(search.names) > 1 else ("fitness",)
    table[list(names)] = fitness.flatten(0, 1).cpu().numpy()
    table = pd.concat([table, realism(encoding, genomes.flatten(0, 1), judges)], axis=1)
    return table[table[names[0]].notna()]  # a replicate may have met fewer individuals than the hall holds
