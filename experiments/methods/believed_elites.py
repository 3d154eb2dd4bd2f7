"""Archives of digits filled from a GAN, a VAE, pixels or MNIST itself, and which elites others believe."""

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import train_gan
from generators import mnist_gan

import evovae
from evovae import evolution, objectives
from evovae.base import make_generator
from evovae.data import to_unit
from evovae.encodings import Encoding, PixelEncoding, Support
from evovae.evolution import GridArchive
from evovae.runs import Run
from evovae.studies import Spec, train_cell
from methods.compared_encodings import common

import torch
from torch import Tensor

BELIEVED, TYPICAL = 0.9, 0.05
"""Least probability, and least typicality, of an elite that is believed."""
SIGMA, BATCH, EMITTERS = 0.2, 30, 5
CHUNK = 1000
GAN, VAE, PIXELS = "gan", "vae", "pixels"


class Question(NamedTuple):
    """What an archive is of."""

    digit: int | None
    """The digit that all are to show; None for what the judge is surest of, whichever it is."""
    measures: tuple[str, ...]
    grid: tuple[int, ...]
    ranges: tuple[tuple[float, float], ...]

    def pleases(self, logits: Tensor) -> Tensor:
        """Return the probability (B, 1) that the judge gives what is asked for."""
        probability = logits.softmax(1)
        return probability.amax(1, keepdim=True) if self.digit is None else probability[:, self.digit, None]

    def labels(self, archive: GridArchive) -> Tensor:
        """Return what the elites of the first replicate are to show, (L,)."""
        if self.digit is not None:
            return torch.full_like(archive.index[0], self.digit)
        return archive.grid_index(archive.index[0])[:, self.measures.index("class")]


class Way(NamedTuple):
    """How an archive is filled: by search, by draws of the prior, or, without a model, with MNIST's training images."""

    model: str = ""
    support: Support = "free"
    drawn: bool = False
    honest: bool = False
    """Whether what the judge sees counts less the less typical it is, below what 95% of the test images are."""


def train_models(cells: Path, seeds: range, smoke: bool) -> Iterator[Spec]:
    """Yield the cells that train a VAE and a GAN for each seed."""
    for seed in seeds:
        yield Spec(cells / f"{VAE} {seed}", train_cell, {"seed": seed, "smoke": smoke})
        yield Spec(cells / f"{GAN} {seed}", train_gan_cell, {"seed": seed, "smoke": smoke})


def train_gan_cell(run: Run, seed: int, smoke: bool) -> None:
    """Fill a cell with a GAN of MNIST, trained on 300 images in a smoke run."""
    arguments = train_gan.Arguments(seed=seed)
    train_gan.train(arguments, run.folder, *((2, 300) if smoke else (arguments.epochs, 60_000)))


def encode(way: Way, cells: Path, seed: int) -> Encoding:
    """Return the encoding of a way, with its model of this seed."""
    if way.model == GAN:
        return mnist_gan.generator(cells / f"{GAN} {seed}" / mnist_gan.WEIGHTS.name, way.support)
    if way.model == VAE:
        return evovae.LatentEncoding(evovae.VAE.load(cells / f"{VAE} {seed}"), way.support)
    return PixelEncoding(common().digits.shape)


@torch.no_grad()
def fill(question: Question, way: Way, encoding: Encoding, generations: int, seed: int) -> GridArchive:
    """Return an archive, filled by so many `generations`; from MNIST's images as often."""
    digits, judges, real = common()
    measures = objectives.measures(*question.measures, images=digits, judge=judges.judge)

    def objective(x: Tensor) -> Tensor:
        pleases = question.pleases(judges.judge(x))
        if not way.honest:
            return pleases
        typical = real.typicality(x, judges.judge)["typicality"]  # by the search's own judge, not by the held-out one
        return pleases * (typical / TYPICAL).clamp_max(1.0).unsqueeze(1)

    toolbox = evolution.toolbox(encoding, objective, measures=measures)
    archive, size = GridArchive(question.grid, question.ranges), EMITTERS * BATCH
    if way.drawn:
        population = toolbox.population(size, 1, seed)
        for _ in evolution.random_search_iter(population, toolbox, generations * size, archive):
            pass
    elif way.model:
        emitter = evolution.EvolutionStrategyEmitter(SIGMA, BATCH, EMITTERS, x0=0.5 if way.model == PIXELS else 0.0)
        for _ in evolution.illuminate_iter(toolbox, archive, emitter, generations, 1, seed):
            pass
    else:
        train = digits.train
        asked = train.images if question.digit is None else train.images[train.labels == question.digit]
        for images in asked[torch.randperm(len(asked), generator=make_generator(seed))].split(size)[:generations]:
            x = to_unit(images)
            archive.add(x.flatten(1)[None], objective(x).T, measures(x)[None])
    return archive


@torch.no_grad()
def look(encoding: Encoding, genomes: Tensor, labels: Tensor) -> dict[str, Tensor]:
    """Return what is thought of elites (L, D) that are to show `labels` (L,).

    Returns:
        Bool (L,), by name:
        pleasing: the judge that the search asked gives the label 0.9 or more.
        read: so does the held-out judge.
        typical: no more than 5% of the test images are less typical.
        believed: it is read and typical.
    """
    _, judges, real = common()
    parts = []
    for some, own in zip(genomes.split(CHUNK), labels.split(CHUNK), strict=True):
        x = encoding.decode(some)
        sure = [judge(x).softmax(1).gather(1, own[:, None])[:, 0] >= BELIEVED for judge in judges]
        parts.append(torch.stack([*sure, real.typicality(x, judges.held_out)["typicality"] >= TYPICAL]))
    pleasing, read, typical = torch.cat(parts, 1)
    return {"pleasing": pleasing, "read": read, "typical": typical, "believed": read & typical}
