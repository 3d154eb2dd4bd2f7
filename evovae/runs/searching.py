"""Running what is planned in a run folder: from nothing, from where it was stopped, or further than it went."""

from __future__ import annotations

import contextlib
import functools
import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Self

from deap import base
from torch import Tensor

from evovae.base import InputError, files
from evovae.encodings import LatentEncoding
from evovae.evolution import EvaluationError, Population
from evovae.models import VAE_FILE
from evovae.objectives import Judges
from evovae.runs import figures, genomes
from evovae.runs.config import CheckpointConfig, EvolveConfig
from evovae.runs.folders.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.runs.folders.folder import JUDGES, Run
from evovae.runs.folders.writers import recording, writing
from evovae.runs.illuminations.illumination_config import IlluminateConfig
from evovae.runs.problems.problem import Problem
from evovae.runs.problems.targets import keep_targets
from evovae.runs.recorder import Search
from evovae.runs.searches import BASELINES, SearchMethod, Start
from evovae.runs.settings import SearchSettings


@dataclass(frozen=True)
class Plan(ABC):
    """A search and its baselines: settings, and what they are about."""

    config: EvolveConfig | IlluminateConfig
    problem: Problem
    given: Tensor | None = None
    """Genomes (K, D) that were kept and are used."""
    pictures: dict[str, Tensor] = field(default_factory=dict)
    """That targets name, by the names of their files."""

    kind: ClassVar[str]
    """Of its run."""
    method: ClassVar[SearchMethod]
    """That the run is for."""

    @abstractmethod
    def resolved(self) -> Self:
        """Return it with settings in the place of those that were left to the problem.

        Raises:
            InputError: if they do not fit together, or not the problem.
        """

    def measured(self) -> Self:
        """Return it with what can only be said when the judges are there that it asks."""
        return self

    @abstractmethod
    def settings(self, **known: Any) -> SearchSettings:
        """Return what the run's configuration holds; what is `known` beside settings and problem."""

    @property
    @abstractmethod
    def toolbox(self) -> base.Toolbox:
        """What the settings describe."""

    @property
    @abstractmethod
    def population(self) -> Population:
        """Where the search or its baselines begin."""

    @property
    @abstractmethod
    def steps(self) -> int:
        """Generations at most, the first included."""

    @property
    def judged(self) -> bool:
        """Whether the search asks a judge."""
        return self.problem.objective.judged

    @property
    def stop_nonfinite(self) -> bool:
        """Whether fitness that is not finite ends it."""
        return False

    @abstractmethod
    def begin_search(self, method: SearchMethod) -> Search:
        """Return a search that has found nothing yet."""

    @abstractmethod
    def write(self, run: Run, searches: dict[str, Search], judges: Judges | None) -> None:
        """Write what was found of the `searches` that have begun."""

    @property
    def baselines(self) -> list[SearchMethod]:
        """What the search is compared with."""
        return [BASELINES[name] for name in self.config.baselines]

    def begin_searches(self) -> dict[str, Search]:
        """Return the search and its baselines, by their labels, before they have found anything."""
        return {method.label: self.begin_search(method) for method in (self.method, *self.baselines)}

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


def record_problem(plan: Plan, out: str | Path, *, overwrite: bool, checkpoint: CheckpointConfig | None) -> Run:
    """Run what is planned of a problem that was made in Python, and draw its figures."""
    images = plan.problem.realism.images
    settings = plan.settings(
        problem=None,
        images="" if images is None else images.digest,
        classes=() if images is None else images.classes,
        checkpoint=checkpoint or CheckpointConfig(),
    )
    run = record(plan, settings, out, overwrite=overwrite)
    figures.draw(run)
    return run


def record(
    plan: Plan,
    settings: SearchSettings,
    out: str | Path,
    *,
    overwrite: bool = False,
    circumstances: dict[str, Any] | None = None,
    begun: Callable[[], None] = lambda: None,
) -> Run:
    """Run what is planned in a folder of its own; `begun` is called once it is there."""
    known = plan.circumstances | (circumstances or {})
    with recording(out, plan.kind, asdict(settings), overwrite=overwrite, circumstances=known) as run:
        begun()
        _fill(run, plan, settings, {})
    return run


def take_up(
    run: Run,
    plan: Plan,
    settings: SearchSettings,
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
        if longer and (reason := searches[plan.method.label].stopping.reason):
            raise InputError(f"{run.folder} had stopped early, {reason}: more generations would change nothing")
    with writing(run, plan.kind, asdict(settings), plan.circumstances | (circumstances or {})):
        begun()
        _fill(run, plan, settings, searches)


def require_generations(run: Run, settings: SearchSettings, generations: int | None) -> tuple[int, bool]:
    """Return how many generations a run shall have, and whether these are more than planned.

    Raises:
        InputError: if it has more already.
    """
    planned = settings.search.generations
    if generations is not None and generations < planned:
        raise InputError(f"generations is {generations}: expected at least the {planned} that {run.folder} has")
    return generations or planned, generations is not None and generations > planned


def require_same_report(run: Run, settings: SearchSettings, problem: Problem) -> None:
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


def _fill(run: Run, plan: Plan, settings: SearchSettings, searches: dict[str, Search]) -> None:
    """Search to the end, keeping everything in `run`; `searches` as they were left, empty before they have begun."""
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
    if store is not None and plan.judged:
        store.get("judge")
    plan = plan.measured()
    run.configure(settings.searching(plan.config))
    searches = searches or plan.begin_searches()
    checkpoints = Checkpoints(
        run, searches, settings.checkpoint, functools.partial(_write_histories, run, plan, searches)
    )
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
        run.circumstances["stopped"] = searches[plan.method.label].stopping.reason
        run.circumstances["nonfinite"] = {label: s.trouble for label, s in searches.items() if s.trouble}
    checkpoints.finish()
    _write(run, plan, searches)
    if store is not None and plan.config.judges and plan.found_judges() is None and store.both() is not None:
        _write(run, plan, searches)


def _write(run: Run, plan: Plan, searches: dict[str, Search]) -> None:
    """Write what was found, with what the judges say of it where they are there, and how far they can be trusted."""
    begun = {label: search for label, search in searches.items() if search.begun}
    if begun:
        _write_histories(run, plan, begun)
        plan.write(run, begun, plan.found_judges())
    store = plan.problem.realism.judges
    if known := {} if store is None else store.known():
        told = {role: asdict(judge.reliability) | {"architecture": judge.architecture} for role, judge in known.items()}
        if plan.judged and "judge" in told:
            told["judge"]["objective"] = True
        files.write_json(run.folder / JUDGES, told)


def _write_histories(run: Run, plan: Plan, searches: dict[str, Search]) -> None:
    """Write the histories of those `searches` that have begun."""
    for method in (plan.method, *plan.baselines):
        if method.label in searches and (content := searches[method.label].history.content):
            files.write_bytes(run.folder / method.history, content)


def _search(plan: Plan, searches: dict[str, Search], between_steps: Callable[[bool], None]) -> None:
    """Run the search and its baselines, each from where it is to its end."""
    population = plan.population

    def run(method: SearchMethod, evaluations: int, total: int) -> None:
        search = searches[method.label]

        def after_generation(ended: bool) -> None:
            if plan.stop_nonfinite and search.trouble:
                raise EvaluationError(search.trouble)
            between_steps(ended)

        start = Start(population, plan.toolbox, plan.config, evaluations, search.archive, search.last)
        search.run(method.generations(start), method.label, total, after_generation)

    run(plan.method, 0, plan.steps)
    budget, size = searches[plan.method.label].evaluations, len(population)
    for method in plan.baselines:
        spent = searches[method.label].evaluations
        if spent != budget and spent % size:
            searches[method.label] = plan.begin_search(method)  # it had come to the end of a smaller budget
        run(method, budget, math.ceil(budget / size))
