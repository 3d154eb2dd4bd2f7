"""Strategies that `eaGenerateUpdate` asks for individuals and tells their fitness."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
import torch
from deap import base
from torch import Tensor

from evovae.base import MIN_NUMBER, InputError, State, join, require_number, require_whole, seeded_numpy
from evovae.evolution.population import Population, ranking
from evovae.evolution.roles import EvaluationError

TRANSPOSED = ".T"
TINY = torch.finfo(torch.float64).tiny


class SearchError(EvaluationError):
    """A search has diverged and cannot continue: the message names strategy and replicate, and what may help."""


def _diverged(strategy: object, replicate: int, why: str) -> SearchError:
    remedy = "bound the genes, give a smaller sigma, or stop sooner"
    return SearchError(f"{type(strategy).__name__} diverged in replicate {replicate}: {why}; {remedy}")


class _Strategy(Protocol):
    def generate(self) -> Population: ...
    def update(self, population: Population) -> None: ...
    def state(self) -> State: ...
    def restore(self, state: Mapping[str, Tensor]) -> None: ...


def _register(strategy: _Strategy, toolbox: base.Toolbox) -> None:
    for role in ("generate", "update", "state", "restore"):
        toolbox.register(role, getattr(strategy, role))


class SeparableCMAES:
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
        dim = population.genomes.shape[2]
        lambda_ = int(4 + 3 * math.log(dim)) if lambda_ is None else lambda_
        require_number("sigma", sigma, MIN_NUMBER)
        require_whole("lambda_", lambda_, least=2)
        if len(population.weights) > 1:
            raise InputError(f"{len(population.weights)} objectives: a CMA-ES ranks by one; use selNSGA2")
        self.lambda_, self.weights, self.streams = lambda_, population.weights, population.streams.clone()
        self.centroid = population.genomes.double().mean(1)  # R D
        self.sigma = torch.full_like(self.centroid[:, :1], sigma)
        self.diagonal = torch.ones_like(self.centroid)
        self._path_sigma, self._path = torch.zeros_like(self.centroid), torch.zeros_like(self.centroid)
        self._updates = 0
        # Hansen 2016 (as above), table 1, as in `deap.cma.Strategy.computeParams`.
        raw = math.log((lambda_ + 1.0) / 2.0) - torch.arange(1, lambda_ + 1, dtype=torch.float64).log()  # eq. 49
        recombination, worse = raw[: lambda_ // 2], -raw[lambda_ // 2 :]
        recombination, worse = recombination / recombination.sum(), worse / worse.sum()
        mass, worse_mass = (1.0 / float(shares.square().sum()) for shares in (recombination, worse))  # mu_eff, mu_eff-
        self._mass = mass
        self._rate_sigma = (mass + 2.0) / (dim + mass + 3.0)  # c_sigma
        self._rate_path = 4.0 / (dim + 4.0)  # c_c
        faster = (dim + 2.0) / 3.0  # Ros and Hansen 2008, eq. 8
        rank_one = 2.0 / ((dim + 1.3) ** 2 + mass)  # c_1; then c_mu
        rank_mu = min(1.0 - rank_one, 2.0 * (mass - 2.0 + 1.0 / mass) / ((dim + 2.0) ** 2 + mass))
        self._rank_one = min(1.0, rank_one * faster)
        self._rank_mu = min(1.0 - self._rank_one, rank_mu * faster)
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
        _register(self, toolbox)

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
        spread = self.sigma * self.diagonal.sqrt()
        sound = (self.centroid.float().isfinite() & spread.float().isfinite()).all(1)
        if not sound.all():
            why = f"at update {self._updates} its distribution, or all fitness, was not finite"
            raise _diverged(self, int((~sound).nonzero()[0]), why)
        noise = self.streams.normal(replicates, self.lambda_, dim).double()
        genomes = self.centroid.unsqueeze(1) + spread.unsqueeze(1) * noise
        return Population.unevaluated(genomes.float(), self.weights, self.streams)

    def update(self, population: Population) -> None:
        """Move the distributions towards the better half of the evaluated `population`, and reshape them by all."""
        # Equations of Hansen 2016 (as above), for a diagonal covariance; mu parents in each replicate.
        dim = self.centroid.shape[1]
        ranked = population.take(ranking(population.wvalues)).genomes.double()
        steps = (ranked - self.centroid.unsqueeze(1)) / self.sigma.unsqueeze(1)  # R lambda D
        parents = steps[:, : len(self._recombination)]  # R mu D
        step = (self._recombination.view(1, -1, 1) * parents).sum(1)  # eq. 41: R D
        self._updates += 1

        rate = self._rate_sigma
        whitened = step / self.diagonal.sqrt()  # R D
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
        lengths = (steps.square() / self.diagonal.unsqueeze(1)).sum(2).clamp_min(TINY)  # R lambda
        rates = torch.where(self._rates < 0.0, self._rates * dim / lengths, self._rates)
        diagonal = kept * self.diagonal + self._rank_one * self._path.square()
        diagonal = diagonal + (rates.unsqueeze(2) * steps.square()).sum(1)
        self.centroid = self.centroid + self.sigma * step  # eq. 42
        # Eq. 44.
        sigma = self.sigma * torch.exp((length / self._expected_norm - 1.0) * self._rate_sigma / self._damping)
        # A search that has come down to one point shrinks for ever: it stays there, and does not divide by zero.
        self.diagonal, sigma = diagonal.clamp_min(TINY), sigma.clamp_min(TINY)
        # Where no fitness is finite there is nothing to learn from: no step size is right then, and `generate` says so.
        self.sigma = torch.where(population.finite.any(1, keepdim=True), sigma, math.nan)


class StockStrategies:
    """DEAP's `cma.Strategy`, or any that needs genes and fitness only, one for each replicate.

        strategies = StockStrategies(population, lambda mean: cma.Strategy(mean, sigma=0.5, lambda_=20))
        strategies.register(toolbox)

    They draw from numpy's global random numbers, which are lent to them: set from the replicate's stream, and put back.
    (`StrategyOnePlusLambda` and `StrategyMultiObjective` keep more than genes in their individuals, and do not fit.)
    One that diverges ends in a `SearchError`: where the eigenvalues of its matrix cannot be found any more, where its
    genes are not finite in float32, or where no fitness is finite.

    Args:
        population: how many replicates, with their streams and objective weights.
        make: takes the mean genome of a replicate, a list of D numbers, to a strategy: an object with
            `generate(ind_init)` and `update(individuals)`.
    """

    def __init__(self, population: Population, make: Callable[[list[float]], Any]) -> None:
        self.weights, self.streams = population.weights, population.streams.clone()
        self.device = population.genomes.device
        self.strategies = [make(mean) for mean in population.genomes.double().mean(1).tolist()]

    def register(self, toolbox: base.Toolbox) -> None:
        """Fill the roles `generate`, `update`, `state` and `restore` of `toolbox`."""
        _register(self, toolbox)

    def state(self) -> State:
        """Return the numbers and arrays that the strategies hold, and the streams."""
        numbers = {f"{r}": _numbers_of(strategy) for r, strategy in enumerate(self.strategies)}
        return join(**numbers, streams=self.streams.state())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, in strategies made with the same arguments.

        Raises:
            InputError: if it is that of others.
        """
        state = State(state)
        for r, strategy in enumerate(self.strategies):
            _give_numbers(strategy, state.part(f"{r}"))
        self.streams = self.streams.restored(state.part("streams"))

    def generate(self) -> Population:
        """Return the individuals that each replicate's strategy asks for.

        Raises:
            SearchError: if a strategy has diverged.
        """
        genomes = []
        for r, strategy in enumerate(self.strategies):
            with self._asking(r):
                genomes.append(torch.tensor([list(genes) for genes in strategy.generate(list)], dtype=torch.float32))
            if not genomes[r].isfinite().all():
                raise _diverged(strategy, r, "its genes are not finite")
        return Population.unevaluated(torch.stack(genomes).to(self.device), self.weights, self.streams)

    def update(self, population: Population) -> None:
        """Tell each replicate's strategy the fitness of its individuals.

        Raises:
            SearchError: if a strategy has diverged.
            InputError: if there are constraints, which it would not know of.
        """
        if population.violation is not None:
            raise InputError("DEAP's strategies know no constraints: use SeparableCMAES, or objectives.penalised")
        for r, (strategy, finite) in enumerate(zip(self.strategies, population.finite.any(1).tolist(), strict=True)):
            if not finite:
                raise _diverged(strategy, r, "nobody's fitness is finite")
            with self._asking(r):
                strategy.update(population.replicate(r))

    @contextlib.contextmanager
    def _asking(self, r: int) -> Iterator[None]:
        """Lend the strategy of replicate `r` its random numbers, and tell why it fails where it has diverged."""
        try:
            with seeded_numpy(self.streams[r]), np.errstate(over="ignore", invalid="ignore", divide="ignore"):
                yield
        except np.linalg.LinAlgError as error:
            raise _diverged(self.strategies[r], r, str(error)) from error


def _numbers_of(strategy: Any) -> dict[str, Tensor]:
    """The numbers and arrays among a strategy's attributes: what it learns, and constants that restoring repeats.

    An array whose columns lie together is kept as its transpose: products of matrices go by the order in memory, down
    to their last bits.
    """
    numbers = {}
    for name, value in vars(strategy).items():
        if isinstance(value, float | int | np.ndarray):
            array = np.asarray(value)
            columns = array.ndim == 2 and array.flags.f_contiguous and not array.flags.c_contiguous
            key, kept = (name + TRANSPOSED, array.T) if columns else (name, array)
            numbers[key] = torch.from_numpy(kept.copy())
    return numbers


def _give_numbers(strategy: Any, numbers: State) -> None:
    """Let a strategy take up what `_numbers_of` another gave."""
    for name, found in numbers.items():
        attribute, array = name.removesuffix(TRANSPOSED), found.numpy().copy()
        array = array if attribute == name else array.T
        before = np.asarray(getattr(strategy, attribute, None))
        if (array.shape, array.dtype) != (before.shape, before.dtype):
            raise InputError(f"the state has {attribute} as {array.dtype} of shape {array.shape}: of another strategy")
        setattr(strategy, attribute, array if array.ndim else array.item())
