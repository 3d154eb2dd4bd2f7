"""What is kept of a search while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Generic, TypeVar, cast

import numpy as np
import torch
from deap import base
from torch import Tensor

from evovae.base import History, InputError, State, Streams, join, track
from evovae.evolution import EarlyStopping, EliteArchive, Generation, HallOfFame, Population

A = TypeVar("A", bound=HallOfFame | EliteArchive)
FRAMES = 101
"""Moments at most whose best genomes are kept for the filmstrip, beside the last."""
REFERENCE_DRAWS = 1000
MOST_DECODED = 100
"""Individuals at most that are decoded again to tell whether decoder or objective gave what is not finite."""


class Search(Generic[A]):
    """What is kept of a search while it runs: history, archive, the best of each moment, the last generation.

    Args:
        names: of the M objectives.
        archive: where the best individuals are kept: a hall of fame, or an archive of elites.
        reference: the point that the archive's metrics are measured from, if they need one.
        stopping: limits, that the generations go through.
        decode: genomes (K, D) to phenotypes; tells decoder from objective when fitness is not finite.
        film: whether the best of each moment are kept.

    The history has what `Generation.statistics` tells of the population, and the archive's metrics: what was found so
    far, also by those that did not survive.

    Attributes:
        gen, population: number and survivors of the last generation; -1 and None before there is one.
        evaluations: so far, of the replicate that spent most.
        trouble: of the first fitness that was not finite, the generation and what gave it; empty without.
    """

    def __init__(
        self,
        names: tuple[str, ...],
        archive: A,
        reference: Sequence[float] | None = None,
        stopping: EarlyStopping | None = None,
        decode: Callable[[Tensor], Tensor] = lambda genomes: genomes,
        film: bool = True,
    ) -> None:
        self.names, self.archive, self.reference = names, archive, reference
        self.stopping, self._decode, self._film = stopping or EarlyStopping(), decode, film
        self.history = History()
        self.frames: list[tuple[int, Tensor, Tensor]] = []
        self.evaluations, self.trouble = 0, ""
        self.gen, self.population = -1, cast(Population | None, None)
        self._last: Callable[[], State] | None = None
        self._stride = 1

    def run(
        self,
        generations: Iterator[Generation],
        label: str,
        total: int,
        between_steps: Callable[[bool], None] = lambda ended: None,
    ) -> None:
        """Run the search to its end, of at most `total` generations, showing progress.

        `between_steps` is called after each generation, where the state is whole.
        """
        self.frames = [frame for frame in self.frames if frame[0] % self._stride == 0]  # the last of a shorter run
        with track(label, total, self.gen + 1) as advance:
            for generation in self.stopping(generations):
                advance(generation.gen + 1, self._note(generation))
                between_steps(True)
        if self.frames and self.frames[-1][0] != self.gen:
            self._keep_frame()

    @property
    def begun(self) -> bool:
        """Whether there is a generation."""
        return self.population is not None

    @property
    def last(self) -> State | None:
        """State of the last generation, from which its algorithm continues; None before there is one."""
        return None if self._last is None else self._last()

    def state(self) -> State:
        """Return all of it."""
        numbers, genomes, fitness = zip(*self.frames, strict=True) if self.frames else ((), (), ())
        frames = State(numbers=torch.tensor(numbers, dtype=torch.int64))
        if self.frames:
            frames |= {"genomes": torch.stack(genomes), "fitness": torch.stack(fitness)}  # T R D, T R M
        return join(
            history=self.history.state(),
            stopping=self.stopping.state(),
            frames=frames,
            stride=self._stride,
            evaluations=self.evaluations,
            trouble=self.trouble.encode(),
            last={  # without what history and stopping hold above
                name: part for name, part in (self.last or {}).items() if not name.startswith(("books/", "stopping/"))
            },
        )

    def restore(self, state: State, like: Population) -> None:
        """Take up what `state` gave; `like` the population that the search began with.

        Raises:
            InputError: if it is the state of another search.
        """
        self.history.restore(state.part("history"))
        self.stopping.restore(state.part("stopping"))
        numbers, last = state["frames/numbers"].flatten().tolist(), state.part("last")
        kept = last if "archived" in last else state  # an older version kept it beside the last generation
        self.archive.restore(kept.part("archive"), like)
        if numbers:
            genomes, fitness = (state[f"frames/{name}"].to(like.genomes.device) for name in ("genomes", "fitness"))
            self.frames = list(zip(numbers, genomes, fitness, strict=True))
            moments, (replicates, _, genes) = len(numbers), like.genomes.shape
            expected = (moments, replicates, genes), (moments, replicates, len(like.weights))
            if (genomes.shape, fitness.shape) != expected:
                raise InputError(f"the state has frames of shape {tuple(genomes.shape)}: expected {expected[0]}")
        self._stride, self.evaluations = state.number("stride"), state.number("evaluations")
        if self._stride < 1:
            raise InputError(f"the state has a stride of {self._stride}: expected 1 or more")
        self.trouble = state.bytes("trouble").decode()
        if last:
            self.gen, self.population = last.number("gen"), like.restored(last.part("population"))
            self._last = lambda: last

    def _note(self, generation: Generation) -> str:
        """Record a generation; return the archive's metrics in words."""
        statistics = generation.statistics()
        metrics = self.archive.metrics(self.reference)
        statistics |= {name: values.cpu().numpy() for name, values in metrics.items()}
        word = "  ".join(f"{name.replace('_', ' ')} {values.nanmean():.4g}" for name, values in metrics.items())
        replicates = np.arange(generation.population.replicates)
        columns = {"replicate": replicates, "generation": np.full_like(replicates, generation.gen)}
        for name, values in statistics.items():
            split = values.T if values.ndim == 2 else [values]
            suffixes = [f"_{objective}" for objective in self.names] if values.ndim == 2 else [""]
            columns |= {name + suffix: column for suffix, column in zip(suffixes, split, strict=True)}
        self.history.append(columns)
        if generation.gen % self._stride == 0 and len(self.frames) >= FRAMES:
            # The length of a run is not known before its end: every other frame goes.
            self.frames, self._stride = self.frames[::2], 2 * self._stride
        if not self.trouble:
            self.trouble = self._find_trouble(generation, int(statistics["nonfinite"].sum()))
        self.gen, self.population, self._last = generation.gen, generation.population, generation.state
        self.evaluations = int(statistics["evaluations"].max())
        if self._film and self.gen % self._stride == 0:
            self._keep_frame()
        return word

    def _find_trouble(self, generation: Generation, nonfinite: int) -> str:
        """Return which generation has fitness that is not finite, how much, and what gave it; empty without.

        Of the survivors `nonfinite` are so.
        """
        offspring = generation.offspring
        if offspring is generation.population and not nonfinite:
            return ""
        strange = ~offspring.finite
        if not (count := int(strange.sum())):
            return ""
        values, where = offspring.fitness[strange], f"generation {generation.gen}, {count:,} of {strange.numel():,}"
        with torch.no_grad():
            phenotypes = self._decode(offspring.genomes[strange][:MOST_DECODED])
        if not bool(phenotypes.isfinite().all()):
            return f"{where} individuals: the decoder gives values that are not finite"
        found = (~values.isfinite()).any(0).tolist()
        names = ", ".join(name for name, strange in zip(self.names, found, strict=True) if strange)
        return f"{where} individuals: the objective {names} gives {values[~values.isfinite()][0]:g}"

    def _keep_frame(self) -> None:
        best = cast(Population, self.population).best()
        self.frames.append((self.gen, best.genomes[:, 0], best.fitness[:, 0]))


def reference_point(toolbox: base.Toolbox, weights: Sequence[float], device: torch.device) -> list[float]:
    """Return the worst value of each objective among 1,000 draws from the prior: where hypervolumes are measured from.

    Always the same draws: runs of other seeds and sizes can be compared. Without a finite fitness among them it is 0.
    """
    fitness: Tensor = toolbox.evaluate(toolbox.sample(REFERENCE_DRAWS, Streams(0, [1], device))[0])
    worst = []
    for values, weight in zip(fitness.double().T, weights, strict=True):
        known = values[values.isfinite()]
        worst.append(0.0 if len(known) == 0 else float(known.min() if weight > 0 else known.max()))
    return worst
