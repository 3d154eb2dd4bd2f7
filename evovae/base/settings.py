"""Settings read back from JSON: known, of the right type and in range, or refused in one line."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar, get_args

from evovae.base.checks import hints_of
from evovae.base.errors import InputError, shown

T = TypeVar("T")


def from_json(cls: type[T], values: object, path: Path) -> T:
    """Return the settings `cls`, a dataclass that checks its types, that a JSON object in the file `path` holds.

    A key that is not there keeps its default: it may be younger than the file. Lists serve as tuples.

    Raises:
        InputError: if a key is unknown, or missing without a default, or a value of another type or out of range.
    """
    with using_configuration(path):
        return _build(cls, values)


@contextlib.contextmanager
def using_configuration(path: Path) -> Iterator[None]:
    """Refuse the file `path` if the block, which makes something of its configuration, cannot.

    Raises:
        InputError: if the block raises that, or what torch raises of impossible sizes.
    """
    try:
        yield
    except (InputError, RuntimeError, TypeError) as error:
        reason = str(error).partition("\n")[0]  # torch's messages may continue with a stack trace
        raise InputError(f"{path} has a configuration that this evovae cannot read: {reason}") from error


def _build(cls: Any, values: Any) -> Any:
    if not isinstance(values, dict):
        raise InputError(f"{shown(values)} stands where {cls.__name__} was expected, a JSON object")
    hints = hints_of(cls)
    if unknown := sorted(values.keys() - hints.keys()):
        raise InputError(f"{shown(unknown[0])} is no setting of {cls.__name__}")
    needed = {f.name for f in fields(cls) if f.default is f.default_factory is MISSING}
    if missing := sorted(needed - values.keys()):
        raise InputError(f"{missing[0]} is missing")
    settings = {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}
    holders = {name: _dataclass_in(hint) for name, hint in hints.items()}
    nested = {
        name: tuple(_build(holder, one) for one in value) if isinstance(value, list) else _build(holder, value)
        for name, value in values.items()
        if (holder := holders[name]) and (value is not None or is_dataclass(hints[name]))
    }
    return cls(**settings | nested)


def _dataclass_in(hint: Any) -> Any:
    """Return the dataclass that a type is, may be beside None, or is a tuple of; None without one."""
    return next((one for one in (hint, *get_args(hint)) if is_dataclass(one)), None)
