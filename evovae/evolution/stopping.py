"""Ending a run early, for one of several reasons."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping

import numpy as np
import torch
from torch import Tensor

from evovae.base import MIN_NUMBER, InputError, State, join, require_number, require_whole, shown
from evovae.evolution.generation import GENERATIONS, Generation, Generations
from evovae.evolution.operators.parameters import is_number
from evovae.evolution.population import Population


class EarlyStopping:
    """Ends a run when every replicate has reached one of the limits; give it an algorithm's generations.

        stop = EarlyStopping(target=0.01, evaluations=100_000)
        population, logbook = collect(stop(eaSimple_iter(...)))
        print(stop.reason)

    Give it what the algorithm returns: a generator around that hides the run that it belongs to, its states included.
    Each call starts from nothing, except for the generations of a resumed run, or after `restore`. It looks at results,
    and so waits for the device once a generation.

    Args:
        target: stop when every replicate has evaluated an individual at least as good as this.
        stagnation: stop after this number of generations in which no replicate has evaluated a better individual.
        evaluations: stop when every replicate has spent at least this number.
        seconds: stop when this time has passed.

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
                require_whole(name, value, least=1)
        if seconds is not None:
            require_number("seconds", seconds, MIN_NUMBER)
        self.target, self.stagnation, self.evaluations, self.seconds = target, stagnation, evaluations, seconds
        self.reason: str | None = None
        self._best: np.ndarray | None = None
        self._improved, self._seconds, self.restored = 0, 0.0, False

    def state(self) -> State:
        """Return the best so far, since when, the seconds that have passed, and the reason."""
        best = {} if self._best is None else {"best": torch.from_numpy(self._best)}
        clock = {} if self.seconds is None else {"seconds": self._seconds}  # states are the same from run to run
        return join(**best, **clock, improved=self._improved, reason=(self.reason or "").encode())

    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up what `state` gave: the next call continues from it."""
        state = State(state)
        self._best = state["best"].double().numpy() if "best" in state else None
        self._improved = state.number("improved")
        self._seconds = 0.0 if self.seconds is None else float(state["seconds"])
        self.reason, self.restored = state.bytes("reason").decode() or None, True

    def __call__(self, generations: Iterator[Generation]) -> Iterator[Generation]:
        """Return `generations` up to the one that meets a condition, that one included.

        Raises:
            InputError: if they are none that an algorithm yields one after the other.
        """
        if not isinstance(generations, Iterator):
            raise InputError(f"generations is a {type(generations).__name__}: {GENERATIONS}")
        run = generations.run if isinstance(generations, Generations) else None
        if run is not None:
            run.add(self)
        if not self.restored:
            self.reason, self._best, self._improved, self._seconds = None, None, 0, 0.0
        self.restored = False
        limited = self._limit(generations)
        return limited if run is None else Generations(run, limited)

    def _limit(self, generations: Iterator[Generation]) -> Iterator[Generation]:
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
            population = generation.population  # its fitness is as precise as the objective, and the target no more
            target = torch.tensor(self.target, dtype=population.fitness.dtype).item()
            if (self._best >= target * population.weights[0]).all():
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
