"""A study whose tables and figures are kept in memory, too, to look at."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pandas as pd
import pytest
from matplotlib.axes import Axes

from evovae.studies import Results


class Kept(Results):
    """The results of a study, with its tables and figures by name."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder / "results", folder / "cells")
        self.tables: dict[str, pd.DataFrame] = {}
        self.figures: dict[str, Axes] = {}

    def table(self, name: str, table: pd.DataFrame, show: bool = True) -> None:
        self.tables[name] = table
        super().table(name, table, False)

    def figure(self, name: str, axes: Axes) -> None:
        self.figures[name] = axes


def keep_results(patch: pytest.MonkeyPatch, script: ModuleType, folder: Path) -> Kept:
    """Let the study of a script leave its results in a folder, and here."""
    kept = Kept(folder)

    @contextlib.contextmanager
    def study(*_: Any, **__: Any) -> Iterator[Kept]:
        yield kept

    patch.setattr(script, "study", study)
    return kept
