"""The cells of a study: finished once, tried again after a death, and the same bits wherever they run."""

import importlib
import signal
import subprocess
import sys
import threading
import time
from concurrent.futures import BrokenExecutor, Executor, Future
from pathlib import Path

import pandas as pd
import psutil
import pytest
import torch
from places import EXPERIMENTS
from refusals import refused

from evovae.base import files, track
from evovae.runs import Run, recording
from evovae.studies import Results, Spec, run_all
from evovae.studies.cells import CellsFailedError
from evovae.studies.executors import GUARD, SerialExecutor

pytestmark = pytest.mark.early


def note(run: Run, seed: int = 0) -> None:
    """Write the seed, and how many threads torch has; beside the folder, that the task ran once more."""
    run.write_table("note.csv", pd.DataFrame({"seed": [seed], "threads": [torch.get_num_threads()]}))
    with (run.folder.parent / f"{run.folder.name}.log").open("a") as log:
        log.write("ran\n")


def fail_once(run: Run, words: str) -> None:
    note(run)
    if not (tried := run.folder.parent / "tried").exists():
        tried.touch()
        raise OSError(f"{words}\nand more")


def show_progress(run: Run) -> None:
    with track("inside", 1) as advance:
        advance(1, "")


def interrupt(run: Run) -> None:
    raise KeyboardInterrupt


def leave(run: Run) -> None:
    sys.exit(3)


def times(run: Run) -> int:
    return len(run.folder.with_name(f"{run.folder.name}.log").read_text().split())


def run_serial(*specs: Spec) -> list[Run]:
    with SerialExecutor() as executor:
        return run_all(specs, executor)


class Broken(Executor):
    """Takes no calls, as a pool of the standard library after a death."""

    def submit(self, fn, /, *args, **kwargs):
        raise BrokenExecutor


def test_cells_are_run_folders_in_the_order_asked_for(tmp_path):
    runs = run_serial(*(Spec(tmp_path / str(seed), note, {"seed": seed}) for seed in (2, 0, 1)))
    assert [run.read_table("note.csv")["seed"][0] for run in runs] == [2, 0, 1]
    assert runs[0].config == {"format": 1, "kind": "cell", "task": "note", "settings": {"seed": 2}}
    assert Run.open(tmp_path / "2").finished
    assert run_serial() == []


def test_finished_cells_are_skipped_and_others_run(tmp_path):
    specs = [Spec(tmp_path / str(seed), note, {"seed": seed}) for seed in range(3)]
    run_serial(specs[0])
    assert [times(run) for run in run_serial(*specs)] == [1, 1, 1]
    environment = files.read_json(tmp_path / "1" / "environment.json")
    files.write_json(tmp_path / "1" / "environment.json", environment | {"status": "running"})  # as if killed
    assert [times(run) for run in run_serial(*specs)] == [1, 2, 1]
    assert len(run_all(specs, Broken())) == 3


@pytest.mark.parametrize(
    ("other", "words"),
    [
        (lambda folder: Spec(folder, note, {"seed": 8}), ("seed 7 instead of 8",)),
        (lambda folder: Spec(folder, note), ("seed 7 instead of None",)),
        (lambda folder: Spec(folder, interrupt, {"seed": 7}), ("task 'note' instead of 'interrupt'",)),
    ],
)
def test_a_cell_of_other_settings_is_refused_before_anything_runs(tmp_path, other, words):
    run_serial(Spec(tmp_path / "a", note, {"seed": 7}))
    with refused(str(tmp_path / "a"), "remove it", *words):
        run_serial(Spec(tmp_path / "new", note), other(tmp_path / "a"))
    assert not (tmp_path / "new").exists()


def test_a_folder_of_something_else_is_refused(tmp_path):
    with recording(tmp_path / "vae", "training", {}):
        pass
    with refused(str(tmp_path / "vae"), "'training' instead of 'cell'"):
        run_serial(Spec(tmp_path / "vae", note))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").touch()
    with refused(str(tmp_path / "mine"), "not empty"):
        run_serial(Spec(tmp_path / "mine", note))


def test_two_cells_in_one_folder_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with refused(str(tmp_path / "a"), "2 cells"):
        run_serial(Spec(Path("a"), note), Spec(tmp_path / "a", note, {"seed": 1}))


@pytest.mark.parametrize(
    "settings", [{"seed": (1, 2)}, {"path": Path("a")}, {"x": float("nan")}, {"x": float("inf")}, {1: 2}]
)
def test_settings_that_a_configuration_cannot_hold_are_refused(settings):
    with refused("settings of a", "JSON"):
        Spec(Path("a"), note, settings)


def test_a_task_without_a_name_is_refused():
    with refused("task of a", "<lambda>", "top level"):
        Spec(Path("a"), lambda run: None)


def test_what_failed_and_why_is_told_and_kept_and_tried_when_asked_again(tmp_path, capsys):
    bad, left = Spec(tmp_path / "bad", fail_once, {"words": "no [luck]"}), Spec(tmp_path / "left", leave)
    with pytest.raises(CellsFailedError, match="2 of 3 cells failed"):
        run_serial(left, Spec(tmp_path / "good", note), bad)
    table = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert table[-2:] == [["left", "1", "SystemExit:", "3"], ["bad", "1", "OSError:", "no", "[luck]"]]
    assert Run.open(tmp_path / "good").finished
    assert "fail_once" in (bad.folder / "error.txt").read_text()
    [again] = run_serial(bad)
    assert times(again) == 2
    assert not (bad.folder / "error.txt").exists()


def test_cells_show_one_bar(tmp_path, capsys):
    run_serial(Spec(tmp_path / "a", show_progress))
    err = capsys.readouterr().err
    assert "1 of 1 done" in err
    assert "inside" not in err


def test_ctrl_c_keeps_the_finished_cells(tmp_path):
    done, stopped, later = (Spec(tmp_path / n, t) for n, t in (("done", note), ("stopped", interrupt), ("later", note)))
    with pytest.raises(KeyboardInterrupt):
        run_serial(done, stopped, later)
    assert Run.open(done.folder).finished
    assert Run.open(stopped.folder).environment["status"] == "interrupted"
    assert not later.folder.exists()


class Waiting(Executor):
    """Never runs anything."""

    def __init__(self) -> None:
        self.futures: list[Future] = []

    def submit(self, fn, /, *args, **kwargs):
        if len(self.futures) == 2:
            raise KeyboardInterrupt
        self.futures.append(Future())
        return self.futures[-1]


def test_ctrl_c_cancels_what_waits(tmp_path):
    executor = Waiting()
    with pytest.raises(KeyboardInterrupt):
        run_all([Spec(tmp_path / str(seed), note) for seed in range(3)], executor)
    assert all(future.cancelled() for future in executor.futures)


def test_cells_compute_with_one_thread_and_leave_the_others_to_the_caller(tmp_path):
    torch.set_num_threads(2)
    try:
        [run] = run_serial(Spec(tmp_path / "a", note))
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(1)
    assert run.read_table("note.csv")["threads"][0] == 1
    assert run.environment["threads"] == 1


def test_a_cell_that_another_process_is_at_is_waited_for(tmp_path, capsys):
    spec, begun, said = Spec(tmp_path / "a", note), threading.Event(), []

    def is_waited_for() -> bool:
        said.append(capsys.readouterr().err)
        return "in use" in "".join(said)

    def other() -> None:
        with recording(spec.folder, "cell", spec.config) as run:
            begun.set()
            wait_until(is_waited_for)
            note(run)

    thread = threading.Thread(target=other)
    thread.start()
    begun.wait()
    [run] = run_serial(spec)
    assert run.finished
    thread.join()
    assert times(run) == 1


class Deadly(SerialExecutor):
    """Its worker dies so many times at cells in folders called deadly, at others never."""

    def __init__(self, deaths: int) -> None:
        self.deaths = deaths

    def submit(self, fn, /, *args, **kwargs):
        if args[0].folder.name != "deadly" or self.deaths == 0:
            return super().submit(fn, *args, **kwargs)
        self.deaths -= 1
        future = Future()
        future.set_exception(BrokenExecutor("the worker process died"))
        return future


def test_a_cell_whose_worker_dies_is_tried_three_times(tmp_path, capsys):
    specs = [Spec(tmp_path / "deadly", note), Spec(tmp_path / "left", leave), Spec(tmp_path / "good", note)]
    executor = Deadly(5)
    with pytest.raises(CellsFailedError, match="2 of 3"):
        run_all(specs, executor)
    assert executor.deaths == 2
    table = [line.split()[:3] for line in capsys.readouterr().err.splitlines()]
    assert table[-2:] == [["deadly", "3", "BrokenExecutor:"], ["left", "1", "SystemExit:"]]
    assert [times(run) for run in run_all([specs[0], specs[2]], executor)] == [1, 1]


def test_a_pool_that_takes_no_more_calls_ends_in_one_error(tmp_path):
    with pytest.raises(CellsFailedError, match="2 of 2"):
        run_all([Spec(tmp_path / "a", note), Spec(tmp_path / "b", note)], Broken())


def test_provenance_tells_of_cells_made_earlier_and_of_other_code(tmp_path):
    results = Results(tmp_path / "results", tmp_path / "cells")
    specs = [Spec(results.cells / str(seed), note, {"seed": seed}) for seed in range(2)]
    run_serial(specs[0])
    path = specs[0].folder / "environment.json"
    files.write_json(path, files.read_json(path) | {"commit": "earlier", "start": "2001-01-01T00:00:00+00:00"})
    results.run_all(specs, SerialExecutor())
    cells = results.provenance()["cells"]
    assert cells["number"] == 2
    assert cells["start"].startswith("2001")
    assert cells["end"] > "2020"
    assert "earlier" in cells["commits"]
    assert len(cells["commits"]) == 2


def at(time: str) -> str:
    return f"2026-01-01T{time}:00+00:00"


def test_the_minutes_of_a_study_are_those_in_which_its_cells_ran(tmp_path):
    results = Results(tmp_path / "results", tmp_path / "cells")
    specs = [Spec(results.cells / str(seed), note, {"seed": seed}) for seed in range(4)]
    results.run_all(specs, SerialExecutor())
    killed = {"resumed": [{"start": at("10:06"), "left": None}]}
    paused = {"resumed": [{"start": at("11:00"), "left": at("08:07")}]}
    spans = [("10:00", "10:10", {}), ("10:05", "10:20", {}), ("02:00", "10:08", killed), ("08:00", "11:02", paused)]
    minutes = []
    for spec, (start, end, entered) in zip(specs, spans, strict=True):
        path = spec.folder / "environment.json"
        files.write_json(path, files.read_json(path) | {"start": at(start), "end": at(end)} | entered)
        minutes.append(Run.open(spec.folder).minutes)
    assert minutes == [10, 15, 2, 7 + 2]
    provenance = results.provenance()
    assert provenance["minutes"] == 20 + 7 + 2, "two side by side count once, a pause not at all"
    assert provenance["cells"]["start"] == at("02:00")


@pytest.fixture
def survive_cluster(monkeypatch, stock_random):  # Dask draws from the global random numbers
    monkeypatch.syspath_prepend(EXPERIMENTS)
    return importlib.import_module("survive_cluster")


def test_a_study_with_a_worker_killed_in_the_middle_gives_the_serial_bits(survive_cluster):
    serial, processes, dask = survive_cluster.survive(cells=4, workers=2)
    assert (serial["killed"], serial["tried_again"]) == (0, 0)
    for row in (processes, dask):
        assert (row["killed"], row["tried_again"]) == (1, 1)
        assert row["sha256"] == serial["sha256"]


STUDY = """
import os, time
from dataclasses import dataclass, field
from pathlib import Path
import pandas as pd
from evovae.studies import Spec, Workers, run_all, start

@dataclass(frozen=True)
class Arguments:
    where: Workers = field(default_factory=Workers)

def main(arguments):
    with arguments.where.executor() as executor:
        run_all([Spec(Path("cells") / str(seed), fill, {"seed": seed}) for seed in range(3)], executor)

def fill(run, seed):
    with open(f"{run.folder}.log", "a") as log:
        print(os.getpid(), file=log)
    while seed > 0 and not (run.folder.parent / "go").exists():
        time.sleep(0.02)
    run.write_table("seed.csv", pd.DataFrame({"seed": [seed]}))

if __name__ == "__main__":
    start(main, Arguments, "A study.")
"""


def test_a_study_without_a_guard_ends_in_one_line_that_names_it(tmp_path):
    (tmp_path / "study.py").write_text(STUDY.replace('if __name__ == "__main__":', "if True:"))
    command = [sys.executable, "study.py", "--workers", "2"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert [line for line in done.stderr.splitlines() if "cells" not in line] == [f"study.py: {GUARD}"]
    assert [path.name for path in tmp_path.iterdir()] == ["study.py"], "nothing ran"


class Study:
    """A script whose first cell ends at once, and whose others wait for a sign."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.cells = folder, folder / "cells"
        (folder / "study.py").write_text(STUDY)

    def start(self, *arguments: str) -> subprocess.Popen:
        command = [sys.executable, "study.py", *arguments]
        return subprocess.Popen(command, cwd=self.folder, stderr=subprocess.PIPE, text=True)

    def processes(self, cell: int) -> list[int]:
        log = self.cells / f"{cell}.log"
        return [int(line) for line in log.read_text().split()] if log.exists() else []

    def statuses(self) -> list[str]:
        return [Run(self.cells / str(cell)).environment["status"] for cell in range(3)]


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_study_that_was_stopped_in_processes_goes_on_with_dask(tmp_path, survive_cluster):
    study = Study(tmp_path)
    process = study.start("--workers", "2")
    wait_until(lambda: len(study.processes(1)) == len(study.processes(2)) == 1)
    process.send_signal(signal.SIGTERM)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 143
    assert error.splitlines()[-1] == "study.py: interrupted: the same command resumes it"
    assert study.statuses() == ["finished", "interrupted", "interrupted"]
    assert not any(map(psutil.pid_exists, study.processes(1) + study.processes(2)))
    (study.cells / "go").touch()
    with survive_cluster.local_cluster(2) as where:
        process = study.start("--scheduler", where.scheduler)
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert study.statuses() == ["finished"] * 3
    assert [len(study.processes(cell)) for cell in range(3)] == [1, 2, 2]


def test_a_local_cluster_listens_on_this_machine_alone(survive_cluster):
    with survive_cluster.local_cluster(1):
        here = psutil.Process()
        sockets = [socket for p in (here, *here.children(recursive=True)) for socket in p.net_connections("inet")]
        listening = [socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN]
    assert len(listening) >= 2
    assert set(listening) == {"127.0.0.1"}
