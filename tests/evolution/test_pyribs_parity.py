"""The study that compares archives and emitters with those of pyribs: all agree, and what differs would be seen."""

import numpy as np
import pandas as pd
import pyribs_parity
import pytest
import torch
from pyribs_parity import CASES, compare, deviation, vector_toolbox


def checked(part: str, batches: int) -> pd.DataFrame:
    table = compare([case for case in CASES if case[0] == part], batches, seed=1)
    assert (table.verdict == "passes").all(), table[table.verdict != "passes"].to_string()
    return table


def test_a_grid_takes_in_what_pyribs_takes_in() -> None:
    assert checked("GridArchive", 15)["settings"].nunique() == 4


def test_cells_around_centroids_are_those_of_pyribs() -> None:
    checked("CVTArchive", 15)


def test_an_unstructured_archive_takes_in_what_pyribs_takes_in() -> None:
    assert "novelty" in set(checked("UnstructuredArchive", 15)["compared"])


def test_rankers_order_as_those_of_pyribs() -> None:
    assert checked("ranker", 15)["settings"].nunique() == 6


def test_evolution_strategies_learn_what_pyribs_learn() -> None:
    checked("evolution strategy", 60)


def test_an_emitter_decides_as_that_of_pyribs() -> None:
    table = checked("EvolutionStrategyEmitter", 150)
    assert (table["compared"] == "sigma after a restart").sum() >= 2, "some began again"


def test_branches_move_the_point_as_in_pyribs() -> None:
    checked("GradientArborescenceEmitter", 60)


@pytest.mark.parametrize(
    ("ours", "theirs", "expected"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.5], [1.0, 2.0], 0.25),
        ([np.nan, 2.0], [np.nan, 2.0], 0.0),
        ([np.nan, 2.0], [1.0, 2.0], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
        ([True, False], [True, True], 1.0),
        ([], [], 0.0),
    ],
)
def test_a_deviation_is_that_of_the_farthest_number(ours: list, theirs: list, expected: float) -> None:
    assert deviation(ours, theirs) == expected


def test_another_archive_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    class Later(pyribs_parity.evolution.GridArchive):
        """Scores a little higher."""

        def add(self, genomes, objective, measures):
            return super().add(genomes, objective + 1e-9, measures)

    monkeypatch.setattr(pyribs_parity.evolution, "GridArchive", Later)
    table = compare(CASES[:1], 5, seed=0)
    assert set(table.loc[table.verdict == "fails", "compared"]) >= {"best", "QD score", "table: objective"}


def test_gradients_point_up_and_are_those_of_the_measures() -> None:
    toolbox = vector_toolbox(3)
    genomes = torch.randn(5, 3, generator=torch.Generator().manual_seed(0))
    fitness, measures, gradients = toolbox.gradients(genomes)
    assert torch.equal(measures, genomes[:, :2])
    torch.testing.assert_close(fitness[:, 0], -(genomes - 0.3).square().sum(1))
    torch.testing.assert_close(gradients[:, 0], -2 * (genomes - 0.3))
    assert torch.equal(gradients[:, 1:], torch.eye(3)[:2].expand(5, 2, 3))
