"""What an algorithm yields, generation by generation, and what hangs on from outside: books and early stopping."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from deap import tools
from torch import Tensor

from evovae.errors import InputError, shown
from evovae.evolution.books import compile_statistics, record
from evovae.evolution.fronts import hypervolume
from evovae.evolution.operators.nondominated import nondominated_rank
from evovae.evolution.operators.parameters import check_count, is_number
from evovae.evolution.population import Population
from evovae.state import State, join

GENERATIONS = "expected those of eaSimple_iter or the like"


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
    more: Callable[[], Mapping[str, Tensor]] = dict
    """What the algorithm needs beside these to go on."""

    def state(self) -> State:
        """Return what the algorithm needs to go on after this generation; ask before asking for the next one."""
        return join(
            gen=self.gen,
            evaluations=self.evaluations,
            population=self.population.state(),
            streams=self.population.streams.state(),
            more=self.more(),
        )

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


def begin(population: Population, state: State | None) -> tuple[int, Population, Tensor]:
    """Return the number of the next generation, the population that it comes from, and evaluations (R,) so far.

    The streams are a copy: the same population evolves the same way twice.

    Raises:
        InputError: if `state` does not fit the population.
    """
    evaluations = torch.zeros(population.replicates, dtype=torch.int64, device=population.genomes.device)
    if state is None:
        return 0, replace(population, streams=population.streams.clone()), evaluations
    population = replace(
        population.restored(state.part("population")), streams=population.streams.restored(state.part("streams"))
    )
    return state.number("gen") + 1, population, state.like("evaluations", evaluations)


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
        if not isinstance(generation, Generation):
            raise InputError(f"generations has a {type(generation).__name__}: {GENERATIONS}")
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

    Each call begins anew, but for the first after `restore`. It looks at results, and so waits for the device once a
    generation.

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
        if target is not None and not (is_number(target) and np.isfinite(target)):
            raise InputError(f"target is {shown(target)}: expected a finite fitness")
        for name, value in (("stagnation", stagnation), ("evaluations", evaluations)):
            if value is not None:
                check_count(name, value, least=1)
        if seconds is not None and not (is_number(seconds) and seconds > 0):
            raise InputError(f"seconds is {shown(seconds)}: expected a positive number")
        self.target, self.stagnation, self.evaluations, self.seconds = target, stagnation, evaluations, seconds
        self.reason: str | None = None
        self._best: np.ndarray | None = None
        self._improved, self._seconds, self._restored = 0, 0.0, False

    def state(self) -> State:
        """Return the best so far, since when, the seconds that have passed, and the reason."""
        best = {} if self._best is None else {"best": torch.from_numpy(self._best)}
        clock = {} if self.seconds is None else {"seconds": self._seconds}  # states are the same from run to run
        return join(**best, **clock, improved=self._improved, reason=(self.reason or "").encode())

    def restore(self, state: State) -> None:
        """Take up what `state` gave: the next call goes on with it."""
        self._best = state["best"].numpy() if "best" in state else None
        self._improved = state.number("improved")
        self._seconds = 0.0 if self.seconds is None else float(state["seconds"])
        self.reason, self._restored = state.bytes("reason").decode() or None, True

    def __call__(self, generations: Iterator[Generation]) -> Iterator[Generation]:
        """Yield `generations` up to the one that meets a condition, that one included.

        Raises:
            InputError: if they are none that an algorithm yields one after the other.
        """
        if not isinstance(generations, Iterator):
            raise InputError(f"generations is a {type(generations).__name__}: {GENERATIONS}")
        if not self._restored:
            self.reason, self._best, self._improved, self._seconds = None, None, 0, 0.0
        self._restored = False
        start = time.monotonic() - self._seconds
        while self.reason is None and (generation := next(generations, None)) is not None:
            if self.target is not None or self.stagnation is not None:
                best, found = self._best, _best_of(generation.offspring)
                if best is None or (found > best).any():
                    self._best, self._improved = found if best is None else np.fmax(best, found), generation.gen
            self._seconds = time.monotonic() - start
            self.reason = self._find_reason(generation)
            yield generation

    def _find_reason(self, generation: Generation) -> str | None:
        if self.target is not None and self._best is not None:
            weight = generation.population.weights[0]
            if (self._best >= np.float32(self.target) * np.float32(weight)).all():
                return f"every replicate has reached {self.target:g}"
        idle = generation.gen - self._improved
        if self.stagnation is not None and idle >= self.stagnation:
            return f"no replicate has improved for {idle} generations"
        if self.evaluations is not None and bool((generation.evaluations >= self.evaluations).all()):
            return f"every replicate has spent {self.evaluations:,} evaluations"
        if self.seconds is not None and self._seconds >= self.seconds:
            return f"{self.seconds:g} seconds have passed"
        return None


def _best_of(population: Population) -> np.ndarray:
    if len(population.weights) > 1:
        raise InputError("target and stagnation ask for a best individual: of several objectives there is none")
    return population.wvalues[..., 0].amax(1).cpu().numpy()
