"""The algorithms of illumination, by name: what archive each fills, and what proposes genomes to it.

Imports no torch: the settings of a run name them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

from evovae import evolution

if TYPE_CHECKING:
    from evovae.evolution import Emitter
    from evovae.runs.illuminations.illumination_config import IlluminateConfig, Illumination


class IlluminationMethod(NamedTuple):
    """An algorithm of illumination."""

    emitter: Callable[[IlluminateConfig], Emitter]
    """Makes what proposes genomes, of settings that are resolved."""
    anneals: bool = False
    """Whether the thresholds of cells rise little by little."""
    climbs: bool = False
    """Whether it follows the gradients of objective and measures."""


def _gaussian(config: IlluminateConfig) -> Emitter:
    return evolution.GaussianEmitter(config.sigma, config.emitters * config.batch_size, config.initial)


def _line(config: IlluminateConfig) -> Emitter:
    size = config.emitters * config.batch_size
    return evolution.IsoLineEmitter(config.sigma, config.line_sigma, size, config.initial)


def _strategy(config: IlluminateConfig) -> Emitter:
    return evolution.EvolutionStrategyEmitter(
        _sigma(config), config.batch_size, config.emitters, "2imp", "filter", "no_improvement"
    )


def _annealing_strategy(config: IlluminateConfig) -> Emitter:
    return evolution.EvolutionStrategyEmitter(_sigma(config), config.batch_size, config.emitters, "imp", "mu", "basic")


def _branches(config: IlluminateConfig) -> Emitter:
    return evolution.GradientArborescenceEmitter(
        _sigma(config), config.step_size, config.batch_size, config.emitters, "2imp"
    )


def _annealing_branches(config: IlluminateConfig) -> Emitter:
    return evolution.GradientArborescenceEmitter(
        _sigma(config), config.step_size, config.batch_size, config.emitters, "imp"
    )


def _sigma(config: IlluminateConfig) -> float:
    assert config.sigma is not None, "it is resolved"
    return config.sigma


ILLUMINATIONS: dict[Illumination, IlluminationMethod] = {
    "mapElites": IlluminationMethod(_gaussian),
    "mapElitesLine": IlluminationMethod(_line),
    "cmaME": IlluminationMethod(_strategy),
    "cmaMAE": IlluminationMethod(_annealing_strategy, anneals=True),
    "cmaMEGA": IlluminationMethod(_branches, climbs=True),
    "cmaMAEGA": IlluminationMethod(_annealing_branches, anneals=True, climbs=True),
}
