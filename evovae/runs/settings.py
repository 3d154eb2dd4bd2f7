"""What the configuration file of a run holds. Imports no torch."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from evovae.base import MAX_NUMBER, UNPRINTABLE, InputError, require_types, shown
from evovae.data import DataConfig
from evovae.models import TrainConfig, VAEConfig
from evovae.runs.config import CheckpointConfig, EvolveConfig, ProblemConfig
from evovae.runs.illuminations.illumination_config import IlluminateConfig


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
class Source:
    """A file of the user's that a run is made of."""

    named: str
    """As the command named it."""
    path: str
    """Where it is."""
    sha256: str
    """Of its content."""


@dataclass(frozen=True, kw_only=True)
class SearchSettings:
    """What the configuration of every search holds, beside its own settings: what it is about."""

    problem: ProblemConfig | None
    """As a command named it; None: it was made in Python, and is needed again to resume."""
    names: tuple[str, ...]
    """Of the objectives."""
    weights: tuple[float, ...]
    """DEAP's, one for each objective."""
    data: DataConfig | None = None
    """The image set; None: there is none."""
    images: str = ""
    """Digest of the image set; empty in a run older than digests."""
    classes: tuple[str, ...] = ()
    """Of the image set, the name of each label; empty in a run older than names."""
    genomes: str = ""
    """Where the genomes came from that were given; empty: none were."""
    sources: tuple[Source, ...] = ()
    """Files of the user's that the problem is made of."""
    measures: tuple[str, ...] = ()
    """Names of what is reported of the best beside fitness and realism; the axes of an archive."""
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)

    @property
    def search(self) -> EvolveConfig | IlluminateConfig:
        """How it is searched."""
        raise NotImplementedError

    def searching(self, search: EvolveConfig | IlluminateConfig) -> Self:
        """Return the settings of the same search, but for how it is searched."""
        raise NotImplementedError

    @property
    def objective(self) -> str:
        """What is evolved for: as a command named it, else the names."""
        return ", ".join(self.names) if self.problem is None else self.problem.objective

    def __post_init__(self) -> None:
        """Refuse names and weights that belong to no objectives."""
        require_types(self)
        if not self.names:
            raise InputError(f"names is {shown(self.names)}: expected those of objectives")
        _require_printable("names", self.names)
        _require_printable("classes", self.classes)
        if len(self.weights) != len(self.names) or not all(0 < abs(weight) <= MAX_NUMBER for weight in self.weights):
            raise InputError(f"weights is {shown(self.weights)}: expected a number other than 0 for each of the names")


@dataclass(frozen=True, kw_only=True)
class EvolutionSettings(SearchSettings):
    """What the configuration of an evolution run holds."""

    evolution: EvolveConfig

    @property
    def search(self) -> EvolveConfig:
        """How it is evolved."""
        return self.evolution

    def searching(self, search: EvolveConfig | IlluminateConfig) -> Self:
        """Return the settings with another `evolution`."""
        assert isinstance(search, EvolveConfig)
        return replace(self, evolution=search)


@dataclass(frozen=True, kw_only=True)
class IlluminationSettings(SearchSettings):
    """What the configuration of an illumination run holds."""

    illumination: IlluminateConfig

    @property
    def search(self) -> IlluminateConfig:
        """How it is illuminated."""
        return self.illumination

    def searching(self, search: EvolveConfig | IlluminateConfig) -> Self:
        """Return the settings with another `illumination`."""
        assert isinstance(search, IlluminateConfig)
        return replace(self, illumination=search)

    def __post_init__(self) -> None:
        """Refuse what has no axes."""
        super().__post_init__()
        _require_printable("measures", self.measures)
        if not self.measures:
            raise InputError("measures is (): expected their names, the axes of the archive")


def _require_printable(field: str, names: tuple[str, ...]) -> None:
    for name in names:
        if name == "" or UNPRINTABLE.search(name):
            raise InputError(
                f"{field} has {shown(name)}: expected a name without control characters, in UTF-8; rename it"
            )
