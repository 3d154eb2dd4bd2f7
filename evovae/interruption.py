"""Being asked to stop: Ctrl-C (SIGINT) and SIGTERM, which wait where a state is being changed or saved."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from types import FrameType
from typing import NoReturn

SIGNALS = (signal.SIGINT, signal.SIGTERM)


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
    """Let SIGTERM end the block as Ctrl-C does: by an exception, so that everything is closed and kept."""
    if threading.current_thread() is not threading.main_thread():
        yield  # only the main thread is told of signals
        return
    before = {number: signal.signal(number, stop) for number in SIGNALS}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def deferring() -> Iterator[Callable[[], None]]:
    """Hold the first signal back in the block; yields a function that raises it: call it where all is whole.

    A second one is not held back: the user means it.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: None
        return
    arrived: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if arrived:
            stop(number)
        arrived.append(number)

    def check() -> None:
        if arrived:
            stop(arrived[0])

    before = {number: signal.signal(number, note) for number in SIGNALS}
    try:
        yield check
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    check()
