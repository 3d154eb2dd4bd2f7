"""Run folders: one result, with all that is needed to believe it, redraw it and run it again."""

from __future__ import annotations

import contextlib
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from evovae import files
from evovae.errors import InputError

CONFIG, ENVIRONMENT, HISTORY = "config.json", "environment.json", "history.csv"
EXAMPLES, POPULATION, HALL_OF_FAME = "examples.safetensors", "population.safetensors", "hall_of_fame.csv"
LIBRARIES = ("evovae", "torch", "torchvision", "deap", "numpy", "scipy", "pandas", "matplotlib", "safetensors")

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


class Run:
    """A run folder.

    Args:
        folder: where it is.

    Attributes:
        circumstances: what goes into the environment file when the run ends, beside versions and machine.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        self.circumstances: dict[str, Any] = {}

    @classmethod
    def open(cls, folder: str | Path) -> Run:
        """Return the run in `folder`.

        Raises:
            InputError: if the folder is missing, no run, or of another format version.
        """
        run = cls(folder)
        if not (run.folder / CONFIG).is_file():
            raise InputError(f"{folder} is no run folder: expected one with a {CONFIG}, made by evovae train or evolve")
        found = run.config.get("format")
        if run.config.get("kind") not in ("training", "evolution"):
            raise InputError(f"{run.folder / CONFIG} names no kind of run: expected training or evolution")
        if found != files.FORMAT:
            raise InputError(f"{folder} has format {found!r}: this evovae reads format {files.FORMAT}")
        return run

    @property
    def config(self) -> dict[str, Any]:
        """The settings, and under `kind` what the run is: training or evolution."""
        return files.read_json(self.folder / CONFIG)

    @property
    def environment(self) -> dict[str, Any]:
        """How the run was made, and how it ended."""
        return files.read_json(self.folder / ENVIRONMENT)

    @property
    def history(self) -> pd.DataFrame:
        """The history as a table."""
        return self.read_table(HISTORY)

    @property
    def figures(self) -> Path:
        """The folder of figures, made when missing."""
        folder = self.folder / "figures"
        folder.mkdir(exist_ok=True)
        return folder

    def read_table(self, name: str) -> pd.DataFrame:
        """Read a CSV file of the run.

        Raises:
            InputError: if it is missing or cannot be read.
        """
        path = self.folder / name
        try:
            return pd.read_csv(path)
        except (OSError, ValueError) as error:
            raise InputError(f"{path} cannot be read as a table: {str(error).splitlines()[0]}") from error

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a CSV file, atomically."""
        files.write_bytes(self.folder / name, format_table(table))


def format_table(table: pd.DataFrame) -> bytes:
    """Return `table` as CSV with all the digits that float32 needs."""
    return table.to_csv(index=False, float_format="%.9g", lineterminator="\n").encode()


def check_out(folder: str | Path, kind: str, overwrite: bool = False) -> None:
    """Refuse a folder that a run must not be written to, before anything is.

    Raises:
        InputError: if it is a file, not empty (without `overwrite`), no run of this `kind` (with it), or cannot be
            written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: expected a folder for the run; choose another --out")
    if folder.is_dir() and any(folder.iterdir()):
        if not overwrite:
            raise InputError(f"{folder} is not empty: choose another --out, or give --overwrite to replace it")
        if not (folder / CONFIG).is_file():
            raise InputError(f"{folder} is not empty and no run folder: --overwrite replaces runs only")
        if (found := Run(folder).config.get("kind")) != kind:
            raise InputError(f"{folder} holds a run of {found}: --overwrite replaces runs of {kind} only")
    existing = next(parent for parent in (folder, *folder.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{folder} cannot be written: {existing} is no writable folder; choose another --out")


@contextlib.contextmanager
def recording(
    folder: str | Path,
    kind: str,
    settings: dict[str, Any],
    overwrite: bool = False,
    circumstances: dict[str, Any] | None = None,
) -> Iterator[Run]:
    """Make a run folder and hold it: others are refused until the block ends; start and end are kept.

    `circumstances` go into the environment beside versions and machine: the device and the seed. The run may add more.

    Raises:
        InputError: as `check_out`, or if another process is writing to the folder.
    """
    check_out(folder, kind, overwrite)
    run = Run(folder)
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{folder} cannot be made: {error.strerror}; choose another --out") from error
    with _locked(run.folder):
        if overwrite:
            _clear(run.folder)
        run.circumstances = circumstances or {}
        environment = describe_environment() | run.circumstances | {"start": _now(), "end": None, "status": "running"}
        files.write_json(run.folder / CONFIG, {"format": files.FORMAT, "kind": kind, **settings})
        files.write_json(run.folder / ENVIRONMENT, environment)
        status = "failed"
        try:
            yield run
            status = "finished"
        except KeyboardInterrupt:
            status = "interrupted"
            raise
        finally:
            if run.folder.is_dir():
                ended = run.circumstances | {"end": _now(), "status": status}
                files.write_json(run.folder / ENVIRONMENT, environment | ended)


def describe_environment() -> dict[str, Any]:
    """Return what a result may depend on beside its settings: versions, commit, machine, command."""
    return {
        "command": [*_program(), *sys.argv[1:]],
        "versions": {"python": platform.python_version()} | {name: _version(name) for name in LIBRARIES},
        "commit": _commit(),
        "platform": f"{platform.system()} {platform.machine()}",
        "processor": torch.backends.cpu.get_cpu_capability(),
        "cuda": torch.cuda.get_device_name() if torch.cuda.is_available() else None,
        "threads": torch.get_num_threads(),
    }


def _program() -> list[str]:
    script = Path(sys.argv[0])
    return ["python", f"{script.parent.name}/{script.name}"] if script.suffix == ".py" else [script.name]


def _version(name: str) -> str | None:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """The commit that this source tree is at, with `+changes` when it was edited since; None outside a checkout."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return None
    try:
        git = ["git", "-C", str(root)]
        head = subprocess.run([*git, "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()
        changes = subprocess.run([*git, "diff", "--quiet", "HEAD", "--", "evovae"], check=False).returncode
    except (OSError, subprocess.CalledProcessError):
        return None
    return head + ("+changes" if changes else "")


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


@contextlib.contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends."""
    if fcntl is None:
        yield
        return
    with open(folder / ".lock", "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise InputError(f"{folder} is in use: another evovae is writing to it; choose another --out") from None
        try:
            yield
        finally:
            (folder / ".lock").unlink(missing_ok=True)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.name == "figures":
            shutil.rmtree(path)
        elif path.name != ".lock" and path.is_file():
            path.unlink()
