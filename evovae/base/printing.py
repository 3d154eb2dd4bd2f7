"""Printing where that may not be possible: to a full disk, a pipe that was closed, a terminal that has gone."""

from __future__ import annotations

import contextlib
import errno
import io
import os
import sys
from collections.abc import Callable, Iterator
from typing import TextIO

GONE = (errno.EPIPE, errno.EIO, errno.EBADF)
"""Errors of a pipe that nobody reads any more, and of a terminal that was closed."""


class SafeStream(io.TextIOBase):
    """Text that goes to another stream and never fails: what cannot be written is dropped, and so is all that follows.

    Characters that the other's encoding lacks are written as escapes.

    Args:
        stream: the other; None, which Python has for one that was closed from the start, drops everything.

    Attributes:
        failure: why something could not be written; None while everything could.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream
        self.failure: OSError | ValueError | None = None

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Of the other stream."""
        return getattr(self._stream, "encoding", None) or "utf-8"

    def isatty(self) -> bool:
        """Whether the other is a terminal that is there."""
        return self._stream is not None and self._stream.isatty()

    def fileno(self) -> int:
        """Return the other's descriptor."""
        if self._stream is None:
            raise io.UnsupportedOperation("fileno")
        return self._stream.fileno()

    def writable(self) -> bool:
        """Whether it can be written to: always."""
        return True

    def write(self, text: str, /) -> int:
        """Write `text`, or drop it."""
        written = text.encode(self.encoding, "backslashreplace").decode(self.encoding)
        self._attempt(lambda stream: stream.write(written))
        return len(text)

    def flush(self) -> None:
        """Send on what waits in the other's buffer, or drop it."""
        self._attempt(lambda stream: stream.flush())

    def _attempt(self, act: Callable[[TextIO], object]) -> None:
        if self._stream is None or self.failure is not None:
            return
        try:
            act(self._stream)
        except (OSError, ValueError) as error:  # the latter of a stream that was closed
            self.failure = error


@contextlib.contextmanager
def safe_output() -> Iterator[SafeStream]:
    """Let nothing in the block fail because standard output or standard error cannot be written; yields the former."""
    _open_standard_files()
    out, error = SafeStream(sys.stdout), SafeStream(sys.stderr)
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(error):
        try:
            yield out
        finally:
            for stream in (out, error):
                stream.flush()
                if stream.failure is not None:
                    _discard(stream)


def _open_standard_files() -> None:
    """Put nothing where a standard file was closed: the next file opened would get its number, and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # it has the lowest number that is free: this one


def _discard(stream: SafeStream) -> None:
    """Let what a stream could not write go nowhere: Python, at its end, would try again and fail."""
    with contextlib.suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def format_number(value: float, decimals: int = 2) -> str:
    """Return a number for people: with this number of `decimals`, and short however large it is."""
    return f"{value:.{decimals}f}" if abs(value) < 1e6 else f"{value:.2g}"


def say(line: str) -> None:
    """Write a line to standard error; one that cannot be written is dropped."""
    error = SafeStream(sys.stderr)
    error.write(f"{line}\n")
    error.flush()
