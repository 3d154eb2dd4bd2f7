"""Objectives: what a batch of phenotypes is worth, and the registry that finds them by name ("class:Bag").

An objective takes phenotypes (B, C, H, W) in [0, 1] to fitness (B, M) and knows DEAP's weights: +1 maximises, -1
minimises. Any callable of that form will do; those here carry names and weights along, give fitness in the precision of
the phenotypes (a weighted sum float64), and can be pickled as far as a judge can.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from evovae.base import Draws, InputError, beside, numbers_on, require_number
from evovae.data import to_unit
from evovae.objectives.judges.judge import log_odds
from evovae.objectives.similarity import ssim_to

BOLD = 0.5


@dataclass(frozen=True)
class Objective:
    """A batch objective with M names and weights."""

    names: tuple[str, ...]
    weights: tuple[float, ...]
    function: Callable[..., Tensor]
    smooth: bool = True
    """Whether it has a gradient in all its parts; counting has none."""
    judged: bool = False
    """Whether it asks a judge."""
    population: bool = False
    """Whether it needs whole populations (`evolution.toolbox`): phenotypes (R, N, ...) -> (R, N, M)."""
    random: bool = False
    """Whether it draws: it is called with streams, too."""
    reevaluate: bool = False
    """Whether its values do not last."""

    def __call__(self, phenotypes: Tensor, *random: Draws) -> Tensor:
        """Return the fitness (B, M) of `phenotypes` (B, ...), (R, N, M) of (R, N, ...); `random` where it draws."""
        return self.function(phenotypes, *random)


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
    grey = x.mean(1).flatten(1)  # B H*W
    total = torch.where(grey < BOLD, 0.0, grey).sum(1, keepdim=True)  # a NaN stays
    return total / (grey >= BOLD).sum(1, keepdim=True).clamp_min(1)


def weighted_sum(terms: list[tuple[float, Objective]], name: str) -> Objective:
    """Sum of coefficient * weight * objective over single objectives, in float64; maximised.

    The weight turns each term the way it is meant, so that a positive coefficient always asks for more of it.
    """
    return Objective((name,), (1.0,), functools.partial(_total, terms), **_joined([o for _, o in terms]))


def _total(terms: list[tuple[float, Objective]], x: Tensor) -> Tensor:
    parts = [coefficient * objective.weights[0] * objective(x).double() for coefficient, objective in terms]
    return torch.stack(parts).sum(0)


def several(objectives: list[Objective]) -> Objective:
    """Several objectives at once, side by side: M columns."""
    names = tuple(name for o in objectives for name in o.names)
    if len(set(names)) < len(names):
        raise InputError(f"objectives {', '.join(names)}: each may be named once")
    weights = tuple(weight for o in objectives for weight in o.weights)
    return Objective(names, weights, functools.partial(_side_by_side, objectives), **_joined(objectives))


def _side_by_side(objectives: list[Objective], x: Tensor) -> Tensor:
    return torch.cat([objective(x) for objective in objectives], dim=1)


def _joined(objectives: list[Objective]) -> dict[str, bool]:
    """Return what is true of objectives that are asked together; refuse those that must be asked alone."""
    for objective in objectives:
        if objective.population or objective.random:
            need = "whole populations" if objective.population else "draws"
            raise InputError(
                f"objective {', '.join(objective.names)} needs {need}: expected it alone, in no sum or list"
            )
    return {
        "smooth": all(o.smooth for o in objectives),
        "judged": any(o.judged for o in objectives),
        "reevaluate": any(o.reevaluate for o in objectives),
    }


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
    return Objective(objective.names, objective.weights, function, **_joined([objective]))


def _penalised(objective: Objective, constraints: Callable[[Tensor], Tensor], coefficient: float, x: Tensor) -> Tensor:
    violation = constraints(x).double().flatten(1).clamp_min(0.0).sum(1, keepdim=True)
    fitness = objective(x).double()
    return fitness - coefficient * violation * numbers_on(objective.weights, fitness.dtype, fitness.device).sign()


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
