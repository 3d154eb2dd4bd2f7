"""Operators' parameters: checked where the host knows them, and brought beside the genomes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from numbers import Integral

import numpy as np
import torch
from torch import Tensor

from evovae.devices import counts_are_free
from evovae.errors import InputError

LARGEST = torch.finfo(torch.float32).max

PerGene = float | Sequence[float] | np.ndarray | Tensor
"""A number, or one value a gene. Tensors on the genomes' device are used as they are, and not looked into elsewhere
than on the CPU: that would wait for the device."""


def per_gene(name: str, value: PerGene, genomes: Tensor) -> Tensor | float:
    """Return `value` as a number, or as a tensor () or (D,) beside the `genomes` (..., D).

    Raises:
        InputError: if it has another number of values.
    """
    if isinstance(value, float | int):
        return value
    shape = tuple(value.shape) if isinstance(value, Tensor) else np.shape(value)
    size = genomes.shape[-1]
    if shape not in ((), (size,)):
        raise InputError(f"{name} has shape {shape} for {size} genes: expected a number, or one value a gene")
    if isinstance(value, Tensor):
        return value.to(genomes)
    if shape == ():
        return float(value)  # type: ignore[arg-type]
    return _on_device(tuple(np.asarray(value, dtype=float).tolist()), genomes.dtype, genomes.device)


def bounds(low: PerGene, up: PerGene, genomes: Tensor) -> tuple[Tensor | float, Tensor | float]:
    """Return both bounds as `per_gene` does.

    Raises:
        InputError: if a lower bound is not below the upper one, or their distance is no finite float32 number.
    """
    beside = per_gene("low", low, genomes), per_gene("up", up, genomes)
    lows, ups = _known(low), _known(up)
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
    known = _known(value)
    if known is None:
        return
    wrong = ~((known >= 0) & (known < np.inf))
    if wrong.any():
        raise InputError(f"{name} is {known[wrong].flat[0]:g}: expected a finite number, 0 or more")


def check_probability(name: str, value: float) -> None:
    """Raise InputError unless `value` is a probability."""
    if not 0 <= value <= 1:
        raise InputError(f"{name} is {value}: expected a probability from 0 to 1")


def check_count(name: str, value: int, least: int = 0) -> None:
    """Raise InputError unless `value` is a whole number, `least` or more."""
    if not isinstance(value, Integral) or value < least:
        raise InputError(f"{name} is {value}: expected a whole number, {least} or more")


def check_at_least_two(genomes: Tensor, what: str, instead: str) -> int:
    """Return the number of genes D of `genomes` (..., D), or raise InputError where there is a single one."""
    size = genomes.shape[-1]
    if size < 2:
        raise InputError(f"{what} needs at least 2 genes, not {size}: use {instead}")
    return size


def _known(value: PerGene) -> np.ndarray | None:
    """The float32 numbers of `value`, unless another device would have to be waited for."""
    if isinstance(value, Tensor) and not counts_are_free(value):
        return None
    with np.errstate(over="ignore"):
        return np.asarray(value, dtype=np.float32)


@functools.lru_cache(maxsize=64)
def _on_device(values: tuple[float, ...], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Values on a device, copied to it once: a copy in each generation would wait for it."""
    return torch.tensor(values, dtype=dtype, device=device)
