"""Where the measures of phenotypes lie, for those that do not say it themselves."""

from __future__ import annotations

import torch
from torch import Tensor

from evovae.base import InputError, make_generator
from evovae.data import to_unit
from evovae.objectives import Measures
from evovae.runs.problems.problem import Problem

DRAWS, CHUNK = 1000, 100
MARGIN = 0.1
"""Part of their spread by which a range reaches beyond the measures that were found, to either side."""


@torch.no_grad()
def measured_ranges(measures: Measures, problem: Problem) -> tuple[float, ...]:
    """Return the least and the greatest value of each measure in turn: its own, or else what is found, and some more.

    It is looked for among 1,000 draws from the prior, always the same, and as many training images, where there are
    some.

    Raises:
        InputError: if a measure has no finite value there.
    """
    if None in measures.ranges:
        draws = problem.encoding.sample(DRAWS, make_generator(0))
        parts = [measures(problem.encoding.decode(chunk)) for chunk in draws.split(CHUNK)]
        images = problem.realism.images
        if images is not None:
            known = images.train.subset(min(len(images.train), DRAWS), seed=0)
            parts += [measures(chunk.to(draws.device)) for chunk in to_unit(known.images).split(CHUNK)]
        found = torch.cat(parts).double()
    spans = (
        _span_of(name, found[:, number]) if own is None else own
        for number, (name, own) in enumerate(zip(measures.names, measures.ranges, strict=True))
    )
    return tuple(bound for span in spans for bound in span)


def _span_of(name: str, values: Tensor) -> tuple[float, float]:
    known = values[values.isfinite()]
    if not len(known):
        raise InputError(f"measure {name} has no finite value among {DRAWS} draws from the prior: give --ranges")
    low, high = float(known.min()), float(known.max())
    margin = MARGIN * (high - low) or 0.5
    return low - margin, high + margin
