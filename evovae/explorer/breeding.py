"""How children are made: who mates with whom, by which crossover, and how far genes move."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Literal

import torch
from deap import base
from torch import Tensor

from evovae import evolution
from evovae.base import Streams
from evovae.encodings import Encoding, LatentEncoding
from evovae.evolution import Population

Crossover = Literal["cxBlend", "cxUniform", "cxSlerp", "none"]
CROSSOVERS: dict[Crossover, tuple[str, Callable[..., tuple[Tensor, Tensor]]]] = {
    "cxBlend": ("Blend", functools.partial(evolution.cxBlend, alpha=0.5)),
    "cxUniform": ("Exchange values", functools.partial(evolution.cxUniform, indpb=0.5)),
    "cxSlerp": ("Along the arc", evolution.cxSlerp),
    "none": ("None", lambda first, second, random: (first, second)),
}
"""With what people are shown for each."""


def draw_mates(chosen: int, count: int, streams: Streams) -> list[int]:
    """Draw `count` of the places 0 to `chosen` - 1, evenly, neighbours (0, 1), (2, 3), ... never the same."""
    mates = streams.integers(chosen, 1, count)[0]
    if chosen > 1:
        step = 1 + streams.integers(chosen - 1, 1, count // 2)[0]
        mates[1::2] = (mates[: 2 * (count // 2) : 2] + step) % chosen
    return mates.tolist()


def vary(genomes: Tensor, encoding: Encoding, sigma: float, crossover: Crossover, streams: Streams) -> Tensor:
    """Return children (K, D) of `genomes` (K, D), as `varAnd` makes them; `sigma` is that of genes drawn from N(0, 1).

    Where they are of another scale, it is to the encoding's own what it would be to `LatentEncoding.sigma`.
    """
    sigmas = torch.as_tensor(encoding.sigma, dtype=torch.float64) * (sigma / LatentEncoding.sigma)
    toolbox = base.Toolbox()
    toolbox.register("mate", CROSSOVERS[crossover][1])
    toolbox.register("mutate", evolution.mutGaussian, mu=0.0, sigma=sigmas.tolist(), indpb=1.0)
    toolbox.register("project", encoding.project)
    parents = Population.unevaluated(genomes.unsqueeze(0), (1.0,), streams)
    return evolution.varAnd(parents, toolbox, cxpb=float(crossover != "none"), mutpb=1.0).genomes[0]
