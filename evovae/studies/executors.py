"""Where the cells of a study run: in this process, in others of this machine, or on a Dask cluster."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import BrokenExecutor, Executor, Future
from contextlib import AbstractContextManager
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from types import TracebackType
from typing import Any, NamedTuple, TypeVar
from urllib.parse import urlsplit

from evovae.base import InputError, Worker, require_whole

SECONDS_TO_SAVE = 30.0
"""What a process that was asked to stop is given before it is killed."""
SECONDS_TO_END = 1.0
"""What the threads are given to end when their processes have."""
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


class _Call(NamedTuple):
    future: Future[Any]
    fn: Callable[..., Any]
    args: tuple[Any, ...]
    kwargs: dict[str, Any]


class ProcessExecutor(Executor):
    """Runs calls in spawned processes. One that dies costs the call that it was at, and a new one takes its place.

    `concurrent.futures.ProcessPoolExecutor` gives up every other call as well, and takes no more. Functions, arguments
    and results travel by pickle, as they do there: functions must be found by name in an importable module or script.

    Threads wait for the processes. A Ctrl-C in the very moment in which the main thread takes the lock of a future
    leaves it taken for ever (`threading.Condition` is no more careful), and the thread that has the result waits for
    it. So the threads are daemons, for which a program that ends does not wait, unlike those of `concurrent.futures`:
    it is the `with` block that waits for the calls.

    Args:
        workers: processes at most; each is started when there is a call for it.
    """

    def __init__(self, workers: int) -> None:
        self._workers = workers
        self._calls: SimpleQueue[_Call | None] = SimpleQueue()  # None: there are no more
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._idle: list[Worker] = []
        self._busy: set[Worker] = set()
        self._closed = self._stopped = False

    def submit(self, fn: Callable[..., T], /, *args: Any, **kwargs: Any) -> Future[T]:
        """Return a future of the call.

        It has a `BrokenExecutor` if the process dies, and an `UnguardedError` if the script has no guard.

        Raises:
            BrokenExecutor: if the executor was shut down.
        """
        refuse_rerun()
        future: Future[T] = Future()
        with self._lock:
            if self._closed:
                raise BrokenExecutor("the executor was shut down")
            self._calls.put(_Call(future, fn, args, kwargs))
            if len(self._threads) < self._workers:
                thread = threading.Thread(target=self._run_calls, daemon=True)
                thread.start()
                self._threads.append(thread)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End idle processes now and the others after the last call."""
        with self._lock:
            self._closed = True
        if cancel_futures:
            with contextlib.suppress(Empty):
                while True:
                    if (call := self._calls.get_nowait()) is not None:
                        call.future.cancel()
        self._calls.put(None)
        if wait:
            for thread in self._threads:
                thread.join()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Wait for all calls; after an exception, ask those that run to save and stop, and drop the others."""
        self.shutdown(wait=kind is None, cancel_futures=kind is not None)
        with self._lock:
            self._stopped = True
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
        deadline = time.monotonic() + SECONDS_TO_END
        for thread in self._threads:
            thread.join(max(deadline - time.monotonic(), 0))

    def _run_calls(self) -> None:
        """Run calls until there are no more; then end a process, of which there are no more than threads."""
        while (call := self._calls.get()) is not None:
            self._run(call)
            del call  # its result is the caller's alone
        self._calls.put(None)  # for the next thread
        with self._lock:
            process = self._idle.pop() if self._idle else None
        if process is not None:
            process.end()

    def _run(self, call: _Call) -> None:
        if not call.future.set_running_or_notify_cancel():
            return
        try:
            result = self._call(call)
        except BaseException as error:
            call.future.set_exception(error)
        else:
            call.future.set_result(result)

    def _call(self, call: _Call) -> Any:
        with self._lock:
            if self._stopped:
                raise BrokenExecutor("the executor was stopped")
            process = self._idle.pop() if self._idle else Worker(WORKER, SECONDS_TO_SAVE)
            self._busy.add(process)
        try:
            return process.call(call.fn, *call.args, **call.kwargs)
        except BrokenExecutor:
            if process.exitcode == UNGUARDED:
                raise UnguardedError(GUARD) from None
            raise
        finally:
            with self._lock:
                self._busy.remove(process)
                if process.alive:
                    self._idle.append(process)
            if not process.alive:
                process.end()


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
