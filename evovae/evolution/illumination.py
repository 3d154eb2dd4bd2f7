"""Illumination, or quality diversity: filling an archive with the best of every kind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from deap import base, tools
from torch import Tensor

from evovae.base import InputError, State, Streams, join, require_whole, shown
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.emitters.emitter import Emitter
from evovae.evolution.generation import Generations, collect
from evovae.evolution.logbook import Statistics
from evovae.evolution.loop import Algorithm, ask_and_tell
from evovae.evolution.population import Population
from evovae.evolution.run_state import Archive


def illuminate_iter(
    toolbox: base.Toolbox,
    archive: EliteArchive,
    emitter: Emitter | Sequence[Emitter],
    ngen: int,
    replicates: int | range = 1,
    seed: int = 0,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Yield the generations of `illuminate` (see there), or those that follow the one of a `state`."""
    require_whole("ngen", ngen, least=1)
    emitters = [emitter] if isinstance(emitter, Emitter) else list(emitter)
    if not emitters or not all(isinstance(one, Emitter) for one in emitters):
        raise InputError(f"emitter is {shown(emitter)}: expected an Emitter, or several")
    if not isinstance(archive, EliteArchive):
        raise InputError(f"archive is a {type(archive).__name__}: expected a GridArchive, or another of elites")
    if len(set(map(id, emitters))) < len(emitters):
        raise InputError("an emitter is given twice: make one for each, or one with more instances (emitters=)")
    streams = Streams(seed, replicates, toolbox.encoding.device)
    return ask_and_tell(_Illumination(toolbox, archive, emitters, streams), ngen, halloffame, state)


def illuminate(
    toolbox: base.Toolbox,
    archive: EliteArchive,
    emitter: Emitter | Sequence[Emitter],
    ngen: int,
    replicates: int | range = 1,
    seed: int = 0,
    stats: Statistics | None = None,
    halloffame: Archive | None = None,
    verbose: bool = False,
) -> tuple[EliteArchive, tools.Logbook]:
    """Fill an archive with the best of every kind (quality diversity; Mouret and Clune 2015, Fontaine et al. 2020).

        for g in range(ngen):
            population = ask(emitter)
            evaluate(population)
            insertion = update(archive, population)
            tell(emitter, population, insertion)

    What is asked of several emitters enters the archive as one batch. Genomes are projected into the support before
    they are evaluated, and emitters learn from the projected ones.

    Args:
        toolbox: made with `measures`; its roles `sample`, `project`, `evaluate`, and `gradients` where an emitter asks.
        archive: is filled; one that was filled before is filled further, if its replicates and genes are these.
        emitter: what proposes genomes, or several such. What they learned before is forgotten.
        ngen: number of generations, 1 or more.
        replicates: how many, or which.
        seed: of the random streams.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        verbose: print the logbook's stream after each generation.

    Returns:
        The archive, and a logbook with one entry a generation: `gen` and arrays over replicates, with `coverage`,
        `qd_score`, `norm_qd_score` and `best` of the archive besides what is known of other algorithms.

    Raises:
        InputError: if an argument is out of its range, or toolbox, archive and emitter do not fit together.
    """
    generations = illuminate_iter(toolbox, archive, emitter, ngen, replicates, seed, halloffame)
    _, logbook = collect(generations, stats, verbose)
    return archive, logbook


class _Illumination(Algorithm):
    """An archive and its emitters."""

    def __init__(self, toolbox: base.Toolbox, archive: EliteArchive, emitters: list[Emitter], streams: Streams) -> None:
        super().__init__(toolbox)
        if len(toolbox.weights) > 1:
            raise InputError(f"{len(toolbox.weights)} objectives: an archive compares by one; sum them")
        archive.require(len(streams), toolbox.encoding.dim)
        self._archive, self._emitters, self._streams = archive, emitters, streams
        for emitter in emitters:
            emitter.begin(toolbox, archive, streams)
        self._parts: list[tuple[int, int]] = []  # of each, how many points, and how many genomes

    def example(self) -> Population:
        genomes = self.toolbox.sample(1, self._streams.clone())
        return Population.unevaluated(genomes, self.toolbox.weights, self._streams)

    def ask(self, gen: int) -> Population:
        asked = [emitter.ask(self._streams) for emitter in self._emitters]
        # The points at which gradients were taken come first, of all emitters: they enter the archive before the rest.
        self._parts = [
            (emitter.points, genomes.shape[1]) for emitter, genomes in zip(self._emitters, asked, strict=True)
        ]
        if len(asked) > 1:
            points = [genomes[:, :count] for genomes, (count, _) in zip(asked, self._parts, strict=True)]
            others = [genomes[:, count:] for genomes, (count, _) in zip(asked, self._parts, strict=True)]
            asked = [torch.cat((*points, *others), 1)]
        return Population.unevaluated(self.toolbox.project(asked[0]), self.toolbox.weights, self._streams)

    def tell(self, population: Population) -> Population:
        points, size = sum(count for count, _ in self._parts), len(population)
        groups = [(0, points), (points, size)] if points else [(0, size)]
        first, *others = [self._archive.update(population.between(*group)) for group in groups]
        insertion = first.join(others[0]) if others else first
        if len(self._emitters) == 1:
            self._emitters[0].tell(population, insertion, self._streams)
            return population
        point, other = 0, points
        for emitter, (count, asked) in zip(self._emitters, self._parts, strict=True):
            spans = (point, point + count), (other, other + asked - count)
            part, rest = (population.between(*span) for span in spans)
            became = insertion.between(*spans[0]).join(insertion.between(*spans[1]))
            emitter.tell(part.join(rest), became, self._streams)
            point, other = spans[0][1], spans[1][1]
        return population

    def metrics(self) -> Mapping[str, Tensor]:
        return self._archive.metrics()

    def state(self) -> State:
        emitters = {f"{number}": emitter.state() for number, emitter in enumerate(self._emitters)}
        return join(archive=self._archive.state(), emitters=join(**emitters))

    def restore(self, survivors: Population, state: State) -> None:
        self._streams = survivors.streams
        self._archive.restore(state.part("archive"), survivors)
        for number, emitter in enumerate(self._emitters):
            emitter.restore(state.part(f"emitters/{number}"))
