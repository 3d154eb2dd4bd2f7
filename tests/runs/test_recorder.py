"""What is kept of a search while it runs."""

import numpy as np
import pytest
import torch
from evolving import sphere, toolbox

from evovae import evolution
from evovae.runs import Search, kind_of_archive, reference_point


@pytest.mark.parametrize("generations", [100, 101, 201, 202, 401])
def test_the_filmstrip_of_a_long_run_goes_evenly_from_the_first_to_the_last(generations: int) -> None:
    box, search = toolbox(), Search(("sphere",), evolution.HallOfFame(1))
    search.run(
        evolution.eaSimple_iter(box.population(n=2), box, 0.5, 0.5, generations, search.archive), "", generations + 1
    )
    moments = np.array([frame[0] for frame in search.frames])
    assert (moments[0], moments[-1]) == (0, generations)
    assert 50 < len(moments) <= 102
    assert len(set(np.diff(moments)[:-1])) == 1


def two(x: torch.Tensor) -> torch.Tensor:
    return torch.stack((sphere(x)[:, 0], x[:, 0]), dim=1)


def test_the_hypervolume_of_all_that_was_found_never_falls():
    box = toolbox(two, weights=(1.0, -1.0), select=evolution.selNSGA2)
    search = Search(("sphere", "x"), evolution.ParetoFront(), reference_point(box, (1.0, -1.0), torch.device("cpu")))
    generations = evolution.eaMuPlusLambda_iter(
        box.population(n=8, replicates=3), box, 8, 8, 0.5, 0.4, 40, search.archive
    )
    search.run(generations, "", 41)
    volumes = search.history.table.pivot(index="replicate", columns="generation", values="hypervolume").to_numpy()
    assert (np.diff(volumes, axis=1) >= 0).all()
    assert (volumes[:, -1] > volumes[:, 0]).all()
    found = kind_of_archive(search.names, (1.0, -1.0)).found(search.archive)
    assert 0 < len(found) <= len(search.archive.population)


def test_the_reference_is_the_worst_of_what_the_prior_gives():
    box = toolbox(two, weights=(1.0, -1.0))
    device = torch.device("cpu")
    low, high = reference_point(box, (1.0, -1.0), device)
    assert [low, high] == reference_point(box, (1.0, -1.0), device)
    drawn = box.evaluate(box.population(n=1000, seed=5).genomes[0])
    better = (drawn[:, 0] > low) & (drawn[:, 1] < high)
    assert better.float().mean() > 0.99
    assert low < -10.0
    assert high > 2.5


def test_without_a_finite_fitness_the_reference_is_zero():
    box = toolbox(lambda x: two(x) * torch.nan, weights=(1.0, -1.0))
    assert reference_point(box, (1.0, -1.0), torch.device("cpu")) == [0.0, 0.0]
