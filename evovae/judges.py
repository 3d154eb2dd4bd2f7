"""Judges: classifiers that score images, one used inside fitness and one that evolution never sees.

Evolution finds whatever a fitness rewards, the blind spots of a classifier included (Nguyen et al. 2015, "Deep neural
networks are easily fooled"). So there are two of them. The *judge* may be part of an objective; the *held-out* judge
never is, and tells whether an image that pleases the judge is believable to another of another architecture.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib import resources
from pathlib import Path
from typing import Literal, NamedTuple, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from evovae import files
from evovae.checks import require_types
from evovae.classifiers import build_convnext, build_lenet
from evovae.data import Images, ImageSet, to_unit
from evovae.data.limits import MIN_SIDE
from evovae.devices import resolve_device
from evovae.errors import InputError
from evovae.settings import from_json
from evovae.streams import make_generator

Architecture = Literal["lenet", "convnext"]

BATCH_SIZE = 128
MIN_STEPS = 1000
"""Fewest gradient steps of a training: a small image set is seen more often than a large one."""
_EPOCHS = {"lenet": 5, "convnext": 8}
_LEARNING_RATES = {"lenet": 3e-3, "convnext": 1e-2}


@dataclass(frozen=True)
class _JudgeSettings:
    """What a judge's file says of it."""

    architecture: Architecture
    data_shape: tuple[int, int, int]
    classes: int
    trained_on: str

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
        trained_on: name of the image set that it has learned, empty before; kept in its file.

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
        self.data_shape, self.classes, self.trained_on = data_shape, classes, ""
        # Layers made on the meta device hold no numbers yet: torch's own initialisation would draw global ones.
        with torch.device("meta"):
            self.layers = (build_lenet if architecture == "lenet" else build_convnext)(data_shape, classes)
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
        if tuple(x.shape[1:]) != self.data_shape:
            raise InputError(f"x has shape {tuple(x.shape)}: expected (B, {', '.join(map(str, self.data_shape))})")
        return self.layers(x)

    def save(self, path: str | Path) -> None:
        """Write weights and configuration to one safetensors file, atomically."""
        config = _JudgeSettings(self.architecture, self.data_shape, self.classes, self.trained_on)
        files.save_tensors(Path(path), "judge", self.state_dict(), asdict(config))

    @classmethod
    def load(cls, path: str | Path) -> Judge:
        """Read a judge, on the CPU, from a file that `save` wrote.

        Raises:
            InputError: if the file is missing, truncated, of another kind or version, or does not fit itself.
        """
        path = Path(path)
        tensors, values = files.load_tensors(path, "judge")
        config = from_json(_JudgeSettings, values, path)
        try:
            judge = cls(config.architecture, config.data_shape, config.classes, seed=None)
        except (TypeError, InputError, RuntimeError) as error:
            reason = str(error).partition("\n")[0]  # torch's messages may go on with a stack trace
            raise InputError(f"{path} has a configuration that this evovae cannot read: {reason}") from error
        judge.trained_on = config.trained_on
        files.load_weights(judge, path, tensors)
        return judge


@dataclass(frozen=True)
class JudgeEpoch:
    """What one epoch of training a judge came to."""

    epoch: int
    epochs: int
    loss: float
    """Cross-entropy in nats, averaged over the epoch's images as the judge met them."""
    accuracy: float
    """Share of them that it got right, 0 to 1."""
    seconds: float
    """Since the start of training."""


Report = Callable[[str, JudgeEpoch], None]
"""Is told the role, "judge" or "heldout", and each epoch's record."""


def train_judge(judge: Judge, images: Images, seed: int = 0) -> Iterator[JudgeEpoch]:
    """Train `judge` in place, on the device it is on, yielding a record after each epoch.

    AdamW, with a learning rate that rises and falls once (Smith and Topin 2019, "Super-convergence"). Each minibatch is
    moved by up to one pixel each way, for evolved images are rarely centred as exactly as a data set's.

    Raises:
        InputError: if images and judge do not fit.
    """
    if images.shape != judge.data_shape:
        raise InputError(f"images have shape {images.shape}: the judge reads {judge.data_shape}")
    if images.labels.max() >= judge.classes:
        raise InputError(f"label {int(images.labels.max())}: the judge knows {judge.classes} classes, from 0 up")
    return _train(judge.train(), images.to(judge.device), make_generator(seed, 1))


def _train(judge: Judge, images: Images, generator: torch.Generator) -> Iterator[JudgeEpoch]:
    start = time.perf_counter()
    per_epoch = math.ceil(len(images) / BATCH_SIZE)
    epochs = max(_EPOCHS[judge.architecture], math.ceil(MIN_STEPS / per_epoch))
    rate = _LEARNING_RATES[judge.architecture]
    optimiser = torch.optim.AdamW(judge.parameters(), rate, fused=True)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, epochs * per_epoch, pct_start=0.2)
    for epoch in range(1, epochs + 1):
        sums = torch.zeros(2, device=judge.device)
        # Drawn on the CPU: the same numbers wherever the judge is.
        for batch in torch.randperm(len(images), generator=generator).split(BATCH_SIZE):
            batch = batch.to(judge.device)
            labels = images.labels[batch]
            logits = judge(_shifted(to_unit(images.images[batch]), generator))
            loss = functional.cross_entropy(logits, labels)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            schedule.step()
            sums += torch.stack((loss.detach() * len(batch), (logits.argmax(1) == labels).sum()))
        mean_loss, accuracy = (sums / len(images)).tolist()
        yield JudgeEpoch(epoch, epochs, mean_loss, accuracy, time.perf_counter() - start)


def _shifted(x: Tensor, generator: torch.Generator) -> Tensor:
    """Move images (B, C, H, W) together by -1, 0 or 1 pixels each way; the border is repeated."""
    down, right = torch.randint(0, 3, (2,), generator=generator).tolist()
    padded = functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return padded[:, :, down : down + x.shape[2], right : right + x.shape[3]]


@torch.no_grad()
def accuracy(judge: Judge, images: Images) -> float:
    """Return the share of `images` whose label is the judge's first choice, 0 to 1."""
    batches = zip(images.images.split(1000), images.labels.split(1000), strict=True)
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


class Judges(NamedTuple):
    """The two judges of an image set, frozen."""

    judge: Judge
    """For fitness."""
    held_out: Judge
    """For realism, never for fitness."""


ROLES: dict[str, tuple[Architecture, int]] = {"judge": ("lenet", 0), "heldout": ("convnext", 1)}
"""Architecture and seed of each role, under the name that its file has, in the order of `Judges`."""


def judges_for(
    images: ImageSet, folder: Path | None = None, device: str | torch.device = "cpu", report: Report | None = None
) -> Judges:
    """Return the judges of an image set: shipped for MNIST, found in `folder`, or trained now and kept there.

    Args:
        images: the image set.
        folder: where `judge.safetensors` and `heldout.safetensors` are, or shall be; None keeps nothing.
        device: where the judges are trained and returned.
        report: called after each epoch when a judge has to be trained.

    Raises:
        InputError: if a file in `folder` is no judge, or the images are of one class.
    """
    device = resolve_device(device)
    if images.name == "mnist" and images.shape == (1, 28, 28):
        with resources.as_file(resources.files("evovae") / "weights") as weights:
            found = [Judge.load(weights / f"{role}-mnist.safetensors") for role in ROLES]
    else:
        found = [_kept(role, images, folder) or _trained(role, images, folder, device, report) for role in ROLES]
    return Judges(*(judge.to(device).eval().requires_grad_(False) for judge in found))


def _kept(role: str, images: ImageSet, folder: Path | None) -> Judge | None:
    path = folder / f"{role}.safetensors" if folder else None
    if path is None or not path.exists():
        return None
    judge = Judge.load(path)
    learned = (judge.trained_on, judge.data_shape, judge.classes)
    return judge if learned == (images.name, images.shape, len(images.classes)) else None


def _trained(role: str, images: ImageSet, folder: Path | None, device: torch.device, report: Report | None) -> Judge:
    if folder:
        folder.mkdir(parents=True, exist_ok=True)
    architecture, seed = ROLES[role]
    judge = Judge(architecture, images.shape, len(images.classes), seed).to(device)
    for record in train_judge(judge, images.train, seed):
        if report:
            report(role, record)
    judge.trained_on = images.name
    if folder:
        judge.save(folder / f"{role}.safetensors")
    return judge
