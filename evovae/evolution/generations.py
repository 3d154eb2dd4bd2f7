"""What an algorithm yields, generation by generation, and what hangs on from outside: books and early stopping."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from deap import tools
from torch import Tensor

from evovae.errors import InputError
from evovae.evolution.books import compile_statistics, record
from evovae.evolution.fronts import hypervolume
from evovae.evolution.operators.nondominated import nondominated_rank
from evovae.evolution.operators.parameters import check_count
from evovae.evolution.population import Population


@dataclass(frozen=True, eq=False)
class Generation:
    """One generation of all replicates."""

    gen: int
    population: Population
    """Those that survived."""
    offspring: Population
    """Those that competed for that with a fitness of this generation; the same where no parents survive."""
    nevals: Tensor
    """int64 (R,): evaluations in this generation."""
    evaluations: Tensor
    """int64 (R,): evaluations since the start, this generation's included."""

    def statistics(self, reference: Sequence[float] | None = None) -> dict[str, np.ndarray]:
        """Return nevals, evaluations, min, mean, max, std and nonfinite, each (R,), or (R, M) for M > 1 objectives.

        An individual whose fitness is not finite, in one objective or more, is left out and counted in `nonfinite`,
        which is always (R,); a replicate that has no other has NaN. With several objectives there are besides, each
        (R,): `front`, the number of individuals that no other dominates, and, where a `reference` of M values is given,
        `hypervolume`, what they dominate up to there.
        This waits for the device.
        """
        fitness = self.population.fitness.cpu().numpy().astype(np.float64)  # R N M
        finite = np.isfinite(fitness).all(2, keepdims=True)
        count = finite.sum(1)
        with np.errstate(invalid="ignore"):  # no finite fitness: 0 / 0, and NaN in all columns
            mean = fitness.sum(1, where=finite) / count
            std = np.sqrt(np.square(fitness - mean[:, None]).sum(1, where=finite) / count)
        low = np.where(count > 0, fitness.min(1, where=finite, initial=np.inf), np.nan)
        high = np.where(count > 0, fitness.max(1, where=finite, initial=-np.inf), np.nan)
        single = fitness.shape[2] == 1
        columns = {"min": low, "mean": mean, "max": high, "std": std}
        books: dict[str, np.ndarray] = {
            "nevals": self.nevals.cpu().numpy(),
            "evaluations": self.evaluations.cpu().numpy(),
            **{name: column[:, 0] if single else column for name, column in columns.items()},
            "nonfinite": fitness.shape[1] - count[:, 0],
        }
        if not single:
            first = (nondominated_rank(self.population) == 0) & self.population.finite
            books["front"] = first.sum(1).cpu().numpy()
            if reference is not None:
                books["hypervolume"] = hypervolume(self.population, reference).cpu().numpy()
        return books


def collect(
    generations: Iterator[Generation],
    stats: tools.Statistics | tools.MultiStatistics | None = None,
    verbose: bool = False,
    reference: Sequence[float] | None = None,
) -> tuple[Population, tools.Logbook]:
    """Run `generations` to their end and return the last population and DEAP's logbook, as the algorithms do.

    Args:
        generations: those of an algorithm (`eaSimple_iter`, ...), perhaps through `EarlyStopping`.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        verbose: print the logbook's stream after each generation.
        reference: of the hypervolume, one value for each of several objectives; None records none.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates.
    """
    logbook = tools.Logbook()
    population = None
    for generation in generations:
        population = generation.population
        compiled = {} if stats is None else compile_statistics(stats, population)
        record(logbook, {"gen": generation.gen, **generation.statistics(reference)}, compiled)
        if verbose:
            print(logbook.stream)
    if population is None:
        raise InputError("there were no generations: expected 1 or more")
    return population, logbook


class EarlyStopping:
    """Ends a run when every replicate has done what was asked; give it an algorithm's generations.

        stop = EarlyStopping(target=0.01, evaluations=100_000)
        population, logbook = collect(stop(eaSimple_iter(...)))
        print(stop.reason)

    Each call begins anew. It looks at results, and so waits for the device once a generation.

    Args:
        target: stop when every replicate has evaluated an individual at least as good as this.
        stagnation: stop when no replicate has evaluated a better individual than before for so many generations.
        evaluations: stop when every replicate has spent at least so many.
        seconds: stop when so much time has passed.

    Attributes:
        reason: why the last run was stopped, known from its last generation on; None if it went to its end.

    Raises:
        InputError: if a limit is below its smallest sensible value, or `target` or `stagnation` meet several
            objectives, which have no best.
    """

    def __init__(
        self,
        target: float | None = None,
        stagnation: int | None = None,
        evaluations: int | None = None,
        seconds: float | None = None,
    ) -> None:
        if target is not None and not np.isfinite(target):
            raise InputError(f"target is {target}: expected a finite fitness")
        for name, value in (("stagnation", stagnation), ("evaluations", evaluations)):
            if value is not None:
                check_count(name, value, least=1)
        if seconds is not None and not seconds > 0:
            raise InputError(f"seconds is {seconds}: expected a positive number")
        self.target, self.stagnation, self.evaluations, self.seconds = target, stagnation, evaluations, seconds
        self.reason: str | None = None

    def __call__(self, generations: Iterator[Generation]) -> Iterator[Generation]:
        """Yield `generations` up to the one that meets a condition, that one included."""
        self.reason = None
        start, best, improved = time.monotonic(), None, 0
        for generation in generations:
            if self.target is not None or self.stagnation is not None:
                found = self._best(generation.offspring)
                if best is None or (found > best).any():
                    best, improved = found if best is None else np.fmax(best, found), generation.gen
            self.reason = self._reason(generation, best, generation.gen - improved, time.monotonic() - start)
            yield generation
            if self.reason is not None:
                return

    def _reason(self, generation: Generation, best: np.ndarray | None, idle: int, seconds: float) -> str | None:
        if self.target is not None and best is not None:
            weight = generation.population.weights[0]
            if (best >= np.float32(self.target) * np.float32(weight)).all():
                return f"every replicate has reached {self.target:g}"
        if self.stagnation is not None and idle >= self.stagnation:
            return f"no replicate has improved for {idle} generations"
        if self.evaluations is not None and bool((generation.evaluations >= self.evaluations).all()):
            return f"every replicate has spent {self.evaluations:,} evaluations"
        if self.seconds is not None and seconds >= self.seconds:
            return f"{self.seconds:g} seconds have passed"
        return None

    @staticmethod
    def _best(population: Population) -> np.ndarray:
        if len(population.weights) > 1:
            raise InputError("target and stagnation ask for a best individual: of several objectives there is none")
        return population.wvalues[..., 0].amax(1).cpu().numpy()
