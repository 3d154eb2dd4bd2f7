"""A bandit that gives the evaluations to those of several emitters that fill the archive most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
from deap import base
from torch import Tensor

from evovae.base import InputError, State, Streams, join, require_number, require_whole
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.insertion import Insertion
from evovae.evolution.emitters.emitter import Emitter
from evovae.evolution.population import Population


class BanditEmitter(Emitter):
    """Chooses among emitters by UCB1, generation by generation and in each replicate by itself.

    Multi-emitter MAP-Elites (Cully 2021, "Multi-emitter MAP-Elites: improving quality, diversity and data efficiency").
    Those with the highest share of genomes that the archive let in, plus zeta sqrt(ln n / n_i), are asked for their
    genomes; n_i of all n genomes came from emitter i, and one that never was chosen comes first (Auer, Cesa-Bianchi and
    Fischer 2002, "Finite-time analysis of the multiarmed bandit problem").

        BanditEmitter([IsoLineEmitter(0.01, 0.2, 36, 36), EvolutionStrategyEmitter(0.5, 36, 1)], active=1)

    All emitters propose genomes in all replicates, so that each draws the same numbers whoever is chosen; only those of
    the chosen are evaluated.

    Args:
        emitters: two or more, that ask for the same number of genomes, the first time too, and take no gradients.
        active: how many of them are chosen at a time, fewer than all.
        zeta: weight of what is not known, 0 or more.
        window: generations that count; all when left out.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self, emitters: Sequence[Emitter], active: int = 1, zeta: float = 0.05, window: int | None = None
    ) -> None:
        self.emitters = list(emitters)
        if len(self.emitters) < 2 or not all(isinstance(one, Emitter) for one in self.emitters):
            raise InputError(f"emitters are {len(self.emitters)}: expected two or more Emitters to choose from")
        require_whole("active", active, least=1, most=len(self.emitters) - 1)
        require_number("zeta", zeta)
        if window is not None:
            require_whole("window", window, least=1)
        self.choices, self.zeta, self.window = active, zeta, window

    def begin(self, toolbox: base.Toolbox, archive: EliteArchive, streams: Streams) -> None:
        """Forget whom the archive liked."""
        for emitter in self.emitters:
            emitter.begin(toolbox, archive, streams)
        shape = (self.window or 1, len(streams), len(self.emitters))
        self._given = torch.zeros(shape, dtype=torch.float64, device=streams.device)  # W R A
        self._entered = torch.zeros_like(self._given)
        self._generation = 0

    def ask(self, streams: Streams) -> Tensor:
        """Return the genomes of the chosen emitters, one after the other."""
        asked = [emitter.ask(streams) for emitter in self.emitters]
        sizes = [genomes.shape[1] for genomes in asked]
        if len(set(sizes)) > 1:
            raise InputError(f"the emitters ask for {sizes} genomes: expected the same of each, the first time too")
        if any(emitter.points for emitter in self.emitters):
            raise InputError("an emitter takes gradients: a bandit chooses among those that do not")
        self._asked = torch.stack(asked, 1)  # R A N D
        self._chosen = self._best()  # R C
        rows = torch.arange(len(streams), device=streams.device).unsqueeze(1)
        return self._asked[rows, self._chosen].flatten(1, 2)

    def tell(self, population: Population, insertion: Insertion, streams: Streams) -> None:
        """Count what the archive let in, and tell the emitters that were chosen."""
        replicates, _, size, _ = self._asked.shape
        entered = (insertion.status > 0).view(replicates, self.choices, size).sum(2).double()  # R C
        slot = self._generation % len(self._given) if self.window else 0
        given = torch.zeros_like(self._given[0]).scatter_(1, self._chosen, float(size))
        found = torch.zeros_like(given).scatter_(1, self._chosen, entered)
        self._given[slot] = given + (0.0 if self.window else self._given[slot])
        self._entered[slot] = found + (0.0 if self.window else self._entered[slot])
        self._generation += 1
        for arm, emitter in enumerate(self.emitters):
            chosen = self._chosen == arm  # R C
            emitter.active = chosen.any(1)
            place = chosen.int().argmax(1).unsqueeze(1) * size + torch.arange(size, device=chosen.device)  # R N
            emitter.tell(population.take(place), insertion.take(place), streams)

    def state(self) -> State:
        """Return what is counted, and what the emitters learned."""
        emitters = {f"{arm}": emitter.state() for arm, emitter in enumerate(self.emitters)}
        counts = join(given=self._given.clone(), entered=self._entered.clone(), generation=self._generation)
        return join(**counts, emitters=join(**emitters))

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            InputError: if it is that of other emitters.
        """
        state = State(state)
        self._given, self._entered = (
            state.like(name, counts).clone() for name, counts in (("given", self._given), ("entered", self._entered))
        )
        self._generation = state.number("generation")
        for arm, emitter in enumerate(self.emitters):
            emitter.restore(state.part(f"emitters/{arm}"))

    @property
    def chosen(self) -> Tensor:
        """Genomes that were evaluated of each emitter so far, or in the window: float64 (R, A)."""
        return self._given.sum(0)

    def _best(self) -> Tensor:
        """Return the emitters int64 (R, C) of the next generation, in their order."""
        given, entered = self._given.sum(0), self._entered.sum(0)
        doubt = (given.sum(1, keepdim=True).clamp_min(1.0).log() / given).sqrt()
        score = torch.where(given > 0, entered / given + self.zeta * doubt, math.inf)
        return score.argsort(dim=1, descending=True, stable=True)[:, : self.choices].sort(dim=1).values
