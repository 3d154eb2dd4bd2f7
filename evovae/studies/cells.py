"""The cells of a study: each a run folder that a function fills, wherever an `Executor` runs it."""

from __future__ import annotations

import contextlib
import json
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import torch
from rich.console import Console
from rich.table import Table
from rich.text import Text

from evovae.base import InputError, InUseError, files, hidden, track
from evovae.runs import CONFIG, Run, check_out, recording
from evovae.studies.executors import UnguardedError, refuse_rerun

ERROR = "error.txt"
PATIENCE = 0.5
"""Seconds that cells are waited for at once: a Ctrl-C just before a wait is heard after it."""
ATTEMPTS = 3
"""How often a cell is tried whose worker dies."""


class CellsFailedError(RuntimeError):
    """Some cells of a study failed; the others are finished."""


class Failure(NamedTuple):
    """How a cell failed."""

    attempts: int
    reason: str


@dataclass(frozen=True)
class Spec:
    """One cell: which function fills which run folder, with which settings.

    Attributes:
        folder: of the run. Workers on other machines must see it, too.
        task: function of a module or script, called as `task(run, **settings)`; all it makes it writes into `run`.
        settings: its keyword arguments, of JSON's types: seeds, numbers, words. Arrays travel as paths of files.

    Raises:
        InputError: if the function has no name to be found by, or a setting is no JSON.
    """

    folder: Path
    task: Callable[..., None]
    settings: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse what would not come through to a worker and to the configuration."""
        name = getattr(self.task, "__qualname__", "<no name>")
        if "<" in name:
            raise InputError(f"the task of {self.folder} is {name}: expected a function at the top level of a module")
        try:
            same = json.loads(json.dumps(self.settings, allow_nan=False)) == self.settings
        except (TypeError, ValueError):
            same = False
        if not same:
            types = "text, finite numbers, true, false, None, lists, and dicts with text as keys"
            raise InputError(f"the settings of {self.folder} are {self.settings}: expected JSON's types, {types}")

    @property
    def config(self) -> dict[str, Any]:
        """What the run's configuration says of the cell."""
        return {"task": self.task.__qualname__, "settings": self.settings}

    def finished(self) -> bool:
        """Whether the folder holds this cell, finished.

        Raises:
            InputError: if it holds something else, or cannot be written.
        """
        if not (self.folder / CONFIG).is_file():
            check_out(self.folder, "cell")
            return False
        run = Run.open(self.folder)
        found = {name: run.config.get(name) for name in ("kind", "task", "settings")}
        if found != {"kind": "cell"} | self.config:
            told = _difference(found, {"kind": "cell"} | self.config)
            raise InputError(f"{self.folder} was made with {told}: remove it to make it anew, or ask for the same")
        return run.finished


def run_all(specs: Iterable[Spec], executor: Executor) -> list[Run]:
    """Run the cells of a study, side by side as `executor` does; return their runs in the order of `specs`.

    Finished cells are skipped; unfinished ones are entered again, and find what they had written. A cell whose worker
    died is tried again, up to three times in all (Dask does so by itself, as often as its scheduler is set to). One
    that raises is not: it would raise again. The others continue, and what failed is reported at the end. A cell that
    another process is at is waited for. Cells compute with one torch thread wherever they run, so that
    they give the same bits.

    Raises:
        InputError: before anything runs, if two specs share a folder, or a folder holds a cell of other settings.
        CellsFailedError: after everything ran, if cells failed; a table of them is printed, and the folder of each that
            raised keeps the traceback in error.txt.
        UnguardedError: if the script that calls this has no guard, and so calls it in every worker process.
    """
    refuse_rerun()
    specs = [replace(spec, folder=spec.folder.absolute()) for spec in specs]
    for folder, cells in Counter(spec.folder for spec in specs).items():
        if cells > 1:
            raise InputError(f"{folder} is the folder of {cells} cells: expected one for each")
    todo = [spec for spec in specs if not spec.finished()]
    total, done = len(specs), len(specs) - len(todo)
    before = f", {done} of them before" if done else ""
    failures: dict[int, Failure] = {}
    threads = torch.get_num_threads()
    try:
        with track("cells", total) as advance:
            advance(done, f"{done} of {total} done")
            for cell, failure in _outcomes(todo, executor):
                done += 1
                if failure:
                    failures[cell] = failure
                failed = f", {len(failures)} failed" if failures else ""
                advance(done, f"{done} of {total} done{before}{failed}")
    finally:
        torch.set_num_threads(threads)
    if failures:
        title = f"{len(failures)} of {total} cells failed"
        _print_failures(title, {todo[cell].folder.name: failures[cell] for cell in sorted(failures)})
        raise CellsFailedError(f"{title}: the same command tries them again, and skips the others")
    return [Run.open(spec.folder) for spec in specs]


def _outcomes(todo: list[Spec], executor: Executor) -> Iterator[tuple[int, Failure | None]]:
    """Run cells side by side; yield the number of each in `todo` as it ends, and how it failed, if it did."""
    waiting = deque((cell, 1) for cell in range(len(todo)))
    running: dict[Future[str | None], tuple[int, int]] = {}
    try:
        while waiting or running:
            if waiting:
                cell, attempt = waiting.popleft()
                running[_submit(executor, todo[cell])] = cell, attempt
            for future in wait(running, timeout=0 if waiting else PATIENCE, return_when=FIRST_COMPLETED).done:
                cell, attempt = running.pop(future)
                reason, died = _outcome(future)
                if died and attempt < ATTEMPTS:
                    waiting.append((cell, attempt + 1))
                else:
                    yield cell, Failure(attempt, reason) if reason else None
    finally:
        for future in running:
            future.cancel()


def _submit(executor: Executor, spec: Spec) -> Future[str | None]:
    try:
        return executor.submit(run_cell, spec)
    except BrokenExecutor as error:  # of a pool that takes no more calls after a death
        future: Future[str | None] = Future()
        future.set_exception(error)
        return future


def run_cell(spec: Spec) -> str | None:
    """Run one cell, in whatever process; return None, or one line that says why it failed."""
    torch.set_num_threads(1)
    with hidden():
        try:
            with contextlib.ExitStack() as stack:
                run = _enter(spec, stack)
                if run is not None:
                    (run.folder / ERROR).unlink(missing_ok=True)
                    spec.task(run, **spec.settings)
        except (Exception, SystemExit) as error:
            if spec.folder.is_dir():
                with contextlib.suppress(OSError):
                    files.write_bytes(spec.folder / ERROR, traceback.format_exc().encode())
            return _one_line(error)
    return None


def _enter(spec: Spec, stack: contextlib.ExitStack) -> Run | None:
    """Return the run to fill; None if it was finished meanwhile.

    A Dask worker continues its cell when the study that asked for it is gone: started again, the study meets it.
    """
    waiting = False
    while not spec.finished():
        try:
            return stack.enter_context(recording(spec.folder, "cell", spec.config, resume=True))
        except InUseError as error:
            if not waiting:
                print(f"{error}: waiting for it", file=sys.stderr)
            waiting = True
            time.sleep(1)
    return None


def _outcome(future: Future[str | None]) -> tuple[str | None, bool]:
    """Return why a cell failed, None if it did not, and whether its worker died."""
    if future.cancelled():
        return "it was cancelled: the scheduler is gone", False
    if isinstance(error := future.exception(), UnguardedError):
        raise error
    if error is not None:
        return _one_line(error), isinstance(error, BrokenExecutor)
    return future.result(), False


def _print_failures(title: str, failures: dict[str, Failure]) -> None:
    table = Table("cell", "attempts", "why", box=None)
    for name, failure in failures.items():
        table.add_row(name, str(failure.attempts), Text(failure.reason))
    console = Console(stderr=True)
    console.print(f"{title}; the folder of one that raised has the traceback in {ERROR}:", highlight=False)
    console.print(table)


def _difference(found: dict[str, Any], asked: dict[str, Any]) -> str:
    """Say what a configuration has instead of what was asked for."""
    for name, value in asked.items():
        other = found.get(name)
        if other != value and isinstance(other, dict) and isinstance(value, dict):
            return _difference(other, {key: value.get(key) for key in {**value, **other}})
        if other != value:
            return f"{name} {other!r} instead of {value!r}"
    return "other settings"


def _one_line(error: BaseException) -> str:
    first = (str(error).splitlines() or [""])[0]
    return first if isinstance(error, InputError) else f"{type(error).__name__}: {first}".removesuffix(": ")
