"""A DEAP toolbox whose roles are filled with operators on whole populations."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import torch
from deap import base
from torch import Tensor

from evovae.errors import InputError
from evovae.evolution import operators
from evovae.evolution.population import Population
from evovae.streams import Streams

if TYPE_CHECKING:
    from evovae.encodings import Encoding

CHUNK = 1024


def toolbox(
    encoding: Encoding, objective: Callable[[Tensor], Tensor], weights: Sequence[float] | None = None
) -> base.Toolbox:
    """Return a toolbox that evolves genomes of `encoding` for `objective`.

    Roles: `population(n, replicates=1, seed=0)`, `evaluate(genomes (K, D)) -> (K, M)`, `sample(n, streams)`,
    `project(genomes)`, `mate` (`cxBlend`, alpha 0.5), `mutate` (`mutGaussian` with the encoding's sigma, indpb 0.2) and
    `select` (`selTournament`, tournsize 3). Register another operator under a role to replace it, as in DEAP.

    Args:
        encoding: how genomes become phenotypes.
        objective: phenotypes (B, ...) -> fitness (B, M).
        weights: one for each of the M objectives, positive to maximise; the objective's own `weights` when left out,
            or (1.0,).
    """
    weights = tuple(getattr(objective, "weights", (1.0,)) if weights is None else weights)
    if not weights:
        raise InputError("weights is empty: expected one for each objective")

    @torch.no_grad()
    def evaluate(genomes: Tensor) -> Tensor:
        if len(genomes) == 0:
            return genomes.new_empty(0, len(weights), dtype=torch.float32)
        # In chunks that stay in the processor's caches, and so that memory does not grow with the population.
        return torch.cat([score(encoding.decode(chunk)) for chunk in genomes.split(CHUNK)])

    def score(phenotypes: Tensor) -> Tensor:
        fitness = objective(phenotypes)
        expected = (len(phenotypes), len(weights))
        if not isinstance(fitness, Tensor) or fitness.shape != expected:
            given = f"shape {tuple(fitness.shape)}" if isinstance(fitness, Tensor) else type(fitness).__name__
            raise InputError(
                f"the objective gave {given} for {len(phenotypes)} phenotypes: expected a tensor of shape {expected}, "
                f"one column for each weight in {weights}"
            )
        return fitness.to(torch.float32)

    def sample(n: int, streams: Streams) -> Tensor:
        return torch.stack([encoding.sample(n, streams[r]) for r in range(len(streams))])

    def population(n: int, replicates: int | range = 1, seed: int = 0) -> Population:
        if not isinstance(n, int) or n < 2:
            raise InputError(f"population is {n}: expected a whole number of individuals, 2 or more")
        streams = Streams(seed, replicates, encoding.device)
        return Population.unevaluated(sample(n, streams), weights, streams)

    box = base.Toolbox()
    box.register("population", population)
    box.register("sample", sample)
    box.register("evaluate", evaluate)
    box.register("project", encoding.project)
    box.register("mate", operators.cxBlend, alpha=0.5)
    box.register("mutate", operators.mutGaussian, mu=0.0, sigma=encoding.sigma, indpb=0.2)
    box.register("select", operators.selTournament, tournsize=3)
    return box
