"""Tables of the gallery that quote intervals say what the rows beside them give."""

import io
from pathlib import Path

import pandas as pd
import pytest
from places import ROOT

from evovae.base import format_table
from evovae.studies import intervals
from evovae.studies.script import Results

ROWS = sorted((ROOT / "results").glob("*/*replicates.csv"))


def table_of(rows: Path) -> pd.DataFrame:
    """The table whose intervals are of these rows."""
    name = rows.stem.removesuffix("_replicates")
    return pd.read_csv(rows.with_name(f"{name.replace('replicates', 'summary')}.csv"))


def recomputed(rows: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Intervals of the rows, by the columns and of the measures that the table has."""
    by = list(table.columns[: table.columns.get_loc("replicates")])
    measures = [name for name in table if f"{name}_low" in table]
    found = intervals(pd.read_csv(rows), by, measures)
    return pd.read_csv(io.BytesIO(format_table(found)))  # with as many digits


@pytest.mark.parametrize("rows", ROWS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_intervals_of_the_gallery_can_be_computed_again_from_the_replicates_beside_them(rows: Path) -> None:
    table = table_of(rows)
    found = recomputed(rows, table)
    assert found.shape[1] >= 5, "measures with their ends"
    kept = table[found.columns].iloc[: len(found)]  # below them may be rows of what has no replicates
    pd.testing.assert_frame_equal(found, kept, check_dtype=False, rtol=1e-9, atol=0)


def test_a_study_leaves_the_rows_that_its_intervals_are_of(tmp_path: Path) -> None:
    results = Results(tmp_path, tmp_path / "cells")
    table = pd.DataFrame({"size": [8, 8, 2, 2], "seed": [0, 1, 0, 1], "note": "none"})
    table = table.assign(error=[1 / 3, 2 / 3, 1e-9, 123456.789], failed=[False, True, False, False])
    for name in ("summary", "training"):
        results.table(name, results.intervals(table, ["size"], ["error", "failed"], name), show=False)
    for rows in (tmp_path / "replicates.csv", tmp_path / "training_replicates.csv"):
        kept = pd.read_csv(rows)
        assert list(kept) == ["size", "seed", "error", "failed"]
        assert kept["error"].tolist() == [0.333333, 0.666667, 1e-9, 123457]
        written = table_of(rows)
        pd.testing.assert_frame_equal(recomputed(rows, written), written, rtol=1e-9, check_dtype=False)
        assert written["failed"].tolist() == [0.5, 0.0]
        assert written["failed_high"].tolist()[1] > 0.6, "the share of a few replicates, none of which failed"
