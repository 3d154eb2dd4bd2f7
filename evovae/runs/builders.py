"""Recipes: from settings to a toolbox, and to the generations of an algorithm."""

from __future__ import annotations

from dataclasses import replace

from deap import base

from evovae import evolution
from evovae.base import require, require_memory
from evovae.encodings import Encoding
from evovae.evolution import EarlyStopping
from evovae.objectives import Objective
from evovae.runs.config import EvolveConfig
from evovae.runs.searches import BASELINES


def require_use_of_genomes(config: EvolveConfig, count: int | None) -> None:
    """Raise `InputError` unless an evolution needs, and can use, the `count` genomes that are given; None: none are."""
    if count is None:
        require(not config.seeded, "seeded is True: it has no effect without genomes; give them with --genomes")
        return
    used = config.seeded or "genome/" in config.objective
    require(used, "genomes are given: they have no effect without --seeded or an objective such as target:genome/0")
    fits = not config.seeded or count <= config.population
    require(fits, f"population is {config.population}: expected at least the {count} genomes that it begins with")


MOST_OBJECTIVES = 5
STREAM = 5056
"""Bytes of a replicate's random stream."""


def settle(config: EvolveConfig, objective: Objective, encoding: Encoding) -> EvolveConfig:
    """Return `config` with every `auto` decided.

    Raises:
        InputError: if algorithm, operators, baselines and limits do not fit the objective or the encoding.
    """
    several, names = len(objective.names) > 1, ", ".join(objective.names)
    climbing = [name for name in config.baselines if BASELINES[name].climbs]
    algorithm, select = config.algorithm, config.select
    if algorithm == "auto":
        algorithm = "eaMuPlusLambda" if several else "eaSimple"
    if select == "auto":
        select = "selNSGA2" if several else "selTournament"
    if several:
        most = f"{len(objective.names)} objectives are too many: expected at most {MOST_OBJECTIVES}"
        require(len(objective.names) <= MOST_OBJECTIVES, f"{most}, whose hypervolume can be measured in time")
        require(
            algorithm in ("eaMuPlusLambda", "eaMuCommaLambda") and select == "selNSGA2",
            f"{algorithm} with {select} ranks by one objective, not by {names}: "
            "expected eaMuPlusLambda or eaMuCommaLambda with selNSGA2",
        )
        limits = config.stop_target is not None or config.stop_stagnation is not None
        require(not limits, f"of {names} there is no best to stop at: use --stop-evaluations or --stop-seconds")
        require(not climbing, f"{', '.join(climbing)} follows the gradient of one objective, not of {names}")
    else:
        require(select != "selNSGA2", f"selNSGA2 weighs several objectives: for {names} use selTournament or selBest")
        require(
            algorithm != "eaSimple" or select != "selBest",
            "selBest lets everybody survive in eaSimple: use it with --algorithm eaMuPlusLambda",
        )
        asked = algorithm != "eaGenerateUpdate" or config.select == "auto"
        require(asked, f"{select} is not for eaGenerateUpdate: its strategy selects by itself")
        without = f"objective {names} has no gradient to ascend: leave {', '.join(climbing)} out of --baselines"
        require(objective.smooth or not climbing, without)
    more = (config.offspring or config.population) > config.population
    require(
        algorithm != "eaMuCommaLambda" or select == "selTournament" or more,
        f"{select} lets all {config.population} offspring of eaMuCommaLambda survive: give more with --offspring",
    )
    if config.mate in ("cxOnePoint", "cxTwoPoint"):
        require(encoding.dim > 1, f"mate is {config.mate}: it needs 2 genes or more, and the VAE has {encoding.dim}")
    config = replace(config, algorithm=algorithm, select=select)  # which checks them together once more
    _require_room(config, encoding)
    return config


def _require_room(config: EvolveConfig, encoding: Encoding) -> None:
    """Refuse more individuals than fit in memory, by what each generation holds at the least."""
    size = max(config.population, config.offspring or 0)
    genes = 3 * 4 * encoding.dim  # of parents, of those selected and of children
    draws = 24 * config.tournsize if config.select == "selTournament" else 0
    words = f"population {size} in {config.replicates} replicates, tournsize {config.tournsize}"
    require_memory(words, config.replicates * (STREAM + size * (genes + draws)), encoding.device)


def make_toolbox(encoding: Encoding, objective: Objective, config: EvolveConfig) -> base.Toolbox:
    """Return the toolbox that a settled `config` describes."""
    toolbox = evolution.toolbox(encoding, objective)
    parameters = {
        "cxBlend": {"alpha": config.alpha},
        "cxSimulatedBinary": {"eta": config.eta},
        "cxUniform": {"indpb": config.swap},
    }.get(config.mate, {})
    toolbox.register("mate", getattr(evolution, config.mate), **parameters)
    toolbox.register("mutate", evolution.mutGaussian, mu=0.0, sigma=config.sigma, indpb=config.indpb)
    tournament = {"tournsize": config.tournsize} if config.select == "selTournament" else {}
    toolbox.register("select", getattr(evolution, config.select), **tournament)
    return toolbox


def make_stopping(config: EvolveConfig) -> EarlyStopping:
    """Return the limits of `config`."""
    return EarlyStopping(config.stop_target, config.stop_stagnation, config.stop_evaluations, config.stop_seconds)
