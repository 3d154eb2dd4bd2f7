"""A strategy that is asked for individuals and told their fitness, with the signature of `deap.algorithms`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from deap import base, tools
from torch import Tensor

from evovae.base import State, require_whole
from evovae.evolution.generation import Generations, collect
from evovae.evolution.logbook import Statistics
from evovae.evolution.loop import Algorithm, ask_and_tell
from evovae.evolution.population import Population
from evovae.evolution.run_state import Archive


def eaGenerateUpdate_iter(
    toolbox: base.Toolbox, ngen: int, halloffame: Archive | None = None, state: Mapping[str, Tensor] | None = None
) -> Generations:
    """Yield the generations of `eaGenerateUpdate` (see there), or those that follow the one of a `state`.

    A run that is to be resumed needs two further roles of the strategy: `state` and `restore`.
    """
    require_whole("ngen", ngen, least=1)
    return ask_and_tell(_Strategy(toolbox), ngen, halloffame, state)


def eaGenerateUpdate(
    toolbox: base.Toolbox,
    ngen: int,
    halloffame: Archive | None = None,
    stats: Statistics | None = None,
    verbose: bool = False,
) -> tuple[Population, tools.Logbook]:
    """Ask and tell, as `deap.algorithms.eaGenerateUpdate` does (Collette et al. 2010).

        for g in range(ngen):
            population = generate()
            evaluate(population)
            update(population)

    Register the two roles of a strategy, such as `SeparableCMAES`. As in DEAP the state is the strategy's: another
    call continues from there. Genomes are projected into the support before they are evaluated, and the strategy learns
    from the projected ones.

    Args:
        toolbox: its roles `generate`, `update`, `project` and `evaluate`.
        ngen: number of generations, 1 or more.
        halloffame: keeps the best individuals ever evaluated, for each replicate.
        stats: DEAP statistics, compiled on each replicate's list of individuals, beside those always recorded.
        verbose: print the logbook's stream after each generation.

    Returns:
        The last population, and a logbook with one entry a generation: `gen` and arrays over replicates.
    """
    return collect(eaGenerateUpdate_iter(toolbox, ngen, halloffame), stats, verbose)


class _Strategy(Algorithm):
    """The strategy that is registered in a toolbox."""

    def example(self) -> Population:
        population: Population = self.toolbox.generate()  # `restore` takes its draws back
        return population

    def ask(self, gen: int) -> Population:
        generated: Population = self.toolbox.generate()
        return replace(generated, genomes=self.toolbox.project(generated.genomes))

    def tell(self, population: Population) -> Population:
        self.toolbox.update(population)
        return population

    def state(self) -> Mapping[str, Tensor]:
        learned: Mapping[str, Tensor] = self.toolbox.state()
        return learned

    def restore(self, survivors: Population, state: State) -> None:
        self.toolbox.restore(state)
