"""What searches left in a run folder, read back and checked."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from evovae.base import MAX_NUMBER, InputError, files, from_json, require_types, shown
from evovae.objectives import ROLES, Reliability, doubts
from evovae.runs.archive_kinds import kind_of_archive
from evovae.runs.config import EvolutionSettings
from evovae.runs.folder import HALL_OF_FAME, JUDGES, POPULATION, Run
from evovae.runs.searches import EVOLUTION, SEARCHES

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


@dataclass(frozen=True)
class JudgeAsked(Reliability):
    """What a run says of a judge that it asked."""

    architecture: str = ""
    objective: bool = False
    """Whether the objective asked it, too."""


class Curve(NamedTuple):
    """How the metric of a search grew in its R replicates over G generations."""

    generations: NDArray[np.int64]
    """(G,), ascending."""
    evaluations: NDArray[np.int64]
    """(R, G), so far."""
    best: NDArray[np.float64]
    """(R, G), so far; NaN where it is unknown."""


class EvolutionResults:
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

    def __init__(self, run: Run) -> None:
        settings = run.settings
        if not isinstance(settings, EvolutionSettings):
            raise InputError(f"{run.folder} is a training: expected an evolution")
        self.run, self.settings = run, settings
        self.kind = kind_of_archive(self.settings.names, self.settings.weights)

    def history(self, label: str) -> pd.DataFrame:
        """Return the history of the search `label` of `SEARCHES`, ordered by replicate and generation.

        Columns: replicate, generation, evaluations (whole numbers); those of the archive's kind; others (floats) as the
        search wrote them.

        Raises:
            InputError: if it cannot be read, lacks one of these, or has not one row for each replicate and generation.
        """
        name, counts = SEARCHES[label].history, ("replicate", "generation", "evaluations")
        table = self.run.read_table(name, dict.fromkeys(counts, int), (*counts, *self.kind.columns))
        moments = table[["replicate", "generation"]]
        whole = len(table) == moments["replicate"].nunique() * moments["generation"].nunique() > 0
        if not whole or moments.duplicated().any():
            raise InputError(
                f"{self.run.folder / name} is incomplete: expected one row for each replicate and generation"
            )
        return table.sort_values(["replicate", "generation"], ignore_index=True)

    def curve(self, label: str) -> Curve:
        """Return how the metric of the search `label` grew.

        Raises:
            InputError: as `history`, or if it has other replicates than the run.
        """
        table, kind = self.history(label), self.kind
        column = kind.metric if kind.metric in table else kind.substitute
        found, replicates = table["replicate"].unique(), self.settings.evolution.replicates
        if len(found) != replicates or not np.array_equal(found, np.arange(len(found))):
            path = self.run.folder / SEARCHES[label].history
            raise InputError(f"{path} has other replicates than the run's settings")
        generations = table["generation"].unique()
        evaluations, values = (table[name].to_numpy().reshape(replicates, -1) for name in ("evaluations", column))
        best = (np.fmin if kind.minimise else np.fmax).accumulate(values, axis=1)
        return Curve(generations, evaluations, best)

    @functools.cached_property
    def labels(self) -> list[str]:
        """Of the searches that have a history."""
        return [
            label
            for label, method in SEARCHES.items()
            if method is EVOLUTION or (self.run.folder / method.history).exists()
        ]

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
        if "held_out" in table and "predicted" not in table:
            raise InputError(f"{path} has held_out without predicted: expected both columns")
        if "predicted" in table:
            known = table["predicted"].isin(settings.classes) | table["predicted"].str.fullmatch("[0-9]{1,9}")
            if not known.all():
                odd = shown(table["predicted"][~known].iloc[0])
                raise InputError(f"{path} has {odd} under predicted: expected classes that {self.run.folder} knows")
        if not table["search"].isin(list(SEARCHES)).all():
            raise InputError(f"{path} names an unknown search: expected {', '.join(SEARCHES)}")
        if not (table["replicate"].between(0, settings.evolution.replicates - 1) & (table["rank"] >= 0)).all():
            expected = f"expected replicates as {self.run.folder} has them"
            raise InputError(f"{path} names an unknown replicate or rank: {expected}")
        return table

    @functools.cached_property
    def judges(self) -> dict[str, JudgeAsked]:
        """By role, how well the judges that the run asked read images; empty where it asked none.

        Raises:
            InputError: if it cannot be read, or names a role that is none.
        """
        path = self.run.folder / JUDGES
        found = files.read_json(path) if path.exists() else {}
        if unknown := sorted(found.keys() - ROLES.keys()):
            raise InputError(f"{path} names {shown(unknown[0])}: expected {' and '.join(ROLES)}")
        return {role: from_json(JudgeAsked, found[role], path) for role in ROLES if role in found}

    @property
    def doubt(self) -> str:
        """Why the judge that the objective asks counts for little, in parentheses; empty if nothing speaks against it.

        Raises:
            InputError: as `judges`.
        """
        doubted = doubts({role: judge for role, judge in self.judges.items() if judge.objective})
        return f"({doubted})" if doubted else ""

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
