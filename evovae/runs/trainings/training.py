"""Training a VAE, from settings to a finished run folder."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from evovae.base import History, InputError, Stateful, files, format_number, track
from evovae.data import DataConfig, ImageSet
from evovae.models import (
    VAE,
    VAE_FILE,
    DivergenceError,
    Epoch,
    Likelihood,
    TrainConfig,
    Training,
    VAEConfig,
    evaluate,
    mean_image_loss,
)
from evovae.runs import genomes
from evovae.runs.config import CheckpointConfig
from evovae.runs.folders.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.runs.folders.folder import EXAMPLES, Run
from evovae.runs.folders.writers import check_out, recording, writing
from evovae.runs.problems.inputs import from_anywhere, load, load_again, tell
from evovae.runs.searches import HISTORY
from evovae.runs.settings import TrainingSettings
from evovae.runs.trainings.training_results import find_faults

STOPPED = "when held-out images had found no better model for long"
"""What a training tells that ended early."""


def train(
    data: DataConfig,
    model: VAEConfig,
    config: TrainConfig,
    out: str | Path,
    *,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
    start: str | Path | None = None,
) -> Run:
    """Train a VAE on an image set and record it in the run folder `out`; the model takes the shape of the images.

    With `start`, a VAE's run folder or file, training begins with its weights, and `model` is its configuration.

    Raises:
        InputError: if a setting, the image set or the folder cannot be used; nothing is written then.
        DivergenceError: if training diverges twice; the best model is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; the run can be resumed.
    """
    check_out(out, "training", overwrite)
    images = load(data)
    vae = None if start is None else VAE.load(start)
    model = replace(model, data_shape=images.shape)
    if vae is not None and vae.config != model:
        found = next(f.name for f in fields(model) if getattr(model, f.name) != getattr(vae.config, f.name))
        name, asked, has = found.replace("_", " "), getattr(model, found), getattr(vae.config, found)
        raise InputError(f"{name} is {asked}: the VAE of {start} that training begins with has {has}; leave it so")
    settings = TrainingSettings(
        data=from_anywhere(data, images),
        model=model,
        training=config,
        images=images.digest,
        start="" if start is None else str(Path(start).resolve()),
        start_digest="" if vae is None else genomes.digest_of(vae),
        classes=images.classes,
        checkpoint=checkpoint or CheckpointConfig(),
    )
    job = _Job(settings, images, vae)
    with recording(out, "training", asdict(settings), overwrite=overwrite, circumstances=job.circumstances) as run:
        job.fill(run)
    return run


def resume_training(run: Run, settings: TrainingSettings, epochs: int | None, images: ImageSet | None) -> None:
    """Continue a training where it was stopped, or up to this number of `epochs`, in a run that is held.

    The `images` are those that the settings name, None to load them.
    """
    if run.finished and epochs is None:
        return
    state = read_checkpoint(run)
    images, vae = images or load_again(settings.data, settings.images), None
    # A run may be older than names.
    settings = replace(settings, data=from_anywhere(settings.data, images), classes=images.classes)
    if state is None and settings.start:
        vae = VAE.load(settings.start)
        if genomes.digest_of(vae) != settings.start_digest:
            raise InputError(f"{settings.start} has changed since the run began with it: expected the same VAE again")
    job = _Job(settings, images, vae)
    if epochs is not None:
        schedule = job.training.schedule
        planned = schedule.total // schedule.per_epoch
        if settings.training.epochs == "auto":
            raise InputError(f"{run.folder} finds its number of epochs by itself")
        if settings.training.iterations is not None:
            raise InputError(f"{run.folder} is trained for iterations, not for epochs")
        if epochs < planned:
            raise InputError(f"epochs is {epochs}: expected at least the {planned} that {run.folder} has")
        if epochs > planned:
            longer = replace(settings.training, epochs=epochs, restarts=(*settings.training.restarts, planned))
            settings = replace(settings, training=longer)
            job = _Job(settings, images, vae)
        elif run.finished:
            return
    if state is not None:
        restore(run, state, {"training": job.training.restore, "history": job.history.restore})
        if epochs is not None and job.training.done:
            raise InputError(f"{run.folder} had stopped early, {STOPPED}: more epochs would change nothing")
    with writing(run, "training", asdict(settings), job.circumstances):
        job.fill(run)


class _Job:
    """A training and its history, from the beginning or from a state that they took up."""

    def __init__(self, settings: TrainingSettings, images: ImageSet, start: VAE | None = None) -> None:
        config = settings.training
        self.images, self.settings = images, settings
        self.vae = start or VAE(settings.model, seed=config.seed)
        self.training, self.history = Training(self.vae, images.train, config), History()
        self.test = images.test.binarised(config.seed) if config.binarisation == "static" else images.test
        self.mean_picture = mean_image_loss(images.train, self.test, settings.model)
        told = {"images": images.summary, "mean_picture": self.mean_picture}
        self.circumstances = {"device": str(self.training.device), "seed": config.seed} | told

    def fill(self, run: Run) -> None:
        """Train to the end, keeping everything in `run`."""
        tell(self.images)
        training = self.training
        publish = functools.partial(self._publish, run)
        parts: dict[str, Stateful] = {"training": training, "history": self.history}
        checkpoints = Checkpoints(run, parts, self.settings.checkpoint, publish)
        files.save_tensors(run.folder / EXAMPLES, "examples", {"images": self.images.test.images[:10]}, {})
        publish()
        with checkpoints.keeping() as between_steps:
            while not training.done:
                self._train(run, between_steps)
        checkpoints.finish()  # with the last state: a longer training continues from there
        training.keep_best()
        publish()
        if training.schedule.annealing:
            run.circumstances["stopped"] = STOPPED
        run.circumstances["warnings"] = find_faults(run, self.settings.model, self.mean_picture)

    def _train(self, run: Run, between_steps: Callable[[bool], None]) -> None:
        """Take the minibatches that are planned, until it shows that there are fewer."""
        training, config, word = self.training, self.settings.training, ""
        total = training.total
        with track("training", total, training.iteration) as advance:
            while not training.done and training.total == total:
                try:
                    record = training.step()
                except DivergenceError as error:
                    self._publish(run)  # which is back at its best
                    run.circumstances["warnings"] = [str(error)]
                    raise
                if record is not None:
                    found = evaluate(self.vae, self.test, config.binarisation, seed=config.seed)
                    self.history.append(_row(record, found))
                    word = f"epoch {record.epoch}  test -ELBO {format_number(-found.elbo)}"
                advance(training.iteration, word)
                between_steps(record is not None)

    def _publish(self, run: Run) -> None:
        self.vae.save(run.folder / VAE_FILE)
        if content := self.history.content:
            files.write_bytes(run.folder / HISTORY, content)


def _row(record: Epoch, found: Likelihood) -> dict[str, Any]:
    """A row of a training's history."""
    return (
        {"epoch": record.epoch, "elbo": record.elbo}
        | {name: value for name, value in asdict(record).items() if name != "epoch"}
        | {"diverged": int(record.diverged)}
        | {f"test_{name}": getattr(found, name) for name in ("elbo", "reconstruction", "kl")}
        | {"active_units": found.active_units, "binarisation": found.binarisation}
    )
