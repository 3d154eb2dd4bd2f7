"""What a world is to those who act in it: many episodes at once, begun by seeds, a step at a time."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor


class Episodes(ABC):
    """Episodes under way, in any shape (...): all take a step together, and each ends by itself.

    Attributes:
        alive: bool (...), which of them go on.
    """

    alive: Tensor

    @abstractmethod
    def observe(self) -> Tensor:
        """Return what there is to see now, float32 (..., inputs)."""

    @abstractmethod
    def step(self, actions: Tensor) -> Tensor:
        """Act, `actions` (..., outputs), and return the rewards float32 (...), 0 where an episode was over before."""


class Environment(ABC):
    """A world: it says what policies see and do, and begins episodes. It holds no state of its own.

    Args:
        device: where episodes take place.
    """

    inputs: int
    """Numbers that a policy sees."""
    outputs: int
    """Numbers that a policy gives."""
    steps: int
    """The most that an episode has."""

    def __init__(self, device: torch.device) -> None:
        self.device = device

    @abstractmethod
    def reset(self, seeds: Tensor) -> Episodes:
        """Return new episodes of the shape of `seeds`, int64 (...); equal seeds begin alike, on every device."""
