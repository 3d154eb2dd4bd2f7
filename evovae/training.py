"""Training a VAE by gradient: one loop that yields a record per epoch and leaves saving and printing to its caller."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.config import TrainConfig
from evovae.data import Images, as_floats, binarise, corrupt, draw_stratified
from evovae.devices import multiplies_bfloat16, resolve_device
from evovae.errors import InputError
from evovae.likelihood import (
    SMALLEST_VARIANCE,
    blind_loss,
    log_mean_exp,
    log_prior_over_posterior,
    moments,
    variance_around,
)
from evovae.networks import require_room
from evovae.optimisers import StableAdam
from evovae.state import State, adam_state, join, restore_adam
from evovae.streams import make_generator
from evovae.vae import VAE, require_values

COPIES = 5
"""Of the weights that training holds: they, their gradients, Adam's two moments and the state that is kept."""
WARMUP = 0.1
"""Part of a cycle in which the learning rate rises."""
EPOCHS, ITERATIONS = 4, 1000
"""Length of a training that is given none: so many epochs, and so many minibatches where a set is small."""
PAYS, CYCLES = 0.01, 8
"""A further cycle must bring this part of what was gained over the mean picture before; the most there are of them."""
VALIDATION = 0.1, 1000
"""Part of the training images that is held out when nothing is said, and the most of them."""
SOME = 1000
"""Images that are looked at at once, or instead of all."""
MEASURE_EVERY = 25
"""Minibatches between two looks at the validation images, at the least."""
HOPELESS = 100.0
"""A loss so many times that of the untrained model, and of one nat a pixel, comes from a training that diverges."""
RETREAT = 0.25
"""What the learning rate is multiplied by after a divergence."""
_COUNTS, _LOSSES = ("epoch", "first", "seen", "measured", "divergences"), ("best", "best_before", "hopeless")
"""Numbers of a training's state, whole and not, by their attributes' names without the underscore."""


class DivergenceError(RuntimeError):
    """Training diverged, with stable-adam at a lower learning rate once more; the model is back at its best state."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch of training came to: averages over its minibatches, in nats per image."""

    epoch: int
    iterations: int
    """Minibatches since the start."""
    reconstruction: float
    """-E[log P(X|z)], summed over pixels."""
    kl: float
    """KL(Q(z|X) || N(0, I)), summed over latent variables; 0 for a plain autoencoder."""
    beta: float
    """Weight of the KL term at the end of the epoch."""
    learning_rate: float
    """Learning rate at the end of the epoch."""
    validation: float = math.nan
    """The loss on the validation images; NaN where it was not measured."""
    diverged: bool = False
    """Whether the epoch was taken back: training goes on from the state before, at a quarter of the learning rate."""

    @property
    def elbo(self) -> float:
        """The evidence lower bound on the training images, -(reconstruction + kl)."""
        return -(self.reconstruction + self.kl)


def fit(vae: VAE, data: Images | Tensor, config: TrainConfig | None = None) -> Iterator[Epoch]:
    """Train `vae` in place on images, or on float vectors (N, V), yielding a record after each epoch.

    Arguments and errors are those of `Training`, which can be left in the middle and gone on with.
    """
    return _records(Training(vae, data, config))


def _records(training: Training) -> Iterator[Epoch]:
    while not training.done:
        if (record := training.step()) is not None:
            yield record
    training.keep_best()


def iterations_in(config: TrainConfig, images: int) -> int:
    """Return how many minibatches training on so many images takes; of a length to be found, the first cycle."""
    per_epoch = math.ceil(images / config.batch_size)
    if config.iterations is not None:
        return config.iterations
    epochs = config.epochs if isinstance(config.epochs, int) else max(EPOCHS, math.ceil(ITERATIONS / per_epoch))
    return epochs * per_epoch


class Training:
    """Trains `vae` in place on images, or on float vectors (N, V), a minibatch at a time.

    The model moves to `config.device` and stays there. The loss is the negative ELBO, with the KL weighted by beta, or
    the negative bound of an IWAE, averaged over the minibatch. The last epoch is cut short where `config.iterations`
    says so. The state with the least loss on images that are held out is kept, and `keep_best` gives it to the model.

    A training diverges when its loss is not finite, or a hundred times what it was at the beginning. By stable-adam it
    then goes on from the state that is kept, at a quarter of the learning rate; once.

    Attributes:
        iteration: minibatches so far.
        per_epoch: minibatches in an epoch.
        mean_loss: that of the mean picture of the training data, on the images that tell what is kept.

    Raises:
        InputError: if images and model do not fit, or the subset asked for is larger than the set.
    """

    def __init__(self, vae: VAE, data: Images | Tensor, config: TrainConfig | None = None) -> None:
        config = config or TrainConfig()
        if isinstance(data, Images):
            data = data if config.train_images is None else data.subset(config.train_images, seed=config.seed)
            data = data.binarised(config.seed) if config.binarisation == "static" else data
        else:
            _check_vectors(vae, data, config)
        pixels = data.images if isinstance(data, Images) else data
        if tuple(pixels.shape[1:]) != vae.config.data_shape:
            raise InputError(f"data have shape {tuple(pixels.shape[1:])}: the model reads {vae.config.data_shape}")
        device = resolve_device(config.device)
        require_room(vae.config, device, COPIES)
        self.vae, self.config = vae.to(device).requires_grad_(True).train(), config
        self._data, self._validation = (part.to(device) for part in _hold_out(data, config))
        self._generator = make_generator(config.seed, 1, device=device)
        self.per_epoch = math.ceil(len(self._data) / config.batch_size)
        end = iterations_in(config, len(self._data))
        self._ends = [epochs * self.per_epoch for epochs in config.restarts] + [end]  # of the cycles
        self.iteration = self._epoch = self._first = self._measured = self._divergences = 0
        self._batches: tuple[Tensor, ...] = ()  # of this epoch, those to come
        self._sums, self._seen = torch.zeros(2, device=device, dtype=torch.float64), 0
        self._follows_validation = _learns_variance(vae) and len(self._validation) > 0
        if self._follows_validation:
            vae.data_log_variance.requires_grad_(False)
        self._begin_from_data()
        self._adam = self._make_adam()
        self._kept, self._best, self._best_before = copy.deepcopy(vae.state_dict()), math.inf, math.inf

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._data.device

    @property
    def total(self) -> int:
        """Minibatches up to the end of the last cycle that is planned."""
        return self._ends[-1]

    @property
    def done(self) -> bool:
        """Whether all minibatches were taken."""
        return self.iteration == self.total

    def step(self) -> Epoch | None:
        """Take one minibatch; after the last one of an epoch, return its record.

        Raises:
            DivergenceError: if training diverges again; `vae` then holds the state that was kept.
        """
        if not self._batches:
            self._begin_epoch()
        weight, rate = self._schedule()
        batch, self._batches = self._batches[0], self._batches[1:]
        for group in self._adam.param_groups:
            group["lr"] = rate
        x = binarise(as_floats(self._data.index_select(0, batch)), self.config.binarisation, self._generator)
        loss, reconstruction, kl = _loss_terms(self.vae, x, self.config, weight, self._generator)
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self._sums += torch.stack((reconstruction, kl)).detach() * len(batch)
        self._seen += len(batch)
        self.iteration += 1
        return None if self._batches else self._end_epoch(x, weight, rate)

    def keep_best(self) -> None:
        """Give the model the state that explained the validation images best; the last one where there are none."""
        if len(self._validation):
            self.vae.load_state_dict(self._kept)

    def state(self) -> State:
        """Return weights, what the optimiser has learned, the place in the epoch, and where the random numbers are.

        The next step changes some of these tensors: save them before.
        """
        return join(
            vae=self.vae.state_dict(),
            kept=self._kept,
            adam=adam_state(self._adam),
            generator=self._generator.get_state(),
            **{name: getattr(self, f"_{name}") for name in _COUNTS},
            **{name: float(getattr(self, f"_{name}")) for name in _LOSSES},
            iteration=self.iteration,
            total=self.total,
            order=torch.cat(self._batches) if self._batches else torch.empty(0, dtype=torch.int64),
            sums=self._sums,
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave, in a training made with the same arguments, or one that goes on for longer.

        Raises:
            InputError: if it is that of another.
        """
        own = self.vae.state_dict()
        weights, self._kept = (
            {name: state.part(part).like(name, tensor) for name, tensor in own.items()} for part in ("vae", "kept")
        )
        self.vae.load_state_dict(weights)
        for name in _COUNTS:
            setattr(self, f"_{name}", state.number(name))
        for name in _LOSSES:
            setattr(self, f"_{name}", float(state.like(name, torch.zeros((), dtype=torch.float64))))
        self._adam = self._make_adam()
        restore_adam(self._adam, state.part("adam"))
        self._generator.set_state(state.like("generator", self._generator.get_state()))
        self.iteration, total = state.number("iteration"), state.number("total")
        while self.config.epochs == "auto" and self.total < total:
            self._add_cycle()
        if not 0 <= self.iteration <= self.total:
            raise InputError(f"the state has {self.iteration} iterations: this training has {self.total}")
        order = state["order"].to(self._data.device)
        if order.dtype != torch.int64 or order.ndim != 1 or bool(((order < 0) | (order >= len(self._data))).any()):
            raise InputError(f"the state names other images than the {len(self._data)} of this training")
        self._batches = order.split(self.config.batch_size) if len(order) else ()
        self._sums = state.like("sums", self._sums)

    def _begin_from_data(self) -> None:
        """Find the mean picture and what it is worth, and let a model that was not trained yet begin from it."""
        mean, squares = moments(self._data)
        judged = self._validation if len(self._validation) else self._data
        self.mean_loss = blind_loss(self._data, judged, self.vae.config)
        if self.config.centre and not self.vae.data_mean.any():
            self.vae.centre(mean, variance_around(mean, squares))
        self._hopeless = HOPELESS * max(abs(self._loss_of(judged[:SOME])), math.prod(self.vae.config.data_shape))

    def _make_adam(self) -> torch.optim.Adam:
        kind = StableAdam if self.config.optimiser == "stable-adam" else torch.optim.Adam
        learned = [parameter for parameter in self.vae.parameters() if parameter.requires_grad]
        return kind(learned, lr=self.config.learning_rate, fused=True)

    def _schedule(self) -> tuple[float, float]:
        """Return the weight of the KL term and the learning rate of the next minibatch."""
        begin = max((end for end in self._ends if end <= self.iteration), default=0)
        end = next(end for end in self._ends if end > self.iteration)
        weight = beta(self.config, min(1.0, self.iteration / self._ends[0]))
        part = (self.iteration - begin) / (end - begin)
        return weight, learning_rate(self.config, part) * RETREAT**self._divergences

    def _add_cycle(self) -> None:
        """Plan one more cycle, twice as long as the last (Loshchilov and Hutter 2017, "SGDR")."""
        self._ends.append(2 * self.total + self._ends[0])

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._first = self.iteration + 1
        self._sums, self._seen = torch.zeros_like(self._sums), 0
        order = torch.randperm(len(self._data), generator=self._generator, device=self._data.device)
        self._batches = order.split(self.config.batch_size)[: self.total - self.iteration]

    def _end_epoch(self, x: Tensor, weight: float, rate: float) -> Epoch:
        reconstruction, kl = (self._sums / self._seen).tolist()
        if not self.vae.config.variational:
            _fit_codes(self.vae, self._data, self.config, self._generator)
        loss, validation, diverged = reconstruction + weight * kl, math.nan, False
        at_end = self.iteration in self._ends
        if not len(self._validation):
            # The last step comes after the last loss: the state that it leaves must give a finite one, too.
            diverged = self._judge(loss + 0.0 * _loss_without_noise(self.vae, x), loss)
        elif at_end or self.iteration - self._measured >= MEASURE_EVERY:
            self._measured = self.iteration
            if self._follows_validation:
                self._fit_variance()
            validation = self._loss_of(self._validation)
            diverged = self._judge(loss, validation)
        if at_end:
            self._end_cycle()
        if diverged:
            reconstruction = kl = validation = math.nan
        return Epoch(self._epoch, self.iteration, reconstruction, kl, weight, rate, validation, diverged)

    def _judge(self, loss: float, measure: float) -> bool:
        """Keep the model if it is the best by its `measure`; return whether it diverged instead, and was taken back.

        Worse on images that it does not see may mean that it learns others by heart: `loss` is that of those it sees.
        """
        if math.isfinite(loss + measure) and loss <= self._hopeless:
            if measure < self._best or not len(self._validation):
                self._kept, self._best = copy.deepcopy(self.vae.state_dict()), measure
            return False
        self.vae.load_state_dict(self._kept)
        if self._divergences or self.config.optimiser == "adam":
            raise DivergenceError(
                f"training diverged in epoch {self._epoch} (iterations {self._first} to {self.iteration})"
                f"{', and had before' if self._divergences else ''}: the model is kept as it was at its best; try a "
                f"lower learning rate than {self.config.learning_rate * RETREAT**self._divergences:g}"
            )
        self._divergences, self._adam = 1, self._make_adam()
        return True

    def _end_cycle(self) -> None:
        """After a cycle, plan another where the length is to be found and the last one paid."""
        gained, before = self.mean_loss - self._best, self._best_before
        pays = before - self._best > PAYS * gained if math.isfinite(before) else gained > 0
        if self.config.epochs == "auto" and self.done and pays and len(self._ends) < CYCLES:
            self._add_cycle()
        self._best_before = self._best

    @torch.no_grad()
    def _fit_variance(self) -> None:
        """Let a learned variance be the mean squared error of images that the weights do not learn from.

        Following the training images by gradient, it comes too slowly at first, and in the end praises what was learned
        by heart (the optimal variance of Rybkin et al. 2021, sec. 3.2, measured on other images).
        """
        generator = make_generator(self.config.seed, 6, device=self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in self._validation.split(SOME):
            x = as_floats(batch)
            mean, log_variance = self.vae.posterior(x)
            noise = torch.randn(mean.shape, generator=generator, device=self.device)
            total += (self.vae.decode(self.vae.reparameterise(mean, log_variance, noise)) - x).square().sum()
        self.vae.data_log_variance.copy_((total / self._validation.numel()).clamp_min(SMALLEST_VARIANCE).log())

    @torch.no_grad()
    def _loss_of(self, data: Tensor) -> float:
        """Return the loss of images, with all the weight of the KL and the same draws every time."""
        generator = make_generator(self.config.seed, 6, device=self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in data.split(SOME):
            x = binarise(as_floats(batch), self.config.binarisation, generator)
            total += _loss_terms(self.vae, x, self.config, self.config.beta, generator)[0] * len(batch)
        return float(total) / len(data)


def _loss_terms(
    vae: VAE, x: Tensor, config: TrainConfig, weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, reconstruction error and KL, each averaged over the minibatch `x` (B, *data_shape)."""
    with _autocast(vae, config):
        mean, log_variance = vae.posterior(corrupt(x, config.corruption, config.corruption_level, generator))
    if not vae.config.variational:
        errors = _errors(vae, mean, x, config).mean()
        return errors, errors, mean.new_zeros(())
    mean, log_variance = mean.float(), log_variance.float()
    shape = (config.samples, *mean.shape)  # k B D
    noise = torch.randn(shape, generator=generator, device=mean.device)
    z, kl = vae.reparameterise(mean, log_variance, noise), vae.kl_divergence(mean, log_variance).sum(1).mean()
    errors = _errors(vae, z.flatten(0, 1), x, config)
    if config.bound == "iwae":
        loss = -log_mean_exp(log_prior_over_posterior(z, log_variance, noise) - errors).mean()
    else:
        loss = errors.mean() + weight * kl
    return loss, errors.mean(), kl


def _errors(vae: VAE, z: Tensor, x: Tensor, config: TrainConfig) -> Tensor:
    """Return the reconstruction errors (k, B) of draws `z` (k * B, D) for the minibatch `x` (B, *data_shape)."""
    with _autocast(vae, config):
        logits = vae.decode_logits(z)
    return vae.reconstruction_error(logits.float().unflatten(0, (-1, len(x))), x)


def _autocast(vae: VAE, config: TrainConfig) -> torch.autocast:
    """Bfloat16 matrix products, where they are asked for; weights, noise and likelihoods stay float32."""
    native = len(vae.config.data_shape) == 3 and multiplies_bfloat16(vae.device)
    enabled = config.precision == "bfloat16" or (config.precision == "auto" and native)
    return torch.autocast(vae.device.type, torch.bfloat16, enabled=enabled)


def learning_rate(config: TrainConfig, part: float) -> float:
    """Return the learning rate when `part` (0 to 1) of a cycle is done."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * min(part / WARMUP, (1.0 - part) / (1.0 - WARMUP))


def beta(config: TrainConfig, part: float) -> float:
    """Return the weight of the KL term when `part` (0 to 1) of the first cycle is done."""
    return config.beta * min(1.0, part / config.beta_warmup) if config.beta_warmup else config.beta


@torch.no_grad()
def _loss_without_noise(vae: VAE, x: Tensor) -> float:
    mean, log_variance = vae.posterior(x)
    kl = vae.kl_divergence(mean, log_variance).sum() if vae.config.variational else 0.0
    return float(vae.reconstruction_error(vae.decode_logits(mean), x).sum() + kl)


def _learns_variance(vae: VAE) -> bool:
    return vae.config.likelihood == "gaussian" and vae.config.variance is None


def _check_vectors(vae: VAE, data: Tensor, config: TrainConfig) -> None:
    if data.dtype != torch.float32 or len(data) == 0:
        raise InputError(f"data are {tuple(data.shape)} of {data.dtype}: expected float32 (N, V) with N at least 1")
    if config.train_images is not None or config.binarisation != "grey":
        raise InputError("train images and binarisation are for images: leave them at their defaults for vectors")
    require_values("data", data, vae.config)


def _hold_out(data: Images | Tensor, config: TrainConfig) -> tuple[Tensor, Tensor]:
    """Return what is trained on, and what is held out for validation: class by class, drawn by the seed."""
    pixels = data.images if isinstance(data, Images) else data
    part, most = VALIDATION
    count = config.validation_images
    count = min(int(part * len(pixels)), most) if count is None else count
    if config.epochs == "auto" and count == 0:
        raise InputError(
            f"epochs is auto, and none of {len(pixels)} images is held out to tell when to stop: give a number"
        )
    if count >= len(pixels):
        raise InputError(f"validation images is {count}: expected fewer than the {len(pixels)} training images")
    held_out = torch.zeros(len(pixels), dtype=torch.bool, device=pixels.device)
    if count:
        labels = data.labels if isinstance(data, Images) else torch.zeros_like(held_out, dtype=torch.int64)
        held_out[draw_stratified(labels, count, config.seed)] = True
        return pixels[~held_out], pixels[held_out]
    return pixels, pixels[:0]


@torch.no_grad()
def _fit_codes(vae: VAE, data: Tensor, config: TrainConfig, generator: torch.Generator) -> None:
    vae.fit_codes(
        torch.cat(
            [vae.posterior(binarise(as_floats(batch), config.binarisation, generator))[0] for batch in data.split(1000)]
        )
    )
