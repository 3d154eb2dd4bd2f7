"""The searches for images that fool a classifier: MAP-Elites with one niche for each digit (Mouret and Clune 2015)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from evovae import evolution
from evovae.base import Streams
from evovae.encodings import Encoding
from methods.classifiers import Kind

import torch
from torch import Tensor

LIMIT = 3.0
"""Latent genes lie between -3 and 3."""
Mutation = Callable[[Tensor, Streams, int], Tensor]
"""From parents (1, B, D) of a generation to children of the same shape."""


@dataclass(frozen=True)
class Setup:
    """How elites are bred."""

    kind: Kind
    batch: int
    generations: int
    """After the initial one."""
    mutate: Mutation | None
    """None draws all images from the encoding: random search."""
    latent: bool = False
    """Search a VAE's latent space, and not pixels."""
    from_middle: bool = False
    """Begin with mutants of the middle between the bounds, and not with draws of the encoding."""
    seen_alone: bool = False
    """Try an image for the digit that is seen in it alone."""

    @property
    def bounds(self) -> tuple[float, float]:
        """Least and largest gene."""
        return (-LIMIT, LIMIT) if self.latent else (0.0, 1.0)


class Elites(NamedTuple):
    """The best image of each digit so far."""

    generation: int
    genomes: Tensor
    """(10, D)."""
    confidence: Tensor
    """(10,), -1 for a digit that no image was tried for."""


def polynomial(low: float, high: float) -> Mutation:
    """Return the mutation of Nguyen et al."""

    def mutate(parents: Tensor, streams: Streams, generation: int) -> Tensor:
        rate = 0.1 * 0.5 ** (generation // 1000)
        return evolution.mutPolynomialBounded(parents, streams, eta=15.0, low=low, up=high, indpb=rate)

    return mutate


def gaussian(parents: Tensor, streams: Streams, generation: int) -> Tensor:
    """Mutate as pyribs' example does."""
    return evolution.mutGaussian(parents, streams, mu=0.0, sigma=0.5, indpb=1.0).clamp(0.0, 1.0)


SETUPS = {
    "pixels": Setup("caffe", 200, 200, polynomial(0.0, 1.0)),
    "pixels, random": Setup("caffe", 200, 200, None),
    "latent": Setup("caffe", 200, 200, polynomial(-LIMIT, LIMIT), latent=True),
    "latent, random": Setup("caffe", 200, 200, None, latent=True),
    "pixels, pyribs": Setup("pyribs", 30, 29_999, gaussian, from_middle=True, seen_alone=True),
}


def breed(
    how: Setup, encoding: Encoding, classifier: Callable[[Tensor], Tensor], generations: int, streams: Streams
) -> Iterator[Elites]:
    """Yield the elites after each generation, from the initial one, 0, to `generations`.

    `classifier` takes images (B, 1, 28, 28) to logits (B, 10).
    """
    low, high = how.bounds
    elites = torch.full((10, encoding.dim), (low + high) / 2)
    confidence = torch.full((10,), -1.0)
    for generation in range(generations + 1):
        if how.mutate is None or (generation == 0 and not how.from_middle):
            children = encoding.sample(how.batch, streams[0]).clamp(low, high)
        else:
            children = how.mutate(choose(elites, confidence, how.batch, streams)[None], streams, generation)[0]
        seen = classifier(encoding.decode(children)).softmax(1)
        if how.seen_alone:
            seen = torch.where(seen == seen.amax(1, keepdim=True), seen, -1.0)
        best, place = seen.max(0)
        better = best > confidence
        elites = torch.where(better[:, None], children[place], elites)
        confidence = torch.where(better, best, confidence)
        yield Elites(generation, elites, confidence)


def choose(elites: Tensor, confidence: Tensor, count: int, streams: Streams) -> Tensor:
    """Return `count` parents (count, D), drawn evenly among the elites that there are; before the first, any."""
    there = (confidence >= 0).nonzero().flatten()
    among = elites[there] if len(there) else elites
    return among[streams.integers(len(among), 1, count)[0]]
