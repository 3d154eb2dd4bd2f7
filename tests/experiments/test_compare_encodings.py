"""The comparison of encodings: known tables in, known figures out; groups have models of their own."""

from itertools import product

import compare_encodings
import numpy as np
import pandas as pd
import pytest
from compare_encodings import MOMENTS, REAL
from methods.compared_encodings import ENCODINGS, MEASURES, ask, model_specs
from studying import Kept

METHODS = ("evolution", "random search")
GROUPS, REPLICATES = 3, 2


def tell(
    kind: str, number: int, encoding: str, method: str, moment: float, seed: int, replicate: int
) -> dict[str, object]:
    """What a search found: the better the later in the list of encodings, the second objective worse by 1.

    A group's two searches are 0.5 to either side of its seed.
    """
    rank = ENCODINGS.index(encoding) if encoding in ENCODINGS else 9
    fitness = 10.0 * rank + 100.0 * moment + seed + replicate - 0.5 - (method != "evolution") * 5.0 - number
    reached = (300.0, 500.0, np.inf)[number] if encoding == "PCA" else 100.0 + 10 * seed + replicate
    row = {"kind": kind, "objective": f"{kind}:{number}", "encoding": encoding, "method": method, "moment": moment}
    row |= {"seed": seed, "replicate": replicate, "reached": np.nan if encoding == REAL else reached}
    row |= {"fitness": fitness}
    return row | {name: fitness / 1000 for name in MEASURES[1:]}


@pytest.fixture(scope="module")
def tables(tmp_path_factory) -> dict[str, pd.DataFrame]:
    evolved = product(("digit", "target"), range(3), ENCODINGS, METHODS, MOMENTS, range(GROUPS), range(REPLICATES))
    real = product(("digit", "target"), range(3), (REAL,), (REAL,), (1.0,), range(GROUPS), range(REPLICATES))
    kept = Kept(tmp_path_factory.mktemp("encodings"))
    compare_encodings.write_tables(pd.DataFrame([tell(*key) for key in (*evolved, *real)]), kept)
    return kept.tables


def test_the_summary_averages_a_group_over_objectives_and_searches_first(tables):
    summary = tables["summary"].set_index(["kind", "encoding", "method", "moment"])
    row = summary.loc["digit", "pixels", "evolution", 0.3]
    assert row["replicates"] == GROUPS
    assert row["fitness"] == pytest.approx(30 + 30 + 1 - 1), "the mean group, the middle objective"
    reach = 4.302653 / GROUPS**0.5  # Student's, of groups that lie 1 apart
    assert row["fitness_high"] - row["fitness"] == pytest.approx(reach, rel=1e-5)
    assert row["held_out"] == pytest.approx(0.06)
    assert ("target", REAL, REAL, 1.0) in summary.index


def test_each_objective_is_told_at_the_end_of_the_budget(tables):
    rows = tables["objectives"].set_index(["objective", "encoding", "method"])
    assert rows.loc[("digit:2", "VAE latent", "evolution"), "fitness"] == pytest.approx(100 + 1 - 2)
    assert rows.loc[("digit:2", "VAE latent", "random search"), "fitness"] == pytest.approx(100 + 1 - 2 - 5)
    assert len(rows) == 6 * (len(ENCODINGS) * len(METHODS) + 1)


def test_the_time_to_a_quality_is_the_median_over_objectives_and_counts_those_that_reach_it(tables):
    rows = tables["evaluations"].set_index(["kind", "encoding", "method"])
    pca, cppn = (rows.loc[("digit", encoding, "evolution")] for encoding in ("PCA", "CPPN"))
    assert (pca["evaluations"], pca["low"], pca["high"]) == (500, 500, 500), "300, 500 and never"
    assert pca["reached"] == pytest.approx(2 / 3)
    assert (cppn["evaluations"], cppn["low"], cppn["high"]) == (110.5, 100.5, 120.5), "of groups"
    assert cppn["reached"] == 1
    assert REAL not in rows.index.get_level_values("encoding")


def test_the_better_encoding_improves_on_the_worse(tables):
    rows = tables["improvement"].set_index(["kind", "encoding", "than"])
    assert len(rows) == 2 * len(ENCODINGS) * (len(ENCODINGS) - 1)
    assert (rows["replicates"] == GROUPS).all()
    for kind, (worse, one), (better, other) in product(("digit", "target"), *[list(enumerate(ENCODINGS))] * 2):
        if worse < better:
            assert rows["probability"][kind, other, one] == 1.0
            assert rows["probability"][kind, one, other] == 0.0


def test_the_probability_to_win_is_of_searches_of_groups_with_one_seed():
    rows = []
    for encoding, seed, replicate in product(ENCODINGS, range(2), range(2)):
        fitness = {"VAE latent": replicate + 0.5 * seed, "pixels": 0.0}.get(encoding, -1.0)
        rows.append({"kind": "digit", "objective": "digit:0", "encoding": encoding, "seed": seed})
        rows[-1] |= {"replicate": replicate, "fitness": fitness}
    found = compare_encodings.compare(pd.DataFrame(rows)).set_index(["encoding", "than", "seed"])
    found = found["probability"].sort_index()
    assert found["VAE latent", "pixels"].to_list() == [0.75, 1.0], "a tie is half won"
    assert found["pixels", "VAE latent"].to_list() == [0.25, 0.0]


def test_every_group_has_its_own_models_and_critic(tmp_path):
    specs = model_specs(tmp_path, ENCODINGS, range(5), smoke=False)
    assert len({spec.folder for spec in specs}) == len(specs) == 3 * 5
    seeds = [spec.settings["seed"] for spec in specs]
    critics = [spec.settings["seed"] for spec in specs if "critic" in spec.folder.name]
    assert len(set(critics)) == 5
    assert all(seeds.count(seed) == 1 for seed in critics), "no critic has the seed of an encoding"


def test_a_target_is_the_first_test_image_of_its_class_and_stands_beside_itself():
    assert ask((7, 2)) == [("digit:7", 7), ("digit:2", 2), ("target:test/0", 7), ("target:test/1", 2)]
    real = [compare_encodings.choose_real(7, kind, 4, group) for kind in ("digit", "target") for group in (0, 1)]
    assert [len(images) for images in real] == [4, 4, 1, 1]
    assert real[2].equal(real[3])
    assert real[2].equal(real[0][:1])
    assert not real[0].equal(real[1])
