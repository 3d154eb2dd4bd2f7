"""Objectives: what a batch of phenotypes is worth, and the registry that finds them by name ("class:Bag").

An objective takes phenotypes (B, C, H, W) in [0, 1] to fitness (B, M) and knows DEAP's weights: +1 maximises, -1
minimises. Any callable of that form will do; those here carry names and weights along, give fitness in the precision of
the phenotypes (a weighted sum float64), and can be pickled as far as a judge can.
"""

from __future__ import annotations

import functools
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import torch
from torch import Tensor

from evovae import class_names, files
from evovae.checks import require_number
from evovae.data import ImageSet, to_unit
from evovae.data.limits import MAX_PICTURE_BYTES
from evovae.data.pictures import read_picture
from evovae.devices import beside, numbers_on
from evovae.errors import InputError, shown
from evovae.expressions import CLASS, Sum, Term, take_apart
from evovae.fidelity import ssim_to
from evovae.judges import log_odds

BOLD = 0.5


@dataclass(frozen=True)
class Objective:
    """A batch objective with M names and weights."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    function: Callable[[Tensor], Tensor]
    smooth: bool = True
    """Whether it has a gradient in all its parts; counting has none."""
    judged: bool = False
    """Whether it asks a judge."""

    def __call__(self, phenotypes: Tensor) -> Tensor:
        """Return the fitness (B, M) of `phenotypes` (B, C, H, W)."""
        return self.function(phenotypes)


def target(image: Tensor, name: str = "target") -> Objective:
    """Mean squared error to `image` (C, H, W), uint8 or in [0, 1]; minimised, 0 to 1."""
    return Objective((name,), (-1.0,), functools.partial(_squared_error, _unit_image(image)))


def _squared_error(goal: Tensor, x: Tensor) -> Tensor:
    _require_shape(x, goal.shape)
    return (x - beside(goal, x)).square_().flatten(1).mean(1, keepdim=True)


def ssim(image: Tensor, name: str = "ssim") -> Objective:
    """Structural similarity to `image` (C, H, W), uint8 or in [0, 1], as `fidelity.ssim_to` has it; maximised, -1 to 1.

    Raises:
        InputError: if the image is smaller than the window.
    """
    goal = _unit_image(image)
    return Objective((name,), (1.0,), functools.partial(_similarity, ssim_to(goal), goal.shape))


def _similarity(to_goal: Callable[[Tensor], Tensor], shape: torch.Size, x: Tensor) -> Tensor:
    _require_shape(x, shape)
    return to_goal(x).unsqueeze(1)


def digit(judge: Callable[[Tensor], Tensor], k: int, name: str = "") -> Objective:
    """Log-odds log p - log(1 - p), in nats, that `judge` gives label `k`; maximised, unbounded.

    From the logits, since probabilities saturate at 1 and hide all progress beyond. Without a `name` it is digit:K.
    """
    return Objective((name or f"digit:{k}",), (1.0,), functools.partial(_log_odds, judge, k), judged=True)


def _log_odds(judge: Callable[[Tensor], Tensor], k: int, x: Tensor) -> Tensor:
    return log_odds(judge(x), k).unsqueeze(1)


def ink() -> Objective:
    """Mean intensity of the image; maximised, 0 to 1."""
    return Objective(("ink",), (1.0,), _mean)


def _mean(x: Tensor) -> Tensor:
    return x.flatten(1).mean(1, keepdim=True)


def symmetry() -> Objective:
    """Part of the ink that its mirror image (left to right) covers; maximised, 0 to 1, and 0 for an empty image."""
    return Objective(("symmetry",), (1.0,), _covered)


def _covered(x: Tensor) -> Tensor:
    overlap = torch.minimum(x, x.flip(-1)).flatten(1).sum(1, keepdim=True)
    return overlap / x.flatten(1).sum(1, keepdim=True).clamp_min(torch.finfo(x.dtype).tiny)


def boldness() -> Objective:
    """Number of pixels at 0.5 or above (colours averaged); maximised, 0 to H * W, and NaN with a pixel that is NaN."""
    return Objective(("boldness",), (1.0,), _bold, smooth=False)


def _bold(x: Tensor) -> Tensor:
    grey = x.mean(1).flatten(1)
    return torch.where(grey.isnan(), grey, (grey >= BOLD).to(x.dtype)).sum(1, keepdim=True)


def lightness() -> Objective:
    """Mean of the pixels at 0.5 or above (colours averaged); maximised, 0.5 to 1, and 0 where there are none."""
    return Objective(("lightness",), (1.0,), _mean_bold)


def _mean_bold(x: Tensor) -> Tensor:
    grey = x.mean(1).flatten(1)
    bold = grey >= BOLD
    return (grey * bold).sum(1, keepdim=True) / bold.sum(1, keepdim=True).clamp_min(1)


def weighted_sum(terms: list[tuple[float, Objective]], name: str) -> Objective:
    """Sum of coefficient * weight * objective over single objectives, in float64; maximised.

    The weight turns each term the way it is meant, so that a positive coefficient always asks for more of it.
    """
    smooth, judged = (all(o.smooth for _, o in terms), any(o.judged for _, o in terms))
    return Objective((name,), (1.0,), functools.partial(_total, terms), smooth, judged)


def _total(terms: list[tuple[float, Objective]], x: Tensor) -> Tensor:
    parts = [coefficient * objective.weights[0] * objective(x).double() for coefficient, objective in terms]
    return torch.stack(parts).sum(0)


def several(objectives: list[Objective]) -> Objective:
    """Several objectives at once, side by side: M columns."""
    names = tuple(name for o in objectives for name in o.names)
    if len(set(names)) < len(names):
        raise InputError(f"objectives {', '.join(names)}: each may be named once")
    weights = tuple(weight for o in objectives for weight in o.weights)
    smooth, judged = all(o.smooth for o in objectives), any(o.judged for o in objectives)
    return Objective(names, weights, functools.partial(_side_by_side, objectives), smooth, judged)


def _side_by_side(objectives: list[Objective], x: Tensor) -> Tensor:
    return torch.cat([objective(x) for objective in objectives], dim=1)


def penalised(objective: Objective, constraints: Callable[[Tensor], Tensor], coefficient: float) -> Objective:
    """`objective`, worse by `coefficient` times the violation of constraints in each of its M columns, in float64.

    The simplest way to keep constraints, as DEAP's `DeltaPenalty`; `evolution.toolbox(..., constraints=...)` needs no
    coefficient.

    Args:
        objective: what is to be penalised.
        constraints: phenotypes (B, ...) -> violations (B, C), 0 or less where a constraint is kept; they are summed.
        coefficient: of a violation, 0 or more, in units of the fitness.

    Raises:
        InputError: if the coefficient is below 0.
    """
    require_number("coefficient", coefficient)
    function = functools.partial(_penalised, objective, constraints, coefficient)
    return Objective(objective.names, objective.weights, function, objective.smooth, objective.judged)


def _penalised(objective: Objective, constraints: Callable[[Tensor], Tensor], coefficient: float, x: Tensor) -> Tensor:
    violation = constraints(x).double().flatten(1).clamp_min(0.0).sum(1, keepdim=True)
    fitness = objective(x).double()
    return fitness - coefficient * violation * numbers_on(objective.weights, fitness.dtype, fitness.device).sign()


@dataclass(frozen=True)
class Context:
    """What a named objective may need beyond its name."""

    images: ImageSet
    judge: Callable[[Tensor], Tensor]
    """The judge: images (B, C, H, W) to logits (B, K)."""
    genomes: Tensor | None = None
    """Kept ones (K, D), whose images target:genome/INDEX names."""
    decode: Callable[[Tensor], Tensor] = lambda genomes: genomes
    """Genomes (B, D) to phenotypes (B, C, H, W)."""
    pictures: dict[str, Tensor] | None = field(default_factory=dict)
    """Of files that targets name, by path, uint8 (C, H, W): read when first named. None: no file may be named."""


class _Build(Protocol):
    def __call__(self, argument: str, context: Context) -> Objective: ...


def _build_target(argument: str, context: Context) -> Objective:
    return target(_find_image(argument, context), f"target:{argument}")


def _build_ssim(argument: str, context: Context) -> Objective:
    return ssim(_find_image(argument, context), f"ssim:{argument}")


def _build_digit(argument: str, context: Context) -> Objective:
    name, classes = f"digit:{argument}", _classes_told_apart(f"digit:{argument}", context)
    if not (argument in classes and re.fullmatch("[0-9]+", argument)):
        known = f"the classes are {class_names.listed(classes)}; name one with class:NAME"
        raise InputError(f"objective {name!r}: no class is that number: {known}")
    return digit(context.judge, class_names.find(argument, classes), name)


def _build_class(argument: str, context: Context) -> Objective:
    classes = _classes_told_apart(f"{CLASS}:{argument}", context)
    k = class_names.find(argument, classes)
    return digit(context.judge, k, f"{CLASS}:{classes[k]}")


def _classes_told_apart(name: str, context: Context) -> tuple[str, ...]:
    if len(context.images.classes) < 2:
        raise InputError(f"objective {name!r}: the image set has one class, and a judge needs two or more")
    return context.images.classes


def _plain(objective: Callable[[], Objective]) -> _Build:
    def build(argument: str, context: Context) -> Objective:
        if argument:
            raise InputError(f"objective {objective.__name__}:{argument}: {objective.__name__} takes no argument")
        return objective()

    return build


REGISTRY: dict[str, tuple[str, _Build]] = {
    CLASS: ("class:NAME (log-odds of the class of that name, maximised, unbounded)", _build_class),
    "digit": ("digit:K (log-odds of the class that is named K, a number)", _build_digit),
    "target": (
        "target:SPLIT/INDEX or target:FILE (mean squared error to an image of train, test or genome, or to a picture, "
        "minimised, 0 to 1)",
        _build_target,
    ),
    "ssim": ("ssim:SPLIT/INDEX or ssim:FILE (structural similarity to it, maximised, -1 to 1)", _build_ssim),
    "ink": ("ink (mean intensity, maximised, 0 to 1)", _plain(ink)),
    "symmetry": ("symmetry (ink covered by its mirror image, maximised, 0 to 1)", _plain(symmetry)),
    "boldness": ("boldness (pixels at 0.5 or above, maximised, 0 to H*W)", _plain(boldness)),
    "lightness": ("lightness (mean of those pixels, maximised, 0 or 0.5 to 1)", _plain(lightness)),
}


def parse(spec: str, context: Context) -> Objective:
    """Return the objective that `spec` names.

    `digit:8` is one; `digit:8+0.01*boldness` a weighted sum (terms turned the way they are meant); `digit:3,digit:8`
    two at once. SPLIT/INDEX is train/N or test/N, or genome/N for the image of a kept genome; they count from 0. FILE
    is a picture, brought to the shape of the image set. How names with `+` or `,` in them are read, and when they need
    quotes, says `expressions`.

    Raises:
        InputError: if a name is unknown or its argument does not fit; the message lists what there is.
    """
    objectives = [_build_sum(part, context) for part in take_apart(spec, context.images.classes)]
    return objectives[0] if len(objectives) == 1 else several(objectives)


def _build_sum(part: Sum, context: Context) -> Objective:
    terms = [_build_term(term, context) for term in part.terms]
    if len(terms) == 1 and terms[0][0] is None:
        return terms[0][1]
    return weighted_sum([(1.0 if factor is None else factor, objective) for factor, objective in terms], part.text)


def _build_term(term: Term, context: Context) -> tuple[float | None, Objective]:
    if term.name not in REGISTRY:
        known = "; ".join(description for description, _ in REGISTRY.values())
        if term.factor is not None and term.factor.strip() in REGISTRY:
            raise InputError(f"objective {shown(term.text)}: {_ORDER}")
        raise InputError(f"objective {shown(term.name)} is unknown: expected {known}; joined by + (sum) or , (several)")
    coefficient = None if term.factor is None else _finite(term.factor, term.text)
    try:
        return coefficient, REGISTRY[term.name][1](term.argument, context)
    except InputError as error:
        if "*" not in term.argument:
            raise
        raise InputError(f"{error}; {_ORDER}") from error


_ORDER = "the number comes first, as in 0.5*digit:8, and a difference is a sum, as in digit:8+-0.5*ink"


def _finite(factor: str, term: str) -> float:
    try:
        coefficient = float(factor)
    except ValueError:
        coefficient = math.nan
    if not math.isfinite(coefficient):
        raise InputError(f"objective {shown(term)}: {shown(factor)} is no finite number; {_ORDER}")
    return coefficient


def _find_image(argument: str, context: Context) -> Tensor:
    if not re.fullmatch("(train|test|genome)/[0-9]{1,9}", argument):
        return _read_file(argument, context)
    split, _, index = argument.partition("/")
    images = context.images
    splits = {"train": images.train.images, "test": images.test.images, "genome": context.genomes}
    found, number = splits[split], int(index)
    if found is None:
        raise InputError(f"image {argument!r} is not there: no genomes were given; give them with --genomes")
    if number >= len(found):
        raise InputError(f"image {argument!r} is not there: {split} has images 0 to {len(found) - 1}")
    if split != "genome":
        return found[number]
    with torch.no_grad():
        return context.decode(found[number : number + 1])[0].cpu()


def _read_file(name: str, context: Context) -> Tensor:
    """Return the picture uint8 (C, H, W) in the file `name`, as it was when it was first read."""
    places = "train/INDEX, test/INDEX or genome/INDEX, such as test/42"
    if context.pictures is None:
        raise InputError(f"image {name!r}: expected {places}")
    if name not in context.pictures:
        path = Path(os.path.expanduser(name))
        if not os.path.isfile(path):
            raise InputError(f"image {name!r} is no file: expected {places}, or a picture; check the spelling")
        context.pictures[name] = read_picture(files.read_bytes(path, MAX_PICTURE_BYTES), name, context.images.shape)
    return context.pictures[name]


def _unit_image(image: Tensor) -> Tensor:
    if image.ndim != 3:
        raise InputError(f"target image has shape {tuple(image.shape)}: expected (C, H, W)")
    if image.dtype == torch.uint8:
        return to_unit(image)
    if not (image.is_floating_point() and image.min() >= 0 and image.max() <= 1):
        raise InputError(f"target image of {image.dtype}: expected uint8, or floats in [0, 1]; is it scaled?")
    return image.clone()  # a view would take all images along when it is pickled


def _require_shape(x: Tensor, shape: torch.Size) -> None:
    if x.shape[1:] != shape:
        raise InputError(f"phenotypes have shape {tuple(x.shape)}: the target is {tuple(shape)}, without B")
