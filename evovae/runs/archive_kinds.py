"""What the searches of an evolution keep of what they find, and what they are measured by.

A further kind of archive is an entry here: histories, tables, figures and pages ask it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evovae.evolution import HallOfFame, ParetoFront
from evovae.runs.config import EvolveConfig


@dataclass(frozen=True)
class ArchiveKind:
    """A kind of archive."""

    make: Callable[[EvolveConfig], HallOfFame]
    """Returns an empty one."""
    metric: str
    """What searches are compared by: one of the archive's metrics, and its column in a history."""
    label: str
    """Of the metric along an axis, with {} for the names of the objectives."""
    fitness: tuple[str, ...]
    """Columns of the fitness in the table of the best images."""
    minimise: bool = False
    """Whether a smaller value of the metric is better."""
    columns: tuple[str, ...] = ()
    """Of every history, beside those that all kinds have."""
    substitute: str = ""
    """Column whose best value so far the metric is, in a history that is older than it."""
    needs_reference: bool = False
    """Whether the metric is measured from a reference point."""
    every_image: bool = False
    """Whether all images in the archive count in a summary, or each replicate's best alone."""

    def title(self, names: Sequence[str]) -> str:
        """Return the label of the metric, given the `names` of the objectives."""
        return self.label.format(", ".join(names))


def kind_of_archive(names: Sequence[str], weights: Sequence[float]) -> ArchiveKind:
    """Return the kind for objectives of these `names` and `weights`, M each."""
    if len(names) > 1:
        return ArchiveKind(
            make=lambda config: ParetoFront(),
            metric="hypervolume",
            label="hypervolume of {}",
            fitness=tuple(names),
            columns=("hypervolume",),
            needs_reference=True,
            every_image=True,
        )
    minimise = weights[0] < 0
    return ArchiveKind(
        make=lambda config: HallOfFame(config.hall_of_fame),
        metric="best",
        label="best {} so far",
        fitness=("fitness",),
        minimise=minimise,
        columns=("min", "max"),
        substitute="min" if minimise else "max",
    )
