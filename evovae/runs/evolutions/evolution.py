"""Evolving a problem, from settings to a finished run folder."""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

from deap import base
from torch import Tensor

from evovae.base import InputError
from evovae.evolution import EarlyStopping, Population
from evovae.objectives import Judges
from evovae.runs.config import CheckpointConfig, EvolveConfig
from evovae.runs.evolutions.archive_kinds import ArchiveKind, kind_of_archive
from evovae.runs.evolutions.builders import make_stopping, make_toolbox, resolve_auto
from evovae.runs.evolutions.evolution_files import write_searches
from evovae.runs.folders.folder import Run
from evovae.runs.folders.writers import check_out
from evovae.runs.problems.problem import Problem
from evovae.runs.recorder import Search, reference_point
from evovae.runs.searches import EVOLUTION, SearchMethod
from evovae.runs.searching import Plan, record_problem
from evovae.runs.settings import EvolutionSettings


@dataclass(frozen=True)
class EvolutionPlan(Plan):
    """An evolution and its baselines."""

    config: EvolveConfig

    kind = "evolution"
    method = EVOLUTION

    def resolved(self) -> Self:
        """Return it with algorithm and operators in the place of `auto`."""
        return replace(self, config=resolve_auto(self.config, self.problem.objective, self.problem.encoding))

    def settings(self, **known: Any) -> EvolutionSettings:
        """Return what the run's configuration holds."""
        problem, objective = self.problem, self.problem.objective
        names, weights, measures = objective.names, objective.weights, problem.measure_names
        return EvolutionSettings(evolution=self.config, names=names, weights=weights, measures=measures, **known)

    @functools.cached_property
    def toolbox(self) -> base.Toolbox:
        """What the settings describe."""
        return make_toolbox(self.problem.encoding, self.problem.objective, self.config)

    @property
    def archive(self) -> ArchiveKind:
        """The kind of the archives."""
        return kind_of_archive(self.problem.objective.names, self.problem.objective.weights)

    @functools.cached_property
    def reference(self) -> list[float] | None:
        """That the archives' metric is measured from, where it needs one."""
        if not self.archive.needs_reference:
            return None
        return reference_point(self.toolbox, self.problem.objective.weights, self.problem.encoding.device)

    @functools.cached_property
    def population(self) -> Population:
        """Where the search begins."""
        config = self.config
        drawn: Population = self.toolbox.population(config.population, config.replicates, config.seed)
        return drawn if self.given is None or not config.seeded else drawn.seeded(self.toolbox.project(self.given))

    @property
    def steps(self) -> int:
        """Generations at most, the initial one included."""
        return self.config.generations + 1

    @property
    def stop_nonfinite(self) -> bool:
        """Whether fitness that is not finite ends it."""
        return self.config.stop_nonfinite

    def begin_search(self, method: SearchMethod) -> Search:
        """Return a search that has found nothing yet."""
        stopping = make_stopping(self.config) if method is EVOLUTION else EarlyStopping()
        names, decode = self.problem.objective.names, self.problem.encoding.decode
        return Search(names, self.archive.make(self.config), self.reference, stopping, decode)

    def write(self, run: Run, searches: dict[str, Search], judges: Judges | None) -> None:
        """Write populations, halls of fame or fronts, and the table of the best."""
        write_searches(run, searches, kind=self.archive, problem=self.problem, judges=judges)


def evolve(
    problem: Problem,
    config: EvolveConfig | None = None,
    out: str | Path = "runs/evolution",
    *,
    initial: Tensor | None = None,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
) -> Run:
    """Evolve `problem`, record it in the run folder `out` as the command line does, and draw its figures.

    Args:
        problem: what is evolved, and for what.
        config: how; `EvolveConfig()` when left out.
        out: run folder to make.
        initial: genomes (K, D) that each replicate begins with, in a `config` that is `seeded`.
        overwrite: replace the evolution in `out`.
        checkpoint: how often the state is written.

    Raises:
        InputError: if a setting, the problem or the folder cannot be used; nothing is written then.
        EvaluationError, SearchError: if a generation cannot be evaluated, or the search diverges; what there is of the
            generations before is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; `evovae.resume(out, problem)` continues it.
    """
    check_out(out, EvolutionPlan.kind, overwrite)
    config = config or EvolveConfig()
    if config.seeded != (initial is not None):
        raise InputError(f"seeded is {config.seeded}: it goes with initial genomes, and they with it")
    if initial is not None:
        initial = _require_genomes(initial, problem, config.population)
    plan = EvolutionPlan(config, problem, initial).resolved()
    return record_problem(plan, out, overwrite=overwrite, checkpoint=checkpoint)


def _require_genomes(initial: Tensor, problem: Problem, population: int) -> Tensor:
    expected = f"finite floats (K, {problem.encoding.dim}), K of 1 to {population}"
    fits = initial.ndim == 2 and initial.shape[1] == problem.encoding.dim and 1 <= len(initial) <= population
    if not fits or not initial.is_floating_point() or not initial.isfinite().all():
        raise InputError(f"initial genomes are {initial.dtype} {tuple(initial.shape)}: expected {expected}")
    return initial.float().to(problem.encoding.device)
