"""Do evovae's archives and emitters do what those of pyribs do?

The same candidates go to both, some of a cell, some equally good, some out of range, and what comes of them is compared
batch by batch: which are let in and for what, cells, elites, thresholds, coverage and QD score, the order that rankers
give, when emitters begin again, and what evolution strategies and branches have learned. What chance decides is taken
from pyribs; rankers get no equals, whose order pyribs leaves to an unstable sort. Whole numbers, orders and decisions
are to be equal, other numbers within 1e-12 of the largest, and what is learned, step by step, within 1e-6. Every check
should pass, of the 200 batches; a distribution that nears its end, its covariance nearly singular, takes rounding
further: of 1,000, two covariances of emitters differ by up to 1e-4.

    python experiments/pyribs_parity.py            about a minute on one core; needs pyribs
    python experiments/pyribs_parity.py --smoke    seconds, leaving no results
"""

from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

import evovae
from evovae import evolution
from evovae.base import Streams, require_counts
from evovae.evolution.emitters.rankers import Ranker
from evovae.evolution.emitters.strategies import EvolutionStrategies
from evovae.studies import start, study

import torch
from torch import Tensor

RANGES = ((-1.0, 1.0), (0.0, 5.0))
BOUNDS = ((-1.0, 1.0), (-1.0, 1.0))
CLOSE, LEARNED = 1e-12, 1e-6
"""Largest deviation, over the largest number, of what is computed at once, and of what is learned step by step."""


@dataclass(frozen=True)
class Arguments:
    """Settings of the comparison."""

    batches: int = 200
    """That each part is given, at most; strategies and branches end sooner."""
    seed: int = 0
    """Of candidates and draws."""
    smoke: bool = False
    """Run in seconds, leaving no results."""

    def __post_init__(self) -> None:
        """Refuse what compares nothing."""
        require_counts(self, "batches")


class Pair(NamedTuple):
    """The same of both."""

    compared: str
    ours: Any
    theirs: Any
    allowed: float = 0.0


class Candidates(NamedTuple):
    """A batch for an archive."""

    genomes: NDArray[np.float64]
    objective: NDArray[np.float64]
    measures: NDArray[np.float64]


Check = Callable[[dict[str, Any], int, int], Iterator[Pair]]
"""From settings, number of batches and seed."""


def main(arguments: Arguments) -> None:
    with study("pyribs_parity", arguments.smoke) as results:
        table = compare(CASES, 20 if arguments.smoke else arguments.batches, arguments.seed)
        results.table("summary", table)
    print(f"{(table.verdict == 'passes').sum()} of {len(table)} checks pass")


def compare(cases: Collection[tuple[str, Check, dict[str, Any]]], batches: int, seed: int) -> pd.DataFrame:
    """Return a table with a row for each check: how many numbers were compared, and the largest deviation."""
    rows: dict[tuple[str, str, str], dict[str, Any]] = {}
    for part, check, settings in cases:
        described = ", ".join(f"{key}={value}" for key, value in settings.items())
        for pair in check(settings, batches, seed):
            row = rows.setdefault((part, described, pair.compared), {"numbers": 0, "deviation": 0.0, "allowed": 0.0})
            row["numbers"] += np.size(pair.theirs)
            row["deviation"] = max(row["deviation"], deviation(pair.ours, pair.theirs))
            row["allowed"] = pair.allowed
    table = pd.DataFrame(
        dict(zip(("part", "settings", "compared"), key, strict=True)) | row for key, row in rows.items()
    )
    return table.assign(verdict=np.where(table["deviation"] <= table["allowed"], "passes", "fails"))


def deviation(ours: ArrayLike, theirs: ArrayLike) -> float:
    """Return the largest difference over the largest number; infinity where shapes, or what is no number, differ."""
    one, other = np.asarray(ours, dtype=float), np.asarray(theirs, dtype=float)
    if one.shape != other.shape or not np.array_equal(np.isfinite(one), np.isfinite(other)):
        return np.inf
    finite = np.isfinite(other)
    if np.array_equal(one[finite], other[finite]):
        return 0.0
    return float(np.abs(one - other)[finite].max() / np.abs(other)[finite].max())


def candidates(batches: int, seed: int, equals: bool = True, size: int = 40) -> Iterator[Candidates]:
    """Yield batches of candidates; with `equals`, of every other one objectives are rounded, so that some are equal."""
    rng = np.random.default_rng(seed)
    for batch in range(batches):
        genomes = rng.normal(size=(size, 3)).astype(np.float32).astype(np.float64)
        objective = rng.normal(size=size)
        measures = rng.normal(size=(size, 2)) * [0.7, 3.0] + [0.0, 2.0]
        yield Candidates(genomes, np.round(objective, 1) if equals and batch % 2 else objective, measures)


def grid(rule: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare grids of 7 x 5 cells by the rule for their thresholds."""
    from ribs.archives import GridArchive

    common: dict[str, Any] = {"solution_dim": 3, "dims": (7, 5), "ranges": RANGES, "qd_score_offset": -3.0}
    theirs, passive = GridArchive(**common, **rule), GridArchive(**common)
    ours = evolution.GridArchive((7, 5), RANGES, qd_score_offset=-3.0, **rule)
    for batch in candidates(batches, seed):
        passive.add(*batch)
        yield from added(ours, theirs, batch)
        found = passive.stats
        yield Pair("coverage", ours.coverage, [found.coverage], CLOSE)
        yield Pair("QD score", ours.qd_score, [found.qd_score], CLOSE)
        yield Pair("QD score over cells", ours.norm_qd_score, [found.norm_qd_score], CLOSE)
        yield Pair("best", ours.best, [found.obj_max])
        yield from tables(ours, passive)
        rows, own = theirs.data(), ours._elites
        assert own is not None, "it was given some"
        place, order = own["index"][0].argsort().numpy(), np.argsort(rows["index"])
        for name, column in {"index": "index", "genomes": "solution", "objective": "objective"}.items():
            yield Pair(f"competing elites: {column}", own[name][0].numpy()[place], rows[column][order])
        yield Pair("thresholds", own["threshold"][0].numpy()[place], rows["threshold"][order], CLOSE)


def centroids(_: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare archives of 30 cells around the same centroids."""
    from ribs.archives import CVTArchive

    centres = np.random.default_rng(seed).uniform((-1, 0), (1, 5), (30, 2))
    theirs, ours = CVTArchive(solution_dim=3, centroids=centres, ranges=RANGES), evolution.CVTArchive(centres)
    for batch in candidates(batches, seed):
        yield from added(ours, theirs, batch)
        yield from tables(ours, theirs)


def unstructured(settings: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare archives that have no cells, and know their `k` nearest."""
    from ribs.archives import ProximityArchive

    k = settings["k_neighbors"]
    theirs = ProximityArchive(
        solution_dim=3, measure_dim=2, k_neighbors=k, novelty_threshold=0.6, local_competition=True
    )
    ours = evolution.UnstructuredArchive(2, 0.6, k)
    for number, batch in enumerate(candidates(batches, seed)):
        novelty = ours.novelty(torch.from_numpy(batch.measures).unsqueeze(0))[0]
        found = theirs.add(*batch)
        inserted = ours.add(*batched(*batch))
        yield Pair("status", inserted.status[0], found["status"])
        yield Pair("value", inserted.value[0], found["value"], CLOSE)
        if number:  # of an empty archive novelty is infinite here, and the threshold there
            yield Pair("novelty", novelty, found["novelty"], CLOSE)
        yield Pair("QD score", ours.qd_score, [theirs.stats.qd_score], CLOSE)
        yield from tables(ours, theirs)


def added(ours: evolution.EliteArchive, theirs: Any, batch: Candidates) -> Iterator[Pair]:
    """Add a batch to both, and compare what becomes of it."""
    found, inserted = theirs.add(*batch), ours.add(*batched(*batch))
    yield Pair("status", inserted.status[0], found["status"])
    yield Pair("value", inserted.value[0], found["value"], CLOSE)


def tables(ours: evolution.EliteArchive, theirs: Any) -> Iterator[Pair]:
    """Compare the columns of both, but for thresholds."""
    expected = theirs.data(return_type="pandas").sort_values("index", ignore_index=True)
    table = ours.table()
    for column in table.columns.drop("threshold"):
        yield Pair(f"table: {column.rstrip('_0123456789')}", table[column], expected[column])


def batched(*arrays: NDArray[np.float64]) -> list[Tensor]:
    """Return arrays as the only replicate's."""
    return [torch.from_numpy(np.ascontiguousarray(array)).unsqueeze(0) for array in arrays]


def ranker(settings: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare the order of candidates, and the values that they are ordered by."""
    from ribs.archives import GridArchive
    from ribs.emitters import rankers

    name = settings["ranker"]
    kind = {"imp": "Improvement", "rd": "RandomDirection", "obj": "Objective"}[name.removeprefix("2")]
    full = getattr(rankers, ("TwoStage" if name[0] == "2" else "") + kind + "Ranker")(seed=seed)
    theirs = GridArchive(solution_dim=3, dims=(7, 5), ranges=RANGES)
    archive, mine = evolution.GridArchive((7, 5), RANGES), Ranker(name)
    mine.begin(archive, 1, Streams(seed, 1))
    full.reset(None, theirs)
    if kind == "RandomDirection":
        mine._direction = torch.from_numpy(full.target_measure_dir).view(1, 1, 2)
    for batch in candidates(batches, seed, equals=False):
        data = {"solution": batch.genomes, "objective": batch.objective, "measures": batch.measures}
        indices, values = full.rank(None, theirs, data, theirs.add(*batch))
        genomes, objective, measures = batched(*batch)
        order, found = mine.rank(objective, measures, archive.add(genomes, objective, measures))
        yield Pair("order", order[0], indices)
        yield Pair("values", found[0], values[indices].reshape(len(indices), -1), CLOSE)


def strategy(settings: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare what evolution strategies learn, and when they have converged; parents are half, or any number."""
    from ribs.emitters import opt

    separable, dim, size = settings["separable"], settings["genes"], 12
    rng = np.random.default_rng(seed)
    theirs: Any = (opt.SeparableCMAEvolutionStrategy if separable else opt.CMAEvolutionStrategy)(
        0.3, dim, size, seed=seed
    )
    theirs.reset(np.full(dim, 0.5))
    ours = EvolutionStrategies(torch.full((2, dim), 0.5), 0.3, size, separable)  # the second stays behind
    scales = 10.0 ** np.linspace(0, 2, dim)
    for _ in range(min(batches, 150)):  # until it has come to the optimum
        asked = np.array(theirs.ask())
        ours.ask(torch.zeros(2, size, dim))  # decomposes where it is due
        values = -(scales * asked**2).sum(1)
        order = np.argsort(-values)
        parents = size // 2 if settings["parents"] == "half" else int(rng.integers(0, size + 1))
        theirs.tell(order, values, parents)
        ranked = torch.from_numpy(asked[order])
        ours.tell(torch.stack((ranked, ranked)), torch.tensor([parents, 6]), torch.tensor([True, False]))
        for name, expected in {
            "mean": theirs.mean, "sigma": theirs.sigma, "covariance": theirs.cov.cov, "path": theirs.pc,
            "path of sigma": theirs.ps,
        }.items():  # fmt: skip
            attribute = {"path": "_path", "path of sigma": "_path_sigma"}.get(name, name)
            yield Pair(name, getattr(ours, attribute)[0].squeeze(), np.squeeze(expected), LEARNED)
        flat = np.stack((values, values), 1)[order]
        stops = ours.converged(torch.from_numpy(flat[:1]).expand(2, 2), torch.from_numpy(flat[-1:]).expand(2, 2))
        yield Pair("converged", stops[0], theirs.check_stop(flat))
    yield Pair("mean of one that is not asked", ours.mean[1], np.full(dim, 0.5))


def vector_toolbox(dim: int) -> Any:
    """Return the toolbox of a sphere whose first two genes are measures."""
    return evolution.toolbox(
        evovae.VectorEncoding(dim),
        lambda x: -(x - 0.3).square().sum(1, keepdim=True),
        measures=lambda x: x[:, :2],
    )


def evaluated(genomes: NDArray[np.float64], toolbox: Any, streams: Streams) -> evolution.Population:
    """Return `genomes` (N, D) as the only replicate's, evaluated."""
    asked = torch.from_numpy(genomes).unsqueeze(0)
    return evolution.evaluate(evolution.Population.unevaluated(asked, (1.0,), streams), toolbox)


def emitter(settings: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare what emitters learn of what their candidates came to, and when they begin again."""
    from ribs.archives import GridArchive
    from ribs.emitters import EvolutionStrategyEmitter

    dim, size = 4, 10
    toolbox, streams = vector_toolbox(dim), Streams(seed, 1)
    theirs, archive = GridArchive(solution_dim=dim, dims=(6, 6), ranges=BOUNDS), evolution.GridArchive((6, 6), BOUNDS)
    stock: Any = EvolutionStrategyEmitter(theirs, x0=np.zeros(dim), sigma0=0.2, batch_size=size, seed=seed, **settings)
    ours = evolution.EvolutionStrategyEmitter(0.2, size, emitters=1, x0=0.0, **settings)
    ours.begin(toolbox, archive, streams)
    restarts = 0
    for _ in range(batches):
        asked = np.array(stock.ask())
        ours.ask(streams)
        population = evaluated(asked, toolbox, streams)
        assert population.measures is not None, "the toolbox has some"
        objective, measures = population.fitness[0, :, 0].numpy(), population.measures[0].numpy()
        stock.tell(asked, objective, measures, theirs.add(asked, objective, measures))
        ours.tell(population, archive.update(population), streams)
        yield Pair("restarts", ours.restarts.squeeze(), stock.restarts)
        mine, full = ours._strategies, stock._opt
        if stock.restarts > restarts:  # at an elite that chance has chosen
            restarts = stock.restarts
            mine.mean = torch.from_numpy(full.mean).view(1, dim)
            yield Pair("sigma after a restart", mine.sigma.squeeze(), full.sigma)
        yield Pair("mean", mine.mean[0], full.mean, LEARNED)
        yield Pair("covariance", mine.covariance[0], full.cov.cov, LEARNED)


def branches(settings: dict[str, Any], batches: int, seed: int) -> Iterator[Pair]:
    """Compare where gradient arborescence moves its point, and what it learns of its coefficients."""
    from ribs.archives import GridArchive
    from ribs.emitters import GradientArborescenceEmitter

    dim, size, optimiser = 6, 9, settings["optimiser"]
    toolbox, streams = vector_toolbox(dim), Streams(seed, 1)
    theirs, archive = GridArchive(solution_dim=dim, dims=(8, 8), ranges=BOUNDS), evolution.GridArchive((8, 8), BOUNDS)
    stock: Any = GradientArborescenceEmitter(
        theirs, x0=np.full(dim, 0.1), sigma0=0.5, lr=0.05, batch_size=size, seed=seed, selection_rule="mu",
        restart_rule="basic", grad_opt="gradient_ascent" if optimiser == "ascent" else "adam",
    )  # fmt: skip
    ours = evolution.GradientArborescenceEmitter(0.5, 0.05, size, optimiser=optimiser, x0=0.1)
    ours.begin(toolbox, archive, streams)
    for _ in range(min(batches, 60)):  # before it has converged
        point = np.array(stock.ask_dqd())
        fitness, measures, gradients = toolbox.gradients(torch.from_numpy(point))
        found = theirs.add(point, fitness[:, 0].numpy(), measures.numpy())
        stock.tell_dqd(point, fitness[:, 0].numpy(), measures.numpy(), gradients.numpy().copy(), found)
        asked = np.array(stock.ask())
        ours.ask(streams)
        ours._asked = torch.from_numpy(np.array(stock._opt._solutions)).unsqueeze(0)  # the coefficients
        population = evaluated(np.concatenate((point, asked)), toolbox, streams)
        assert population.measures is not None, "the toolbox has some"
        objective, seen = population.fitness[0, 1:, 0].numpy(), population.measures[0, 1:].numpy()
        stock.tell(asked, objective, seen, theirs.add(asked, objective, seen))
        parts = [archive.update(population.take(torch.tensor([rows]))) for rows in ([0], list(range(1, 1 + size)))]
        insertion = evolution.Insertion(*(torch.cat([getattr(p, n) for p in parts], 1) for n in ("status", "value")))
        ours.tell(population, insertion, streams)
        yield Pair("restarts", ours.restarts.squeeze(), stock.restarts)
        yield Pair("point", ours._point[0].squeeze(), np.squeeze(stock._grad_opt.theta), LEARNED)
        yield Pair("mean of coefficients", ours._strategies.mean[0], stock._opt.mean, LEARNED)


RULES: list[dict[str, Any]] = [
    {},
    {"learning_rate": 0.01, "threshold_min": 0.0},
    {"learning_rate": 1.0, "threshold_min": -2.0},
    {"learning_rate": 0.0, "threshold_min": -0.5},
]
RESTARTS: list[dict[str, Any]] = [
    {"ranker": "2imp", "selection_rule": "filter", "restart_rule": "no_improvement"},
    {"ranker": "2imp", "selection_rule": "mu", "restart_rule": "basic"},
    {"ranker": "imp", "selection_rule": "mu", "restart_rule": "basic"},
    {"ranker": "obj", "selection_rule": "filter", "restart_rule": 7},
]
CASES: list[tuple[str, Check, dict[str, Any]]] = [
    *(("GridArchive", grid, rule) for rule in RULES),
    ("CVTArchive", centroids, {}),
    *(("UnstructuredArchive", unstructured, {"k_neighbors": k}) for k in (1, 4)),
    *(("ranker", ranker, {"ranker": name}) for name in ("imp", "2imp", "rd", "2rd", "obj", "2obj")),
    *(
        ("evolution strategy", strategy, {"separable": separable, "genes": genes, "parents": parents})
        for separable in (False, True)
        for genes in (3, 20)
        for parents in ("half", "any")
    ),
    *(("EvolutionStrategyEmitter", emitter, settings) for settings in RESTARTS),
    *(("GradientArborescenceEmitter", branches, {"optimiser": name}) for name in ("ascent", "adam")),
]


if __name__ == "__main__":
    start(main, Arguments, __doc__)
