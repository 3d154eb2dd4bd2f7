"""Names of any letters in figures: written as they are, by a font that has them, or by number; never as a formula."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.cbook import is_math_text
from matplotlib.text import Text

from evovae.analysis import plots
from evovae.analysis.plots import cut, fonts
from evovae.analysis.plots.fonts import drawn

NAMES = (
    "$5",
    "$x$",
    "$x_{$",
    r"\$x\$",
    "Größe",
    "猫",
    "🐣",
    "日本語",
    "עברית",
    "हिन्दी",
    "\ue000",
    "\U0010fffd",
    "a\u0308",
    "T-shirt/top",
    "x" * 255,
)
IMAGES = np.random.default_rng(0).random((2, 1, 8, 8))
CURVE = (np.arange(3), np.arange(6.0).reshape(2, 3))


def hall_of_fame(name: str) -> Axes:
    seen = pd.DataFrame({"predicted": [name, "b"], "held_out": 0.5, "log_prior": -1.0})
    return plots.hall_of_fame(IMAGES, [1, 2], seen)


FIGURES = {
    "hall_of_fame": hall_of_fame,
    "fitness_curve": lambda name: plots.fitness_curve({cut(name): CURVE}, ylabel=name),
    "trend": lambda name: plots.trend({cut(name): CURVE}, name, name, title=cut(name)),
    "pareto_front": lambda name: plots.pareto_front(
        {cut(name): CURVE[1].reshape(1, 3, 2)}, IMAGES, [[0, 1], [2, 3]], name, name
    ),
    "image_table": lambda name: plots.image_table(IMAGES[None], [cut(name, 12)], [cut(name, 12), "b"]),
}


@pytest.mark.parametrize(
    "name", ["$x_{$", "猫\U0010fffd", "\ue000ß", "x" * 255], ids=["formula", "no font", "font", "long"]
)
@pytest.mark.parametrize("figure", FIGURES.values(), ids=FIGURES)
def test_a_figure_is_drawn_without_a_warning_and_writes_the_name(figure, name: str, tmp_path: Path) -> None:
    ax = figure(name)
    plots.save(ax, tmp_path / "x.png")
    texts = [text.get_text() for text in ax.figure.findobj(Text)]
    assert any(drawn(cut(name, 12)).rstrip("…") in text for text in texts)


@pytest.mark.parametrize("name", NAMES, ids=ascii)
def test_no_name_is_a_formula(name: str) -> None:
    assert not is_math_text(drawn(name))
    assert drawn(name).count(r"\$") == name.count("$")


def test_what_no_font_has_is_written_by_number() -> None:
    assert drawn("a\U0010fffd") == r"a\U0010fffd"
    assert drawn("Größe\nß") == "Größe\nß"


def test_a_letter_that_the_usual_font_lacks_is_drawn_by_another(tmp_path: Path) -> None:
    found = next(letter for letter in map(chr, range(0xE000, 0xF8FF)) if fonts._family_with(letter))
    assert drawn(found) == found
    ax = plots.image_grid(IMAGES, captions=[f"a{found}", "b"])
    plots.save(ax, tmp_path / "x.png")
    with_it, without = ax.texts
    assert with_it.get_fontfamily() == [*without.get_fontfamily(), fonts._family_with(found)]


def test_a_text_is_cut_where_it_would_be_drawn_too_long() -> None:
    assert [cut(text, 4) for text in ("", "abcd", "abcde", "$bcd", "\U0010fffd", "ab\U0010fffd")] == [
        *("", "abcd", "abc…", "$bcd", "…", "ab…")
    ]


def test_a_long_name_is_cut_under_an_image() -> None:
    (caption, _) = (text.get_text() for text in hall_of_fame("x" * 255).texts)
    assert max(map(len, caption.split("\n"))) < 50
    assert "xxx… @ 0.50" in caption
