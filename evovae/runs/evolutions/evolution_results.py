"""What an evolution left in its run folder, read back and checked."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from evovae.base import MAX_NUMBER, InputError, files, from_json, require_types, shown
from evovae.runs.evolutions.archive_kinds import kind_of_archive
from evovae.runs.folders.folder import HALL_OF_FAME, POPULATION, Run
from evovae.runs.search_results import Curve, SearchResults
from evovae.runs.searches import EVOLUTION, SEARCHES
from evovae.runs.settings import EvolutionSettings

_SHAPES = {
    "hall_genomes": "float32 R K D",
    "hall_fitness": "float32|float64 R K M",
    "frame_generations": "int64 T",
    "frame_genomes": "float32 R T D",
    "frame_fitness": "float32|float64 R T M",
}


@dataclass(frozen=True)
class _PopulationSettings:
    """What a population file says beside its tensors."""

    reference: tuple[float, ...] | None = None
    labels: tuple[str, ...] = ()
    """Names of a phenotype's curves."""

    def __post_init__(self) -> None:
        """Refuse a reference that is not finite."""
        require_types(self)
        if not all(abs(value) <= MAX_NUMBER for value in self.reference or ()):  # NaN is not
            raise InputError(f"hypervolume reference is {shown(self.reference)}: expected finite numbers")


class EvolutionResults(SearchResults):
    """What an evolution left in its run folder. Settings are read at once, other files when they are asked for.

    Args:
        run: the evolution.

    Attributes:
        settings: of the run.
        kind: of its archives, which knows the metric that searches are compared by.

    Raises:
        InputError: if a file that is asked for cannot be read, or does not fit the settings; or if the run is of
            another kind.
    """

    settings: EvolutionSettings
    methods = SEARCHES

    def __init__(self, run: Run) -> None:
        settings = run.settings
        if not isinstance(settings, EvolutionSettings):
            raise InputError(f"{run.folder} is of {run.kind}: expected an evolution")
        super().__init__(run, settings)
        self.kind = kind_of_archive(self.settings.names, self.settings.weights)

    @property
    def columns(self) -> tuple[str, ...]:
        """Of every history."""
        return self.kind.columns

    def curve(self, label: str) -> Curve:
        """Return how the metric of the search `label` grew, the best so far.

        Raises:
            InputError: as `history`, or if it has other replicates than the run.
        """
        kind = self.kind
        curve = self.course(label, kind.metric, kind.substitute)
        return curve._replace(values=(np.fmin if kind.minimise else np.fmax).accumulate(curve.values, axis=1))

    @functools.cached_property
    def hall(self) -> pd.DataFrame:
        """The table of the best images of the searches, with their realism.

        Columns: search (of `SEARCHES`), replicate, rank (whole numbers); predicted, the class that the judge sees (its
        name; in a run older than names its number, as text); others (floats) as the searches wrote them.

        Raises:
            InputError: if it cannot be read, or names a search, a replicate or a class that is none.
        """
        settings, path = self.settings, self.run.folder / HALL_OF_FAME
        types = {"search": str, "replicate": int, "rank": int, "predicted": str}
        required = ("search", "replicate", "rank", *self.kind.fitness, "log_prior")
        table = self.run.read_table(HALL_OF_FAME, types, required)
        self.require_classes(table, HALL_OF_FAME)
        if not table["search"].isin(list(SEARCHES)).all():
            raise InputError(f"{path} names an unknown search: expected {', '.join(SEARCHES)}")
        if not (table["replicate"].between(0, settings.evolution.replicates - 1) & (table["rank"] >= 0)).all():
            expected = f"expected replicates as {self.run.folder} has them"
            raise InputError(f"{path} names an unknown replicate or rank: {expected}")
        return table

    def population(self, **sizes: int) -> dict[str, Tensor]:
        """Return the tensors of the searches, under the names that `write_searches` gives them.

        Args:
            sizes: what is known of their dimensions beside replicates and objectives: D, the number of genes.

        Raises:
            InputError: if they cannot be read, or their shapes do not fit.
        """
        path = self.run.folder / POPULATION
        tensors, _ = files.load_tensors(path, "population")
        for method in SEARCHES.values():
            expected = {method.prefix + name: shape for name, shape in _SHAPES.items()}
            if method is EVOLUTION or expected.keys() & tensors.keys():
                sizes |= {"R": self.settings.evolution.replicates, "M": len(self.settings.names)}
                files.check_tensors(path, tensors, expected, **sizes)
        if not all(tensor.isfinite().all() for name, tensor in tensors.items() if name.endswith("genomes")):
            raise InputError(f"{path} holds genes that are not finite: expected a file that evovae wrote")
        return tensors

    @property
    def reference(self) -> tuple[float, ...] | None:
        """The point that the metric is measured from; None where it needs none.

        Raises:
            InputError: if it cannot be read, or is not of as many objectives as the run.
        """
        path = self.run.folder / POPULATION
        reference = self._kept().reference
        found, expected = len(reference or ()), len(self.settings.names) if self.kind.needs_reference else 0
        if found != expected:
            raise InputError(f"{path} has a hypervolume reference of {found} objectives, not {expected}")
        return reference

    @property
    def curve_names(self) -> tuple[str, ...]:
        """Names of a phenotype's curves; none where they have no names.

        Raises:
            InputError: if they cannot be read.
        """
        return self._kept().labels

    def _kept(self) -> _PopulationSettings:
        path = self.run.folder / POPULATION
        return from_json(_PopulationSettings, files.load_tensors(path, "population")[1], path)

    def members(self, found: dict[str, Tensor], rows: pd.DataFrame) -> tuple[Tensor, Tensor]:
        """Return genomes (K, D) and fitness (K, M) of the evolution's `rows` of `hall`, from the population `found`.

        Raises:
            InputError: if the population holds none in their places.
        """
        ranks = torch.tensor(rows["rank"].to_list(), dtype=torch.int64)
        replicates = torch.tensor(rows["replicate"].to_list(), dtype=torch.int64)
        within = bool((ranks < found["hall_genomes"].shape[1]).all())
        if not within or not found["hall_fitness"][replicates, ranks].isfinite().all():
            path = self.run.folder / HALL_OF_FAME
            raise InputError(f"{path} has images that {POPULATION} has not: they do not belong together")
        return found["hall_genomes"][replicates, ranks], found["hall_fitness"][replicates, ranks]
