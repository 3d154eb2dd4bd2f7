"""What a figure writes, letter by letter: which font has one, and what is written where none has."""

from __future__ import annotations

import functools
from itertools import accumulate

from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font
from matplotlib.text import Text

_WEIGHTS = (400, "normal", "regular")
_LAST_RESORT = "Last Resort"
"""Family of fonts with a box for every letter."""


def drawn(text: str) -> str:
    """Return `text` as a figure shows it letter by letter: `$` begins no formula; what no font has comes by number."""
    return "".join(map(_letter, text)).replace("$", r"\$")


def cut(text: str, most: int = 48) -> str:
    """Return `text`, its end left out where it would be drawn longer than `most` letters; 48 fit along an axis."""
    ends = list(accumulate(len(_letter(letter)) for letter in text))
    return text if not text or ends[-1] <= most else text[: sum(end < most for end in ends)] + "…"


def choose_fonts(figure: Figure) -> None:
    """Let every text of `figure` be drawn by the fonts that have its letters."""
    for text in figure.findobj(Text):
        assert isinstance(text, Text)
        families = {family for letter in text.get_text() if (family := _family_with(letter))}
        if families:
            text.set_fontfamily([*text.get_fontfamily(), *sorted(families)])


def _letter(letter: str) -> str:
    known = letter == "\n" or _family_with(letter) is not None
    return letter if known else letter.encode("unicode_escape").decode()


@functools.cache
def _family_with(letter: str) -> str | None:
    """Return the family of a font that has `letter`: empty for the usual one, None if there is none on this machine."""
    if letter < "\x7f" or _has(str(findfont(FontProperties())), letter):
        return ""
    files = _files()
    family = next((name for name in [*_found, *files] if _has(files[name], letter)), None)
    if family is not None and family not in _found:
        _found.append(family)
    return family


_found: list[str] = []
"""Families that had a letter, to be asked first: the letters of a name lie mostly in one."""


@functools.cache
def _files() -> dict[str, str]:
    """Return the file of each family's upright, ordinary font."""
    fonts = sorted(fontManager.ttflist, key=lambda font: (font.name, font.fname))
    usual = [font for font in fonts if (font.style, font.stretch) == ("normal", "normal") and font.weight in _WEIGHTS]
    return {font.name: str(font.fname) for font in usual if not font.name.startswith(_LAST_RESORT)}


def _has(file: str, letter: str) -> bool:
    try:
        font = get_font(file)
    except (OSError, RuntimeError):  # a font that matplotlib lists but cannot use
        return False
    return bool(font.scalable) and font.get_char_index(ord(letter)) != 0
