"""Being asked to stop: Ctrl-C (SIGINT), SIGTERM and SIGHUP, which wait where a state is being changed or saved."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from multiprocessing import resource_tracker
from types import FrameType
from typing import NoReturn

SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name))
IMPATIENCE = 1.0
"""Seconds within which a second signal is taken for the same wish: a shell and a wrapper may both pass one on."""


class Interrupted(KeyboardInterrupt):
    """The process was asked to stop, by the signal `number`; a message says what was kept."""

    def __init__(self, number: int, message: str = "") -> None:
        super().__init__(message)
        self.number = number


def stop(number: int, _: FrameType | None = None) -> NoReturn:
    """Handle a signal by raising `Interrupted` at once."""
    raise Interrupted(number)


@contextlib.contextmanager
def heeding() -> Iterator[None]:
    """Let other signals end the block as Ctrl-C does: by an exception, so that everything is closed and kept."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread hears of signals
        return
    with _handling(stop):
        yield


@contextlib.contextmanager
def deferring() -> Iterator[Callable[[], None]]:
    """Hold the first signal back in the block; yields a function that raises it: call it where all is whole.

    A second one is not held back, unless it comes at once: the user means it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    arrived: list[tuple[int, float]] = []

    def note(number: int, frame: FrameType | None) -> None:
        if arrived and time.monotonic() - arrived[0][1] >= IMPATIENCE:
            stop(number)
        if not arrived:
            _tell(b"\nstopping after this step; once more to stop at once\n")
            arrived.append((number, time.monotonic()))

    def check() -> None:
        if arrived:
            stop(arrived[0][0])

    with _handling(note):
        yield check
    check()


@contextlib.contextmanager
def sparing_children() -> Iterator[None]:
    """Start processes in the block that a terminal's Ctrl-C never reaches, for they begin by `stand_apart`."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # else the first process started would start it, which lets signals through again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def stand_apart() -> None:
    """Leave the terminal's Ctrl-C to the parent of this process, which then ends it."""
    if hasattr(os, "setpgrp"):
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # one that came meanwhile is dropped
        os.setpgrp()
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def _tell(line: bytes) -> None:
    """Write to standard error, if there is one; `print` may be what a signal interrupts."""
    if sys.__stderr__ is not None:
        with contextlib.suppress(OSError):
            os.write(2, line)


@contextlib.contextmanager
def _handling(handler: Callable[[int, FrameType | None], None]) -> Iterator[None]:
    """Let `handler` have the signals, but those that the process was started to ignore, as `nohup` does."""
    heeded = [number for number in SIGNALS if signal.getsignal(number) is not signal.SIG_IGN]
    before = {number: signal.signal(number, handler) for number in heeded}
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
