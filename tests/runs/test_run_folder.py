"""Run folders: made whole, refused when in use, and believable afterwards."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import IO

import pandas as pd
import pytest
from refusals import refused

from evovae.base import InputError, locks
from evovae.runs import Run, check_out, recording
from evovae.runs.folders import provenance


def test_a_run_remembers_its_settings_and_its_circumstances_apart(tmp_path: Path) -> None:
    with recording(tmp_path / "run", "training", {"answer": 42}) as run:
        assert json.loads((run.folder / "environment.json").read_text())["status"] == "running"
    assert Run.open(run.folder).config == {"format": 1, "kind": "training", "answer": 42}
    environment = json.loads((run.folder / "environment.json").read_text())
    assert environment["status"] == "finished"
    assert environment["end"] >= environment["start"]
    assert {"python", "torch", "deap", "evovae"} <= environment["versions"].keys()


@pytest.mark.parametrize(("error", "status"), [(KeyboardInterrupt, "interrupted"), (OSError, "failed")])
def test_how_a_run_ended_is_kept(tmp_path: Path, error: type[BaseException], status: str) -> None:
    with pytest.raises(error), recording(tmp_path / "run", "training", {}):
        raise error
    assert json.loads((tmp_path / "run" / "environment.json").read_text())["status"] == status


def test_a_table_keeps_its_numbers(tmp_path: Path) -> None:
    table = pd.DataFrame({"a": [1, 2], "b": [0.1, float("nan")], "c": [1e-30, 1 / 3]})
    with recording(tmp_path / "run", "training", {}) as run:
        run.write_table("t.csv", table)
    pd.testing.assert_frame_equal(run.read_table("t.csv"), table, rtol=1e-8)


def test_a_folder_that_is_not_empty_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("precious")
    with refused(str(tmp_path), "--overwrite"):
        check_out(tmp_path, "training")
    with refused(str(tmp_path), "no run folder"):
        check_out(tmp_path, "training", overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_overwriting_replaces_the_whole_run(tmp_path: Path) -> None:
    with recording(tmp_path / "run", "training", {}) as run:
        run.write_table("old.csv", pd.DataFrame({"a": [1]}))
        (run.figures / "old.png").write_bytes(b"")
    with recording(tmp_path / "run", "training", {"new": 1}, overwrite=True):
        pass
    assert {path.name for path in (tmp_path / "run").iterdir()} == {"config.json", "environment.json"}
    assert Run.open(tmp_path / "run").config["new"] == 1


def test_a_run_of_another_kind_is_not_overwritten(tmp_path: Path) -> None:
    with recording(tmp_path / "run", "training", {"precious": 1}):
        pass
    with refused(str(tmp_path / "run"), "training"), recording(tmp_path / "run", "evolution", {}, overwrite=True):
        pass
    assert Run.open(tmp_path / "run").config["precious"] == 1


@pytest.mark.parametrize("content", ["{}", '{"kind": "training"}', '{"kind": ["cell"], "format": 1}', "no JSON", "[]"])
def test_what_another_program_calls_config_is_no_run(tmp_path: Path, content: str) -> None:
    for name in ("config.json", "environment.json"):
        (tmp_path / name).write_text(content)
    with recording(tmp_path / "runs" / "vae", "training", {}):
        pass
    assert Run.open(tmp_path / "runs" / "vae").finished
    with refused(f"{tmp_path} is not empty and no run folder", "--overwrite replaces runs only"):
        check_out(tmp_path, "training", overwrite=True)
    with refused(f"{tmp_path} holds no run: expected one of cell"), recording(tmp_path, "cell", {}, resume=True):
        pass
    assert (tmp_path / "config.json").read_text() == content


@pytest.mark.parametrize(("kind", "open"), [("training", False), ("evolution", False), ("cell", True)])
def test_only_a_cell_may_hold_other_runs(tmp_path: Path, kind: str, open: bool) -> None:
    with recording(tmp_path / "outer", kind, {}):
        pass
    if open:
        check_out(tmp_path / "outer" / "inner", "training")
    else:
        with refused("inner is inside", "choose another --out"):
            check_out(tmp_path / "outer" / "inner", "training")


def test_a_file_or_a_folder_below_a_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with refused(str(file), "is a file"):
        check_out(file, "training")
    with refused(str(file / "run"), "no writable folder"):
        check_out(file / "run", "training")


def test_a_folder_in_use_is_refused_until_its_writer_ends(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    code = "import sys; from evovae.runs import recording as r\nwith r(sys.argv[1], 'training', {}): print(input())"
    writer = subprocess.Popen(
        [sys.executable, "-c", code, str(folder)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    try:
        while not (folder / "environment.json").exists():
            assert writer.poll() is None
        with refused(str(folder), "in use"), recording(folder, "training", {}, overwrite=True):
            pass
    finally:
        writer.kill()
        writer.communicate()
    with recording(folder, "training", {}, overwrite=True) as run:
        assert run.folder == folder


@pytest.mark.parametrize(
    ("content", "word"),
    [
        (None, "no run folder"),
        ("{", "JSON"),
        ("[]", "JSON"),
        ('{"kind": "training"}', "format"),
        ('{"format": 1}', "kind"),
    ],
)
def test_what_is_no_run_is_refused(tmp_path: Path, content: str | None, word: str) -> None:
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with refused(str(tmp_path), word):
        _ = Run.open(tmp_path)


def test_a_missing_or_broken_table_is_refused(tmp_path: Path) -> None:
    with recording(tmp_path / "run", "training", {}) as run:
        pass
    with refused("history.csv"):
        _ = run.history
    (run.folder / "history.csv").write_bytes(b"")
    with refused("history.csv"):
        _ = run.history


def test_the_commit_is_absent_outside_a_checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "evovae" / "runs" / "provenance.py"))
    monkeypatch.setattr(provenance, "_commit", provenance._commit.__wrapped__)  # asked anew
    assert provenance.describe_environment()["commit"] is None


def test_an_input_error_is_a_value_error() -> None:
    assert issubclass(InputError, ValueError)


def test_a_run_that_is_entered_again_keeps_its_files_and_says_what_is_other(tmp_path: Path) -> None:
    with (
        pytest.raises(OSError, match="x"),
        recording(tmp_path / "run", "training", {}, circumstances={"seed": 1}) as run,
    ):
        run.write_table("kept.csv", pd.DataFrame({"a": [1]}))
        (run.folder / ".history.csv.7.tmp").write_text("cut off")
        raise OSError("x")
    assert not run.finished
    first = run.environment
    with recording(tmp_path / "run", "training", {"more": 1}, circumstances={"seed": 2}, resume=True) as run:
        assert {path.name for path in run.folder.iterdir()} == {".lock", "kept.csv", "config.json", "environment.json"}
    assert run.finished
    assert run.config["more"] == 1
    (resumed,) = run.environment["resumed"]
    assert resumed["seed"] == 2
    assert first["end"] == resumed["left"] <= resumed["start"] <= run.environment["end"]
    assert "versions" not in resumed
    with refused("run of training: expected one of evolution"), recording(run.folder, "evolution", {}, resume=True):
        pass


def test_a_damaged_environment_costs_nothing_but_itself(tmp_path: Path) -> None:
    with recording(tmp_path / "run", "training", {}) as run:
        pass
    (run.folder / "environment.json").write_text("{")
    assert not run.finished
    with recording(tmp_path / "run", "training", {}, resume=True) as run:
        pass
    assert run.finished


def test_what_a_killed_process_left_does_not_stand_in_the_way(tmp_path: Path) -> None:
    for name in (".lock", ".config.json.17.tmp"):
        (tmp_path / name).write_text("cut off")
    with recording(tmp_path, "training", {}) as run:
        pass
    assert {path.name for path in run.folder.iterdir()} == {"config.json", "environment.json"}


@pytest.mark.parametrize("anew", [True, False])
def test_a_lock_whose_file_was_removed_is_not_taken_for_one_s_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, anew: bool
) -> None:
    """Who held the folder removes its file at its end, and another makes one, between our opening and locking."""
    lock, take = tmp_path / "run" / ".lock", locks.fcntl.flock

    def take_too_late(file: IO[str], how: int) -> None:
        lock.unlink()
        if anew:
            lock.touch()
        take(file, how)

    monkeypatch.setattr(locks.fcntl, "flock", take_too_late)
    with refused("in use"), recording(tmp_path / "run", "training", {}):
        pass
    assert lock.exists() == anew, "it is the other's"
    monkeypatch.undo()
    with recording(tmp_path / "run", "training", {}) as run:
        pass
    assert run.finished


@pytest.mark.parametrize("error", [(28, "No space left on device"), (30, "Read-only file system")])
def test_a_file_that_cannot_be_written_is_named_in_one_line(
    tmp_path: Path, error: tuple[int, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(*error)

    with (
        pytest.raises(RuntimeError, match=r"t\.csv cannot be written .*evovae resume"),
        recording(tmp_path / "run", "training", {}) as run,
    ):
        monkeypatch.setattr(os, "fsync", fail)
        run.write_table("t.csv", pd.DataFrame({"a": [1]}))
    assert Run.open(run.folder).environment["status"] == "running", "nothing more could be written"
    assert not list(run.folder.glob("*.csv"))


def test_bad_input_that_is_found_late_is_a_failure(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="late; what was done is in"), recording(tmp_path / "run", "training", {}):
        raise InputError("late")
