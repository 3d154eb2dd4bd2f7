"""Evolutions in their run folders, looked at while they are written, or later: nothing in the folders is changed."""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pandas as pd
from torch import Tensor

from evovae import files
from evovae.checkpoints import CHECKPOINT, MAX_BYTES
from evovae.errors import InputError
from evovae.findings import read_history, settings_of
from evovae.recording import is_held
from evovae.runs import CONFIG, HISTORY, Run
from evovae.settings import EvolutionSettings

POINTS = 500
"""Of each replicate's curve, at most."""
REMEMBERED = 256
"""Files that are remembered, at most."""

Stamp = tuple[int, int]


class UnknownRunError(InputError):
    """There is no run of this key."""


@dataclass(frozen=True)
class Curve:
    """How fitness grew: the best so far of a single objective, the hypervolume of several."""

    label: str
    minimise: bool
    generation: list[int]
    """(T,) ascending."""
    best: list[list[float | None]]
    """(R, T); None where it is not known."""


@dataclass(frozen=True, eq=False)
class Frames:
    """The best of each replicate at some generations."""

    generations: list[int]
    """(T,) ascending."""
    genomes: Tensor
    """(T, R, D)."""
    fitness: Tensor
    """(T, R, M)."""


class Evolutions:
    """The evolutions in the folder `root`, and in the folders there.

    A key that is asked for is only ever looked up among those that were found. Files are read again when they change.
    """

    def __init__(self, root: Path) -> None:
        self.root = root
        self._read: OrderedDict[Path, tuple[Stamp, Any]] = OrderedDict()
        self._lock = threading.Lock()

    def find(self) -> dict[str, Run]:
        """Return the evolutions that are there now, by key."""
        below = [folder for folder in _folders(self.root) for folder in (folder, *_folders(folder))]
        return {self.key_of(folder): Run(folder) for folder in below if self._settings(folder) is not None}

    def get(self, key: str) -> Run:
        """Return one by its key.

        Raises:
            UnknownRunError: if there is none.
        """
        runs = self.find()
        if key not in runs:
            raise UnknownRunError("there is no such run: choose one of the list")
        return runs[key]

    def key_of(self, folder: Path) -> str:
        """Return the key of a run folder: its path, in letters that an address may hold."""
        name = "~".join(folder.relative_to(self.root).parts)
        return name if re.fullmatch("[A-Za-z0-9._~-]{1,100}", name) else hashlib.sha256(name.encode()).hexdigest()[:16]

    def settings(self, run: Run) -> EvolutionSettings:
        """Return the settings of a run that was found."""
        found = self._settings(run.folder)
        if found is None:
            raise UnknownRunError(f"{run.folder.name} has gone: choose another of the list")
        return found

    def status(self, run: Run) -> Literal["running", "finished", "stopped"]:
        """Return whether the run has ended, or somebody writes to it."""
        if run.finished:
            return "finished"
        return "running" if is_held(run.folder) else "stopped"

    def history(self, run: Run) -> pd.DataFrame:
        """Return the rows of each replicate and generation, as far as they are written; none before the first."""
        found = self._remembered(run.folder / HISTORY, lambda path: read_history(run, "evolution"))
        return pd.DataFrame({"replicate": [], "generation": []}, dtype=int) if found is None else found

    def curve(self, run: Run) -> Curve:
        """Return how fitness grew, at `POINTS` generations at most, the last among them."""
        settings, history = self.settings(run), self.history(run)
        several = len(settings.names) > 1
        column, label = ("hypervolume", "hypervolume") if several else ("best", settings.names[0])
        minimise = not several and settings.weights[0] < 0
        if column not in history:
            return Curve(label, minimise, [], [])
        table = history.pivot(index="replicate", columns="generation", values=column)
        chosen = np.unique(np.linspace(0, table.shape[1] - 1, POINTS).round().astype(int))
        values = table.to_numpy(dtype=float)[:, chosen]
        best = [[float(value) if np.isfinite(value) else None for value in row] for row in values]
        return Curve(label, minimise, table.columns[chosen].tolist(), best)

    def frames(self, run: Run) -> Frames | None:
        """Return the best of each moment, as far as they are written; None before the first."""
        return self._remembered(run.folder / CHECKPOINT, _read_frames)

    def _settings(self, folder: Path) -> EvolutionSettings | None:
        def read(path: Path) -> EvolutionSettings | None:
            run = Run.open(path.parent)
            return settings_of(run) if run.config["kind"] == "evolution" else None

        return self._remembered(folder / CONFIG, read)

    def _remembered(self, path: Path, read: Callable[[Path], Any]) -> Any:
        """Return what `read` makes of a file, again when it has changed; None if it cannot be read (yet)."""
        try:
            found = path.stat()
        except OSError:
            return None
        stamp = (found.st_mtime_ns, found.st_size)
        with self._lock:
            if path in self._read and self._read[path][0] == stamp:
                self._read.move_to_end(path)
                return self._read[path][1]
        try:
            value = read(path)
        except InputError:
            value = None  # half made, or being replaced
        with self._lock:
            self._read[path] = stamp, value
            if len(self._read) > REMEMBERED:
                self._read.popitem(last=False)
        return value


def _folders(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if path.is_dir() and not path.is_symlink())
    except OSError:
        return []


def _read_frames(path: Path) -> Frames | None:
    tensors, _ = files.load_tensors(path, "checkpoint", MAX_BYTES)
    expected = {"numbers": "int64 T", "genomes": "float32 T R D", "fitness": "float32 T R M"}
    files.check_tensors(path, tensors, {f"evolution/frames/{name}": shape for name, shape in expected.items()})
    numbers, genomes, fitness = (tensors[f"evolution/frames/{name}"] for name in expected)
    return Frames(numbers.tolist(), genomes, fitness) if genomes.isfinite().all() else None
