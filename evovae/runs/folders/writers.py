"""Who may write to a run folder, one process at a time, and how it ended."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from evovae.base import LOCK, InputError, Interrupted, files, locked
from evovae.runs.folders.folder import CONFIG, ENVIRONMENT, Run


def check_out(folder: str | Path, kind: str, overwrite: bool = False) -> None:
    """Refuse a folder that a run must not be written to, before anything is.

    Raises:
        InputError: if it is a file, not empty (without `overwrite`), no run of this `kind` (with it), inside another
            run, or cannot be written.
    """
    folder = Path(folder)
    if folder.exists() and not folder.is_dir():
        raise InputError(f"{folder} is a file: expected a folder for the run; choose another --out")
    if folder.is_dir() and not all(_is_leftover(path) for path in folder.iterdir()):
        if not overwrite:
            raise InputError(f"{folder} is not empty: choose another --out, or give --overwrite to replace it")
        if (found := Run(folder).kind) is None:
            raise InputError(f"{folder} is not empty and no run folder: --overwrite replaces runs only")
        if found != kind:
            raise InputError(f"{folder} holds a run of {found}: --overwrite replaces runs of {kind} only")
    for parent in folder.absolute().parents:
        if (parent / ENVIRONMENT).is_file() and Run(parent).kind not in (None, "cell"):
            raise InputError(f"{folder} is inside {parent}, a run that may be replaced: choose another --out")
    check_writable(folder)


def check_writable(path: Path) -> None:
    """Refuse a path that cannot be made: what exists of it is no folder, or none that may be written.

    Raises:
        InputError: if so.
    """
    existing = next(parent for parent in (path, *path.absolute().parents) if parent.exists())
    if not existing.is_dir() or not os.access(existing, os.W_OK | os.X_OK):
        raise InputError(f"{path} cannot be written: {existing} is no writable folder; choose another")


@contextlib.contextmanager
def recording(
    folder: str | Path,
    kind: str,
    settings: dict[str, Any],
    *,
    overwrite: bool = False,
    circumstances: dict[str, Any] | None = None,
    resume: bool = False,
) -> Iterator[Run]:
    """Make a run folder and hold it: others are refused until the block ends; start and end are kept.

    Args:
        folder: where.
        kind: one of `KINDS`.
        settings: what goes into the configuration beside it.
        overwrite: replace a run of this kind that is there.
        circumstances: what goes into the environment beside versions and machine: the device, the seed. The run may
            add more.
        resume: enter a run of this kind that is there and keep its files; make it when there is none.

    Raises:
        InputError: as `check_out`, or if another process is writing to the folder.
        Interrupted, RuntimeError: as `writing`.
    """
    run = Run(folder)
    entered = resume and (run.folder / CONFIG).is_file()
    if entered and (found := run.kind) != kind:
        what = f"a run of {found}" if found else "no run"
        raise InputError(f"{folder} holds {what}: expected one of {kind}")
    if not entered:
        check_out(folder, kind, overwrite)
    with holding(run):
        if not entered:
            _clear(run.folder)
        with writing(run, kind, settings, circumstances):
            yield run


@contextlib.contextmanager
def holding(run: Run) -> Iterator[None]:
    """Hold a run folder, made when missing: others are refused until the block ends.

    Raises:
        InputError: if it cannot be written, or if another process holds it.
    """
    check_writable(run.folder)
    try:
        run.folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise InputError(f"{run.folder} cannot be made: {error.strerror}; choose another --out") from error
    with locked(run.folder):
        for path in run.folder.iterdir():
            if _is_leftover(path) and path.name != LOCK:
                path.unlink()
        yield


@contextlib.contextmanager
def writing(
    run: Run, kind: str, settings: dict[str, Any], circumstances: dict[str, Any] | None = None
) -> Iterator[None]:
    """Keep settings and circumstances of a run that is held, when the block began, and how it ended.

    Raises:
        Interrupted: for the Ctrl-C or SIGTERM that ended the block; it says how to resume.
        RuntimeError: if a file of the run could not be written, or for bad input that is found so late; the line says
            what is kept.
    """
    remedy = "start the study again" if kind == "cell" else f"resume it with: {_how_to_resume(run, settings)}"
    run.circumstances = circumstances or {}
    try:
        run.begin({"format": files.FORMAT, "kind": kind, **settings})
        yield
        run.end("finished")
    except KeyboardInterrupt as error:
        with contextlib.suppress(OSError):
            run.end("interrupted")
        number = error.number if isinstance(error, Interrupted) else signal.SIGINT
        raise Interrupted(number, f"interrupted: {run.folder} keeps what was done; {remedy}") from error
    except BaseException as error:
        with contextlib.suppress(OSError):
            run.end("failed")
        if isinstance(error, InputError):
            raise RuntimeError(f"{error}; what was done is in {run.folder}") from error
        if not (isinstance(error, OSError) and error.filename and Path(error.filename).parent == run.folder):
            raise
        kept = f"what it holds is whole; {remedy}" if run.folder.is_dir() else "the folder has gone"
        raise RuntimeError(f"{error.filename} cannot be written ({error.strerror}): {kept}") from error


def _how_to_resume(run: Run, settings: dict[str, Any]) -> str:
    made_in_python = "problem" in settings and settings["problem"] is None
    return f"evovae.resume({str(run.folder)!r}, problem)" if made_in_python else f"evovae resume {run.folder}"


def _is_leftover(path: Path) -> bool:
    """Whether a killed process left the file: its lock, or one that it was about to rename."""
    return path.name == LOCK or (path.name.startswith(".") and path.suffix == ".tmp")


def _clear(folder: Path) -> None:
    """Remove an earlier run, but for the lock."""
    for path in folder.iterdir():
        if path.name == "figures":
            shutil.rmtree(path)
        elif path.name != LOCK and path.is_file():
            path.unlink()
