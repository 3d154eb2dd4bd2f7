"""Progress: a bar on a terminal, lines in a log; the time left is told of slow steps too, and cells show none."""

import io
import re
import sys
import time

import pytest

from evovae.base import hidden, progress, track

LINE = re.compile(r"\w+ +\d+% \d:\d\d:\d\d left (\d|-):..:..( .+)?")


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(progress.time, "monotonic", made)
    return made


def lines_of(capsys: pytest.CaptureFixture[str]) -> list[str]:
    lines = capsys.readouterr().err.splitlines()
    for line in lines:
        assert LINE.fullmatch(line), line
    return lines


def test_the_time_left_is_told_when_a_step_takes_long(clock, capsys):
    with track("slow", 5) as advance:
        for step in (1, 2, 3):
            clock.now += 3600
            advance(step, "so far")
    assert lines_of(capsys)[-1] == "slow              60% 3:00:00 left 2:00:00 so far"


def test_what_was_done_before_a_resumption_does_not_count_as_speed(clock, capsys):
    with track("resumed", 100, 96) as advance:
        for step in (97, 98):
            clock.now += 3600
            advance(step, "so far")
    assert "left 2:00:00 so far" in lines_of(capsys)[-1]


def test_hidden_progress_is_silent_and_the_next_is_not(capsys):
    with hidden(), track("inner", 1) as advance:
        advance(1, "")
    with track("outer", 1) as advance:
        advance(1, "")
    (line,) = lines_of(capsys)
    assert "outer" in line


def test_a_log_gets_a_line_for_each_new_state_and_no_more_than_one_a_second(clock, monkeypatch, capsys):
    monkeypatch.setattr(progress, "MAX_INTERVAL", 1e9)
    with track("training", 1000) as advance:
        for step in range(1, 1001):
            clock.now += 0.01
            advance(step, f"epoch {step // 250}" if step >= 250 else "")
    states = [line.partition("left ")[2][8:] for line in lines_of(capsys)]
    assert [state for state in states if state] == ["epoch 1", "epoch 2", "epoch 3", "epoch 4"]
    with track("evolution", 1000) as advance:
        for step in range(1, 1001):
            clock.now += 0.01
            advance(step, f"best {step}")
    assert 9 <= len(lines_of(capsys)) <= 12


def test_a_log_hears_of_a_step_that_takes_long(monkeypatch, capsys):
    monkeypatch.setattr(progress, "MIN_INTERVAL", 0.05)
    monkeypatch.setattr(progress, "MAX_INTERVAL", 0.1)
    lines, begun = [], time.monotonic()
    with track("waiting", 3) as advance:
        advance(1, "one")
        while len(lines) < 4:
            assert time.monotonic() < begun + 60
            time.sleep(0.01)
            lines += lines_of(capsys)
    seconds = time.monotonic() - begun
    assert len(lines) <= seconds / 0.1 + 1
    assert all("33%" in line and line.endswith("one") for line in lines)


def test_a_log_has_neither_colour_nor_carriage_returns_whatever_asks_for_them(monkeypatch, capsys):
    monkeypatch.setenv("FORCE_COLOR", "1")
    with track("coloured", 1) as advance:
        advance(1, "done")
    written = capsys.readouterr().err
    assert written.endswith("done\n")
    assert "\r" not in written
    assert "\x1b" not in written


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_terminal_gets_a_bar_unless_it_is_a_dumb_one(monkeypatch):
    for name, moves in (("xterm", True), ("dumb", False)):
        monkeypatch.setenv("TERM", name)
        terminal = Terminal()
        monkeypatch.setattr(sys, "stderr", terminal)
        with track("shown", 2) as advance:
            advance(2, "ended")
        assert ("\x1b" in terminal.getvalue()) == moves
        assert "ended" in terminal.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
def test_progress_that_cannot_be_written_fails_nothing(terminal, monkeypatch):
    class Gone(io.StringIO):
        def isatty(self) -> bool:
            return terminal

        def write(self, text: str, /) -> int:
            raise OSError(5, "Input/output error")

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", Gone())
    with track("unseen", 2) as advance:
        advance(1, "half")
        advance(2, "all")
    monkeypatch.setattr(sys, "stderr", None)
    with track("unseen", 1) as advance:
        advance(1, "all")


def test_times_that_nobody_will_see_are_told_all_the_same(clock, capsys):
    with track("endless", 1e30) as advance:
        clock.now += 3600
        advance(1, "begun")
    assert "begun" in capsys.readouterr().err
