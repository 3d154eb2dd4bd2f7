"""Whatever runs long can be left anywhere and gone on with: the same bits come out."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from deap import cma
from evolving import sphere, toolbox
from refusals import refused

from evovae import evolution
from evovae.base import State, files, join
from evovae.data import Images
from evovae.evolution import EarlyStopping, Generation, HallOfFame, ParetoFront
from evovae.models import VAE, TrainConfig, Training, VAEConfig
from evovae.runs import Search

NGEN, SIZE, REPLICATES = 12, 10, 3
Iterate = Callable[..., Iterator[Generation]]


def several(x: torch.Tensor) -> torch.Tensor:
    return torch.stack((sphere(x)[:, 0], x[:, 0]), dim=1)


def make(name: str) -> tuple[Callable[[], tuple], type[HallOfFame]]:
    """Return what makes everything anew (toolbox, population, generations from a state) for an algorithm."""
    front = name == "nsga2"

    def begin() -> tuple:
        box = toolbox(several, weights=(1.0, -1.0), select=evolution.selNSGA2) if front else toolbox()
        population = box.population(n=SIZE, replicates=REPLICATES, seed=4)
        archive = ParetoFront() if front else HallOfFame(4)

        def strategy(kind: str) -> None:
            if kind == "cmaes":
                evolution.SeparableCMAES(population, 0.5, SIZE).register(box)
            else:
                evolution.StockStrategies(population, lambda m: cma.Strategy(m, sigma=0.5, lambda_=SIZE)).register(box)

        if name in ("cmaes", "stock"):
            strategy(name)
        iterate: dict[str, Callable[[State | None], Iterator[Generation]]] = {
            "simple": lambda s: evolution.eaSimple_iter(population, box, 0.5, 0.3, NGEN, archive, 1, s),
            "plus": lambda s: evolution.eaMuPlusLambda_iter(population, box, SIZE, 7, 0.4, 0.4, NGEN, archive, s),
            "comma": lambda s: evolution.eaMuCommaLambda_iter(population, box, SIZE, 20, 0.4, 0.4, NGEN, archive, s),
            "nsga2": lambda s: evolution.eaMuPlusLambda_iter(population, box, SIZE, 9, 0.4, 0.4, NGEN, archive, s),
            "cmaes": lambda s: evolution.eaGenerateUpdate_iter(box, NGEN, archive, s),
            "stock": lambda s: evolution.eaGenerateUpdate_iter(box, NGEN, archive, s),
            "random": lambda s: evolution.random_search_iter(population, box, 115, archive, s),
            "gradient": lambda s: evolution.gradient_ascent_iter(population, box, 115, halloffame=archive, state=s),
        }
        return population, iterate[name], archive

    return begin


def through_a_file(state: State, path: Path) -> State:
    files.save_tensors(path, "checkpoint", state, {})
    return State(files.load_tensors(path, "checkpoint")[0])


def assert_same_state(ours: State, theirs: State) -> None:
    assert ours.keys() == theirs.keys()
    for name, tensor in ours.items():
        torch.testing.assert_close(tensor, theirs[name], rtol=0, atol=0, equal_nan=True, msg=f"{name} differs")


NAMES = ["simple", "plus", "comma", "nsga2", "cmaes", "stock", "random", "gradient"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("stop", [0, 1, 5, 10])
def test_an_algorithm_goes_on_where_it_was_left(name: str, stop: int, tmp_path: Path) -> None:
    begin = make(name)
    population, iterate, archive = begin()
    whole = list(iterate(None))
    known = archive.state()

    population, iterate, archive = begin()
    generations = iterate(None)
    for generation in generations:
        if generation.gen == stop:
            break
    state = through_a_file(join(last=generation.state(), archive=archive.state()), tmp_path / "state")

    population, iterate, archive = begin()
    archive.restore(state.part("archive"), population)
    rest = list(iterate(state.part("last")))
    assert [g.gen for g in rest] == [g.gen for g in whole[stop + 1 :]]
    for one, other in zip(rest, whole[stop + 1 :], strict=True):
        for field in ("genomes", "fitness", "valid"):
            torch.testing.assert_close(
                getattr(one.offspring, field), getattr(other.offspring, field), rtol=0, atol=0, equal_nan=True
            )
            torch.testing.assert_close(
                getattr(one.population, field), getattr(other.population, field), rtol=0, atol=0, equal_nan=True
            )
        assert one.nevals.equal(other.nevals)
        assert one.evaluations.equal(other.evaluations)
    assert_same_state(archive.state(), known)
    if rest:
        assert_same_state(rest[-1].state(), whole[-1].state())


def test_a_state_of_other_settings_is_refused() -> None:
    _, iterate, _ = make("simple")()
    state = next(iterate(None)).state()
    box = toolbox(dim=6)
    other = box.population(n=SIZE, replicates=REPLICATES)
    with refused("genomes", "3 replicates of 6 genes"):
        list(evolution.eaSimple_iter(other, box, 0.5, 0.5, 3, state=state))
    del state["streams/generators"]
    with refused("generators"):
        list(iterate(state))


def test_early_stopping_counts_on_from_where_it_was_left() -> None:
    def flat(x: torch.Tensor) -> torch.Tensor:
        return x[:, :1] * 0

    box = toolbox(flat)
    population = box.population(n=SIZE)

    def limited(stopping: EarlyStopping, state: State | None = None) -> list[int]:
        return [g.gen for g in stopping(evolution.eaSimple_iter(population, box, 0.5, 0.5, 50, state=state))]

    assert limited(EarlyStopping(stagnation=7)) == list(range(8))
    first = EarlyStopping(stagnation=7)
    for generation in first(evolution.eaSimple_iter(population, box, 0.5, 0.5, 50)):
        if generation.gen == 4:
            break
    second = EarlyStopping(stagnation=7)
    second.restore(first.state())
    assert limited(second, generation.state()) == [5, 6, 7]
    assert "7 generations" in second.reason
    third = EarlyStopping(stagnation=7)
    third.restore(second.state())
    assert limited(third, generation.state()) == [], "it had come to its end"


def test_the_seconds_before_count_towards_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    box = toolbox()
    population = box.population(n=SIZE)

    def run(stopping: EarlyStopping, ngen: int) -> int:
        for generation in stopping(evolution.eaSimple_iter(population, box, 0.5, 0.5, ngen)):
            now[0] += 1.0
            last = generation.gen
        return last

    first, second = EarlyStopping(seconds=10.0), EarlyStopping(seconds=10.0)
    assert run(first, 6) == 6
    second.restore(first.state())
    assert run(second, 50) == 4
    assert "seconds" not in EarlyStopping(evaluations=5).state(), "states are the same from run to run"


IMAGES = torch.randint(0, 256, (50, 1, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))
TRAININGS = {
    "vae": ({}, {}),
    "autoencoder": ({"variational": False}, {"binarisation": "dynamic"}),
    "denoising": ({"network": "conv", "channels": (4,)}, {"corruption": "masking", "schedule": "constant"}),
    "cut short": ({}, {"iterations": 11, "binarisation": "static"}),
}


def train(name: str) -> Training:
    model, config = TRAININGS[name]
    vae = VAE(VAEConfig(data_shape=(1, 8, 8), latent_dim=3, hidden=(16,), **model), seed=1)
    data = Images(IMAGES, torch.zeros(len(IMAGES), dtype=torch.int64))
    return Training(vae, data, TrainConfig(epochs=3, batch_size=8, seed=2, device="cpu", **config))


@pytest.mark.parametrize("name", TRAININGS)
@pytest.mark.parametrize("stop", [0, 1, 6, 7, 8, 10])
def test_a_training_goes_on_in_the_middle_of_an_epoch(name: str, stop: int, tmp_path: Path) -> None:
    whole = train(name)
    records = [whole.step() for _ in range(whole.total)]
    first = train(name)
    for _ in range(stop):
        first.step()
    state = through_a_file(first.state(), tmp_path / "state")
    second = train(name)
    second.restore(state)
    assert [second.step() for _ in range(stop, second.total)] == records[stop:]
    assert second.done
    assert_same_state(second.state(), whole.state())


def test_the_state_of_another_training_is_refused() -> None:
    state = train("vae").state()
    with refused("encoder"):
        train("denoising").restore(state)
    state["order"] = torch.tensor([50])
    with refused("other images than the 45"):
        train("vae").restore(state)


@pytest.mark.parametrize("generations", [30, 250])
@pytest.mark.parametrize("stop", [0, 7, 29])
def test_a_search_is_the_same_however_often_it_was_left(generations: int, stop: int, tmp_path: Path) -> None:
    """Its history, its archive and the moments of its film, the last one included."""

    class Left(Exception):
        pass

    def begin() -> tuple:
        box = toolbox()
        return box, box.population(n=6, replicates=2, seed=3), Search(("sphere",), HallOfFame(2))

    def follow(search: Search, box, population, stop: int | None = None) -> None:
        def between_steps(ended: bool) -> None:
            if search.gen == stop:
                raise Left

        iterate = evolution.eaSimple_iter(population, box, 0.5, 0.5, generations, search.archive, state=search.last)
        search.run(iterate, "", generations + 1, between_steps)

    box, population, whole = begin()
    follow(whole, box, population)
    box, population, search = begin()
    for moment in (stop, generations):  # the second time at the end, where only the last moment is to be added
        with pytest.raises(Left):
            follow(search, box, population, moment)
        state = through_a_file(search.state(), tmp_path / "state")
        box, population, search = begin()
        search.restore(state, population)
    follow(search, box, population)
    assert search.history.content == whole.history.content
    assert_same_state(search.state(), whole.state())
