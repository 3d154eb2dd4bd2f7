"""Progress with time left, on standard error: a bar on a terminal, plain lines in a file or a pipe."""

from __future__ import annotations

import contextlib
import math
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import timedelta
from typing import TextIO, cast

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from evovae.base.printing import SafeStream

Advance = Callable[[float, str], None]
MIN_INTERVAL, MAX_INTERVAL = 1.0, 10.0
"""Seconds between two lines of the same job: at least, but for the last, and at most."""
MAX_LEFT = 1e9
"""Most seconds left that are shown."""
_shown = ContextVar("_shown", default=True)


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show no progress in the block: it is one of many that run side by side, under a bar of all."""
    before = _shown.set(False)
    try:
        yield
    finally:
        _shown.reset(before)


@contextlib.contextmanager
def track(label: str, total: float, done: int = 0) -> Iterator[Advance]:
    """Show a job of `total` steps; yields a function to call with the steps done and a word on the state.

    Steps that were `done` before do not count as work of now: the time left is estimated from the others. Without a
    terminal there is a line when the word changes, every ten seconds, and at the end. What cannot be written is
    dropped.
    """
    if not _shown.get():
        yield lambda done, state: None
        return
    file = SafeStream(sys.stderr)
    console = Console(file=cast(TextIO, file))
    on_terminal = file.isatty() and console.is_terminal and not console.is_dumb_terminal
    show = _bar(console, label, total, done) if on_terminal or console.is_jupyter else _lines(file, label, total, done)
    with show as advance:
        yield advance


@contextlib.contextmanager
def _bar(console: Console, label: str, total: float, done: int) -> Iterator[Advance]:
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    # A step may take longer than the 30 s from which rich would estimate the speed.
    with Progress(*columns, console=console, speed_estimate_period=math.inf) as progress:
        task = progress.add_task(label, total=total, completed=done, state="")

        def advance(done: float, state: str) -> None:
            progress.update(task, completed=done, state=state)

        yield advance


@contextlib.contextmanager
def _lines(file: SafeStream, label: str, total: float, done: int) -> Iterator[Advance]:
    lines, ended = _Lines(file, label, total, done), threading.Event()

    def report_now_and_then() -> None:
        while not ended.wait(lines.seconds_to_next):
            lines.tell_if_due()

    thread = threading.Thread(target=report_now_and_then, daemon=True)
    thread.start()
    try:
        yield lines.advance
    finally:
        ended.set()
        thread.join()
        lines.end()


class _Lines:
    """Lines on one job; two threads may write them."""

    def __init__(self, file: SafeStream, label: str, total: float, done: float) -> None:
        self._file, self._label, self._total = file, label, total
        self._first, self._done, self._state = done, done, ""
        self._begun = self._advanced = time.monotonic()
        self._earliest = self._latest = self._begun + MIN_INTERVAL
        self._told: tuple[float, str] | None = None
        self._lock = threading.Lock()

    @property
    def seconds_to_next(self) -> float:
        """Until a line is due that nothing new gives rise to."""
        return max(0.0, self._latest - time.monotonic())

    def advance(self, done: float, state: str) -> None:
        """Note where the job is, and write a line if the state is a new one."""
        with self._lock:
            self._done, self._state, self._advanced = done, state, time.monotonic()
            is_new = state != (self._told[1] if self._told else "")
            if is_new and self._advanced >= self._earliest:
                self._tell()

    def tell_if_due(self) -> None:
        """Write a line if there was none for long."""
        with self._lock:
            if time.monotonic() >= self._latest:
                self._tell()

    def end(self) -> None:
        """Write where the job ended, unless the last line did."""
        with self._lock:
            if self._told != (self._done, self._state):
                self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        share = self._done / self._total if self._total else 1.0
        line = (
            f"{self._label:<16} {100 * share:>3.0f}% {_clock(now - self._begun)} left {self._left(now)} {self._state}"
        )
        self._file.write(line.rstrip() + "\n")
        self._file.flush()
        self._told = self._done, self._state
        self._earliest, self._latest = now + MIN_INTERVAL, now + MAX_INTERVAL

    def _left(self, now: float) -> str:
        """The time left, by the speed at the last step."""
        steps = self._done - self._first
        if steps <= 0 and self._done < self._total:
            return "-:--:--"
        left = (self._advanced - self._begun) * (self._total - self._done) / max(steps, 1e-9)
        return _clock(max(0.0, left - (now - self._advanced)))


def _clock(seconds: float) -> str:
    return str(timedelta(seconds=round(min(seconds, MAX_LEFT))))
