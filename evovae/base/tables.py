"""Tables as CSV, and histories that grow during a run."""

from __future__ import annotations

import csv
import io
import warnings
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from evovae.base import files
from evovae.base.errors import InputError, shown
from evovae.base.state import State, join

MAX_VALUE = 1e150
"""Largest number of a table: its square is one, too."""
MAX_COLUMNS = 1000


def format_table(table: pd.DataFrame, header: bool = True) -> bytes:
    """Return `table` as CSV with all the digits that float32 needs."""
    return table.to_csv(index=False, header=header, float_format="%.9g", lineterminator="\n").encode()


def read_table(path: Path, types: Mapping[str, type] | None = None, required: Sequence[str] = ()) -> pd.DataFrame:
    """Read a CSV file, of one line of names and lines as long; takes at most twenty times its size in memory.

    Args:
        path: of the file.
        types: int or str, by column, and every other column holds float32's numbers or NaN; None takes each for what
            it looks like. Text is taken as it is: nan may be a name.
        required: columns that must be there; there may be more.

    Raises:
        InputError: if it is missing, is no such table, holds other values in a column, or lacks one.
    """
    content = files.read_bytes(path)
    columns = _columns(content.partition(b"\n")[0])
    # A value takes a byte at least, its separator: pandas would fill up what short lines leave out.
    unlike = not 0 < len(columns) <= MAX_COLUMNS or len(columns) * content.count(b"\n") > len(content)
    if unlike or b"\r" in content:
        raise InputError(f"{path} is no table that evovae wrote: expected {MAX_COLUMNS} columns at most in each line")
    kinds: Any = {}
    if types is not None:
        numbers = [name for name in columns if types.get(name) is not str]
        kinds = {
            "dtype": defaultdict(lambda: float, types),
            "keep_default_na": False,
            "na_values": {name: ["", "nan", "NaN"] for name in numbers},
        }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            table = pd.read_csv(io.BytesIO(content), index_col=False, skip_blank_lines=False, **kinds)
    except (ValueError, OverflowError, MemoryError, Warning) as error:
        reason = " ".join(str(error).split())
        raise InputError(f"{path} cannot be read as a table: {shown(reason)}") from error
    if types is not None and table.select_dtypes("float").abs().gt(MAX_VALUE).any(axis=None):
        raise InputError(f"{path} holds a number beyond {MAX_VALUE:.0e}: expected a table that evovae wrote")
    if missing := [name for name in required if name not in table]:
        raise InputError(f"{path} has no column {missing[0]}: expected a table that evovae wrote")
    return table


def _columns(header: bytes) -> list[str]:
    """Return the names in the first line of a table; none if it is no such line."""
    try:
        return next(csv.reader([header.decode()], strict=True), [])
    except (ValueError, csv.Error):
        return []


class History:
    """A table that grows, kept as the CSV that it becomes: the same bytes wherever it was interrupted and resumed."""

    def __init__(self) -> None:
        self._content = bytearray()
        self._pending: list[Mapping[str, Any]] = []

    def append(self, columns: Mapping[str, Any]) -> None:
        """Add rows: one value, or one for each row, in each column; always the same columns."""
        self._pending.append(columns)

    @property
    def content(self) -> bytes:
        """The CSV so far."""
        if self._pending:
            names = self._pending[0]
            table = {name: np.concatenate([np.atleast_1d(rows[name]) for rows in self._pending]) for name in names}
            self._content += format_table(pd.DataFrame(table), header=not self._content)
            self._pending = []
        return bytes(self._content)

    @property
    def table(self) -> pd.DataFrame:
        """The history as a table."""
        return pd.read_csv(io.BytesIO(self.content))

    def state(self) -> State:
        """Return the CSV so far."""
        return join(content=self.content)

    def restore(self, state: State) -> None:
        """Take up what `state` gave."""
        self._content, self._pending = bytearray(state.bytes("content")), []
