"""Training a judge for the number of steps that its image set needs; it can be interrupted and resumed."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from evovae.base import (
    InputError,
    State,
    adam_state,
    join,
    make_generator,
    multiplies_bfloat16,
    require_whole,
    restore_adam,
)
from evovae.data import Images, hold_out, to_unit
from evovae.objectives.judges.judge import Judge, reduce_images

BATCH_SIZE = 64
ROUND = 100
"""Steps between two looks at the held-back images, of the rise of the learning rate, and of its shortest fall."""
MAX_STEPS = 1000
"""Most steps: both judges of images such as MNIST's take half a minute on two cores, whatever the number of images;
`results/speed/judges.csv` has what more and fewer come to."""
PATIENCE, GAIN, MIN_GAIN = 5, 0.02, 0.001
"""Rounds without a loss on held-back images lower by this part, or by these nats: then the learning rate falls."""
MAX_HELD_BACK, MIN_IMAGES = 1000, 200
"""Most images that are held back; of fewer training images than the second, none are: they are looked at themselves."""
_LEARNING_RATES = {"lenet": 4e-3, "convnext": 2e-2}
_BETAS, _WEIGHT_DECAY = (0.9, 0.95), 0.1


@dataclass(frozen=True)
class JudgeRound:
    """What a round of training a judge came to."""

    step: int
    """Minibatches so far."""
    steps: int
    """Minibatches at most in all."""
    loss: float
    """Cross-entropy of the held-back images, in nats."""
    accuracy: float
    """Share of them that it reads rightly, 0 to 1."""
    seconds: float
    """Since the start, or since it was resumed."""


def train_judge(judge: Judge, images: Images, seed: int = 0, steps: int | None = None) -> Iterator[JudgeRound]:
    """Train `judge` in place, on the device it is on, yielding a record after each round; as `JudgeTraining` does."""
    return _records(JudgeTraining(judge, images, seed, steps))


def _records(training: JudgeTraining) -> Iterator[JudgeRound]:
    while not training.done:
        if (record := training.step()) is not None:
            yield record


class JudgeTraining:
    """Trains `judge` in place, on the device it is on, a minibatch at a time.

    AdamW, with a learning rate that rises and falls once (Smith and Topin 2019, "Super-convergence"), down to zero at
    the limit, or soon after held-back images are read no better: a small image set would only be memorised. Each
    minibatch is moved by up to one pixel each way, for evolved images are rarely centred as exactly as a data set's.
    Products are of bfloat16 where the device has them.

    Args:
        judge: to be trained.
        images: to learn from, uint8.
        seed: of the order of the images, and of how they are moved.
        steps: minibatches at most, 1 or more; `MAX_STEPS` when left out.

    Attributes:
        judge: what is trained.
        iteration: minibatches so far.
        total: minibatches in all; fewer as soon as they are enough.

    Raises:
        InputError: if images and judge do not fit.
    """

    def __init__(self, judge: Judge, images: Images, seed: int = 0, steps: int | None = None) -> None:
        steps = MAX_STEPS if steps is None else steps
        require_whole("steps", steps, 1)
        if images.shape != judge.data_shape:
            raise InputError(f"images have shape {images.shape}: the judge reads {judge.data_shape}")
        if images.labels.max() >= judge.classes:
            raise InputError(f"label {int(images.labels.max())}: the judge knows {judge.classes} classes, from 0 up")
        self.judge, self._start = judge.train(), time.perf_counter()
        learned, held_back = hold_out(images, "the set")[:2] if len(images) >= MIN_IMAGES else (images, images)
        if len(held_back) > MAX_HELD_BACK:
            held_back = held_back.subset(MAX_HELD_BACK, seed=0)
        self._images, self._held_back = _reduced(learned, judge), _reduced(held_back, judge)
        self._generator = make_generator(seed, 1)  # on the CPU: the same numbers wherever the judge is
        self._adam = torch.optim.AdamW(
            judge.parameters(), _LEARNING_RATES[judge.architecture], _BETAS, weight_decay=_WEIGHT_DECAY, fused=True
        )
        self._order = torch.empty(0, dtype=torch.int64)  # of this epoch, the images to come
        self._losses: list[float] = []
        self.iteration, self.total = 0, steps
        self._fall, self._height = 0, 1.0  # the step from which the learning rate falls to zero, and where from

    @property
    def done(self) -> bool:
        """Whether all minibatches were taken."""
        return self.iteration == self.total

    def step(self) -> JudgeRound | None:
        """Take one minibatch; after the last one of a round, return its record."""
        if not len(self._order):
            self._order = torch.randperm(len(self._images), generator=self._generator)
        batch, self._order = self._order[:BATCH_SIZE], self._order[BATCH_SIZE:]
        for group in self._adam.param_groups:
            group["lr"] = self._learning_rate()
        batch = batch.to(self.judge.device)
        x = _moved(to_unit(self._images.images[batch]), self._generator)
        loss = functional.cross_entropy(self._logits(x), self._images.labels[batch])
        self._adam.zero_grad()
        loss.backward()
        self._adam.step()
        self.iteration += 1
        return self._end_round() if self.iteration % ROUND == 0 or self.done else None

    def state(self) -> State:
        """Return weights, what the optimiser has learned, the place in the epoch, and where the random numbers are.

        The next step changes some of these tensors: save them before.
        """
        return join(
            judge=self.judge.state_dict(),
            adam=adam_state(self._adam),
            generator=self._generator.get_state(),
            order=self._order,
            losses=torch.tensor(self._losses, dtype=torch.float64),
            iteration=self.iteration,
            fall=self._fall,
            height=self._height,
            total=self.total,
        )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, in a training made with the same arguments.

        Raises:
            InputError: if it is that of another.
        """
        state = State(state)
        self.judge.load_state_dict(state.part("judge").all_like(self.judge.state_dict()))
        restore_adam(self._adam, state.part("adam"))
        self._generator.set_state(state.like("generator", self._generator.get_state()))
        self._order, self._losses = state["order"], state["losses"].tolist()
        self.iteration, self._fall, self.total = (state.number(name) for name in ("iteration", "fall", "total"))
        self._height = float(state["height"])

    def _learning_rate(self) -> float:
        """Return that of the next step."""
        rise = (self.iteration + 1) / ROUND
        return _LEARNING_RATES[self.judge.architecture] * min(1.0, rise) * self._level()

    def _level(self) -> float:
        """Return where the fall of the learning rate is, 1 to 0."""
        return self._height * (self.total - self.iteration) / (self.total - self._fall)

    def _end_round(self) -> JudgeRound:
        loss, accuracy = self._look()
        self._losses.append(loss)
        lowest = min(self._losses[:-PATIENCE], default=float("inf"))
        enough = min(self._losses[-PATIENCE:]) > lowest - max(GAIN * lowest, MIN_GAIN)
        if enough and not self._fall:
            self._fall, self._height = self.iteration, self._level()
            self.total = min(self.total, self.iteration + max(ROUND, self.iteration // 3))
        return JudgeRound(self.iteration, self.total, loss, accuracy, time.perf_counter() - self._start)

    @torch.no_grad()
    def _look(self) -> tuple[float, float]:
        """Return loss and accuracy of the held-back images."""
        sums, held_back = torch.zeros(2, device=self.judge.device, dtype=torch.float32), self._held_back
        for images, labels in zip(held_back.images.split(500), held_back.labels.split(500), strict=True):
            logits = self._logits(to_unit(images))
            right = (logits.argmax(1) == labels).sum()
            sums += torch.stack((functional.cross_entropy(logits, labels, reduction="sum"), right))
        loss, accuracy = (sums / len(self._held_back)).tolist()
        return loss, accuracy

    def _logits(self, x: Tensor) -> Tensor:
        device = self.judge.device
        with torch.autocast(device.type, torch.bfloat16, enabled=multiplies_bfloat16(device)):
            logits = self.judge.layers(x)
        return logits.float()


def _reduced(images: Images, judge: Judge) -> Images:
    """Return images as the judge's layers read them, once for all steps, on its device."""
    pixels = [reduce_images(to_unit(x)).mul_(255).round_().to(torch.uint8) for x in images.images.split(500)]
    return Images(torch.cat(pixels), images.labels).to(judge.device)


def _moved(x: Tensor, generator: torch.Generator) -> Tensor:
    """Move images (B, C, H, W) together by -1, 0 or 1 pixels each way; the border is repeated."""
    down, right = torch.randint(0, 3, (2,), generator=generator).tolist()
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return padded[:, :, down : down + x.shape[2], right : right + x.shape[3]]
