"""What operators share: parameters that are checked, bounds, and random draws."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from evovae.base import MAX_NUMBER, InputError, counts_are_free, numbers_on, shown

NUMBERS = "biuf"
"""numpy's kinds of real numbers: bool, signed and unsigned integer, float."""
ONE_OR_EACH = "expected a number, or one value a gene"

PerGene = float | Sequence[float] | np.ndarray | Tensor
"""A number, or one value a gene. Tensors on the genomes' device are used as they are, and not looked into elsewhere
than on the CPU: that would wait for the device."""


def per_gene(name: str, value: PerGene, genomes: Tensor) -> Tensor | float:
    """Return `value` as a number, or as a tensor () or (D,) beside the `genomes` (..., D).

    Raises:
        InputError: if it holds anything but numbers, or another number of them.
    """
    if isinstance(value, float | int):
        return value
    numbers = value if isinstance(value, Tensor) else _array(name, value)
    shape, size = tuple(numbers.shape), genomes.shape[-1]
    if shape not in ((), (size,)):
        raise InputError(f"{name} has shape {shape} for {size} genes: {ONE_OR_EACH}")
    if isinstance(numbers, Tensor):
        return numbers.to(genomes)
    if shape == ():
        return float(numbers)
    return numbers_on(tuple(numbers.astype(float).tolist()), genomes.dtype, genomes.device)


def bounds(low: PerGene, up: PerGene, genomes: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Return both bounds as `per_gene` does.

    Raises:
        InputError: if a bound is no number, or a lower one not below the upper one, or their distance is no finite
            float32 number.
    """
    beside = per_gene("low", low, genomes), per_gene("up", up, genomes)
    lows, ups = _known("low", low), _known("up", up)
    if lows is not None and ups is not None:
        with np.errstate(over="ignore", invalid="ignore"):
            width = ups - lows
        wrong = ~((width > 0) & (width < np.inf))
        if wrong.any():
            least, most = (np.broadcast_to(values, wrong.shape)[wrong].flat[0] for values in (lows, ups))
            raise InputError(f"bounds are {least:g} and {most:g}: expected finite ones, low < up")
    return beside


def check_nonnegative(name: str, value: PerGene) -> None:
    """Raise InputError unless all of `value` is finite and 0 or more."""
    if isinstance(value, float) and 0 <= value <= MAX_NUMBER:  # numpy takes its time over a number
        return
    known = _known(name, value)
    if known is None:
        return
    wrong = ~((known >= 0) & (known < np.inf))
    if wrong.any():
        raise InputError(f"{name} is {known[wrong].flat[0]:g}: expected a finite number, 0 or more")


def check_strength(name: str, value: float) -> None:
    """Raise InputError unless `value` is one finite number, 0 or more."""
    if not is_number(value):
        raise InputError(f"{name} is {shown(value)}: expected a finite number, 0 or more")
    check_nonnegative(name, value)


def check_probability(name: str, value: float) -> None:
    """Raise InputError unless `value` is a probability."""
    if not (is_number(value) and 0 <= value <= 1):
        raise InputError(f"{name} is {shown(value)}: expected a probability from 0 to 1")


def check_shares(cxpb: float, mutpb: float) -> None:
    """Raise InputError unless crossover and mutation have probabilities that leave none, or some, for copies."""
    check_probability("cxpb", cxpb)
    check_probability("mutpb", mutpb)
    if cxpb + mutpb > 1:
        raise InputError(f"cxpb and mutpb are {cxpb} and {mutpb}: expected a sum of at most 1, the rest are copies")


def check_at_least_two(genomes: Tensor, what: str, instead: str) -> int:
    """Return the number of genes D of `genomes` (..., D), or raise InputError where there is a single one."""
    size = genomes.shape[-1]
    if size < 2:
        raise InputError(f"{what} needs at least 2 genes, not {size}: use {instead}")
    return size


def is_number(value: object) -> bool:
    """Whether `value` is one real number: Python's, numpy's or a tensor's."""
    return isinstance(value, float | int | np.floating | np.integer) or (isinstance(value, Tensor) and value.ndim == 0)


def _known(name: str, value: PerGene) -> np.ndarray | None:
    """The float32 numbers of `value`, unless another device would have to be waited for."""
    if isinstance(value, Tensor):
        return value.detach().float().numpy() if counts_are_free(value) else None
    with np.errstate(over="ignore"):
        return _array(name, value).astype(np.float32)


def _array(name: str, value: float | Sequence[float] | np.ndarray) -> np.ndarray:
    """Return `value` as an array, or refuse it where it holds anything but real numbers: text would be read as some."""
    try:
        array = np.asarray(value)
    except (ValueError, TypeError):  # rows of unequal length
        array = np.array(None)
    if array.dtype.kind not in NUMBERS and not all(isinstance(number, Real) for number in array.flat):
        raise InputError(f"{name} is {shown(value)}: {ONE_OR_EACH}")
    return array


HALF_STEP = 2.0**-25
"""Draws are multiples of 2^-24: half a step is the most extreme quantile that they know."""


class Random(Protocol):
    """What an operator draws from."""

    def uniform(self, *shape: int) -> Tensor:
        """Draw float32 numbers from [0, 1), in `shape` and in memory that the caller owns."""


def integers(low: int, high: int, draws: Tensor) -> Tensor:
    """Whole numbers from `low` to `high`, both included."""
    return low + (draws.double() * (high - low + 1)).long()


def rescaled(draws: Tensor, probability: float) -> Tensor:
    """Numbers of (0, 1) from those `draws` that are below `probability`: one draw decides whether, and how far.

    Given that u < p, u / p is itself uniform. Few multiples of 2^-24 lie below a small p: they come as far apart, and
    no nearer to 0 and 1 than half of that.
    """
    edge = min(HALF_STEP / probability, 0.5)
    return (draws / probability).clamp_(edge, 1.0 - max(edge, 2.0 * HALF_STEP))


def clip(genomes: Tensor, low: PerGene, up: PerGene) -> Tensor:
    """Move genes out of bounds to the nearest bound: genomes (..., D) -> (..., D).

        toolbox.register("project", evolution.clip, low=-1.0, up=1.0)

    Args:
        genomes: (..., D).
        low: least value, a number or one a gene.
        up: greatest value, a number or one a gene.

    Raises:
        InputError: if `low` is not below `up`, or they have another number of values than there are genes.
    """
    low, up = bounds(low, up, genomes)
    return genomes.clamp(min=low).clamp(max=up)


def reflect(genomes: Tensor, low: PerGene, up: PerGene) -> Tensor:
    """Fold genes out of bounds back, as mirrors at both bounds would: genomes (..., D) -> (..., D).

    Unlike `clip`, it does not gather genes on the bounds. Any finite gene comes to lie inside, however far out it was;
    one inside stays as it is, to the bit. Parameters and errors are those of `clip`.
    """
    clipped = clip(genomes, low, up)
    # In float64, and the gene reduced first: the difference of a huge gene and a bound would forget the bound.
    start, end = (b.double() if isinstance(b, Tensor) else b for b in bounds(low, up, genomes))
    period = 2.0 * (end - start)
    phase = (genomes.double() % period - start) % period
    folded = start + torch.minimum(phase, period - phase)
    return torch.where(genomes == clipped, genomes, clip(folded.to(genomes.dtype), low, up))
