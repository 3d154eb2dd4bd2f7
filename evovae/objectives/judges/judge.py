"""A judge: a classifier that scores images, and what is known of how well it does."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from evovae.base import InputError, files, from_json, make_generator, require_types, require_whole, using_configuration
from evovae.data import MIN_SIDE, Images, to_unit
from evovae.objectives.judges.classifiers import build_convnext, build_lenet

Architecture = Literal["lenet", "convnext"]

READ_SIDE = 32
"""Pixels a side, or up to twice that, that a larger image is reduced to before anything else."""


@dataclass(frozen=True)
class Reliability:
    """How well a judge reads images, as measured when it had learned."""

    images: int = 0
    """Test images that it was measured on; 0 when nothing is known."""
    test: float = 0.0
    """Share of them that it reads rightly, 0 to 1."""
    chance: float = 0.0
    """Share that naming the most frequent class alone would read rightly."""
    train: float = 0.0
    """Share of the images that it learned from."""

    def __post_init__(self) -> None:
        """Refuse what are no shares."""
        require_types(self)
        require_whole("images", self.images, 0)
        for name in ("test", "chance", "train"):
            value = getattr(self, name)
            if not 0 <= value <= 1:
                raise InputError(f"{name} is {value}: expected a share from 0 to 1")

    @property
    def doubt(self) -> str:
        """Why its word counts for little, in a few words; empty where nothing speaks against it.

        It is no better than chance if its test accuracy is within two standard errors of it. It knows its training
        images by heart if, beyond the same doubt, less than half of what it gains over chance on them is left on the
        test images: a judge that overfits, but has learned something, keeps more.
        """
        if self.images == 0:
            return ""
        if self.test <= self.chance + 2 * _standard_error(self.chance, self.images):
            return "no better than chance"
        most = self.test + 2 * _standard_error(self.test, self.images)
        return "knows its training images by heart" if most - self.chance < (self.train - self.chance) / 2 else ""

    def __str__(self) -> str:
        """The numbers, and the doubt, in a line."""
        if self.images == 0:
            return "nobody knows how well"
        known = f"right on {self.test:.1%} of {self.images:,} test images"
        doubts = f"{self.doubt} ({self.chance:.1%}; {self.train:.1%} of training images)"
        return f"{known}: {doubts}" if self.doubt else known


def _standard_error(share: float, count: int) -> float:
    return math.sqrt(share * (1 - share) / count)


@dataclass(frozen=True)
class _JudgeSettings:
    """What a judge's file says of it."""

    architecture: Architecture
    data_shape: tuple[int, int, int]
    classes: int
    trained_on: str
    digest: str = ""
    reliability: Reliability = Reliability()

    def __post_init__(self) -> None:
        """Refuse values of other types."""
        require_types(self)


class Judge(nn.Module):
    """A classifier of images.

    Args:
        architecture: `lenet` or `convnext`.
        data_shape: (C, H, W) of the images, 8 pixels or more on a side.
        classes: number of classes K, 2 or more.
        seed: seed of the initial weights (He et al. 2015); the global random state is neither read nor written. None
            leaves them on the meta device, without numbers and without memory, to be loaded.

    Attributes:
        trained_on: name of the image set that it has learned, empty before; kept in its file, as the next two are.
        digest: of that image set, empty before: it identifies the images that a judge belongs to.
        reliability: how well it has learned it.

    Raises:
        InputError: if an argument is out of range.
    """

    def __init__(
        self, architecture: Architecture, data_shape: tuple[int, int, int], classes: int, seed: int | None = 0
    ) -> None:
        super().__init__()
        if architecture not in get_args(Architecture):
            raise InputError(f"architecture {architecture!r}: expected one of {', '.join(get_args(Architecture))}")
        if len(data_shape) != 3 or data_shape[0] < 1 or min(data_shape[1:]) < MIN_SIDE:
            raise InputError(f"data shape {data_shape}: a judge reads (C, H, W) with H and W at least {MIN_SIDE}")
        if classes < 2:
            raise InputError(f"classes is {classes}: expected 2 or more; a judge needs something to tell apart")
        self.architecture: Architecture = architecture
        self.data_shape, self.classes = data_shape, classes
        self.trained_on, self.digest, self.reliability = "", "", Reliability()
        channels, height, width = data_shape
        times = _times(height, width)
        read = (channels, height // times, width // times)
        # Layers made on the meta device hold no numbers yet: torch's own initialisation would draw global ones.
        with torch.device("meta"):
            self.layers = (build_lenet if architecture == "lenet" else build_convnext)(read, classes).float()
        if seed is not None:
            self.to_empty(device="cpu")
            self._initialise(make_generator(seed))
        self.to(memory_format=torch.channels_last)  # a third faster on the CPU

    def _initialise(self, generator: torch.Generator) -> None:
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.kaiming_normal_(parameter, nonlinearity="relu", generator=generator)
            else:
                nn.init.zeros_(parameter)

    @property
    def device(self) -> torch.device:
        """The device that the weights are on."""
        return next(self.parameters()).device

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, K) of images `x`, float (B, C, H, W) in [0, 1].

        Raises:
            InputError: if `x` has another shape than the judge reads.
        """
        return self.layers(self._read(x))

    def features(self, x: Tensor) -> Tensor:
        """Return what the last layer tells the classes by: images (B, C, H, W) in [0, 1] -> (B, F).

        Raises:
            InputError: if `x` has another shape than the judge reads.
        """
        return self.layers[:-1](self._read(x))

    def _read(self, x: Tensor) -> Tensor:
        if tuple(x.shape[1:]) != self.data_shape:
            raise InputError(f"x has shape {tuple(x.shape)}: expected (B, {', '.join(map(str, self.data_shape))})")
        return reduce_images(x)

    def save(self, path: str | Path) -> None:
        """Write weights and configuration to one safetensors file, atomically."""
        files.write_bytes(Path(path), self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return what `save` writes."""
        learned = (self.trained_on, self.digest, self.reliability)
        config = _JudgeSettings(self.architecture, self.data_shape, self.classes, *learned)
        return files.tensors_to_bytes("judge", self.state_dict(), asdict(config))

    @classmethod
    def load(cls, path: str | Path) -> Judge:
        """Read a judge, on the CPU, from a file that `save` wrote.

        Raises:
            InputError: if the file is missing, truncated, of another kind or version, or does not fit itself.
        """
        path = Path(path)
        tensors, values = files.load_tensors(path, "judge")
        config = from_json(_JudgeSettings, values, path)
        with using_configuration(path):
            judge = cls(config.architecture, config.data_shape, config.classes, seed=None)
        judge.trained_on, judge.digest, judge.reliability = config.trained_on, config.digest, config.reliability
        files.load_weights(judge, path, tensors)
        return judge


def reduce_images(x: Tensor) -> Tensor:
    """Return large images (B, C, H, W) with sides a whole number of times smaller, `READ_SIDE` or up to twice that."""
    times = _times(*x.shape[2:])
    return x if times == 1 else functional.avg_pool2d(x, times)


def _times(height: int, width: int) -> int:
    return max(1, min(height, width) // READ_SIDE)


@torch.no_grad()
def accuracy(judge: Judge, images: Images) -> float:
    """Return the share of `images` whose label is the judge's first choice, 0 to 1."""
    batches = zip(images.images.split(500), images.labels.split(500), strict=True)
    right = [(judge(to_unit(x.to(judge.device))).argmax(1).cpu() == y.cpu()).sum() for x, y in batches]
    return int(sum(right)) / len(images)


def log_odds(logits: Tensor, k: int) -> Tensor:
    """Return log p_k - log(1 - p_k) of class `k`: logits (B, K) -> (B,).

    A probability is no fitness: in floating point it reaches 1 long before images stop improving, and all that follows
    ties. The log-odds keep growing. They come from the logits alone, logit_k - log sum_{j != k} exp(logit_j), so that
    no 1 - p is ever computed.

    Raises:
        InputError: if there is no class `k`.
    """
    if not 0 <= k < logits.shape[-1]:
        raise InputError(f"class {k}: expected 0 to {logits.shape[-1] - 1}")
    others = torch.cat((logits[..., :k], logits[..., k + 1 :]), dim=-1)
    return logits[..., k] - others.logsumexp(-1)
