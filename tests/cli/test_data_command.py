"""What the program says and keeps of the image set that it read."""

import contextlib
import io
import json
import sys
from pathlib import Path

import pytest
from making import noise

from evovae import cli
from evovae.objectives.judges import training
from evovae.runs import Run, TrainingSettings
from evovae.runs.problems import inputs

SMALL = ("--epochs", "1", "--hidden", "8", "--latent-dim", "2", "--device", "cpu")
SUMMARY = "11 train and 1 test pictures in 2 classes (2, 10); left out: 1 .avif; a tenth held out for test"


def evovae(*arguments: object) -> tuple[int, str]:
    """Run the program here; its exit status, and what is on standard error."""
    error, status = io.StringIO(), 0
    with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stderr(error):
        patch.setattr(sys, "argv", ["evovae", *map(str, arguments)])
        patch.setenv("COLUMNS", "200")
        try:
            cli.main()
        except SystemExit as end:
            status = int(end.code or 0)
    return status, error.getvalue()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for number in range(12):
        noise(tmp_path / "own" / ("10", "2")[number % 2] / f"{number}.png", number, size=(8, 8))
    (tmp_path / "own" / "2" / "x.avif").write_text("")
    return tmp_path / "own"


def test_what_was_read_is_printed_and_kept(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(training, "MAX_STEPS", 10)  # what judges know is not asked
    status, error = evovae("train", "--dataset", folder, "--out", tmp_path / "vae", *SMALL)
    assert status == 0
    assert f"{folder}: {SUMMARY}\n" in error
    run = Run.open(tmp_path / "vae")
    assert isinstance(run.settings, TrainingSettings)
    assert run.settings.classes == ("2", "10")
    assert run.environment["images"] == SUMMARY
    evolution = (
        "--population",
        "4",
        "--generations",
        "1",
        "--replicates",
        "1",
        "--device",
        "cpu",
        "--objective",
        "ink",
    )
    status, error = evovae("evolve", "--vae", tmp_path / "vae", "--out", tmp_path / "ink", *evolution)
    assert status == 0, error
    assert f"{folder}: {SUMMARY}\n" in error
    assert Run.open(tmp_path / "ink").config["classes"] == ["2", "10"]
    assert Run.open(tmp_path / "ink").environment["images"] == SUMMARY


def test_a_run_without_names_of_classes_still_loads(folder: Path, tmp_path: Path):
    evovae("train", "--dataset", folder, "--out", tmp_path / "vae", *SMALL)
    path = tmp_path / "vae" / "config.json"
    config = json.loads(path.read_text())
    del config["classes"]
    for name in ("fit", "background", "unreadable"):
        del config["data"][name]
    path.write_text(json.dumps(config))
    settings = Run.open(tmp_path / "vae").settings
    assert isinstance(settings, TrainingSettings)
    assert settings.classes == ()
    assert (settings.data.fit, settings.data.background, settings.data.unreadable) == ("crop", "white", "stop")


def test_an_unreadable_picture_ends_in_one_line_or_is_skipped(folder: Path, tmp_path: Path):
    (folder / "2" / "cut.png").write_bytes(b"\x89PNG")
    status, error = evovae("train", "--dataset", folder, "--out", tmp_path / "vae", *SMALL)
    assert (status, error.count("\n")) == (2, 1)
    assert "cut.png" in error
    assert "--unreadable skip" in error
    assert not (tmp_path / "vae").exists()
    status, error = evovae("train", "--dataset", folder, "--out", tmp_path / "vae", "--unreadable", "skip", *SMALL)
    assert status == 0
    assert "1 unreadable (cut.png)" in error


def test_reading_that_takes_long_shows_progress(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(inputs, "SILENCE", 0)
    _, error = evovae("train", "--dataset", folder, "--out", tmp_path / "vae", *SMALL)
    assert "reading pictures" in error
    assert "100%" in error[: error.index(SUMMARY)]
