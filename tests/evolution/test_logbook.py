"""Statistics and logbook over replicates say of each what DEAP's own say of one population."""

from operator import attrgetter

import numpy as np
import pytest
import torch
from deap import tools
from refusals import refused

from evovae.base import Streams
from evovae.evolution import Population, compile_statistics, record


def population(replicates: int, objectives: int = 1, seed: int = 0) -> Population:
    generator = torch.Generator().manual_seed(seed)
    genomes = torch.randn(replicates, 9, 4, generator=generator)
    fitness = torch.randn(replicates, 9, objectives, generator=generator)
    weights, streams = (1.0,) * objectives, Streams(0, replicates)
    return Population(genomes, fitness, torch.ones(replicates, 9, dtype=torch.bool), weights, streams)


def statistics(key=attrgetter("fitness.values")) -> tools.Statistics:
    stats = tools.Statistics(key)
    stats.register("avg", np.mean)
    stats.register("max", np.max)
    return stats


def multistatistics() -> tools.MultiStatistics:
    return tools.MultiStatistics(size=statistics(len), gene=statistics(lambda i: i[0]), fitness=statistics())


def columns(gen: int, replicates: int) -> dict:
    return {"gen": gen, "nevals": np.arange(replicates) + gen, "max": np.full(replicates, 77.0)}


@pytest.mark.parametrize("replicates", [1, 2, 7])
def test_statistics_are_deaps_for_each_replicate(replicates):
    drawn = population(replicates)
    compiled = compile_statistics(statistics(), drawn)
    assert list(compiled) == ["avg", "max"]
    for r in range(replicates):
        assert {name: values[r] for name, values in compiled.items()} == statistics().compile(drawn.replicate(r))
    assert {values.shape for values in compiled.values()} == {(replicates,)}


@pytest.mark.parametrize("replicates", [1, 2, 7])
def test_multistatistics_are_deaps_for_each_replicate(replicates):
    drawn = population(replicates)
    compiled = compile_statistics(multistatistics(), drawn)
    assert list(compiled) == ["size", "gene", "fitness"]
    for r in range(replicates):
        of_one = {part: {name: values[r] for name, values in chapter.items()} for part, chapter in compiled.items()}
        assert of_one == multistatistics().compile(drawn.replicate(r))
    assert {values.shape for chapter in compiled.values() for values in chapter.values()} == {(replicates,)}


def test_statistics_of_several_objectives_keep_them_apart():
    stats = tools.Statistics(attrgetter("fitness.values"))
    stats.register("avg", np.mean, axis=0)
    drawn = population(3, objectives=2)
    np.testing.assert_allclose(compile_statistics(stats, drawn)["avg"], drawn.fitness.double().mean(1), rtol=1e-12)


@pytest.mark.parametrize(
    ("statistic", "words"),
    [
        (
            lambda values: [v for v in values if v > 0.0],
            ("the statistic above has lengths [", "expected one shape for all"),
        ),
        (lambda values: dict.fromkeys(v > 1.5 for v in values), ("statistics are [[", "expected the same of each")),
    ],
)
def test_statistics_of_unequal_length_are_refused(statistic, words):
    stats = tools.Statistics(lambda individual: individual.fitness.values[0])
    stats.register("above", statistic)
    with refused(*words):
        compile_statistics(stats, population(6))


def test_the_parts_of_multistatistics_become_chapters():
    logbook, compiled = tools.Logbook(), []
    for gen in range(3):
        compiled.append(compile_statistics(multistatistics(), population(5, seed=gen)))
        record(logbook, columns(gen, 5), compiled[-1])
    assert set(logbook.chapters) == {"size", "gene", "fitness"}
    assert logbook.select("gen") == [0, 1, 2]
    assert set(logbook[0]) == {"gen", "nevals", "max"}
    for part, chapter in logbook.chapters.items():
        assert chapter.select("gen") == [0, 1, 2]
        np.testing.assert_array_equal(chapter.select("nevals"), logbook.select("nevals"))
        for name in ("avg", "max"):  # its own maximum, not the column's
            np.testing.assert_array_equal(chapter.select(name), [c[part][name] for c in compiled])
            assert all(values.shape == (5,) for values in chapter.select(name))
    np.testing.assert_array_equal(logbook.select("max"), np.full((3, 5), 77.0))


def test_what_is_recorded_stays_as_it_was_given():
    logbook, given = tools.Logbook(), columns(0, 5)
    record(logbook, given, {})
    assert type(given["max"]) is np.ndarray
    values = logbook[0]["max"]
    assert isinstance(values, np.ndarray)
    for computed in (values + 1, values.mean(), np.stack([values, values]), values[0], values == values):
        assert type(computed) is not type(values)
    assert isinstance(values.mean(), float)
    assert f"{values.max():.1f}" == "77.0"


def deaps_stream(generations: int) -> list[str]:
    """What DEAP's own logbook prints of replicate 0."""
    logbook, printed = tools.Logbook(), []
    logbook.header = ["gen", "nevals", "fitness", "gene", "size"]
    for gen in range(generations):
        compiled = multistatistics().compile(population(1, seed=gen).replicate(0))
        for chapter in compiled:
            logbook.chapters[chapter].header = ["avg", "max"]
        logbook.record(gen=gen, nevals=gen, **compiled)
        printed.append(logbook.stream)
    return printed


def test_the_stream_of_one_replicate_is_deaps():
    logbook, printed = tools.Logbook(), []
    for gen in range(4):
        compiled = compile_statistics(multistatistics(), population(1, seed=gen))
        record(logbook, {"gen": gen, "nevals": np.array([gen])}, compiled)
        printed.append(logbook.stream)
    assert printed == deaps_stream(4)


@pytest.mark.parametrize("objectives", [1, 3])
@pytest.mark.parametrize("replicates", [2, 3, 4, 500])
def test_a_generation_is_printed_in_one_short_line(replicates, objectives):
    stats = tools.Statistics(attrgetter("fitness.values"))
    stats.register("avg", np.mean, axis=0)
    logbook = tools.Logbook()
    for gen in range(3):
        record(logbook, columns(gen, replicates), compile_statistics(stats, population(replicates, objectives, gen)))
        lines = logbook.stream.splitlines()
        assert len(lines) == (2 if gen == 0 else 1)
        assert max(map(len, lines)) < 150
    assert lines[0].split()[0] == "2"
    assert len(str(logbook).splitlines()) == 4


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ([0.123456789], "0.123457"),
        ([1], "1"),
        ([0.5, 0.25, -1e-9], "0.5 0.25 -1e-09"),
        ([1.0, 2.0, 3.0, 4.0], "1 ... 4"),
        ([[1.0, 0.123456789]], "1 0.123457"),
        ([[1.0, 2.0]] * 2, "[1 2] [1 2]"),
        ([np.nan, np.inf], "nan inf"),
    ],
)
def test_values_over_replicates_are_printed_legibly(values, shown):
    logbook = tools.Logbook()
    logbook.log_header = False
    record(logbook, {"value": np.array(values)}, {})
    assert logbook.stream.strip() == shown
