"""Being asked to stop: signals wait for a whole state, the second does not, and checkpoints are written in between."""

import os
import signal
import threading
import time
from pathlib import Path

import pytest
import torch
from refusals import refused

from evovae.base import Interrupted, State, deferring, files, heeding, join
from evovae.runs import CHECKPOINT, PREVIOUS, CheckpointConfig, Checkpoints, Run, read_checkpoint, recording, restore


def send(number: int) -> None:
    os.kill(os.getpid(), number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_program_as_an_exception(number: int) -> None:
    before = signal.getsignal(number)
    with pytest.raises(Interrupted) as caught, heeding():
        send(number)
    assert caught.value.number == number
    assert isinstance(caught.value, KeyboardInterrupt)
    assert signal.getsignal(number) is before


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_waits_for_the_moment_between_steps(number: int) -> None:
    done = []
    with pytest.raises(Interrupted) as caught, heeding(), deferring() as check:
        send(number)
        done.append("step")
        check()
        done.append("never")
    assert done == ["step"]
    assert caught.value.number == number


def test_a_second_signal_does_not_wait_unless_it_comes_at_once(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    done, now = [], [0.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with pytest.raises(Interrupted), heeding(), deferring():
        send(signal.SIGINT)
        done.append("first")
        now[0] += 0.5
        send(signal.SIGINT)
        done.append("the same wish")
        now[0] += 0.6
        send(signal.SIGINT)
        done.append("never")
    assert done == ["first", "the same wish"]
    assert capfd.readouterr().err.count("once more to stop at once") == 1


def test_signals_that_are_ignored_stay_so() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with heeding(), deferring() as check:
            send(signal.SIGHUP)
            check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_a_signal_that_comes_after_the_last_step_is_not_lost() -> None:
    with pytest.raises(Interrupted), heeding(), deferring():
        send(signal.SIGTERM)


def test_other_threads_are_left_alone() -> None:
    found = []

    def work() -> None:
        with heeding(), deferring() as check:
            check()
            found.append(True)

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert found == [True]


class Counter:
    """Something that counts its steps, and can be left and gone on with."""

    def __init__(self) -> None:
        self.steps = 0

    def state(self) -> State:
        return join(steps=self.steps)

    def restore(self, state: State) -> None:
        self.steps = state.number("steps")


def written(run: Run) -> int:
    return files.load_tensors(run.folder / CHECKPOINT, "checkpoint")[0]["counter/steps"].item()


@pytest.mark.parametrize(("config", "expected"), [({"checkpoint_every": 3}, [3, 6, 9]), ({}, [4, 8])])
def test_checkpoints_come_after_so_many_ends_or_so_much_time(
    config: dict, expected: list[int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counter, now, published = Counter(), [0.0], []
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    with recording(tmp_path / "run", "cell", {}) as run:
        kept = Checkpoints(
            run, {"counter": counter}, CheckpointConfig(**config), lambda: published.append(written(run))
        )
        with kept.keeping() as between_steps:
            for _ in range(10):
                counter.steps += 1
                now[0] += 2.0 if config else 4.0
                between_steps(True)
    assert published == expected


def test_being_asked_to_stop_saves_first(tmp_path: Path) -> None:
    counter = Counter()
    with pytest.raises(Interrupted, match="evovae resume"), recording(tmp_path / "run", "training", {}) as run:
        with Checkpoints(run, {"counter": counter}, CheckpointConfig(), lambda: None).keeping() as between_steps:
            for step in range(10):
                counter.steps += 1
                if step == 6:
                    send(signal.SIGTERM)
                between_steps(False)
    assert written(run) == 7
    assert run.environment["status"] == "interrupted"


def test_the_checkpoint_before_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    counter = Counter()
    with recording(tmp_path / "run", "cell", {}) as run:
        kept = Checkpoints(run, {"counter": counter}, CheckpointConfig(), lambda: None)
        assert read_checkpoint(run) is None
        for steps in (1, 2):
            counter.steps = steps
            kept.save()
    assert read_checkpoint(run) == {"counter/steps": torch.tensor(2)}
    (run.folder / CHECKPOINT).write_bytes(b"cut")
    assert read_checkpoint(run) == {"counter/steps": torch.tensor(1)}
    assert written(run) == 1, "the damaged one must not take the place of the whole one at the next checkpoint"
    (run.folder / CHECKPOINT).write_bytes(b"cut")
    with refused(CHECKPOINT):
        read_checkpoint(run)


def test_a_checkpoint_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    counter = Counter()
    with refused(str(tmp_path / CHECKPOINT), "does not fit", "steps"):
        restore(Run(tmp_path), State({"counter/other": torch.tensor(1)}), {"counter": counter.restore})
    with refused("does not fit", "steps"):
        restore(Run(tmp_path), State({"counter/steps": torch.tensor([1.0])}), {"counter": counter.restore})


def test_a_finished_run_keeps_its_last_state_alone(tmp_path: Path) -> None:
    with recording(tmp_path / "run", "cell", {}) as run:
        kept = Checkpoints(run, {"counter": Counter()}, CheckpointConfig(), lambda: None)
        kept.save()
        kept.finish()
    assert (run.folder / CHECKPOINT).exists()
    assert not (run.folder / PREVIOUS).exists()
