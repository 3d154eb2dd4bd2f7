"""The bridge for stock DEAP programs: individuals stay lists, and a whole generation is decoded at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor

from evovae.base import InputError
from evovae.evolution.protocols import Encoding
from evovae.evolution.toolboxes import toolbox

NUMBERS = "biuf"  # numpy's kinds: bool, signed and unsigned integer, float


class Bridge:
    """Batched fitness for a program written for DEAP alone. Two registrations are all that changes.

        bridge = evolution.Bridge(encoding, objective)
        toolbox.register("evaluate", bridge.evaluate)
        toolbox.register("map", bridge.map)

    DEAP's algorithms evaluate with `toolbox.map(toolbox.evaluate, individuals)`, which then decodes all of them in one
    batch (in chunks, as `evolution.toolbox` does). Everything else stays the program's own: operators, global random
    numbers, and the weights that say what is better (where DEAP may let a fitness of NaN win, it still may).

    Genomes are decoded as they are, not projected into the encoding's support: the fitness would be that of other
    genes than the individual has. A program that wants bounds keeps them as DEAP does, in `mate` and `mutate`.

    Args:
        encoding: how genomes become phenotypes.
        objective: phenotypes (B, ...) -> fitness (B, M).
        weights: as for `evolution.toolbox`; only their number M matters here.
    """

    def __init__(
        self, encoding: Encoding, objective: Callable[[Tensor], Tensor], weights: Sequence[float] | None = None
    ) -> None:
        self._encoding = encoding
        self._score = toolbox(encoding, objective, weights).evaluate
        self._known: dict[bytes, tuple[float, ...]] = {}

    def evaluate(self, individual: ArrayLike) -> tuple[float, ...]:
        """Return the M fitness values of one individual: D numbers in a list, an `array.array` or a numpy array.

        Raises:
            InputError: if the individual is not D numbers, or the objective's result has a wrong shape.
        """
        genomes = self._genomes([individual])
        known = self._known.get(genomes.tobytes())
        return self._fitness(genomes)[0] if known is None else known

    def map(self, function: Callable[..., Any], *iterables: Iterable[Any]) -> Iterable[Any]:
        """Apply `function` as the builtin `map` does, but `evaluate` to all individuals at once, in order.

        An `evaluate` that was decorated (`toolbox.decorate`, with a decorator that uses `functools.wraps`, as DEAP's
        penalties do) is called on each individual and finds the fitness ready.

        Raises:
            InputError: as `evaluate`.
        """
        innermost, decorated = _unwrap(function)
        if innermost != self.evaluate or len(iterables) != 1:
            return map(function, *iterables)
        individuals = list(iterables[0])
        if not individuals:
            return []
        genomes = self._genomes(individuals)
        fitness = self._fitness(genomes)
        if not decorated:
            return fitness
        # Looked up by genes: a decorator may evaluate other genes than the individual's, such as repaired ones.
        self._known = {row.tobytes(): values for row, values in zip(genomes, fitness, strict=True)}
        try:
            return [function(individual) for individual in individuals]
        finally:
            self._known = {}

    def _fitness(self, genomes: np.ndarray) -> list[tuple[float, ...]]:
        scored: Tensor = self._score(torch.from_numpy(genomes).to(self._encoding.device))
        return [tuple(values) for values in scored.tolist()]

    def _genomes(self, individuals: list[Any]) -> np.ndarray:
        """Return the genes of the individuals, float32 (K, D)."""
        try:
            genomes = np.array(individuals)
        except (ValueError, TypeError):  # of different lengths, or nothing that numpy knows
            genomes = np.empty(0)
        if genomes.shape != (len(individuals), self._encoding.dim) or genomes.dtype.kind not in NUMBERS:
            raise InputError(self._complaint(individuals))
        return genomes.astype(np.float32)

    def _complaint(self, individuals: list[Any]) -> str:
        """Say what is wrong with the first individual that is not D numbers."""
        dim = self._encoding.dim
        for number, individual in enumerate(individuals):
            genes = np.array(individual, dtype=object)
            if genes.shape != (dim,):
                given = f"{len(genes)} genes" if genes.ndim == 1 else f"genes of shape {genes.shape}"
                return f"individual {number} has {given}: the encoding takes a sequence of {dim} numbers"
            for gene in genes:
                if not np.isscalar(gene) or np.asarray(gene).dtype.kind not in NUMBERS:
                    return f"individual {number} has the gene {' '.join(repr(gene).split())}: expected a number"
        raise AssertionError("individuals that are numbers were refused")


def _unwrap(function: Callable[..., Any]) -> tuple[Callable[..., Any], bool]:
    """Return what a function is behind `toolbox.register` and decorators, and whether these add anything to it."""
    added = False
    while True:
        if isinstance(function, partial):
            added |= bool(function.args or function.keywords)
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function, added = function.__wrapped__, True
        else:
            return function, added
