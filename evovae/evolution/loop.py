"""The one loop of all searches: ask an algorithm for individuals, evaluate them, and tell it their fitness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import torch
from deap import base
from torch import Tensor

from evovae.base import State
from evovae.evolution.generation import Generation, Generations
from evovae.evolution.logbook import summarise
from evovae.evolution.population import Population
from evovae.evolution.roles import in_generation
from evovae.evolution.run_state import Archive, RunState
from evovae.evolution.variation import evaluate, pending


class Algorithm:
    """A search that is asked for individuals and told their fitness (Collette et al. 2010); `ask_and_tell` runs it.

    Args:
        toolbox: its roles.
    """

    def __init__(self, toolbox: base.Toolbox) -> None:
        self.toolbox = toolbox

    def example(self) -> Population:
        """Return a population with the replicates, genes, weights and streams of the search, to restore others by."""
        raise NotImplementedError

    def ask(self, gen: int) -> Population:
        """Return the individuals of generation `gen`, the first is 0; the invalid ones are to be evaluated."""
        raise NotImplementedError

    def evaluate(self, population: Population) -> Population:
        """Return the `population` that was asked for with its fitness."""
        return evaluate(population, self.toolbox)

    def tell(self, population: Population) -> Population:
        """Learn from the evaluated `population`, and return the survivors of this generation."""
        return population

    def metrics(self) -> Mapping[str, Tensor]:
        """Return what is recorded of it in this generation, each (R,), beside what is known of its survivors."""
        return {}

    def state(self) -> Mapping[str, Tensor]:
        """Return what it needs to continue, beside the survivors and their streams."""
        return State()

    def restore(self, survivors: Population, state: State) -> None:
        """Continue after the generation of the `survivors`, whose streams are where they were, and of `state`."""


def ask_and_tell(
    algorithm: Algorithm,
    generations: int,
    halloffame: Archive | None = None,
    state: Mapping[str, Tensor] | None = None,
) -> Generations:
    """Return the generations of `algorithm`, numbers 0 to `generations` - 1, or those that follow a `state`.

    Args:
        algorithm: a new one; it is asked and told once a generation.
        generations: how many there are from the first on, those before the state included.
        halloffame: takes in all individuals that were evaluated.
        state: of a generation that the same arguments gave.

    Raises:
        InputError: if the hall of fame is none, or the state is of another run.
    """
    run, first, before = RunState(halloffame), 0, torch.tensor(0)
    if state is not None:
        state, like = State(state), algorithm.example()
        run.restore(state, like)
        streams = like.streams.restored(state.part("streams"))
        algorithm.restore(replace(like.restored(state.part("population")), streams=streams), state.part("more"))
        first = state.number("gen") + 1
        before = state.like("evaluations", torch.zeros(like.replicates, dtype=torch.int64, device=like.genomes.device))

    def steps() -> Iterator[Generation]:
        evaluations = before  # R
        for gen in range(first, generations):
            run.latest = None  # the random streams move on
            with in_generation(gen):
                asked = algorithm.ask(gen)
                evaluated = pending(asked, algorithm.toolbox)
                offspring = algorithm.evaluate(asked)
                survivors = algorithm.tell(offspring)
            nevals = evaluated.sum(1)
            evaluations = evaluations + nevals
            generation = Generation(
                gen=gen,
                population=survivors,
                offspring=offspring,
                nevals=nevals,
                evaluations=evaluations,
                evaluated=evaluated,
                recorded={
                    "nevals": nevals,
                    "evaluations": evaluations,
                    **summarise(survivors),
                    **algorithm.metrics(),
                },
                more=algorithm.state,
                run=run,
            )
            run.record(generation)
            yield generation

    return Generations(run, steps())
