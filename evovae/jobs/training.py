"""Training a VAE, from settings to a finished run folder."""

from __future__ import annotations

from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from evovae import files
from evovae.checkpoints import Checkpoints, read_checkpoint, restore
from evovae.config import CheckpointConfig, DataConfig, TrainConfig, VAEConfig
from evovae.data import ImageSet
from evovae.jobs.inputs import from_anywhere, load
from evovae.likelihood import Likelihood, evaluate
from evovae.progress import track
from evovae.runs import EXAMPLES, HISTORY, Run, check_out, recording
from evovae.settings import TrainingSettings
from evovae.state import State
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
    model = replace(model, data_shape=images.shape)
    settings = TrainingSettings(from_anywhere(data, images), model, config, checkpoint or CheckpointConfig())
    return _train(settings, images, out, overwrite)


def _train(
    settings: TrainingSettings,
    images: ImageSet,
    out: str | Path,
    overwrite: bool = False,
    resume: bool = False,
    state: State | None = None,
) -> Run:
    """Train from the beginning, or from `state`."""
    config = settings.training
    vae = VAE(settings.model, seed=config.seed)
    training, history = Training(vae, images.train, config), History()
    around = {"device": str(training.device), "seed": config.seed}
    with recording(out, "training", asdict(settings), overwrite, around, resume) as run:

        def publish() -> None:
            vae.save(run.folder / FILE_NAME)
            if history.content:
                files.write_bytes(run.folder / HISTORY, history.content)

        checkpoints = Checkpoints(run, {"training": training, "history": history}, settings.checkpoint, publish)
        if state is not None:
            restore(run, state, {"training": training.restore, "history": history.restore})
        files.save_tensors(run.folder / EXAMPLES, "examples", {"images": images.test.images[:10]}, {})
        publish()
        test = images.test.binarised(config.seed) if config.binarisation == "static" else images.test
        word = ""
        with track("training", training.total, training.iteration) as advance, checkpoints.keeping() as between_steps:
            while not training.done:
                try:
                    record = training.step()
                except DivergenceError:
                    publish()  # which is back at the last finite state
                    raise
                if record is not None:
                    found = evaluate(vae, test, config.binarisation, seed=config.seed)
                    history.append(_row(record, found))
                    word = f"epoch {record.epoch}  test -ELBO {-found.elbo:.2f}"
                advance(training.iteration, word)
                between_steps(record is not None)
        checkpoints.finish()
    return run


def _row(record: Epoch, found: Likelihood) -> dict[str, Any]:
    """A row of a training's history."""
    return (
        {"epoch": record.epoch, "elbo": record.elbo}
        | {name: value for name, value in asdict(record).items() if name != "epoch"}
        | {f"test_{name}": getattr(found, name) for name in ("elbo", "reconstruction", "kl")}
        | {"active_units": found.active_units, "binarisation": found.binarisation}
    )


def resume_training(run: Run, settings: TrainingSettings) -> Run:
    """Go on with a training where it was stopped."""
    if not run.finished:
        _train(settings, load(settings.data), run.folder, state=read_checkpoint(run), resume=True)
    return run
