"""The same candidates and draws, given to pyribs and to evovae, make the same archives, orders and distributions."""

import math

import numpy as np
import pytest
import torch
from ribs import archives, emitters
from ribs.emitters import opt, rankers

import evovae
from evovae import evolution
from evovae.base import Streams
from evovae.evolution.emitters.rankers import Ranker
from evovae.evolution.emitters.strategies import EvolutionStrategies

RANGES = ((-1.0, 1.0), (0.0, 5.0))
RULES = ({}, {"learning_rate": 0.01, "threshold_min": 0.0}, {"learning_rate": 1.0, "threshold_min": -2.0})
RULES += ({"learning_rate": 0.0, "threshold_min": -0.5},)


def batches(seed: int, count: int = 12, size: int = 40) -> list[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Candidates of which some share a cell, some tie, and some lie out of range."""
    rng = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        genomes = rng.normal(size=(size, 3)).astype(np.float32).astype(np.float64)
        objective = np.round(rng.normal(size=size), 1) if seed % 2 else rng.normal(size=size)
        measures = rng.normal(size=(size, 2)) * [0.7, 3.0] + [0.0, 2.0]
        found.append((genomes, objective, measures))
    return found


def tensors(*arrays: np.ndarray) -> list[torch.Tensor]:
    """Arrays as the only replicate's."""
    return [torch.from_numpy(np.ascontiguousarray(array)).unsqueeze(0) for array in arrays]


def make_archives(rule: dict) -> tuple[archives.GridArchive, archives.GridArchive, evolution.GridArchive]:
    theirs = archives.GridArchive(solution_dim=3, dims=(7, 5), ranges=RANGES, qd_score_offset=-3.0, **rule)
    passive = archives.GridArchive(solution_dim=3, dims=(7, 5), ranges=RANGES, qd_score_offset=-3.0)
    return theirs, passive, evolution.GridArchive((7, 5), RANGES, qd_score_offset=-3.0, **rule)


@pytest.mark.parametrize("rule", RULES, ids=str)
@pytest.mark.parametrize("seed", [0, 1])
def test_a_grid_takes_in_what_pyribs_takes_in(rule: dict, seed: int) -> None:
    theirs, passive, ours = make_archives(rule)
    for genomes, objective, measures in batches(seed):
        added = theirs.add(genomes, objective, measures)
        passive.add(genomes, objective, measures)
        inserted = ours.add(*tensors(genomes, objective, measures))
        np.testing.assert_array_equal(inserted.status[0], added["status"])
        np.testing.assert_allclose(inserted.value[0], added["value"], atol=1e-12)
        assert float(ours.coverage) == pytest.approx(float(passive.stats.coverage))
        assert float(ours.qd_score) == pytest.approx(float(passive.stats.qd_score))
        assert float(ours.norm_qd_score) == pytest.approx(float(passive.stats.norm_qd_score))
        assert float(ours.best) == passive.stats.obj_max
    table, expected = ours.table(), passive.data(return_type="pandas").sort_values("index", ignore_index=True)
    assert list(table) == list(expected)
    np.testing.assert_allclose(table, expected)
    competing = ours._elites
    rows = theirs.data()
    place = np.argsort(competing["index"][0].numpy())
    order = np.argsort(rows["index"])
    np.testing.assert_array_equal(competing["index"][0].numpy()[place], rows["index"][order])
    for name, column in (("genomes", "solution"), ("objective", "objective"), ("threshold", "threshold")):
        np.testing.assert_allclose(competing[name][0].numpy()[place], rows[column][order], atol=1e-12)


def test_cells_around_centroids_are_those_of_pyribs() -> None:
    centroids = np.random.default_rng(0).uniform((-1, 0), (1, 5), (30, 2))
    theirs = archives.CVTArchive(solution_dim=3, centroids=centroids, ranges=RANGES)
    ours = evolution.CVTArchive(centroids)
    for genomes, objective, measures in batches(2):
        theirs.add(genomes, objective, measures)
        ours.add(*tensors(genomes, objective, measures))
    expected = theirs.data(return_type="pandas").sort_values("index", ignore_index=True)
    np.testing.assert_allclose(ours.table().drop(columns="threshold"), expected[ours.table().columns.drop("threshold")])


@pytest.mark.parametrize("k", [1, 4])
@pytest.mark.parametrize("seed", [0, 1])
def test_an_unstructured_archive_takes_in_what_pyribs_takes_in(k: int, seed: int) -> None:
    theirs = archives.ProximityArchive(
        solution_dim=3, measure_dim=2, k_neighbors=k, novelty_threshold=0.6, local_competition=True
    )
    ours = evolution.UnstructuredArchive(2, 0.6, k)
    statuses = set()
    for genomes, objective, measures in batches(seed):
        novelty = ours.novelty(torch.from_numpy(measures).unsqueeze(0))[0].numpy()
        added = theirs.add(genomes, objective, measures)
        inserted = ours.add(*tensors(genomes, objective, measures))
        np.testing.assert_array_equal(inserted.status[0], added["status"])
        np.testing.assert_allclose(inserted.value[0], added["value"], atol=1e-12)
        if statuses:  # of an empty archive novelty is infinite here, and the threshold there
            np.testing.assert_allclose(novelty, added["novelty"], atol=1e-12)
        statuses |= set(added["status"].tolist())
        assert float(ours.qd_score) == pytest.approx(float(theirs.stats.qd_score))
    assert statuses == {0, 1, 2}
    expected = theirs.data(return_type="pandas").sort_values("index", ignore_index=True)
    np.testing.assert_allclose(ours.table().drop(columns="threshold"), expected[ours.table().columns.drop("threshold")])


@pytest.mark.parametrize("name", ["imp", "2imp", "rd", "2rd", "obj", "2obj"])
def test_rankers_order_as_those_of_pyribs(name: str) -> None:
    theirs, _, ours = make_archives({})
    kind = {"imp": "Improvement", "rd": "RandomDirection", "obj": "Objective"}[name.removeprefix("2")]
    full = getattr(rankers, ("TwoStage" if name[0] == "2" else "") + kind + "Ranker")(seed=0)
    mine = Ranker(name)
    mine.begin(ours, 1, Streams(0, 1))
    full.reset(None, theirs)
    if kind == "RandomDirection":
        mine._direction = torch.from_numpy(full.target_measure_dir).view(1, 1, 2)
    for genomes, objective, measures in batches(4):
        data = {"solution": genomes, "objective": objective, "measures": measures}
        indices, values = full.rank(None, theirs, data, theirs.add(genomes, objective, measures))
        inserted = ours.add(*tensors(genomes, objective, measures))
        order, found = mine.rank(*tensors(objective, measures), inserted)
        np.testing.assert_array_equal(order[0], indices)
        np.testing.assert_allclose(found[0], values[indices].reshape(len(indices), -1), atol=1e-12)


@pytest.mark.parametrize("separable", [False, True])
@pytest.mark.parametrize("dim", [3, 20])
@pytest.mark.parametrize("changing", [False, True], ids=["half", "any number of parents"])
def test_evolution_strategies_learn_what_pyribs_learn(separable: bool, dim: int, changing: bool) -> None:
    batch, rng = 12, np.random.default_rng(dim)
    theirs = (opt.SeparableCMAEvolutionStrategy if separable else opt.CMAEvolutionStrategy)(0.3, dim, batch, seed=1)
    theirs.reset(np.full(dim, 0.5))
    ours = EvolutionStrategies(torch.full((2, dim), 0.5), 0.3, batch, separable)  # the second one stays behind
    scales = 10.0 ** np.linspace(0, 2, dim)
    for generation in range(150):
        asked = np.array(theirs.ask())
        ours.ask(torch.zeros(2, batch, dim))  # decomposes where it is due
        values = -(scales * asked**2).sum(1)
        order = np.argsort(-values)
        parents = int(rng.integers(0, batch + 1)) if changing else batch // 2
        theirs.tell(order, values, parents)
        ranked = torch.from_numpy(asked[order])
        ours.tell(torch.stack((ranked, ranked)), torch.tensor([parents, 6]), torch.tensor([True, False]))
        for name, expected in {
            "mean": theirs.mean,
            "sigma": theirs.sigma,
            "covariance": theirs.cov.cov,
            "_path": theirs.pc,
            "_path_sigma": theirs.ps,
        }.items():
            found = getattr(ours, name)[0].numpy()
            scale = np.abs(expected).max() + 1e-300
            np.testing.assert_allclose(found / scale, expected / scale, atol=1e-6, err_msg=f"{name} {generation}")
        flat = np.stack((values, values), 1)[order]
        stops = ours.converged(torch.from_numpy(flat[:1]).expand(2, 2), torch.from_numpy(flat[-1:]).expand(2, 2))
        assert bool(stops[0]) == theirs.check_stop(flat)
    assert torch.equal(ours.mean[1], torch.full((dim,), 0.5).double())
    assert not changing or bool((ours.sigma[0] != 0.3).all())


def vector_toolbox(dim: int) -> evolution.Toolbox:
    def objective(x: torch.Tensor) -> torch.Tensor:
        return -(x - 0.3).square().sum(1, keepdim=True)

    return evolution.toolbox(evovae.VectorEncoding(dim), objective, measures=lambda x: x[:, :2])


SETTINGS = [
    {"ranker": "2imp", "selection_rule": "filter", "restart_rule": "no_improvement"},
    {"ranker": "2imp", "selection_rule": "mu", "restart_rule": "basic"},
    {"ranker": "imp", "selection_rule": "mu", "restart_rule": "basic"},
    {"ranker": "obj", "selection_rule": "filter", "restart_rule": 7},
]


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda settings: "-".join(map(str, settings.values())))
def test_an_emitter_decides_as_that_of_pyribs(settings: dict) -> None:
    dim, batch = 4, 10
    toolbox = vector_toolbox(dim)
    bounds = ((-1.0, 1.0), (-1.0, 1.0))
    theirs = archives.GridArchive(solution_dim=dim, dims=(6, 6), ranges=bounds)
    emitter = emitters.EvolutionStrategyEmitter(
        theirs, x0=np.zeros(dim), sigma0=0.2, batch_size=batch, seed=3, **settings
    )
    archive = evolution.GridArchive((6, 6), bounds)
    ours = evolution.EvolutionStrategyEmitter(0.2, batch, emitters=1, x0=0.0, **settings)
    streams = Streams(0, 1)
    ours.begin(toolbox, archive, streams)
    restarts = 0
    for _ in range(200):
        asked = np.array(emitter.ask())
        ours.ask(streams)
        genomes = torch.from_numpy(asked).unsqueeze(0)
        population = evolution.evaluate(evolution.Population.unevaluated(genomes, (1.0,), streams), toolbox)
        objective, measures = population.fitness[0, :, 0].numpy(), population.measures[0].numpy()
        added = theirs.add(asked, objective, measures)
        emitter.tell(asked, objective, measures, added)
        ours.tell(population, archive.update(population), streams)
        assert int(ours.restarts) == emitter.restarts
        strategies, theirs_es = ours._strategies, emitter._opt
        if emitter.restarts > restarts:  # at an elite that chance has chosen
            restarts = emitter.restarts
            strategies.mean = torch.from_numpy(theirs_es.mean).view(1, dim)
            assert float(strategies.sigma) == theirs_es.sigma == 0.2
        np.testing.assert_allclose(strategies.mean[0], theirs_es.mean, atol=1e-6)
        np.testing.assert_allclose(strategies.covariance[0], theirs_es.cov.cov, rtol=1e-6, atol=1e-9)
    assert restarts > 0 or settings["restart_rule"] == "basic"


@pytest.mark.parametrize("optimiser", ["ascent", "adam"])
def test_branches_move_the_point_as_in_pyribs(optimiser: str) -> None:
    dim, batch = 6, 9
    toolbox, bounds = vector_toolbox(dim), ((-1.0, 1.0), (-1.0, 1.0))
    theirs = archives.GridArchive(solution_dim=dim, dims=(8, 8), ranges=bounds)
    emitter = emitters.GradientArborescenceEmitter(
        theirs,
        x0=np.full(dim, 0.1),
        sigma0=0.5,
        lr=0.05,
        grad_opt="gradient_ascent" if optimiser == "ascent" else "adam",
        selection_rule="mu",
        restart_rule="basic",
        batch_size=batch,
        seed=1,
    )
    archive, streams = evolution.GridArchive((8, 8), bounds), Streams(0, 1)
    ours = evolution.GradientArborescenceEmitter(0.5, 0.05, batch, optimiser=optimiser, x0=0.1)
    ours.begin(toolbox, archive, streams)
    for _ in range(60):
        point = np.array(emitter.ask_dqd())
        fitness, measures, gradients = toolbox.gradients(torch.from_numpy(point))
        added = theirs.add(point, fitness[:, 0].numpy(), measures.numpy())
        emitter.tell_dqd(point, fitness[:, 0].numpy(), measures.numpy(), gradients.numpy().copy(), added)
        asked = np.array(emitter.ask())
        ours.ask(streams)
        ours._asked = torch.from_numpy(np.array(emitter._opt._solutions)).unsqueeze(0)  # the coefficients
        genomes = torch.from_numpy(np.concatenate((point, asked))).unsqueeze(0)
        population = evolution.evaluate(evolution.Population.unevaluated(genomes, (1.0,), streams), toolbox)
        objective, found = population.fitness[0, :, 0].numpy(), population.measures[0].numpy()
        emitter.tell(asked, objective[1:], found[1:], theirs.add(asked, objective[1:], found[1:]))
        parts = [archive.update(population.take(torch.tensor([rows]))) for rows in ([0], list(range(1, 1 + batch)))]
        insertion = evolution.Insertion(*(torch.cat([getattr(p, n) for p in parts], 1) for n in ("status", "value")))
        ours.tell(population, insertion, streams)
        assert int(ours.restarts) == emitter.restarts == 0
        np.testing.assert_allclose(ours._point[0], emitter._grad_opt.theta, atol=1e-6)
        np.testing.assert_allclose(ours._strategies.mean[0], emitter._opt.mean, atol=1e-6)


def test_gradients_point_up_and_are_those_of_the_measures() -> None:
    toolbox = vector_toolbox(3)
    genomes = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    fitness, measures, gradients = toolbox.gradients(genomes)
    assert torch.equal(measures, genomes[:, :2])
    torch.testing.assert_close(fitness[:, 0], -(genomes - 0.3).square().sum(1))
    torch.testing.assert_close(gradients[:, 0], -2 * (genomes - 0.3))
    assert torch.equal(gradients[:, 1:], torch.eye(3)[:2].expand(5, 2, 3))
    assert math.isclose(float(gradients[:, 2, 1].mean()), 1.0)
