"""What an algorithm yields, generation by generation, and how it is collected."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from deap import tools
from torch import Tensor

from evovae.base import InputError, State, join
from evovae.evolution.logbook import Statistics, compile_statistics, record
from evovae.evolution.operators.multiobjective import hypervolume
from evovae.evolution.population import Population

if TYPE_CHECKING:
    import pandas as pd

    from evovae.evolution.run_state import RunState

GENERATIONS = "expected those of eaSimple_iter or the like"


class Generations(Iterator["Generation"]):
    """The generations of an algorithm.

    Attributes:
        run: the state of the run that they belong to.
    """

    def __init__(self, run: RunState, generations: Iterator[Generation]) -> None:
        self.run, self._generations = run, generations

    def __next__(self) -> Generation:
        """Make the next one; those before have passed, and their random streams moved on."""
        return next(self._generations)


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
    evaluated: Tensor
    """bool (R, N): which of the `offspring` were evaluated in this generation."""
    recorded: Mapping[str, Tensor]
    """What `statistics` always has."""
    more: Callable[[], Mapping[str, Tensor]]
    """Returns what the algorithm needs to continue, beside the survivors and their streams."""
    run: RunState
    """Of the run that it belongs to."""

    def state(self) -> State:
        """Return all that the run needs to continue: of its algorithm, hall of fame, logbook and early stopping.

        `save_state` keeps it in a file. Another call with the same arguments resumes the run from it, bit for bit.

        Raises:
            InputError: if the next generation was asked for already: random streams and archive have moved on.
        """
        if self.run.latest is not self:
            raise InputError(f"generation {self.gen} has passed: ask for its state before asking for the next one")
        return join(
            gen=self.gen,
            evaluations=self.evaluations,
            population=self.population.state(),
            streams=self.population.streams.state(),
            more=self.more(),
            **self.run.state(),
        )

    def statistics(self, reference: Sequence[float] | None = None) -> dict[str, np.ndarray]:
        """Return nevals, evaluations, min, mean, max, std and nonfinite, each (R,), or (R, M) for M > 1 objectives.

        An individual whose fitness is not finite, in one objective or more, is left out and counted in `nonfinite`,
        which is always (R,); a replicate that has no other has NaN. Where there are constraints, `feasible` (R,) is
        the share of individuals that keep them. With several objectives there are besides, each (R,): `front`, the
        number of individuals that no other dominates, and, where a `reference` of M values is given, `hypervolume`,
        what they dominate up to there.
        This waits for the device.
        """
        columns = {name: values.cpu().numpy() for name, values in self.recorded.items()}
        if reference is not None and len(self.population.weights) > 1:
            columns["hypervolume"] = hypervolume(self.population, reference).cpu().numpy()
        return columns

    def lineage(self) -> pd.DataFrame:
        """Return a row for each new individual of this generation, of a population that was `traced`.

        `replicate`, `generation`, `number`, `parent_0` and `parent_1` (-1 where there is none), and its fitness. The
        tables of all generations together are the pedigree. This waits for the device.

        Raises:
            InputError: if the population was not traced.
        """
        if self.offspring.lineage is None:
            raise InputError("the population has no lineage: begin with population.traced()")
        table = self.offspring.table()
        table = table[(table["parent_0"] >= 0) | (self.gen == 0)]  # the others lived before
        table.insert(1, "generation", self.gen)
        columns = [name for name in table if not name.startswith("gene_") and name not in ("individual", "valid")]
        return table[columns].reset_index(drop=True)


def collect(
    generations: Iterator[Generation],
    stats: Statistics | None = None,
    verbose: bool = False,
    reference: Sequence[float] | None = None,
) -> tuple[Population, tools.Logbook]:
    """Run `generations` to their end and return the last population and DEAP's logbook, as the algorithms do.

    Of a resumed run, the logbook begins with the generations before, but only with what is always recorded: `stats` and
    the hypervolume are known only for generations made in this call.

    Args:
        generations: those of an algorithm (`eaSimple_iter`, ...), perhaps through `EarlyStopping`.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        verbose: print the logbook's stream after each generation.
        reference: of the hypervolume, one value for each of several objectives; None records none.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates, or numbers
        where there is one replicate.
    """
    logbook = tools.Logbook()
    population = None
    for generation in generations:
        if not isinstance(generation, Generation):
            raise InputError(f"generations has a {type(generation).__name__}: {GENERATIONS}")
        if population is None:
            for line in generation.run.lines[:-1]:
                record(logbook, {**line, "gen": int(line["gen"])}, {})
            logbook.buffindex = len(logbook)
        population = generation.population
        compiled = {} if stats is None else compile_statistics(stats, population)
        record(logbook, {"gen": generation.gen, **generation.statistics(reference)}, compiled)
        if verbose:
            print(logbook.stream)
    if population is None:
        raise InputError("there were no generations: expected 1 or more")
    return population, logbook
