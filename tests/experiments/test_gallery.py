"""Tables of the gallery that quote intervals say what the rows beside them give."""

import io
from collections.abc import Callable
from functools import partial
from pathlib import Path

import defaults
import pandas as pd
import published.coil
import published.fooling
import published.illumination
import pytest
import reproduce_cma_mae
import reproduce_dqd
import reproduce_example
import reproduce_notebook
import reproduce_swing_up
import training_length
from places import ROOT

from evovae.base import format_table
from evovae.studies import intervals
from evovae.studies.script import Results

ROWS = sorted((ROOT / "results").glob("*/*replicates.csv"))


def table_of(rows: Path) -> pd.DataFrame:
    """The table whose intervals are of these rows."""
    name = rows.stem.removesuffix("_replicates")
    return pd.read_csv(rows.with_name(f"{name.replace('replicates', 'summary')}.csv"))


def recomputed(rows: Path, quoted: pd.DataFrame) -> pd.DataFrame:
    """Intervals of the rows, by the columns and of the measures that the table that quotes them has."""
    by = list(quoted.columns[: quoted.columns.get_loc("replicates")])
    measures = [name for name in quoted if f"{name}_low" in quoted]
    found = intervals(pd.read_csv(rows), by, measures)
    return pd.read_csv(io.BytesIO(format_table(found)))  # with as many digits


@pytest.mark.parametrize("rows", ROWS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_intervals_of_the_gallery_can_be_computed_again_from_the_replicates_beside_them(rows: Path) -> None:
    quoted = table_of(rows)
    found = recomputed(rows, quoted)
    assert found.shape[1] >= 5, "measures with their ends"
    kept = quoted[found.columns].iloc[: len(found)]  # below them may be rows of what has no replicates
    pd.testing.assert_frame_equal(found, kept, check_dtype=False, rtol=1e-9, atol=0)


def table(study: str, name: str) -> pd.DataFrame:
    return pd.read_csv(ROOT / "results" / study / f"{name}.csv")


def told(study: str) -> list[dict[str, str]]:
    """The verdicts of a study, as they are written."""
    path = ROOT / "results" / f"reproduce_{study}" / "verdicts.csv"
    return pd.read_csv(path, dtype=str, keep_default_na=False).to_dict("records")


def judge_coil() -> tuple[pd.DataFrame, list[dict[str, str]]]:
    cells = published.coil.compare(
        table("reproduce_coil", "found"), table("reproduce_coil", "runs"), published.coil.published_runs("c1")
    )
    return cells, published.coil.verdicts(cells)


def judge_example() -> tuple[pd.DataFrame, list[dict[str, str]]]:
    history = table("reproduce_example", "history")
    summary = reproduce_example.judge(history[history["epoch"] == history["epoch"].max()])
    return summary, [reproduce_example.verdict(summary)]


def judge_fooling() -> tuple[pd.DataFrame, list[dict[str, str]]]:
    replicates = table("reproduce_fooling", "replicates")
    speed = published.fooling.judge_speed(replicates[replicates["setup"] == "pixels"])
    digits = intervals(table("reproduce_fooling", "pyribs_replicates"), ["digit"], ["confidence"])
    digits = published.fooling.judge_digits(digits)
    return digits, published.fooling.verdicts(speed, digits)


def judge_archives(
    study: str, published_as: str, shown: list[tuple[str, str]]
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    found = published.illumination.compare(table(study, "replicates"), published_as)
    verdicts = published.illumination.verdicts(found, published_as, shown)
    return found.assign(verdict=found["verdict"].replace("", float("nan"))), verdicts


@pytest.mark.parametrize(
    ("study", "name", "judge"),
    [
        ("coil", "summary", judge_coil),
        ("example", "summary", judge_example),
        ("fooling", "pyribs", judge_fooling),
        ("cma_mae", "summary", partial(judge_archives, "reproduce_cma_mae", "CMA-MAE", reproduce_cma_mae.SHOWN)),
        ("dqd", "summary", partial(judge_archives, "reproduce_dqd", "DQD", reproduce_dqd.SHOWN)),
    ],
)
def test_verdicts_of_the_gallery_follow_from_the_rows_beside_them(
    study: str, name: str, judge: Callable[[], tuple[pd.DataFrame, list[dict[str, str]]]]
) -> None:
    found, verdicts = judge()
    kept = table(f"reproduce_{study}", name)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), kept[found.columns], check_dtype=False, rtol=1e-8)
    assert verdicts == told(study)


def test_the_verdict_on_the_swing_up_follows_from_its_looks() -> None:
    looks = table("reproduce_swing_up", "looks")
    assert [reproduce_swing_up.judge(looks[looks["policy"] == reproduce_swing_up.CMAES])] == told("swing_up")


def test_the_verdict_on_the_notebook_follows_from_its_replicates() -> None:
    summary = table("reproduce_notebook", "summary")
    seeds = summary[summary["seed"] != reproduce_notebook.SOURCE]
    assert [reproduce_notebook.judge(seeds)] == told("notebook")


@pytest.mark.parametrize("model", ["mlp", "mlp_gaussian", "mlp_autoencoder", "conv"])
def test_what_is_said_of_the_defaults_follows_from_each_training(model: str) -> None:
    measures = table("defaults", f"{model}_measures")
    found = pd.DataFrame([defaults.judge(group) for _, group in measures.groupby("set", sort=False)])
    pd.testing.assert_frame_equal(found, table("defaults", f"{model}_summary"), check_dtype=False, rtol=1e-6)


def test_what_is_said_of_the_length_of_training_follows_from_each_training() -> None:
    measures = table("training_length", "measures")
    found = pd.DataFrame([training_length.compare(group) for _, group in measures.groupby("set", sort=False)])
    pd.testing.assert_frame_equal(found, table("training_length", "summary"), check_dtype=False, rtol=1e-6)


def test_what_the_demo_tells_is_of_the_best_of_each_replicate_beside_it() -> None:
    summary, best = table("demo", "summary"), table("demo", "best")
    assert (best.groupby("search").size() == 10).all()
    found = intervals(best, ["search"], ["fitness"]).rename(columns=lambda name: name.replace("fitness", "mean"))
    seen = best.groupby("search", sort=False).mean(numeric_only=True)[summary.columns[5:]].reset_index()
    found = found.merge(seen)
    pd.testing.assert_frame_equal(found.drop(columns="replicates"), summary.drop(columns="evaluations"), rtol=1e-6)


def test_a_study_leaves_the_rows_that_its_intervals_are_of(tmp_path: Path) -> None:
    results = Results(tmp_path, tmp_path / "cells")
    made = pd.DataFrame({"size": [8, 8, 2, 2], "seed": [0, 1, 0, 1], "note": "none"})
    made = made.assign(error=[1 / 3, 2 / 3, 1e-9, 123456.789], failed=[False, True, False, False])
    for name in ("summary", "training"):
        results.table(name, results.intervals(made, ["size"], ["error", "failed"], name), show=False)
    for rows in (tmp_path / "replicates.csv", tmp_path / "training_replicates.csv"):
        kept = pd.read_csv(rows)
        assert list(kept) == ["size", "seed", "error", "failed"]
        assert kept["error"].tolist() == [0.333333, 0.666667, 1e-9, 123457]
        written = table_of(rows)
        pd.testing.assert_frame_equal(recomputed(rows, written), written, rtol=1e-9, check_dtype=False)
        assert written["failed"].tolist() == [0.5, 0.0]
        assert written["failed_high"].tolist()[1] > 0.6, "the share of a few replicates, none of which failed"
