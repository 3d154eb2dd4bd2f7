"""Emitters that adapt a normal distribution to what the archive lacks: CMA-ME and CMA-MAE."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from deap import base
from torch import Tensor

from evovae.base import (
    MIN_NUMBER,
    InputError,
    State,
    Streams,
    counts_are_free,
    is_whole,
    join,
    require_number,
    require_whole,
    shown,
)
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.insertion import Insertion
from evovae.evolution.emitters.emitter import Emitter, elites_or
from evovae.evolution.emitters.rankers import Ranker, RankerName
from evovae.evolution.emitters.strategies import EvolutionStrategies
from evovae.evolution.operators.parameters import PerGene, per_gene
from evovae.evolution.population import Population

SelectionRule = Literal["filter", "mu"]
RestartRule = Literal["no_improvement", "basic"]
StrategyName = Literal["cma_es", "sep_cma_es"]


class Adaptation(Emitter):
    """What emitters share that let evolution strategies learn from an archive, by the rules of pyribs.

    Args:
        sigma: standard deviation at the start, a positive number of float32.
        batch_size: genomes of each instance in a generation, 2 or more.
        emitters: instances in each replicate, all at once: I = R * E of them.
        ranker: how genomes are ordered, see `Ranker`.
        selection_rule: parents are those that the archive let in (`filter`), or the better half (`mu`).
        restart_rule: begin again at an elite where the archive let in none (`no_improvement`), only where the
            distribution has converged (`basic`), or after so many generations. All do where it has converged, or
            nothing that it gave was finite.
        x0: where all begin, a number or one a gene; each at a draw from the encoding's prior when left out.

    Attributes:
        restarts: int64 (R, E), how often each began again.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self,
        sigma: float,
        batch_size: int,
        emitters: int,
        ranker: RankerName,
        selection_rule: SelectionRule,
        restart_rule: RestartRule | int,
        x0: PerGene | None,
    ) -> None:
        require_number("sigma", sigma, MIN_NUMBER)
        require_whole("batch_size", batch_size, least=2)
        require_whole("emitters", emitters, least=1)
        if selection_rule not in get_args(SelectionRule):
            raise InputError(f"selection_rule is {shown(selection_rule)}: expected filter or mu")
        if not (is_whole(restart_rule) and int(restart_rule) > 0) and restart_rule not in get_args(RestartRule):
            expected = "no_improvement, basic, or a number of generations, 1 or more"
            raise InputError(f"restart_rule is {shown(restart_rule)}: expected {expected}")
        self.sigma, self.batch_size, self.emitters, self.x0 = sigma, batch_size, emitters, x0
        self.selection_rule, self.restart_rule, self._ranker = selection_rule, restart_rule, Ranker(ranker)

    _start: Tensor
    _generation: Tensor
    _strategies: EvolutionStrategies
    restarts: Tensor

    def state(self) -> State:
        """Return the distributions, and how often they restarted."""
        return join(
            start=self._start,
            strategies=self._strategies.state(),
            ranker=self._ranker.state(),
            generation=self._generation,
            restarts=self.restarts,
        )

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            InputError: if it is that of another emitter.
        """
        state = State(state)
        self._start, self.restarts = state.like("start", self._start), state.like("restarts", self.restarts)
        self._strategies.restore(state.part("strategies"))
        self._ranker.restore(state.part("ranker"))
        self._generation = state.like("generation", self._generation)

    def _elsewhere(self, streams: Streams) -> Tensor:
        """Return where to begin (R, E, D) where there is no elite: another draw, if that need not be waited for."""
        empty = self._archive.empty
        if self.x0 is not None or empty is None or not counts_are_free(empty) or not bool(empty.any()):
            return self._start
        draws = [
            self._toolbox.sample(self.emitters, [streams[r]])[0] if nothing else self._start[r]
            for r, nothing in enumerate(empty.tolist())
        ]
        return torch.stack(draws)

    def _adapt(
        self,
        toolbox: base.Toolbox,
        archive: EliteArchive,
        mean: Tensor | None,
        streams: Streams,
        separable: bool = False,
    ) -> None:
        """Begin: at `x0`, or at draws of the prior, with strategies at `mean` (I, ...), or there."""
        start: Tensor = toolbox.sample(self.emitters, streams)  # R E D
        start = start if self.x0 is None else torch.zeros_like(start) + per_gene("x0", self.x0, start)
        mean = start.flatten(0, 1) if mean is None else mean.to(start.device)
        self._toolbox, self._archive, self._start, self.active = toolbox, archive, start, None
        self._generation = torch.zeros(mean.shape[0], dtype=torch.int64, device=start.device)  # of each instance
        self._strategies = EvolutionStrategies(mean, self.sigma, self.batch_size, separable)
        self._ranker.begin(archive, self.emitters, streams)
        self.restarts = torch.zeros(start.shape[:2], dtype=torch.int64, device=start.device)

    def _learn(self, population: Population, insertion: Insertion, asked: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Let the strategies learn from what became of those that they `asked` for (I, B, ...).

        Returns:
            The best genomes of each instance, int64 (I, L), of which it has so many parents, (I,), and whether it is to
            restart, bool (I,).
        """
        each = (self.restarts.numel(), self.batch_size)  # I B
        assert population.measures is not None
        measures = population.measures.double().reshape(*each, -1)
        insertion = Insertion(insertion.status.reshape(each), insertion.value.reshape(each))
        order, values = self._ranker.rank(population.wvalues[..., 0].reshape(each), measures, insertion)
        entered = (insertion.status > 0).sum(1)
        filters = self.selection_rule == "filter"
        parents = entered if filters else torch.full_like(entered, self.batch_size // 2)
        best = order if filters else order[:, : self.batch_size // 2]
        replicates = torch.ones_like(self.restarts[:, 0], dtype=torch.bool) if self.active is None else self.active
        active = replicates.repeat_interleave(self.emitters)  # I
        self._strategies.tell(self._rows(asked, best), parents, active)
        self._generation = self._generation + active
        hopeless = (insertion.value == -torch.inf).all(1)  # nothing is finite where it is
        restarts = self._strategies.converged(values[:, 0], values[:, -1]) | hopeless
        if self.restart_rule == "no_improvement":
            restarts = restarts | (entered == 0)
        elif self.restart_rule != "basic":
            restarts = restarts | (self._generation % int(self.restart_rule) == 0)
        return best, torch.where(active, parents, 0), restarts & active

    def _rows(self, genomes: Tensor, best: Tensor) -> Tensor:
        """Return the `best` int64 (I, L) of each instance among `genomes` (R, E * B, D) or (I, B, D): (I, L, D)."""
        rows = best + torch.arange(len(best), device=best.device).unsqueeze(1) * self.batch_size
        return genomes.flatten(0, 1).index_select(0, rows.flatten()).unflatten(0, rows.shape)

    def _restart(self, chosen: Tensor, mean: Tensor | None, streams: Streams) -> Tensor:
        """Let the strategies `chosen` bool (I,) begin again at `mean`, or at the elites that are returned, (I, D)."""
        elites = elites_or(self._archive, self.emitters, streams, self._elsewhere(streams)).flatten(0, 1)
        self._strategies.reset(chosen, elites if mean is None else mean)
        self._ranker.reset(chosen, streams)
        self.restarts = self.restarts + chosen.view_as(self.restarts)
        return elites


class EvolutionStrategyEmitter(Adaptation):
    """A normal distribution of genomes, adapted by what an archive makes of them (Fontaine et al. 2020).

    CMA-ME as its authors advise it is `EvolutionStrategyEmitter(ranker="2imp")` on a plain archive; CMA-MAE has the
    ranker `imp`, the selection rule `mu` and the restart rule `basic`, on one with a learning rate and a threshold.

    Args:
        sigma, batch_size, emitters, ranker, selection_rule, restart_rule, x0: as `Adaptation` has them.
        es: `cma_es`, with a full covariance, or `sep_cma_es`, with a diagonal one.

    Attributes:
        restarts: int64 (R, E), how often each began again.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self,
        sigma: float = 0.5,
        batch_size: int = 36,
        emitters: int = 15,
        ranker: RankerName = "2imp",
        selection_rule: SelectionRule = "filter",
        restart_rule: RestartRule | int = "no_improvement",
        es: StrategyName = "cma_es",
        x0: PerGene | None = None,
    ) -> None:
        super().__init__(sigma, batch_size, emitters, ranker, selection_rule, restart_rule, x0)
        if es not in get_args(StrategyName):
            raise InputError(f"es is {shown(es)}: expected one of {', '.join(get_args(StrategyName))}")
        self.es = es

    def begin(self, toolbox: base.Toolbox, archive: EliteArchive, streams: Streams) -> None:
        """Draw where the distributions begin."""
        self._adapt(toolbox, archive, None, streams, separable=self.es == "sep_cma_es")

    def ask(self, streams: Streams) -> Tensor:
        """Return `batch_size` genomes of each distribution, instance by instance."""
        replicates, emitters, dim = self._start.shape
        noise = streams.rough_normal(replicates, emitters * self.batch_size, dim)
        return self._strategies.ask(noise.view(-1, self.batch_size, dim)).view_as(noise)

    def tell(self, population: Population, insertion: Insertion, streams: Streams) -> None:
        """Let each distribution learn from its genomes, and begin again where it must."""
        _, _, restarts = self._learn(population, insertion, population.genomes)
        self._restart(restarts, None, streams)
