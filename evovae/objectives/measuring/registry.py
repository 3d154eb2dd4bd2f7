"""Measures by name: "boldness,class,mine.py:warmth" to functions of phenotypes."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, NamedTuple

from torch import Tensor

from evovae.base import InputError
from evovae.data import ImageSet
from evovae.objectives.expressions import Sum, take_apart
from evovae.objectives.functions import symmetry
from evovae.objectives.measuring import pictures
from evovae.objectives.measuring.measures import Measures, measure_by, own_measures, side_by_side
from evovae.objectives.registry import Context, judge_of, names_code, parse_sum

STEEPEST = 45.0
"""Degrees of the slant that are told apart, to either side: those of all but a few of MNIST's digits."""
WIDEST = 0.2
"""Of the strokes that are told apart, as a part of the smaller side of a picture."""
MOST_LOOPS = 3
"""That are told apart; more count as many."""


class Known(NamedTuple):
    """A measure that has a name."""

    description: str
    build: Callable[[Context], Measures]


def _boldness(context: Context) -> Measures:
    sides = _require_pictures(context)
    span = sides and (0.0, float(math.prod(sides)))
    return measure_by("boldness", pictures.count_bold, span, smooth=False)


def _lightness(context: Context) -> Measures:
    _require_pictures(context)
    return measure_by("lightness", pictures.mean_bold, (0.5, 1.0))


def _symmetry(context: Context) -> Measures:
    _require_pictures(context)
    return measure_by("symmetry", symmetry(), (0.0, 1.0))


def _slant(context: Context) -> Measures:
    _require_pictures(context)
    return measure_by("slant", pictures.slant, (-STEEPEST, STEEPEST))


def _thickness(context: Context) -> Measures:
    sides = _require_pictures(context)
    return measure_by("thickness", pictures.thickness, sides and (0.0, WIDEST * min(sides)))


def _loops(context: Context) -> Measures:
    _require_pictures(context)
    return _counting("loops", pictures.count_loops, MOST_LOOPS + 1)


def _class(context: Context) -> Measures:
    judge, classes = judge_of("measure class", context)

    def see(x: Tensor) -> Tensor:
        return judge(x).argmax(1, keepdim=True).to(x.dtype)

    return _counting("class", see, len(classes), judged=True)


def _counting(name: str, function: Callable[[Tensor], Tensor], cells: int, judged: bool = False) -> Measures:
    """Return a measure of the numbers 0 to `cells` - 1, each in the middle of a cell of its own."""
    return measure_by(name, function, (-0.5, cells - 0.5), cells=cells, smooth=False, judged=judged)


MEASURES: dict[str, Known] = {
    "boldness": Known("boldness (number of pixels at 0.5 or above, 0 to H*W)", _boldness),
    "lightness": Known("lightness (sum of those pixels over their number plus one, 0.5 to 1)", _lightness),
    "symmetry": Known("symmetry (part of the ink that its mirror image covers, 0 to 1)", _symmetry),
    "slant": Known("slant (degrees by which strokes lean to the right, -45 to 45)", _slant),
    "thickness": Known("thickness (mean width of strokes in pixels, 0 to a fifth of the picture)", _thickness),
    "loops": Known("loops (number of holes, a cell for each of 0 to 3)", _loops),
    "class": Known("class (what the judge sees, a cell for each class)", _class),
}


def measures(*names: str, images: ImageSet | None = None, judge: Callable[[Tensor], Tensor] | None = None) -> Measures:
    """Return measures by name, as `--measures` of the command knows them.

        toolbox = evolution.toolbox(encoding, objective, measures=objectives.measures("boldness", "lightness"))

    Args:
        names: such as boldness, slant, class or digit:3.
        images: of the shape and the classes of the phenotypes. Without them there is no class to be read, and how far
            boldness and thickness reach is not known: an archive needs its `ranges`.
        judge: what reads classes in such images (B, C, H, W), as logits (B, K).

    Raises:
        InputError: if there is no name, one is unknown, or needs images or a judge.
    """
    if not names:
        raise InputError("no measures are named: expected one or more")
    return side_by_side([parse_measures(name, Context(images, judge)) for name in names])


def parse_measures(spec: str, context: Context) -> Measures:
    """Return the measures that `spec` names, joined by commas.

    Each is one of `MEASURES`, or a function of one's own in a file or a module (`own_measures`), or any objective that
    `parse` knows, such as `ink`, `digit:3` or `target:test/7`: its value is the measure then, of unknown range.

    Raises:
        InputError: if a name is unknown or its argument does not fit, or the phenotypes are none that it measures.
    """
    classes = () if context.images is None else context.images.classes
    return side_by_side([_build(part, context) for part in take_apart(spec, classes)])


def _build(part: Sum, context: Context) -> Measures:
    term = part.terms[0]
    alone = len(part.terms) == 1 and term.factor is None
    if alone and not term.argument and term.name in MEASURES:
        return MEASURES[term.name].build(context)
    if alone and names_code(term):
        return _load(f"{term.name}:{term.argument}", term.argument, context)
    try:
        objective = parse_sum(part, context)
    except InputError as error:
        known = "; ".join(measure.description for measure in MEASURES.values())
        raise InputError(f"measure {part.text!r}: expected {known}; or an objective ({error})") from error
    if objective.population or objective.random:
        raise InputError(f"measure {part.text!r}: expected one that each phenotype has by itself")
    return measure_by(part.text, objective, smooth=objective.smooth, judged=objective.judged)


def _load(spec: str, name: str, context: Context) -> Measures:
    if context.load is None:
        raise InputError(f"measure {spec!r} is code: it can only be named in a command")
    function: Any = context.load(spec)
    try:
        return own_measures(function, context.phenotypes(), name)
    except InputError as error:
        raise InputError(f"{spec} cannot be used: {error}") from error


def _require_pictures(context: Context) -> tuple[int, int] | None:
    """Return height and width of the phenotypes, which must be pictures; None where their shape is not known."""
    shape = context.shape
    if not shape:
        return None
    if len(shape) != 3 or shape[0] not in (1, 3):
        raise InputError(f"phenotypes have shape {shape}: expected pictures (C, H, W) for such measures, C = 1 or 3")
    return shape[1], shape[2]
