"""Evolving in the latent space of a VAE, from settings to a finished run folder."""

from __future__ import annotations

import contextlib
import functools
import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from deap import base
from torch import Tensor

from evovae import objectives
from evovae.base import InputError, files, resolve_device, say
from evovae.data import ImageSet
from evovae.encodings import Encoding, LatentEncoding
from evovae.evolution import EarlyStopping, EvaluationError, Population
from evovae.models import VAE, VAE_FILE
from evovae.objectives import Judges, JudgeStore, Objective, RealImages
from evovae.runs import genomes
from evovae.runs.archive_kinds import ArchiveKind, kind_of_archive
from evovae.runs.builders import make_stopping, make_toolbox, require_use_of_genomes, resolve_auto
from evovae.runs.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.runs.config import CheckpointConfig, EvolutionSettings, EvolveConfig
from evovae.runs.evolution_results import write_histories, write_searches
from evovae.runs.folder import JUDGES, Run
from evovae.runs.inputs import choose_images, faults_of, folder_of, from_anywhere, load_again, load_vae, tell
from evovae.runs.recorder import Search, reference_point
from evovae.runs.searches import BASELINES, EVOLUTION, SearchMethod, Start
from evovae.runs.targets import keep_targets, kept_targets
from evovae.runs.writers import check_out, recording, writing


@dataclass(frozen=True)
class _Plan:
    """An evolution: its settings, and what they name."""

    config: EvolveConfig
    objective: Objective
    encoding: Encoding
    vae: VAE
    """Whose latent space the genomes lie in; it is kept in the run folder."""
    judges: JudgeStore
    given: Tensor | None
    """Genomes (K, D) that were kept and are used."""
    pictures: dict[str, Tensor]
    """That targets name, by the names of their files."""
    classes: tuple[str, ...]
    """Names of the labels."""
    images: str
    """What was read of the image set."""
    real: RealImages
    """The image set, to compare what is found with."""

    @functools.cached_property
    def toolbox(self) -> base.Toolbox:
        """What the settings describe."""
        return make_toolbox(self.encoding, self.objective, self.config)

    @property
    def kind(self) -> ArchiveKind:
        """Of the archives."""
        return kind_of_archive(self.objective.names, self.objective.weights)

    @functools.cached_property
    def reference(self) -> list[float] | None:
        """That the archives' metric is measured from, where it needs one."""
        if not self.kind.needs_reference:
            return None
        return reference_point(self.toolbox, self.objective.weights, self.encoding.device)

    @functools.cached_property
    def population(self) -> Population:
        """Where the search begins."""
        config = self.config
        drawn: Population = self.toolbox.population(config.population, config.replicates, config.seed)
        return drawn if self.given is None or not config.seeded else drawn.seeded(self.toolbox.project(self.given))

    def found_judges(self) -> Judges | None:
        """Return the judges for realism, if they are wanted, and there already."""
        return self.judges.found() if self.config.judges else None

    @property
    def circumstances(self) -> dict[str, Any]:
        """What the run depends on beside its settings."""
        known = {"device": str(self.encoding.device), "seed": self.config.seed, "images": self.images}
        return known | ({"typicality": f"not measured: {self.real.trouble}"} if self.real.trouble else {})

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
        return Search(self.objective.names, self.kind.make(self.config), self.reference, stopping, self.encoding.decode)


def evolve(
    vae_path: str | Path,
    config: EvolveConfig,
    out: str | Path,
    *,
    dataset: str | None = None,
    data_dir: str | None = None,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
    genomes_path: str | Path | None = None,
) -> Run:
    """Evolve images in the latent space of a VAE and record it in the run folder `out`.

    The VAE's run folder remembers its image set; `dataset` and `data_dir` override it. Judges that are not found are
    trained when they are needed: before the search if the objective asks them, else after it. Genomes that were kept,
    a file of them, are needed to begin with (`config.seeded`) or for an objective that names one.

    Raises:
        InputError: if a setting, the VAE, the image set or the folder cannot be used; nothing is written then.
        EvaluationError, SearchError: if a generation cannot be evaluated, or the search diverges; what there is of the
            generations before is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; the run can be resumed.
    """
    check_out(out, "evolution", overwrite)
    vae = load_vae(vae_path)
    data, images, changed = choose_images(vae, vae_path, dataset, data_dir)
    if changed and dataset is None:
        raise InputError(
            f"the images of {data.dataset} have changed since the VAE learned them: train it again, or take them as "
            f"they are now with --dataset {data.dataset}"
        )
    folders = [Path(out), folder_of(vae_path)]
    plan = _plan(vae, images, config, folders=folders, genomes_path=genomes_path, pictures={})
    plan = replace(plan, config=resolve_auto(config, plan.objective, plan.encoding))
    settings = EvolutionSettings(
        vae=str(Path(vae_path).resolve()),
        evolution=plan.config,
        data=from_anywhere(data, images),
        names=plan.objective.names,
        weights=plan.objective.weights,
        images=images.digest,
        classes=images.classes,
        genomes="" if genomes_path is None else str(Path(genomes_path).resolve()),
        checkpoint=checkpoint or CheckpointConfig(),
    )
    warnings = [f"the VAE in {vae_path}: {fault}" for fault in faults_of(vae_path)]
    if changed:
        warnings.append(f"the VAE in {vae_path} has learned other images than those of {data.dataset}")
    circumstances = plan.circumstances | {"warnings": warnings}
    with recording(out, "evolution", asdict(settings), overwrite=overwrite, circumstances=circumstances) as run:
        tell(images)
        for warning in warnings:
            say(f"WARNING: {warning}")
        _fill(run, plan, settings.checkpoint, {})
    return run


def resume_evolution(run: Run, settings: EvolutionSettings, generations: int | None, images: ImageSet | None) -> None:
    """Continue an evolution where it was stopped, or up to this number of `generations`, in a run that is held.

    The `images` are those that the settings name, None to load them.
    """
    planned = settings.evolution.generations
    if generations is not None and generations < planned:
        raise InputError(f"generations is {generations}: expected at least the {planned} that {run.folder} has")
    longer = generations is not None and generations > planned
    if run.finished and not longer:
        return
    images = images or load_again(settings.data, settings.images)
    settings = replace(
        settings,
        evolution=replace(settings.evolution, generations=generations or planned),
        data=from_anywhere(settings.data, images),
    )
    begun = (run.folder / VAE_FILE).is_file()  # then everything that it needs is there
    settings = replace(settings, classes=images.classes)  # a run may be older than names
    plan = _plan(
        load_vae(run.folder if begun else settings.vae),
        images,
        settings.evolution,
        folders=[run.folder],
        genomes_path=(run.folder / genomes.GENOMES_FILE if begun else settings.genomes) if settings.genomes else None,
        pictures=kept_targets(run.folder, images.shape),
    )
    searches: dict[str, Search] = {}
    if (state := read_checkpoint(run)) is not None:
        searches, like = plan.begin_searches(), plan.population
        restore(run, state, {label: functools.partial(search.restore, like=like) for label, search in searches.items()})
        if longer and (reason := searches[EVOLUTION.label].stopping.reason):
            raise InputError(f"{run.folder} had stopped early, {reason}: more generations would change nothing")
    with writing(run, "evolution", asdict(settings), plan.circumstances):
        tell(images)
        _fill(run, plan, settings.checkpoint, searches)


def _plan(
    vae: VAE,
    images: ImageSet,
    config: EvolveConfig,
    *,
    folders: list[Path],
    genomes_path: str | Path | None,
    pictures: dict[str, Tensor],
) -> _Plan:
    """Find what the settings name; judges are kept in `folders`, once asked for; `pictures` are not read again.

    Raises:
        InputError: if there is no such objective or device, or the genomes cannot be used.
    """
    given = None if genomes_path is None else genomes.read_genomes(genomes_path, vae)
    require_use_of_genomes(config, None if given is None else len(given))
    vae = vae.to(resolve_device(config.device))
    judges = JudgeStore(images, folders, vae.device)
    encoding = LatentEncoding(vae, config.support)
    given = None if given is None else given.to(encoding.device)
    context = objectives.Context(images, lambda x: judges.get("judge")(x), given, encoding.decode, pictures)
    objective = objectives.parse(config.objective, context)
    return _Plan(
        config=config,
        objective=objective,
        encoding=encoding,
        vae=vae,
        judges=judges,
        given=given,
        pictures=pictures,
        classes=images.classes,
        images=images.summary,
        real=RealImages(images, encoding.device),
    )


def _fill(run: Run, plan: _Plan, checkpoint: CheckpointConfig, searches: dict[str, Search]) -> None:
    """Evolve to the end, keeping everything in `run`; `searches` as they were left, empty before they have begun."""
    keep_targets(run.folder, plan.pictures)  # at once: their files may change before a run is resumed
    if plan.given is not None:
        content = genomes.to_safetensors(plan.given, genomes.digest_of(plan.vae))
        files.write_bytes(run.folder / genomes.GENOMES_FILE, content)
    plan.vae.save(run.folder / VAE_FILE)
    plan.found_judges()  # refuses now what it would refuse after the search
    if plan.objective.judged:
        plan.judges.get("judge")
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
    if plan.config.judges and plan.found_judges() is None and plan.judges.both() is not None:
        _write(run, plan, searches)


def _write(run: Run, plan: _Plan, searches: dict[str, Search]) -> None:
    """Write what was found, with what the judges say of it where they are there, and how far they can be trusted."""
    write_searches(
        run,
        searches,
        kind=plan.kind,
        encoding=plan.encoding,
        judges=plan.found_judges(),
        real=plan.real,
        classes=plan.classes,
    )
    if known := plan.judges.known():
        told = {role: asdict(judge.reliability) | {"architecture": judge.architecture} for role, judge in known.items()}
        if plan.objective.judged and "judge" in told:
            told["judge"]["objective"] = True
        files.write_json(run.folder / JUDGES, told)


def _search(plan: _Plan, searches: dict[str, Search], between_steps: Callable[[bool], None]) -> None:
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
