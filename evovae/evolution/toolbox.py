"""A DEAP toolbox whose roles are filled with operators on whole populations."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import torch
from deap import base
from torch import Tensor

from evovae.errors import InputError
from evovae.evolution import operators
from evovae.evolution.operators.parameters import check_count
from evovae.evolution.population import Population
from evovae.evolution.variation import EvaluationError
from evovae.streams import Streams

if TYPE_CHECKING:
    from evovae.encodings import Encoding

CHUNK = 1024


def toolbox(
    encoding: Encoding, objective: Callable[[Tensor], Tensor], weights: Sequence[float] | None = None
) -> base.Toolbox:
    """Return a toolbox that evolves genomes of `encoding` for `objective`.

    Roles: `population(n, replicates=1, seed=0)`; `sample(n, streams)`; `evaluate(genomes (K, D)) -> fitness (K, M)`;
    `gradient(genomes)`, for a single objective, to the fitness and the gradient (K, D) of weight * fitness; `project`,
    the encoding's; `mate` (`cxBlend`, alpha 0.5), `mutate` (`mutGaussian` with the encoding's sigma, indpb 0.2) and
    `select` (`selTournament`, tournsize 3). Register another operator under a role to replace it, as in DEAP.

    Args:
        encoding: how genomes become phenotypes.
        objective: phenotypes (B, ...) -> fitness (B, M).
        weights: one for each of the M objectives, positive to maximise; the objective's own `weights` when left out,
            or (1.0,).
    """
    weights = _check_weights(getattr(objective, "weights", (1.0,)) if weights is None else weights)
    name = " ".join(("the objective", ", ".join(getattr(objective, "names", ())))).strip()

    @torch.no_grad()
    def evaluate(genomes: Tensor) -> Tensor:
        if len(genomes) <= CHUNK:
            return score(genomes)
        # In chunks that stay in the processor's caches, and so that memory does not grow with the population: results
        # kept one by one between the large buffers would keep these from being used again.
        fitness = torch.empty(len(genomes), len(weights), device=genomes.device)
        for chunk, place in zip(genomes.split(CHUNK), fitness.split(CHUNK), strict=True):
            place.copy_(score(chunk))
        return fitness

    def gradient(genomes: Tensor) -> tuple[Tensor, Tensor]:
        found = [_differentiate(score, chunk, weights) for chunk in genomes.split(CHUNK)]
        return torch.cat([fitness for fitness, _ in found]), torch.cat([slope for _, slope in found])

    def score(genomes: Tensor) -> Tensor:
        if len(genomes) == 0:
            return genomes.new_empty(0, len(weights), dtype=torch.float32)
        with _blaming("the decoder"):
            phenotypes = encoding.decode(genomes)
        with _blaming(name):
            return _check_fitness(objective(phenotypes), len(genomes), weights, name)

    def sample(n: int, streams: Streams) -> Tensor:
        return box.project(torch.stack([encoding.sample(n, stream) for stream in streams]))

    def population(n: int, replicates: int | range = 1, seed: int = 0) -> Population:
        check_count("population", n, least=1)
        streams = Streams(seed, replicates, encoding.device)
        return Population.unevaluated(sample(n, streams), weights, streams)

    box = base.Toolbox()
    box.register("population", population)
    box.register("sample", sample)
    box.register("evaluate", evaluate)
    box.register("gradient", gradient)
    box.register("project", encoding.project)
    box.register("mate", operators.cxBlend, alpha=0.5)
    box.register("mutate", operators.mutGaussian, mu=0.0, sigma=encoding.sigma, indpb=0.2)
    box.register("select", operators.selTournament, tournsize=3)
    return box


def _check_weights(weights: Sequence[float]) -> tuple[float, ...]:
    try:
        numbers = tuple(float(weight) for weight in weights)
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or not all(weight != 0 and math.isfinite(weight) for weight in numbers):
        raise InputError(f"weights are {weights}: expected a finite number other than 0 for each objective")
    return numbers


@contextlib.contextmanager
def _blaming(culprit: str) -> Iterator[None]:
    """Say in any error of the block whose it is; bad input says so itself."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        raise EvaluationError(f"{culprit} raised {type(error).__name__}: {error}") from error


def _check_fitness(fitness: object, count: int, weights: tuple[float, ...], name: str) -> Tensor:
    expected = (count, len(weights))
    if not isinstance(fitness, Tensor) or fitness.shape != expected:
        given = f"shape {tuple(fitness.shape)}" if isinstance(fitness, Tensor) else type(fitness).__name__
        raise InputError(
            f"{name} gave {given} for {count} phenotypes: expected a tensor of shape {expected}, "
            f"one column for each weight in {weights}"
        )
    return fitness.to(torch.float32)


@torch.enable_grad()
def _differentiate(
    score: Callable[[Tensor], Tensor], genomes: Tensor, weights: tuple[float, ...]
) -> tuple[Tensor, Tensor]:
    if len(weights) > 1:
        raise InputError(f"{len(weights)} objectives: a gradient climbs one; join them in a weighted sum")
    genomes = genomes.detach().requires_grad_()
    fitness = score(genomes)
    if not fitness.requires_grad:
        raise InputError("the objective passes no gradient to the genomes: it counts or compares; take a smooth one")
    (gradient,) = torch.autograd.grad(weights[0] * fitness.sum(), genomes)
    known = fitness.isfinite() & gradient.isfinite()  # elsewhere there is no way up
    return fitness.detach(), torch.where(known, gradient, 0.0)
