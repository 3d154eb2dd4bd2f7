"""The classifiers of digits that the published experiments fooled, built and trained as their sources do it.

- `caffe`: the LeNet that comes with Caffe (examples/mnist/lenet_train_test.prototxt and lenet_solver.prototxt), which
  Nguyen et al. fooled: 10,000 minibatches of 64 by gradient descent with momentum 0.9, weight decay 5e-4 and the
  learning rate 0.01 (1 + 1e-4 t)^-0.75, twice that for biases.
- `pyribs`: the LeNet-5 of pyribs (tutorials/mnist/train_mnist_classifier.py): normalised pixels, two epochs in
  minibatches of 64 by Adam at 1e-3.

Deviations: Caffe divides bytes by 256, and takes images in their order; here by 255, and shuffled for each epoch.
"""

import math
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from evovae.base import files, make_generator
from evovae.data import Images, to_unit

import torch
from torch import Tensor, nn
from torch.nn import functional

Kind = Literal["caffe", "pyribs"]
BATCH_SIZE = 64
CAFFE_STEPS, PYRIBS_EPOCHS = 10_000, 2


class Normalise(nn.Module):
    """Pixels less the mean of MNIST's, in units of their standard deviation."""

    def forward(self, x: Tensor) -> Tensor:
        """Return `x`, of any shape, normalised."""
        return (x - 0.1307) / 0.3081


def build(kind: Kind) -> nn.Sequential:
    """Return layers from images (B, 1, 28, 28) in [0, 1] to logits (B, 10), on the meta device, without numbers."""
    with torch.device("meta"):
        if kind == "caffe":
            return nn.Sequential(
                *(nn.Conv2d(1, 20, 5), nn.MaxPool2d(2), nn.Conv2d(20, 50, 5), nn.MaxPool2d(2)),
                *(nn.Flatten(), nn.Linear(800, 500), nn.ReLU(), nn.Linear(500, 10)),
            )
        return nn.Sequential(
            *(Normalise(), nn.Conv2d(1, 6, 5), nn.MaxPool2d(2), nn.ReLU()),
            *(nn.Conv2d(6, 16, 5), nn.MaxPool2d(2), nn.ReLU(), nn.Flatten()),
            *(nn.Linear(256, 120), nn.ReLU(), nn.Linear(120, 84), nn.ReLU(), nn.Linear(84, 10)),
        )


def train(kind: Kind, images: Images, seed: int, steps: int | None = None) -> nn.Sequential:
    """Return a classifier trained on `images`; `steps` cuts its training short."""
    layers, generator = build(kind).to_empty(device="cpu"), make_generator(seed, 7)
    weights, biases = ([p for p in layers.parameters() if (p.ndim > 1) == is_weight] for is_weight in (True, False))
    with torch.no_grad():
        for weight, bias in zip(weights, biases, strict=True):
            bound = weight[0].numel() ** -0.5  # of torch's layers
            if kind == "caffe":
                weight.uniform_(-bound * 3**0.5, bound * 3**0.5, generator=generator)
                bias.zero_()
            else:
                weight.uniform_(-bound, bound, generator=generator)
                bias.uniform_(-bound, bound, generator=generator)
    if kind == "caffe":
        groups: list[dict[str, Any]] = [{"params": weights}, {"params": biases, "lr": 0.02}]
        optimiser: torch.optim.Optimizer = torch.optim.SGD(groups, 0.01, momentum=0.9, weight_decay=5e-4)
        total, rate = CAFFE_STEPS, lambda step: (1 + 1e-4 * step) ** -0.75
    else:
        optimiser = torch.optim.Adam(layers.parameters(), 1e-3)
        total, rate = PYRIBS_EPOCHS * math.ceil(len(images) / BATCH_SIZE), lambda step: 1.0
    schedule = torch.optim.lr_scheduler.LambdaLR(optimiser, rate)
    for batch in islice(minibatches(len(images), generator), steps or total):
        loss = functional.cross_entropy(layers(to_unit(images.images[batch])), images.labels[batch])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    return layers.eval().requires_grad_(False)


def minibatches(count: int, generator: torch.Generator) -> Iterator[Tensor]:
    """Yield the places of minibatches, epoch after epoch, without end."""
    while True:
        yield from torch.randperm(count, generator=generator).split(BATCH_SIZE)


def save(layers: nn.Sequential, path: Path) -> None:
    """Write a classifier."""
    files.save_tensors(path, "classifier", layers.state_dict(), {})


def load(kind: Kind, path: Path) -> nn.Sequential:
    """Read a classifier that `save` wrote."""
    layers = build(kind)
    files.load_weights(layers, path, files.load_tensors(path, "classifier")[0])
    return layers.eval().requires_grad_(False)
