"""A training by the default settings on one of the image sets, and what it came to."""

from typing import Any

import evovae
from evovae.models import DivergenceError, Training, evaluate, mean_image_loss, suggest_rate
from methods.image_sets import load


def train_default(name: str, model: dict[str, Any], seed: int, smoke: bool, rate: float = 1.0) -> dict[str, Any]:
    """Train a model of an image set, all settings at their defaults, and measure it on test images.

    Neither training nor early stopping saw these.

    Args:
        name: of the set, one of `methods.image_sets.SETS`.
        model: fields of `VAEConfig` that differ from the default.
        seed: of the initial weights and of the training.
        smoke: ten minibatches of sixty images.
        rate: what the default learning rate is multiplied by.

    Returns:
        `nelbo` and `mean_picture`, the -ELBO of the model and of the mean picture in nats; `active_units`;
        `iterations`; `ended_early`, 0 or 1; `diverged`, how often, 2 if the training was given up.
    """
    images, test = load(name)
    config = evovae.VAEConfig(data_shape=images.shape, **model)
    vae = evovae.VAE(config, seed=seed)
    training = Training(
        vae,
        images,
        evovae.TrainConfig(
            learning_rate=suggest_rate(config) * rate,
            iterations=10 if smoke else None,
            train_images=60 if smoke else None,
            seed=seed,
        ),
    )
    diverged = 0
    try:
        while not training.done:
            record = training.step()
            diverged += record is not None and record.diverged
        training.keep_best()
    except DivergenceError:
        diverged = 2
    found = evaluate(vae, test)
    return {
        "nelbo": -found.elbo,
        "mean_picture": mean_image_loss(images, test, config),
        "active_units": found.active_units,
        "iterations": training.iteration,
        "ended_early": int(training.schedule.annealing),
        "diverged": diverged,
    }
