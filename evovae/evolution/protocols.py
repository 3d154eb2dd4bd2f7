"""What evolution asks of what it evolves: it knows genomes and fitness, and takes the rest as it comes."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor


class Decoder(Protocol):
    """Whatever maps genomes to phenotypes."""

    def decode(self, genomes: Tensor) -> Tensor:
        """Return the phenotypes (B, ...) of `genomes` (B, D)."""


class Encoding(Decoder, Protocol):
    """A decoder with a prior over genomes, and the region that they may live in; `evovae.encodings` has several."""

    @property
    def dim(self) -> int:
        """Number of genes D."""

    @property
    def sigma(self) -> float | tuple[float, ...]:
        """A standard deviation for mutation that suits the scale of the genes: one for all, or one for each."""

    @property
    def device(self) -> torch.device:
        """Where genomes live and phenotypes are made."""

    def sample(self, n: int, generator: torch.Generator) -> Tensor:
        """Draw `n` genomes (n, D) from the prior."""

    def project(self, genomes: Tensor) -> Tensor:
        """Return `genomes` (..., D) moved into the region, in new memory or unchanged."""
