"""What an illumination left in its run folder, read back and checked."""

from __future__ import annotations

import contextlib
import functools
import math
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from evovae.base import InputError, files, from_json, require_types
from evovae.runs.folders.checkpoints import CHECKPOINT, PREVIOUS
from evovae.runs.folders.folder import ARCHIVE, ELITES, Run
from evovae.runs.folders.phenotypes import as_shown
from evovae.runs.illuminations.illumination_config import IlluminateConfig
from evovae.runs.search_results import SearchResults
from evovae.runs.searches import ILLUMINATION, ILLUMINATION_SEARCHES
from evovae.runs.settings import IlluminationSettings

METRICS = ("coverage", "qd_score", "norm_qd_score", "best")
_SHAPES = {
    "genomes": "float32 R L D",
    "objective": "float64 R L",
    "measures": "float64 R L K",
    "index": "int64 R L",
}


@dataclass(frozen=True)
class _ArchiveSettings:
    """What an archive file says beside its tensors."""

    labels: tuple[str, ...] = ()
    """Names of a phenotype's curves."""

    def __post_init__(self) -> None:
        """Refuse other types."""
        require_types(self)


class Elites(NamedTuple):
    """The elites of a search, of R replicates, L of the one that has most."""

    objective: NDArray[np.float64]
    """(R, L), weight times fitness; NaN where a replicate has fewer."""
    measures: NDArray[np.float64]
    """(R, L, K)."""
    cells: NDArray[np.int64]
    """(R, L), of which cell; -1 where a replicate has fewer."""
    genomes: Tensor
    """(R, L, D); undefined where a replicate has fewer."""


class Shown(NamedTuple):
    """What the best elites of some blocks of cells look like, in the first replicate."""

    phenotypes: Tensor
    """(T, ...)."""
    places: NDArray[np.int64]
    """(T, 2), along the first measure and the second."""
    blocks: tuple[int, int]
    """How many there are along each."""
    labels: tuple[str, ...]
    """Names of a phenotype's curves; none where they have none."""


class IlluminationResults(SearchResults):
    """What an illumination left in its run folder. Settings are read at once, other files when they are asked for.

    Args:
        run: the illumination.

    Attributes:
        settings: of the run.

    Raises:
        InputError: if a file that is asked for cannot be read, or does not fit the settings; or if the run is of
            another kind.
    """

    settings: IlluminationSettings
    methods = ILLUMINATION_SEARCHES
    columns = METRICS

    def __init__(self, run: Run) -> None:
        settings = run.settings
        if not isinstance(settings, IlluminationSettings):
            raise InputError(f"{run.folder} is of {run.kind}: expected an illumination")
        super().__init__(run, settings)

    @property
    def config(self) -> IlluminateConfig:
        """How it was illuminated."""
        return self.settings.illumination

    @property
    def grid(self) -> tuple[int, ...]:
        """Cells along each measure.

        Raises:
            InputError: if they do not belong to the measures.
        """
        grid, count = self.config.grid or (), len(self.settings.measures)
        if not len(grid) == len(self.config.spans) == count:
            raise InputError(f"{self.run.folder} has grid {grid}: expected one for each of its {count} measures")
        return grid

    def elites(self, label: str) -> Elites:
        """Return the elites of the search `label`.

        Raises:
            InputError: if they cannot be read, do not fit the settings, or lie in other cells than the grid has.
        """
        path, prefix = self.run.folder / ARCHIVE, self.methods[label].prefix
        sizes = {"R": self.config.replicates, "K": len(self.grid)}
        files.check_tensors(path, self._kept, {prefix + name: shape for name, shape in _SHAPES.items()}, **sizes)
        return self._checked(path, *(self._kept[prefix + name] for name in _SHAPES))

    def elites_so_far(self) -> Elites:
        """Return the elites of the illumination as far as they are written, while it runs and after it was stopped.

        They are those of the last checkpoint that is whole, until the run is finished.

        Raises:
            InputError: as `elites`, or if there are none yet.
        """
        if self.run.finished:
            with contextlib.suppress(InputError):
                return self.elites(ILLUMINATION.label)
        with contextlib.suppress(InputError):  # there is a moment without it whenever one is written
            return self._elites_of_checkpoint(CHECKPOINT)
        return self._elites_of_checkpoint(PREVIOUS)

    @functools.cached_property
    def shown(self) -> Shown | None:
        """What elites look like; None of what cannot be drawn.

        Raises:
            InputError: if they cannot be read, or do not fit together.
        """
        path, kept = self.run.folder / ARCHIVE, self._kept
        if "tile_phenotypes" not in kept:
            return None
        phenotypes = kept["tile_phenotypes"]
        letters = " ".join("ABCD"[: phenotypes.ndim - 1])
        shapes = {"tile_phenotypes": f"uint8|float32 T {letters}", "tile_places": "int64 T X", "tile_blocks": "int64 X"}
        files.check_tensors(path, kept, shapes, X=2)
        places, blocks = kept["tile_places"].numpy(), kept["tile_blocks"].numpy()
        if not ((places >= 0) & (places < blocks)).all() or len(np.unique(places, axis=0)) < len(places):
            raise InputError(f"{path} has pictures outside of its map: it is damaged")
        labels = from_json(_ArchiveSettings, self._file[1], path).labels
        return Shown(as_shown(phenotypes), places, (int(blocks[0]), int(blocks[1])), labels)

    @functools.cached_property
    def table(self) -> pd.DataFrame:
        """The elites of the searches, with their realism.

        Columns: search (of `methods`), replicate, index (whole numbers); predicted, the class that the judge sees (its
        name); objective, measures_0 to measures_(K - 1), others (floats) as they were written.

        Raises:
            InputError: if it cannot be read, or names a search, a replicate or a class that is none.
        """
        types = {"search": str, "replicate": int, "index": int, "predicted": str}
        measures = [f"measures_{k}" for k in range(len(self.settings.measures))]
        required = ("search", "replicate", "objective", *measures, "index", "log_prior")
        table = self.run.read_table(ELITES, types, required)
        self.require_classes(table, ELITES)
        known = table["search"].isin(list(self.methods)) & table["replicate"].between(0, self.config.replicates - 1)
        if not known.all():
            raise InputError(f"{self.run.folder / ELITES} names an unknown search or replicate")
        return table

    @property
    def cell_names(self) -> list[tuple[str, ...]]:
        """What the cells along each measure are called; nothing for those without names."""
        known = {"class": self.settings.classes, "loops": ("0", "1", "2", "3 or more")}
        found = [known.get(name, ()) for name in self.settings.measures]
        return [names if len(names) == cells else () for names, cells in zip(found, self.grid, strict=True)]

    @property
    def objective_label(self) -> str:
        """What larger is better in the archive: the objective, with a sign where it is minimised."""
        (name,), (weight,) = self.settings.names, self.settings.weights
        return name if weight == 1 else f"{weight:g} {name}" if weight != -1 else f"-{name}"

    @property
    def has_elites(self) -> bool:
        """Whether there is any in the first replicate."""
        return bool((self.elites(ILLUMINATION.label).cells[0] >= 0).any())

    def _elites_of_checkpoint(self, name: str) -> Elites:
        path = self.run.folder / name
        tensors, _ = files.load_tensors(path, "checkpoint")
        prefix = f"{ILLUMINATION.label}/last/more/archive/"
        prefix += "result/" if f"{prefix}result/count" in tensors else "elites/"  # the passive archive, where one is
        expected = {prefix + field: shape for field, shape in ({"count": "int64 R"} | _SHAPES).items()}
        files.check_tensors(path, tensors, expected, R=self.config.replicates, K=len(self.grid))
        count, genomes, objective, measures, index = (tensors[field] for field in expected)
        if not 0 <= int(count.min()) <= int(count.max()) <= index.shape[1]:
            raise InputError(f"{path} has rows for {index.shape[1]} elites, not for {count.tolist()}: it is damaged")
        known = torch.arange(index.shape[1]) < count.unsqueeze(1)
        return self._checked(
            path, genomes, objective.where(known, math.nan), measures, index.where(known, torch.tensor(-1))
        )

    def _checked(self, path: Path, genomes: Tensor, objective: Tensor, measures: Tensor, index: Tensor) -> Elites:
        known = index >= 0
        if index.max() >= math.prod(self.grid) or not torch.equal(known, objective.isfinite()):
            raise InputError(f"{path} has elites in cells that its grid {self.grid} has not: it is damaged")
        if not (genomes[known].isfinite().all() and measures[known].isfinite().all()):
            raise InputError(f"{path} has elites that are not finite: it is damaged")
        return Elites(objective.numpy(), measures.numpy(), index.numpy(), genomes)

    @functools.cached_property
    def _file(self) -> tuple[dict[str, Tensor], dict[str, object]]:
        return files.load_tensors(self.run.folder / ARCHIVE, "archive")

    @property
    def _kept(self) -> dict[str, Tensor]:
        return self._file[0]
