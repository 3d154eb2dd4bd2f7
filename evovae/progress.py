"""Progress with time left, on standard error."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterator
from contextvars import ContextVar

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

_shown = ContextVar("_shown", default=True)


@contextlib.contextmanager
def hidden() -> Iterator[None]:
    """Show no bars in the block: it is one of many that run side by side, under a bar of all."""
    before = _shown.set(False)
    try:
        yield
    finally:
        _shown.reset(before)


@contextlib.contextmanager
def track(label: str, total: float, done: int = 0) -> Iterator[Callable[[float, str], None]]:
    """Show a bar for a job of `total` steps; yields a function to call with the steps done and a word on the state.

    Steps that were `done` before do not count as work of now: the time left is told by the others.
    """
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    console = Console(stderr=True)
    # A step may take longer than the 30 s that rich would look back to tell the speed.
    with Progress(*columns, console=console, speed_estimate_period=math.inf, disable=not _shown.get()) as progress:
        task = progress.add_task(label, total=total, completed=done, state="")

        def advance(done: float, state: str) -> None:
            progress.update(task, completed=done, state=state)

        yield advance
