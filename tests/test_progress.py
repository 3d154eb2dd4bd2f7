"""Bars: they tell the time left of slow steps too, and cells that run side by side show none of their own."""

import functools

from rich.console import Console

from evovae import progress
from evovae.progress import hidden, track


def test_the_time_left_is_told_when_a_step_takes_long(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress, "Console", functools.partial(Console, get_time=lambda: now[0]))
    with track("slow", 5) as advance:
        for step in (1, 2, 3):
            now[0] += 3600
            advance(step, "so far")
    assert "left 2:00:00 so far" in capsys.readouterr().err


def test_hidden_bars_are_silent_and_the_next_ones_are_not(capsys):
    with hidden(), track("inner", 1) as advance:
        advance(1, "")
    with track("outer", 1) as advance:
        advance(1, "")
    err = capsys.readouterr().err
    assert "inner" not in err
    assert "outer" in err


def test_what_was_done_before_a_resumption_does_not_count_as_speed(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr(progress, "Console", functools.partial(Console, get_time=lambda: now[0]))
    with track("resumed", 100, 96) as advance:
        for step in (97, 98):
            now[0] += 3600
            advance(step, "so far")
    assert "left 2:00:00 so far" in capsys.readouterr().err
