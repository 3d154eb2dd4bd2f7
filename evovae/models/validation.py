"""Early stopping: images that training does not see choose the state that is kept, and end what no longer pays."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable

import torch
from torch import Tensor

from evovae.base import InputError, State, join, make_generator
from evovae.data import Images, as_floats, draw_stratified
from evovae.models.config import TrainConfig
from evovae.models.likelihood import MIN_VARIANCE, mean_image_loss
from evovae.models.vae import VAE

PART, MAX_HELD_OUT = 0.1, 1000
"""Part of the training images that is held out when nothing is said, and the most of them."""
SOME = 1000
"""Images that are looked at at once, or instead of all."""
EVERY = 25
"""Minibatches between two looks, at the least."""
PAYS = 0.01
"""Part of what was gained over the mean picture that more training must add, when the length is to be found."""
PATIENCE = 0.25, 100, 3
"""What it gets for that: this part of the minibatches so far, at least this number of them, and of looks."""
HOPELESS = 100.0
"""Training diverges when its loss exceeds this many times that of the untrained model, and one nat a pixel."""

Loss = Callable[[Tensor], float]
"""Of data (N, *data_shape), under the model as it is, always with the same draws."""


def split(data: Images | Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Return what is trained on, and what is held out: of each class its part, drawn by the seed.

    Raises:
        InputError: if that leaves nothing to train on, or nothing by which to find the length of a training.
    """
    pixels, count = data.images if isinstance(data, Images) else data, config.validation_images
    there = len(pixels)
    count = min(int(PART * there), MAX_HELD_OUT) if count is None else count
    if config.epochs == "auto" and count == 0:
        raise InputError(f"epochs is auto, but none of {there} images are held out to find when to stop: give a number")
    if count >= there:
        raise InputError(f"validation images is {count}: expected fewer than the {there} training images")
    if count == 0:
        return pixels, pixels[:0]
    labels = data.labels if isinstance(data, Images) else torch.zeros(there, dtype=torch.int64)
    held_out = torch.zeros(there, dtype=torch.bool, device=pixels.device)
    held_out[draw_stratified(labels, count, config.seed)] = True
    return pixels[~held_out], pixels[held_out]


class Validation:
    """Keeps the best state of `vae` while it is trained.

    Args:
        vae: what is trained; a learned variance of its data is set here, and no more by gradient, where there are
            images for it.
        train: what it learns from.
        held_out: what it does not see; when empty, the last sound state is kept.
        config: how it is trained.
        loss: what is to be low.

    Attributes:
        mean_loss: loss of the mean picture of the training data.
        best: the least loss so far; infinite before the first look.
    """

    def __init__(self, vae: VAE, train: Tensor, held_out: Tensor, config: TrainConfig, loss: Loss) -> None:
        self._vae, self._held_out, self._config, self._loss = vae, held_out, config, loss
        model = vae.config
        self._fits_variance = model.likelihood == "gaussian" and model.variance is None and len(held_out) > 0
        if self._fits_variance:
            vae.data_log_variance.requires_grad_(False)
        judged = held_out if len(held_out) else train
        self.mean_loss = mean_image_loss(train, judged, model)
        self.best = math.inf
        self._hopeless = HOPELESS * max(abs(loss(judged[:SOME])), math.prod(model.data_shape))
        self._kept = copy.deepcopy(vae.state_dict())
        self._seen = self._looks = self._pays = 0  # minibatches at the last look; looks since, and when, it last paid
        self._paid = math.inf  # the loss then

    def due(self, iteration: int) -> bool:
        """Whether it is time for a look."""
        return not len(self._held_out) or iteration - self._seen >= EVERY

    def look(self, iteration: int, training_loss: float) -> float | None:
        """Measure the model, keep it if it is the best, and return its loss; None if the training diverges.

        A rising loss of held-out images may be overfitting: it is no sign of divergence.
        """
        if self._fits_variance:
            self._fit_variance()
        measured = self._loss(self._held_out) if len(self._held_out) else training_loss
        if not (math.isfinite(measured) and training_loss <= self._hopeless):
            return None
        if measured < self.best or not len(self._held_out):
            self._kept, self.best = copy.deepcopy(self._vae.state_dict()), measured
        self._seen, self._looks = iteration, self._looks + 1
        must_gain = PAYS * max(0.0, self.mean_loss - self.best) if self._config.epochs == "auto" else 0.0
        if self.best < self._paid - must_gain:
            self._paid, self._pays, self._looks = self.best, iteration, 0
        return measured

    def exhausted(self, iteration: int) -> bool:
        """Whether more training has not paid for long."""
        part, least, looks = PATIENCE
        waited = iteration - self._pays > max(least, part * iteration)
        return len(self._held_out) > 0 and waited and self._looks >= looks

    def go_back(self, iteration: int) -> None:
        """Give the model the state that is kept, after a divergence; what comes gets all the time to pay."""
        self._vae.load_state_dict(self._kept)
        self._pays, self._looks = iteration, 0

    def keep_best(self) -> None:
        """Give the model its best state; the last one where nothing is held out."""
        if len(self._held_out):
            self._vae.load_state_dict(self._kept)

    def state(self) -> State:
        """Return what is kept, and what was seen."""
        counts = {"seen": self._seen, "looks": self._looks, "pays": self._pays}
        losses = {"best": self.best, "paid": self._paid, "hopeless": self._hopeless}
        return join(kept=self._kept, **counts, **losses)

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self._kept = state.part("kept").all_like(self._vae.state_dict())
        self._seen, self._looks, self._pays = (state.number(name) for name in ("seen", "looks", "pays"))
        self.best, self._paid, self._hopeless = (state.real(name) for name in ("best", "paid", "hopeless"))

    @torch.no_grad()
    def _fit_variance(self) -> None:
        """Let the variance of the data be the mean squared error of what is held out.

        Following the training images by gradient, it comes too slowly at first, and in the end praises what was learned
        by heart (the optimal variance of Rybkin et al. 2021, sec. 3.2, measured on other images).
        """
        vae, generator = self._vae, make_generator(self._config.seed, 7, device=self._held_out.device)
        total = torch.zeros((), dtype=torch.float64, device=self._held_out.device)
        for batch in self._held_out.split(SOME):
            x = as_floats(batch)
            mean, log_variance = vae.posterior(x)
            noise = torch.randn(mean.shape, generator=generator, device=mean.device, dtype=torch.float32)
            total += (vae.decode(vae.reparameterise(mean, log_variance, noise)) - x).square().sum()
        vae.data_log_variance.copy_((total / self._held_out.numel()).clamp_min(MIN_VARIANCE).log())
