"""Progress with time left, on standard error."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn


@contextlib.contextmanager
def track(label: str, total: float) -> Iterator[Callable[[float, str], None]]:
    """Show a bar for a job of `total` steps; yields a function to call with the steps done and a word on the state."""
    columns = (
        TextColumn("{task.description:<16}"),
        BarColumn(bar_width=30),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
        TextColumn("{task.fields[state]}"),
    )
    with Progress(*columns, console=Console(stderr=True)) as progress:
        task = progress.add_task(label, total=total, state="")

        def advance(done: float, state: str) -> None:
            progress.update(task, completed=done, state=state)

        yield advance
