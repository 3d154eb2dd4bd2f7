"""What the searches of an evolution keep of what they find, what they are measured by, and what that asks of settings.

A further kind of archive is an entry here: settings, histories, tables, figures and pages ask it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from evovae.base import InputError
from evovae.evolution import HallOfFame, ParetoFront, Population
from evovae.objectives import Objective
from evovae.runs.config import Algorithm, EvolveConfig
from evovae.runs.evolutions.operators import Select
from evovae.runs.searches import BASELINES

MOST_OBJECTIVES = 5
FRONT = 200
"""Individuals of a front at most that are written, well spread."""


@dataclass(frozen=True)
class ArchiveKind:
    """A kind of archive."""

    make: Callable[[EvolveConfig], HallOfFame]
    """Returns an empty one."""
    found: Callable[[HallOfFame], Population]
    """Returns what is written of one."""
    algorithm: Algorithm
    """That `auto` means."""
    select: Select
    """That `auto` means."""
    require: Callable[[EvolveConfig, Objective], None]
    """Raises `InputError` unless settings without `auto` fit the objective."""
    metric: str
    """What searches are compared by: one of the archive's metrics, and its column in a history."""
    label: str
    """Of the metric along an axis, with {} for the names of the objectives."""
    figures: tuple[str, ...]
    """Of a run: names of `evolution_figures.FIGURES`."""
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
    return _hall_of_fame(weights[0] < 0) if len(names) == 1 else _front(names)


def _hall_of_fame(minimise: bool) -> ArchiveKind:
    return ArchiveKind(
        make=lambda config: HallOfFame(config.hall_of_fame),
        found=lambda archive: archive.population,
        algorithm="eaSimple",
        select="selTournament",
        require=_require_one_objective,
        metric="best",
        label="best {} so far",
        figures=("fitness", "filmstrip", "hall_of_fame"),
        fitness=("fitness",),
        minimise=minimise,
        columns=("min", "max"),
        substitute="min" if minimise else "max",
    )


def _front(names: Sequence[str]) -> ArchiveKind:
    return ArchiveKind(
        make=lambda config: ParetoFront(),
        found=_spread,
        algorithm="eaMuPlusLambda",
        select="selNSGA2",
        require=_require_many_objectives,
        metric="hypervolume",
        label="hypervolume of {}",
        figures=("hypervolume", "front_images", "front"),
        fitness=tuple(names),
        columns=("hypervolume",),
        needs_reference=True,
        every_image=True,
    )


def _spread(archive: HallOfFame) -> Population:
    front = ParetoFront(FRONT)
    front.update(archive.population)
    return front.population


def _require_many_objectives(config: EvolveConfig, objective: Objective) -> None:
    names = ", ".join(objective.names)
    if len(objective.names) > MOST_OBJECTIVES:
        raise InputError(
            f"{len(objective.names)} objectives are too many: expected at most {MOST_OBJECTIVES}, whose hypervolume "
            "can be measured in time"
        )
    if config.algorithm not in ("eaMuPlusLambda", "eaMuCommaLambda") or config.select != "selNSGA2":
        raise InputError(
            f"{config.algorithm} with {config.select} ranks by one objective, not by {names}: "
            "expected eaMuPlusLambda or eaMuCommaLambda with selNSGA2"
        )
    if config.stop_target is not None or config.stop_stagnation is not None:
        raise InputError(f"of {names} there is no best to stop at: use --stop-evaluations or --stop-seconds")
    if climbing := _climbing(config):
        raise InputError(f"{climbing} follows the gradient of one objective, not of {names}")


def _require_one_objective(config: EvolveConfig, objective: Objective) -> None:
    (name,) = objective.names
    if config.select == "selNSGA2":
        raise InputError(f"selNSGA2 weighs several objectives: for {name} use selTournament or selBest")
    if config.algorithm == "eaSimple" and config.select == "selBest":
        raise InputError("selBest lets everybody survive in eaSimple: use it with --algorithm eaMuPlusLambda")
    if (climbing := _climbing(config)) and not objective.smooth:
        raise InputError(f"objective {name} has no gradient to ascend: leave {climbing} out of --baselines")


def _climbing(config: EvolveConfig) -> str:
    """Return the baselines that follow a gradient."""
    return ", ".join(name for name in config.baselines if BASELINES[name].climbs)
