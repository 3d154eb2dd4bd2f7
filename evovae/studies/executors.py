"""Where the cells of a study run: in this process, in others of this machine, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.reduction import ForkingPickler
from types import TracebackType
from typing import Any, TypeVar
from urllib.parse import urlsplit

from evovae.base import InputError, heeding, require_whole, sparing_children, stand_apart

SECONDS_TO_SAVE = 30.0
"""What a process that was asked to stop is given before it is killed."""
SECONDS_TO_CONNECT = 10.0
WORKER = "evovae worker"
UNGUARDED = 86
"""Exit status of a worker process in which its script began the study anew."""
GUARD = 'the script runs itself again in every worker: expected `if __name__ == "__main__":` around what it starts'
T = TypeVar("T")


class UnguardedError(InputError):
    """A script runs itself again in every worker process, for what it starts stands under no guard."""


def refuse_rerun() -> None:
    """End a worker process in which its script begins the study anew, as one without a guard does when it is imported.

    At once, with nothing cleaned up: files and folders are the parent's, which learns what is wrong by the exit status.

    Raises:
        UnguardedError: if it is a worker process of somebody else.
    """
    process = multiprocessing.current_process()
    if getattr(process, "_inheriting", False):  # it imports the script: multiprocessing itself asks this, too
        if process.name == WORKER:
            os._exit(UNGUARDED)
        raise UnguardedError(GUARD)


@dataclass(frozen=True)
class Workers:
    """Where the cells of a study run; the results are the same everywhere.

    Raises:
        InputError: if both are asked for, there are fewer workers than one, or the address is none.
    """

    workers: int = 1
    """Processes that cells run in, one torch thread each; 1 runs them in this process, one after another."""
    scheduler: str | None = None
    """Address of a Dask scheduler whose workers run them instead, as tcp://host:8786."""

    def __post_init__(self) -> None:
        """Refuse what is no place to run."""
        require_whole("workers", self.workers, 1)
        if self.scheduler is None:
            return
        if self.workers > 1:
            both = f"--workers {self.workers} and --scheduler {self.scheduler}"
            raise InputError(f"{both}: expected one of them, for a cluster has workers of its own")
        _host_and_port(self.scheduler)

    def executor(self) -> AbstractContextManager[Executor]:
        """Return the executor, to be used in a `with` block; left by an exception, the block stops what still runs.

        Raises:
            InputError: on entering, if Dask is not installed or no scheduler answers.
        """
        if self.scheduler is not None:
            return _dask(self.scheduler)
        return ProcessExecutor(self.workers) if self.workers > 1 else SerialExecutor()


class SerialExecutor(Executor):
    """Runs a call where and when it is submitted. Ctrl-C goes through to who submits."""

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Return a future that is done."""
        future: Future[T] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:
            future.set_exception(error)
        return future


class ProcessExecutor(Executor):
    """Runs calls in spawned processes. One that dies costs the call that it was at, and a new one takes its place.

    `concurrent.futures.ProcessPoolExecutor` gives up every other call as well, and takes no more. Functions, arguments
    and results travel by pickle, as they do there: functions must be found by name in an importable module or script.

    Args:
        workers: processes at most; each is started when there is a call for it.
    """

    def __init__(self, workers: int) -> None:
        self._threads = ThreadPoolExecutor(workers)  # each waits for a process
        self._lock = threading.Lock()
        self._idle: list[_Process] = []
        self._busy: set[_Process] = set()
        self._closed = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Return a future of the call.

        It has a `BrokenExecutor` if the process dies, and an `UnguardedError` if the script has no guard.
        """
        refuse_rerun()
        return self._threads.submit(self._call, fn, args, kwargs)

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End idle processes now and the others after their call."""
        with self._lock:
            self._closed = True
            idle, self._idle = self._idle, []
        for process in idle:
            process.end()
        self._threads.shutdown(wait, cancel_futures=cancel_futures)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for all calls; after an exception, ask those that run to save and stop, and drop the others."""
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)
        with self._lock:
            busy = list(self._busy)
        try:
            for process in busy:
                process.stop()
            deadline = time.monotonic() + SECONDS_TO_SAVE
            for process in busy:
                process.join(deadline - time.monotonic())
        finally:
            for process in busy:
                process.kill()

    def _call(self, fn: Callable[..., T], args: tuple[Any, ...], kwargs: dict[str, Any]) -> T:
        with self._lock:
            if self._closed:
                raise BrokenExecutor("the executor was shut down")
            process = self._idle.pop() if self._idle else _Process()
            self._busy.add(process)
        try:
            good, value = process.call(fn, args, kwargs)
        finally:
            with self._lock:
                self._busy.remove(process)
                ending = self._closed or not process.alive
                if not ending:
                    self._idle.append(process)
            if ending:
                process.end()
        if not good:
            raise value
        result: T = value
        return result


class _Process:
    """A spawned process that answers one call at a time."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._process = context.Process(target=_serve, args=(theirs,), name=WORKER, daemon=True)
        with sparing_children():
            self._process.start()
        theirs.close()
        self.alive = True

    def call(self, fn: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> tuple[bool, Any]:
        """Return whether the call returned, and what it returned or raised."""
        try:
            self._pipe.send((fn, args, kwargs))
            answer: tuple[bool, Any] = self._pipe.recv()
        except (EOFError, ConnectionError) as error:
            self.alive = False
            self._process.join()
            code = self._process.exitcode or 0
            if code == UNGUARDED:
                raise UnguardedError(GUARD) from None
            how = signal.Signals(-code).name if code < 0 else f"exit status {code}"
            raise BrokenExecutor(f"the worker process died ({how})") from error
        return answer

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


def _serve(calls: Connection) -> None:
    """Answer calls until there are no more, this process is asked to stop, or the parent dies."""
    stand_apart()  # Ctrl-C in a terminal goes to the parent alone, which then asks for a stop
    threading.Thread(target=_end_with_parent, daemon=True).start()
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


def _end_with_parent() -> None:
    """Ask this process to stop when its parent is gone, be it killed, and end it if it does not."""
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(SECONDS_TO_SAVE)
    os._exit(1)


@contextlib.contextmanager
def _dask(address: str) -> Iterator[Executor]:
    try:
        from distributed import Client
    except ImportError as error:
        raise InputError("--scheduler needs Dask, which is not installed: pip install 'evovae[cluster]'") from error
    try:
        socket.create_connection(_host_and_port(address), SECONDS_TO_CONNECT).close()  # Dask would try again and again
        client = Client(address, timeout=SECONDS_TO_CONNECT)
    except (OSError, RuntimeError, TypeError) as error:  # the latter two of a TLS that is half set up
        reason = str(error).partition("\n")[0]
        raise InputError(
            f"--scheduler {address}: no Dask scheduler answers there ({reason}); "
            "expected the address that `dask scheduler` prints when it starts"
        ) from error
    with client:
        yield client.get_executor(pure=False)  # a cell that is tried again is a task of its own


def _host_and_port(address: str) -> tuple[str, int]:
    parts = urlsplit(address)
    with contextlib.suppress(ValueError):  # of a port that is no number
        if parts.scheme in ("tcp", "tls") and parts.hostname and parts.port:
            return parts.hostname, parts.port
    raise InputError(f"--scheduler {address}: expected an address as tcp://host:8786, or tls://host:8786")
