"""Evolution strategies as pyribs' emitters use them, many side by side."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from evovae.base import State, counts_are_free, join

MOST_CONDITION, LEAST_AREA, LEAST_DIFFERENCE = 1e14, 1e-11, 1e-12
"""Beyond which a strategy has converged, as in pycma: condition of the covariance, width of the distribution in its
widest direction, difference of the best and the worst value that a generation is ranked by."""


class EvolutionStrategies:
    """CMA-ES (Hansen 2016, "The CMA evolution strategy: a tutorial") with as many parents as it is told, I instances.

    It follows pyribs 0.12 step by step, whose tables are to be compared: positive weights alone, square roots of the
    covariance that are renewed only now and then, and a rank-one update that carries its learning rate twice (which all
    but switches it off). For a search for one optimum there is `SeparableCMAES`, which has none of these.

    Args:
        mean: float64 (I, D), where the distributions begin.
        sigma: their standard deviation.
        batch_size: genomes of each instance in a generation.
        separable: whether the covariance is diagonal, with the learning rates of pycma for that.

    Attributes:
        mean: float64 (I, D).
        sigma: float64 (I, 1), the step size.
        covariance: float64 (I, D, D), or (I, D) of diagonals.
    """

    def __init__(self, mean: Tensor, sigma: float, batch_size: int, separable: bool = False) -> None:
        instances, dim = mean.shape
        self.dim, self.sigma0, self.batch_size, self.separable = dim, sigma, batch_size, separable
        self.mean = mean.double()
        self.sigma = torch.full_like(self.mean[:, :1], sigma)
        self._path, self._path_sigma = torch.zeros_like(self.mean), torch.zeros_like(self.mean)
        self._evaluations = torch.zeros(instances, 1, dtype=torch.int64, device=mean.device)
        self._one = torch.ones(dim) if separable else torch.eye(dim)
        self._one = self._one.to(self.mean)
        self.covariance = self._one.expand(instances, *self._one.shape).clone()
        self._eigenvalues = torch.ones_like(self.mean)  # of the covariance when it was last decomposed
        self._basis = self.covariance.clone()  # eigenvectors, in columns; not of a separable one
        self._decomposed = torch.zeros_like(self._evaluations)  # after how many evaluations
        half = torch.tensor([batch_size // 2])
        rates = self._rates(recombination(half, int(half)))
        learned = float(rates["one"] + rates["mu"])
        self._gap = 0.0 if separable else 0.5 * batch_size / learned / dim  # evaluations between decompositions
        self._scaled = self.covariance.float()  # basis times the roots of the eigenvalues

    def ask(self, noise: Tensor) -> Tensor:
        """Return genomes float32 (I, B, D) of the distributions, made of `noise` from N(0, 1), float32 (I, B, D)."""
        self._decompose()
        mean, noise = self.mean.float().unsqueeze(1), noise * self.sigma.float().unsqueeze(1)
        if self.separable:
            return torch.addcmul(mean, noise, self._scaled.unsqueeze(1))
        return torch.baddbmm(mean, noise, self._scaled.mT)

    def tell(self, ranked: Tensor, parents: Tensor, asked: Tensor) -> None:
        """Learn from the best of a generation.

        Args:
            ranked: (I, L, D), the genomes that were asked for, best first; L is at least the number of parents.
            parents: int64 (I,), how many of them to learn from; where there are none, nothing is learned.
            asked: bool (I,), whose genomes were evaluated.
        """
        self._evaluations = self._evaluations + self.batch_size * asked.unsqueeze(1)
        learning = (parents.unsqueeze(1) > 0) & asked.unsqueeze(1)  # I 1
        weights = recombination(parents, ranked.shape[1])  # I L
        rates, dim = self._rates(weights), self.dim
        mass, rate_path, rate_sigma = rates["mass"], rates["path"], rates["sigma"]
        damping = 1.0 + 2.0 * (((mass - 1.0) / (dim + 1.0)).sqrt() - 1.0).clamp_min(0.0) + rate_sigma

        steps = ranked - self.mean.unsqueeze(1)  # I L D, float64
        step = torch.bmm(weights.unsqueeze(1), steps).squeeze(1)  # I D
        whitened = self._whiten(step)
        path_sigma = (1.0 - rate_sigma) * self._path_sigma
        path_sigma = path_sigma + (rate_sigma * (2.0 - rate_sigma) * mass).sqrt() / self.sigma * whitened
        length = path_sigma.square().sum(1, keepdim=True) / dim  # I 1
        settled = 1.0 - (1.0 - rate_sigma) ** (2.0 * self._evaluations.clamp_min(1) / self.batch_size)
        short = (length / settled < 2.0 + 4.0 / (dim + 1.0)).double()  # h_sigma
        path = (1.0 - rate_path) * self._path + short * (rate_path * (2.0 - rate_path) * mass).sqrt() * step

        one = rates["one"]
        kept = 1.0 - one * (1.0 - (1.0 - short) * rate_path * (2.0 - rate_path)) - rates["mu"]
        kept = torch.where(learning, kept, 1.0)
        # The rank-one update goes along as one more step: its rate is squared, as in pyribs.
        share = torch.cat((rates["mu"] * weights / self.sigma.square(), one.square()), 1)
        share = torch.where(learning, share, 0.0).unsqueeze(2)  # I L+1 1
        steps = torch.cat((steps, path.unsqueeze(1)), 1)
        if self.separable:
            self.covariance = self._eigenvalues = kept * self.covariance + (share * steps.square()).sum(1)
        else:
            self.covariance.mul_(kept.unsqueeze(2)).baddbmm_((share * steps).mT, steps)
        sigma = self.sigma * (rate_sigma / damping * (length - 1.0) / 2.0).clamp_max(1.0).exp()
        found = {"mean": self.mean + step, "sigma": sigma, "_path": path, "_path_sigma": path_sigma}
        for name, values in found.items():
            setattr(self, name, torch.where(learning, values, getattr(self, name)))

    def converged(self, best: Tensor, worst: Tensor) -> Tensor:
        """Return bool (I,): whose distribution has come to its end.

        Args:
            best: (I, V), the values that the best of the generation was ranked by.
            worst: those of the last.
        """
        most, least = self._eigenvalues.amax(1), self._eigenvalues.amin(1)
        area = self.sigma.squeeze(1) * most.sqrt()
        flat = torch.linalg.vector_norm(best - worst, dim=1) < LEAST_DIFFERENCE
        return (most / least > MOST_CONDITION) | (area < LEAST_AREA) | flat

    def reset(self, chosen: Tensor, mean: Tensor) -> None:
        """Let those `chosen` bool (I,) begin again, at `mean` (I, D)."""
        if counts_are_free(chosen) and not bool(chosen.any()):
            return
        rows = chosen.unsqueeze(1)
        self.mean = torch.where(rows, mean.double(), self.mean)
        self.sigma = torch.where(rows, self.sigma0, self.sigma)
        self._path, self._path_sigma = (torch.where(rows, 0.0, path) for path in (self._path, self._path_sigma))
        self._evaluations, self._decomposed = (
            torch.where(rows, 0, count) for count in (self._evaluations, self._decomposed)
        )
        self._eigenvalues = torch.where(rows, 1.0, self._eigenvalues)
        for matrix in (self.covariance, self._basis, self._scaled):
            _put(matrix, chosen, self._one.to(matrix.dtype))
        if self.separable:
            self._eigenvalues = self.covariance

    def state(self) -> State:
        """Return all that was learned."""
        return join(**{name: values.clone() for name, values in self._learned().items()})

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave, in strategies made with the same arguments.

        Raises:
            InputError: if it is that of others.
        """
        state = State(state)
        for name, values in self._learned().items():
            setattr(self, name if hasattr(self, name) else f"_{name}", state.like(name, values).clone())
        if self.separable:
            self._eigenvalues = self.covariance

    def _learned(self) -> dict[str, Tensor]:
        names = ["mean", "sigma", "covariance", "_path", "_path_sigma", "_evaluations"]
        if not self.separable:
            names += ["_eigenvalues", "_basis", "_scaled", "_decomposed"]
        return {name.lstrip("_"): getattr(self, name) for name in names}

    def _rates(self, weights: Tensor) -> dict[str, Tensor]:
        """Return learning rates (I, 1) for parents with these `weights` (I, L)."""
        dim = self.dim
        mass = 1.0 / weights.square().sum(-1, keepdim=True)  # mu_eff
        one = 2.0 / ((dim + 1.3) ** 2 + mass)  # c_1
        if self.separable:  # as pycma has them
            path = (1.0 + 1.0 / dim + mass / dim) / (math.sqrt(dim) + 1.0 / dim + 2.0 * mass / dim)
            one = one / (dim + 2.0 * math.sqrt(dim) + mass / dim)
            mu = (mass + 1.0 / mass - 2.0) / (dim + 4.0 * math.sqrt(dim) + mass / 2.0)
        else:
            path = (4.0 + mass / dim) / (dim + 4.0 + 2.0 * mass / dim)  # c_c
            mu = 2.0 * (mass - 2.0 + 1.0 / mass) / ((dim + 2.0) ** 2 + mass)  # c_mu
        sigma = (mass + 2.0) / (dim + mass + 5.0)  # c_sigma
        return {"mass": mass, "one": one, "mu": torch.minimum(1.0 - one, mu), "path": path, "sigma": sigma}

    def _whiten(self, steps: Tensor) -> Tensor:
        """Return C^(-1/2) `steps` (I, D), for C as it was last decomposed."""
        if self.separable:
            return steps / self._eigenvalues.sqrt()
        turned = torch.bmm(steps.unsqueeze(1), self._basis)  # I 1 D
        turned = turned / self._eigenvalues.sqrt().unsqueeze(1)
        return torch.bmm(turned, self._basis.mT).squeeze(1)

    def _decompose(self) -> None:
        """Renew the eigenvalues and the basis where enough evaluations have passed."""
        if self.separable:
            self._scaled = self.covariance.sqrt().float()
            return
        due = (self._evaluations > self._decomposed + self._gap).squeeze(1)
        if counts_are_free(due):
            rows = due.nonzero().squeeze(1)
            if not len(rows):
                return
            # LAPACK as numpy has it takes three quarters of torch's time. Both read the lower triangle alone.
            values, basis = (torch.from_numpy(part) for part in np.linalg.eigh(self.covariance[rows].numpy()))
        else:
            rows = torch.arange(len(due), device=due.device)
            values, basis = torch.linalg.eigh(self.covariance)
            values = torch.where(due.unsqueeze(1), values.abs(), self._eigenvalues)
            basis = torch.where(due.view(-1, 1, 1), basis, self._basis)
        values = values.abs()
        self._eigenvalues = self._eigenvalues.index_copy(0, rows, values)
        self._basis.index_copy_(0, rows, basis)
        self._scaled.index_copy_(0, rows, (basis * values.sqrt().unsqueeze(1)).float())
        self._decomposed = torch.where(due.unsqueeze(1), self._evaluations, self._decomposed)


def recombination(parents: Tensor, most: int) -> Tensor:
    """Return weights float64 (I, `most`) of so many `parents` int64 (I,), best first; of none as of one."""
    count = parents.double().clamp_min(1.0).unsqueeze(1)
    order = torch.arange(1, most + 1, dtype=torch.float64, device=parents.device)
    weights = torch.where(order <= count, (count + 0.5).log() - order.log(), 0.0)
    return weights / weights.sum(1, keepdim=True)


def _put(tensor: Tensor, chosen: Tensor, value: Tensor) -> None:
    """Write `value` (...) into the rows of `tensor` (I, ...) that are `chosen` bool (I,)."""
    if counts_are_free(chosen):
        tensor[chosen] = value
    else:
        mask = chosen.view(-1, *([1] * (tensor.ndim - 1)))
        tensor.copy_(torch.where(mask, value, tensor))
