"""Emitters that vary elites by Gaussian noise: MAP-Elites."""

from __future__ import annotations

from collections.abc import Mapping

from deap import base
from torch import Tensor

from evovae.base import State, Streams, join, require_whole
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.emitters.emitter import Emitter, elites_or
from evovae.evolution.operators.parameters import PerGene, check_nonnegative, check_strength, per_gene


class GaussianEmitter(Emitter):
    """MAP-Elites (Mouret and Clune 2015): an elite, drawn evenly, and N(0, sigma^2) added to each of its genes.

    Args:
        sigma: standard deviation, 0 or more, a number or one a gene; the encoding's when left out.
        batch_size: genomes a generation.
        initial: draws from the encoding's prior that are the first generation.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(self, sigma: PerGene | None = None, batch_size: int = 64, initial: int = 100) -> None:
        if sigma is not None:
            check_nonnegative("sigma", sigma)
        require_whole("batch_size", batch_size, least=1)
        require_whole("initial", initial, least=1)
        self.batch_size, self.initial, self._given = batch_size, initial, sigma
        self._begun = False

    def begin(self, toolbox: base.Toolbox, archive: EliteArchive, streams: Streams) -> None:
        """Draw the first generation."""
        self._archive, self._first = archive, toolbox.sample(self.initial, streams)  # R initial D
        self._sigma = per_gene("sigma", toolbox.encoding.sigma if self._given is None else self._given, self._first)
        self._begun = archive.empty is not None  # an archive that was filled before needs no first generation

    def ask(self, streams: Streams) -> Tensor:
        """Return the first generation, then children of elites."""
        if not self._begun:
            self._begun = True
            return self._first
        return self._vary(self._parents(streams), streams)

    def state(self) -> State:
        """Return the first generation, and whether it was asked for."""
        return join(first=self._first, begun=int(self._begun))

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        state = State(state)
        self._first, self._begun = state.like("first", self._first), bool(state.number("begun"))

    def _parents(self, streams: Streams) -> Tensor:
        return elites_or(self._archive, self.batch_size, streams, self._first)

    def _vary(self, parents: Tensor, streams: Streams) -> Tensor:
        """Return children of `parents` (R, N, D), in their memory."""
        return self._shaken(parents, streams)

    def _shaken(self, genomes: Tensor, streams: Streams) -> Tensor:
        """Return `genomes` (R, N, D) with noise, in their own memory."""
        for own, noise in zip(genomes, streams.rough_normals(*genomes.shape[1:]), strict=True):
            if isinstance(self._sigma, Tensor):
                own.addcmul_(noise, self._sigma)
            else:
                own.add_(noise, alpha=self._sigma)
        return genomes


class IsoLineEmitter(GaussianEmitter):
    """MAP-Elites (line), which follows the line from one elite to another (Vassiliades and Mouret 2018, eq. 1).

    A child is x + N(0, iso_sigma^2 I) + N(0, line_sigma^2) (y - x), for two elites x and y drawn evenly.

    Args:
        iso_sigma: standard deviation of the noise, 0 or more, a number or one a gene; the encoding's when left out.
        line_sigma: that of the step towards the other elite, as a part of the way, 0 or more.
        batch_size: genomes a generation.
        initial: draws from the encoding's prior that are the first generation.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self, iso_sigma: PerGene | None = None, line_sigma: float = 0.2, batch_size: int = 64, initial: int = 100
    ) -> None:
        super().__init__(iso_sigma, batch_size, initial)
        check_strength("line_sigma", line_sigma)
        self.line_sigma = line_sigma

    def _vary(self, parents: Tensor, streams: Streams) -> Tensor:
        others = self._parents(streams)
        step = streams.normal(*parents.shape[:2], 1).mul_(self.line_sigma)
        return self._shaken(parents.lerp_(others, step), streams)
