"""From settings to a toolbox and limits, or to the reason why they do not fit together."""

from __future__ import annotations

from dataclasses import replace

from deap import base

from evovae import evolution
from evovae.base import InputError, require_memory
from evovae.encodings import Encoding
from evovae.evolution import EarlyStopping
from evovae.objectives import Objective
from evovae.runs.config import EvolveConfig
from evovae.runs.evolutions.archive_kinds import kind_of_archive
from evovae.runs.evolutions.operators import CROSSOVERS, SELECTIONS

STREAM = 5056
"""Bytes of a replicate's random stream."""


def require_use_of_genomes(config: EvolveConfig, objective: str, count: int | None) -> None:
    """Raise `InputError` unless an evolution needs, and can use, the `count` genomes that are given; None: none are.

    The `objective` is as it was named.
    """
    if count is None:
        if config.seeded:
            raise InputError("seeded is True: it has no effect without genomes; give them with --genomes")
        return
    if not config.seeded and "genome/" not in objective:
        raise InputError(
            "genomes are given: they have no effect without --seeded or an objective such as target:genome/0"
        )
    if config.seeded and count > config.population:
        raise InputError(
            f"population is {config.population}: expected at least the {count} genomes that it begins with"
        )


def resolve_auto(config: EvolveConfig, objective: Objective, encoding: Encoding) -> EvolveConfig:
    """Return `config` with algorithm and selection in the place of `auto`, and the encoding's `sigma` if it is one.

    Raises:
        InputError: if algorithm, operators, baselines and limits do not fit the objective or the encoding.
    """
    kind = kind_of_archive(objective.names, objective.weights)
    algorithm = kind.algorithm if config.algorithm == "auto" else config.algorithm
    select = kind.select if config.select == "auto" else config.select
    sigma = encoding.sigma if config.sigma is None and isinstance(encoding.sigma, float) else config.sigma
    resolved = replace(config, algorithm=algorithm, select=select, sigma=sigma)  # which checks them together once more
    kind.require(resolved, objective)
    if algorithm == "eaGenerateUpdate" and config.select != "auto":
        raise InputError(f"{select} is not for eaGenerateUpdate: its strategy selects by itself")
    more = (config.offspring or config.population) > config.population
    if algorithm == "eaMuCommaLambda" and select != "selTournament" and not more:
        raise InputError(
            f"{select} lets all {config.population} offspring of eaMuCommaLambda survive: give more with --offspring"
        )
    if encoding.dim < (least := CROSSOVERS[config.mate].genes):
        raise InputError(f"mate is {config.mate}: it needs {least} genes or more, and the encoding has {encoding.dim}")
    _require_room(resolved, encoding)
    return resolved


def _require_room(config: EvolveConfig, encoding: Encoding) -> None:
    """Refuse more individuals than fit in memory, by what each generation holds at the least."""
    size = max(config.population, config.offspring or 0)
    genes = 3 * 4 * encoding.dim  # of parents, of those selected and of children
    draws = 24 * config.tournsize if config.select == "selTournament" else 0
    words = f"population {size} in {config.replicates} replicates, tournsize {config.tournsize}"
    require_memory(words, config.replicates * (STREAM + size * (genes + draws)), encoding.device)


def make_toolbox(encoding: Encoding, objective: Objective, config: EvolveConfig) -> base.Toolbox:
    """Return the toolbox that a `config` without `auto` describes."""
    toolbox = evolution.toolbox(encoding, objective)
    sigma = encoding.sigma if config.sigma is None else config.sigma
    toolbox.register("mutate", evolution.mutGaussian, mu=0.0, sigma=sigma, indpb=config.indpb)
    for role, known in (("mate", CROSSOVERS), ("select", SELECTIONS)):
        name = getattr(config, role)
        parameters = {parameter: getattr(config, setting) for parameter, setting in known[name].parameters.items()}
        toolbox.register(role, getattr(evolution, name), **parameters)
    return toolbox


def make_stopping(config: EvolveConfig) -> EarlyStopping:
    """Return the limits of `config`."""
    return EarlyStopping(config.stop_target, config.stop_stagnation, config.stop_evaluations, config.stop_seconds)
