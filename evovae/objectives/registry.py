"""Objectives by name: "digit:3,0.5*class:Ankle boot+ink" to functions of phenotypes."""

from __future__ import annotations

import importlib.util
import math
import os
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

from evovae.base import InputError, files, shown
from evovae.data import MAX_PICTURE_BYTES, ImageSet, class_names, read_picture
from evovae.objectives.custom import custom
from evovae.objectives.expressions import CLASS, Sum, Term, take_apart
from evovae.objectives.functions import (
    Objective,
    boldness,
    digit,
    ink,
    lightness,
    several,
    ssim,
    symmetry,
    target,
    weighted_sum,
)


@dataclass(frozen=True)
class Context:
    """What a named objective may need beyond its name."""

    images: ImageSet | None
    """None: there are none to aim at, or to judge by."""
    judge: Callable[[Tensor], Tensor] | None
    """The judge: images (B, C, H, W) to logits (B, K); None without images."""
    genomes: Tensor | None = None
    """Kept ones (K, D), whose images target:genome/INDEX names."""
    decode: Callable[[Tensor], Tensor] = lambda genomes: genomes
    """Genomes (B, D) to phenotypes (B, C, H, W)."""
    pictures: dict[str, Tensor] | None = field(default_factory=dict)
    """Of files that targets name, by path, uint8 (C, H, W): read when first named. None: no file may be named."""
    load: Callable[[str], Any] | None = None
    """FILE.py:FUNCTION or MODULE:FUNCTION to the function, whose code it runs; None: no code may be named."""
    phenotypes: Callable[[], Tensor] = lambda: torch.empty(0)
    """Some of those (2, ...) that the objective will be asked for."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a phenotype."""
        return tuple(self.phenotypes().shape[1:]) if self.images is None else self.images.shape


class _Build(Protocol):
    def __call__(self, argument: str, context: Context) -> Objective: ...


def _build_target(argument: str, context: Context) -> Objective:
    return target(_find_image(argument, context), f"target:{argument}")


def _build_ssim(argument: str, context: Context) -> Objective:
    return ssim(_find_image(argument, context), f"ssim:{argument}")


def _build_digit(argument: str, context: Context) -> Objective:
    name = f"digit:{argument}"
    judge, classes = judge_of(f"objective {name!r}", context)
    if not (argument in classes and re.fullmatch("[0-9]+", argument)):
        known = f"the classes are {class_names.listed(classes)}; name one with class:NAME"
        raise InputError(f"objective {name!r}: no class is that number: {known}")
    return digit(judge, class_names.find(argument, classes), name)


def _build_class(argument: str, context: Context) -> Objective:
    judge, classes = judge_of(f"objective {f'{CLASS}:{argument}'!r}", context)
    k = class_names.find(argument, classes)
    return digit(judge, k, f"{CLASS}:{classes[k]}")


def judge_of(what: str, context: Context) -> tuple[Callable[[Tensor], Tensor], tuple[str, ...]]:
    """Return the judge, and the names of the classes that it tells apart, for what needs it.

    Raises:
        InputError: if there are no such images.
    """
    if context.images is None or context.judge is None:
        raise InputError(f"{what}: a judge reads images of known classes; give such a set with --dataset")
    if len(context.images.classes) < 2:
        raise InputError(f"{what}: the image set has one class, and a judge needs two or more")
    return context.judge, context.images.classes


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

    `digit:8` is one, and so is `mine.py:redness`, a function of one's own (`custom`) in a file or a module;
    `digit:8+0.01*boldness` is a weighted sum (terms turned the way they are meant); `digit:3,digit:8` are two at once.
    SPLIT/INDEX is train/N or test/N, or genome/N for the image of a kept genome; they count from 0. FILE
    is a picture, brought to the shape of the image set. How names with `+` or `,` in them are read, and when they need
    quotes, says `expressions`.

    Raises:
        InputError: if a name is unknown or its argument does not fit; the message lists what there is.
    """
    classes = () if context.images is None else context.images.classes
    objectives = [parse_sum(part, context) for part in take_apart(spec, classes)]
    return objectives[0] if len(objectives) == 1 else several(objectives)


def parse_sum(part: Sum, context: Context) -> Objective:
    """Return a single objective of those that `parse` takes apart.

    Raises:
        InputError: as `parse`.
    """
    terms = [_build_term(term, context) for term in part.terms]
    if len(terms) == 1 and terms[0][0] is None:
        return terms[0][1]
    return weighted_sum([(1.0 if factor is None else factor, objective) for factor, objective in terms], part.text)


def _build_term(term: Term, context: Context) -> tuple[float | None, Objective]:
    if term.name not in REGISTRY and names_code(term):
        return None if term.factor is None else _finite(term.factor, term.text), _build_own(term, context)
    if term.name not in REGISTRY:
        known = "; ".join(description for description, _ in REGISTRY.values())
        if term.factor is not None and term.factor.strip() in REGISTRY:
            raise InputError(f"objective {shown(term.text)}: {_ORDER}")
        raise InputError(
            f"objective {shown(term.name)} is unknown: expected {known}; or one of your own, FILE.py:FUNCTION; "
            "joined by + (sum) or , (several)"
        )
    coefficient = None if term.factor is None else _finite(term.factor, term.text)
    try:
        return coefficient, REGISTRY[term.name][1](term.argument, context)
    except InputError as error:
        if "*" not in term.argument:
            raise
        raise InputError(f"{error}; {_ORDER}") from error


def names_code(term: Term) -> bool:
    """Whether a term names a file of code, or a module that there is."""
    if term.name.endswith(".py"):
        return True
    top = term.name.partition(".")[0]
    return bool(term.argument) and top.isidentifier() and importlib.util.find_spec(top) is not None


def _build_own(term: Term, context: Context) -> Objective:
    spec = f"{term.name}:{term.argument}"
    if context.load is None:
        raise InputError(f"objective {shown(spec)} is code: it can only be named in a command")
    try:
        return custom(context.load(spec), context.phenotypes(), term.argument)
    except InputError as error:
        raise InputError(f"{spec} cannot be used: {error}") from error


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
    images, number = context.images, int(index)
    if images is None and split != "genome":
        raise InputError(f"image {argument!r} is not there: give an image set with --dataset")
    found = context.genomes if split == "genome" or images is None else getattr(images, split).images
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
        shape = context.shape
        if len(shape) != 3:
            raise InputError(f"image {name!r}: phenotypes have shape {shape}, and no picture is like them")
        context.pictures[name] = read_picture(files.read_bytes(path, MAX_PICTURE_BYTES), name, shape)
    return context.pictures[name]
