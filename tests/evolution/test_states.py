"""A state holds all that a run needs to continue, goes to a file, and comes back."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from deap import base, cma
from evolving import assert_same, assert_same_logbook, sphere, toolbox

import evovae
from evovae import evolution
from evovae.base import InputError, State
from evovae.evolution import EarlyStopping, Generation, HallOfFame, ParetoFront, Population

GENERATIONS = 12


def two(x: torch.Tensor) -> torch.Tensor:
    return torch.stack((-x.square().sum(-1), -(x - 2.0).square().sum(-1)), dim=-1)


def simple(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    return evolution.eaSimple_iter(population, box, 0.5, 0.2, GENERATIONS, elites=1, **rest)


def plus(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    return evolution.eaMuPlusLambda_iter(population, box, 10, 14, 0.5, 0.3, GENERATIONS, **rest)


def adapting(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    evolution.SeparableCMAES(population, 0.5, 8).register(box)
    return evolution.eaGenerateUpdate_iter(box, GENERATIONS + 1, **rest)


def correlating(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    evolution.CMAES(population, 0.5, 8).register(box)
    return evolution.eaGenerateUpdate_iter(box, GENERATIONS + 1, **rest)


def stock(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    evolution.StockStrategies(population, lambda mean: cma.Strategy(mean, 0.5, lambda_=8)).register(box)
    return evolution.eaGenerateUpdate_iter(box, GENERATIONS + 1, **rest)


def drawing(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    return evolution.random_search_iter(population, box, 10 * (GENERATIONS + 1), **rest)


def climbing(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    return evolution.gradient_ascent_iter(population, box, 10 * (GENERATIONS + 1), **rest)


class Elites(evolution.Algorithm):
    """One's own: mutants of the best two of each replicate, with steps that shrink."""

    def __init__(self, population: Population, box: base.Toolbox) -> None:
        super().__init__(box)
        self.start, self.elites, self.step = population, population, torch.tensor(1.0)

    def example(self) -> Population:
        return self.start

    def ask(self, gen: int) -> Population:
        elites = self.elites
        parents = elites.take(elites.streams.integers(len(elites), elites.replicates, 10))
        moved = parents.genomes + self.step * elites.streams.normal(*parents.genomes.shape)
        return Population.unevaluated(moved, elites.weights, elites.streams)

    def tell(self, population: Population) -> Population:
        pool = self.elites.join(population) if self.elites.valid.all() else population
        self.elites, self.step = pool.best(2), 0.9 * self.step
        return self.elites

    def state(self) -> State:
        return State(step=self.step)

    def restore(self, survivors: Population, state: State) -> None:
        self.elites, self.step = survivors, state["step"]


def ones_own(population: Population, box: base.Toolbox, **rest: object) -> Iterator[Generation]:
    return evolution.ask_and_tell(Elites(population, box), GENERATIONS + 1, **rest)


ALGORITHMS = [simple, plus, adapting, correlating, stock, drawing, climbing, ones_own]


def begin(
    replicates: int, objective: Callable[[torch.Tensor], torch.Tensor] = sphere
) -> tuple[Population, base.Toolbox]:
    weights = (1.0,) if objective is sphere else (1.0, 1.0)
    box = toolbox(objective, 3, weights=weights)
    return box.population(n=10, replicates=replicates, seed=3), box


@pytest.mark.parametrize("replicates", [1, 3])
@pytest.mark.parametrize("iterate", ALGORITHMS)
def test_a_run_that_is_resumed_from_a_file_ends_as_one_that_was_never_interrupted(
    iterate: Callable[..., Iterator[Generation]], replicates: int, tmp_path: Path
) -> None:
    famous, stop = HallOfFame(5), EarlyStopping(target=1e9, stagnation=100)
    whole, logbook = evolution.collect(stop(iterate(*begin(replicates), halloffame=famous)))

    left = EarlyStopping(target=1e9, stagnation=100)
    generations = left(iterate(*begin(replicates), halloffame=HallOfFame(5)))
    generation = next(itertools.islice(generations, 6, None))
    evovae.save_state(tmp_path / "state.safetensors", generation.state())

    again, resumed = HallOfFame(5), EarlyStopping(target=1e9, stagnation=100)
    state = evovae.load_state(tmp_path / "state.safetensors")
    rest, more = evolution.collect(resumed(iterate(*begin(replicates), halloffame=again, state=state)))
    assert_same(rest, whole)
    assert_same(again.population, famous.population)
    assert len(more) == len(logbook) == GENERATIONS + 1
    assert_same_logbook(more, logbook)
    assert resumed.state().keys() == stop.state().keys()
    assert all(torch.equal(stop.state()[name], value) for name, value in resumed.state().items())


def test_a_front_is_resumed_with_all_its_members() -> None:
    def run(front: ParetoFront, state: State | None = None) -> Iterator[Generation]:
        population, box = begin(2, two)
        box.register("select", evolution.selNSGA2)
        return plus(population, box, halloffame=front, state=state)

    whole, left, again = ParetoFront(), ParetoFront(), ParetoFront()
    evolution.collect(run(whole))
    state = next(itertools.islice(run(left), 4, None)).state()
    evolution.collect(run(again, state))
    assert_same(again.population, whole.population)
    assert len(again) > len(left)


def test_a_run_that_had_been_stopped_stays_so() -> None:
    stop, again = EarlyStopping(evaluations=30), EarlyStopping(evaluations=30)
    *_, last = stop(simple(*begin(2)))
    assert list(again(simple(*begin(2), state=last.state()))) == []
    assert again.reason == stop.reason


def test_two_stops_are_resumed_each_with_its_own() -> None:
    def both(state: State | None = None) -> tuple[EarlyStopping, EarlyStopping, Iterator[Generation]]:
        first, second = EarlyStopping(stagnation=50), EarlyStopping(target=100.0)
        return first, second, second(first(simple(*begin(1), state=state)))

    *_, generations = both()
    state = next(itertools.islice(generations, 5, None)).state()
    first, second, rest = both(state)
    next(rest)
    assert first.state()["best"] == second.state()["best"], "each has the best of all generations"


def test_a_generation_that_has_passed_gives_no_state() -> None:
    generations = list(simple(*begin(1)))
    with pytest.raises(InputError, match="generation 5 has passed: ask for its state before"):
        generations[5].state()
    assert generations[-1].state()["gen"] == GENERATIONS


def test_a_state_without_hall_of_fame_is_not_resumed_with_one() -> None:
    state = next(simple(*begin(1))).state()
    with pytest.raises(InputError, match="without a hall of fame"):
        simple(*begin(1), halloffame=HallOfFame(1), state=state)


def test_an_archive_of_ones_own_without_state_is_named_when_a_state_is_asked_for() -> None:
    class Counter:
        met = 0

        def update(self, population: Population) -> None:
            self.met += len(population)

    counter = Counter()
    generation = next(simple(*begin(1), halloffame=counter))
    assert counter.met == 10
    with pytest.raises(InputError, match="Counter without `state` and `restore`"):
        generation.state()


@pytest.mark.parametrize("write", [torch.save, lambda state, path: evovae.save_state(path, state)])
def test_torch_reads_what_it_wrote_and_any_mapping_is_taken(write: Callable[..., None], tmp_path: Path) -> None:
    famous = HallOfFame(3)
    state = next(itertools.islice(simple(*begin(2), halloffame=famous), 2, None)).state()
    write(state, tmp_path / "state")
    read = torch.load(tmp_path / "state") if write is torch.save else dict(evovae.load_state(tmp_path / "state"))
    assert not isinstance(read, State)
    assert read.keys() == state.keys()
    *_, one = simple(*begin(2), halloffame=HallOfFame(3), state=read)
    *_, other = simple(*begin(2), halloffame=HallOfFame(3))
    assert_same(one.population, other.population)


def test_what_is_no_state_is_refused_in_a_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="the state has 'a' as int: expected tensors by name"):
        evovae.save_state(tmp_path / "state", {"a": 3})
    (tmp_path / "state").write_bytes(b"nothing")
    with pytest.raises(InputError, match="state"):
        evovae.load_state(tmp_path / "state")
    population, _ = begin(1)
    wrong = population.state() | {"genomes": population.genomes.double()}
    with pytest.raises(InputError, match=r"genomes as torch.float64 .* expected torch.float32"):
        population.restored(wrong)


def test_double_genomes_evolve_and_are_restored() -> None:
    population, box = begin(2)
    precise = Population.unevaluated(population.genomes.double(), population.weights, population.streams)
    *_, last = simple(precise, box)
    assert last.population.genomes.dtype == torch.float64
    *_, resumed = simple(precise, box, state=next(simple(precise, box)).state())
    assert_same(resumed.population, last.population)


def test_the_logbook_of_one_replicate_has_numbers() -> None:
    _, logbook = evolution.collect(simple(*begin(1)))
    assert type(logbook[-1]["min"]) is float
    assert f"{logbook[-1]['min']:.3f}" == f"{float(logbook[-1]['min']):.3f}"
    table = evolution.tabulate(logbook)
    assert set(table.dtypes.map(str)) == {"int64", "float64"}
    np.testing.assert_array_equal(table["max"], logbook.select("max"))


def test_the_logbook_of_several_replicates_becomes_a_row_for_each() -> None:
    _, logbook = evolution.collect(plus(*begin(3, two)))
    table = evolution.tabulate(logbook)
    assert len(table) == 3 * (GENERATIONS + 1)
    assert "object" not in set(table.dtypes.map(str))
    np.testing.assert_array_equal(table["max_1"][:3], logbook[0]["max"][:, 1])
    assert f"{logbook[0]['nevals']:d}" == "10 10 10"
