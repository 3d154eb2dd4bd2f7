"""A folder's lock: one process writes to it at a time."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from evovae.base.errors import InputError

LOCK = ".lock"

try:
    import fcntl
except ImportError:  # no such locks on Windows
    fcntl = None  # type: ignore[assignment]


class InUseError(InputError):
    """Another process is writing to the run folder."""


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock; the system lets go of it when the process ends, however it ends."""
    if fcntl is None:
        yield
        return
    path = folder / LOCK
    with open(path, "w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            held = path.stat().st_ino == os.fstat(lock.fileno()).st_ino  # the one before may have removed its file
        except (BlockingIOError, FileNotFoundError):
            held = False
        except OSError as error:
            raise InputError(f"{folder} gives no locks ({error.strerror}): choose a folder on another disk") from error
        if not held:
            raise InUseError(f"{folder} is in use: another evovae is writing to it; choose another --out, or wait")
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
