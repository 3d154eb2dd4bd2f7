"""Populations: replicates side by side in one tensor, with fitness, weights and random streams."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor

from evovae.base import InputError, State, Streams, numbers_on, require_whole, shown
from evovae.evolution.individuals import Individual, fitness_of

if TYPE_CHECKING:
    import pandas as pd

FLOATS = (torch.float32, torch.float64)
WORST = -float(np.finfo(np.float64).max)
"""Weighted fitness of the most infeasible individual; that of one without finite fitness is minus infinity."""


@dataclass(frozen=True, eq=False, repr=False)
class Population:
    """R replicates of N individuals with D genes and M objectives; nothing in it is ever changed in place.

    With one replicate it reads like a list of DEAP's: `population[0]`, `for individual in population`.
    """

    genomes: Tensor
    """(R, N, D)."""
    fitness: Tensor
    """(R, N, M), float32 or float64, as the objective gave it; NaN where not evaluated yet."""
    valid: Tensor
    """bool (R, N): whether the fitness belongs to the genome. In DEAP's words, an invalid one is not evaluated yet."""
    weights: tuple[float, ...]
    """One for each objective: positive to maximise, negative to minimise."""
    streams: Streams
    """The random stream of each replicate."""
    violation: Tensor | None = None
    """Float64 (R, N): how far constraints are from being kept, 0 where all are; None without constraints."""
    measures: Tensor | None = None
    """(R, N, K), float32 or float64, as they were given; NaN where not evaluated yet. None without measures."""
    lineage: Tensor | None = None
    """int64 (R, N, 3), once `traced`: an individual's number, and those of its parents, -1 where it has none."""

    @classmethod
    def unevaluated(cls, genomes: Tensor, weights: tuple[float, ...], streams: Streams) -> Population:
        """Return a population of `genomes` (R, N, D) whose fitness is not known yet."""
        shape = (*genomes.shape[:2], len(weights))
        fitness = torch.full(shape, math.nan, dtype=torch.float32, device=genomes.device)
        return cls(genomes, fitness, torch.zeros_like(fitness[..., 0], dtype=torch.bool), weights, streams)

    def __len__(self) -> int:
        """Number of individuals N in each replicate."""
        return self.genomes.shape[1]

    def __getitem__(self, index: int | slice) -> Any:
        """Return an individual of the only replicate as DEAP knows it, or a list of them.

        Raises:
            InputError: if there are several replicates: `replicate(r)` has them one by one.
        """
        self._require_one()
        chosen = range(len(self))[index]
        rows = [chosen] if isinstance(chosen, int) else list(chosen)
        found = self.take(torch.tensor([rows], dtype=torch.int64, device=self.genomes.device)).replicate(0)
        return found[0] if isinstance(chosen, int) else found

    def __iter__(self) -> Iterator[Individual]:
        """The individuals of the only replicate, as DEAP knows them."""
        self._require_one()
        return iter(self.replicate(0))

    def __repr__(self) -> str:
        """In a line: how many of what."""
        replicates, size, genes = self.genomes.shape
        objectives = len(self.weights)
        counts = f"{_count(replicates, 'replicate')} of {_count(size, 'individual')}"
        return f"<{type(self).__name__}: {counts}, {_count(genes, 'gene')}, {_count(objectives, 'objective')}>"

    def _require_one(self) -> None:
        if self.replicates != 1:
            raise InputError(f"the population has {self.replicates} replicates: take one's list with replicate(r)")

    @property
    def replicates(self) -> int:
        """Number of replicates R."""
        return self.genomes.shape[0]

    @property
    def wvalues(self) -> Tensor:
        """Fitness times weights, float64 (R, N, M), larger is better.

        Minus infinity in every objective of an individual of which one is not finite, so that it never wins. One that
        violates constraints is worse than all that keep them and better than another that violates them more, in every
        objective: Deb's rules (2000, "An efficient constraint handling method for genetic algorithms", sec. 3), which
        so hold wherever these values are compared.
        """
        return self.graded(self.fitness * self._on_device(self.weights))

    def _on_device(self, weights: tuple[float, ...]) -> Tensor:
        return numbers_on(weights, torch.float64, self.fitness.device)

    def graded(self, values: Tensor) -> Tensor:
        """Return what is of use in a comparison of `values` float64 (R, N, M), larger is better, as `wvalues` says."""
        if self.violation is not None:
            share = self.violation / (1.0 + self.violation)  # rises from 0 to 1
            share = share.nan_to_num(nan=1.0)  # of an infinite violation
            values = torch.where(self.feasible.unsqueeze(2), values, (WORST * (0.5 + 0.5 * share)).unsqueeze(2))
        return torch.where(self.finite.unsqueeze(2), values, -math.inf)

    @property
    def finite(self) -> Tensor:
        """Whose fitness is finite in every objective, bool (R, N); that of the others never wins."""
        finite = self.fitness.isfinite()
        return finite.squeeze(2) if finite.shape[2] == 1 else finite.all(2)

    @property
    def feasible(self) -> Tensor:
        """Who keeps all constraints, bool (R, N); true for all where there are none."""
        return torch.ones_like(self.valid) if self.violation is None else self.violation <= 0

    @property
    def _rows(self) -> dict[str, Tensor]:
        """What there is of tensors (R, N, ...), by name."""
        names = ("genomes", "fitness", "valid", "violation", "measures", "lineage")
        return {name: values for name in names if (values := getattr(self, name)) is not None}

    @property
    def _kind(self) -> list[str]:
        """What two populations have in common that can be joined."""
        weights = tuple(map(float, self.weights))
        return [f"{self.replicates} replicates", f"{self.genomes.shape[2]} genes", f"weights {weights}"]

    def take(self, index: Tensor) -> Population:
        """Return the individuals `index` int64 (R, K) of each replicate, in new memory."""
        rows = _rows(index, len(self))
        taken: dict[str, Any] = {
            name: values.flatten(0, 1).index_select(0, rows).unflatten(0, index.shape)
            for name, values in self._rows.items()
        }
        return replace(self, **taken)

    def between(self, start: int, stop: int) -> Population:
        """Return the individuals `start` up to `stop` of each replicate, in the memory of these."""
        part: dict[str, Any] = {name: values[:, start:stop] for name, values in self._rows.items()}
        return replace(self, **part)

    def join(self, other: Population) -> Population:
        """Return these individuals followed by those of `other`, in each replicate, with the streams of `other`.

        Raises:
            InputError: if `other` has another number of replicates or genes, or other weights, or if one of the two
                alone has constraints or is traced.
        """
        for ours, theirs in zip(self._kind, other._kind, strict=True):
            if ours != theirs:
                raise InputError(f"other has {theirs}: expected {ours}, to join these")
        first, second = self._rows, other._rows
        if alone := sorted(first.keys() ^ second.keys()):
            raise InputError(f"one population has a {alone[0]} and the other has none: both must be of one kind")
        joined: dict[str, Any] = {name: torch.cat((values, second[name]), dim=1) for name, values in first.items()}
        return replace(other, **joined)

    def seeded(self, genomes: Tensor) -> Population:
        """Return these individuals, the first K of each replicate replaced by `genomes` (K, D), not evaluated yet.

        Raises:
            InputError: if they are more than there are individuals, or have another number of genes.
        """
        replicates, size, genes = self.genomes.shape
        if not isinstance(genomes, Tensor) or genomes.shape[1:] != (genes,) or len(genomes) > size:
            raise InputError(f"genomes is {shown(genomes)}: expected a tensor (K, {genes}), K at most {size}")
        given = genomes.to(self.genomes).expand(replicates, -1, -1)
        count = len(genomes)
        valid, fitness = self.valid.clone(), self.fitness.clone()
        valid[:, :count], fitness[:, :count] = False, math.nan
        return replace(self, genomes=torch.cat((given, self.genomes[:, count:]), 1), valid=valid, fitness=fitness)

    def traced(self) -> Population:
        """Return this population with a `lineage`: the algorithms then record the parents of each individual."""
        replicates, size, _ = self.genomes.shape
        numbers = torch.arange(size, device=self.genomes.device).expand(replicates, -1)
        none = torch.full_like(numbers, -1)
        return replace(self, lineage=torch.stack((numbers, none, none), dim=2))

    def state(self) -> State:
        """Return genomes, fitness, who is valid, and violation, measures and lineage where there are such."""
        return State(self._rows)

    def restored(self, state: Mapping[str, Tensor]) -> Population:
        """Return the individuals of `state`, with the replicates, genes, weights and streams of this population.

        Raises:
            InputError: if its shapes or types do not fit.
        """
        state, (replicates, _, genes) = State(state), self.genomes.shape
        found: dict[str, Any] = {name: state[name].to(self.genomes.device) for name in ("genomes", "fitness", "valid")}
        others = ("violation", "measures", "lineage")
        found |= {name: state[name].to(self.genomes.device) for name in others if name in state}
        size = found["genomes"].shape[1] if found["genomes"].ndim == 3 else 0
        fitness_type = found["fitness"].dtype if found["fitness"].dtype in FLOATS else torch.float32
        measures = found.get("measures", torch.empty(0))
        measures_type = measures.dtype if measures.dtype in FLOATS else torch.float32
        expected = {
            "genomes": (self.genomes.dtype, (replicates, size, genes)),
            "fitness": (fitness_type, (replicates, size, len(self.weights))),
            "valid": (torch.bool, (replicates, size)),
            "violation": (torch.float64, (replicates, size)),
            "measures": (measures_type, (replicates, size, measures.shape[-1])),
            "lineage": (torch.int64, (replicates, size, 3)),
        }
        for name, tensor in found.items():
            kind, shape = expected[name]
            if tensor.dtype != kind or tuple(tensor.shape) != shape:
                raise InputError(
                    f"the state has {name} as {tensor.dtype} of shape {tuple(tensor.shape)}: expected {kind}, "
                    f"{replicates} replicates of {genes} genes, {len(self.weights)} objectives"
                )
        missing: dict[str, Any] = dict.fromkeys(others)
        return replace(self, **missing | found)

    def table(self) -> pd.DataFrame:
        """Return a row for each individual: replicate, individual, valid, fitness, and gene_0 to gene_(D - 1).

        Several objectives have fitness_0, fitness_1, ...; constraints add `violation`, measures
        `measures_0`, ..., a lineage `number`, `parent_0` and `parent_1`. This waits for the device.
        """
        import pandas as pd

        replicates, size, genes = self.genomes.shape
        columns: dict[str, np.ndarray] = {
            "replicate": np.repeat(np.arange(replicates), size),
            "individual": np.tile(np.arange(size), replicates),
            "valid": self.valid.flatten().cpu().numpy(),
        }
        fitness = self.fitness.flatten(0, 1).cpu().numpy()
        names = ["fitness"] if len(self.weights) == 1 else [f"fitness_{m}" for m in range(len(self.weights))]
        columns |= dict(zip(names, fitness.T, strict=True))
        if self.violation is not None:
            columns["violation"] = self.violation.flatten().cpu().numpy()
        if self.measures is not None:
            measures = self.measures.flatten(0, 1).cpu().numpy()
            columns |= {f"measures_{k}": values for k, values in enumerate(measures.T)}
        if self.lineage is not None:
            names = ["number", "parent_0", "parent_1"]
            columns |= dict(zip(names, self.lineage.flatten(0, 1).cpu().numpy().T, strict=True))
        genotypes = self.genomes.flatten(0, 1).cpu().numpy()
        return pd.DataFrame(columns | {f"gene_{d}": genotypes[:, d] for d in range(genes)})

    def best(self, k: int = 1) -> Population:
        """Return the best `k` of each replicate, or all there are, best first; of equals the first.

        Raises:
            InputError: if `k` is no whole number, 0 or more.
        """
        require_whole("k", k)
        return self.take(ranking(self.wvalues)[:, :k])

    def replicate(self, r: int) -> list[Individual]:
        """Return replicate `r` as DEAP's list of individuals, each with a `deap.base.Fitness`.

        A fitness that is not finite is the worst there is, in every objective: DEAP's tools let NaN win.

        Raises:
            InputError: if there is no replicate `r`; a negative one counts from the end.
        """
        require_whole("r", r, -self.replicates, self.replicates - 1)
        fitted = fitness_of(self.weights)
        worst = -math.inf * self._on_device(self.weights)
        fitness = torch.where(self.finite[r].unsqueeze(1), self.fitness[r].double(), worst)
        rows = zip(self.genomes[r].tolist(), fitness.tolist(), self.valid[r].tolist(), strict=True)
        return [Individual(genes, fitted(values if valid else ())) for genes, values, valid in rows]


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


def ranking(wvalues: Tensor) -> Tensor:
    """Return the individuals int64 (R, N) best first by `wvalues` (R, N, M), as DEAP's stable sort orders them."""
    return ranking_key(wvalues).argsort(dim=1, descending=True, stable=True)


def ranking_key(wvalues: Tensor) -> Tensor:
    """Return numbers (R, N) that order individuals by `wvalues` (R, N, M) as DEAP does: lexicographically."""
    if wvalues.shape[-1] == 1:
        return wvalues[..., 0]
    order = torch.arange(wvalues.shape[1], device=wvalues.device).expand(wvalues.shape[:2])
    for objective in reversed(range(wvalues.shape[-1])):  # stable sorts, the least significant first
        order = order.gather(1, wvalues[..., objective].gather(1, order).argsort(dim=1, stable=True))
    ordered = wvalues.gather(1, order.unsqueeze(2).expand_as(wvalues))
    steps = (ordered[:, 1:] != ordered[:, :-1]).any(-1).cumsum(1)
    ranks = torch.cat((torch.zeros_like(order[:, :1]), steps), dim=1)
    return torch.empty_like(ranks).scatter_(1, order, ranks).to(wvalues.dtype)


def _rows(index: Tensor, n: int) -> Tensor:
    """Return the rows (R * K,) that `index` (R, K) names in tensors of which R * `n` rows were flattened."""
    if len(index) == 1:
        return index.flatten()
    return (index + torch.arange(len(index), device=index.device).mul_(n).unsqueeze(1)).flatten()
