"""The course of a run: what hangs on its generations from the first to the last, and so belongs to every state."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from deap import tools
from torch import Tensor

from evovae.base import InputError, State, join
from evovae.evolution.population import Population

if TYPE_CHECKING:
    from evovae.evolution.generation import Generation


class Archive(Protocol):
    """What may be given to an algorithm as its hall of fame: `HallOfFame`, `ParetoFront`, or one's own.

    To be left and gone on with, one's own has the two further methods of `HallOfFame`: `state` and `restore`.
    """

    def update(self, population: Population) -> None:
        """Take in what is worth keeping of an evaluated population."""


class Follower(Protocol):
    """Who goes along with a run from outside, such as `EarlyStopping`."""

    restored: bool
    """Whether it goes on from a state already."""

    def state(self) -> State:
        """Return what it knows so far."""

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""


class Course:
    """What hangs on a run of generations from its first to its last: archive, books, and who follows it.

    Args:
        archive: takes in every generation; None keeps none.
        state: what a generation gave, whose successors these are; None at the start.
        population: with a state, one of as many replicates and genes, with the same weights.

    Attributes:
        latest: the generation that was yielded last; None while the next is being made.

    Raises:
        InputError: if the archive is none, or `state` is that of a run without one.
    """

    def __init__(
        self,
        archive: Archive | None,
        state: Mapping[str, Tensor] | None = None,
        population: Population | None = None,
    ) -> None:
        if archive is not None and (isinstance(archive, tools.HallOfFame) or not hasattr(archive, "update")):
            kind = f"{type(archive).__module__}.{type(archive).__qualname__}"
            raise InputError(
                f"halloffame is a {kind}: expected evolution.HallOfFame, ParetoFront, or one's own Archive"
            )
        self._archive, self._followers = archive, list[Follower]()
        self._before = None if state is None else State(state)
        self._columns: dict[str, list[Tensor]] = {}
        self.latest: Generation | None = None
        if self._before is not None and population is not None:
            self._restore(self._before, population)

    def _restore(self, state: State, population: Population) -> None:
        books, device = state.part("books"), population.genomes.device
        sizes = {(), (population.replicates,), (population.replicates, len(population.weights))}
        lines = len(books["gen"].flatten()) if books else 0
        for name, values in books.items():
            if values.ndim == 0 or len(values) != lines or tuple(values.shape[1:]) not in sizes:
                expected = f"{lines} generations of {population.replicates} replicates"
                raise InputError(f"the state has books of {name} of shape {tuple(values.shape)}: expected {expected}")
        self._columns = {name: list(values.to(device).unbind(0)) for name, values in books.items()}
        if self._archive is None or "archived" not in state:  # of an older version, which left that to its caller
            return
        if not state.number("archived"):
            raise InputError("the state is that of a run without a hall of fame: go on without one")
        self._archive.restore(state.part("archive"), population)  # type: ignore[attr-defined]

    def follow(self, stopping: Follower) -> None:
        """Let `stopping` go on where it was when the state was taken, and be part of the states from now on."""
        part = f"stopping/{len(self._followers)}"
        if self._before is not None and not stopping.restored and (found := self._before.part(part)):
            stopping.restore(found)
        self._followers.append(stopping)

    def enter(self, generation: Generation) -> None:
        """Take in a generation."""
        if self._archive is not None:
            self._archive.update(generation.offspring)
        gen = torch.full((), generation.gen, dtype=torch.int64, device=generation.nevals.device)
        for name, values in {"gen": gen, **generation.recorded}.items():
            self._columns.setdefault(name, []).append(values)

    @property
    def lines(self) -> list[dict[str, np.ndarray]]:
        """The books, a line for each generation from the first on, as `Generation.statistics` has them, and `gen`."""
        whole = {name: torch.stack(values).cpu().numpy() for name, values in self._columns.items()}
        return [dict(zip(whole, line, strict=True)) for line in zip(*whole.values(), strict=True)]

    def state(self) -> State:
        """Return archive, books, and what the followers know."""
        if self._archive is not None and not hasattr(self._archive, "state"):
            raise InputError(f"halloffame is a {type(self._archive).__name__} without `state` and `restore`")
        archive = State() if self._archive is None else self._archive.state()
        return join(
            archived=int(self._archive is not None),
            archive=archive,
            books={name: torch.stack(values) for name, values in self._columns.items()},
            stopping=join(**{f"{number}": stopping.state() for number, stopping in enumerate(self._followers)}),
        )
