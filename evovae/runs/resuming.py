"""Continuing a run, of training or evolution, where it was stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from evovae.base import InputError, require_whole
from evovae.data import DataConfig
from evovae.runs.config import EvolutionSettings
from evovae.runs.evolution import resume_evolution
from evovae.runs.folder import Run
from evovae.runs.inputs import load_again
from evovae.runs.training import resume_training
from evovae.runs.writers import holding


def resume(
    folder: str | Path,
    *,
    generations: int | None = None,
    epochs: int | None = None,
    dataset: str | None = None,
    data_dir: str | None = None,
) -> Run:
    """Continue the run in `folder` where it was stopped, whatever stopped it; nothing to do if it is finished.

    The same files come out, byte for byte, as if it had never been stopped, on the same machine with the same number of
    threads.

    Args:
        folder: a run of training or evolution.
        generations: continue an evolution, finished or not, up to this number.
        epochs: continue a training, finished or not, up to this number, the learning rate rising and falling once more.
        dataset: where its images are now; None: where the run remembers them.
        data_dir: where torchvision's image sets are now; None: what the run remembers.

    Raises:
        InputError: if the folder is no run, its state is damaged, or another process is writing to it, or the
            images are others than those that it began with.
    """
    run = Run.open(folder)
    kind = run.config["kind"]
    if kind == "cell":
        raise InputError(f"{folder} is a cell of a study: resume it with the command of the study")
    if generations is not None:
        if kind != "evolution":
            raise InputError(f"{folder} is a training: only evolutions have generations")
        require_whole("generations", generations, 0)
    if epochs is not None:
        if kind != "training":
            raise InputError(f"{folder} is an evolution: only trainings have epochs")
        require_whole("epochs", epochs, 1)
    images = None
    if dataset is not None or data_dir is not None:
        images = load_again(_moved(run.settings.data, dataset, data_dir), run.settings.images, moved=True)
    with holding(run):  # what is read is what no other process will have changed
        settings = run.settings
        settings = replace(settings, data=_moved(settings.data, dataset, data_dir))
        if isinstance(settings, EvolutionSettings):
            resume_evolution(run, settings, generations, images)
        else:
            resume_training(run, settings, epochs, images)
    return run


def _moved(data: DataConfig, dataset: str | None, data_dir: str | None) -> DataConfig:
    """Return where images are now; None: where they were."""
    data = data if dataset is None else replace(data, dataset=dataset)
    return data if data_dir is None else replace(data, data_dir=data_dir)
