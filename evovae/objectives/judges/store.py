"""The judges of an image set: found where they are kept, or trained when first asked for, and kept."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import NamedTuple

import torch

from evovae.base import InputError, State, deferring, files, resolve_device, track
from evovae.data import ImageSet, default_data_dir
from evovae.objectives.judges.judge import Architecture, Judge, Reliability, accuracy
from evovae.objectives.judges.training import MAX_STEPS, JudgeTraining

SECONDS = 10.0
"""Between checkpoints of a training."""
MEASURED = 2000
"""Training images at most that a judge is measured on, beside all test images."""

ROLES: dict[str, tuple[Architecture, int]] = {"judge": ("lenet", 0), "heldout": ("convnext", 1)}
"""Architecture and seed of each role, under the name that its file has, in the order of `Judges`."""
NAMES = {"judge": "judge", "heldout": "held-out judge"}
"""Names of the roles in messages."""


class Judges(NamedTuple):
    """The two judges of an image set, frozen."""

    judge: Judge
    """For fitness."""
    held_out: Judge
    """For realism, never for fitness."""

    @property
    def doubts(self) -> str:
        """Why their word counts for little, in one line; empty where nothing speaks against them."""
        return doubts(dict(zip(ROLES, (judge.reliability for judge in self), strict=True)))


def judges_for(images: ImageSet, folder: Path | None = None, device: str | torch.device = "cpu") -> Judges:
    """Return the judges of an image set: shipped for MNIST, found by what they have learned, or trained now and kept.

    Args:
        images: the image set; its digest identifies its own judges.
        folder: where `judge.safetensors` and `heldout.safetensors` are, or shall be, beside the user's cache.
        device: where the judges are trained and returned.

    Raises:
        InputError: if a file where they are kept is no judge, or the images are of one class.
    """
    store = JudgeStore(images, [folder] if folder else [], resolve_device(device))
    return Judges(*map(store.get, ROLES))


class JudgeStore:
    """The judges of an image set, by their roles; nothing is read, trained or written before one is asked for.

    They are found by the digest of images and labels in `folders`, in the user's cache, and among those that ship with
    evovae. What is found elsewhere or trained is kept in the folders and the cache, those of them that can be written.

    Args:
        images: the image set.
        folders: the first that has a judge gives it.
        device: where judges are trained and returned.
        check: called between two steps of a training; what it raises ends it, after a checkpoint.
    """

    def __init__(
        self,
        images: ImageSet,
        folders: Sequence[Path],
        device: torch.device,
        check: Callable[[], None] = lambda: None,
    ) -> None:
        self._images, self._folders, self._device, self._check = images, folders, device, check
        self._known: dict[str, Judge] = {}

    def get(self, role: str) -> Judge:
        """Return a judge of `ROLES`, frozen, on the device; trained now if there is none.

        Raises:
            InputError: if a file where it is kept is no judge, or the images are of one class.
            Interrupted: if Ctrl-C or SIGTERM ends its training, which is resumed when asked for again.
        """
        return self._find(role) or self._train(role)

    def both(self) -> Judges | None:
        """Return both judges, trained now where there are none; None for images of one class: nothing to tell apart."""
        return Judges(*map(self.get, ROLES)) if len(self._images.classes) > 1 else None

    def found(self) -> Judges | None:
        """Return both judges if neither has to be trained, else None."""
        found = [judge for role in ROLES if (judge := self._find(role)) is not None]
        return Judges(*found) if len(found) == len(ROLES) else None

    def known(self) -> dict[str, Judge]:
        """Return by role the judges that were asked for so far."""
        return {role: self._known[role] for role in ROLES if role in self._known}

    @property
    def _places(self) -> list[Path]:
        return [*self._folders, *_cache(self._images.digest)]

    def _find(self, role: str) -> Judge | None:
        if role in self._known:
            return self._known[role]
        for place in self._places:
            path = place / f"{role}.safetensors"
            if path.exists() and self._belongs(role, judge := Judge.load(path)):
                return self._learn(role, judge)
        with resources.as_file(
            resources.files("evovae.objectives.judges") / "weights" / f"{role}-mnist.safetensors"
        ) as path:
            judge = Judge.load(path)
        return self._learn(role, judge, keep=False) if self._belongs(role, judge) else None

    def _belongs(self, role: str, judge: Judge) -> bool:
        """Whether a judge has this role and has learned these images; one from before digests may have learned any."""
        images = self._images
        own = (ROLES[role][0], images.digest, images.shape, len(images.classes))
        return (judge.architecture, judge.digest, judge.data_shape, judge.classes) == own

    def _learn(self, role: str, judge: Judge, keep: bool = True) -> Judge:
        """Make a judge known, and keep it in every place that can be written and has not the same."""
        content = judge.to_bytes()
        for place in self._places if keep else []:
            path = place / f"{role}.safetensors"
            with contextlib.suppress(OSError):
                if not (path.exists() and path.read_bytes() == content):
                    place.mkdir(parents=True, exist_ok=True)
                    files.write_bytes(path, content)
        return self._known.setdefault(role, judge.to(self._device).eval().requires_grad_(False))

    def _train(self, role: str) -> Judge:
        training = self._begin(role)
        saved, word, begun = time.monotonic(), "", MAX_STEPS * training.iteration // training.total
        with track(f"training {NAMES[role]}", MAX_STEPS, begun) as advance, deferring() as asked_to_stop:
            while not training.done:
                if (record := training.step()) is not None:
                    word = f"accuracy {record.accuracy:.3f}"
                advance(MAX_STEPS * training.iteration / training.total, word)
                try:
                    asked_to_stop()
                    self._check()
                except BaseException:
                    self._save(role, training)
                    raise
                if time.monotonic() - saved >= SECONDS:
                    self._save(role, training)
                    saved = time.monotonic()
            judge = training.judge.eval()
            judge.trained_on, judge.digest = self._images.name, self._images.digest
            judge.reliability = measure(judge, self._images)
            learned = self._learn(role, judge)
        for place in self._places:
            with contextlib.suppress(OSError):
                _checkpoint(place, role).unlink(missing_ok=True)
        return learned

    def _begin(self, role: str) -> JudgeTraining:
        """Return the training of a judge, resumed where its checkpoint can be read."""
        for place in self._places:
            # What a damaged one, or one of another version, leads to.
            with contextlib.suppress(InputError, ValueError, TypeError, RuntimeError):
                state, config = files.load_tensors(_checkpoint(place, role), "judge training")
                if config == {"digest": self._images.digest}:
                    training = self._training(role)
                    training.restore(State(state))
                    return training
        return self._training(role)

    def _training(self, role: str) -> JudgeTraining:
        architecture, seed = ROLES[role]
        judge = Judge(architecture, self._images.shape, len(self._images.classes), seed).to(self._device)
        return JudgeTraining(judge, self._images.train, seed)

    def _save(self, role: str, training: JudgeTraining) -> None:
        """Write a checkpoint to the cache, or else to the last folder that can be written."""
        for place in reversed(self._places):
            with contextlib.suppress(OSError):
                place.mkdir(parents=True, exist_ok=True)
                config = {"digest": self._images.digest}
                files.save_tensors(_checkpoint(place, role), "judge training", training.state(), config)
                return


def measure(judge: Judge, images: ImageSet) -> Reliability:
    """Return how well `judge` reads an image set."""
    test, train = images.test, images.train
    known = train.subset(min(len(train), MEASURED), seed=0)
    chance = int(test.labels.bincount().max()) / len(test)
    return Reliability(len(test), accuracy(judge, test), chance, accuracy(judge, known))


def doubts(known: Mapping[str, Reliability]) -> str:
    """Return why the judges of these roles count for little, in one line; empty where nothing speaks against them."""
    return ", ".join(f"{NAMES[role]} {found.doubt}" for role, found in known.items() if found.doubt)


def _checkpoint(place: Path, role: str) -> Path:
    return place / f"{role}.training.safetensors"


def _cache(digest: str) -> list[Path]:
    """Return the folder of the user's cache for the judges of an image set, none where the user has no home."""
    with contextlib.suppress(RuntimeError, InputError):
        return [default_data_dir() / "judges" / digest]
    return []
