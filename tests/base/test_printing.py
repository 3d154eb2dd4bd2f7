"""What cannot be printed is dropped: no run fails for a full disk, a closed pipe, or a terminal that has gone."""

import io
import json
import os
import pty
import subprocess
import sys
import time
from pathlib import Path

import pytest

from evovae.base.printing import SafeStream

PROGRAM = """
import signal, sys, time
from pathlib import Path
from evovae.base import deferring, run_program, track

def program():
    with open(sys.argv[1], "w") as kept:
        with track("größe", 3) as advance, deferring():
            advance(1, "a third")
            if len(sys.argv) > 2:
                print("begun", flush=True)
                while not Path(sys.argv[2]).exists():
                    advance(2, "on")
                    time.sleep(0.01)
                    print("on", file=kept, flush=True)
                kept.truncate(kept.seek(0))
            advance(3, "all")
        kept.write("kept")
    print("größe")

run_program("it", program)
"""
SMALL = "--epochs 1 --train-images 200 --hidden 8 --latent-dim 2 --device cpu"


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def shell(command: str, folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    full = f"'{sys.executable}' -W error {command}"
    variables = os.environ | {"OMP_NUM_THREADS": "1"} | environment
    return subprocess.run(full, shell=True, cwd=folder, env=variables, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("redirected", "status", "said", "error"),
    [
        ("", 0, "größe\n", "größe"),
        ("2>/dev/full", 0, "größe\n", ""),
        ("2>&-", 0, "größe\n", ""),
        (">/dev/full", 1, "", "it: standard output cannot be written (No space left on device)"),
        (">/dev/full 2>/dev/full", 1, "", ""),
        (">&-", 0, "", "größe"),
        ("<&- >&- 2>&-", 0, "", ""),
    ],
)
def test_a_program_goes_on_wherever_its_output_goes(
    redirected: str, status: int, said: str, error: str, program: Path
) -> None:
    done = shell(f"{program} kept {redirected}", program.parent, PYTHONIOENCODING="utf-8")
    assert (done.returncode, done.stdout) == (status, said)
    assert error in done.stderr
    assert bool(error) == bool(done.stderr)
    assert "Traceback" not in done.stderr
    assert (program.parent / "kept").read_text() == "kept", "what is printed must not end up in a file of the run"


def test_a_reader_that_has_gone_is_no_failure(program: Path) -> None:
    reader, writer = os.pipe()
    os.close(reader)
    with open(writer, "w") as closed:
        command = [sys.executable, program, program.parent / "kept"]
        done = subprocess.run(command, stdout=closed, stderr=subprocess.PIPE, check=False)
        assert done.returncode == 0
        assert b"written" not in done.stderr
        assert subprocess.run(command, stdout=closed, stderr=closed, check=False).returncode == 0
    assert (program.parent / "kept").read_text() == "kept"


def test_a_terminal_that_closes_is_no_failure(program: Path) -> None:
    ours, theirs = pty.openpty()
    command = [sys.executable, program, program.parent / "kept", program.parent / "go"]
    with subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True) as process:
        os.close(theirs)
        while b"begun" not in os.read(ours, 4096):
            pass
        os.close(ours)
        kept = program.parent / "kept"
        deadline, before = time.monotonic() + 60, kept.stat().st_size
        while kept.stat().st_size < before + 30 * len("on\n"):  # 0.3 s or more: a few pictures of the bar
            assert time.monotonic() < deadline
            time.sleep(0.01)
        (program.parent / "go").touch()
    assert process.returncode == 0
    assert (program.parent / "kept").read_text() == "kept"


def test_signs_that_the_encoding_lacks_are_written_as_escapes(program: Path) -> None:
    done = shell(f"{program} kept", program.parent, PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stdout) == (0, "gr\\xf6\\xdfe\n")
    assert "gr\\xf6\\xdfe" in done.stderr


def test_a_run_is_finished_though_nothing_of_it_can_be_printed(tmp_path: Path) -> None:
    done = shell(f"-m evovae train --out vae {SMALL} 2>/dev/full", tmp_path, PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert json.loads((tmp_path / "vae" / "environment.json").read_text())["status"] == "finished"
    assert "vae/figures/training.png" in done.stdout


def test_the_first_failure_is_kept_and_nothing_is_written_after_it() -> None:
    class Filling(io.StringIO):
        def write(self, text: str, /) -> int:
            if "full" in text:
                raise OSError(28, "No space left on device")
            return super().write(text)

    file = Filling()
    stream = SafeStream(file)
    print("fits", file=stream)
    assert stream.failure is None
    for text in ("full", "fits again"):
        print(text, file=stream, flush=True)
    assert isinstance(stream.failure, OSError)
    assert file.getvalue() == "fits\n"
    file.close()
    closed = SafeStream(file)
    print("closed", file=closed)
    assert isinstance(closed.failure, ValueError)
    print("nowhere", file=SafeStream(None), flush=True)
