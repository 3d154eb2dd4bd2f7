"""evovae illuminate, as a user types it."""

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from events import wait_for
from PIL import Image
from places import FORMATS

from evovae import cli
from evovae.runs import Run

VAE = FORMATS / "format-1" / "vae"
SMALL = (
    *("--grid", "8", "6", "--generations", "4", "--replicates", "2", "--emitters", "2", "--batch-size", "6"),
    *("--device", "cpu"),
)
MINE = """
from pathlib import Path

import torch
from evovae import DecoderEncoding


def make():
    return DecoderEncoding(lambda z: z.sigmoid().repeat(1, 32).unflatten(1, (3, 8, 8)), 6, (3, 8, 8))


def redness(images):
    if len(images) == 24 and Path("stop").exists():
        raise KeyboardInterrupt
    return images[:, 0].mean((1, 2))


def corners(images):
    return torch.stack((images[:, 1, 0, 0], images[:, 2, -1, -1]), 1)


corners.names, corners.ranges = ("green", "blue"), ((0, 1), (0, 1))
"""
FILES = ("history.csv", "baseline.csv", "archive.safetensors", "archive.csv", "checkpoint.safetensors")


def evovae(*arguments: object) -> tuple[int, str, str]:
    """Run the program here; its exit status, and what it printed."""
    output, error, status = io.StringIO(), io.StringIO(), 0
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(output),
        contextlib.redirect_stderr(error),
    ):
        patch.setattr(sys, "argv", ["evovae", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
    return status, output.getvalue(), error.getvalue()


def checked(*arguments: object) -> str:
    status, output, error = evovae(*arguments)
    assert status == 0, error
    return output


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder. Shared: look, do not write."""
    out = tmp_path_factory.mktemp("runs") / "run"
    printed = checked("illuminate", "--vae", VAE, "--objective", "digit:8", "--out", out, *SMALL)
    (out.parent / "printed").write_text(printed)
    return out


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def test_the_command_prints_what_was_reached_and_with_which_realism(run: Path) -> None:
    printed = (run.parent / "printed").read_text()
    for word in ("digit:8 by boldness, lightness, cmaMAE", "8 x 6 cells", "coverage (95%)", "QD score (95%)"):
        assert word in printed
    assert "random search" in printed
    assert "held-out" in printed
    for name in ("progress", "archive", "elites"):
        assert f"{run / 'figures' / name}.png" in printed
    table = pd.read_csv(run / "archive.csv")
    assert table[["held_out", "typicality", "pixel_typicality"]].stack().between(0, 1).all()
    assert table["measures_0"].between(0, 784).all()
    assert set(table["search"]) == {"illumination", "random search"}
    summary = pd.read_csv(run / "summary.csv")
    assert summary["coverage"].between(0, 1).all()
    settings = Run.open(run).settings.illumination
    assert settings.ranges == (0.0, 784.0, 0.5, 1.0)


def test_a_killed_run_is_resumed_to_the_bit(run: Path, tmp_path: Path) -> None:
    out = tmp_path / "killed"
    command = [sys.executable, "-W", "error", "-m", "evovae", "illuminate", "--vae", VAE, "--objective", "digit:8"]
    options = [*SMALL, "--checkpoint-every", "1", "--out", out]
    process = subprocess.Popen([*command, *options], stderr=subprocess.PIPE, env=os.environ | {"OMP_NUM_THREADS": "1"})
    wait_for(lambda: (out / "checkpoint.safetensors").exists() or process.poll() is not None)
    process.kill()
    process.communicate()
    checked("resume", out)
    for name in FILES:
        assert (out / name).read_bytes() == (run / name).read_bytes(), name


def test_ctrl_c_keeps_a_checkpoint_and_says_how_to_go_on(mine: Path) -> None:
    own = ("--generator", "mine.py:make", "--objective", "mine.py:redness", "--measures", "mine.py:corners")
    checked("illuminate", *own, *SMALL, "--out", "whole")
    (mine / "stop").write_text("")
    status, _, error = evovae("illuminate", *own, *SMALL, "--out", "cut")
    assert status == 130
    assert "resume it with: evovae resume cut" in error.splitlines()[-1]
    (mine / "stop").unlink()
    checked("resume", "cut")
    for name in FILES:
        assert (mine / "cut" / name).read_bytes() == (mine / "whole" / name).read_bytes(), name
    (mine / "mine.py").write_text(MINE.replace("1, 0, 0]", "1, 0, 1]"))
    status, _, error = evovae("resume", "cut", "--generations", "6")
    assert status == 2
    assert "has changed since the run began" in error


def test_measures_of_one_s_own_are_axes_of_colour_pictures(mine: Path) -> None:
    own = ("--generator", "mine.py:make", "--objective", "lightness", "--measures", "mine.py:corners,boldness")
    printed = checked(
        "illuminate", *own, "--algorithm", "mapElitesLine", *SMALL[3:], "--grid", "4", "4", "3", "--out", "x"
    )
    assert "lightness by green, blue, boldness" in printed
    assert "not measured: there is no image set" in printed


def test_evolve_reports_measures_beside_fitness(mine: Path) -> None:
    own = ("--generator", "mine.py:make", "--objective", "mine.py:redness", "--measures", "mine.py:corners,slant")
    small = ("--population", "6", "--generations", "2", "--replicates", "1", "--baselines", "--device", "cpu")
    printed = checked("evolve", *own, *small, "--out", "run")
    assert "green" in printed
    assert {"green", "blue", "slant"} <= set(pd.read_csv("run/hall_of_fame.csv"))


def test_two_runs_are_compared(run: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    options = ("--objective", "digit:8", "--algorithm", "mapElites", "--initial", "20", "--baselines")
    checked("illuminate", "--vae", VAE, *options, *SMALL, "--out", other)
    checked("plot", run, other, "--out", tmp_path / "curves.png")
    with Image.open(tmp_path / "curves.png") as picture:
        assert picture.width > 2 * picture.height


def test_help_says_what_the_axes_are_by_default() -> None:
    printed = checked("illuminate", "--help")
    assert "boldness,lightness" in printed
    options = [line for line in printed.splitlines() if line.lstrip("│ ").startswith("--")]
    assert len(options) > 20
