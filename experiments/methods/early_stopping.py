"""Training that lasts as long as images which it does not see are explained better."""

from __future__ import annotations

import copy
import math
from typing import NamedTuple, cast

from evovae.data import Images
from evovae.models import VAE, DivergenceError, TrainConfig, Training, evaluate

from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

KEPT, AVERAGE_EVERY = 0.9, 5
"""What an average keeps of itself when the weights join it, and after how many minibatches they do."""
EVALUATE_EVERY = 50


class Best(NamedTuple):
    """What early stopping keeps."""

    vae: VAE
    iteration: int
    """Minibatches after which it was best."""
    capped: bool
    """Whether `config.iterations` ended the training, and not patience."""


def fit_until_best(vae: VAE, images: Images, validation: Images, config: TrainConfig, patience: int = 300) -> Best:
    """Train `vae` in place; return the average of its weights that gives `validation` the highest ELBO.

    An exponential average of the weights (Polyak and Juditsky 1992) does what a falling learning rate does, without
    knowing the end beforehand. It meets the validation images every 50 minibatches and after the last one, always
    with the same noise.

    Args:
        vae: to be trained.
        images: to learn from.
        validation: other images of the same kind.
        config: as for `fit`; a constant learning rate fits best.
        patience: minibatches without a better average that end the training.

    Raises:
        InputError: as `Training` does.
        DivergenceError: if a loss is not finite; `vae` holds what it was trained to.
    """
    training = Training(vae, images, config)
    average = AveragedModel(vae, multi_avg_fn=get_ema_multi_avg_fn(KEPT))
    averaged = cast(VAE, average.module)
    best, highest, when = vae, -math.inf, 0
    while not training.done and training.iteration < when + patience:
        training.step()
        if training.iteration % AVERAGE_EVERY == 0:
            average.update_parameters(vae)
        if training.iteration % EVALUATE_EVERY == 0 or training.done:
            elbo = evaluate(averaged, validation, seed=config.seed).elbo
            if not math.isfinite(elbo):
                raise DivergenceError(f"the loss of the validation images is {-elbo} in iteration {training.iteration}")
            if elbo > highest:
                best, highest, when = copy.deepcopy(averaged), elbo, training.iteration
    return Best(best, when, training.done)
