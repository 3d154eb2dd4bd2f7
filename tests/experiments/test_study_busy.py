"""The study of a busy machine: what it measures of a command, and what it divides by what."""

from pathlib import Path

import pandas as pd
import pytest
import speed_busy


def test_a_command_is_measured_given_up_or_told(tmp_path: Path) -> None:
    found = speed_busy.measure(["-c", "sum(range(3_000_000))"], tmp_path, {}, 60)
    assert found["ended"]
    assert 0 < found["processor"] < found["seconds"] * 2
    with speed_busy.busy(True):
        assert not speed_busy.measure(["-c", "import time; time.sleep(60)"], tmp_path, {}, 0.3)["ended"]
    with pytest.raises(RuntimeError, match="no such thing"):
        speed_busy.measure(["-c", "raise ValueError('no such thing')"], tmp_path, {}, 60)


def test_a_command_has_the_settings_that_are_tried_and_no_others(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("GOMP_SPINCOUNT", "5")
    for way, expected in speed_busy.settings((1_000,)).items():
        found = "{name: value for name, value in os.environ.items() if 'OMP_' in name}"
        speed_busy.measure(["-c", f"import os; assert {found} == {expected}, {way!r}"], tmp_path, {**expected}, 60)


def test_ratios_are_of_the_same_round_machine_and_command() -> None:
    seconds = {
        "idle": {speed_busy.MANY: 2.0, speed_busy.ONE: 3.0},
        "busy": {speed_busy.MANY: 40.0, speed_busy.ONE: 4.0},
    }
    rows = [
        {"round": number, "machine": machine, "command": "training", "waiting": way, "seconds": value * (number + 1)}
        for number in range(2)
        for machine, ways in seconds.items()
        for way, value in ways.items()
    ]
    assert speed_busy.with_ratios(pd.DataFrame(rows))["ratio"].tolist() == [1.0, 1.5, 10.0, 1.0] * 2
