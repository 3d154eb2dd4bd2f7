"""The little language of objectives: "digit:3,0.5*class:Ankle boot+ink" taken apart into terms.

An argument ends before the next `+` or `,`, and spaces around it do not count; one in double quotes may hold all of
them, and a quote of its own if that is written twice. Without quotes, the name of a class is the longest text, up to a
`+`, a `,` or the end, that names one: in the same letters, or else in another case.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from evovae.base import InputError, shown
from evovae.data import folded

CLASS = "class"
"""The objective whose argument is the name of a class."""

# Up to a colon, a comma or a plus sign, but for one after an e, which belongs to a number such as 1e+3.
_HEAD = re.compile(r"(?:[^:,+]|(?<=[0-9.][eE])\+)*")
_PLAIN = re.compile(r"[^,+]*")
_QUOTED = re.compile(r'\s*"((?:[^"]|"")*)"\s*(?=[,+]|$)')


class Term(NamedTuple):
    """One objective in a sum."""

    text: str
    """As it was written."""
    factor: str | None
    """What stands before a star; None where there is none."""
    name: str
    argument: str
    """What follows the colon; empty where there is none."""


class Sum(NamedTuple):
    """Terms that are added."""

    text: str
    """As it was written."""
    terms: list[Term]


def take_apart(spec: str, classes: Sequence[str]) -> list[Sum]:
    """Return the sums, one or more, that `spec` names, side by side.

    Args:
        spec: such as `digit:8`, `digit:8+0.01*boldness` or `digit:3,class:"a, b"`.
        classes: names that those may have that `class:` names.

    Raises:
        InputError: if a quote has no end.
    """
    sums: list[Sum] = []
    end = -1
    while end < len(spec):
        start = end + 1
        terms: list[Term] = []
        while not terms or spec[end : end + 1] == "+":
            term, end = _read_term(spec, end + 1, classes)
            terms.append(term)
        sums.append(Sum(spec[start:end].strip(), terms))
    return sums


def quoted(name: str) -> str:
    """Return a class's name as an argument that names it whatever letters it has: in quotes where it needs them."""
    return '"' + name.replace('"', '""') + '"' if re.search(r'[,+"]|^\s|\s$', name) else name


def _read_term(spec: str, start: int, classes: Sequence[str]) -> tuple[Term, int]:
    """Return the term that begins at `start`, and where it ends: at a plus sign, a comma or the end."""
    head = _match(_HEAD, spec, start)
    factor, star, name = head.group().rpartition("*")
    name, argument, end = name.strip(), "", head.end()
    if spec[end : end + 1] == ":":
        argument, end = _read_argument(spec, end + 1, classes if name == CLASS else ())
    return Term(spec[start:end], factor if star else None, name, argument), end


def _read_argument(spec: str, start: int, classes: Sequence[str]) -> tuple[str, int]:
    if found := _QUOTED.match(spec, start):
        return found[1].replace('""', '"'), found.end()
    if spec[start:].lstrip().startswith('"'):
        raise InputError(f'objective {shown(spec[start:])}: expected "..." and then +, a comma or the end')
    for key in _KEYS:
        known = {key(name) for name in classes}
        for end in _ends(spec, start) if known else ():
            if key(name := spec[start:end].strip()) in known:
                return name, end
    plain = _match(_PLAIN, spec, start)
    return plain.group().strip(), plain.end()


_KEYS: tuple[Callable[[str], str], ...] = (str, folded)


def _ends(spec: str, start: int) -> Iterator[int]:
    """Return where an argument that begins at `start` may end, the longest first."""
    return (end for end in range(len(spec), start, -1) if end == len(spec) or spec[end] in ",+")


def _match(pattern: re.Pattern[str], spec: str, start: int) -> re.Match[str]:
    found = pattern.match(spec, start)
    assert found is not None, "the pattern matches nothing, too"
    return found
