"""The one exception for bad input: the command line prints it as a single line and exits with status 2."""

import re
import reprlib
from numbers import Real
from typing import Any

UNPRINTABLE = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
"""What no line of text can hold: control characters, line separators, and bytes that were no UTF-8."""


class InputError(ValueError):
    """Something the user gave cannot be used.

    The message is one line that names the value, says what was expected and what to do.
    """


_short = reprlib.Repr()
_short.maxstring = _short.maxlong = _short.maxother = 80


def shown(value: Any) -> str:
    """Return a value that was given for a message: in one line, and short however long or deep it is."""
    if isinstance(dimensions := getattr(value, "ndim", 0), int) and dimensions > 0:
        return f"{type(value).__name__} of shape {tuple(value.shape)}"
    number = isinstance(value, Real) and not isinstance(value, int)  # numpy's are represented with their type
    return re.sub(r"\s*\n\s*", " ", str(value) if number else _short.repr(value))
