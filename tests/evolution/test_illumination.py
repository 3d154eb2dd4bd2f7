"""Illumination: replicates, streams, states, and what archives and emitters do at their limits."""

import math
from collections.abc import Callable

import pytest
import torch
from torch import Tensor

import evovae
from evovae import evolution
from evovae.base import InputError, Streams, random
from evovae.evolution import EliteArchive, Emitter

RANGES = ((-2.0, 2.0), (-2.0, 2.0))


def bowl(x: Tensor) -> Tensor:
    return -(x - 0.3).square().sum(1, keepdim=True)


def ends(x: Tensor) -> Tensor:
    return torch.stack((x[:, 0], x[:, -1]), 1)


def make_toolbox(objective: Callable[[Tensor], Tensor] = bowl, dim: int = 5, **kwargs: object) -> evolution.Toolbox:
    return evolution.toolbox(evovae.VectorEncoding(dim), objective, measures=ends, **kwargs)


ARCHIVES: dict[str, Callable[[], EliteArchive]] = {
    "grid": lambda: evolution.GridArchive((10, 10), RANGES),
    "annealed": lambda: evolution.GridArchive((10, 10), RANGES, learning_rate=0.1, threshold_min=-10.0),
    "unstructured": lambda: evolution.UnstructuredArchive(2, 0.3, 3, capacity=70),
    "centroids": lambda: evolution.CVTArchive(evolution.spread_centroids(60, RANGES, samples=500)),
}
EMITTERS: dict[str, Callable[[], Emitter | list[Emitter]]] = {
    "gaussian": lambda: evolution.GaussianEmitter(0.3, 20, 30),
    "line": lambda: evolution.IsoLineEmitter(0.1, 0.4, 20, 30),
    "strategies": lambda: evolution.EvolutionStrategyEmitter(0.4, 6, 3),
    "separable": lambda: evolution.EvolutionStrategyEmitter(0.4, 6, 3, "2rd", "mu", 4, es="sep_cma_es"),
    "branches": lambda: evolution.GradientArborescenceEmitter(0.5, 0.5, 7, 2),
    "adam": lambda: evolution.GradientArborescenceEmitter(
        0.5, 0.05, 7, 2, "imp", "filter", "no_improvement", optimiser="adam"
    ),
    "operators": lambda: evolution.GradientOperatorEmitter(0.1, 0.3, True, True, 0.2, 10, 15),
    "bandit": lambda: evolution.BanditEmitter(
        [
            evolution.GaussianEmitter(0.01, 8, 8),
            evolution.IsoLineEmitter(0.2, 0.3, 8, 8),
            evolution.EvolutionStrategyEmitter(0.4, 4, 2),
            evolution.EvolutionStrategyEmitter(0.4, 8, 1, "imp", "mu", 5),
        ],
        active=2,
        window=6,
    ),
    "several": lambda: [evolution.GaussianEmitter(0.3, 8, 9), evolution.GradientArborescenceEmitter(0.5, 0.5, 5, 2)],
}


@pytest.mark.parametrize("emitter", EMITTERS)
def test_a_replicate_alone_does_what_it_does_among_others(emitter: str) -> None:
    toolbox = make_toolbox()
    together, book = evolution.illuminate(toolbox, ARCHIVES["grid"](), EMITTERS[emitter](), 15, replicates=4, seed=3)
    alone, _ = evolution.illuminate(
        toolbox, ARCHIVES["grid"](), EMITTERS[emitter](), 15, replicates=range(2, 3), seed=3
    )
    torch.testing.assert_close(
        torch.from_numpy(together.table(2).to_numpy()), torch.from_numpy(alone.table().to_numpy()), atol=1e-5, rtol=1e-5
    )
    assert len({tuple(together.table(r)["objective"]) for r in range(4)}) == 4
    assert list(book[-1]["coverage"]) == together.coverage.tolist()
    assert (book[-1]["qd_score"] == together.qd_score.numpy()).all()
    assert (book[-1]["evaluations"] == sum(line["nevals"] for line in book)).all()


@pytest.mark.parametrize("archive", ARCHIVES)
@pytest.mark.parametrize("emitter", EMITTERS)
def test_a_run_resumed_from_a_state_gives_the_same_bits(archive: str, emitter: str) -> None:
    toolbox = make_toolbox()

    def generations(state: dict[str, Tensor] | None = None) -> tuple[EliteArchive, evolution.generation.Generations]:
        made = ARCHIVES[archive]()
        return made, evolution.illuminate_iter(toolbox, made, EMITTERS[emitter](), 14, 2, seed=1, state=state)

    whole, steps = generations()
    states = {step.gen: step.state() for step in steps}
    for gen in (0, 6):
        kept = {name: tensor.clone() for name, tensor in states[gen].items()}
        resumed, rest = generations(kept)
        last = [step.state() for step in rest][-1]
        assert last.keys() == states[13].keys()
        for name, tensor in last.items():
            assert torch.equal(tensor, states[13][name]) or bool(tensor.isnan().any()), name
        for r in range(2):
            assert resumed.table(r).equals(whole.table(r))


@pytest.mark.parametrize("emitter", EMITTERS)
def test_what_is_not_finite_or_breaks_a_constraint_never_enters(emitter: str) -> None:
    def holes(x: Tensor) -> Tensor:
        return torch.where(x[:, :1] > 0.5, math.nan, bowl(x))

    def measures(x: Tensor) -> Tensor:
        return torch.where(x[:, 1:2] > 0.5, math.inf, ends(x))

    toolbox = evolution.toolbox(evovae.VectorEncoding(5), holes, measures=measures)
    archive, _ = evolution.illuminate(toolbox, ARCHIVES["grid"](), EMITTERS[emitter](), 12, replicates=2)
    for r in range(2):
        table = archive.table(r)
        assert len(table) > 0
        assert table["objective"].notna().all()
        assert (table["solution_0"] <= 0.5).all()
        assert (table["solution_1"] <= 0.5).all()
    if "gaussian" in emitter:
        bound = make_toolbox(constraints=lambda x: x[:, 0] - 0.2)
        archive, _ = evolution.illuminate(bound, ARCHIVES["grid"](), EMITTERS[emitter](), 12)
        assert (archive.table()["solution_0"] <= 0.2).all()


@pytest.mark.parametrize("emitter", EMITTERS)
def test_a_replicate_that_finds_nothing_stays_empty_and_harms_nobody(emitter: str) -> None:
    toolbox = make_toolbox(lambda x: bowl(x) * math.nan)
    archive, book = evolution.illuminate(toolbox, ARCHIVES["grid"](), EMITTERS[emitter](), 5, replicates=2)
    assert archive.coverage.tolist() == archive.qd_score.tolist() == [0.0, 0.0]
    assert archive.best.isnan().all()
    assert len(archive.table()) == len(archive) == 0
    assert (book[-1]["coverage"] == 0).all()


def test_every_elite_is_what_its_genome_decodes_to_and_lies_in_its_cell() -> None:
    toolbox, archive = make_toolbox(), ARCHIVES["annealed"]()
    evolution.illuminate(toolbox, archive, EMITTERS["strategies"](), 40, replicates=2)
    for r in range(2):
        known = archive.objective[r].isfinite()
        genomes = archive.genomes[r][known]
        torch.testing.assert_close(archive.objective[r][known], bowl(genomes)[:, 0].double())
        assert torch.equal(archive.measures[r][known], ends(genomes).double())
        assert torch.equal(archive.index_of(archive.measures[r][known]), archive.index[r][known])
        assert len(archive.index[r][known].unique()) == int(known.sum()) == round(float(archive.coverage[r]) * 100)


def test_an_archive_watches_another_algorithm_as_its_hall_of_fame() -> None:
    toolbox, archive = make_toolbox(), ARCHIVES["grid"]()
    population = toolbox.population(30, replicates=3)
    last, _ = evolution.eaSimple(population, toolbox, 0.5, 0.3, 10, halloffame=archive)
    torch.testing.assert_close(last.measures, ends(last.genomes.flatten(0, 1)).view(3, 30, 2))
    assert (archive.best >= last.fitness.amax((1, 2))).all()
    assert (archive.coverage > 0.1).all()
    halfway = list(evolution.eaSimple_iter(population, toolbox, 0.5, 0.3, 4, halloffame=ARCHIVES["grid"]()))[-1].state()
    resumed = ARCHIVES["grid"]()
    list(evolution.eaSimple_iter(population, toolbox, 0.5, 0.3, 10, halloffame=resumed, state=halfway))
    assert resumed.table(1).equals(archive.table(1))


def test_an_archive_that_was_filled_is_filled_further() -> None:
    toolbox, archive = make_toolbox(), ARCHIVES["grid"]()
    evolution.illuminate(toolbox, archive, EMITTERS["gaussian"](), 10)
    before = archive.table().set_index("index")["objective"]
    _, book = evolution.illuminate(toolbox, archive, EMITTERS["line"](), 10, seed=1)
    assert book[0]["nevals"] == 20  # children at once: no first generation
    after = archive.table().set_index("index")["objective"]
    assert set(before.index) <= set(after.index)
    assert (after[before.index] >= before).all()
    assert len(after) > len(before)
    with pytest.raises(InputError, match="3 replicates of 5 genes: expected 1 of 5, as the archive has them"):
        evolution.illuminate(toolbox, archive, EMITTERS["line"](), 2, replicates=3)


def test_minimising_keeps_the_least() -> None:
    toolbox = evolution.toolbox(evovae.VectorEncoding(5), lambda x: -bowl(x), weights=(-1.0,), measures=ends)
    archive, _ = evolution.illuminate(toolbox, ARCHIVES["grid"](), EMITTERS["gaussian"](), 10)
    same, _ = evolution.illuminate(make_toolbox(), ARCHIVES["grid"](), EMITTERS["gaussian"](), 10)
    assert archive.table().equals(same.table())


def test_several_candidates_of_one_batch_do_what_they_would_one_after_the_other() -> None:
    generator = torch.Generator().manual_seed(0)
    genomes = torch.randn(2, 200, 3, generator=generator)
    objective, measures = genomes.sum(2).round(decimals=1), genomes[..., :2].contiguous()
    at_once, one_by_one = (evolution.GridArchive((3, 3), RANGES) for _ in range(2))
    at_once.add(genomes, objective, measures)
    for n in range(200):
        one_by_one.add(genomes[:, n : n + 1], objective[:, n : n + 1], measures[:, n : n + 1])
    for r in range(2):
        assert at_once.table(r).equals(one_by_one.table(r))


@pytest.mark.parametrize("dims", [(7,), (3, 2, 4)])
def test_a_grid_has_any_number_of_dimensions(dims: tuple[int, ...]) -> None:
    archive = evolution.GridArchive(dims, ((0.0, 1.0),) * len(dims))
    cells = torch.cartesian_prod(*[(torch.arange(n) + 0.5) / n for n in dims]).view(-1, len(dims))
    assert torch.equal(archive.index_of(cells), torch.arange(math.prod(dims)))
    assert torch.equal(
        archive.index_of(archive.grid_index(torch.arange(archive.cells)) / torch.tensor(dims)),
        torch.arange(archive.cells),
    )
    assert archive.index_of(cells - 9.0).unique().tolist() == [0]
    assert archive.index_of(cells + 9.0).unique().tolist() == [archive.cells - 1]
    archive.add(torch.zeros(1, len(cells), 2), torch.ones(1, len(cells)), cells.unsqueeze(0))
    assert float(archive.coverage) == float(archive.norm_qd_score) == 1.0


def test_many_measures_are_compared_with_all_centroids() -> None:
    points = torch.rand(40, 30, generator=torch.Generator().manual_seed(0))
    archive = evolution.CVTArchive(points)
    assert torch.equal(archive.index_of(points.view(4, 10, 30) + 1e-4), torch.arange(40).view(4, 10))


def test_spread_centroids_share_the_room_evenly() -> None:
    points = evolution.spread_centroids(16, ((0.0, 1.0), (0.0, 2.0)), samples=4000)
    assert points.shape == (16, 2)
    assert torch.equal(points, evolution.spread_centroids(16, ((0.0, 1.0), (0.0, 2.0)), samples=4000))
    draws = torch.rand(20_000, 2, generator=torch.Generator().manual_seed(1)) * torch.tensor([1.0, 2.0])
    counts = evolution.CVTArchive(points).index_of(draws).bincount(minlength=16)
    assert 0.5 < float(counts.min() / counts.double().mean()) <= float(counts.max() / counts.double().mean()) < 1.6


def test_an_unstructured_archive_that_is_full_only_replaces() -> None:
    toolbox, archive = make_toolbox(), evolution.UnstructuredArchive(2, 0.1, 3, capacity=40)
    books = [evolution.illuminate(toolbox, archive, EMITTERS["gaussian"](), 8, 2, seed)[1] for seed in (0, 1)]
    assert len(archive) == 40
    assert archive.coverage.tolist() == [1.0, 1.0]
    assert (books[1][-1]["qd_score"] > books[1][0]["qd_score"]).all()
    assert archive.index_of(archive.measures).tolist() == [list(range(40))] * 2


def test_elites_are_drawn_evenly() -> None:
    archive = evolution.GridArchive((4,), ((0.0, 1.0),))
    filled = torch.tensor([[0.1, 0.4, 0.9], [0.6, 0.6, 0.6]]).unsqueeze(2)  # three cells, and one
    archive.add(filled, torch.zeros(2, 3), filled)
    drawn = archive.sample(30_000, Streams(0, 2))[..., 0]
    values, counts = drawn[0].unique(return_counts=True)
    torch.testing.assert_close(values, filled[0, :, 0])
    assert counts.min() > 9_600
    assert drawn[1].unique().tolist() == pytest.approx([0.6])


def test_noise_of_zero_gives_the_elites() -> None:
    toolbox, archive = make_toolbox(), ARCHIVES["grid"]()
    evolution.illuminate(toolbox, archive, evolution.GaussianEmitter(0.5, 50, 50), 5)
    before = archive.table()
    for emitter in (evolution.GaussianEmitter(0.0, 50), evolution.IsoLineEmitter(0.0, 0.0, 50)):
        evolution.illuminate(toolbox, archive, emitter, 3)
        assert archive.table().equals(before)


def test_noise_has_a_value_for_each_gene() -> None:
    toolbox, archive = make_toolbox(), ARCHIVES["grid"]()
    evolution.illuminate(toolbox, archive, evolution.GaussianEmitter([0.0, 0.0, 0.5, 0.0, 0.0], 200, 1), 2)
    assert archive.table()["solution_0"].nunique() == 1


def test_coarse_noise_is_normal_and_each_stream_its_own() -> None:
    draws = Streams(0, 3).rough_normal(3, 40_001)
    assert torch.equal(draws[1], Streams(0, [1]).rough_normal(1, 40_001)[0])
    ordered = draws.double().flatten().sort().values
    uniform = (torch.arange(len(ordered)) + 0.5) / len(ordered)
    assert float((torch.special.ndtr(ordered) - uniform).abs().max()) < 1.6 / math.sqrt(len(ordered))
    assert float(draws.var()) == pytest.approx(1.0, abs=0.02)
    assert float(torch.corrcoef(draws[:, :-1])[0, 1]) == pytest.approx(0.0, abs=0.02)
    assert float(torch.corrcoef(torch.stack((draws[0, :-1], draws[0, 1:])))[0, 1]) == pytest.approx(0.0, abs=0.02)
    table = random._rough_normals(torch.device("cpu"))
    assert len(table.unique()) == 2**16
    assert float((table + table.flip(0)).abs().max()) < 1e-6  # as many below as above
    assert bool(torch.isin(draws, table).all())


def test_the_search_fills_more_than_draws_from_the_prior() -> None:
    toolbox, wide = make_toolbox(dim=20), ((-5.0, 5.0), (-5.0, 5.0))
    found = {}
    for name, emitter in {
        "draws": evolution.GaussianEmitter(0.1, 1, 2000),
        "mapElites": evolution.GaussianEmitter(0.5, 100, 100),
        "cmaME": evolution.EvolutionStrategyEmitter(0.5, 20, 5),
        "cmaMEGA": evolution.GradientArborescenceEmitter(1.0, 1.0, 19, 5),
    }.items():
        archive = evolution.GridArchive((20, 20), wide, qd_score_offset=-200.0)
        evolution.illuminate(toolbox, archive, emitter, 1 if name == "draws" else 20, replicates=3)
        found[name] = float(archive.norm_qd_score.min() if name != "draws" else archive.norm_qd_score.max())
    assert found["draws"] < min(found[name] for name in ("mapElites", "cmaME", "cmaMEGA"))


def test_branches_enter_after_their_points() -> None:
    toolbox, archive = make_toolbox(), evolution.GridArchive((1,) * 2, RANGES)
    seen = []
    take = archive.update
    archive.update = lambda population: seen.append(len(population)) or take(population)
    emitters = [evolution.GaussianEmitter(0.3, 8, 9), evolution.GradientArborescenceEmitter(0.5, 0.5, 5, 2)]
    last, *_ = [step.offspring for step in evolution.illuminate_iter(toolbox, archive, emitters, 2)][::-1]
    assert seen == [2, 9 + 10, 2, 8 + 10]
    assert len(last) == 20


def test_a_bandit_gives_the_evaluations_to_whom_fills_the_archive() -> None:
    standing, walking = evolution.GaussianEmitter(0.0, 10, 10), evolution.GaussianEmitter(0.8, 10, 10)
    bandit = evolution.BanditEmitter([standing, walking, evolution.GaussianEmitter(0.0, 10, 10)], zeta=0.1)
    evolution.illuminate(make_toolbox(), evolution.GridArchive((100, 100), RANGES), bandit, 60, replicates=5)
    assert bandit.chosen.sum(1).tolist() == [600.0] * 5
    assert (bandit.chosen[:, 1] > 500).all()
    assert (bandit.chosen >= 10).all()


def test_an_emitter_that_is_not_chosen_learns_nothing() -> None:
    idle = evolution.EvolutionStrategyEmitter(0.4, 10, 1, restart_rule=1)
    bandit = evolution.BanditEmitter([evolution.GaussianEmitter(0.8, 10, 10), idle], zeta=0.0)
    toolbox, streams, archive = make_toolbox(), Streams(0, 2), ARCHIVES["grid"]()
    bandit.begin(toolbox, archive, streams)
    for _ in range(6):
        before, turns = idle.state(), bandit.chosen[:, 1].clone()
        population = evolution.Population.unevaluated(bandit.ask(streams), (1.0,), streams)
        population = evolution.evaluate(population, toolbox)
        bandit.tell(population, archive.update(population), streams)
        same = {name: torch.equal(tensor, idle.state()[name]) for name, tensor in before.items()}
        assert all(same.values()) == torch.equal(bandit.chosen[:, 1], turns), same
    assert 10 <= float(bandit.chosen[:, 1].sum()) < 120


REFUSED = {
    "measures: make the toolbox with": lambda: evolution.illuminate(
        evolution.toolbox(evovae.VectorEncoding(2), bowl), ARCHIVES["grid"](), evolution.GaussianEmitter(), 1
    ),
    r"measures has shape \(1, 100, 2\): expected \(1, 100, 1\)": lambda: evolution.illuminate(
        make_toolbox(), evolution.GridArchive((5,), ((0.0, 1.0),)), evolution.GaussianEmitter(), 1
    ),
    "2 objectives: an archive compares by one": lambda: evolution.illuminate(
        make_toolbox(lambda x: x[:, :2], weights=(1.0, 1.0)), ARCHIVES["grid"](), evolution.GaussianEmitter(), 1
    ),
    "expected a GridArchive": lambda: evolution.illuminate(
        make_toolbox(), evolution.HallOfFame(1), evolution.GaussianEmitter(), 1
    ),
    "expected an Emitter": lambda: evolution.illuminate(make_toolbox(), ARCHIVES["grid"](), [], 1),
    "given twice": lambda: evolution.illuminate(
        make_toolbox(), ARCHIVES["grid"](), [evolution.GaussianEmitter()] * 2, 1
    ),
    "ngen is 0": lambda: evolution.illuminate(make_toolbox(), ARCHIVES["grid"](), evolution.GaussianEmitter(), 0),
    "the measures pass no gradient": lambda: evolution.illuminate(
        evolution.toolbox(evovae.VectorEncoding(2), bowl, measures=lambda x: (x > 0).float()),
        ARCHIVES["grid"](),
        evolution.GradientArborescenceEmitter(),
        1,
    ),
    r"the measures gave torch.float32 of shape \(100,\): expected measures": lambda: evolution.illuminate(
        evolution.toolbox(evovae.VectorEncoding(2), bowl, measures=lambda x: x[:, 0]),
        ARCHIVES["grid"](),
        evolution.GaussianEmitter(),
        1,
    ),
    "learning_rate is 0.5 without a threshold_min": lambda: evolution.GridArchive((5,), ((0, 1),), 0.5),
    "learning_rate is 2": lambda: evolution.GridArchive((5,), ((0, 1),), 2.0, 0.0),
    "threshold_min is nan": lambda: evolution.GridArchive((5,), ((0, 1),), 1.0, math.nan),
    "qd_score_offset is inf": lambda: evolution.GridArchive((5,), ((0, 1),), qd_score_offset=math.inf),
    "dims is 0": lambda: evolution.GridArchive((0,), ((0, 1),)),
    "expected a range for each": lambda: evolution.GridArchive((5, 5), ((0, 1),)),
    "a range is": lambda: evolution.GridArchive((5,), ((1, 0),)),
    "novelty_threshold is 0": lambda: evolution.UnstructuredArchive(2, 0.0),
    "there is no elite that could be nearest": lambda: evolution.UnstructuredArchive(2, 1.0).index_of(
        torch.zeros(1, 1, 2)
    ),
    "centroids have shape": lambda: evolution.CVTArchive([0.0, 1.0]),
    "ranker is 'best'": lambda: evolution.EvolutionStrategyEmitter(ranker="best"),
    "selection_rule is 'all'": lambda: evolution.EvolutionStrategyEmitter(selection_rule="all"),
    "restart_rule is 0": lambda: evolution.EvolutionStrategyEmitter(restart_rule=0),
    "es is 'pso'": lambda: evolution.EvolutionStrategyEmitter(es="pso"),
    "optimiser is 'sgd'": lambda: evolution.GradientArborescenceEmitter(optimiser="sgd"),
    "batch_size is 1": lambda: evolution.EvolutionStrategyEmitter(batch_size=1),
    "emitters are 1": lambda: evolution.BanditEmitter([evolution.GaussianEmitter()]),
    "active is 2": lambda: evolution.BanditEmitter([evolution.GaussianEmitter(), evolution.GaussianEmitter()], 2),
    r"the emitters ask for \[100, 15\] genomes": lambda: evolution.illuminate(
        make_toolbox(),
        ARCHIVES["grid"](),
        evolution.BanditEmitter([evolution.GaussianEmitter(), evolution.EvolutionStrategyEmitter(0.5, 15, 1)]),
        1,
    ),
    "an emitter takes gradients": lambda: evolution.illuminate(
        make_toolbox(),
        ARCHIVES["grid"](),
        evolution.BanditEmitter([evolution.GradientArborescenceEmitter(batch_size=n) for n in (9, 9)]),
        1,
    ),
    "the archive is empty": lambda: ARCHIVES["grid"]().coverage,
    "replicate is 3": lambda: evolution.illuminate(make_toolbox(), ARCHIVES["grid"](), evolution.GaussianEmitter(), 1)[
        0
    ].table(3),
}


@pytest.mark.parametrize("message", REFUSED)
def test_what_does_not_fit_is_refused_in_words(message: str) -> None:
    with pytest.raises(InputError, match=message):
        REFUSED[message]()


def test_a_state_of_another_archive_is_refused() -> None:
    toolbox = make_toolbox()
    steps = evolution.illuminate_iter(toolbox, ARCHIVES["grid"](), EMITTERS["strategies"](), 3)
    state = [step.state() for step in steps][-1]
    for archive, emitter in (
        (evolution.GridArchive((3, 3), RANGES), EMITTERS["strategies"]()),
        (ARCHIVES["annealed"](), EMITTERS["strategies"]()),
        (ARCHIVES["grid"](), evolution.EvolutionStrategyEmitter(0.4, 6, 4)),
        (ARCHIVES["grid"](), EMITTERS["line"]()),
    ):
        with pytest.raises(InputError, match="the state has"):
            list(evolution.illuminate_iter(toolbox, archive, emitter, 5, state=state))
