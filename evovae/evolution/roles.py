"""Calling the roles of a toolbox and checking what they return: errors name the role, what came, what was expected."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor

from evovae.base import InputError, counts_are_free
from evovae.evolution.population import FLOATS, Population


class Evaluation(NamedTuple):
    """What the role `evaluate` may give, where there is more than fitness."""

    fitness: Tensor
    """(..., M)."""
    violation: Tensor | None = None
    """(...), 0 or less where all constraints are kept."""
    measures: Tensor | None = None
    """(..., K)."""


class EvaluationError(RuntimeError):
    """A generation could not be evaluated: the message names it, and the role or the objective that failed."""


@contextlib.contextmanager
def errors_from(source: str) -> Iterator[None]:
    """Turn any error of the block into one that names its `source`; errors about input name it themselves."""
    try:
        yield
    except (InputError, EvaluationError):
        raise
    except Exception as error:
        reason = " ".join(str(error).split())
        raise EvaluationError(f"{source} raised {type(error).__name__}: {reason}") from error


@contextlib.contextmanager
def in_generation(gen: int) -> Iterator[None]:
    """Name generation `gen` in the errors of a block."""
    try:
        yield
    except (InputError, EvaluationError) as error:
        raise type(error)(f"generation {gen}: {error}") from error


def make_children(
    role: str, operator: Callable[..., Any], parents: Sequence[Tensor], random: Any
) -> tuple[Tensor, ...]:
    """Return what the `operator` of the role `mate` or `mutate` makes of K `parents`: K tensors of their shape.

    Raises:
        InputError: if it gives anything else.
        EvaluationError: if it raises an error.
    """
    with errors_from(f"the role {role!r}"):
        children = operator(*parents, random)
    if len(parents) == 1:
        children = (children,)
    expected = f"{len(parents)} tensors" if len(parents) > 1 else "a tensor"
    shape, kind = tuple(parents[0].shape), parents[0].dtype
    if not isinstance(children, tuple) or len(children) != len(parents):
        given = f"{len(children)} children" if isinstance(children, tuple) else describe(children)
        raise InputError(f"the role {role!r} gave {given}: expected {expected} of shape {shape}")
    for child in children:
        if not isinstance(child, Tensor) or tuple(child.shape) != shape or child.dtype != kind:
            raise InputError(f"the role {role!r} gave {describe(child)}: expected {expected} of shape {shape}, {kind}")
    return children


def select(operator: Callable[..., Any], population: Population, k: int) -> Population:
    """Return those of `population` that the role `select` chooses.

    Raises:
        InputError: if it gives anything but a population of these replicates and genes, one individual or more.
        EvaluationError: if it raises an error.
    """
    with errors_from("the role 'select'"):
        chosen = operator(population, k)
    replicates, _, genes = population.genomes.shape
    if not isinstance(chosen, Population):
        raise InputError(f"the role 'select' gave {describe(chosen)}: expected a Population")
    shape = tuple(chosen.genomes.shape)
    if (shape[0], shape[2]) != (replicates, genes) or shape[1] == 0:
        raise InputError(f"the role 'select' gave genomes of shape {shape}: expected ({replicates}, {k}, {genes})")
    return chosen


def check_fitness(fitness: object, shape: torch.Size, weights: tuple[float, ...], name: str) -> Tensor:
    """Return what an objective or a role gave as fitness, float32 or float64 of `shape` (..., M).

    Raises:
        InputError: if it is no tensor of that shape; a single objective may leave M out.
    """
    expected = (*shape, len(weights))
    if isinstance(fitness, Tensor) and len(weights) == 1 and fitness.shape == shape:
        fitness = fitness.unsqueeze(-1)
    if not isinstance(fitness, Tensor) or fitness.shape != expected:
        raise InputError(
            f"{name} gave {describe(fitness)} for {math.prod(shape)} individuals: expected a tensor of shape "
            f"{expected}, one column for each weight in {weights}"
        )
    if fitness.dtype in FLOATS:
        return fitness
    return fitness.to(torch.float32 if fitness.is_floating_point() else torch.float64)


def check_measures(measures: object, shape: torch.Size, name: str) -> Tensor:
    """Return what measures or a role gave, float32 or float64 of `shape` (..., K).

    Raises:
        InputError: if it is no tensor of that shape, or has no column.
    """
    if not isinstance(measures, Tensor) or measures.shape[:-1] != shape or measures.shape[-1] == 0:
        expected = ", ".join([*map(str, shape), "K"])
        raise InputError(f"{name} gave {describe(measures)}: expected measures ({expected}), K at least 1")
    return measures if measures.dtype in FLOATS else measures.double()


def all_finite(values: Tensor) -> Tensor:
    """Return bool (...): where the numbers of `values` (..., D) are all finite."""
    if counts_are_free(values) and bool((finite := values.sum(-1).isfinite()).all()):
        return finite  # a sum of finite numbers alone; looking at each takes fifty times as long
    return values.isfinite().all(-1)


def describe(found: object) -> str:
    """Return what an answer is, in words."""
    return f"{found.dtype} of shape {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
