"""What the study of optimisers chooses, counts and concludes."""

from pathlib import Path

import numpy as np
import optimisers
import pandas as pd
import pytest
from evolving import toolbox

from evovae.evolution import HallOfFame
from evovae.studies import record_course
from evovae.studies.script import Results


@pytest.mark.parametrize("method", [*optimisers.TRIED, *optimisers.UNTRIED])
def test_no_result_has_cost_more_than_the_budget(method: str) -> None:
    setting = (optimisers.TRIED | optimisers.UNTRIED)[method][0]
    box, archive = toolbox(), HallOfFame(1)
    first = box.population(n=setting["population"], replicates=3, seed=1)
    course = record_course(optimisers.generations(method, setting, first, box, 430, archive), archive)
    assert (course.evaluations[:, -1] >= 430).all()
    best = box.evaluate(course.genomes_at(430))[:, 0].numpy()
    np.testing.assert_allclose(best, course.table([430])["best"])


def test_each_method_keeps_the_setting_of_highest_mean(tmp_path: Path) -> None:
    rows = [
        {"method": method, "setting": optimisers.say(setting), "replicate": replicate, "fitness": fitness + replicate}
        for method, settings in optimisers.TRIED.items()
        for fitness, setting in zip((1, 5, 2, 4, 3, 0), settings, strict=True)
        for replicate in range(2)
    ]
    tuned = pd.DataFrame(rows).assign(**dict.fromkeys(optimisers.SEEN, 0.5))
    kept = optimisers.choose(tuned, Results(tmp_path, tmp_path))
    assert kept == {method: [settings[1]] for method, settings in optimisers.TRIED.items()}


def test_a_method_is_better_where_the_interval_of_its_paired_differences_is(tmp_path: Path) -> None:
    """VAEs differ more than methods do: only in pairs is the difference seen."""
    shifts = {optimisers.DEFAULT: [0.0] * 5, optimisers.CMAES: [1.0] * 5, optimisers.GA: [1.0, -1.0, 0.5, -0.5, 0.1]}
    rows = [
        {
            "kind": "digit",
            "objective": "digit:8",
            "vae": vae,
            "method": method,
            "setting": "any",
            "replicate": replicate,
        }
        | {"fitness": 10.0 * vae + shift[vae] + 0.1 * replicate}
        for vae in range(5)
        for method, shift in shifts.items()
        for replicate in range(2)
    ]
    found = pd.DataFrame(rows).assign(**dict.fromkeys(optimisers.SEEN, 0.5))
    optimisers.write_tables(found, Results(tmp_path, tmp_path))
    table = pd.read_csv(tmp_path / "differences.csv").set_index("method")
    assert table["verdict"].to_dict() == {optimisers.CMAES: "better", optimisers.GA: "no difference"}
    assert table["fitness"][optimisers.CMAES] == pytest.approx(1.0)
