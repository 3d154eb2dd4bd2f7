"""Continuing a run, of training or search, where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evovae.base import InputError, require_whole
from evovae.data import DataConfig
from evovae.runs import figures, genomes
from evovae.runs.folders.folder import Run
from evovae.runs.folders.writers import holding
from evovae.runs.plans import PLANS
from evovae.runs.problems.inputs import load_again
from evovae.runs.problems.named_problems import resume_named
from evovae.runs.problems.problem import Problem
from evovae.runs.searching import require_generations, require_same_report, take_up
from evovae.runs.settings import SearchSettings
from evovae.runs.trainings.training import resume_training


def resume(
    folder: str | Path,
    problem: Problem | None = None,
    *,
    generations: int | None = None,
    epochs: int | None = None,
    dataset: str | None = None,
    data_dir: str | None = None,
    trust: bool = False,
    changed: bool = False,
) -> Run:
    """Continue the run in `folder` where it was stopped, whatever stopped it; nothing to do if it is finished.

    The same files come out, byte for byte, as if it had never been stopped, on the same machine with the same number of
    threads.

    Args:
        folder: a run of training, evolution or illumination.
        problem: what is searched, if it was made in Python: the same as before.
        generations: continue an evolution or an illumination, finished or not, up to this number.
        epochs: continue a training, finished or not, up to this number, the learning rate rising and falling once more.
        dataset: where its images are now; None: where the run remembers them.
        data_dir: where torchvision's image sets are now; None: what the run remembers.
        trust: run the code that the run names, though no command of this user has named it.
        changed: continue though files that the problem is made of have changed since.

    Raises:
        InputError: if the folder is no run, its state is damaged, or another process is writing to it, or the
            images, the problem or its files are others than those that it began with.
    """
    run = Run.open(folder)
    kind = run.config["kind"]
    if kind == "cell":
        raise InputError(f"{folder} is a cell of a study: resume it with the command of the study")
    if generations is not None:
        if kind == "training":
            raise InputError(f"{folder} is a training: only evolutions and illuminations have generations")
        require_whole("generations", generations, 0)
    if epochs is not None:
        if kind != "training":
            raise InputError(f"{folder} is a run of {kind}: only trainings have epochs")
        require_whole("epochs", epochs, 1)
    if problem is not None and not isinstance(run.settings, SearchSettings):
        raise InputError(f"{folder} is a training: only evolutions and illuminations have a problem")
    images = None
    if dataset is not None or data_dir is not None:
        if (moved := _moved(run.settings.data, dataset, data_dir)) is None:
            raise InputError(f"{folder} began without an image set: leave --dataset and --data-dir out")
        images = load_again(moved, run.settings.images, moved=True)
    with holding(run):  # what is read is what no other process will have changed
        settings = run.settings
        if isinstance(settings, SearchSettings):
            settings = replace(settings, data=_moved(settings.data, dataset, data_dir))
            if problem is not None:
                _resume_problem(run, settings, problem, generations)
            elif settings.problem is None:
                how = f"evovae.resume({str(folder)!r}, problem)"
                raise InputError(f"{folder} has a problem that was made in Python: resume it there, with {how}")
            else:
                resume_named(run, settings, generations, images, trust=trust, changed=changed)
        else:
            settings = replace(settings, data=_moved(settings.data, dataset, data_dir) or settings.data)
            resume_training(run, settings, epochs, images)
    return run


def _resume_problem(run: Run, settings: SearchSettings, problem: Problem, generations: int | None) -> None:
    """Continue the search of a `problem` that was made in Python, in a run that is held."""
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
    settings = settings.searching(replace(settings.search, generations=wanted))
    take_up(run, PLANS[type(settings)](settings.search, problem, given), settings, longer=longer)
    figures.draw(run)


def _moved(data: DataConfig | None, dataset: str | None, data_dir: str | None) -> DataConfig | None:
    """Return where images are now; None: where they were."""
    if data is None:
        return None
    data = data if dataset is None else replace(data, dataset=dataset)
    return data if data_dir is None else replace(data, data_dir=data_dir)
