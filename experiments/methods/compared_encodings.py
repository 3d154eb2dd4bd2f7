"""The encodings of MNIST's images that a GA is tried on, the models that they need, and what is said of what it finds.

Replicates come in groups. Whatever is random belongs to a group's seed: the model, if the encoding is learned; the
critic, a VAE that none of the encodings uses; and the searches.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple

import pandas as pd

import evovae
from evovae import encodings, objectives
from evovae.base import InputError
from evovae.data import ImageSet
from evovae.encodings import Encoding
from evovae.objectives import Judges, RealImages, assess_images
from evovae.studies import Spec, train_cell

from torch import Tensor

LEARNED: dict[str, dict[str, Any]] = {"VAE latent": {}, "AE latent": {"variational": False}}
"""Encodings with a model, and the fields of its `VAEConfig` that differ from the default."""
ENCODINGS = (*LEARNED, "PCA", "pixels", "CPPN")
CRITIC = "critic"
CRITICS_FROM = 1000
"""Added to a group's seed for that of its critic."""
YLABELS = {"digit": "log-odds of the digit", "target": "-error to the target"}
MEASURES = ["fitness", "judge", "held_out", "log_likelihood", "distance", "typicality"]


def model_specs(cells: Path, names: Iterable[str], seeds: Iterable[int], smoke: bool) -> list[Spec]:
    """Return the cells that train the models of the encodings `names`, and a critic, for each group's seed."""
    specs = []
    for seed in seeds:
        for name in names:
            if name in LEARNED:
                settings = {"seed": seed, "smoke": smoke} | LEARNED[name]
                specs.append(Spec(cells / f"{name} {seed}", train_cell, settings))
        settings = {"seed": CRITICS_FROM + seed, "smoke": smoke}
        specs.append(Spec(cells / f"{CRITIC} {seed}", train_cell, settings))
    return specs


class Common(NamedTuple):
    """What all groups share."""

    digits: ImageSet
    judges: Judges
    real: RealImages


@functools.cache
def common() -> Common:
    """Return MNIST, its judges and what typicality is measured by; they are loaded once in a process."""
    digits = evovae.load_images("mnist")
    return Common(digits, evovae.judges_for(digits), RealImages(digits))


def make_encoding(name: str, cells: Path, seed: int) -> Encoding:
    """Return an encoding by its name, with the model of the group with this seed if it is learned."""
    return encodings.LatentEncoding(evovae.VAE.load(cells / f"{name} {seed}")) if name in LEARNED else _fixed(name)


@functools.cache
def _fixed(name: str) -> Encoding:
    digits = common().digits
    if name == "PCA":
        return encodings.PCAEncoding(digits.train.images, 32)
    return encodings.PixelEncoding(digits.shape) if name == "pixels" else encodings.CPPNEncoding(digits.shape)


def ask(classes: Iterable[int]) -> list[tuple[str, int]]:
    """Return objectives with their classes: each digit, then the first test image of each as a target."""
    labels, classes = common().digits.test.labels, tuple(classes)
    targets = [(f"target:test/{int((labels == label).nonzero()[0])}", label) for label in classes]
    return [(f"digit:{label}", label) for label in classes] + targets


def require_digits(classes: tuple[int, ...]) -> None:
    """Refuse what are no different digits.

    Raises:
        InputError: if there is none, one twice, or one outside 0 to 9.
    """
    distinct = set(classes)
    if not distinct or len(distinct) < len(classes) or not distinct <= set(range(10)):
        raise InputError(f"digits are {classes}: expected one or more of 0 to 9, each once")


class Viewer:
    """Tells what images are worth: to an objective, and to those that had no part in the search.

    Args:
        objective: its name.
        label: the class that the images should show.
        cells: folder of the cells.
        seed: of the group, whose critic looks.

    Attributes:
        asked: the objective.
    """

    def __init__(self, objective: str, label: int, cells: Path, seed: int) -> None:
        digits, judges, _ = common()
        self.asked = objectives.parse(objective, objectives.Context(digits, judges.judge))
        self._critic = evovae.VAE.load(cells / f"{CRITIC} {seed}")
        self._label, self._seed = label, seed

    def look(self, images: Tensor) -> pd.DataFrame:
        """Return a row for each of `images` (B, C, H, W): `fitness`, larger is better, and `assess_images`."""
        _, judges, real = common()
        fitness = self.asked.weights[0] * self.asked(images)[:, 0].numpy()
        seen = assess_images(images, self._label, judges, self._critic, self._seed, real)
        return pd.concat([pd.DataFrame({"fitness": fitness}), seen], axis=1)
