"""Genomes as the page has them: how they are written, and what its sliders move."""

from __future__ import annotations

import base64
import binascii
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from evovae.base import InputError, make_generator
from evovae.encodings import Encoding, Uniform

MOST_GENES = 65_536
"""Of a genome that is explored."""
MOST_SLIDERS = 512
"""Of genomes with more genes, the sliders move along `DIRECTIONS` random ones: a single gene would change nothing."""
DIRECTIONS = 32
REACH = 4.0
"""Sliders of normal genes reach from -4 to 4."""
FURTHEST = 100.0
"""No gene that is asked for lies further out, but within wider bounds."""
SHARES = (0.01, 0.05, 0.1, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99)
"""Of the prior, at whose quantiles a strip of images is shown."""

Gene = Annotated[float, Field(ge=-1e6, le=1e6, allow_inf_nan=False)]
Genome = (
    Annotated[list[Gene], Field(min_length=1, max_length=MOST_SLIDERS)]
    | Annotated[str, Field(max_length=6 * MOST_GENES, description="base64 of float32 (D,), where D is above 512")]
)


@dataclass(frozen=True)
class Slider:
    """What one slider does."""

    low: float
    high: float
    even: bool
    """Whether the prior is even between its ends; else it is normal about the median, with deviation 1."""
    quantiles: tuple[float, ...]
    """Of the prior, at `SHARES`."""


class GeneSpace:
    """The genomes of an encoding.

    Args:
        encoding: theirs.

    Attributes:
        directions: orthogonal (N, D), each as long as sets N of them, moved by N(0, 1), at the prior's distance from
            its centre; None where each gene has a slider of its own.
        sliders: N, or D.

    Raises:
        InputError: if there are too many genes.
    """

    def __init__(self, encoding: Encoding) -> None:
        self.encoding, prior = encoding, encoding.prior
        dim = encoding.dim
        if dim > MOST_GENES:
            raise InputError(f"genomes have {dim} genes: expected at most {MOST_GENES}, to be explored on a page")
        even = isinstance(prior, Uniform)
        low = _values(prior.low if isinstance(prior, Uniform) else -math.inf, dim)
        high = _values(prior.high if isinstance(prior, Uniform) else math.inf, dim)
        ends = torch.stack((low, high))
        self._furthest = max(
            FURTHEST, float(ends[ends.isfinite()].abs().max()) if even and ends.isfinite().any() else 0
        )
        self.directions: Tensor | None = None
        if dim <= MOST_SLIDERS:
            self.sliders = [_slider(*bounds) for bounds in zip(low.tolist(), high.tolist(), strict=True)]
            return
        between = low.isfinite() & high.isfinite()
        middle = torch.where(between, (low + high) / 2, torch.where(low.isfinite(), low, high).nan_to_num(0, 0, 0))
        deviation = torch.where(between, (high - low) / math.sqrt(12), 1.0)
        drawn = torch.randn(dim, DIRECTIONS, generator=make_generator(0), dtype=torch.float64)
        length = math.sqrt(dim / DIRECTIONS)
        self.directions = (length * torch.linalg.qr(drawn).Q.T * deviation).float().to(encoding.device)
        self._middle = middle.float().to(encoding.device)
        self.sliders = [_slider(-math.inf, math.inf)] * DIRECTIONS

    def read(self, genomes: Sequence[list[float] | str]) -> Tensor:
        """Return genomes, as the page has them, as a tensor (K, D).

        Raises:
            InputError: if one has another number of genes, or lies too far out.
        """
        found = [_unpacked(one) if isinstance(one, str) else torch.tensor(one, dtype=torch.float32) for one in genomes]
        for genome in found:
            if len(genome) != self.encoding.dim:
                raise InputError(f"a genome has {len(genome)} values: expected {self.encoding.dim}")
            if not genome.abs().max() <= self._furthest:  # NaN is not
                raise InputError(f"a genome has values beyond {self._furthest:g}: expected some near the prior")
        return torch.stack(found)

    def write(self, genomes: Tensor) -> list[list[float] | str]:
        """Return genomes (K, D) as the page has them: numbers, or base64 where they are many."""
        if self.directions is None:
            return list(genomes.tolist())
        packed = genomes.detach().cpu().numpy().astype("<f4")
        return [base64.b64encode(row.tobytes()).decode() for row in packed]

    def move(self, genome: Tensor | None, moves: Tensor) -> Tensor:
        """Return a genome (D,), None for the prior's centre, moved along the directions: moves (K, N) -> (K, D).

        Raises:
            InputError: if there are no directions, or another number of moves.
        """
        if self.directions is None or moves.shape[1] != len(self.directions):
            expected = "none: each gene has its slider" if self.directions is None else len(self.directions)
            raise InputError(f"{moves.shape[1]} moves along directions: expected {expected}")
        begin = self._middle if genome is None else genome.to(self.directions.device)
        return self.encoding.project(begin + moves.to(self.directions.device) @ self.directions)


def _unpacked(text: str) -> Tensor:
    try:
        content = base64.b64decode(text, validate=True)
        return torch.from_numpy(np.frombuffer(content, "<f4").astype(np.float32))
    except (binascii.Error, ValueError) as error:
        raise InputError("a genome cannot be read: expected base64 of float32") from error


def _values(bound: float | Sequence[float], dim: int) -> Tensor:
    """Return a bound of each gene, float64 (D,)."""
    return torch.as_tensor(bound, dtype=torch.float64).expand(dim)


def _slider(low: float, high: float) -> Slider:
    """Return the slider of a gene whose prior has these bounds, as `Uniform` draws it where one is missing."""
    if math.isfinite(low) and math.isfinite(high):
        return Slider(low, high, True, tuple(low + share * (high - low) for share in SHARES))
    if math.isfinite(low):
        return Slider(low, low + REACH, False, tuple(low + _normal(0.5 + share / 2) for share in SHARES))
    if math.isfinite(high):
        return Slider(high - REACH, high, False, tuple(high + _normal(share / 2) for share in SHARES))
    return Slider(-REACH, REACH, False, tuple(map(_normal, SHARES)))


def _normal(share: float) -> float:
    """Return the quantile of N(0, 1)."""
    return float(torch.special.ndtri(torch.tensor(share)))
