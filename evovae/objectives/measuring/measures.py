"""What measures are to those who ask them, and those of one's own."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from evovae.base import InputError, shown
from evovae.objectives.custom import called, passes_gradients

Range = tuple[float, float]


@dataclass(frozen=True)
class Measures:
    """K measures of a batch of phenotypes, with their names and what is known of each."""

    names: tuple[str, ...]
    function: Callable[[Tensor], Tensor]
    """Phenotypes (B, ...) to numbers (B, K)."""
    ranges: tuple[Range | None, ...]
    """Of each, least and greatest value that an archive tells apart; None where it is not known beforehand."""
    cells: tuple[int | None, ...]
    """Of each, how many values it has, if it counts a few; None where it has any."""
    rough: tuple[str, ...] = ()
    """Names of those that pass no gradient."""
    judged: bool = False
    """Whether one of them asks a judge."""

    def __call__(self, phenotypes: Tensor) -> Tensor:
        """Return the measures (B, K) of `phenotypes` (B, ...)."""
        return self.function(phenotypes)


def measure_by(
    name: str,
    function: Callable[[Tensor], Tensor],
    range: Range | None = None,
    *,
    cells: int | None = None,
    smooth: bool = True,
    judged: bool = False,
) -> Measures:
    """Return a single measure, of a `function` of phenotypes (B, ...) to numbers (B, 1)."""
    return Measures((name,), function, (range,), (cells,), () if smooth else (name,), judged)


def side_by_side(measures: Sequence[Measures]) -> Measures:
    """Return some measures as one, in their order.

    Raises:
        InputError: if a name is there twice.
    """
    names = tuple(name for one in measures for name in one.names)
    if len(set(names)) < len(names):
        raise InputError(f"measures {', '.join(names)}: each may be named once")
    return measures[0] if len(measures) == 1 else Measures(
        names,
        functools.partial(_join, tuple(measures)),
        tuple(span for one in measures for span in one.ranges),
        tuple(cells for one in measures for cells in one.cells),
        tuple(name for one in measures for name in one.rough),
        any(one.judged for one in measures),
    )  # fmt: skip


def _join(measures: Sequence[Measures], phenotypes: Tensor) -> Tensor:
    return torch.cat([one(phenotypes) for one in measures], 1)


def own_measures(function: Callable[..., Any], phenotypes: Tensor, name: str = "") -> Measures:
    """Return a function of phenotypes as measures; what is that already stays.

    Args:
        function: phenotypes (B, ...) -> (B, K), or (B,); with attributes, all of them optional: `names`, one for each
            of the K measures, and `ranges`, a least and a greatest value for each.
        phenotypes: some (B, ...) that it is asked for at once, to find K, mistakes, and whether it passes gradients.
        name: of a single measure that has none; measure_0, measure_1, ... when left out.

    Raises:
        InputError: if it raises, or does not give one row of numbers for each phenotype, or names or ranges do not fit.
    """
    if isinstance(function, Measures):
        return function
    if not callable(function):
        raise InputError(f"the measures are {type(function).__name__}: expected a function of phenotypes")
    with torch.no_grad():
        found = called(function, "the measures", phenotypes)
    if (
        not isinstance(found, Tensor)
        or not 1 <= found.ndim <= 2
        or len(found) != len(phenotypes)
        or not found.numel()
        or found.is_complex()
    ):
        given = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        expected = "a tensor (B, K) or (B,) of real numbers"
        raise InputError(f"the measures are {given} for {len(phenotypes)} phenotypes: expected {expected}")
    count = 1 if found.ndim == 1 else found.shape[1]
    unnamed = (name,) if name and count == 1 else tuple(f"{name or 'measure'}_{k}" for k in range(count))
    names = tuple(getattr(function, "names", ())) or unnamed
    ranges = tuple(getattr(function, "ranges", ())) or (None,) * count
    for what, given_ in (("names", names), ("ranges", ranges)):
        if len(given_) != count:
            raise InputError(f"the measures have {what} {shown(given_)}: expected {count}, one for each column")
    rough = () if passes_gradients(function, phenotypes) else names
    return Measures(names, functools.partial(_columns, function), ranges, (None,) * count, rough)


def _columns(function: Callable[[Tensor], Tensor], phenotypes: Tensor) -> Tensor:
    """Return what `function` gives, with a column where a single measure leaves it out, as floats."""
    found = function(phenotypes)
    columns = found.unsqueeze(1) if isinstance(found, Tensor) and found.ndim == 1 else found
    return columns if columns.is_floating_point() else columns.double()
