"""The searches for images that fool a classifier: MAP-Elites with one niche for each digit (Mouret and Clune 2015)."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import NamedTuple

from evovae import evolution
from evovae.base import Streams
from evovae.encodings import Encoding
from evovae.evolution import Algorithm, Population, ask_and_tell
from methods.classifiers import Kind

import torch
from torch import Tensor

DIGITS = 10
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


class MapElites(Algorithm):
    """One niche for each digit, of whose confidence fitness has a column; `classifier` takes images to logits (B, 10).

    Survivors are the elites (1, 10, D), elite k that of digit k.
    """

    def __init__(
        self, how: Setup, encoding: Encoding, classifier: Callable[[Tensor], Tensor], streams: Streams
    ) -> None:
        def confidence(images: Tensor) -> Tensor:
            seen = classifier(images).softmax(1)
            return torch.where(seen == seen.amax(1, keepdim=True), seen, -1.0) if how.seen_alone else seen

        super().__init__(evolution.toolbox(encoding, confidence, weights=(1.0,) * DIGITS))
        middle = torch.full((1, DIGITS, encoding.dim), sum(how.bounds) / 2)
        untried = Population.unevaluated(middle, self.toolbox.weights, streams)
        self.elites = replace(untried, fitness=torch.full_like(untried.fitness, -1.0))
        self._how, self._encoding = how, encoding

    @property
    def confidence(self) -> Tensor:
        """Of each elite for its own digit (10,)."""
        return self.elites.fitness[0].diagonal()

    def ask(self, gen: int) -> Population:
        """Return draws from the encoding, or mutants of the elites (1, B, D)."""
        how, streams = self._how, self.elites.streams
        if how.mutate is None or (gen == 0 and not how.from_middle):
            children = self._encoding.sample(how.batch, streams[0]).clamp(*how.bounds)[None]
        else:
            parents = choose(self.elites.genomes[0], self.confidence, how.batch, streams)
            children = how.mutate(parents[None], streams, gen)
        return Population.unevaluated(children, self.elites.weights, streams)

    def tell(self, population: Population) -> Population:
        """Replace the elites that are less confident, and return all."""
        best = population.take(population.fitness.argmax(1))  # 1 10 D
        digit = torch.arange(DIGITS)
        better = best.fitness[0].diagonal() > self.confidence
        self.elites = self.elites.join(best).take(torch.where(better, DIGITS + digit, digit)[None])
        return self.elites


def breed(
    how: Setup, encoding: Encoding, classifier: Callable[[Tensor], Tensor], generations: int, streams: Streams
) -> Iterator[Elites]:
    """Yield the elites after each generation, from the initial one, 0, to `generations`."""
    search = MapElites(how, encoding, classifier, streams)
    for generation in ask_and_tell(search, generations + 1):
        yield Elites(generation.gen, search.elites.genomes[0], search.confidence)


def choose(elites: Tensor, confidence: Tensor, count: int, streams: Streams) -> Tensor:
    """Return `count` parents (count, D), drawn evenly among the elites that there are; before the first, any."""
    there = (confidence >= 0).nonzero().flatten()
    among = elites[there] if len(there) else elites
    return among[streams.integers(len(among), 1, count)[0]]
