"""Waiting for what another process or thread does."""

import time
from collections.abc import Callable

PATIENCE = 600.0
"""Seconds after which an event is taken to have failed: a busy machine may take long for what takes a moment."""


def wait_for(happened: Callable[[], object], every: float = 0.02) -> None:
    """Return when `happened` is true, asked again `every` few seconds; fail if it never is."""
    end = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < end, f"nothing happened in {PATIENCE:.0f} s"
        time.sleep(every)
