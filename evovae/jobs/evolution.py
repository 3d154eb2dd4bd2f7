"""Evolving in the latent space of a VAE, from settings to a finished run folder."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import cast

from deap import base

from evovae import evolution, objectives
from evovae.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.config import CheckpointConfig, EvolveConfig
from evovae.data import ImageSet
from evovae.devices import resolve_device
from evovae.encodings import LatentEncoding
from evovae.errors import InputError
from evovae.evolution import EarlyStopping, EvaluationError, Generation, Population
from evovae.jobs.inputs import choose_data, copy_judges, find_judges, folder_of, from_anywhere, load
from evovae.judges import Judges
from evovae.objectives import Objective
from evovae.recipes import evolve_iter, make_archive, make_stopping, make_toolbox, settle
from evovae.runs import Run, check_out, recording
from evovae.searches import Search, reference_point, write_histories, write_searches
from evovae.settings import EvolutionSettings
from evovae.state import State
from evovae.vae import FILE_NAME, VAE

BASELINES: dict[str, tuple[str, Callable[..., Iterator[Generation]]]] = {
    "random-search": ("random search", evolution.random_search_iter),
    "gradient-ascent": ("gradient ascent", evolution.gradient_ascent_iter),
}


@dataclass(frozen=True)
class _Plan:
    """An evolution: its settings, and what they name."""

    config: EvolveConfig
    objective: Objective
    encoding: LatentEncoding
    judges: Callable[[], Judges | None]
    """Trained when first called for, where there are none."""
    beside: Path
    """Folder that keeps them."""

    @functools.cached_property
    def toolbox(self) -> base.Toolbox:
        """What the settings describe."""
        return make_toolbox(self.encoding, self.objective, self.config)

    @functools.cached_property
    def reference(self) -> list[float] | None:
        """Of the hypervolume of several objectives."""
        weights = self.objective.weights
        return reference_point(self.toolbox, weights, self.encoding.device) if len(weights) > 1 else None

    def begin_searches(self, labels: Iterable[str]) -> dict[str, Search]:
        """Return searches that have found nothing yet."""
        names = self.objective.names
        return {
            label: Search(
                names,
                make_archive(self.config, self.objective),
                self.reference,
                make_stopping(self.config) if label == "evolution" else EarlyStopping(),
                self.encoding.decode,
            )
            for label in labels
        }


def evolve(
    vae_path: str | Path,
    config: EvolveConfig,
    out: str | Path,
    dataset: str | None = None,
    data_dir: str | None = None,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
) -> Run:
    """Evolve images in the latent space of a VAE and record it in the run folder `out`.

    The VAE's run folder remembers its image set; `dataset` and `data_dir` override it. Judges that do not ship with
    evovae are trained when first needed, and kept beside the VAE.

    Raises:
        InputError: if a setting, the VAE, the image set or the folder cannot be used; nothing is written then.
        EvaluationError: if a generation cannot be evaluated; what there is of those before is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; the run can be resumed.
    """
    check_out(out, "evolution", overwrite)
    vae = VAE.load(vae_path)
    if len(vae.config.data_shape) != 3:
        raise InputError(f"{vae_path} decodes vectors of shape {vae.config.data_shape}: expected a VAE of images")
    data = choose_data(vae, vae_path, dataset, data_dir)
    images = load(data)
    if images.shape != vae.config.data_shape:
        raise InputError(f"{data.dataset} has images of shape {images.shape}: the VAE decodes {vae.config.data_shape}")
    plan = _plan(vae, images, config, folder_of(vae_path))
    plan = replace(plan, config=settle(config, plan.objective, plan.encoding))
    settings = EvolutionSettings(
        vae=str(Path(vae_path).resolve()),
        evolution=plan.config,
        data=from_anywhere(data, images),
        names=plan.objective.names,
        weights=plan.objective.weights,
        checkpoint=checkpoint or CheckpointConfig(),
    )
    return _evolve(plan, settings, out, overwrite)


def resume_evolution(run: Run, settings: EvolutionSettings, generations: int | None) -> Run:
    """Go on with an evolution where it was stopped, or to so many `generations`."""
    planned = settings.evolution.generations
    if generations is not None and generations < planned:
        raise InputError(f"generations is {generations}: expected at least the {planned} that {run.folder} has")
    if run.finished and generations in (None, planned):
        return run
    settings = replace(settings, evolution=replace(settings.evolution, generations=generations or planned))
    beside = run.folder if (run.folder / FILE_NAME).is_file() else folder_of(settings.vae)
    plan = _plan(VAE.load(beside), load(settings.data), settings.evolution, beside)
    return _evolve(plan, settings, run.folder, resume=True, state=read_checkpoint(run))


def _plan(vae: VAE, images: ImageSet, config: EvolveConfig, beside: Path) -> _Plan:
    """Find what the settings name; judges are kept in the folder `beside`.

    Raises:
        InputError: if there is no such objective or device.
    """
    vae = vae.to(resolve_device(config.device))
    # Found when the run begins: bad input must be refused before judges are trained and kept.
    judges = functools.cache(lambda: find_judges(images, beside, vae.device))
    context = objectives.Context(images, lambda x: cast(Judges, judges()).judge(x))
    objective = objectives.parse(config.objective, context)
    encoding = LatentEncoding(vae, config.support)
    return _Plan(config, objective, encoding, judges, beside)


def _evolve(
    plan: _Plan,
    settings: EvolutionSettings,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    state: State | None = None,
) -> Run:
    """Evolve from the beginning, or from `state`."""
    config, around = plan.config, {"device": str(plan.encoding.device), "seed": plan.config.seed}
    with recording(out, "evolution", asdict(settings), overwrite, around, resume) as run:
        plan.encoding.vae.save(run.folder / FILE_NAME)
        judges = plan.judges()
        copy_judges(plan.beside, run.folder)
        population = plan.toolbox.population(n=config.population, replicates=config.replicates, seed=config.seed)
        searches = plan.begin_searches(("evolution", *(BASELINES[name][0] for name in config.baselines)))
        if state is not None:
            restore(run, state, {label: partial(search.restore, like=population) for label, search in searches.items()})
        checkpoints = Checkpoints(run, searches, settings.checkpoint, partial(write_histories, run, searches))
        try:
            with checkpoints.keeping() as between_steps:
                _search(plan, population, searches, between_steps)
        except OSError:
            raise  # no more can be written
        except BaseException:
            write_searches(run, searches, plan.encoding, judges)
            raise
        finally:
            run.circumstances["stopped"] = searches["evolution"].stopping.reason
            run.circumstances["nonfinite"] = {label: s.trouble for label, s in searches.items() if s.trouble}
        checkpoints.finish()
        write_searches(run, searches, plan.encoding, judges)
    return run


def _search(
    plan: _Plan, population: Population, searches: dict[str, Search], between_steps: Callable[[bool], None]
) -> None:
    """Evolve and run the baselines, each from where its search is to its end."""
    config = plan.config

    def follow(label: str, generations: Iterator[Generation], total: int) -> None:
        def after_generation(ended: bool) -> None:
            if config.stop_nonfinite and searches[label].trouble:
                raise EvaluationError(searches[label].trouble)
            between_steps(ended)

        searches[label].follow(generations, label, total, after_generation)

    evolved = searches["evolution"]
    generations = evolve_iter(population, plan.toolbox, config, evolved.archive, evolved.last)
    follow("evolution", generations, config.generations + 1)
    budget = evolved.evaluations
    for name in config.baselines:
        label, iterate = BASELINES[name]
        if searches[label].evaluations != budget and searches[label].evaluations % config.population:
            searches |= plan.begin_searches((label,))  # it had come to the end of a smaller budget
        archive, last = searches[label].archive, searches[label].last
        generations = iterate(population, plan.toolbox, budget, halloffame=archive, state=last)
        follow(label, generations, -(-budget // config.population))
