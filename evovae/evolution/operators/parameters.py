"""Operators' parameters: checked where the host knows them, and brought beside the genomes."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real

import numpy as np
import torch
from torch import Tensor

from evovae.checks import MOST, require_whole
from evovae.devices import counts_are_free, numbers_on
from evovae.errors import InputError, shown

LARGEST = torch.finfo(torch.float32).max
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
    if isinstance(value, float) and 0 <= value <= LARGEST:  # numpy takes its time over a number
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


def check_count(name: str, value: int, least: int = 0, most: int = MOST) -> None:
    """Raise InputError unless `value` is a whole number from `least` to `most`."""
    require_whole(name, value, least, most)


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
