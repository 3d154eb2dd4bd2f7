"""What every emitter is to `illuminate`."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping

import torch
from deap import base
from torch import Tensor

from evovae.base import State, Streams, counts_are_free
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.insertion import Insertion
from evovae.evolution.population import Population


class Emitter(ABC):
    """Proposes genomes to an archive, for all replicates at once, and is told what became of them.

    `illuminate` calls `begin` once, then `ask` and `tell` in turn. The random streams are lent to it for each call: it
    draws the same numbers whatever the fitness, so that a replicate does not depend on others.
    """

    active: Tensor | None = None
    """Bool (R,): in which replicates the genomes asked for last were evaluated; None for all. A bandit sets it."""
    points: int = 0
    """How many of the genomes asked for, the first of each replicate, enter the archive before the others: those at
    which gradients were taken."""

    @abstractmethod
    def begin(self, toolbox: base.Toolbox, archive: EliteArchive, streams: Streams) -> None:
        """Forget what was learned, and prepare for the replicates of `streams`."""

    @abstractmethod
    def ask(self, streams: Streams) -> Tensor:
        """Return genomes (R, N, D) to be evaluated."""

    def tell(self, population: Population, insertion: Insertion, streams: Streams) -> None:  # noqa: B027
        """Learn from the evaluated `population` that was asked for, and from what the archive did with it."""

    def state(self) -> State:
        """Return what was learned."""
        return State()

    def restore(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027
        """Take up what `state` gave, in an emitter made with the same arguments, after `begin`.

        Raises:
            InputError: if it is that of another emitter.
        """


def elites_or(archive: EliteArchive, n: int, streams: Streams, others: Tensor) -> Tensor:
    """Draw `n` elites of each replicate (R, n, D); where it has none, genomes of `others` (R, L, D) in turn."""
    empty = archive.empty
    if empty is None:
        streams.fine_uniform(len(streams), n)  # whatever there is to draw from
    else:
        elites = archive.sample(n, streams)
        if counts_are_free(empty) and not bool(empty.any()):
            return elites
    turn = others[:, torch.arange(n, device=others.device) % others.shape[1]]
    return turn if empty is None else torch.where(empty.view(-1, 1, 1), turn, elites)
