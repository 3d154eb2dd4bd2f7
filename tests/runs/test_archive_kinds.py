"""A kind of archive decides in one place what `auto` means, what is written, and which figures a run has."""

import pytest
import torch

from evovae import evolution
from evovae.encodings import VectorEncoding
from evovae.objectives import Objective
from evovae.runs import EvolveConfig, kind_of_archive, resolve_auto
from evovae.runs.evolutions.archive_kinds import FRONT
from evovae.runs.evolutions.evolution_figures import FIGURES

OBJECTIVES = {
    "maximised": Objective(("gene",), (1.0,), lambda x: x[:, :1]),
    "minimised": Objective(("gene",), (-1.0,), lambda x: x[:, :1]),
    "several": Objective(("gene", "same"), (1.0, -1.0), lambda x: x[:, :1].repeat(1, 2)),  # all are on the front
}


@pytest.mark.parametrize(
    ("name", "algorithm", "select"),
    [
        ("maximised", "eaSimple", "selTournament"),
        ("minimised", "eaSimple", "selTournament"),
        ("several", "eaMuPlusLambda", "selNSGA2"),
    ],
)
def test_auto_means_what_fits_the_kind(name: str, algorithm: str, select: str) -> None:
    resolved = resolve_auto(EvolveConfig(), OBJECTIVES[name], VectorEncoding(4))
    assert (resolved.algorithm, resolved.select) == (algorithm, select)


def test_every_figure_belongs_to_a_kind_and_every_kind_has_figures_that_can_be_drawn() -> None:
    kinds = [kind_of_archive(objective.names, objective.weights) for objective in OBJECTIVES.values()]
    assert {name for kind in kinds for name in kind.figures} == FIGURES.keys()
    assert all(kind.figures for kind in kinds)


@pytest.mark.parametrize(("name", "written"), [("maximised", 300), ("several", FRONT)])
def test_a_hall_of_fame_is_written_whole_and_a_front_thinned(name: str, written: int) -> None:
    objective = OBJECTIVES[name]
    toolbox = evolution.toolbox(VectorEncoding(2), objective)
    kind = kind_of_archive(objective.names, objective.weights)
    archive = kind.make(EvolveConfig(hall_of_fame=300))
    archive.update(evolution.evaluate(toolbox.population(n=300, replicates=2, seed=0), toolbox))
    assert len(archive) == 300
    found = kind.found(archive)
    assert found.finite.sum(1).tolist() == [written] * 2
    spans = [population.fitness[..., 0].aminmax(dim=1) for population in (found, archive.population)]
    assert torch.equal(torch.stack([*spans[0]]), torch.stack([*spans[1]])), "the ends stay"
