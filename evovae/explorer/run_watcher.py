"""Evolutions and illuminations watched from their run folders, while these are written and afterwards, unchanged."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import numpy as np
from torch import Tensor

from evovae.base import LOCK, InputError, files
from evovae.runs import (
    ARCHIVE_PANELS,
    CHECKPOINT,
    CONFIG,
    ENVIRONMENT,
    EVOLUTION,
    HISTORY,
    ILLUMINATION,
    POPULATION,
    PREVIOUS,
    EvolutionResults,
    IlluminationResults,
    Run,
    Stamp,
    stamp_of,
)

POINTS = 500
"""Of each replicate's curve, at most."""
LOCKS = Path("/proc/locks")
"""Where Linux tells which files are locked."""

T = TypeVar("T")


@dataclass(frozen=True)
class Summary:
    """What a run is, and how far it came."""

    kind: Literal["evolution", "illumination"]
    status: Literal["running", "finished", "stopped"]
    objective: tuple[str, ...]
    """Names of the M objectives."""
    measures: tuple[str, ...]
    """Names; of an illumination, the axes of its archive."""
    generation: int
    """The last that its history has, where the first is 1 of an illumination; 0 before there is one."""
    generations: int
    """Planned."""
    replicates: int


@dataclass(frozen=True)
class Curve:
    """A metric of a run, so far; T' is 0 before there is one."""

    label: str
    minimise: bool
    generation: list[int]
    """Ascending (T'), `POINTS` at most, the last among them."""
    best: list[list[float | None]]
    """Of each replicate (R, T'); None where it is unknown."""


class Frame(NamedTuple):
    """The best of each replicate at a generation."""

    generation: int
    genomes: Tensor
    """(R, D)."""
    fitness: Tensor
    """(R, M)."""


def find_runs(root: Path) -> dict[str, Path]:
    """Return the runs in `root` and in the folders there, by key; in order, and following no links."""
    found = [run for folder in _folders(root) for run in ([folder] if _is_search(folder) else _folders(folder))]
    return {key_of(run, root): run for run in found if _is_search(run)}


def key_of(run: Path, root: Path) -> str:
    """Return the key of a run folder in `root`: its path there with ~ for /, or a digest of what has other letters."""
    parts = run.relative_to(root).parts
    name = "~".join(parts)
    if len(name) <= 100 and all(re.fullmatch("[A-Za-z0-9._-]+", part) for part in parts):
        return name
    return "~" + hashlib.sha256(os.fsencode("/".join(parts))).hexdigest()[:32]


def describe(run: Path) -> Summary:
    """Return what is known of the run in the folder `run`.

    Raises:
        InputError: if its settings cannot be read.
    """
    results, reached = _read(_results, run, CONFIG), curves(run)[0].generation
    settings, illuminated = results.settings, isinstance(results, IlluminationResults)
    return Summary(
        "illumination" if illuminated else "evolution",
        _status(run),
        settings.names,
        settings.measures,
        reached[-1] + illuminated if reached else 0,
        settings.search.generations,
        settings.search.replicates,
    )


def curves(run: Path) -> list[Curve]:
    """Return how fitness grew, or how an archive was filled, as far as it is written.

    Raises:
        InputError: if its settings cannot be read.
    """
    results = _read(_results, run, CONFIG)
    with contextlib.suppress(InputError):  # nothing yet
        return _read(_read_curves, run, CONFIG, HISTORY)
    empty: list[list[float | None]] = [[] for _ in range(results.settings.search.replicates)]
    return [Curve(label, minimise, [], empty) for label, minimise in _metrics(results).values()]


def frames(run: Path) -> list[int]:
    """Return the generations, ascending, whose best are kept, as far as they are written."""
    with contextlib.suppress(InputError):  # nothing yet
        return [generation for generation, *_ in _frames(run)]
    return []


def frame(run: Path, index: int) -> Frame:
    """Return one of `frames`.

    Raises:
        InputError: if there is no such one, or nothing can be read yet.
    """
    found = _frames(run)
    if not 0 <= index < len(found):
        raise InputError(f"{run} has no frame {index}: expected 0 to {len(found) - 1}")
    return found[index]


def _folders(folder: Path) -> list[Path]:
    try:
        with os.scandir(folder) as entries:
            return sorted(folder / entry.name for entry in entries if entry.is_dir(follow_symlinks=False))
    except OSError:
        return []


def _is_search(folder: Path) -> bool:
    if not os.path.isfile(folder / CONFIG):
        return False
    try:
        _read(_results, folder, CONFIG)
    except InputError:
        return False
    return True


def _status(run: Path) -> Literal["running", "finished", "stopped"]:
    """Tell it from the environment file; one that says "running" may have been killed, and holds no lock then."""
    try:
        status = _read(lambda found: found.environment, run, ENVIRONMENT).get("status")
    except InputError:
        status = "running"  # it has just begun
    if status == "running" and _is_held(run):
        return "running"
    return "finished" if status == "finished" else "stopped"


def _is_held(run: Path) -> bool:
    """Whether a process holds the lock of a run folder. To try the lock itself could turn a writer away.

    Where the system does not list its locks, the file must do, which a process that was killed leaves.
    """
    if (stamp := stamp_of(run / LOCK)) is None:
        return False
    try:
        return f":{stamp[0]} " in LOCKS.read_text()  # some filesystems list another device number, but not inode
    except OSError:
        return True


def _results(run: Run) -> EvolutionResults | IlluminationResults:
    return IlluminationResults(run) if run.kind == "illumination" else EvolutionResults(run)


def _metrics(results: EvolutionResults | IlluminationResults) -> dict[str, tuple[str, bool]]:
    """Return the metrics of a run that are shown: what each is called, and whether a smaller value is better."""
    if isinstance(results, IlluminationResults):
        return {metric: (label, False) for metric, label in ARCHIVE_PANELS.items()}
    kind = results.kind
    return {kind.metric: (kind.title(results.settings.names), kind.minimise)}


def _read_curves(run: Run) -> list[Curve]:
    results, found = _results(run), []
    for metric, (label, minimise) in _metrics(results).items():
        if isinstance(results, IlluminationResults):
            generations, _, values = results.course(ILLUMINATION.label, metric)
        else:
            generations, _, values = results.curve(EVOLUTION.label)
        chosen = np.unique(np.linspace(0, len(generations) - 1, POINTS).round().astype(int))
        best = [[float(value) if np.isfinite(value) else None for value in row] for row in values[:, chosen]]
        found.append(Curve(label, minimise, generations[chosen].tolist(), best))
    return found


def _frames(run: Path) -> list[Frame]:
    return _read(_read_frames, run, CONFIG, ENVIRONMENT, POPULATION, CHECKPOINT, PREVIOUS)


def _read_frames(run: Run) -> list[Frame]:
    """Read them from the population of a run that is finished, or else from its last checkpoint that is whole."""
    if run.finished:
        with contextlib.suppress(InputError):
            found = EvolutionResults(run).population()
            moments = (found[name].transpose(0, 1) for name in ("frame_genomes", "frame_fitness"))  # T R D, T R M
            return _as_frames(found["frame_generations"], *moments)
    with contextlib.suppress(InputError):  # there is a moment without it whenever one is written
        return _frames_of_checkpoint(run, CHECKPOINT)
    return _frames_of_checkpoint(run, PREVIOUS)


def _frames_of_checkpoint(run: Run, name: str) -> list[Frame]:
    path, settings = run.folder / name, EvolutionResults(run).settings
    tensors, _ = files.load_tensors(path, "checkpoint")
    expected = {"numbers": "int64 T", "genomes": "float32 T R D", "fitness": "float32|float64 T R M"}
    expected = {f"{EVOLUTION.label}/frames/{field}": shape for field, shape in expected.items()}
    files.check_tensors(path, tensors, expected, R=settings.evolution.replicates, M=len(settings.names))
    numbers, genomes, fitness = (tensors[field] for field in expected)
    if not genomes.isfinite().all():
        raise InputError(f"{path} holds genes that are not finite: expected a file that evovae wrote")
    return _as_frames(numbers, genomes, fitness)


def _as_frames(numbers: Tensor, genomes: Tensor, fitness: Tensor) -> list[Frame]:
    return [Frame(*moment) for moment in zip(numbers.tolist(), genomes, fitness, strict=True)]


_known: dict[tuple[Path, tuple[str, ...]], tuple[tuple[Stamp | None, ...], Any, str]] = {}


def _read(reader: Callable[[Run], T], folder: Path, *names: str) -> T:
    """Return what the one `reader` of the files `names` makes of a run's; it is asked again when one has changed.

    Raises:
        InputError: as `reader` did.
    """
    stamps = tuple(stamp_of(folder / name) for name in names)  # before: what changes while it is read is read again
    known = _known.get((folder, names))
    if known is None or known[0] != stamps:
        found: Any = None
        reason = ""
        try:
            found = reader(Run(folder))
        except InputError as error:
            reason = str(error)
        known = _known[folder, names] = stamps, found, reason
    if known[2]:
        raise InputError(known[2])
    kept: T = known[1]
    return kept
