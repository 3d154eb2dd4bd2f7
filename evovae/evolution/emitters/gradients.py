"""Emitters that branch along the gradients of objective and measures.

Fontaine and Nikolaidis 2021, "Differentiable quality diversity".
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, get_args

import torch
from deap import base
from torch import Tensor

from evovae.base import MIN_NUMBER, InputError, State, Streams, join, require_number, shown
from evovae.evolution.archives.archive import EliteArchive
from evovae.evolution.archives.insertion import Insertion
from evovae.evolution.emitters.evolution_strategy import Adaptation, RestartRule, SelectionRule
from evovae.evolution.emitters.gaussian import IsoLineEmitter
from evovae.evolution.emitters.rankers import RankerName
from evovae.evolution.emitters.strategies import recombination
from evovae.evolution.operators.parameters import PerGene, check_strength
from evovae.evolution.population import Population

OptimiserName = Literal["ascent", "adam"]
EPSILON = 1e-8
"""Added to the length of a gradient that it is divided by, and to Adam's root."""
BETA1, BETA2 = 0.9, 0.999


def gradients_of(toolbox: base.Toolbox, genomes: Tensor, normalised: bool) -> Tensor:
    """Return the gradients (I, 1 + K, D) of objective and measures at `genomes` (I, D), of length 1 if `normalised`."""
    _, _, gradients = toolbox.gradients(genomes)
    if not normalised:
        return gradients
    return gradients / (torch.linalg.vector_norm(gradients, dim=2, keepdim=True) + EPSILON)


class GradientOperatorEmitter(IsoLineEmitter):
    """Elites with noise, each with a child along its gradients: OG-MAP-Elites and OMG-MEGA.

    Both the noisy elites, where the gradients are taken, and the children are evaluated and enter the archive: twice
    `batch_size` genomes a generation.

    Args:
        sigma: standard deviation of the noise, 0 or more, a number or one a gene; the encoding's when left out.
        sigma_g: of the steps along gradients. With the objective's alone (OG-MAP-Elites) the step is `sigma_g` times
            the gradient; with `measure_gradients` (OMG-MEGA) each gradient is weighted by N(0, sigma_g^2), the
            objective's by its absolute value.
        measure_gradients: whether to follow those of the measures, too.
        normalised: whether gradients are brought to length 1.
        line_sigma: of a step towards another elite before, as `IsoLineEmitter` has it.
        batch_size: elites a generation.
        initial: draws from the encoding's prior that are the first generation.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self,
        sigma: PerGene | None = None,
        sigma_g: float = 0.5,
        measure_gradients: bool = False,
        normalised: bool = False,
        line_sigma: float = 0.0,
        batch_size: int = 64,
        initial: int = 100,
    ) -> None:
        super().__init__(sigma, line_sigma, batch_size, initial)
        check_strength("sigma_g", sigma_g)
        self.sigma_g, self.measure_gradients, self.normalised = sigma_g, measure_gradients, normalised

    def begin(self, toolbox: base.Toolbox, archive: EliteArchive, streams: Streams) -> None:
        """Draw the first generation."""
        super().begin(toolbox, archive, streams)
        self._toolbox, self.points = toolbox, 0

    def ask(self, streams: Streams) -> Tensor:
        """Return the first generation, then elites with noise, followed by their children."""
        if not self._begun:
            return super().ask(streams)
        elites = self._toolbox.project(super().ask(streams))  # R B D
        gradients = gradients_of(self._toolbox, elites.flatten(0, 1), self.normalised)
        self.points = self.batch_size
        if self.measure_gradients:
            shape = (len(streams), self.batch_size, gradients.shape[1])
            weights = streams.normal(*shape).mul_(self.sigma_g).flatten(0, 1)  # R B, 1 + K
            weights[:, 0].abs_()
        else:
            gradients = gradients[:, :1]
            weights = gradients.new_full(gradients.shape[:2], self.sigma_g)
        steps = torch.bmm(weights.unsqueeze(1), gradients).squeeze(1)
        return torch.cat((elites, elites + steps.view_as(elites)), 1)

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave."""
        super().restore(state)
        self.points = 0


class GradientArborescenceEmitter(Adaptation):
    """Branches from a point along gradients with coefficients that a CMA-ES adapts: CMA-MEGA, CMA-MAEGA.

    Each instance has a point, which is evaluated with its gradients; of the coefficients of these, in objective and
    measures, a CMA-ES learns which branches the archive takes; and the point moves towards the mean of the best.
    CMA-MAEGA is the same with the ranker `imp` on an archive with a learning rate and a threshold.

    Args:
        sigma: standard deviation of the coefficients at the start (sigma_g in the paper), a positive number of float32.
        step_size: of the point's steps: a part of the way to the mean of the best branches (`ascent`), or Adam's rate.
        batch_size: branches of each point in a generation, 2 or more, beside the point.
        emitters: instances in each replicate, all at once.
        ranker, selection_rule, restart_rule: as for `EvolutionStrategyEmitter`.
        optimiser: what moves the point, `ascent` or `adam`.
        normalised: whether gradients are brought to length 1.
        x0: where all begin, a number or one a gene; each at a draw from the encoding's prior when left out.

    Attributes:
        restarts: int64 (R, E), how often each began again.

    Raises:
        InputError: if a parameter is out of its range.
    """

    def __init__(
        self,
        sigma: float = 10.0,
        step_size: float = 1.0,
        batch_size: int = 35,
        emitters: int = 1,
        ranker: RankerName = "2imp",
        selection_rule: SelectionRule = "mu",
        restart_rule: RestartRule | int = "basic",
        optimiser: OptimiserName = "ascent",
        normalised: bool = True,
        x0: PerGene | None = None,
    ) -> None:
        super().__init__(sigma, batch_size, emitters, ranker, selection_rule, restart_rule, x0)
        require_number("step_size", step_size, MIN_NUMBER)
        if optimiser not in get_args(OptimiserName):
            raise InputError(f"optimiser is {shown(optimiser)}: expected one of {', '.join(get_args(OptimiserName))}")
        self.step_size, self.optimiser, self.normalised = step_size, optimiser, normalised
        self.points = emitters

    def begin(self, toolbox: base.Toolbox, archive: EliteArchive, streams: Streams) -> None:
        """Draw where the points begin."""
        self._adapt(toolbox, archive, torch.zeros(self.emitters * len(streams), 1 + archive.dimensions), streams)
        self._point = self._start.flatten(0, 1).double()  # I D
        self._moments = torch.zeros(2, *self._point.shape, dtype=torch.float64, device=self._point.device)
        self._steps = torch.zeros_like(self._point[:, :1])

    def ask(self, streams: Streams) -> Tensor:
        """Return the points, followed by the branches of each."""
        points = self._toolbox.project(self._point.float())
        gradients = gradients_of(self._toolbox, points, self.normalised)
        instances, coefficients, dim = gradients.shape
        noise = streams.normal(len(streams), self.emitters * self.batch_size, coefficients)
        self._asked = self._strategies.ask(noise.view(instances, self.batch_size, coefficients))
        branches = torch.baddbmm(points.unsqueeze(1), self._asked, gradients)
        shape = (len(streams), -1, dim)
        return torch.cat((points.view(shape), branches.view(shape)), 1)

    def tell(self, population: Population, insertion: Insertion, streams: Streams) -> None:
        """Move the points, and let the strategies learn which coefficients were good."""
        branches = population.between(self.points, len(population))
        insertion = insertion.between(self.points, len(population))
        best, parents, restarts = self._learn(branches, insertion, self._asked)
        self._move(branches, best, parents)
        elites = self._restart(restarts, torch.zeros_like(self._strategies.mean), streams)
        rows = restarts.unsqueeze(1)
        self._point = torch.where(rows, elites.double(), self._point)
        self._moments = torch.where(rows, 0.0, self._moments)
        self._steps = torch.where(rows, 0.0, self._steps)

    def state(self) -> State:
        """Return the points and what moves them, and the distributions of coefficients."""
        return join(**{name: getattr(self, f"_{name}") for name in ("point", "moments", "steps")}, more=super().state())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave.

        Raises:
            InputError: if it is that of another emitter.
        """
        state = State(state)
        super().restore(state.part("more"))
        for name in ("_point", "_moments", "_steps"):
            setattr(self, name, state.like(name.removeprefix("_"), getattr(self, name)))

    def _move(self, branches: Population, best: Tensor, parents: Tensor) -> None:
        """Move the points towards the weighted mean of their `parents` int64 (I,) `best` (I, L) branches."""
        weights = recombination(parents, best.shape[1])
        genomes = self._rows(branches.genomes, best).double()
        step = torch.bmm(weights.unsqueeze(1), genomes).squeeze(1) - self._point  # I D
        if self.optimiser == "ascent":
            moved = self._point + self.step_size * step
        else:  # Kingma and Ba 2015, alg. 1, as in pyribs
            first, second = self._moments
            steps = self._steps + 1.0
            first, second = BETA1 * first + (1.0 - BETA1) * step, BETA2 * second + (1.0 - BETA2) * step.square()
            rate = self.step_size * (1.0 - BETA2**steps).sqrt() / (1.0 - BETA1**steps)
            moved = self._point + rate * first / (second.sqrt() + EPSILON)
            moves = parents.unsqueeze(1) > 0
            self._moments = torch.where(moves, torch.stack((first, second)), self._moments)
            self._steps = torch.where(moves, steps, self._steps)
        self._point = torch.where(parents.unsqueeze(1) > 0, moved, self._point)
