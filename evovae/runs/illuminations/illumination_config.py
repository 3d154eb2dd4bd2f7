"""What a command can ask of an illumination. Imports no torch: the command line shows it at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from evovae.base import (
    MAX_NUMBER,
    MIN_NUMBER,
    InputError,
    require_counts,
    require_number,
    require_types,
    require_whole,
    shown,
)
from evovae.runs.config import LARGE

Illumination = Literal["mapElites", "mapElitesLine", "cmaME", "cmaMAE", "cmaMEGA", "cmaMAEGA"]


@dataclass(frozen=True)
class IlluminateConfig:
    """One illumination: the archive, what proposes images to it, for how long."""

    algorithm: Illumination = "cmaMAE"
    """mapElites varies elites by noise, mapElitesLine along the lines between two as well; cmaME and cmaMAE adapt
    normal distributions; cmaMEGA and cmaMAEGA follow the gradients of objective and measures. Those with an A in the
    middle lift the threshold of a cell little by little."""
    grid: tuple[int, ...] | None = None
    """Cells along each measure; None: 100, fewer of more than two measures, and one for each class or number of
    loops."""
    ranges: tuple[float, ...] | None = None
    """Least and greatest value of each measure in turn, such as 0 784 0.5 1; None: what each is meant for, or what
    draws from the prior and training images have, and a tenth more."""
    generations: int = 1000
    """Generations, of EMITTERS times BATCH_SIZE evaluations each."""
    replicates: int = 5
    """Independent repetitions R, side by side."""
    seed: int = 0
    """Seed of the random streams."""
    emitters: int = 15
    """Emitters that propose images side by side in each replicate."""
    batch_size: int = 36
    """Images that each emitter proposes in a generation."""
    initial: int = 100
    """Draws from the prior that mapElites and mapElitesLine begin with."""
    sigma: float | None = None
    """Standard deviation of the noise, at the start where it adapts; of the coefficients of gradients for cmaMEGA and
    cmaMAEGA. None: what suits the encoding."""
    line_sigma: float = 0.2
    """mapElitesLine: standard deviation of the step towards another elite, as a part of the way."""
    step_size: float = 1.0
    """cmaMEGA and cmaMAEGA: how far a point moves towards the mean of its best branches, as a part of the way."""
    learning_rate: float = 0.01
    """cmaMAE and cmaMAEGA: how fast the threshold of a cell rises to the objective of what enters it, 0 to 1."""
    threshold_min: float | None = None
    """cmaMAE and cmaMAEGA: objective that an image must exceed to enter an empty cell; of one that is minimised, its
    negative. None: that from which the QD score counts."""
    qd_offset: float | None = None
    """Objective from which the QD score counts; None: the worst among 1,000 draws from the prior."""
    baselines: tuple[Literal["random-search"], ...] = ("random-search",)
    """Searches to compare with, each given as many evaluations; --baselines alone: none."""
    judges: bool = True
    """Let the judges say what they think of the elites; off, only one that objective or measures ask is trained."""
    device: str = "auto"
    """auto (CUDA when present, else the CPU), cpu, cuda, cuda:1, ..."""

    def __post_init__(self) -> None:
        """Refuse settings that illuminate nothing."""
        require_types(self)
        for name in ("generations", "replicates", "emitters", "initial"):
            require_whole(name, getattr(self, name), 1)
        require_whole("batch size", self.batch_size, 2)
        require_whole("seed", self.seed)
        if self.grid is not None:
            require_counts(self, "grid")
        if self.sigma is not None:
            require_number("sigma", self.sigma, MIN_NUMBER, LARGE)
        require_number("line sigma", self.line_sigma, most=LARGE)
        require_number("step size", self.step_size, MIN_NUMBER, LARGE)
        require_number("learning rate", self.learning_rate, most=1.0)
        for name in ("threshold_min", "qd_offset"):
            value = getattr(self, name)
            if value is not None and not abs(value) <= MAX_NUMBER:
                raise InputError(f"{name.replace('_', ' ')} is {value}: expected a finite objective")
        if self.ranges is not None:
            self._require_ranges(self.ranges)
        if len(set(self.baselines)) < len(self.baselines):
            raise InputError(f"baselines are {self.baselines}: name each once")

    def _require_ranges(self, ranges: tuple[float, ...]) -> None:
        pairs = list(zip(ranges[::2], ranges[1::2], strict=False))
        if 2 * len(pairs) != len(ranges) or not all(-MAX_NUMBER <= low < high <= MAX_NUMBER for low, high in pairs):
            raise InputError(f"ranges is {shown(ranges)}: expected two finite numbers for each measure, low < high")

    @property
    def spans(self) -> tuple[tuple[float, float], ...]:
        """The ranges, in pairs.

        Raises:
            InputError: if they are not known yet.
        """
        if self.ranges is None:
            raise InputError("ranges is None: expected those of the measures, which a search finds when it begins")
        return tuple(zip(self.ranges[::2], self.ranges[1::2], strict=True))
