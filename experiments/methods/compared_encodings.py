"""The encodings of MNIST's images that a GA is tried on, the models that they need, and what is said of what it finds.

Whatever is random about an encoding belongs to a group of replicates, which has a seed: of its own model, if the encoding
is learned, of its own critic, a VAE that none of the encodings uses, and of its searches.
"""

import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pandas as pd

import evovae
from evovae import encodings, objectives
from evovae.base import make_generator
from evovae.data import ImageSet
from evovae.encodings import Encoding
from evovae.objectives import RealImages, assess_images
from evovae.studies import Spec, train_cell

import torch
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


def make_encoding(name: str, cells: Path, seed: int) -> Encoding:
    """Return an encoding by its name, with the model of the group with this seed if it is learned."""
    return encodings.LatentEncoding(evovae.VAE.load(cells / f"{name} {seed}")) if name in LEARNED else _fixed(name)


@functools.cache
def _fixed(name: str) -> Encoding:
    digits = evovae.load_images("mnist")
    if name == "PCA":
        return encodings.PCAEncoding(digits.train.images, 32)
    return encodings.PixelEncoding(digits.shape) if name == "pixels" else encodings.CPPNEncoding(digits.shape)


def ask(classes: Iterable[int]) -> list[tuple[str, int]]:
    """Return the objectives with their classes: each digit, then the first test image of each as a target."""
    labels, classes = evovae.load_images("mnist").test.labels, tuple(classes)
    targets = [(f"target:test/{int((labels == label).nonzero()[0])}", label) for label in classes]
    return [(f"digit:{label}", label) for label in classes] + targets


class Viewer:
    """Tells what images are worth: to the objective, and to those that had no part in the search.

    Args:
        objective: its name.
        label: the class that the images should show.
        cells: folder of the cells.
        seed: of the group, whose critic looks.
    """

    def __init__(self, objective: str, label: int, cells: Path, seed: int) -> None:
        digits = evovae.load_images("mnist")
        self._judges = evovae.judges_for(digits)
        self.asked = objectives.parse(objective, objectives.Context(digits, self._judges.judge))
        self._critic = evovae.VAE.load(cells / f"{CRITIC} {seed}")
        self._label, self._seed, self._real = label, seed, _real()

    def look(self, images: Tensor) -> pd.DataFrame:
        """Return a row of `MEASURES`, and more, for each of `images` (B, C, H, W)."""
        fitness = self.asked.weights[0] * self.asked(images)[:, 0].numpy()  # larger is better
        seen = assess_images(images, self._label, self._judges, self._critic, self._seed, self._real)
        return pd.concat([pd.DataFrame({"fitness": fitness}), seen], axis=1)


@functools.cache
def _real() -> RealImages:
    return RealImages(evovae.load_images("mnist"))
