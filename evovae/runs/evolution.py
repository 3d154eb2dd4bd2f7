"""Evolving a problem, from settings to a finished run folder."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from deap import base
from torch import Tensor

from evovae.base import InputError, files
from evovae.encodings import LatentEncoding
from evovae.evolution import EarlyStopping, EvaluationError, Population
from evovae.models import VAE_FILE
from evovae.objectives import Judges
from evovae.runs import figures, genomes
from evovae.runs.archive_kinds import ArchiveKind, kind_of_archive
from evovae.runs.builders import make_stopping, make_toolbox, resolve_auto
from evovae.runs.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.runs.config import CheckpointConfig, EvolutionSettings, EvolveConfig
from evovae.runs.evolution_files import write_histories, write_searches
from evovae.runs.folder import JUDGES, Run
from evovae.runs.problem import Problem
from evovae.runs.recorder import Search, reference_point
from evovae.runs.searches import BASELINES, EVOLUTION, SearchMethod, Start
from evovae.runs.targets import keep_targets
from evovae.runs.writers import check_out, recording, writing


@dataclass(frozen=True)
class Plan:
    """An evolution: its settings, without `auto`, and what they are about."""

    config: EvolveConfig
    problem: Problem
    given: Tensor | None = None
    """Genomes (K, D) that were kept and are used."""
    pictures: dict[str, Tensor] = field(default_factory=dict)
    """That targets name, by the names of their files."""

    @functools.cached_property
    def toolbox(self) -> base.Toolbox:
        """What the settings describe."""
        return make_toolbox(self.problem.encoding, self.problem.objective, self.config)

    @property
    def kind(self) -> ArchiveKind:
        """Of the archives."""
        return kind_of_archive(self.problem.objective.names, self.problem.objective.weights)

    @functools.cached_property
    def reference(self) -> list[float] | None:
        """That the archives' metric is measured from, where it needs one."""
        if not self.kind.needs_reference:
            return None
        return reference_point(self.toolbox, self.problem.objective.weights, self.problem.encoding.device)

    @functools.cached_property
    def population(self) -> Population:
        """Where the search begins."""
        config = self.config
        drawn: Population = self.toolbox.population(config.population, config.replicates, config.seed)
        return drawn if self.given is None or not config.seeded else drawn.seeded(self.toolbox.project(self.given))

    def found_judges(self) -> Judges | None:
        """Return the judges for realism, if they are wanted, and there already."""
        store = self.problem.realism.judges
        return store.found() if store is not None and self.config.judges else None

    @property
    def circumstances(self) -> dict[str, Any]:
        """What the run depends on beside its settings."""
        encoding, images = self.problem.encoding, self.problem.realism.images
        known = {"device": str(encoding.device), "seed": self.config.seed}
        known |= {} if images is None else {"images": images.summary}
        return known | {"not_measured": self.problem.realism.missing(self.problem.shape, self.config.judges)}

    def begin_searches(self) -> dict[str, Search]:
        """Return the evolution and its baselines, by their labels, before they have found anything."""
        return {method.label: self.begin_search(method) for method in (EVOLUTION, *self.baselines)}

    @property
    def baselines(self) -> list[SearchMethod]:
        """What the evolution is compared with."""
        return [BASELINES[name] for name in self.config.baselines]

    def begin_search(self, method: SearchMethod) -> Search:
        """Return a search that has found nothing yet."""
        stopping = make_stopping(self.config) if method is EVOLUTION else EarlyStopping()
        names, decode = self.problem.objective.names, self.problem.encoding.decode
        return Search(names, self.kind.make(self.config), self.reference, stopping, decode)


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
    check_out(out, "evolution", overwrite)
    config = config or EvolveConfig()
    if config.seeded != (initial is not None):
        raise InputError(f"seeded is {config.seeded}: it goes with initial genomes, and they with it")
    if initial is not None:
        initial = _require_genomes(initial, problem, config.population)
    plan = Plan(resolve_auto(config, problem.objective, problem.encoding), problem, initial)
    images = problem.realism.images
    settings = EvolutionSettings(
        problem=None,
        evolution=plan.config,
        names=problem.objective.names,
        weights=problem.objective.weights,
        images="" if images is None else images.digest,
        classes=() if images is None else images.classes,
        measures=problem.measure_names,
        checkpoint=checkpoint or CheckpointConfig(),
    )
    run = record(plan, settings, out, overwrite=overwrite)
    figures.draw(run)
    return run


def record(
    plan: Plan,
    settings: EvolutionSettings,
    out: str | Path,
    *,
    overwrite: bool = False,
    circumstances: dict[str, Any] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> Run:
    """Run what is planned in a folder of its own; `begun` is called once it is there."""
    known = plan.circumstances | (circumstances or {})
    with recording(out, "evolution", asdict(settings), overwrite=overwrite, circumstances=known) as run:
        begun()
        _fill(run, plan, settings.checkpoint, {})
    return run


def take_up(
    run: Run,
    plan: Plan,
    settings: EvolutionSettings,
    *,
    longer: bool = False,
    circumstances: dict[str, Any] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> None:
    """Continue a run that is held where it was stopped, or, if it is `longer` now, after its end.

    Raises:
        InputError: if its state is damaged, or it cannot become longer.
    """
    searches: dict[str, Search] = {}
    if (state := read_checkpoint(run)) is not None:
        searches, like = plan.begin_searches(), plan.population
        restore(run, state, {label: functools.partial(search.restore, like=like) for label, search in searches.items()})
        if longer and (reason := searches[EVOLUTION.label].stopping.reason):
            raise InputError(f"{run.folder} had stopped early, {reason}: more generations would change nothing")
    with writing(run, "evolution", asdict(settings), plan.circumstances | (circumstances or {})):
        begun()
        _fill(run, plan, settings.checkpoint, searches)


def require_generations(run: Run, settings: EvolutionSettings, generations: int | None) -> tuple[int, bool]:
    """Return how many generations a run shall have, and whether these are more than planned.

    Raises:
        InputError: if it has more already.
    """
    planned = settings.evolution.generations
    if generations is not None and generations < planned:
        raise InputError(f"generations is {generations}: expected at least the {planned} that {run.folder} has")
    return generations or planned, generations is not None and generations > planned


def resume_problem(run: Run, settings: EvolutionSettings, problem: Problem, generations: int | None) -> None:
    """Continue an evolution of a `problem` that was made in Python, in a run that is held."""
    wanted, longer = require_generations(run, settings, generations)
    if run.finished and not longer:
        return
    problem.require_same(run.folder)
    require_same_report(run, settings, problem)
    images = problem.realism.images
    if settings.images != ("" if images is None else images.digest):
        raise InputError(f"the problem's realism has other images than {run.folder} began with: expected the same")
    path = run.folder / genomes.GENOMES_FILE
    given = genomes.read_genomes(path, problem.encoding).to(problem.encoding.device) if path.is_file() else None
    settings = replace(settings, evolution=replace(settings.evolution, generations=wanted))
    take_up(run, Plan(settings.evolution, problem, given), settings, longer=longer)
    figures.draw(run)


def require_same_report(run: Run, settings: EvolutionSettings, problem: Problem) -> None:
    """Refuse a problem whose histories and tables would have other columns, or mean other things, than the run's.

    Raises:
        InputError: if objectives, weights or measures are others than the run began with.
    """
    for what, before, now in (
        ("objectives", settings.names, problem.objective.names),
        ("weights", settings.weights, problem.objective.weights),
        ("measures", settings.measures, problem.measure_names),
    ):
        if before != now:
            raise InputError(f"the problem has the {what} {now}: expected {before}, which {run.folder} began with")


def _require_genomes(initial: Tensor, problem: Problem, population: int) -> Tensor:
    expected = f"finite floats (K, {problem.encoding.dim}), K of 1 to {population}"
    fits = initial.ndim == 2 and initial.shape[1] == problem.encoding.dim and 1 <= len(initial) <= population
    if not fits or not initial.is_floating_point() or not initial.isfinite().all():
        raise InputError(f"initial genomes are {initial.dtype} {tuple(initial.shape)}: expected {expected}")
    return initial.float().to(problem.encoding.device)


def _fill(run: Run, plan: Plan, checkpoint: CheckpointConfig, searches: dict[str, Search]) -> None:
    """Evolve to the end, keeping everything in `run`; `searches` as they were left, empty before they have begun."""
    keep_targets(run.folder, plan.pictures)  # at once: their files may change before a run is resumed
    problem, encoding = plan.problem, plan.problem.encoding
    if plan.given is not None:
        content = genomes.to_safetensors(plan.given, genomes.owner_of(encoding))
        files.write_bytes(run.folder / genomes.GENOMES_FILE, content)
    if isinstance(encoding, LatentEncoding):
        encoding.vae.save(run.folder / VAE_FILE)
    problem.keep(run.folder)
    plan.found_judges()  # refuses now what it would refuse after the search
    store = problem.realism.judges
    if store is not None and problem.objective.judged:
        store.get("judge")
    searches = searches or plan.begin_searches()
    checkpoints = Checkpoints(run, searches, checkpoint, functools.partial(write_histories, run, searches))
    try:
        with checkpoints.keeping() as between_steps:
            _search(plan, searches, between_steps)
    except OSError:
        raise  # no more can be written
    except BaseException:
        with contextlib.suppress(Exception):  # what failed may be what is needed for it
            _write(run, plan, searches)
        raise
    finally:
        run.circumstances["stopped"] = searches[EVOLUTION.label].stopping.reason
        run.circumstances["nonfinite"] = {label: s.trouble for label, s in searches.items() if s.trouble}
    checkpoints.finish()
    _write(run, plan, searches)
    if store is not None and plan.config.judges and plan.found_judges() is None and store.both() is not None:
        _write(run, plan, searches)


def _write(run: Run, plan: Plan, searches: dict[str, Search]) -> None:
    """Write what was found, with what the judges say of it where they are there, and how far they can be trusted."""
    write_searches(run, searches, kind=plan.kind, problem=plan.problem, judges=plan.found_judges())
    store = plan.problem.realism.judges
    if known := {} if store is None else store.known():
        told = {role: asdict(judge.reliability) | {"architecture": judge.architecture} for role, judge in known.items()}
        if plan.problem.objective.judged and "judge" in told:
            told["judge"]["objective"] = True
        files.write_json(run.folder / JUDGES, told)


def _search(plan: Plan, searches: dict[str, Search], between_steps: Callable[[bool], None]) -> None:
    """Evolve and run the baselines, each from where its search is to its end."""
    config, population = plan.config, plan.population

    def run(method: SearchMethod, evaluations: int, total: int) -> None:
        search = searches[method.label]

        def after_generation(ended: bool) -> None:
            if config.stop_nonfinite and search.trouble:
                raise EvaluationError(search.trouble)
            between_steps(ended)

        start = Start(population, plan.toolbox, config, evaluations, search.archive, search.last)
        search.run(method.generations(start), method.label, total, after_generation)

    run(EVOLUTION, 0, config.generations + 1)
    budget = searches[EVOLUTION.label].evaluations
    for method in plan.baselines:
        spent = searches[method.label].evaluations
        if spent != budget and spent % config.population:
            searches[method.label] = plan.begin_search(method)  # it had come to the end of a smaller budget
        run(method, budget, math.ceil(budget / config.population))
