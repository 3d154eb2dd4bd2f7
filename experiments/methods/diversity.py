"""How diverse bitmaps are, and how near to shapes of known parameters: what no search for shapes was asked for."""

import functools

import numpy as np

from evovae import evolution
from evovae.base import Streams, make_generator
from evovae.evolution import Population
from methods import shapes

from torch import Tensor

SAMPLE = 20_000
"""Shapes among which the search for the nearest begins."""
GENERATIONS, SIGMA = 60, 0.1
"""Of that search, and its first step."""


def pure_diversity(bitmaps: Tensor) -> float:
    """Return the pure diversity of `bitmaps` (N, H, W), by the share of their pixels that differ.

    Wang, Jin and Yao 2017, "Diversity assessment in many-objective optimization": the one that lies farthest from the
    nearest other is taken out, and its distance counts, until one is left. A pair counts once: those that are joined by
    distances that have counted are no others to each other.
    """
    pixels = bitmaps.flatten(1).double().numpy()
    filled = pixels.sum(1)
    distances = (filled[:, None] + filled - 2.0 * pixels @ pixels.T) / pixels.shape[1]
    joined, left, total = np.arange(len(pixels)), np.ones(len(pixels), dtype=bool), 0.0
    for _ in range(len(pixels) - 1):
        apart = np.where(joined[:, None] == joined, np.inf, distances)
        one = int(np.where(left, apart.min(1), -np.inf).argmax())
        other = int(apart[one].argmin())
        total += apart[one, other]
        joined[joined == joined[other]] = joined[one]
        left[one] = False
    return total


def nearest_shapes(bitmaps: Tensor, seed: int = 0, generations: int = GENERATIONS) -> tuple[Tensor, Tensor]:
    """Return bitmaps of the shapes found that overlap most with `bitmaps` (N, H, W), and the overlaps (N,).

    A separable CMA-ES for each, from the nearest of a sample. It may miss the best: what it makes of shapes says by how
    much.
    """
    parameters, sample = _sample()
    both = bitmaps.flatten(1) @ sample.flatten(1).T  # N SAMPLE
    either = bitmaps.sum((1, 2)).unsqueeze(1) + sample.sum((1, 2)) - both
    best = (both / either).argmax(1)
    toolbox = evolution.toolbox(
        shapes.encoding(),
        lambda images: shapes.overlap(shapes.bitmaps(images), bitmaps.unsqueeze(1)).nan_to_num().unsqueeze(2),
        population=True,
    )
    start = Population.unevaluated(parameters[best].unsqueeze(1), (1.0,), Streams(seed, len(bitmaps)))
    evolution.SeparableCMAES(start, SIGMA, lambda_=12).register(toolbox)
    hall = evolution.HallOfFame(1)
    evolution.eaGenerateUpdate(toolbox, generations, hall)
    found = shapes.bitmaps(shapes.render(hall.genomes[:, 0]))
    return found, shapes.overlap(found, bitmaps)


@functools.cache
def _sample() -> tuple[Tensor, Tensor]:
    """Return parameters (SAMPLE, 16) and the bitmaps of their shapes."""
    encoding = shapes.encoding()
    parameters = encoding.sample(SAMPLE, make_generator(0))
    return parameters, shapes.bitmaps(encoding.decode(parameters))
