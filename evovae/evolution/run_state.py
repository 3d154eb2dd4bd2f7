"""What a run carries through all its generations, and so belongs to every state: hall of fame, logbook, stopping."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import numpy as np
import torch
from deap import tools
from torch import Tensor

from evovae.base import InputError, State, join
from evovae.evolution.population import Population

if TYPE_CHECKING:
    from evovae.evolution.generation import Generation
    from evovae.evolution.stopping import EarlyStopping

LOGBOOK = "books"
"""What the logbook is called in states, those saved by earlier versions included."""


class Archive(Protocol):
    """What may be given to an algorithm as its hall of fame: `HallOfFame`, `ParetoFront`, or one's own.

    For a run that is resumed, one's own has the two further methods of `HallOfFame`: `state` and `restore`.
    """

    def update(self, population: Population) -> object:
        """Take in what is worth keeping of an evaluated population; what it returns counts for nothing."""


class RunState:
    """The hall of fame, the logbook and the early stopping of one run.

    Args:
        archive: takes in every generation; None keeps none.

    Attributes:
        latest: the generation that was yielded last; None while the next is being made.

    Raises:
        InputError: if the archive is none.
    """

    def __init__(self, archive: Archive | None) -> None:
        if archive is not None and (isinstance(archive, tools.HallOfFame) or not hasattr(archive, "update")):
            kind = f"{type(archive).__module__}.{type(archive).__qualname__}"
            raise InputError(
                f"halloffame is a {kind}: expected evolution.HallOfFame, ParetoFront, or one's own Archive"
            )
        self._archive = archive
        self._stopping: list[EarlyStopping] = []
        self._restored = State()
        self._columns: dict[str, list[Tensor]] = {}
        self.latest: Generation | None = None

    def restore(self, state: State, population: Population) -> None:
        """Continue from `state`, of a run with the replicates, genes and objectives of `population`.

        Raises:
            InputError: if it is the state of another run, or of one without an archive.
        """
        columns, device = state.part(LOGBOOK), population.genomes.device
        sizes = {(), (population.replicates,), (population.replicates, len(population.weights))}
        lines = len(columns["gen"].flatten()) if columns else 0
        for name, values in columns.items():
            if values.ndim == 0 or len(values) != lines or tuple(values.shape[1:]) not in sizes:
                expected = f"{lines} generations of {population.replicates} replicates"
                raise InputError(f"the state has {name} in its logbook as {tuple(values.shape)}: expected {expected}")
        self._restored = state
        self._columns = {name: list(values.to(device).unbind(0)) for name, values in columns.items()}
        if self._archive is None or "archived" not in state:  # of an older version, which left that to its caller
            return
        if not state.number("archived"):
            raise InputError("the state is that of a run without a hall of fame: resume it without one")
        self._archive.restore(state.part("archive"), population)  # type: ignore[attr-defined]

    def add(self, stopping: EarlyStopping) -> None:
        """Make `stopping` part of the states from now on, and restore it if the run is resumed."""
        saved = self._restored.part(f"stopping/{len(self._stopping)}")
        if saved and not stopping.restored:
            stopping.restore(saved)
        self._stopping.append(stopping)

    def record(self, generation: Generation) -> None:
        """Add a generation to the archive and the logbook."""
        if self._archive is not None:
            self._archive.update(generation.offspring)
        gen = torch.full((), generation.gen, dtype=torch.int64, device=generation.nevals.device)
        for name, values in {"gen": gen, **generation.recorded}.items():
            self._columns.setdefault(name, []).append(values)
        self.latest = generation

    @property
    def lines(self) -> list[dict[str, np.ndarray]]:
        """The logbook, a line for each generation from the first on: `gen`, and what `Generation.statistics` has."""
        whole = {name: torch.stack(values).cpu().numpy() for name, values in self._columns.items()}
        return [dict(zip(whole, line, strict=True)) for line in zip(*whole.values(), strict=True)]

    def state(self) -> State:
        """Return archive, logbook and early stopping."""
        if self._archive is not None and not hasattr(self._archive, "state"):
            raise InputError(f"halloffame is a {type(self._archive).__name__} without `state` and `restore`")
        archive = State() if self._archive is None else self._archive.state()
        return join(
            archived=int(self._archive is not None),
            archive=archive,
            **{LOGBOOK: {name: torch.stack(values) for name, values in self._columns.items()}},
            stopping=join(**{f"{number}": stopping.state() for number, stopping in enumerate(self._stopping)}),
        )
