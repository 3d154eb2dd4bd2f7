"""Objectives of one's own: any function of phenotypes, asked once to learn what it gives."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from evovae.base import InputError, Streams, failure, shown
from evovae.objectives.functions import Objective

NEEDS = ("population", "random", "reevaluate")
"""What a function may ask for by attributes of these names, as `evolution.toolbox` has them."""


def custom(
    function: Callable[..., Any],
    phenotypes: Tensor,
    name: str = "",
    weights: Sequence[float] | None = None,
    **needs: bool | None,
) -> Objective:
    """Return a function of phenotypes as an objective with names and weights; one that is an objective already stays.

    Args:
        function: phenotypes (B, ...) -> fitness (B, M), or (B,); with attributes, all of them optional: `weights`, one
            for each of the M objectives, +1 (maximise) where there are none; `names`; `population`, `random` and
            `reevaluate`, as `evolution.toolbox` has them.
        phenotypes: some (B, ...) that it is asked for at once, to find M, mistakes, and whether it passes gradients.
        name: of the objective, in messages, tables and figures; the function's own when left out.
        weights: instead of the function's.
        needs: `population`, `random`, `reevaluate` instead of the function's.

    Raises:
        InputError: if it raises, or does not give one row of finite or missing numbers for each phenotype, or names or
            weights are not as many.
    """
    asked = {need: needs.get(need) for need in NEEDS}
    known = {need: bool(getattr(function, need, False)) if value is None else value for need, value in asked.items()}
    own = getattr(function, "__name__", type(function).__name__)
    name = name or ("objective" if own == "<lambda>" else own)
    if isinstance(function, Objective):
        count, smooth = len(function.names), function.smooth
    else:
        count, smooth = _ask(function, phenotypes, name, population=known["population"], random=known["random"])
    names = tuple(getattr(function, "names", ())) or tuple(name if count == 1 else f"{name}_{i}" for i in range(count))
    found = tuple(getattr(function, "weights", (1.0,) * count) if weights is None else weights)
    for what, given in (("names", names), ("weights", found)):
        if len(given) != count:
            raise InputError(
                f"objective {name} has {what} {shown(given)}: expected {count}, one for each column it gives"
            )
    if isinstance(function, Objective):
        return replace(
            function,
            weights=tuple(map(float, found)),
            population=known["population"],
            random=known["random"],
            reevaluate=known["reevaluate"],
        )
    asked_for = functools.partial(_columns, function, 2 if known["population"] else 1)
    return Objective(names, tuple(map(float, found)), asked_for, smooth, judged=False, **known)


def _columns(function: Callable[..., Any], individuals: int, phenotypes: Tensor, *random: Any) -> Any:
    """Return what `function` gives, with a column where a single objective leaves it out."""
    found = function(phenotypes, *random)
    return found.unsqueeze(-1) if isinstance(found, Tensor) and found.ndim == individuals else found


def _ask(
    function: Callable[..., Any], phenotypes: Tensor, name: str, *, population: bool, random: bool
) -> tuple[int, bool]:
    """Return the number of objectives of `function`, and whether gradients pass through it."""
    if not callable(function):
        raise InputError(f"objective {name} is {type(function).__name__}: expected a function of phenotypes")
    asked = phenotypes.detach().unsqueeze(0) if population else phenotypes.detach()
    expected = asked.shape[: 2 if population else 1]
    draws = (Streams(0, len(asked), asked.device),) if random else ()
    with torch.no_grad():
        found = called(function, f"objective {name}", asked, *draws)
    whole = isinstance(found, Tensor) and found.shape[: len(expected)] == expected
    if not whole or found.ndim > len(expected) + 1 or not found.shape[len(expected) :].numel():
        given = f"{found.dtype} {tuple(found.shape)}" if isinstance(found, Tensor) else type(found).__name__
        shape = "(R, N, M)" if population else "(B, M) or (B,)"
        raise InputError(
            f"objective {name} gives {given} for phenotypes {tuple(asked.shape)}: expected a tensor {shape}"
        )
    if found.is_complex():
        raise InputError(f"objective {name} gives {found.dtype}: expected real numbers")
    count = found.shape[-1] if found.ndim > len(expected) else 1
    return count, not draws and not population and passes_gradients(function, asked)


def called(function: Callable[..., Any], what: str, *arguments: Any) -> Any:
    """Return what a function of the user's gives; `what` it is, in the line that says that it raised.

    Raises:
        InputError: if it raised.
    """
    try:
        return function(*arguments)
    except InputError:
        raise
    except Exception as error:
        code = getattr(function, "__code__", None)
        raise InputError(f"{what} raised {failure(error, code and code.co_filename)}") from error


def passes_gradients(function: Callable[..., Any], phenotypes: Tensor) -> bool:
    """Whether what `function` makes of `phenotypes` (B, ...) has a gradient that leads to them."""
    try:
        with torch.enable_grad():
            found: Tensor = function(phenotypes.clone().requires_grad_())
    except Exception:  # numpy, say, takes no tensor that asks for gradients
        return False
    return found.requires_grad
