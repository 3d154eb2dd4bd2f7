"""Checks of single settings; each refuses a value in one line that names it and what was expected."""

from __future__ import annotations

import functools
from numbers import Integral, Real
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from evovae.base.errors import InputError, shown

MAX_WHOLE = 2**63 - 1
"""The largest whole number of a tensor."""
MIN_NUMBER, MAX_NUMBER = 1.1754943508222875e-38, 3.4028234663852886e38
"""Of the positive numbers of float32: in a tensor, what is smaller may be zero, and what is larger is infinite."""

_KINDS: dict[Any, str] = {
    int: "a whole number",
    float: "a number",
    bool: "true or false",
    str: "text",
    NoneType: "None",
}


def is_whole(value: object) -> bool:
    """Whether `value` is a whole number, Python's or numpy's; true and false are none."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def require_whole(name: str, value: int, least: int = 0, most: int = MAX_WHOLE) -> None:
    """Raise `InputError` unless `value` is a whole number from `least` to `most`; NaN and infinity are none."""
    if not (is_whole(value) and least <= value <= most):
        limits = f"{least} or more, below 2^63" if most == MAX_WHOLE else f"{least} to {most}"
        raise InputError(f"{name} is {shown(value)}: expected a whole number, {limits}")


def require_counts(config: Any, *names: str, most: int = MAX_WHOLE) -> None:
    """Raise `InputError` unless these fields of `config`, numbers or tuples of them, are whole, from 1 to `most`."""
    for name in names:
        value = getattr(config, name)
        for count in value if isinstance(value, tuple) else (value,):
            require_whole(name, count, 1, most)
        if value == ():
            raise InputError(f"{name} is empty: expected one number or more")


def require_number(name: str, value: float, least: float = 0.0, most: float = MAX_NUMBER) -> None:
    """Raise `InputError` unless `value` is from `least`, 0 or positive, to `most`; NaN is not."""
    if not (isinstance(value, Real) and least <= value <= most):
        limits = f"a positive number, {least:.2g} to {most:.2g}" if least else f"0 or more, up to {most:.2g}"
        raise InputError(f"{name} is {shown(value)}: expected {limits}")


@functools.cache
def hints_of(cls: Any) -> dict[str, Any]:
    """Return the type of each field of a dataclass."""
    return get_type_hints(cls)


def require_types(config: Any) -> None:
    """Raise `InputError` unless every field of a dataclass is of the type that it names: one read from a file may not.

    Whole numbers are numbers too; a choice between words is one of them.
    """
    for name, hint in hints_of(config.__class__).items():
        value = getattr(config, name)
        if not _is_of(value, hint):
            raise InputError(f"{name.replace('_', ' ')} is {shown(value)}: expected {_describe(hint)}")


def _is_of(value: object, hint: Any) -> bool:
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Literal:
        return isinstance(value, str) and value in inner
    if kind is tuple:
        return isinstance(value, tuple) and all(_is_of(item, inner[0]) for item in value)
    if kind in (Union, UnionType):
        return any(_is_of(value, one) for one in inner)
    if isinstance(value, bool):
        return hint is bool
    return isinstance(value, (int, float) if hint is float else hint)


def _describe(hint: Any) -> str:
    kind, inner = get_origin(hint), get_args(hint)
    if kind is Literal:
        return f"one of {', '.join(inner)}"
    if kind is tuple:
        return f"a tuple, each {_describe(inner[0])}"
    if kind in (Union, UnionType):
        return " or ".join(map(_describe, inner))
    return _KINDS.get(hint) or f"a {hint.__name__}"
