"""A process that answers calls: what they return and raise comes back, and its death is told."""

import signal
from collections.abc import Iterator
from concurrent.futures import BrokenExecutor

import pytest

from evovae.base import Worker


@pytest.fixture
def worker() -> Iterator[Worker]:
    worker = Worker("a test")
    yield worker
    worker.kill()
    worker.end()


def test_calls_return_and_raise_what_they_do_there(worker: Worker) -> None:
    assert worker.call(int, "12", base=3) == 5
    with pytest.raises(ValueError, match="invalid literal"):
        worker.call(int, "x")
    assert worker.alive
    assert worker.call(abs, -3) == 3


def test_the_death_of_the_process_in_a_call_is_told(worker: Worker) -> None:
    with pytest.raises(BrokenExecutor, match=r"died \(SIGKILL\)"):
        worker.call(signal.raise_signal, signal.SIGKILL)
    assert not worker.alive
    assert worker.exitcode == -signal.SIGKILL
