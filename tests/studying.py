"""A study whose tables and figures are kept in memory, to look at."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes


class Kept:
    """Stands in for the results of a study."""

    def __init__(self, cells: Path = Path("nowhere")) -> None:
        self.cells = cells
        self.tables: dict[str, pd.DataFrame] = {}
        self.figures: dict[str, Axes] = {}

    def table(self, name: str, table: pd.DataFrame, show: bool = True) -> None:
        self.tables[name] = table

    def figure(self, name: str, axes: Axes) -> None:
        self.figures[name] = axes


def keep_results(patch: pytest.MonkeyPatch, script: ModuleType) -> Kept:
    """Let the study of a script leave its results here."""
    kept = Kept()

    @contextlib.contextmanager
    def study(*_: Any, **__: Any) -> Iterator[Kept]:
        yield kept

    patch.setattr(script, "study", study)
    return kept
