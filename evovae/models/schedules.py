"""How long a training lasts, and the learning rate and the weight of the KL term at each of its minibatches."""

from __future__ import annotations

import math

from evovae.base import InputError, State, join
from evovae.models.config import TrainConfig

EPOCHS, ITERATIONS = 4, 900
"""Default length of a training: in epochs, and at least in minibatches, for small sets."""
MAX_TRAININGS = 25
"""Most that is trained when the length is to be found, in default lengths."""
WARMUP = 0.1
"""Part of a cycle in which the learning rate rises; of a training by default when the length is to be found."""
ANNEALING = 0.3, 100
"""How long the rate falls when more does not pay: this part of the minibatches so far, at least this number."""
RETREAT = 0.25
"""What the learning rate is multiplied by after a divergence."""


def iterations_in(config: TrainConfig, images: int) -> int:
    """Return how many minibatches training on `images` takes; an upper bound when the length is to be found."""
    if config.iterations is not None:
        return config.iterations
    per_epoch = math.ceil(images / config.batch_size)
    if isinstance(config.epochs, int):
        return config.epochs * per_epoch
    default = max(EPOCHS, math.ceil(ITERATIONS / per_epoch)) * per_epoch
    return MAX_TRAININGS * default if config.epochs == "auto" else default


def learning_rate(config: TrainConfig, part: float) -> float:
    """Return the learning rate when `part` (0 to 1) of a cycle is done."""
    highest = float(config.learning_rate)
    if config.schedule == "constant":
        return highest
    # One cycle of Smith and Topin 2019, of straight lines: up from 0 for WARMUP of it, and down to 0 for the rest.
    return highest * min(part / WARMUP, (1.0 - part) / (1.0 - WARMUP))


def beta(config: TrainConfig, part: float) -> float:
    """Return the weight of the KL term when `part` (0 to 1) of the first cycle is done."""
    return config.beta * min(1.0, part / config.beta_warmup) if config.beta_warmup else config.beta


class Schedule:
    """Length, learning rate and KL weight of a training on this number of `images`, as its `config` has them.

    The rate rises and falls once, and anew after each of `config.restarts`. With `config.epochs` auto it rises, and
    stays. Either way `anneal` ends the training early: the rate then falls to zero from where it is.

    Attributes:
        per_epoch: minibatches in an epoch.
        ends: minibatches after which the rate has fallen; the last is the end of all.
    """

    def __init__(self, config: TrainConfig, images: int) -> None:
        self._config = config
        self._learning_rate = float(config.learning_rate)
        self.per_epoch = math.ceil(images / config.batch_size)
        self.ends = [epochs * self.per_epoch for epochs in config.restarts] + [iterations_in(config, images)]
        self._annealing = self._retreats = 0
        self._top = 0.0  # the rate from which it falls in the end

    @property
    def total(self) -> int:
        """Minibatches in all; an upper bound until it is known."""
        return self.ends[-1]

    @property
    def highest(self) -> float:
        """The largest learning rate of all minibatches."""
        return self._learning_rate * RETREAT**self._retreats

    @property
    def annealing(self) -> bool:
        """Whether the training ends early."""
        return self._annealing > 0

    def at(self, iteration: int) -> tuple[float, float]:
        """Return the weight of the KL term and the learning rate for the minibatch after `iteration` others."""
        weight = beta(self._config, min(1.0, iteration / self.ends[0]))
        return weight, self._rate(iteration) * RETREAT**self._retreats

    def _rate(self, iteration: int) -> float:
        if self.annealing:
            return self._top * (self.total - iteration) / (self.total - self._annealing)
        if self._config.epochs == "auto":
            return self._learning_rate * min(1.0, iteration / (WARMUP * ITERATIONS))
        begin = max((end for end in self.ends if end <= iteration), default=0)
        end = next(end for end in self.ends if end > iteration)
        return learning_rate(self._config, (iteration - begin) / (end - begin))

    def closing(self, iteration: int) -> bool:
        """Whether a training whose length is to be found has come so far that no more than the annealing is left."""
        return self._config.epochs == "auto" and iteration + self._annealing_of(iteration) >= self.total

    def anneal(self, iteration: int) -> None:
        """Let the rate fall from here on, to the end."""
        self._top, self._annealing = self._rate(iteration), iteration
        self.ends[-1] = min(self.total, iteration + self._annealing_of(iteration))

    def _annealing_of(self, iteration: int) -> int:
        part, least = ANNEALING
        return max(least, int(part * iteration))

    def retreat(self) -> bool:
        """Lower the rate after a divergence; return whether that may be done, once, and not by Adam alone."""
        self._retreats += 1
        return self._retreats == 1 and self._config.optimiser == "stable-adam"

    def state(self) -> State:
        """Return where the training ends, and how."""
        return join(annealing=self._annealing, retreats=self._retreats, top=self._top, total=self.total)

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self._annealing, self._retreats = state.number("annealing"), state.number("retreats")
        self._top = state.real("top")
        if self.annealing:
            total = state.number("total")
            if not self._annealing < total <= self.total:
                raise InputError(f"the state ends after {total} iterations: this training has {self.total}")
            self.ends[-1] = total
