"""Names of classes: found as people write them, and listed for messages."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence

from evovae.base import UNPRINTABLE, InputError, shown

ROOM = 100
"""Characters that a list of names may take in one line."""


def legible(name: str) -> str:
    """Return `name` with U+FFFD for what no line of text can hold: control characters, and bytes that were no UTF-8."""
    return UNPRINTABLE.sub("\ufffd", name)


def listed(classes: Sequence[str]) -> str:
    """Return the names of `classes` in one line, cut short where they are many: "a, b, c and 97 more"."""
    names = [legible(name) for name in classes]
    room, most = ROOM, 0
    while most < len(names) and (most == 0 or len(names[most]) + 2 <= room):
        room -= len(names[most]) + 2
        most += 1
    rest = len(names) - most
    return ", ".join(shortened(name, ROOM) for name in names[:most]) + (f" and {rest:,} more" if rest else "")


def shortened(name: str, most: int) -> str:
    """Return `name` with its end cut off where it is longer than `most`."""
    return name if len(name) <= most else name[: most - 1] + "…"


def find(name: str, classes: Sequence[str]) -> int:
    """Return the place among `classes` of the one named `name`.

    A name in the same letters wins; else one that differs in case alone (or in how an accent is composed) will do.

    Raises:
        InputError: if there is none, or more than one.
    """
    for key in (str, folded):
        places = [place for place, known in enumerate(classes) if key(known) == key(name)]
        if len(places) > 1:
            alike = listed([classes[place] for place in places])
            raise InputError(f"class {shown(name)} may be any of {alike}: expected the name of one, in its own letters")
        if places:
            return places[0]
    raise InputError(f"class {shown(name)} is not there: the classes are {listed(classes)}")


def folded(name: str) -> str:
    """Return `name` without what it may differ in: case, and how an accent is composed."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())
