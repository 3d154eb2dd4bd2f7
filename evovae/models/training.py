"""Training a VAE by gradient: one loop that yields a record per epoch and leaves saving and printing to its caller."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from evovae.base import (
    InputError,
    State,
    adam_state,
    join,
    make_generator,
    resolve_device,
    restore_adam,
)
from evovae.data import Images, as_floats, binarise
from evovae.models.config import TrainConfig
from evovae.models.likelihood import moments, variance_around
from evovae.models.losses import loss_terms, loss_without_noise
from evovae.models.networks import require_room
from evovae.models.optimisers import StableAdam, suggest_rate
from evovae.models.schedules import Schedule
from evovae.models.vae import VAE, require_values
from evovae.models.validation import SOME, Validation, split

COPIES = 5
"""Of the weights that training holds: they, their gradients, Adam's two moments and the state that is kept."""


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
    """Whether the epoch was taken back: training continues from the state before, at a quarter of the learning rate."""

    @property
    def elbo(self) -> float:
        """The evidence lower bound on the training images, -(reconstruction + kl)."""
        return -(self.reconstruction + self.kl)


def fit(vae: VAE, data: Images | Tensor, config: TrainConfig | None = None) -> Iterator[Epoch]:
    """Train `vae` in place on images, or on float vectors (N, V), yielding a record after each epoch.

    Arguments and errors are those of `Training`, which can be interrupted and resumed.
    """
    return _records(Training(vae, data, config))


def _records(training: Training) -> Iterator[Epoch]:
    while not training.done:
        if (record := training.step()) is not None:
            yield record
    training.keep_best()


class Training:
    """Trains `vae` in place on images, or on float vectors (N, V), a minibatch at a time.

    The model moves to `config.device` and stays there. The loss is the negative ELBO, with the KL weighted by beta, or
    the negative bound of an IWAE, averaged over the minibatch. The last epoch is cut short where `config.iterations`
    says so. The state with the least loss on images that are held out is kept, and `keep_best` gives it to the model;
    when there was no better one for long, the learning rate falls to zero from that state, and training ends.

    A training diverges when its loss is not finite, or a hundred times what it was at the beginning. By stable-adam it
    then continues from the state that is kept, at a quarter of the learning rate; once.

    Attributes:
        iteration: minibatches so far.
        schedule: how many there will be, and the learning rate.

    Raises:
        InputError: if images and model do not fit, or the subset asked for is larger than the set.
    """

    def __init__(self, vae: VAE, data: Images | Tensor, config: TrainConfig | None = None) -> None:
        config = config or TrainConfig()
        if config.learning_rate == "auto":
            config = replace(config, learning_rate=suggest_rate(vae.config))
        if isinstance(data, Images):
            data = data if config.train_images is None else data.subset(config.train_images, seed=config.seed)
            data = data.binarised(config.seed) if config.binarisation == "static" else data
        else:
            _check_vectors(vae, data, config)
        shape = data.shape if isinstance(data, Images) else tuple(data.shape[1:])
        if shape != vae.config.data_shape:
            raise InputError(f"data have shape {shape}: the model reads {vae.config.data_shape}")
        device = resolve_device(config.device)
        require_room(vae.config, device, COPIES)
        self.vae, self.config = vae.to(device).requires_grad_(True).train(), config
        self._data, held_out = (part.to(device) for part in split(data, config))
        if config.centre and not vae.data_mean.any():  # which a model that was trained before has
            mean, squares = moments(self._data)
            vae.centre(mean, variance_around(mean, squares))
        self._generator = make_generator(config.seed, 1, device=device)
        self.schedule = Schedule(config, len(self._data))
        self._validation = Validation(vae, self._data, held_out, config, self._loss_of)
        self._adam = self._make_adam()
        self.iteration = self._epoch = self._first = self._seen = 0
        self._batches: tuple[Tensor, ...] = ()  # of this epoch, those to come
        self._sums = torch.zeros(2, device=device, dtype=torch.float64)

    @property
    def device(self) -> torch.device:
        """Where it runs."""
        return self._data.device

    @property
    def total(self) -> int:
        """Minibatches in all; an upper bound until it is known."""
        return self.schedule.total

    @property
    def done(self) -> bool:
        """Whether all minibatches were taken."""
        return self.iteration == self.total

    def step(self) -> Epoch | None:
        """Take one minibatch; after the last one of an epoch, return its record.

        Raises:
            DivergenceError: if training diverges, and did before; `vae` then holds the state that was kept.
        """
        if not self._batches:
            self._begin_epoch()
        weight, rate = self.schedule.at(self.iteration)
        batch, self._batches = self._batches[0], self._batches[1:]
        for group in self._adam.param_groups:
            group["lr"] = rate
        x = binarise(as_floats(self._data.index_select(0, batch)), self.config.binarisation, self._generator)
        loss, reconstruction, kl = loss_terms(self.vae, x, self.config, weight, self._generator)
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self._sums += torch.stack((reconstruction, kl)).detach() * len(batch)
        self._seen += len(batch)
        self.iteration += 1
        return None if self._batches else self._end_epoch(x, weight, rate)

    def keep_best(self) -> None:
        """Give the model the state that explained what was held out best; the last one where nothing was."""
        self._validation.keep_best()

    def state(self) -> State:
        """Return weights, what the optimiser has learned, the place in the epoch, and where the random numbers are.

        The next step changes some of these tensors: save them before.
        """
        return join(
            vae=self.vae.state_dict(),
            adam=adam_state(self._adam),
            schedule=self.schedule.state(),
            validation=self._validation.state(),
            generator=self._generator.get_state(),
            iteration=self.iteration,
            epoch=self._epoch,
            first=self._first,
            order=torch.cat(self._batches) if self._batches else torch.empty(0, dtype=torch.int64),
            sums=self._sums,
            seen=self._seen,
        )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, in a training made with the same arguments, or in one that is longer.

        Raises:
            InputError: if it is that of another.
        """
        state = State(state)
        self.vae.load_state_dict(state.part("vae").all_like(self.vae.state_dict()))
        self._validation.restore(state.part("validation"))
        self.schedule.restore(state.part("schedule"))
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

    def _make_adam(self) -> torch.optim.Adam:
        kind = StableAdam if self.config.optimiser == "stable-adam" else torch.optim.Adam
        learned = [parameter for parameter in self.vae.parameters() if parameter.requires_grad]
        return kind(learned, fused=True)  # its rate is set at each step

    def _begin_epoch(self) -> None:
        self._epoch += 1
        self._first = self.iteration + 1
        self._sums, self._seen = torch.zeros_like(self._sums), 0
        order = torch.randperm(len(self._data), generator=self._generator, device=self._data.device)
        self._batches = order.split(self.config.batch_size)[: self.total - self.iteration]

    def _end_epoch(self, x: Tensor, weight: float, rate: float) -> Epoch:
        reconstruction, kl = (self._sums / self._seen).tolist()
        # The last step comes after the last loss: the state that it leaves must give a finite one, too.
        due = self._validation.due(self.iteration) or self.iteration in self.schedule.ends
        plain = not self.vae.config.variational
        left = loss_without_noise(self.vae, x) if due or plain else 0.0
        if plain and math.isfinite(left):
            _fit_codes(self.vae, self._data, self.config, self._generator)
        looked, diverged = math.nan, False
        if due:
            loss = reconstruction + weight * kl if math.isfinite(left) else math.nan
            found = self._validation.look(self.iteration, loss)
            if diverged := found is None:
                self._go_back()
            looked = math.nan if found is None else found
        exhausted = self._validation.exhausted(self.iteration) or self.schedule.closing(self.iteration)
        if exhausted and not self.done and not self.schedule.annealing:
            self._validation.keep_best()
            self.schedule.anneal(self.iteration)
        if diverged:
            reconstruction = kl = math.nan
        return Epoch(self._epoch, self.iteration, reconstruction, kl, weight, rate, looked, diverged)

    def _go_back(self) -> None:
        """Take up the state that is kept, with a lower learning rate."""
        self._validation.go_back(self.iteration)
        highest = self.schedule.highest
        if not self.schedule.retreat() or self.done:
            raise DivergenceError(
                f"training diverged in epoch {self._epoch} (iterations {self._first} to {self.iteration}): the model "
                f"is kept as it was before; try a lower learning rate than {highest:g}"
            )
        self._adam = self._make_adam()

    @torch.no_grad()
    def _loss_of(self, data: Tensor) -> float:
        """Return the loss of images, with all the weight of the KL and the same draws every time."""
        generator = make_generator(self.config.seed, 6, device=self.device)
        total = torch.zeros((), dtype=torch.float64, device=self.device)
        for batch in data.split(SOME):
            x = binarise(as_floats(batch), self.config.binarisation, generator)
            total += loss_terms(self.vae, x, self.config, self.config.beta, generator)[0] * len(batch)
        return float(total) / len(data)


def _check_vectors(vae: VAE, data: Tensor, config: TrainConfig) -> None:
    if data.dtype != torch.float32 or len(data) == 0:
        raise InputError(f"data are {tuple(data.shape)} of {data.dtype}: expected float32 (N, V) with N at least 1")
    if config.train_images is not None or config.binarisation != "grey":
        raise InputError("train images and binarisation are for images: leave them at their defaults for vectors")
    require_values("data", data, vae.config)


@torch.no_grad()
def _fit_codes(vae: VAE, data: Tensor, config: TrainConfig, generator: torch.Generator) -> None:
    vae.fit_codes(
        torch.cat(
            [vae.posterior(binarise(as_floats(batch), config.binarisation, generator))[0] for batch in data.split(1000)]
        )
    )
