"""Settings read back from JSON: known, of the right type and in range, or refused in one line."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from evovae.checks import LARGEST, hints_of, require, require_types
from evovae.config import CheckpointConfig, DataConfig, EvolveConfig, TrainConfig, VAEConfig
from evovae.errors import UNPRINTABLE, InputError, shown

T = TypeVar("T")


@dataclass(frozen=True)
class TrainingSettings:
    """What the configuration of a training run holds."""

    data: DataConfig
    model: VAEConfig
    training: TrainConfig
    images: str = ""
    """Digest of the image set; empty in a run older than digests."""
    start: str = ""
    """Where the VAE came from that training began with; empty: it began anew."""
    start_digest: str = ""
    """What tells that VAE from another."""
    classes: tuple[str, ...] = ()
    """Of the image set, the name of each label; empty in a run older than names."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        """Refuse names that no line of text can hold."""
        require_types(self)
        _require_printable("classes", self.classes)


@dataclass(frozen=True)
class EvolutionSettings:
    """What the configuration of an evolution run holds."""

    vae: str
    """Where the VAE came from."""
    evolution: EvolveConfig
    data: DataConfig
    names: tuple[str, ...]
    """Of the objectives."""
    weights: tuple[float, ...]
    """DEAP's, one for each objective."""
    images: str = ""
    """Digest of the image set; empty in a run older than digests."""
    classes: tuple[str, ...] = ()
    """Of the image set, the name of each label; empty in a run older than names."""
    genomes: str = ""
    """Where the genomes came from that were given; empty: none were."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        """Refuse names and weights that belong to no objectives."""
        require_types(self)
        require(len(self.names) > 0, f"names is {shown(self.names)}: expected those of objectives")
        _require_printable("names", self.names)
        _require_printable("classes", self.classes)
        fits = len(self.weights) == len(self.names) and all(0 < abs(weight) <= LARGEST for weight in self.weights)
        require(fits, f"weights is {shown(self.weights)}: expected a number other than 0 for each of the names")


def _require_printable(field: str, names: tuple[str, ...]) -> None:
    for name in names:
        fits = name != "" and not UNPRINTABLE.search(name)
        require(fits, f"{field} has {shown(name)}: expected a name without control characters, in UTF-8; rename it")


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
