"""Training a VAE by gradient: one loop that yields a record per epoch and leaves saving and printing to its caller."""

from __future__ import annotations

import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.config import TrainConfig
from evovae.data import Images, as_floats, binarise, corrupt
from evovae.devices import multiplies_bfloat16, resolve_device
from evovae.errors import InputError
from evovae.likelihood import log_mean_exp, log_prior_over_posterior
from evovae.networks import require_room
from evovae.state import State, adam_state, join, restore_adam
from evovae.streams import make_generator
from evovae.vae import VAE

COPIES = 5
"""Of the weights that training holds: they, their gradients, Adam's two moments and the last finite state."""
WARMUP = 0.1
"""Part of a one-cycle run in which the learning rate rises."""


class DivergenceError(RuntimeError):
    """The loss stopped being finite; the model is back at its last finite state."""


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


def iterations_in(config: TrainConfig, images: int) -> int:
    """Return how many minibatches training on so many images takes."""
    per_epoch = math.ceil((config.train_images or images) / config.batch_size)
    return config.iterations or config.epochs * per_epoch


class Training:
    """Trains `vae` in place on images, or on float vectors (N, V), a minibatch at a time.

    The model moves to `config.device` and stays there. The loss is the negative ELBO, with the KL weighted by beta, or
    the negative bound of an IWAE, averaged over the minibatch. The last epoch is cut short where `config.iterations`
    says so.

    Attributes:
        iteration: minibatches so far.
        total: minibatches in all.

    Raises:
        InputError: if images and model do not fit, or the subset asked for is larger than the set.
    """

    def __init__(self, vae: VAE, data: Images | Tensor, config: TrainConfig | None = None) -> None:
        config = config or TrainConfig()
        if isinstance(data, Images):
            data = data if config.train_images is None else data.subset(config.train_images, seed=config.seed)
            data = (data.binarised(config.seed) if config.binarisation == "static" else data).images
        else:
            _check_vectors(vae, data, config)
        if tuple(data.shape[1:]) != vae.config.data_shape:
            raise InputError(f"data have shape {tuple(data.shape[1:])}: the model reads {vae.config.data_shape}")
        device = resolve_device(config.device)
        require_room(vae.config, device, COPIES)
        self.vae, self.config = vae.to(device).requires_grad_(True).train(), config
        self._data = data.to(device)
        self._generator = make_generator(config.seed, 1, device=device)
        self._adam = torch.optim.Adam(vae.parameters(), lr=config.learning_rate, fused=True)
        self.total = iterations_in(config, len(data))
        self.iteration = self._epoch = self._first = 0
        self._batches: tuple[Tensor, ...] = ()  # of this epoch, those to come
        self._sums, self._seen = torch.zeros(2, device=device, dtype=torch.float64), 0
        self._last_good: dict[str, Tensor] = {}

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._data.device

    @property
    def done(self) -> bool:
        """Whether all minibatches were taken."""
        return self.iteration == self.total

    def step(self) -> Epoch | None:
        """Take one minibatch; after the last one of an epoch, return its record.

        Raises:
            DivergenceError: if the loss is not finite; `vae` then holds its state at the end of the last finite epoch.
        """
        if not self._batches:
            self._begin_epoch()
        config, part = self.config, self.iteration / self.total
        batch, self._batches = self._batches[0], self._batches[1:]
        for group in self._adam.param_groups:
            group["lr"] = learning_rate(config, part)
        x = binarise(as_floats(self._data.index_select(0, batch)), config.binarisation, self._generator)
        loss, reconstruction, kl = _loss_terms(self.vae, x, config, beta(config, part), self._generator)
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self._sums += torch.stack((reconstruction, kl)).detach() * len(batch)
        self._seen += len(batch)
        self.iteration += 1
        return None if self._batches else self._end_epoch(x)

    def state(self) -> State:
        """Return weights, what the optimiser has learned, the place in the epoch, and where the random numbers are.

        The next step changes some of these tensors: save them before.
        """
        return join(
            vae=self.vae.state_dict(),
            last_good=self._last_good,
            adam=adam_state(self._adam),
            generator=self._generator.get_state(),
            iteration=self.iteration,
            epoch=self._epoch,
            first=self._first,
            order=torch.cat(self._batches) if self._batches else torch.empty(0, dtype=torch.int64),
            sums=self._sums,
            seen=self._seen,
        )

    def restore(self, state: State) -> None:
        """Take up what `state` gave, in a training made with the same arguments.

        Raises:
            InputError: if it is that of another.
        """
        own = self.vae.state_dict()
        for part in ("vae", "last_good"):
            weights = state.part(part)
            if weights or part == "vae":
                weights = State({name: weights.like(name, tensor) for name, tensor in own.items()})
            if part == "vae":
                self.vae.load_state_dict(weights)
            self._last_good = weights
        restore_adam(self._adam, state.part("adam"))
        self._generator.set_state(state.like("generator", self._generator.get_state()))
        self.iteration, self._epoch, self._first = (state.number(name) for name in ("iteration", "epoch", "first"))
        if not 0 <= self.iteration <= self.total:
            raise InputError(f"the state has {self.iteration} iterations: this training has {self.total}")
        order = state["order"].to(self._data.device)
        if order.dtype != torch.int64 or order.ndim != 1 or bool(((order < 0) | (order >= len(self._data))).any()):
            raise InputError(f"the state names other images than the {len(self._data)} of this training")
        self._batches = order.split(self.config.batch_size) if len(order) else ()
        self._sums, self._seen = state.like("sums", self._sums), state.number("seen")

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._first = self.iteration + 1
        self._last_good = copy.deepcopy(self.vae.state_dict())
        self._sums, self._seen = torch.zeros_like(self._sums), 0
        order = torch.randperm(len(self._data), generator=self._generator, device=self._data.device)
        self._batches = order.split(self.config.batch_size)[: self.total - self.iteration]

    def _end_epoch(self, x: Tensor) -> Epoch:
        reconstruction, kl = (self._sums / self._seen).tolist()
        # The last step comes after the last loss: the state that it leaves must give a finite one, too.
        if not math.isfinite(reconstruction + kl + _loss_without_noise(self.vae, x)):
            self.vae.load_state_dict(self._last_good)
            raise DivergenceError(
                f"the loss stopped being finite in epoch {self._epoch} (iterations {self._first} to {self.iteration}): "
                f"the model is kept as it was before; try a lower learning rate than "
                f"{self.config.learning_rate:g}"
            )
        if not self.vae.config.variational:
            _fit_codes(self.vae, self._data, self.config, self._generator)
        before = (self.iteration - 1) / self.total
        weight, rate = beta(self.config, before), learning_rate(self.config, before)
        return Epoch(self._epoch, self.iteration, reconstruction, kl, weight, rate)


def _loss_terms(
    vae: VAE, x: Tensor, config: TrainConfig, weight: float, generator: torch.Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """Return loss, reconstruction error and KL, each averaged over the minibatch `x` (B, *data_shape)."""
    with _autocast(vae, config):
        mean, log_variance = vae.encode(corrupt(x, config.corruption, config.corruption_level, generator))
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
    """Return the learning rate when `part` (0 to 1) of the run is done."""
    if config.schedule == "constant":
        return config.learning_rate
    return config.learning_rate * min(part / WARMUP, (1.0 - part) / (1.0 - WARMUP))


def beta(config: TrainConfig, part: float) -> float:
    """Return the weight of the KL term when `part` (0 to 1) of the run is done."""
    return config.beta * min(1.0, part / config.beta_warmup) if config.beta_warmup else config.beta


@torch.no_grad()
def _loss_without_noise(vae: VAE, x: Tensor) -> float:
    mean, log_variance = vae.encode(x)
    kl = vae.kl_divergence(mean, log_variance).sum() if vae.config.variational else 0.0
    return float(vae.reconstruction_error(vae.decode_logits(mean), x).sum() + kl)


def _check_vectors(vae: VAE, data: Tensor, config: TrainConfig) -> None:
    if data.dtype != torch.float32 or len(data) == 0:
        raise InputError(f"data are {tuple(data.shape)} of {data.dtype}: expected float32 (N, V) with N at least 1")
    if config.train_images is not None or config.binarisation != "grey":
        raise InputError("train images and binarisation are for images: leave them at their defaults for vectors")
    if vae.config.likelihood == "bernoulli" and not (data.min() >= 0 and data.max() <= 1):
        raise InputError("data lie outside [0, 1]: a bernoulli likelihood needs them inside; use a gaussian one")


@torch.no_grad()
def _fit_codes(vae: VAE, data: Tensor, config: TrainConfig, generator: torch.Generator) -> None:
    vae.fit_codes(
        torch.cat(
            [vae.encode(binarise(as_floats(batch), config.binarisation, generator))[0] for batch in data.split(1000)]
        )
    )
