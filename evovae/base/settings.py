"""Settings read back from JSON: known, of the right type and in range, or refused in one line."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from evovae.base.checks import hints_of
from evovae.base.errors import InputError, shown

T = TypeVar("T")


def from_json(cls: type[T], values: object, path: Path) -> T:
    """Return the settings `cls`, a dataclass that checks its types, that a JSON object in the file `path` holds.

    A key that is not there keeps its default: it may be younger than the file. Lists serve as tuples.

    Raises:
        InputError: if a key is unknown, or missing without a default, or a value of another type or out of range.
    """
    try:
        return _build(cls, values)
    except InputError as error:
        raise InputError(f"{path} has a configuration that this evovae cannot read: {error}") from error


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
    nested = {name: _build(hints[name], value) for name, value in values.items() if is_dataclass(hints[name])}
    return cls(**settings | nested)
