"""Executors: a call runs where it should, a death costs one call, and nothing is left running."""

import os
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor
from pathlib import Path

import pytest
import tyro
from places import ROOT
from refusals import refused

from evovae.studies import Workers, executors
from evovae.studies.executors import ProcessExecutor, SerialExecutor


def end_abruptly() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def wait_and_save(folder: Path, name: str) -> None:
    """Write `name` when it begins, and `name` saved when it is asked to stop."""
    (folder / name).write_text(str(os.getpid()))
    try:
        time.sleep(60)
    except KeyboardInterrupt:
        (folder / f"{name} saved").touch()
        raise


def wait_for(*paths: Path) -> None:
    deadline = time.monotonic() + 60
    while not all(path.exists() and path.read_text() for path in paths):
        assert time.monotonic() < deadline, paths
        time.sleep(0.02)


def lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return Path(f"/proc/{process}/stat").read_text().split()[2] != "Z"


def test_serial_calls_run_here_and_at_once():
    with SerialExecutor() as executor:
        future = executor.submit(os.getpid)
        assert future.done()
        assert future.result() == os.getpid()
        with pytest.raises(ZeroDivisionError):
            executor.submit(divmod, 1, 0).result()


def test_ctrl_c_goes_through_a_serial_executor():
    def interrupt():
        raise KeyboardInterrupt

    with SerialExecutor() as executor, pytest.raises(KeyboardInterrupt):
        executor.submit(interrupt)


def test_a_death_costs_one_call_and_errors_cost_none():
    with ProcessExecutor(1) as executor:
        first = executor.submit(os.getpid).result()
        assert first != os.getpid()
        assert executor.submit(os.getpgrp).result() == first  # a terminal's Ctrl-C comes by the parent, once
        dead, error, alive = executor.submit(end_abruptly), executor.submit(divmod, 1, 0), executor.submit(os.getpid)
        with pytest.raises(BrokenExecutor, match="SIGKILL"):
            dead.result()
        with pytest.raises(ZeroDivisionError):
            error.result()
        with pytest.raises(AttributeError):  # what cannot be sent
            executor.submit(lambda: None).result()
        second = alive.result()
        assert second != first
        assert executor.submit(os.getpid).result() == second
    assert not lives(first)
    assert not lives(second)


def test_the_death_of_a_process_at_rest_costs_one_call_at_most() -> None:
    with ProcessExecutor(1) as executor:
        first = executor.submit(os.getpid).result()
        os.kill(first, signal.SIGKILL)
        with pytest.raises(BrokenExecutor, match="SIGKILL"):
            executor.submit(os.getpid).result()
        assert executor.submit(os.getpid).result() != first


class Wordy(Exception):
    """Does not come out of a pickle: it is made of more than its message."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(f"{words} ({code})")


class Holding(Exception):
    """Does not get into one."""

    def __init__(self) -> None:
        super().__init__("the file was open")
        self.file = threading.Lock()


def fail(kind: type[Exception], *details: object) -> None:
    raise kind(*details)


def test_what_does_not_pickle_keeps_its_message_and_costs_no_process():
    with ProcessExecutor(1) as executor:
        process = executor.submit(os.getpid).result()
        with pytest.raises(RuntimeError, match=r"^Wordy: it broke \(7\)$"):
            executor.submit(fail, Wordy, 7, "it broke").result()
        with pytest.raises(RuntimeError, match=r"^Holding: the file was open$"):
            executor.submit(fail, Holding).result()
        with pytest.raises(RuntimeError, match=r"^the result, a lock, does not pickle: cannot pickle"):
            executor.submit(threading.Lock).result()
        with pytest.raises(KeyError, match=r"^'kind'$"):
            executor.submit(fail, KeyError, "kind").result()
        assert executor.submit(os.getpid).result() == process


UNGUARDED = """
import os, sys
from evovae.studies import ProcessExecutor
with open("log", "a") as log:
    print(os.getpid(), file=log)
with ProcessExecutor(1) as executor:
    executor.submit(abs, -1).result()
"""


def test_a_script_without_a_guard_is_told_of_it(tmp_path):
    (tmp_path / "script.py").write_text(UNGUARDED)
    done = subprocess.run([sys.executable, "script.py"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == f"evovae.studies.executors.UnguardedError: {executors.GUARD}"
    assert done.stderr.count("Traceback") == 1, "of the parent"
    assert 'if __name__ == "__main__":' in executors.GUARD
    assert len((tmp_path / "log").read_text().split()) == 2


def test_leaving_by_an_exception_lets_calls_save_and_drops_the_others(tmp_path):
    futures = []

    def interrupted(executor):
        futures.extend(executor.submit(wait_and_save, tmp_path, str(number)) for number in range(3))
        wait_for(tmp_path / "0", tmp_path / "1")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ProcessExecutor(2) as executor:
        interrupted(executor)
    assert {path.name for path in tmp_path.iterdir()} == {"0", "1", "0 saved", "1 saved"}
    assert futures[2].cancelled()
    for name in "01":
        assert not lives(int((tmp_path / name).read_text()))


def test_calls_save_and_end_when_the_parent_is_killed(tmp_path):
    code = "import sys, pathlib, test_executors as t\nwith t.ProcessExecutor(1) as executor: "
    code += "executor.submit(t.wait_and_save, pathlib.Path(sys.argv[1]), 'call').result()"
    places = os.pathsep.join(map(str, (Path(__file__).parent, ROOT / "tests")))
    parent = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], env={**os.environ, "PYTHONPATH": places})
    wait_for(tmp_path / "call")
    worker = int((tmp_path / "call").read_text())
    assert worker != parent.pid
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 20
    while lives(worker):
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert (tmp_path / "call saved").exists()


INTERRUPTED = """
import sys, time
from evovae.base import run_program
from evovae.studies import ProcessExecutor
def program():
    with ProcessExecutor(2) as executor:
        calls = [executor.submit(time.sleep, 60) for _ in range(2)]
        print("begun", flush=True)
        while not all(call.done() for call in calls):
            time.sleep(0.1)  # as `run_all` does; a wait without end may not hear a signal that comes just before it
if __name__ == "__main__":
    run_program("it", program)
"""


@pytest.mark.parametrize("seconds", [0.0, 0.05, 0.2])
def test_ctrl_c_while_processes_start_is_one_line(seconds, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(INTERRUPTED)
    command = [sys.executable, str(program)]
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with subprocess.Popen(command, text=True, start_new_session=True, **pipes) as parent:
        parent.stdout.readline()
        time.sleep(seconds)
        os.killpg(parent.pid, signal.SIGINT)  # as a terminal does
        _, said = parent.communicate(timeout=60)
    assert (parent.returncode, said) == (130, "it: interrupted\n")


IN_A_LOCK = """
import signal, threading, time
from evovae.base import run_program
from evovae.studies import ProcessExecutor, executors
executors.SECONDS_TO_END = 0.1
class Lock:
    def __init__(self):
        self.lock = threading.RLock()
    def __getattr__(self, name):
        return getattr(self.lock, name)
    def __enter__(self):
        self.lock.acquire()
        if threading.current_thread() is threading.main_thread() and not interrupted:
            interrupted.append(True)
            signal.raise_signal(signal.SIGINT)
    def __exit__(self, *_):
        self.lock.release()
interrupted = []
def program():
    with ProcessExecutor(1) as executor:
        call = executor.submit(time.sleep, 60)
        call._condition = threading.Condition(Lock())
        call.done()
if __name__ == "__main__":
    run_program("it", program)
"""


def test_ctrl_c_that_leaves_the_lock_of_a_future_taken_ends_the_program(tmp_path):
    """As it does in the middle of `Condition.__enter__`, on which every method of a future calls."""
    (tmp_path / "program.py").write_text(IN_A_LOCK)
    command = [sys.executable, str(tmp_path / "program.py")]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stderr) == (130, "it: interrupted\n")


def test_calls_that_wait_when_the_block_ends_are_run():
    with ProcessExecutor(1) as executor:
        calls = [executor.submit(abs, -number) for number in range(3)]
    assert [call.result(timeout=0) for call in calls] == [0, 1, 2]
    with pytest.raises(BrokenExecutor, match="shut down"):
        executor.submit(abs, 1)


def test_workers_wait_for_work_as_their_parent_does():
    with ProcessExecutor(1) as executor:
        assert executor.submit(os.getenv, "GOMP_SPINCOUNT").result() == os.environ["GOMP_SPINCOUNT"]


def test_a_call_that_does_not_stop_is_killed(monkeypatch, tmp_path):
    monkeypatch.setattr(executors, "SECONDS_TO_SAVE", 0.1)
    futures = []

    def interrupted(executor):
        futures.append(executor.submit(ignore_signals, tmp_path))
        wait_for(tmp_path / "begun")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), ProcessExecutor(1) as executor:
        interrupted(executor)
    with pytest.raises(BrokenExecutor, match="SIGKILL"):
        futures[0].result(timeout=30)


def ignore_signals(folder: Path) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    (folder / "begun").write_text("now")
    time.sleep(60)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"workers": 0}, ("workers is 0", "1 or more")),
        ({"workers": 2, "scheduler": "tcp://127.0.0.1:1"}, ("--workers 2", "--scheduler tcp://127.0.0.1:1")),
        ({"scheduler": "host:8786"}, ("--scheduler host:8786", "tcp://")),
        ({"scheduler": "tcp://host"}, ("--scheduler tcp://host",)),
        ({"scheduler": "tcp://:8786"}, ("--scheduler tcp://:8786",)),
        ({"scheduler": "tcp://host:many"}, ("--scheduler tcp://host:many",)),
        ({"scheduler": "tcp://host:99999"}, ("--scheduler tcp://host:99999",)),
        ({"scheduler": ""}, ("--scheduler", "expected")),
    ],
)
def test_places_that_make_no_sense_are_refused(arguments, words):
    with refused(*words):
        Workers(**arguments)


@pytest.mark.usefixtures("stock_random")  # tyro draws from it
def test_places_are_chosen_by_two_options():
    assert isinstance(Workers().executor(), SerialExecutor)
    assert isinstance(tyro.cli(Workers, args=["--workers", "2"]).executor(), ProcessExecutor)
    assert tyro.cli(Workers, args=["--scheduler", "tcp://host:8786"]).scheduler == "tcp://host:8786"


def test_dask_that_is_not_installed_is_asked_for(monkeypatch):
    monkeypatch.setitem(sys.modules, "distributed", None)
    with refused("pip install 'evovae[cluster]'"), Workers(scheduler="tcp://127.0.0.1:8786").executor():
        pass


def test_a_scheduler_that_does_not_answer_is_named():
    address = "tcp://127.0.0.1:1"
    with refused(f"--scheduler {address}", "dask scheduler"), Workers(scheduler=address).executor():
        pass
