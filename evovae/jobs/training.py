"""Training a VAE, from settings to a finished run folder."""

from __future__ import annotations

import functools
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evovae import files
from evovae.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.config import CheckpointConfig, DataConfig, TrainConfig, VAEConfig
from evovae.data import ImageSet
from evovae.jobs.inputs import digest_of, from_anywhere, load, load_again
from evovae.likelihood import Likelihood, evaluate
from evovae.progress import track
from evovae.recording import check_out, recording, writing
from evovae.runs import EXAMPLES, HISTORY, Run
from evovae.settings import TrainingSettings
from evovae.state import Stateful
from evovae.tables import History
from evovae.training import DivergenceError, Epoch, Training
from evovae.vae import FILE_NAME, VAE


def train(
    data: DataConfig,
    model: VAEConfig,
    config: TrainConfig,
    out: str | Path,
    overwrite: bool = False,
    checkpoint: CheckpointConfig | None = None,
) -> Run:
    """Train a VAE on an image set and record it in the run folder `out`; the model takes the shape of the images.

    Raises:
        InputError: if a setting, the image set or the folder cannot be used; nothing is written then.
        DivergenceError: if the loss stops being finite; the last finite model is kept.
        Interrupted: if Ctrl-C or SIGTERM ends it; the run can be resumed.
    """
    check_out(out, "training", overwrite)
    images = load(data)
    settings = TrainingSettings(
        data=from_anywhere(data, images),
        model=replace(model, data_shape=images.shape),
        training=config,
        images=digest_of(images),
        checkpoint=checkpoint or CheckpointConfig(),
    )
    job = _Job(settings, images)
    with recording(out, "training", asdict(settings), overwrite, job.circumstances) as run:
        job.fill(run)
    return run


def resume_training(run: Run, settings: TrainingSettings) -> None:
    """Go on with a training where it was stopped, in a run that is held."""
    if run.finished:
        return
    job = _Job(settings, load_again(settings.data, settings.images))
    if (state := read_checkpoint(run)) is not None:
        restore(run, state, {"training": job.training.restore, "history": job.history.restore})
    with writing(run, "training", asdict(settings), job.circumstances):
        job.fill(run)


class _Job:
    """A training and its history, from the beginning or from a state that they took up."""

    def __init__(self, settings: TrainingSettings, images: ImageSet) -> None:
        config = settings.training
        self.images, self.settings = images, settings
        self.vae = VAE(settings.model, seed=config.seed)
        self.training, self.history = Training(self.vae, images.train, config), History()
        self.circumstances = {"device": str(self.training.device), "seed": config.seed}

    def fill(self, run: Run) -> None:
        """Train to the end, keeping everything in `run`."""
        training, test, config = self.training, self.images.test, self.settings.training
        publish = functools.partial(self._publish, run)
        parts: dict[str, Stateful] = {"training": training, "history": self.history}
        checkpoints = Checkpoints(run, parts, self.settings.checkpoint, publish)
        files.save_tensors(run.folder / EXAMPLES, "examples", {"images": test.images[:10]}, {})
        publish()
        test = test.binarised(config.seed) if config.binarisation == "static" else test
        word = ""
        with track("training", training.total, training.iteration) as advance, checkpoints.keeping() as between_steps:
            while not training.done:
                try:
                    record = training.step()
                except DivergenceError:
                    publish()  # which is back at the last finite state
                    raise
                if record is not None:
                    found = evaluate(self.vae, test, config.binarisation, seed=config.seed)
                    self.history.append(_row(record, found))
                    word = f"epoch {record.epoch}  test -ELBO {-found.elbo:.2f}"
                advance(training.iteration, word)
                between_steps(record is not None)
        checkpoints.finish()

    def _publish(self, run: Run) -> None:
        self.vae.save(run.folder / FILE_NAME)
        if content := self.history.content:
            files.write_bytes(run.folder / HISTORY, content)


def _row(record: Epoch, found: Likelihood) -> dict[str, Any]:
    """A row of a training's history."""
    return (
        {"epoch": record.epoch, "elbo": record.elbo}
        | {name: value for name, value in asdict(record).items() if name != "epoch"}
        | {f"test_{name}": getattr(found, name) for name in ("elbo", "reconstruction", "kl")}
        | {"active_units": found.active_units, "binarisation": found.binarisation}
    )
