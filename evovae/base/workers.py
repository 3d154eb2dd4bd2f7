"""Processes that answer calls, may be stopped or killed at any moment, and end when their parent does."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Callable
from concurrent.futures import BrokenExecutor
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from typing import Any, TypeVar

from evovae.base.signals import heeding, sparing_children, stand_apart

T = TypeVar("T")


class Worker:
    """A spawned process that answers one call at a time, and that a terminal's Ctrl-C does not reach.

    Args:
        name: of the process.
        grace: seconds that it is given to save and stop when its parent has died, before it is ended.
    """

    def __init__(self, name: str, grace: float = 0.0) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs, grace), name=name, daemon=True)
        with sparing_children():
            self._process.start()
        theirs.close()
        self.alive = True

    @property
    def pid(self) -> int | None:
        """Its number."""
        return self._process.pid

    @property
    def exitcode(self) -> int | None:
        """Its exit status, or minus the signal that ended it; None while it lives."""
        return self._process.exitcode

    def call(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> T:
        """Return what `fn` returns there; it must be found by name in an importable module or script.

        Raises:
            BrokenExecutor: if the process dies.
            Exception: what the call raises.
        """
        try:
            self._pipe.send((fn, args, kwargs))
            good, value = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self.alive = False
            self._process.join()
            code = self._process.exitcode or 0
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            raise BrokenExecutor(f"the worker process died ({how})") from error
        if not good:
            raise value
        result: T = value
        return result

    def end(self) -> None:
        """End the process, which is idle or dead."""
        self._pipe.close()  # it reads the end of its calls
        self._process.join()

    def stop(self) -> None:
        """Ask the process to save and stop."""
        self._process.terminate()

    def join(self, seconds: float) -> None:
        """Wait for its end."""
        self._process.join(max(seconds, 0))

    def kill(self) -> None:
        """End it now."""
        self._process.kill()


def _serve(calls: Connection, grace: float) -> None:
    """Answer calls until there are no more, this process is asked to stop, or the parent dies."""
    stand_apart()  # Ctrl-C in a terminal goes to the parent alone, which then asks for a stop
    threading.Thread(target=_end_with_parent, args=(grace,), daemon=True).start()
    with contextlib.suppress(KeyboardInterrupt, ConnectionError), heeding():
        while True:
            _send(calls, *_answer(calls))  # nobody is there to read it when the calls have ended


def _answer(calls: Connection) -> tuple[bool, Any]:
    try:
        fn, args, kwargs = calls.recv()
        return True, fn(*args, **kwargs)
    except Exception as error:
        return False, error


def _send(calls: Connection, good: bool, value: Any) -> None:
    """Answer a call; what does not pickle there and back is replaced by an error that does."""
    try:
        if not good:
            ForkingPickler.loads(ForkingPickler.dumps(value))
        calls.send((good, value))
    except ConnectionError:
        raise
    except Exception as error:
        name = type(value).__name__
        told = f"the result, a {name}, does not pickle: {error}" if good else f"{name}: {value}"
        calls.send((False, RuntimeError(told)))


def _end_with_parent(grace: float) -> None:
    """Ask this process to stop when its parent is gone, be it killed, and end it if it does not."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(grace)
    os._exit(1)
