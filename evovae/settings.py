"""Settings read back from JSON: known, of the right type and in range, or refused in one line."""

from __future__ import annotations

from dataclasses import MISSING, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, TypeVar

from evovae.checks import LARGEST, hints_of, require, require_types
from evovae.config import CheckpointConfig, DataConfig, EvolveConfig, TrainConfig, VAEConfig
from evovae.errors import InputError, shown

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
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)


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
    genomes: str = ""
    """Where the genomes came from that were given; empty: none were."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    def __post_init__(self) -> None:
        """Refuse names and weights that belong to no objectives."""
        require_types(self)
        plain = all(name.isascii() and name.isprintable() and "$" not in name for name in self.names)  # figures show it
        require(plain and len(self.names) > 0, f"names is {shown(self.names)}: expected those of objectives")
        fits = len(self.weights) == len(self.names) and all(0 < abs(weight) <= LARGEST for weight in self.weights)
        require(fits, f"weights is {shown(self.weights)}: expected a number other than 0 for each of the names")


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
