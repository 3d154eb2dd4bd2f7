"""Checkpoints: the complete state of a run, written now and then and when it is asked to stop."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from evovae.base import InputError, Interrupted, State, Stateful, deferring, files, join
from evovae.runs.config import CheckpointConfig
from evovae.runs.folders.folder import Run

CHECKPOINT, PREVIOUS = "checkpoint.safetensors", "checkpoint.previous.safetensors"
MAX_BYTES = 64 << 30
"""Most bytes of a checkpoint that are read: 64 GiB. It grows with what the run itself holds in memory."""


class Checkpoints:
    """Writes the state of the parts of a run into its folder.

    Args:
        run: the run; its folder is held.
        parts: what there is to keep, by name.
        config: how often.
        publish: called after each checkpoint, to write what others read of an unfinished run.
    """

    def __init__(
        self, run: Run, parts: Mapping[str, Stateful], config: CheckpointConfig, publish: Callable[[], None]
    ) -> None:
        self._parts, self._run, self._publish = parts, run, publish
        self._every, self._seconds = config.checkpoint_every, config.checkpoint_seconds
        self._since, self._saved = 0, time.monotonic()

    def save(self) -> None:
        """Write the state of all parts; the one before is kept until the run is finished."""
        state = join(**{name: part.state() for name, part in self._parts.items()})
        path = self._run.folder / CHECKPOINT
        with contextlib.suppress(FileNotFoundError):
            path.replace(path.with_name(PREVIOUS))
        files.save_tensors(path, "checkpoint", state, {})
        self._publish()
        self._since, self._saved = 0, time.monotonic()

    def finish(self) -> None:
        """Write the last state, from which a longer run may continue."""
        self.save()
        (self._run.folder / PREVIOUS).unlink(missing_ok=True)

    @contextlib.contextmanager
    def keeping(self) -> Iterator[Callable[[bool], None]]:
        """Yield a function to call between steps, where the state is whole: it saves when it is time to.

        Its argument is whether an epoch or a generation came to its end. Ctrl-C and SIGTERM wait for it, and end the
        block after a checkpoint.
        """
        with deferring() as check:

            def between_steps(ended: bool) -> None:
                try:
                    check()
                except Interrupted:
                    self.save()
                    raise
                self._since += ended
                if self._since == self._every or time.monotonic() - self._saved >= self._seconds:
                    self.save()

            yield between_steps


def read_checkpoint(run: Run) -> State | None:
    """Return the last complete state of a run that is held; None if it was stopped before there was one.

    If that is the one before the last, the last is damaged, and gives its place to it.

    Raises:
        InputError: if neither the last nor the one before can be read.
    """
    damage = None
    for path in (run.folder / CHECKPOINT, run.folder / PREVIOUS):
        if path.exists():
            try:
                state = State(files.load_tensors(path, "checkpoint", MAX_BYTES)[0])
            except InputError as error:
                damage = damage or error
            else:
                path.replace(run.folder / CHECKPOINT)
                return state
    if damage is not None:
        raise damage
    return None


def restore(run: Run, state: State, parts: Mapping[str, Callable[[State], None]]) -> None:
    """Give `parts` of a run what its `state` holds for each.

    Raises:
        InputError: if it does not fit.
    """
    for name, restore_part in parts.items():
        try:
            restore_part(state.part(name))
        except (ValueError, TypeError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise InputError(f"{run.folder / CHECKPOINT} does not fit the run's settings: {reason}") from error
