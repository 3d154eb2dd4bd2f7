"""Illuminating a problem: the best of every kind, from settings to a finished run folder."""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self, cast

from deap import base

from evovae import evolution
from evovae.base import InputError, require_memory
from evovae.evolution import GridArchive, Population
from evovae.objectives import Judges, Measures
from evovae.runs.config import CheckpointConfig
from evovae.runs.folders.folder import Run
from evovae.runs.folders.writers import check_out
from evovae.runs.illuminations.algorithms import ILLUMINATIONS
from evovae.runs.illuminations.illumination_config import IlluminateConfig
from evovae.runs.illuminations.illumination_files import write_archives
from evovae.runs.illuminations.measured_ranges import measured_ranges
from evovae.runs.problems.problem import Problem
from evovae.runs.recorder import Search, reference_point
from evovae.runs.searches import ILLUMINATION, SearchMethod
from evovae.runs.searching import Plan, record_problem
from evovae.runs.settings import IlluminationSettings

MOST_ALONG, CELLS = 100, 10_000
"""Cells along a measure, and of an archive, at most, where none are asked for."""


@dataclass(frozen=True)
class IlluminationPlan(Plan):
    """An illumination and its baselines."""

    config: IlluminateConfig

    kind = "illumination"
    method = ILLUMINATION

    @property
    def measures(self) -> Measures:
        """The axes of the archive."""
        if self.problem.measures is None:
            raise InputError("the problem has no measures: an archive needs them as its axes; give measures")
        return self.problem.measures

    def resolved(self) -> Self:
        """Return it with grid and sigma in the place of None, and ranges where all measures have them."""
        config, measures, encoding = self.config, self.measures, self.problem.encoding
        self._require_fitting()
        grid = config.grid or default_grid(measures.cells)
        sigma = config.sigma
        if sigma is None:
            sigma = sum(encoding.sigma) / encoding.dim if isinstance(encoding.sigma, tuple) else encoding.sigma
            if ILLUMINATIONS[config.algorithm].climbs:
                # Coefficients of as many gradients of length 1: their sum is about as long as noise of that sigma.
                sigma *= math.sqrt(encoding.dim / (1 + len(measures.names)))
        resolved = replace(config, grid=grid, sigma=sigma)
        self._require_room(resolved)
        return replace(self, config=resolved)

    def measured(self) -> Self:
        """Return it with ranges, and objectives that score and thresholds count from, in the place of None."""
        config = self.config
        ranges = config.ranges or measured_ranges(self.measures, self.problem)
        offset = config.qd_offset
        if offset is None:
            plain = evolution.toolbox(self.problem.encoding, self.problem.objective)
            (weight,) = self.problem.objective.weights
            offset = weight * reference_point(plain, (weight,), self.problem.encoding.device)[0]
        threshold = offset if config.threshold_min is None else config.threshold_min
        return replace(self, config=replace(config, ranges=ranges, qd_offset=offset, threshold_min=threshold))

    def settings(self, **known: Any) -> IlluminationSettings:
        """Return what the run's configuration holds."""
        problem, objective = self.problem, self.problem.objective
        names, weights, measures = objective.names, objective.weights, problem.measure_names
        return IlluminationSettings(illumination=self.config, names=names, weights=weights, measures=measures, **known)

    @functools.cached_property
    def toolbox(self) -> base.Toolbox:
        """What the settings describe."""
        return evolution.toolbox(self.problem.encoding, self.problem.objective, measures=self.measures)

    @functools.cached_property
    def population(self) -> Population:
        """As many individuals as a generation evaluates, that the baselines begin with."""
        config = self.config
        size = config.emitters * config.batch_size
        return cast(Population, self.toolbox.population(size, config.replicates, config.seed))

    @property
    def steps(self) -> int:
        """Generations."""
        return self.config.generations

    @property
    def judged(self) -> bool:
        """Whether objective or measures ask a judge."""
        return super().judged or self.measures.judged

    def begin_search(self, method: SearchMethod) -> Search:
        """Return a search that has found nothing yet."""
        config, problem = self.config, self.problem
        annealing: dict[str, float] = {}
        if method is ILLUMINATION and ILLUMINATIONS[config.algorithm].anneals:
            annealing = {"learning_rate": config.learning_rate, "threshold_min": config.threshold_min or 0.0}
        archive = GridArchive(config.grid or (), config.spans, **annealing, qd_score_offset=config.qd_offset or 0.0)
        return Search(problem.objective.names, archive, decode=problem.encoding.decode, film=False)

    def write(self, run: Run, searches: dict[str, Search], judges: Judges | None) -> None:
        """Write the archives, and the table of the elites."""
        write_archives(run, searches, problem=self.problem, judges=judges)

    def _require_fitting(self) -> None:
        config, measures, objective = self.config, self.measures, self.problem.objective
        count, names = len(measures.names), ", ".join(measures.names)
        if len(objective.names) > 1:
            raise InputError(
                f"{len(objective.names)} objectives are too many: expected one, by which an archive compares; "
                "add them up with +"
            )
        for what, given in (("grid", config.grid), ("ranges", config.ranges and config.spans)):
            if given is not None and len(given) != count:
                expected = "a number of cells" if what == "grid" else "two numbers"
                raise InputError(f"{what} is {getattr(config, what)}: expected {expected} for each of {names}")
        for name, own, given_cells in zip(measures.names, measures.cells, config.grid or measures.cells, strict=True):
            if own is not None and own != given_cells:
                raise InputError(f"grid has {given_cells} cells for {name}: expected {own}, one for each value it has")
        if ILLUMINATIONS[config.algorithm].climbs:
            if not objective.smooth:
                raise InputError(f"objective {objective.names[0]} has no gradient, which {config.algorithm} follows")
            if measures.rough:
                instead = config.algorithm.removesuffix("GA")
                raise InputError(
                    f"measure {measures.rough[0]} has no gradient, which {config.algorithm} follows: expected smooth "
                    f"ones, such as lightness, slant, thickness, symmetry or ink; or take --algorithm {instead}"
                )

    def _require_room(self, config: IlluminateConfig) -> None:
        """Refuse an archive, or more individuals, than fit in memory, by what there is at the least."""
        cells, size = math.prod(config.grid or ()), max(config.emitters * config.batch_size, config.initial)
        asked = f"emitters {config.emitters}, batch size {config.batch_size}, initial {config.initial}"
        words = f"grid {config.grid}, {asked} in {config.replicates} replicates"
        genes = 4 * self.problem.encoding.dim
        require_memory(words, config.replicates * (8 * cells + size * genes), self.problem.encoding.device)


def default_grid(cells: tuple[int | None, ...]) -> tuple[int, ...]:
    """Return how many cells there are along each measure, of which some have `cells` of their own."""
    counted = math.prod(own for own in cells if own is not None)
    free = cells.count(None)
    along = min(MOST_ALONG, max(2, round((CELLS / counted) ** (1 / free)))) if free else 1
    return tuple(along if own is None else own for own in cells)


def illuminate(
    problem: Problem,
    config: IlluminateConfig | None = None,
    out: str | Path = "runs/illumination",
    *,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
) -> Run:
    """Fill an archive with the best of every kind, record it in the run folder `out`, and draw its figures.

    Args:
        problem: what is searched, for what, and by which `measures` kinds are told apart.
        config: how; `IlluminateConfig()` when left out.
        out: run folder to make.
        overwrite: replace the illumination in `out`.
        checkpoint: how often the state is written.

    Raises:
        InputError: if a setting, the problem or the folder cannot be used; nothing is written then.
        EvaluationError: if a generation cannot be evaluated; what there is of the generations before is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; `evovae.resume(out, problem)` continues it.
    """
    check_out(out, IlluminationPlan.kind, overwrite)
    plan = IlluminationPlan(config or IlluminateConfig(), problem).resolved()
    return record_problem(plan, out, overwrite=overwrite, checkpoint=checkpoint)
