"""What searches left in a run folder, read back and checked: what all kinds have."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from evovae.base import InputError, files, from_json, shown
from evovae.objectives import ROLES, Reliability, doubts
from evovae.runs.folders.folder import JUDGES, Run
from evovae.runs.searches import HISTORY, SearchMethod
from evovae.runs.settings import SearchSettings


@dataclass(frozen=True)
class JudgeAsked(Reliability):
    """What a run says of a judge that it asked."""

    architecture: str = ""
    objective: bool = False
    """Whether the objective asked it, too."""


class Curve(NamedTuple):
    """How a metric of a search grew in its R replicates over G generations."""

    generations: NDArray[np.int64]
    """(G,), ascending."""
    evaluations: NDArray[np.int64]
    """(R, G), so far."""
    values: NDArray[np.float64]
    """(R, G); NaN where it is unknown."""


class SearchResults:
    """What a search and its baselines left in their run folder; files are read when they are asked for.

    Args:
        run: where they are.
        settings: of the run.
    """

    methods: ClassVar[Mapping[str, SearchMethod]]
    """That such a folder may hold, by label; the first is the one that it is for."""

    def __init__(self, run: Run, settings: SearchSettings) -> None:
        self.run, self.settings = run, settings

    @property
    def columns(self) -> tuple[str, ...]:
        """Of every history, beside those that all have."""
        return ()

    def history(self, label: str) -> pd.DataFrame:
        """Return the history of the search `label` of `methods`, ordered by replicate and generation.

        Columns: replicate, generation, evaluations (whole numbers); `columns`; others (floats) as the search wrote
        them.

        Raises:
            InputError: if it cannot be read, lacks one of these, or has not one row for each replicate and generation.
        """
        name, counts = self.methods[label].history, ("replicate", "generation", "evaluations")
        table = self.run.read_table(name, dict.fromkeys(counts, int), (*counts, *self.columns))
        moments = table[["replicate", "generation"]]
        whole = len(table) == moments["replicate"].nunique() * moments["generation"].nunique() > 0
        if not whole or moments.duplicated().any():
            raise InputError(
                f"{self.run.folder / name} is incomplete: expected one row for each replicate and generation"
            )
        return table.sort_values(["replicate", "generation"], ignore_index=True)

    def course(self, label: str, column: str, substitute: str = "") -> Curve:
        """Return how a `column` of the history of the search `label` went, or its `substitute` where it is missing.

        Raises:
            InputError: as `history`, or if it has other replicates than the run.
        """
        table, replicates = self.history(label), self.settings.search.replicates
        found = table["replicate"].unique()
        if len(found) != replicates or not np.array_equal(found, np.arange(len(found))):
            path = self.run.folder / self.methods[label].history
            raise InputError(f"{path} has other replicates than the run's settings")
        generations, name = table["generation"].unique(), column if column in table else substitute
        evaluations, values = (table[name].to_numpy().reshape(replicates, -1) for name in ("evaluations", name))
        return Curve(generations, evaluations, values)

    @functools.cached_property
    def labels(self) -> list[str]:
        """Of the searches that have a history."""
        return [
            label
            for label, method in self.methods.items()
            if method.history == HISTORY or (self.run.folder / method.history).exists()
        ]

    def require_classes(self, table: pd.DataFrame, name: str) -> None:
        """Refuse a `table` of the file `name` that says under `predicted` what is no class.

        Raises:
            InputError: if so, or if it has `held_out` without `predicted`.
        """
        path, settings = self.run.folder / name, self.settings
        if "held_out" in table and "predicted" not in table:
            raise InputError(f"{path} has held_out without predicted: expected both columns")
        if "predicted" in table:
            known = table["predicted"].isin(settings.classes) | table["predicted"].str.fullmatch("[0-9]{1,9}")
            if not known.all():
                odd = shown(table["predicted"][~known].iloc[0])
                raise InputError(f"{path} has {odd} under predicted: expected classes that {self.run.folder} knows")

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
