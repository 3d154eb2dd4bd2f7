"""Strategies that `eaGenerateUpdate` asks for individuals and tells their fitness."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import NamedTuple, Protocol

import torch
from deap import base
from torch import Tensor

from evovae.base import MIN_NUMBER, InputError, State, join, require_number, require_whole
from evovae.evolution.population import Population, ranking
from evovae.evolution.roles import EvaluationError

TINY = torch.finfo(torch.float64).tiny


class SearchError(EvaluationError):
    """A search has diverged and cannot continue: the message names strategy and replicate, and what may help."""


def diverged(strategy: object, replicate: int, why: str) -> SearchError:
    """Return the error that says why the `strategy` of a replicate cannot continue."""
    remedy = "bound the genes, give a smaller sigma, or stop sooner"
    return SearchError(f"{type(strategy).__name__} diverged in replicate {replicate}: {why}; {remedy}")


class _Strategy(Protocol):
    def generate(self) -> Population: ...
    def update(self, population: Population) -> None: ...
    def state(self) -> State: ...
    def restore(self, state: Mapping[str, Tensor]) -> None: ...


def fill_roles(strategy: _Strategy, toolbox: base.Toolbox) -> None:
    """Fill the roles `generate`, `update`, `state` and `restore` of `toolbox`."""
    for role in ("generate", "update", "state", "restore"):
        toolbox.register(role, getattr(strategy, role))


class Rates(NamedTuple):
    """How fast a distribution learns."""

    sigma: float
    """c_sigma, of the path of the step size."""
    path: float
    """c_c, of the path of the covariance."""
    one: float
    """c_1, of the covariance from its path."""
    mu: float
    """c_mu, of the covariance from the steps of the better half."""


class NormalStrategy(ABC):
    """CMA-ES with active weights, all replicates side by side: what the full and the separable one share.

    They say how fast to learn, and what a covariance does to steps; arguments are theirs.
    """

    _LEARNED: tuple[str, ...] = ("centroid", "sigma", "_path_sigma", "_path")

    def __init__(self, population: Population, sigma: float, lambda_: int | None = None) -> None:
        dim = population.genomes.shape[2]
        lambda_ = int(4 + 3 * math.log(dim)) if lambda_ is None else lambda_
        require_number("sigma", sigma, MIN_NUMBER)
        require_whole("lambda_", lambda_, least=2)
        if len(population.weights) > 1:
            raise InputError(f"{len(population.weights)} objectives: a CMA-ES ranks by one; use selNSGA2")
        self.lambda_, self.weights, self.streams = lambda_, population.weights, population.streams.clone()
        self.centroid = population.genomes.double().mean(1)  # R D
        self.sigma = torch.full_like(self.centroid[:, :1], sigma)
        self._path_sigma, self._path = torch.zeros_like(self.centroid), torch.zeros_like(self.centroid)
        self._updates = 0
        # Hansen 2016 (as below), table 1, as in `deap.cma.Strategy.computeParams`.
        raw = math.log((lambda_ + 1.0) / 2.0) - torch.arange(1, lambda_ + 1, dtype=torch.float64).log()  # eq. 49
        recombination, worse = raw[: lambda_ // 2], -raw[lambda_ // 2 :]
        recombination, worse = recombination / recombination.sum(), worse / worse.sum()
        mass, worse_mass = (1.0 / float(shares.square().sum()) for shares in (recombination, worse))  # mu_eff, mu_eff-
        self._mass = mass
        self._rate_sigma, self._rate_path, self._rank_one, self._rank_mu = self._rates_for(dim, mass)
        # Eqs. 50 to 52: no decay of the variances, no faster than the worse half's mass allows, and none below zero.
        limits = (self._rank_mu + self._rank_one, (1.0 - self._rank_one - self._rank_mu) / dim)
        active = min(*limits, self._rank_mu * (1.0 + 2.0 * worse_mass / (mass + 2.0)))  # times c_mu
        self._kept = 1.0 - self._rank_one - self._rank_mu + active
        self._recombination = recombination.to(self.centroid.device)  # mu
        self._rates = torch.cat((self._rank_mu * recombination, -active * worse)).to(self.centroid.device)  # lambda
        self._damping = 1.0 + 2.0 * max(0.0, math.sqrt((mass - 1.0) / (dim + 1.0)) - 1.0) + self._rate_sigma
        self._expected_norm = math.sqrt(dim) * (1.0 - 1.0 / (4.0 * dim) + 1.0 / (21.0 * dim**2))  # nearly E |N(0, I)|

    def register(self, toolbox: base.Toolbox) -> None:
        """Fill the roles `generate`, `update`, `state` and `restore` of `toolbox`."""
        fill_roles(self, toolbox)

    def state(self) -> State:
        """Return the distribution, its paths, how often it was updated, the rates of ranks, and the streams."""
        learned = {name: getattr(self, name) for name in self._LEARNED}
        return join(**learned, updates=self._updates, rates=self._rates, streams=self.streams.state())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, in a strategy made with the same arguments.

        Raises:
            InputError: if it is that of another number of replicates, genes or individuals, or of a version without
                active weights.
        """
        state = State(state)
        state.like("rates", self._rates)
        for name in self._LEARNED:
            setattr(self, name, state.like(name, getattr(self, name)))
        self._updates, self.streams = state.number("updates"), self.streams.restored(state.part("streams"))

    def generate(self) -> Population:
        """Return `lambda_` individuals in each replicate, drawn from its normal distribution.

        Raises:
            SearchError: if that of a replicate is not finite any more in float32, or none in it had a finite fitness
                in the last update. To see that, this waits for the device.
        """
        replicates, dim = self.centroid.shape
        spread = self._spread()
        sound = (self.centroid.float().isfinite() & spread.float().isfinite()).all(1)
        if not sound.all():
            why = f"at update {self._updates} its distribution, or all fitness, was not finite"
            raise diverged(self, int((~sound).nonzero()[0]), why)
        noise = self.streams.normal(replicates, self.lambda_, dim).double()
        genomes = self.centroid.unsqueeze(1) + self._turn(spread.unsqueeze(1) * noise)
        return Population.unevaluated(genomes.float(), self.weights, self.streams)

    def update(self, population: Population) -> None:
        """Move the distributions towards the better half of the evaluated `population`, and reshape them by all."""
        # Equations of Hansen 2016 (as below); mu parents in each replicate.
        dim = self.centroid.shape[1]
        ranked = population.take(ranking(population.wvalues)).genomes.double()
        steps = (ranked - self.centroid.unsqueeze(1)) / self.sigma.unsqueeze(1)  # R lambda D
        parents = steps[:, : len(self._recombination)]  # R mu D
        step = (self._recombination.view(1, -1, 1) * parents).sum(1)  # eq. 41: R D
        self._updates += 1

        rate = self._rate_sigma
        whitened = self._whiten(step)  # R D
        # Eq. 43, the path of the step size.
        self._path_sigma = (1.0 - rate) * self._path_sigma + math.sqrt(rate * (2.0 - rate) * self._mass) * whitened
        length = torch.linalg.vector_norm(self._path_sigma, dim=1, keepdim=True)  # R 1
        expected = length / math.sqrt(1.0 - (1.0 - rate) ** (2 * self._updates)) / self._expected_norm
        short = (expected < 1.4 + 2.0 / (dim + 1.0)).double()  # h_sigma: not learned from where 0: R 1
        rate = self._rate_path
        # Eq. 45, the path of the covariance; then eq. 47, the covariance: R D.
        self._path = (1.0 - rate) * self._path + short * math.sqrt(rate * (2.0 - rate) * self._mass) * step
        kept = self._kept + (1.0 - short) * self._rank_one * rate * (2.0 - rate)
        # Eq. 46: a step to the worse half counts as one of length sqrt(D), however far it led.
        lengths = self._lengths(steps).clamp_min(TINY)  # R lambda
        rates = torch.where(self._rates < 0.0, self._rates * dim / lengths, self._rates)
        self._reshape(kept, rates.unsqueeze(2), steps)
        self.centroid = self.centroid + self.sigma * step  # eq. 42
        # Eq. 44.
        sigma = self.sigma * torch.exp((length / self._expected_norm - 1.0) * self._rate_sigma / self._damping)
        # A search that has come down to one point shrinks for ever: it stays there, and does not divide by zero.
        sigma = sigma.clamp_min(TINY)
        # Where no fitness is finite there is nothing to learn from: no step size is right then, and `generate` says so.
        self.sigma = torch.where(population.finite.any(1, keepdim=True), sigma, math.nan)

    @abstractmethod
    def _rates_for(self, dim: int, mass: float) -> Rates:
        """Return learning rates for so many genes and parents of this mass (mu_eff)."""

    @abstractmethod
    def _spread(self) -> Tensor:
        """Return the standard deviations (R, D) along the axes of the distributions."""

    @abstractmethod
    def _turn(self, steps: Tensor) -> Tensor:
        """Return `steps` (R, N, D) along the axes as steps of genes."""

    @abstractmethod
    def _whiten(self, step: Tensor) -> Tensor:
        """Return C^(-1/2) `step` (R, D)."""

    @abstractmethod
    def _lengths(self, steps: Tensor) -> Tensor:
        """Return the squared Mahalanobis lengths (R, N) of `steps` (R, N, D)."""

    @abstractmethod
    def _reshape(self, kept: Tensor, rates: Tensor, steps: Tensor) -> None:
        """Keep a part (R, 1) of the covariance; learn by the path, and at `rates` (R, N, 1) from `steps` (R, N, D)."""


class SeparableCMAES(NormalStrategy):
    """Separable CMA-ES (Ros and Hansen 2008) with active weights, all replicates side by side.

    Like CMA-ES, but the covariance matrix stays diagonal: time and memory grow with D and not with D^2, and it may
    learn (D + 2) / 3 times as fast. Variance also shrinks along steps to the worse half (Hansen 2016, "The CMA
    evolution strategy: a tutorial", eqs. 46, 47 and 49 to 53). Other parameters are those of `deap.cma.Strategy`, with
    that factor on the two learning rates of the covariance.

        strategy = SeparableCMAES(population, sigma=0.5)
        strategy.register(toolbox)
        population, logbook = eaGenerateUpdate(toolbox, ngen=100)

    Args:
        population: each replicate begins at its mean, with its streams; objective weights are taken from here.
        sigma: initial standard deviation of every gene, a positive number of float32.
        lambda_: individuals in a generation, 2 or more; 4 + 3 ln D when left out.

    Attributes:
        centroid: float64 (R, D), where the distribution is centred.
        sigma: float64 (R, 1), the step size.
        diagonal: float64 (R, D), variances of the genes relative to sigma^2.
    """

    _LEARNED = ("centroid", "sigma", "diagonal", "_path_sigma", "_path")

    def __init__(self, population: Population, sigma: float, lambda_: int | None = None) -> None:
        super().__init__(population, sigma, lambda_)
        self.diagonal = torch.ones_like(self.centroid)

    def _rates_for(self, dim: int, mass: float) -> Rates:
        faster = (dim + 2.0) / 3.0  # Ros and Hansen 2008, eq. 8
        rank_one = 2.0 / ((dim + 1.3) ** 2 + mass)  # c_1; then c_mu
        rank_mu = min(1.0 - rank_one, 2.0 * (mass - 2.0 + 1.0 / mass) / ((dim + 2.0) ** 2 + mass))
        one = min(1.0, rank_one * faster)
        return Rates((mass + 2.0) / (dim + mass + 3.0), 4.0 / (dim + 4.0), one, min(1.0 - one, rank_mu * faster))

    def _spread(self) -> Tensor:
        return self.sigma * self.diagonal.sqrt()

    def _turn(self, steps: Tensor) -> Tensor:
        return steps

    def _whiten(self, step: Tensor) -> Tensor:
        return step / self.diagonal.sqrt()

    def _lengths(self, steps: Tensor) -> Tensor:
        return (steps.square() / self.diagonal.unsqueeze(1)).sum(2)

    def _reshape(self, kept: Tensor, rates: Tensor, steps: Tensor) -> None:
        diagonal = kept * self.diagonal + self._rank_one * self._path.square()
        self.diagonal = (diagonal + (rates * steps.square()).sum(1)).clamp_min(TINY)


class CMAES(NormalStrategy):
    """CMA-ES (Hansen 2016, "The CMA evolution strategy: a tutorial") with active weights, all replicates side by side.

    It learns which genes go together, where `SeparableCMAES` learns their scales alone: for up to some hundreds of
    genes, as memory grows with D^2 and the time of an update with D^3; and
    for genomes that may lie anywhere: where many are moved to the same bound it would take that for a direction without
    spread, and diverge. Its parameters are those of the tutorial; the axes of the covariance are renewed in every
    update.

        strategy = CMAES(population, sigma=0.5)
        strategy.register(toolbox)
        population, logbook = eaGenerateUpdate(toolbox, ngen=100)

    Args:
        population: each replicate begins at its mean, with its streams; objective weights are taken from here.
        sigma: initial standard deviation of every gene, a positive number of float32.
        lambda_: individuals in a generation, 2 or more; 4 + 3 ln D when left out.

    Attributes:
        centroid: float64 (R, D), where the distribution is centred.
        sigma: float64 (R, 1), the step size.
        covariance: float64 (R, D, D), of the genes relative to sigma^2.
    """

    _LEARNED = ("centroid", "sigma", "covariance", "_path_sigma", "_path")

    def __init__(self, population: Population, sigma: float, lambda_: int | None = None) -> None:
        super().__init__(population, sigma, lambda_)
        replicates, dim = self.centroid.shape
        self.covariance = torch.eye(dim).to(self.centroid).expand(replicates, -1, -1).clone()
        self._asked: Tensor | None = None
        self._renew_axes()

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, as `NormalStrategy.restore` does."""
        super().restore(state)
        self._renew_axes()

    def generate(self) -> Population:
        """Return `lambda_` individuals in each replicate, as `NormalStrategy.generate` does."""
        generated = super().generate()
        self._asked = generated.genomes
        return generated

    def update(self, population: Population) -> None:
        """Learn from the evaluated `population`, as `NormalStrategy.update` does.

        Raises:
            InputError: if its genomes are not those that were generated, for they were moved into a support.
        """
        if self._asked is not None and not torch.equal(population.genomes, self._asked):
            raise InputError("the support moved genomes, which CMAES would misread: expected 'free', or SeparableCMAES")
        super().update(population)

    def _rates_for(self, dim: int, mass: float) -> Rates:
        one = 2.0 / ((dim + 1.3) ** 2 + mass)
        mu = min(1.0 - one, 2.0 * (0.25 + mass + 1.0 / mass - 2.0) / ((dim + 2.0) ** 2 + mass))
        path = (4.0 + mass / dim) / (dim + 4.0 + 2.0 * mass / dim)
        return Rates((mass + 2.0) / (dim + mass + 5.0), path, one, mu)

    def _spread(self) -> Tensor:
        return self.sigma * self._scales

    def _turn(self, steps: Tensor) -> Tensor:
        return steps @ self._axes.mT

    def _whiten(self, step: Tensor) -> Tensor:
        along = (step.unsqueeze(1) @ self._axes) / self._scales.unsqueeze(1)
        return self._turn(along).squeeze(1)

    def _lengths(self, steps: Tensor) -> Tensor:
        return ((steps @ self._axes) / self._scales.unsqueeze(1)).square().sum(2)

    def _reshape(self, kept: Tensor, rates: Tensor, steps: Tensor) -> None:
        path = self._path.unsqueeze(2)
        learned = self._rank_one * path @ path.mT + (rates * steps).mT @ steps
        self.covariance = kept.unsqueeze(2) * self.covariance + learned
        self._renew_axes()

    def _renew_axes(self) -> None:
        """Decompose the covariance; of one that is not finite, which `generate` would refuse, any axes will do."""
        known = self.covariance.isfinite().flatten(1).all(1).view(-1, 1, 1)
        one = torch.eye(self.covariance.shape[1]).to(self.covariance)
        variances, self._axes = torch.linalg.eigh(torch.where(known, self.covariance, one))
        self._scales = variances.clamp_min(TINY).sqrt()
